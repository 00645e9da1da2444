//! The head of a response (RFC 9112, 4 and 6.3).

use super::bytes::has_control;
use super::fields::{line, read_fields};
use super::request::Framing;
use super::{Field, HeadLimits, check_size};
use crate::http_rules::{ConnectionOptions, HeadFault, Notable, Version, read_framing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 599. After 1xx another head follows, but after 101.
    pub status: u16,
    pub framing: ResponseFraming,
    /// Whether the connection can carry another exchange when the body has ended.
    pub keep_alive: bool,
    /// Whether it switches to WebSocket: status 101, `Connection: upgrade` and `Upgrade: websocket`.
    pub upgrade_websocket: bool,
}

/// How long the body of a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is none, whatever the fields say: to HEAD, of 1xx, 204 and 304.
    Empty,
    /// `Content-Length`, in bytes.
    Length(u64),
    Chunked,
    /// It ends with the connection: it can't be told from one that was cut.
    UntilClose,
}

/// Reads exactly one whole head, its empty line included. `to_head_request`: whether it answers HEAD.
/// `fields` is emptied first, and then has the fields in the order they came.
///
/// # Errors
/// The first [`HeadFault`]: of the first line, of the field lines, then of the fields together.
pub fn parse_response(
    head: &[u8],
    to_head_request: bool,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<ResponseHead, HeadFault> {
    check_size(head, limits)?;
    let first = line(head, 0)?;
    let (version, status) = read_status_line(first)?;

    let mut notable = Notable::default();
    let mut options = ConnectionOptions::default();
    read_fields(head, first.len() + 2, limits.fields_max, fields, |name, value| {
        notable.note(name, value)?;
        options.note(name, value)
    })?;

    let announced = read_framing(version, &notable)?;
    let framing = match (status, announced) {
        (100..=199 | 204, Framing::Chunked | Framing::Length(1..)) => {
            return Err(HeadFault::BodyWhereNoneIs { status });
        }
        (100..=199 | 204 | 304, _) => ResponseFraming::Empty,
        _ if to_head_request => ResponseFraming::Empty,
        (_, Framing::Empty) => ResponseFraming::UntilClose,
        (_, Framing::Length(bytes)) => ResponseFraming::Length(bytes),
        (_, Framing::Chunked) => ResponseFraming::Chunked,
    };
    Ok(ResponseHead {
        status,
        framing,
        keep_alive: version == Version::Http11 && !options.close && framing != ResponseFraming::UntilClose,
        upgrade_websocket: status == 101 && options.upgrade && options.websocket,
    })
}

/// `HTTP/1.1 200 Fine`. The reason may be missing, with the space before it.
#[inline]
fn read_status_line(line: &[u8]) -> Result<(Version, u16), HeadFault> {
    let (version, rest) = line.split_at_checked(9).ok_or(HeadFault::StatusLineMalformed)?;
    let version = match version {
        b"HTTP/1.1 " => Version::Http11,
        b"HTTP/1.0 " => Version::Http10,
        _ => return Err(status_line_fault(line)),
    };
    let status = match rest {
        [a, b, c] | [a, b, c, b' ', ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            digit(a) * 100 + digit(b) * 10 + digit(c)
        }
        _ => return Err(status_line_fault(line)),
    };
    if has_control(rest) {
        return Err(status_line_fault(line));
    }
    if !(100..=599).contains(&status) {
        return Err(HeadFault::StatusOutOfRange { status });
    }
    Ok((version, status))
}

#[cold]
fn status_line_fault(line: &[u8]) -> HeadFault {
    match line {
        _ if line.contains(&b'\r') => HeadFault::BareCarriageReturn,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', ..]
            if major.is_ascii_digit()
                && minor.is_ascii_digit()
                && !matches!((major, minor), (b'1', b'0' | b'1')) =>
        {
            HeadFault::VersionUnknown
        }
        _ => HeadFault::StatusLineMalformed,
    }
}
