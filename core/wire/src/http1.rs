//! HTTP/1.1 on the wire (RFC 9110, RFC 9112), strict and without I/O: heads of requests and responses,
//! and bodies.
//!
//! The order of use: [`HeadFinder::find`] tells where a head ends; [`parse_request`] or [`parse_response`]
//! reads it into spans of the caller's bytes; a [`BodyDecoder`] made from its framing reads the body.
//! Nothing is copied or allocated but trailers, and the caller's list of fields where it must grow.

mod body;
mod bytes;
mod chunked;
mod fields;
mod finder;
mod request;
mod response;

pub use body::{BodyDecoder, BodyFault, Step};
pub use finder::HeadFinder;
pub use request::{Framing, RequestHead, TargetForm, parse_request};
pub use response::{ResponseFraming, ResponseHead, parse_response};

use crate::http_rules::HeadFault;

pub(crate) use bytes::{is_host_name, is_token};

/// What a head may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// First line, fields and the empty line.
    pub head_bytes_max: usize,
    pub fields_max: usize,
    pub target_bytes_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 32 * 1024, fields_max: 100, target_bytes_max: 8 * 1024 }
    }
}

/// Where in a head something stands, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The bytes of the head it was read from; nothing, where the span isn't within them.
    #[inline]
    pub fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// A head is at most `u32::MAX` bytes long: see [`check_size`].
    #[inline]
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }
}

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As it was sent: its case is not changed.
    pub name: Span,
    /// Without white space around it.
    pub value: Span,
}

/// Refuses what is longer than a head may be, so that every place in it fits a [`Span`].
fn check_size(head: &[u8], limits: &HeadLimits) -> Result<(), HeadFault> {
    let bytes_max = limits.head_bytes_max.min(u32::MAX as usize);
    if head.len() > bytes_max { Err(HeadFault::HeadTooLarge { bytes_max }) } else { Ok(()) }
}
