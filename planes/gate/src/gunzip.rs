//! Unpacks gzip (RFC 1952) in bounded pieces, without I/O.
//!
//! Stricter than most readers, as what is unpacked here leaves uncompressed and nobody could check it
//! again: checksum and length of each member are compared, flags that mean nothing are a fault, and so
//! is whatever follows the last member. Members that follow each other are one body (RFC 1952, 2.2).

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// A member's head, names and comments included.
const HEAD_BYTES_MAX: u32 = 128 * 1024;
/// Output that may be made whatever it was made of.
const FREE_BYTES: u64 = 1 << 20;
/// Beyond that, bytes that each byte read may have become.
const EXPANSION_MAX: u64 = 100;

/// Flags of a member's head (RFC 1952, 2.3.1).
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Why a body can't be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipFault {
    #[error("the gzip body has a malformed head")]
    Head,
    #[error("the gzip body's data is malformed")]
    Data,
    #[error("the gzip body doesn't match its own checksum or length")]
    Checksum,
    #[error("the gzip body is followed by something else")]
    Garbage,
    #[error("the gzip body ends too early")]
    Truncated,
    #[error("the gzip body expands more than `{EXPANSION_MAX}` to 1")]
    Expansion,
}

/// What one call of [`Gunzip::unpack`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of the input that were used up.
    pub read: usize,
    /// Bytes at the start of the room that were written.
    pub written: usize,
}

/// The state of one body.
pub struct Gunzip {
    stage: Stage,
    inflate: Decompress,
    /// Of the head, then of the data of the member.
    checksum: Crc,
    read: u64,
    written: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before a member: the first must come, others may.
    Between {
        any: bool,
    },
    Head(Head),
    Data,
    /// The little-endian checksum and length, `read` bytes of it so far.
    Tail {
        read: u8,
        bytes: u64,
    },
}

/// Where in its head a member is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    flags: u8,
    part: Part,
    read: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The ten bytes that are always there.
    Fixed,
    ExtraLength {
        first: Option<u8>,
    },
    Extra {
        left: u16,
    },
    Name,
    Comment,
    Checksum {
        first: Option<u8>,
    },
}

impl Gunzip {
    pub fn new() -> Self {
        Self {
            stage: Stage::Between { any: false },
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            read: 0,
            written: 0,
        }
    }

    /// Unpacks from `packed` until `room` is full or nothing more can be done: nothing was written then,
    /// and all was read.
    ///
    /// # Errors
    /// See [`GzipFault`]; nothing of what was written by this call may be used.
    pub fn unpack(&mut self, packed: &[u8], room: &mut [u8]) -> Result<Unpacked, GzipFault> {
        let mut rest = packed;
        let mut written = 0;
        loop {
            let free = room.get_mut(written..).unwrap_or_default();
            let before = rest.len();
            if self.stage == Stage::Data {
                // Even without input: what was read before may not all have found room.
                if free.is_empty() {
                    break;
                }
                let made = self.inflate(&mut rest, free)?;
                written += made;
                if made == 0 && rest.len() == before && self.stage == Stage::Data {
                    if rest.is_empty() {
                        break;
                    }
                    return Err(GzipFault::Data);
                }
            } else {
                let Some((byte, after)) = rest.split_first() else { break };
                self.take(*byte)?;
                self.read += 1;
                rest = after;
            }
        }
        Ok(Unpacked { read: packed.len() - rest.len(), written })
    }

    /// The end of the body.
    ///
    /// # Errors
    /// It ended inside a member, or before the first.
    pub fn finish(&self) -> Result<(), GzipFault> {
        match self.stage {
            Stage::Between { any: true } => Ok(()),
            _ => Err(GzipFault::Truncated),
        }
    }

    fn inflate(&mut self, rest: &mut &[u8], free: &mut [u8]) -> Result<usize, GzipFault> {
        let (read_before, written_before) = (self.inflate.total_in(), self.inflate.total_out());
        let status =
            self.inflate.decompress(rest, free, FlushDecompress::None).map_err(|_| GzipFault::Data)?;
        let read = self.inflate.total_in() - read_before;
        let made = self.inflate.total_out() - written_before;
        *rest = usize::try_from(read).ok().and_then(|read| rest.get(read..)).ok_or(GzipFault::Data)?;
        self.read += read;
        self.written += made;
        if self.written > FREE_BYTES && self.written > self.read.saturating_mul(EXPANSION_MAX) {
            return Err(GzipFault::Expansion);
        }
        let made = usize::try_from(made).map_err(|_| GzipFault::Data)?;
        self.checksum.update(free.get(..made).ok_or(GzipFault::Data)?);
        if status == Status::StreamEnd {
            self.stage = Stage::Tail { read: 0, bytes: 0 };
        }
        Ok(made)
    }

    /// One byte outside of the data.
    fn take(&mut self, byte: u8) -> Result<(), GzipFault> {
        self.stage = match self.stage {
            Stage::Between { any } => {
                if byte != 0x1f {
                    return Err(if any { GzipFault::Garbage } else { GzipFault::Head });
                }
                self.checksum.reset();
                self.checksum.update(&[byte]);
                Stage::Head(Head { flags: 0, part: Part::Fixed, read: 1 })
            }
            Stage::Head(head) => self.take_head(head, byte)?,
            Stage::Tail { read, bytes } => {
                let bytes = bytes | u64::from(byte) << (8 * u32::from(read));
                if read < 7 {
                    Stage::Tail { read: read + 1, bytes }
                } else {
                    let expected = u64::from(self.checksum.sum()) | u64::from(self.checksum.amount()) << 32;
                    if bytes != expected {
                        return Err(GzipFault::Checksum);
                    }
                    Stage::Between { any: true }
                }
            }
            Stage::Data => Stage::Data,
        };
        Ok(())
    }

    fn take_head(&mut self, head: Head, byte: u8) -> Result<Stage, GzipFault> {
        let Head { mut flags, part, read } = head;
        if read >= HEAD_BYTES_MAX {
            return Err(GzipFault::Head);
        }
        let sum_before = self.checksum.sum();
        self.checksum.update(&[byte]);
        // What stands in front of the next part, or the same part.
        let next = match part {
            Part::Fixed => {
                match read {
                    1 if byte != 0x8b => return Err(GzipFault::Head),
                    // Deflate is the only method there is.
                    2 if byte != 8 => return Err(GzipFault::Head),
                    3 if byte & RESERVED != 0 => return Err(GzipFault::Head),
                    3 => flags = byte,
                    _ => {}
                }
                if read < 9 { Some(part) } else { after_fixed(flags) }
            }
            Part::ExtraLength { first: None } => Some(Part::ExtraLength { first: Some(byte) }),
            Part::ExtraLength { first: Some(first) } => match u16::from_le_bytes([first, byte]) {
                0 => after_extra(flags),
                left => Some(Part::Extra { left }),
            },
            Part::Extra { left: 0 | 1 } => after_extra(flags),
            Part::Extra { left } => Some(Part::Extra { left: left - 1 }),
            Part::Name if byte == 0 => after_name(flags),
            Part::Comment if byte == 0 => after_comment(flags),
            Part::Name | Part::Comment => Some(part),
            Part::Checksum { first: None } => {
                // Of everything before these two bytes, its lower half.
                if byte != sum_before.to_le_bytes()[0] {
                    return Err(GzipFault::Checksum);
                }
                Some(Part::Checksum { first: Some(sum_before.to_le_bytes()[1]) })
            }
            Part::Checksum { first: Some(second) } => {
                if byte != second {
                    return Err(GzipFault::Checksum);
                }
                None
            }
        };
        Ok(match next {
            Some(part) => Stage::Head(Head { flags, part, read: read + 1 }),
            None => {
                self.checksum.reset();
                self.inflate.reset(false);
                Stage::Data
            }
        })
    }
}

fn after_fixed(flags: u8) -> Option<Part> {
    if flags & HAS_EXTRA != 0 { Some(Part::ExtraLength { first: None }) } else { after_extra(flags) }
}

fn after_extra(flags: u8) -> Option<Part> {
    if flags & HAS_NAME != 0 { Some(Part::Name) } else { after_name(flags) }
}

fn after_name(flags: u8) -> Option<Part> {
    if flags & HAS_COMMENT != 0 { Some(Part::Comment) } else { after_comment(flags) }
}

fn after_comment(flags: u8) -> Option<Part> {
    (flags & HAS_CHECKSUM != 0).then_some(Part::Checksum { first: None })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};

    use super::{Gunzip, GzipFault};

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// Text that is neither trivial nor without repetitions.
    fn text(bytes: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        let words = ["alpha", "beta", "gamma", "delta", "\n"];
        let mut text = Vec::new();
        while text.len() < bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.extend_from_slice(format!("{}{}", words[(state % 5) as usize], state % 977).as_bytes());
        }
        text.truncate(bytes);
        text
    }

    /// Everything that comes out, and the fault at the end.
    fn unpack(packed: &[u8], chunk: usize, room: usize) -> (Vec<u8>, Result<(), GzipFault>) {
        let mut gunzip = Gunzip::new();
        let mut plain = Vec::new();
        let mut room = vec![0; room];
        for mut chunk in packed.chunks(chunk) {
            loop {
                match gunzip.unpack(chunk, &mut room) {
                    Ok(step) => {
                        plain.extend_from_slice(&room[..step.written]);
                        chunk = &chunk[step.read..];
                        if step.written == 0 {
                            assert!(chunk.is_empty(), "nothing more can be done only when all was read");
                            break;
                        }
                    }
                    Err(fault) => return (plain, Err(fault)),
                }
            }
        }
        (plain, gunzip.finish())
    }

    #[test]
    fn any_division_gives_the_same() {
        for plain in [Vec::new(), b"x".to_vec(), text(100), text(200_000), vec![0; 100_000]] {
            let packed = gzip(&plain);
            for (chunk, room) in [(1, 1), (1, 4_096), (7, 3), (1_000, 64), (1 << 20, 32_768), (1 << 20, 1)] {
                let unpacked = unpack(&packed, chunk, room);
                assert!(unpacked == (plain.clone(), Ok(())), "{} {chunk} {room}", plain.len());
            }
        }
    }

    #[test]
    fn members_that_follow_each_other_are_one_body() {
        let members = [gzip(b"one "), gzip(b""), gzip(b"two "), gzip(&text(70_000))].concat();
        let expect = [b"one two ".as_slice(), &text(70_000)].concat();
        for chunk in [1, 5, 1 << 20] {
            assert!(unpack(&members, chunk, 4_096) == (expect.clone(), Ok(())));
        }
    }

    #[test]
    fn heads_with_everything_that_may_be_there() {
        let mut packed = Vec::new();
        let builder = GzBuilder::new().extra(vec![b'e'; 300]).filename("name").comment("comment").mtime(7);
        let mut encoder = builder.write(&mut packed, Compression::fast());
        encoder.write_all(b"plain").unwrap();
        encoder.finish().unwrap();
        assert_eq!(unpack(&packed, 1, 100), (b"plain".to_vec(), Ok(())));
        // The same with a checksum of the head, which flate2 doesn't write.
        let head = 10 + 2 + 300 + 5 + 8;
        packed[3] |= super::HAS_CHECKSUM;
        let mut sum = flate2::Crc::new();
        sum.update(&packed[..head]);
        let sum = sum.sum().to_le_bytes();
        packed.splice(head..head, [sum[0], sum[1]]);
        assert_eq!(unpack(&packed, 1, 100), (b"plain".to_vec(), Ok(())));
        for wrong in [head, head + 1] {
            let mut packed = packed.clone();
            packed[wrong] ^= 1;
            assert_eq!(unpack(&packed, 100, 100).1, Err(GzipFault::Checksum));
        }
        let endless = [&[0x1f, 0x8b, 8, super::HAS_NAME, 0, 0, 0, 0, 0, 3][..], &[b'n'; 1 << 18]].concat();
        assert_eq!(unpack(&endless, 1_000, 100).1, Err(GzipFault::Head));
    }

    #[test]
    fn every_other_byte_string_is_a_fault() {
        let good = gzip(&text(5_000));
        let end = good.len();
        let check = |packed: &[u8], expect: GzipFault| {
            for chunk in [1, 100_000] {
                assert_eq!(unpack(packed, chunk, 4_096).1, Err(expect), "{:?}", packed.get(..20));
            }
        };
        let changed = |at: usize, to: u8| {
            let mut packed = good.clone();
            packed[at] = to;
            packed
        };
        check(b"", GzipFault::Truncated);
        check(b"{}", GzipFault::Head);
        check(&changed(1, 0x8c), GzipFault::Head);
        check(&changed(2, 7), GzipFault::Head);
        for reserved in [0x20, 0x40, 0x80] {
            check(&changed(3, reserved), GzipFault::Head);
        }
        check(&changed(10, 0xff), GzipFault::Data);
        for at in [end - 8, end - 5, end - 4, end - 1] {
            check(&changed(at, good[at] ^ 1), GzipFault::Checksum);
        }
        for garbage in [&b"\0"[..], b"x", b"{\"records\":[]}"] {
            check(&[&good, garbage].concat(), GzipFault::Garbage);
        }
        check(&[&good[..], b"\x1f\x8c"].concat(), GzipFault::Head);
        for length in 0..end {
            assert_eq!(unpack(&good[..length], 999, 999).1, Err(GzipFault::Truncated), "{length}");
        }
        check(&[&good, &good[..end - 1]].concat(), GzipFault::Truncated);
    }

    #[test]
    fn what_expands_too_much_is_stopped_before_it_is_made() {
        let member = gzip(&vec![0; 16 << 20]);
        // 1 GiB.
        let bomb = member.repeat(64);
        let (plain, ended) = unpack(&bomb, 16_384, 32_768);
        assert_eq!(ended, Err(GzipFault::Expansion));
        assert!(plain.len() <= 1 << 20, "{}", plain.len());
        // The first MiB is free, and so is what expands less.
        let small = vec![0; 1 << 20];
        assert!(unpack(&gzip(&small), 16_384, 32_768) == (small, Ok(())));
        let repeated = text(200_000).chunks(100).flat_map(|line| [line, &[b' '; 5_000]].concat()).collect();
        let ratio = Vec::len(&repeated) / gzip(&repeated).len();
        assert!((40..100).contains(&ratio), "{ratio}");
        assert!(unpack(&gzip(&repeated), 16_384, 32_768) == (repeated, Ok(())));
    }
}
