//! What the gate reads off the wire before it trusts anybody: the ClientHello, its JA4, and the
//! framing rules of an HTTP request.
//!
//! Everything here is pure: bytes in, values or refusals out. Hostile input is an error, never a panic.

pub mod client_hello;
pub mod http1;
pub mod http2_frames;
pub mod http_rules;
pub mod ja4;
pub mod oddities;
pub mod proxy_protocol;
pub mod websocket;

mod assembler;
mod cursor;

/// Why bytes at the start of a connection are not a ClientHello. Always the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first bytes are no TLS handshake record (RFC 8446, 5.1).
    #[error("the connection does not start with a TLS handshake record; hint: speak TLS on this port")]
    NotTls,
    /// A handshake message, but of another type than `client_hello` (1).
    #[error("the first handshake message has type `{message_type}`, not `1` (client hello)")]
    NotClientHello { message_type: u8 },
    /// The hello, or the records that carry it, take more than the bound.
    #[error("the client hello takes more than `{bytes_max}` bytes")]
    TooLarge { bytes_max: usize },
    /// A length inside the hello doesn't fit what is there.
    #[error("the client hello is malformed in its `{part}`")]
    Malformed { part: &'static str },
    /// RFC 8446, 4.2: there must not be more than one extension of the same type.
    #[error("the client hello has extension `{extension:#06x}` twice")]
    DoubledExtension { extension: u16 },
}
