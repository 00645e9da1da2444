//! gRPC over HTTP/2: `Length-Prefixed-Message` is a flag for compression, four bytes of length, the
//! highest first, and the message (grpc/doc/PROTOCOL-HTTP2.md). Each is a record.

use crate::CountError;
use crate::meter::{Halt, Meter};

/// The longest message that is counted. gRPC's own default for what a client takes is 4 MiB.
pub const MESSAGE_BYTES_MAX: u32 = 16 << 20;

#[derive(Clone, Copy, Default)]
pub(crate) enum Messages {
    #[default]
    Flag,
    Length {
        /// Bytes of the length that were read, and what they say so far.
        read: u8,
        bytes: u32,
    },
    Message {
        left: u32,
    },
}

impl Messages {
    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match *self {
                Self::Flag => {
                    let offset = meter.offset_of(at);
                    if byte > 1 {
                        return Err(Halt::Failed(CountError::Unexpected { offset, byte }));
                    }
                    meter.take()?;
                    *self = Self::Length { read: 0, bytes: 0 };
                    at += 1;
                }
                Self::Length { read, bytes } => {
                    let bytes = bytes << 8 | u32::from(byte);
                    at += 1;
                    *self = match read {
                        0..3 => Self::Length { read: read + 1, bytes },
                        _ => message(bytes, at, meter)?,
                    };
                }
                Self::Message { left } => {
                    let rest = u32::try_from(chunk.len() - at).unwrap_or(u32::MAX);
                    let passed = left.min(rest);
                    at += passed as usize;
                    *self = if passed < left {
                        Self::Message { left: left - passed }
                    } else {
                        meter.record_ended(at);
                        Self::Flag
                    };
                }
            }
        }
        Ok(())
    }

    /// Whether the body may end here.
    pub(crate) fn may_end(self) -> bool {
        matches!(self, Self::Flag)
    }
}

/// What follows a prefix that ended just before `at`.
fn message(bytes: u32, at: usize, meter: &mut Meter) -> Result<Messages, Halt> {
    match bytes {
        0 => {
            meter.record_ended(at);
            Ok(Messages::Flag)
        }
        1..=MESSAGE_BYTES_MAX => Ok(Messages::Message { left: bytes }),
        _ => Err(Halt::Failed(CountError::MessageTooLong { offset: meter.offset_of(at), bytes })),
    }
}
