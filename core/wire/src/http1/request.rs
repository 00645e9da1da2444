//! The head of a request (RFC 9112, 3).

use super::bytes::{target, token};
use super::fields::{line, read_fields};
use super::{Field, HeadLimits, Span, check_size};
use crate::http_rules::{ConnectionOptions, HeadFault, Notable, Target, Version, check_host, read_framing};

/// Longer than any method that is registered with IANA.
pub(super) const METHOD_BYTES_MAX: usize = 32;

/// The head of a request. Spans are of the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Span,
    /// As it was sent; see [`RequestHead::path_and_query`].
    pub target: Span,
    pub form: TargetForm,
    pub framing: Framing,
    /// Whether the client wants another exchange on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends the body, which isn't empty.
    pub expect_continue: bool,
    /// Whether the client wants to speak WebSocket: a GET without body, `Connection: upgrade` and
    /// `Upgrade: websocket` (RFC 6455, 4.1). `Sec-WebSocket-*` fields aren't looked at.
    pub upgrade_websocket: bool,
}

/// The form of a request target (RFC 9112, 3.2). The authority form is that of `CONNECT`, which is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `https://authority/path?query`. The path may be empty, which means `/`.
    Absolute { authority: Span, path_and_query: Span },
    /// `*`, of OPTIONS
    Asterisk,
}

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body announced.
    Empty,
    /// `Content-Length`, in bytes; 0 where it says so.
    Length(u64),
    Chunked,
}

impl RequestHead {
    /// The path and the query: `/` where an absolute form has none, `*` in the asterisk form.
    pub fn path_and_query<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        match self.form {
            TargetForm::Origin | TargetForm::Asterisk => self.target.of(head),
            TargetForm::Absolute { path_and_query, .. } => match path_and_query.of(head) {
                [] => b"/",
                path => path,
            },
        }
    }
}

/// Reads exactly one whole head, its empty line included, as [`super::HeadFinder`] has found it. `fields` is
/// emptied first, and then has the fields in the order they came.
///
/// # Errors
/// The first [`HeadFault`]: of the first line, of the field lines, then of the fields together. What was
/// put into `fields` means nothing then.
pub fn parse_request(
    head: &[u8],
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<RequestHead, HeadFault> {
    check_size(head, limits)?;
    let first = line(head, 0)?;
    let FirstLine { method, target, form } = read_first_line(first, limits)?;

    let mut notable = Notable::default();
    let mut options = ConnectionOptions::default();
    read_fields(head, first.len() + 2, limits.fields_max, fields, |name, value| {
        notable.note(name, value)?;
        options.note(name, value)
    })?;

    let authority = match form {
        TargetForm::Absolute { authority, .. } => Target::Absolute { authority: authority.of(head) },
        TargetForm::Origin => Target::Origin,
        TargetForm::Asterisk => Target::Asterisk,
    };
    check_host(Version::Http11, authority, notable.host)?;
    let framing = read_framing(Version::Http11, &notable)?;
    let expects = notable.is_continue_expected()?;
    Ok(RequestHead {
        method,
        target,
        form,
        framing,
        keep_alive: !options.close,
        expect_continue: expects && !matches!(framing, Framing::Empty | Framing::Length(0)),
        upgrade_websocket: options.upgrade
            && options.websocket
            && framing == Framing::Empty
            && method.of(head) == b"GET",
    })
}

struct FirstLine {
    method: Span,
    target: Span,
    form: TargetForm,
}

#[inline]
fn read_first_line(line: &[u8], limits: &HeadLimits) -> Result<FirstLine, HeadFault> {
    let (method_bytes, _) = token(line);
    let (method, rest) = line.split_at_checked(method_bytes).unwrap_or_default();
    let after_method = match (method, rest) {
        ([], []) => return Err(HeadFault::EmptyLineFirst),
        (_, [b'\r', ..]) => return Err(HeadFault::BareCarriageReturn),
        (b"PRI", [b' ', ..]) => return Err(HeadFault::Http2Preface),
        ([_, ..], [b' ', after @ ..]) => after,
        ([_, ..], []) => return Err(HeadFault::RequestLineMalformed),
        _ => return Err(HeadFault::MethodMalformed),
    };
    if method_bytes > METHOD_BYTES_MAX {
        return Err(HeadFault::MethodTooLong { bytes_max: METHOD_BYTES_MAX });
    }
    let (target, after_target) = after_method.split_at_checked(target(after_method)).unwrap_or_default();
    let version = match after_target {
        [b' ', version @ ..] if !target.is_empty() => version,
        other => return Err(target_fault(target, other)),
    };
    if version != b"HTTP/1.1" {
        return Err(version_fault(version));
    }
    if target.len() > limits.target_bytes_max {
        return Err(HeadFault::TargetTooLong { bytes_max: limits.target_bytes_max });
    }
    let target_at = method_bytes + 1;
    Ok(FirstLine {
        method: Span::new(0, method_bytes),
        target: Span::new(target_at, target_at + target.len()),
        form: read_form(method, target, target_at)?,
    })
}

fn read_form(method: &[u8], target: &[u8], target_at: usize) -> Result<TargetForm, HeadFault> {
    if method == b"CONNECT" {
        return Err(HeadFault::Connect);
    }
    match target {
        [b'/', ..] => return Ok(TargetForm::Origin),
        b"*" if method == b"OPTIONS" => return Ok(TargetForm::Asterisk),
        b"*" => return Err(HeadFault::AsteriskNotOptions),
        _ => {}
    }
    let scheme_bytes = ["https://", "http://"]
        .iter()
        .find(|scheme| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        })
        .ok_or(HeadFault::TargetMalformed)?
        .len();
    let after_scheme = target.get(scheme_bytes..).unwrap_or_default();
    let authority_bytes =
        after_scheme.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after_scheme.len());
    // `http://host?query` is allowed, and read as a host named so by some.
    if after_scheme.get(authority_bytes) == Some(&b'?') {
        return Err(HeadFault::TargetMalformed);
    }
    let authority_at = target_at + scheme_bytes;
    let path_at = authority_at + authority_bytes;
    Ok(TargetForm::Absolute {
        authority: Span::new(authority_at, path_at),
        path_and_query: Span::new(path_at, target_at + target.len()),
    })
}

#[cold]
fn target_fault(target: &[u8], rest: &[u8]) -> HeadFault {
    match rest {
        [b'\r', ..] => HeadFault::BareCarriageReturn,
        [b'#', ..] => HeadFault::TargetFragment,
        // Two spaces, or nothing after the target (HTTP/0.9).
        [b' ', ..] if target.is_empty() => HeadFault::RequestLineMalformed,
        [] => HeadFault::RequestLineMalformed,
        _ => HeadFault::TargetMalformed,
    }
}

#[cold]
fn version_fault(version: &[u8]) -> HeadFault {
    match version {
        b"HTTP/1.0" => HeadFault::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            HeadFault::VersionUnknown
        }
        _ if version.contains(&b'\r') => HeadFault::BareCarriageReturn,
        _ => HeadFault::RequestLineMalformed,
    }
}
