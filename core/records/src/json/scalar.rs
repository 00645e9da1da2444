//! Numbers and literal names (RFC 8259, sections 3 and 6), byte by byte.
//!
//! They are checked and not just skipped: `1-2` and `truefalse` are two documents to a lenient
//! client, and would be one to a scanner that only looks for the next separator.

/// How far a number or a name has been read.
#[derive(Clone, Copy)]
pub(super) enum Scalar {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    Name { left: &'static [u8] },
}

impl Scalar {
    pub(super) fn begin(byte: u8) -> Option<Self> {
        Some(match byte {
            b'-' => Self::Minus,
            b'0' => Self::Zero,
            b'1'..=b'9' => Self::Integer,
            b't' => Self::Name { left: b"rue" },
            b'f' => Self::Name { left: b"alse" },
            b'n' => Self::Name { left: b"ull" },
            b'N' => Self::Name { left: b"aN" },
            b'I' => Self::Name { left: b"nfinity" },
            _ => return None,
        })
    }

    /// `None` if the byte can't follow.
    pub(super) fn step(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Minus, b'I') => Self::Name { left: b"nfinity" },
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Self::ExponentDigits,
            (Self::Name { left }, _) => match left.split_first() {
                Some((next, left)) if *next == byte => Self::Name { left },
                _ => return None,
            },
            _ => return None,
        })
    }

    pub(super) fn is_complete(self) -> bool {
        match self {
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits => true,
            Self::Minus | Self::Point | Self::Exponent | Self::ExponentSign => false,
            Self::Name { left } => left.is_empty(),
        }
    }

    /// Whether a byte goes on with the scalar; anything else ends it.
    pub(super) fn may_hold(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
    }
}
