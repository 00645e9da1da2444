//! Lines of a file of any length, in bounded memory.

use std::io::{self, Read};

/// A longer line is none of a list.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// What is read at once, beside the beginning of a line.
pub const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Without its end; of a line that is too long, the beginning.
    pub text: &'a [u8],
    pub too_long: bool,
    /// False of a last line that doesn't end.
    pub ended: bool,
}

/// The lines of a text.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (line, behind) = split(rest)?;
        rest = behind;
        Some(line)
    })
}

fn split(text: &[u8]) -> Option<(Line<'_>, &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', text);
    let (line, behind) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let too_long = line.len() >= LINE_BYTES_MAX;
    let line = line.get(..LINE_BYTES_MAX).unwrap_or(line);
    Some((Line { text: line, too_long, ended: end.is_some() }, behind.get(1..).unwrap_or_default()))
}

/// Whole lines of a file; of those that are too long, the beginning.
#[derive(Default)]
pub struct Block {
    bytes: Vec<u8>,
    length: usize,
}

impl Block {
    pub fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Reads `R` in blocks of whole lines.
pub struct Blocks<R> {
    reader: R,
    /// The beginning of a line whose end wasn't read yet.
    begun: Vec<u8>,
    at_end: bool,
}

impl<R: Read> Blocks<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, begun: Vec::new(), at_end: false }
    }

    /// Reads the next one, if there is any; what the block held before is overwritten.
    pub fn next(&mut self, block: &mut Block) -> io::Result<bool> {
        block.bytes.resize(LINE_BYTES_MAX + BLOCK_BYTES, 0);
        block.length = self.begun.len();
        block.bytes.get_mut(..self.begun.len()).unwrap_or_default().copy_from_slice(&self.begun);
        self.begun.clear();
        while !self.at_end {
            let unread = block.bytes.get_mut(block.length..).unwrap_or_default();
            let read = read_some(&mut self.reader, unread)?;
            self.at_end = read == 0;
            let got = unread.get(..read).unwrap_or_default();
            if let Some(end) = memchr::memrchr(b'\n', got) {
                let behind = got.get(end + 1..).unwrap_or_default();
                self.begun.extend_from_slice(behind.get(..LINE_BYTES_MAX).unwrap_or(behind));
                block.length += end + 1;
                return Ok(true);
            }
            // One line up to here. Where it is too long, its end is of no interest, but the next line's beginning is.
            block.length = (block.length + read).min(LINE_BYTES_MAX);
        }
        Ok(block.length > 0)
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Reads `R` in large pieces, and gives its lines without copying them, each with its number from 1 on.
pub struct Lines<R> {
    blocks: Blocks<R>,
    block: Block,
    /// Where the next line of the block begins.
    place: usize,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { blocks: Blocks::new(reader), block: Block::default(), place: 0, number: 0 }
    }

    /// The next line, if there is any.
    pub fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        if self.place >= self.block.length {
            self.place = 0;
            if !self.blocks.next(&mut self.block)? {
                self.block.length = 0;
                return Ok(None);
            }
        }
        let unread = self.block.text().get(self.place..).unwrap_or_default();
        let Some((line, behind)) = split(unread) else { return Ok(None) };
        self.place = self.block.length - behind.len();
        self.number += 1;
        Ok(Some((self.number, line)))
    }
}

#[cfg(test)]
impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte more at each read.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn all(text: &[u8]) -> Vec<(u64, Vec<u8>, bool, bool)> {
        let mut lines = Lines::new(Slowly(text, 0));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((number, line.text.to_vec(), line.too_long, line.ended));
        }
        all
    }

    #[test]
    fn lines_are_lines() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n"), [(1, b"".to_vec(), false, true)]);
        assert_eq!(
            all(b"a\n\nbc"),
            [
                (1, b"a".to_vec(), false, true),
                (2, b"".to_vec(), false, true),
                (3, b"bc".to_vec(), false, false),
            ]
        );
    }

    #[test]
    fn a_line_without_end_costs_its_beginning() {
        let mut text = vec![b'x'; 3 * BLOCK_BYTES];
        text.extend(b"\nnext\n");
        let found = all(&text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].1.len(), found[0].2, found[0].3), (LINE_BYTES_MAX, true, true));
        assert_eq!(found[1], (2, b"next".to_vec(), false, true));
        let found = all(&vec![b'x'; 2 * BLOCK_BYTES]);
        assert_eq!((found.len(), found[0].2, found[0].3), (1, true, false));
    }

    #[test]
    fn lines_are_the_same_however_they_are_read() {
        for length in
            [0, 1, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7]
        {
            for more in ["", "\n", "\n\n", "\nab", "\nab\n"] {
                let mut text = b"before\n".to_vec();
                text.extend(vec![b'x'; length]);
                text.extend(more.bytes());
                let whole: Vec<_> = (1..)
                    .zip(lines(&text))
                    .map(|(number, line)| (number, line.text.to_vec(), line.too_long, line.ended))
                    .collect();
                assert_eq!(all(&text), whole, "{length} {more:?}");
            }
        }
    }
}
