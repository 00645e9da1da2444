//! Reads big-endian TLS presentation language (RFC 8446, 3) without ever indexing.

/// The rest of some bytes; every read either takes what it says or leaves `None`.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        self.array().map(|[high, middle, low]: [u8; 3]| {
            usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
        })
    }

    /// A vector whose length in bytes stands before it in one byte.
    pub(crate) fn vector_8(&mut self) -> Option<Cursor<'a>> {
        let length = self.u8()?;
        self.bytes(usize::from(length)).map(Cursor)
    }

    /// A vector whose length in bytes stands before it in two bytes.
    pub(crate) fn vector_16(&mut self) -> Option<Cursor<'a>> {
        let length = self.u16()?;
        self.bytes(usize::from(length)).map(Cursor)
    }

    /// All that is left, as 16-bit numbers; `None` when a byte is left over.
    pub(crate) fn all_u16(self) -> Option<Vec<u16>> {
        let (pairs, rest) = self.0.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
    }

    /// `Some` when nothing is left over.
    pub(crate) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}
