//! Bodies: where their payload is, and where they end (RFC 9112, 6 and 7).

use std::ops::Range;

use super::chunked::Chunked;
use super::{Framing, ResponseFraming};
use crate::http_rules::HeadFault;

/// Reads a body that comes piece by piece. How it is cut into pieces makes no difference for the payload,
/// the trailers or the fault, and where each of them stands.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Bytes still to come.
    Length(u64),
    UntilClose,
    Chunked(Chunked),
}

/// What was done with an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that aren't needed any more. Where fewer than all and the body hasn't ended, call
    /// again with the rest.
    pub consumed: usize,
    /// Payload within the input; may be empty.
    pub data: Range<usize>,
    /// Whether the body has ended with what was consumed. The rest of the input isn't of it.
    pub ended: bool,
}

/// What is wrong with a body. Always the peer's fault: nothing after it on the connection can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the size of a chunk is not a hexadecimal number")]
    ChunkSizeMalformed,
    #[error("the size of a chunk has more than `{digits_max}` digits, or is above 2^63")]
    ChunkSizeTooLarge { digits_max: u8 },
    #[error("a line of the chunked coding ends with LF alone; hint: end lines with CR LF")]
    BareLineFeed,
    #[error("there is a CR without an LF after it in the chunked coding")]
    BareCarriageReturn,
    #[error("a chunk extension has a control character")]
    ExtensionMalformed,
    #[error("the extensions of a chunk take more than `{bytes_max}` bytes")]
    ExtensionTooLong { bytes_max: u16 },
    #[error("there is no CR LF after the data of a chunk")]
    ChunkEndMissing,
    #[error("the chunked coding takes too many bytes for the payload in it; hint: send larger chunks")]
    TooMuchOverhead,
    #[error("the trailers take more than `{bytes_max}` bytes")]
    TrailersTooLarge { bytes_max: usize },
    #[error("there are more than `{fields_max}` trailers")]
    TrailersTooMany { fields_max: usize },
    #[error("a trailer is malformed: {0}")]
    TrailerMalformed(HeadFault),
    #[error("there is a trailer of a name that goes into the head only")]
    TrailerForbidden,
}

impl BodyDecoder {
    /// Of a message without a body: it has ended.
    pub fn empty() -> Self {
        Self { state: State::Length(0) }
    }

    /// Reads up to the end of the next run of payload, and over the coding around it.
    ///
    /// # Errors
    /// A [`BodyFault`], once all payload before it has been handed out; each later call gives it again.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyFault> {
        match &mut self.state {
            State::Length(remaining) => {
                let taken = usize::try_from(*remaining).map_or(input.len(), |bytes| bytes.min(input.len()));
                *remaining -= taken as u64;
                Ok(Step { consumed: taken, data: 0..taken, ended: *remaining == 0 })
            }
            State::UntilClose => Ok(Step { consumed: input.len(), data: 0..input.len(), ended: false }),
            State::Chunked(chunked) => chunked.decode(input),
        }
    }

    pub fn is_ended(&self) -> bool {
        match &self.state {
            State::Length(remaining) => *remaining == 0,
            State::UntilClose => false,
            State::Chunked(chunked) => chunked.is_ended(),
        }
    }

    /// Whether a connection that ends now leaves a whole body: it has ended, or ends only so.
    pub fn may_end_at_close(&self) -> bool {
        matches!(self.state, State::UntilClose) || self.is_ended()
    }

    /// The bytes of payload still to come; none, where that isn't known.
    pub fn remaining_length(&self) -> Option<u64> {
        match &self.state {
            State::Length(remaining) => Some(*remaining),
            State::Chunked(chunked) if chunked.is_ended() => Some(0),
            State::UntilClose | State::Chunked(_) => None,
        }
    }

    /// Whether the body has ended with trailers that were not taken yet.
    pub fn has_trailers(&self) -> bool {
        matches!(&self.state, State::Chunked(chunked) if chunked.has_trailers())
    }

    /// The trailers of a body that has ended, in the order they came; each is given once.
    pub fn take_trailers(&mut self) -> Vec<(String, Vec<u8>)> {
        match &mut self.state {
            State::Chunked(chunked) => chunked.take_trailers(),
            State::Length(_) | State::UntilClose => Vec::new(),
        }
    }

    /// The bytes of the chunked coding so far, without payload and trailers.
    pub fn overhead_bytes(&self) -> u64 {
        match &self.state {
            State::Chunked(chunked) => chunked.overhead_bytes(),
            State::Length(_) | State::UntilClose => 0,
        }
    }
}

impl From<Framing> for BodyDecoder {
    fn from(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty => State::Length(0),
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => State::Chunked(Chunked::default()),
        };
        Self { state }
    }
}

impl From<ResponseFraming> for BodyDecoder {
    fn from(framing: ResponseFraming) -> Self {
        let state = match framing {
            ResponseFraming::Empty => State::Length(0),
            ResponseFraming::Length(bytes) => State::Length(bytes),
            ResponseFraming::Chunked => State::Chunked(Chunked::default()),
            ResponseFraming::UntilClose => State::UntilClose,
        };
        Self { state }
    }
}
