//! Reading answers of HTTP/1.1, as they come in pieces: enough to know status, nonce and end.

use anyhow::{Result, bail, ensure};
use memchr::memmem;

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// One answer after the other.
#[derive(Default)]
pub struct Reply {
    head: Vec<u8>,
    body: Option<Body>,
    status: u16,
    body_bytes: u64,
    nonce: Option<String>,
    is_last: bool,
}

enum Body {
    Length(u64),
    ChunkSize {
        value: u64,
        in_extension: bool,
        is_begun: bool,
    },
    ChunkData(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailer {
        line_bytes: usize,
    },
}

/// A whole answer.
pub struct Answered {
    pub status: u16,
    pub body_bytes: u64,
    pub nonce: Option<String>,
    /// The server closes after it.
    pub is_last: bool,
}

impl Reply {
    /// Takes `bytes`; an answer when they end one. Nothing may follow it: there is no pipelining.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answered>> {
        let rest = if self.body.is_some() {
            bytes
        } else if self.head.is_empty() {
            match memmem::find(bytes, b"\r\n\r\n") {
                Some(end) => {
                    self.read_head(&bytes[..end + 2])?;
                    &bytes[end + 4..]
                }
                None => {
                    self.head.extend_from_slice(bytes);
                    return Ok(None);
                }
            }
        } else {
            let had = self.head.len();
            self.head.extend_from_slice(bytes);
            ensure!(self.head.len() <= HEAD_BYTES_MAX, "the head has no end");
            let from = had.saturating_sub(3);
            let Some(end) = memmem::find(&self.head[from..], b"\r\n\r\n") else { return Ok(None) };
            let head = std::mem::take(&mut self.head);
            self.read_head(&head[..from + end + 2])?;
            &bytes[from + end + 4 - had..]
        };
        self.read_body(rest)
    }

    pub fn is_between(&self) -> bool {
        self.body.is_none() && self.head.is_empty()
    }

    fn read_head(&mut self, head: &[u8]) -> Result<()> {
        ensure!(head.len() > 13 && head.starts_with(b"HTTP/1.1 "), "this is no answer of HTTP/1.1");
        self.status = head[9..12].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        self.body_bytes = 0;
        self.nonce = None;
        self.is_last = false;
        let mut body = if self.status == 204 || self.status == 304 { Some(Body::Length(0)) } else { None };
        let mut lines = head;
        while let Some(end) = memchr::memchr(b'\n', lines) {
            let line = lines[..end].trim_ascii_end();
            lines = &lines[end + 1..];
            match line.first().map(u8::to_ascii_lowercase) {
                Some(b'c') => {
                    if let Some(value) = value_of(line, b"content-length") {
                        body = Some(Body::Length(std::str::from_utf8(value)?.parse()?));
                    } else if let Some(value) = value_of(line, b"connection") {
                        self.is_last |= value.eq_ignore_ascii_case(b"close");
                    }
                }
                Some(b't') if value_of(line, b"transfer-encoding").is_some() => {
                    body = Some(Body::ChunkSize { value: 0, in_extension: false, is_begun: false });
                }
                Some(b'd') => {
                    if let Some(value) = value_of(line, b"dpop-nonce") {
                        self.nonce = Some(String::from_utf8(value.to_vec())?);
                    }
                }
                _ => {}
            }
        }
        let Some(body) = body else { bail!("an answer without a length") };
        self.body = Some(body);
        Ok(())
    }

    fn read_body(&mut self, mut bytes: &[u8]) -> Result<Option<Answered>> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            match body {
                Body::Length(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    self.body_bytes += taken;
                    if *left > 0 {
                        return Ok(None);
                    }
                    ensure!(taken == bytes.len() as u64, "bytes after the answer");
                    return Ok(Some(self.done()));
                }
                Body::ChunkData(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    self.body_bytes += taken;
                    bytes = &bytes[taken as usize..];
                    if *left > 0 {
                        return Ok(None);
                    }
                    *body = Body::ChunkEnd;
                }
                _ => {
                    let Some((byte, rest)) = bytes.split_first() else { return Ok(None) };
                    bytes = rest;
                    if self.step(*byte)? {
                        ensure!(bytes.is_empty(), "bytes after the answer");
                        return Ok(Some(self.done()));
                    }
                }
            }
        }
    }

    /// One byte of what is between chunks; whether it was the last.
    fn step(&mut self, byte: u8) -> Result<bool> {
        match &mut self.body {
            Some(Body::ChunkSize { value, in_extension, is_begun }) => match byte {
                b'\n' if *value == 0 => self.body = Some(Body::Trailer { line_bytes: 0 }),
                b'\n' => self.body = Some(Body::ChunkData(*value)),
                b'\r' => {}
                b';' => *in_extension = true,
                _ if *in_extension => {}
                digit => {
                    let Some(digit) = char::from(digit).to_digit(16) else { bail!("no size of a chunk") };
                    *value = *value << 4 | u64::from(digit);
                    *is_begun = true;
                }
            },
            Some(Body::ChunkEnd) if byte == b'\n' => {
                self.body = Some(Body::ChunkSize { value: 0, in_extension: false, is_begun: false });
            }
            Some(Body::Trailer { line_bytes }) => match byte {
                b'\n' if *line_bytes == 0 => return Ok(true),
                b'\n' => *line_bytes = 0,
                b'\r' => {}
                _ => *line_bytes += 1,
            },
            _ => {}
        }
        Ok(false)
    }

    fn done(&mut self) -> Answered {
        self.body = None;
        Answered {
            status: self.status,
            body_bytes: self.body_bytes,
            nonce: self.nonce.take(),
            is_last: self.is_last,
        }
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    (start.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')).then(|| rest[1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_and_in_pieces() {
        let check = |text: &str, status: u16, body_bytes: u64, nonce: Option<&str>| {
            for piece in [1, 2, 3, 7, text.len()] {
                let mut reply = Reply::default();
                for round in 0..2 {
                    let mut last = None;
                    for bytes in text.as_bytes().chunks(piece) {
                        assert!(last.is_none(), "{text}");
                        last = reply.feed(bytes).unwrap();
                    }
                    let answer = last.unwrap_or_else(|| panic!("{text} {piece} {round}"));
                    assert_eq!((answer.status, answer.body_bytes), (status, body_bytes), "{text} {piece}");
                    assert_eq!(answer.nonce.as_deref(), nonce, "{text}");
                }
            }
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, 3, None);
        check("HTTP/1.1 401 No\r\ndpop-nonce: x\r\ncontent-length:0\r\n\r\n", 401, 0, Some("x"));
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10;e=1\r\n0123456789abcdef\r\n0\r\nt: 1\r\n\r\n",
            200,
            19,
            None,
        );
        check("HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", 204, 0, None);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert!(Reply::default().feed(text.as_bytes()).is_err(), "{text}");
        }
    }
}
