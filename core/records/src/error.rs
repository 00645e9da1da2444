//! Why a body could not be counted. It is always the upstream's body that is at fault.

/// All offsets are in bytes from the start of the decoded body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// A byte that the grammar doesn't allow here.
    #[error(
        "unexpected byte `0x{byte:02x}` at offset `{offset}`\nhint: the upstream must send what its media type says, text in UTF-8"
    )]
    Unexpected { offset: u64, byte: u8 },
    /// A control character inside or between JSON tokens; UTF-16 and UTF-32 end here too.
    #[error(
        "control character `0x{byte:02x}` at offset `{offset}`\nhint: JSON strings escape control characters"
    )]
    ControlCharacter { offset: u64, byte: u8 },
    /// A closing bracket of the wrong kind, or one too many.
    #[error("closing bracket at offset `{offset}` matches no open one")]
    Mismatched { offset: u64 },
    /// More than [`DEPTH_MAX`](crate::DEPTH_MAX) open arrays and objects.
    #[error("nesting deeper than `{}` at offset `{offset}`", crate::DEPTH_MAX)]
    TooDeep { offset: u64 },
    /// A gRPC message that says it is longer than [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX).
    #[error(
        "message of `{bytes}` bytes at offset `{offset}`, more than `{}`\nhint: send smaller messages, or set `record_bytes` on the route",
        crate::MESSAGE_BYTES_MAX
    )]
    MessageTooLong { offset: u64, bytes: u32 },
    /// The body ended inside a document, a quoted field or a message.
    #[error("the body ends at offset `{offset}` inside a document, a quoted field or a message")]
    Truncated { offset: u64 },
    /// Something was pushed after the end, after an early stop or after an error.
    #[error(
        "the count was closed at offset `{offset}`\nhint: after a push that stopped early the response is cut"
    )]
    Closed { offset: u64 },
}
