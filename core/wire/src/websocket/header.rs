//! The header of a frame (RFC 6455, 5.2), however it is cut.

use super::{Side, WebSocketFault};

const CONTROL_BYTES_MAX: u64 = 125;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    /// Text or binary.
    Data,
    Close,
    PingPong,
}

/// As much of a header as has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    first: u8,
    second: u8,
    length: u64,
    mask: [u8; 4],
    bytes: u8,
}

impl Header {
    /// Takes bytes up to the next place where there is something to judge, and gives the others back.
    pub(super) fn fill<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let wanted = usize::from(self.next_stop() - self.bytes);
        let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        for byte in taken {
            self.take(*byte);
        }
        rest
    }

    fn take(&mut self, byte: u8) {
        let length_end = self.length_end();
        match self.bytes {
            0 => self.first = byte,
            1 => {
                self.second = byte;
                self.length = match byte & 0x7f {
                    126 | 127 => 0,
                    length => u64::from(length),
                };
            }
            at if at < length_end => self.length = (self.length << 8) | u64::from(byte),
            at => {
                if let Some(place) = self.mask.get_mut(usize::from(at - length_end)) {
                    *place = byte;
                }
            }
        }
        self.bytes += 1;
    }

    /// Each byte that can show a fault is one; then the length, then the mask.
    fn next_stop(&self) -> u8 {
        match (self.bytes, self.length_end()) {
            (0, _) => 1,
            (1, _) => 2,
            (2, 10) => 3,
            (at, length_end) if at < length_end => length_end,
            (_, length_end) => length_end + 4,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn bytes(&self) -> u8 {
        self.bytes
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes >= 2 && self.bytes == self.length_end() + if self.is_masked() { 4 } else { 0 }
    }

    /// Whether the last byte that came was the last one of the length.
    pub(super) fn is_length_end(&self) -> bool {
        self.bytes >= 2 && self.bytes == self.length_end()
    }

    pub(super) fn is_final(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// Zeros for a frame that isn't masked.
    pub(super) fn mask(&self) -> [u8; 4] {
        self.mask
    }

    /// `None` for one that isn't known.
    pub(super) fn opcode(&self) -> Option<Opcode> {
        match self.first & 0x0f {
            0x0 => Some(Opcode::Continuation),
            0x1 | 0x2 => Some(Opcode::Data),
            0x8 => Some(Opcode::Close),
            0x9 | 0xa => Some(Opcode::PingPong),
            _ => None,
        }
    }

    /// `None` until the length has arrived.
    pub(super) fn payload_bytes(&self) -> Option<u64> {
        (self.bytes >= 2 && self.bytes >= self.length_end()).then_some(self.length)
    }

    /// Judges what the last byte added, at each stop.
    pub(super) fn check(&self, side: Side, frame_bytes_max: u64) -> Result<(), WebSocketFault> {
        match self.bytes {
            1 => self.check_first(),
            2 => self.check_second(side),
            _ => Ok(()),
        }?;
        if self.bytes == 3 && self.second & 0x7f == 127 && self.length & 0x80 != 0 {
            return Err(WebSocketFault::LengthTopBit);
        }
        if self.is_length_end() { self.check_length(frame_bytes_max) } else { Ok(()) }
    }

    fn check_first(&self) -> Result<(), WebSocketFault> {
        if self.first & 0x70 != 0 {
            return Err(WebSocketFault::ReservedBits);
        }
        let opcode = self.opcode().ok_or(WebSocketFault::Opcode { opcode: self.first & 0x0f })?;
        if !self.is_final() && matches!(opcode, Opcode::Close | Opcode::PingPong) {
            return Err(WebSocketFault::ControlFragmented);
        }
        Ok(())
    }

    fn check_second(&self, side: Side) -> Result<(), WebSocketFault> {
        match (side, self.is_masked()) {
            (Side::FromClient, false) => return Err(WebSocketFault::Unmasked),
            (Side::FromServer, true) => return Err(WebSocketFault::Masked),
            _ => {}
        }
        let control = matches!(self.opcode(), Some(Opcode::Close | Opcode::PingPong));
        if control && u64::from(self.second & 0x7f) > CONTROL_BYTES_MAX {
            return Err(WebSocketFault::ControlTooLong);
        }
        if self.opcode() == Some(Opcode::Close) && self.length == 1 {
            return Err(WebSocketFault::CloseTooShort);
        }
        Ok(())
    }

    fn check_length(&self, frame_bytes_max: u64) -> Result<(), WebSocketFault> {
        let minimum = match self.second & 0x7f {
            126 => 126,
            127 => 0x1_0000,
            _ => 0,
        };
        if self.length < minimum {
            return Err(WebSocketFault::LengthNotMinimal);
        }
        if self.length > frame_bytes_max {
            return Err(WebSocketFault::FrameTooLong { bytes: self.length, bytes_max: frame_bytes_max });
        }
        Ok(())
    }

    fn is_masked(&self) -> bool {
        self.second & 0x80 != 0
    }

    /// Where the length ends: 2, 4 or 10.
    fn length_end(&self) -> u8 {
        match self.second & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }
}
