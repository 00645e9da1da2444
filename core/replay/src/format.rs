//! The formats of logs that are read, and how one is told from another.

use std::fmt;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::str::FromStr;

use crate::call::{Broken, Parsed};
use crate::formats::{cloudtrail, combined, jsonl, k8s_audit};
use crate::lines::{self, Line};
use crate::mapping::Mapping;
use crate::objects::{Found, Objects};

/// Bytes that are looked at to tell a format.
pub const HEAD_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// Events of AWS CloudTrail.
    CloudTrail,
    /// Audit events of Kubernetes, `audit.k8s.io/v1`, or a table of them.
    K8sAudit,
    /// Access logs of nginx and Apache: "combined" or "common".
    Combined,
    /// JSON objects of our own, or of anybody's by a mapping.
    Jsonl,
}

/// How names stand for clients in access logs, which hold no principal where nobody signed in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ClientBy {
    /// The user who signed in; the address where nobody did.
    #[default]
    User,
    Address,
    /// The products of the user agent.
    Agent,
}

/// How to read.
#[derive(Clone, Default, Debug)]
pub struct Reading {
    pub mapping: Mapping,
    pub client_by: ClientBy,
}

/// A format that doesn't exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no format `{0}`\nhint: it is cloudtrail, k8s-audit, combined or jsonl")]
pub struct UnknownFormat(String);

impl Format {
    pub const ALL: [Self; 4] = [Self::CloudTrail, Self::K8sAudit, Self::Combined, Self::Jsonl];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloudTrail => "cloudtrail",
            Self::K8sAudit => "k8s-audit",
            Self::Combined => "combined",
            Self::Jsonl => "jsonl",
        }
    }

    /// Which format a log is of, by its first bytes ([`HEAD_BYTES`] at most).
    #[must_use]
    pub fn of_content(head: &[u8], reading: &Reading) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let text = String::from_utf8_lossy(head);
        if matches!(head.first(), Some(b'{' | b'[')) {
            let has = |words: &[&str]| words.iter().all(|word| text.contains(word));
            return if has(&["\"eventSource\"", "\"eventName\""]) || text.starts_with("{\"Records\"") {
                Some(Self::CloudTrail)
            } else if has(&["audit.k8s.io"]) || has(&["\"auditID\"", "\"verb\""]) {
                Some(Self::K8sAudit)
            } else {
                let all = ["time", "client"].map(|field| format!("\"{}\"", reading.mapping.leaf(field)));
                all.iter().all(|field| text.contains(field.as_str())).then_some(Self::Jsonl)
            };
        }
        let first = text.lines().next()?;
        if k8s_audit::Columns::of(first).is_ok() {
            return Some(Self::K8sAudit);
        }
        let mut lines = text.lines().take(5);
        lines.any(|line| combined::parse(line, ClientBy::User).is_ok()).then_some(Self::Combined)
    }

    /// Reads a log to its end. `visit` is given the number of each line that says something, and what it came to.
    ///
    /// # Errors
    /// What `from` can't read.
    pub fn read<B>(
        self,
        from: &mut impl BufRead,
        reading: &Reading,
        visit: &mut dyn FnMut(u64, Result<Parsed, Broken>) -> ControlFlow<B>,
    ) -> io::Result<ControlFlow<B>> {
        skip_mark(from)?;
        let is_json = matches!(from.fill_buf()?.trim_ascii_start().first(), Some(b'{' | b'['));
        match self {
            Self::CloudTrail => each_object(from, "Records", visit, cloudtrail::parse),
            Self::K8sAudit if is_json => each_object(from, "items", visit, k8s_audit::parse),
            Self::K8sAudit => k8s_table(from, visit),
            Self::Combined => each_line(from, visit, |line| combined::parse(line, reading.client_by)),
            Self::Jsonl => each_object(from, "", visit, |bytes| jsonl::parse(bytes, &reading.mapping)),
        }
    }
}

/// A byte-order mark says nothing in UTF-8.
fn skip_mark(from: &mut impl BufRead) -> io::Result<()> {
    if from.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        from.consume(3);
    }
    Ok(())
}

fn each_object<B>(
    from: &mut impl BufRead,
    list: &'static str,
    visit: &mut dyn FnMut(u64, Result<Parsed, Broken>) -> ControlFlow<B>,
    parse: impl Fn(&[u8]) -> Result<Parsed, Broken>,
) -> io::Result<ControlFlow<B>> {
    let mut objects = Objects::new(list);
    let mut told = |line: u64, found: Found<'_>| match found {
        Found::Object(bytes) => visit(line, parse(bytes)),
        Found::Broken(why) => visit(line, Err(Broken::new(why))),
    };
    loop {
        let chunk = match from.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(objects.end(&mut told));
        }
        let broken = objects.push(chunk, &mut told);
        let used = chunk.len();
        from.consume(used);
        if broken.is_break() {
            return Ok(broken);
        }
    }
}

fn each_line<B>(
    from: &mut impl BufRead,
    visit: &mut dyn FnMut(u64, Result<Parsed, Broken>) -> ControlFlow<B>,
    mut parse: impl FnMut(&str) -> Result<Parsed, Broken>,
) -> io::Result<ControlFlow<B>> {
    lines::each(from, |number, line| match line {
        Line::Whole(line) => visit(number, parse(&String::from_utf8_lossy(line))),
        Line::TooLong => visit(number, Err(Broken::new("it is longer than 1 MiB"))),
    })
}

fn k8s_table<B>(
    from: &mut impl BufRead,
    visit: &mut dyn FnMut(u64, Result<Parsed, Broken>) -> ControlFlow<B>,
) -> io::Result<ControlFlow<B>> {
    let mut columns = None;
    lines::each(from, |number, line| {
        let Line::Whole(line) = line else {
            return visit(number, Err(Broken::new("it is longer than 1 MiB")));
        };
        let line = String::from_utf8_lossy(line);
        match &columns {
            Some(columns) => visit(number, k8s_audit::parse_row(&line, columns)),
            None => match k8s_audit::Columns::of(&line) {
                Ok(found) => {
                    columns = Some(found);
                    ControlFlow::Continue(())
                }
                Err(broken) => visit(number, Err(broken)),
            },
        }
    })
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let refused = || UnknownFormat(crate::call::clipped(text));
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(refused)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
