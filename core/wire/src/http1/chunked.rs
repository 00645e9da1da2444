//! The chunked transfer coding (RFC 9112, 7.1).

use std::mem;
use std::ops::Range;

use memchr::memchr;

use super::body::{BodyFault, Step};
use super::fields::read_field;
use crate::http_rules::is_head_only;

const SIZE_DIGITS_MAX: u8 = 16;
const SIZE_MAX: u64 = 1 << 63;
/// For each chunk.
const EXTENSION_BYTES_MAX: u16 = 256;
const TRAILER_BYTES_MAX: usize = 8 * 1024;
const TRAILERS_MAX: usize = 32;
/// The coding itself (sizes, extensions, line ends) may take this, and twice the payload that came before
/// it: a body of chunks of three bytes is good for ever, one of single bytes for some five thousand
/// chunks, and long extensions must be paid for with payload. So a reader never handles more than three
/// bytes for each byte of payload, but for the fixed part.
const OVERHEAD_BYTES_FREE: u64 = 16 * 1024;
const OVERHEAD_PER_PAYLOAD: u64 = 2;

#[derive(Clone, Debug, Default)]
pub struct Chunked {
    state: State,
    payload_bytes: u64,
    overhead_bytes: u64,
    /// None until the first trailer comes: most bodies have none.
    trailers: Option<Box<Trailers>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        bytes: u16,
        size: u64,
    },
    /// Between CR and LF after the size or its extensions.
    SizeLineFeed {
        size: u64,
    },
    Data {
        remaining: u64,
    },
    DataReturn,
    DataLineFeed,
    Trailers,
    Ended,
    Failed(BodyFault),
}

impl Default for State {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

#[derive(Clone, Debug, Default)]
struct Trailers {
    /// The start of a line whose end hasn't come.
    line: Vec<u8>,
    bytes: usize,
    fields: Vec<(String, Vec<u8>)>,
}

impl Chunked {
    /// Reads up to one run of payload, and the coding before and after it.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyFault> {
        if let State::Failed(fault) = self.state {
            return Err(fault);
        }
        let mut at = 0;
        let mut data: Range<usize> = 0..0;
        while at < input.len() && self.state != State::Ended {
            if let State::Data { remaining } = self.state {
                if !data.is_empty() {
                    break;
                }
                let left = input.len() - at;
                let taken = usize::try_from(remaining).map_or(left, |bytes| bytes.min(left));
                data = at..at + taken;
                at += taken;
                self.payload_bytes = self.payload_bytes.saturating_add(taken as u64);
                let remaining = remaining - taken as u64;
                self.state = if remaining == 0 { State::DataReturn } else { State::Data { remaining } };
                continue;
            }
            match self.read_coding(input.get(at..).unwrap_or_default()) {
                Ok(taken) => at += taken,
                Err(fault) => {
                    self.state = State::Failed(fault);
                    // What came before the fault is good, and told apart from it by nothing but the call.
                    return if data.is_empty() {
                        Err(fault)
                    } else {
                        Ok(Step { consumed: at, data, ended: false })
                    };
                }
            }
        }
        Ok(Step { consumed: at, data, ended: self.is_ended() })
    }

    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub fn overhead_bytes(&self) -> u64 {
        self.overhead_bytes
    }

    pub fn has_trailers(&self) -> bool {
        self.state == State::Ended
            && self.trailers.as_ref().is_some_and(|trailers| !trailers.fields.is_empty())
    }

    pub fn take_trailers(&mut self) -> Vec<(String, Vec<u8>)> {
        match &mut self.trailers {
            Some(trailers) if self.state == State::Ended => mem::take(&mut trailers.fields),
            _ => Vec::new(),
        }
    }

    /// Reads bytes that are no payload, and tells how many. `rest` is not empty.
    fn read_coding(&mut self, rest: &[u8]) -> Result<usize, BodyFault> {
        if self.state == State::Trailers {
            return self.read_trailers(rest);
        }
        let Some(&byte) = rest.first() else { return Ok(0) };
        self.state = next_state(self.state, byte)?;
        self.overhead_bytes += 1;
        let overhead_bytes_max =
            OVERHEAD_BYTES_FREE.saturating_add(self.payload_bytes.saturating_mul(OVERHEAD_PER_PAYLOAD));
        if self.overhead_bytes > overhead_bytes_max { Err(BodyFault::TooMuchOverhead) } else { Ok(1) }
    }

    /// Reads up to the end of one line of the trailer section.
    fn read_trailers(&mut self, rest: &[u8]) -> Result<usize, BodyFault> {
        // The usual end: no trailers, nothing to keep.
        if self.trailers.is_none() && rest.starts_with(b"\r\n") {
            self.state = State::Ended;
            return Ok(2);
        }
        let trailers = self.trailers.get_or_insert_default();
        let end = memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |end| end + 1);
        let bytes_left = TRAILER_BYTES_MAX - trailers.bytes;
        if taken > bytes_left {
            return Err(BodyFault::TrailersTooLarge { bytes_max: TRAILER_BYTES_MAX });
        }
        trailers.bytes += taken;
        trailers.line.extend_from_slice(rest.get(..taken).unwrap_or_default());
        if end.is_none() {
            return Ok(taken);
        }
        match trailers.line.as_slice() {
            b"\r\n" => self.state = State::Ended,
            [line @ .., b'\r', b'\n'] => {
                let trailer = read_trailer(line)?;
                if trailers.fields.len() == TRAILERS_MAX {
                    return Err(BodyFault::TrailersTooMany { fields_max: TRAILERS_MAX });
                }
                trailers.fields.push(trailer);
            }
            _ => return Err(BodyFault::BareLineFeed),
        }
        trailers.line.clear();
        Ok(taken)
    }
}

/// What follows when `byte` comes. Not of data and trailers, which are read in runs.
fn next_state(state: State, byte: u8) -> Result<State, BodyFault> {
    match (state, byte) {
        (State::Size { digits, size }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
            let size = (size << 4) | u64::from(hex_value(byte));
            if digits == SIZE_DIGITS_MAX || size > SIZE_MAX {
                return Err(BodyFault::ChunkSizeTooLarge { digits_max: SIZE_DIGITS_MAX });
            }
            Ok(State::Size { digits: digits + 1, size })
        }
        (State::Size { digits: 1.., size }, b';') => Ok(State::Extension { bytes: 1, size }),
        (State::Size { digits: 1.., size } | State::Extension { size, .. }, b'\r') => {
            Ok(State::SizeLineFeed { size })
        }
        (State::Size { digits: 1.., .. } | State::Extension { .. }, b'\n') => Err(BodyFault::BareLineFeed),
        (State::Size { .. }, _) => Err(BodyFault::ChunkSizeMalformed),
        (State::Extension { .. }, 0..=0x1f | 0x7f) => Err(BodyFault::ExtensionMalformed),
        (State::Extension { bytes: EXTENSION_BYTES_MAX, .. }, _) => {
            Err(BodyFault::ExtensionTooLong { bytes_max: EXTENSION_BYTES_MAX })
        }
        (State::Extension { bytes, size }, _) => Ok(State::Extension { bytes: bytes + 1, size }),
        (State::SizeLineFeed { size: 0 }, b'\n') => Ok(State::Trailers),
        (State::SizeLineFeed { size }, b'\n') => Ok(State::Data { remaining: size }),
        (State::SizeLineFeed { .. }, _) => Err(BodyFault::BareCarriageReturn),
        (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
        (State::DataLineFeed, b'\n') => Ok(State::default()),
        (State::DataReturn | State::DataLineFeed, _) => Err(BodyFault::ChunkEndMissing),
        (State::Data { .. } | State::Trailers | State::Ended | State::Failed(_), _) => Ok(state),
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// Reads a line of the trailer section, without its CR LF.
fn read_trailer(line: &[u8]) -> Result<(String, Vec<u8>), BodyFault> {
    let field = read_field(line, 0).map_err(BodyFault::TrailerMalformed)?;
    let name = String::from_utf8_lossy(field.name.of(line)).into_owned();
    if is_head_only(&name) {
        return Err(BodyFault::TrailerForbidden);
    }
    Ok((name, field.value.of(line).to_vec()))
}
