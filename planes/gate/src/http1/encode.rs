//! Heads and chunks as they are written.

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};

use crate::decimal::Decimal;
use crate::upstream_fields::UpstreamFields;

/// How a body that follows is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frames {
    /// There is none, and nothing says so.
    Nothing,
    /// There is none here, and what `Content-Length` the fields have is about another message (HEAD, 304).
    AsTold,
    Length(u64),
    Chunked,
}

const FIELD_BYTES_GUESSED: usize = 48;
const HEAD_BYTES_GUESSED: usize = 768;

const UPGRADE: &[u8] = b"connection: upgrade\r\nupgrade: websocket\r\n";

/// Head of a request to an upstream.
pub fn request_head(
    method: &Method,
    target: &str,
    host: &str,
    fields: &UpstreamFields<'_>,
    frames: Frames,
) -> Bytes {
    let mut head = BytesMut::with_capacity(HEAD_BYTES_GUESSED + target.len());
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\nhost: ", host, "\r\n"] {
        head.put_slice(part.as_bytes());
    }
    for (name, value) in fields.passed() {
        put_field(&mut head, name.as_str(), value.as_bytes());
    }
    for (name, value) in fields.own() {
        put_field(&mut head, name, value);
    }
    if let Some(cookie) = fields.cookie() {
        put_field(&mut head, "cookie", cookie.as_bytes());
    }
    put_frames(&mut head, frames);
    if fields.upgrade {
        head.put_slice(UPGRADE);
    }
    head.put_slice(b"\r\n");
    head.freeze()
}

/// Head of an answer to a vendor's machine.
pub fn response_head(status: StatusCode, fields: &HeaderMap, frames: Frames, close: bool) -> Bytes {
    let mut head = BytesMut::with_capacity(64 + fields.len() * FIELD_BYTES_GUESSED);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_slice(b" ");
    head.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    put_fields(&mut head, fields, frames);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        head.put_slice(UPGRADE);
    }
    if close {
        head.put_slice(b"connection: close\r\n");
    }
    head.put_slice(b"\r\n");
    head.freeze()
}

fn put_fields(head: &mut BytesMut, fields: &HeaderMap, frames: Frames) {
    for (name, value) in fields {
        let ours = match *name {
            CONNECTION | TRANSFER_ENCODING | HOST => true,
            CONTENT_LENGTH => frames != Frames::AsTold,
            _ => false,
        };
        if !ours {
            put_field(head, name.as_str(), value.as_bytes());
        }
    }
    put_frames(head, frames);
}

fn put_frames(head: &mut BytesMut, frames: Frames) {
    match frames {
        Frames::Nothing | Frames::AsTold => {}
        Frames::Length(bytes) => {
            head.put_slice(b"content-length: ");
            head.put_slice(Decimal::of(bytes).as_str().as_bytes());
            head.put_slice(b"\r\n");
        }
        Frames::Chunked => head.put_slice(b"transfer-encoding: chunked\r\n"),
    }
}

fn put_field(to: &mut BytesMut, name: &str, value: &[u8]) {
    to.put_slice(name.as_bytes());
    to.put_slice(b": ");
    to.put_slice(value);
    to.put_slice(b"\r\n");
}

/// What stands before the data of a chunk.
pub fn chunk_start(bytes: usize) -> Bytes {
    let mut start = BytesMut::with_capacity(18);
    // Writing to memory doesn't fail.
    let _ = write!((&mut start).writer(), "{bytes:x}\r\n");
    start.freeze()
}

/// What stands behind the data of a chunk.
pub const CHUNK_END: Bytes = Bytes::from_static(b"\r\n");
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// The end of a chunked body with trailers.
pub fn last_chunk(trailers: &HeaderMap) -> Bytes {
    let mut end = BytesMut::with_capacity(8 + trailers.len() * FIELD_BYTES_GUESSED);
    end.put_slice(b"0\r\n");
    for (name, value) in trailers {
        put_field(&mut end, name.as_str(), value.as_bytes());
    }
    end.put_slice(b"\r\n");
    end.freeze()
}
