//! Server-sent events (WHATWG HTML, 9.2) as they come.

use anyhow::{Context as _, Result, bail};
use reqwest::Response;

/// The longest event that is read.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Events {
    response: Response,
    parser: Parser,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            let chunk = self.response.chunk().await.context("the stream broke off")?;
            let Some(chunk) = chunk else { return Ok(None) };
            self.parser.push(&chunk)?;
        }
    }
}

#[derive(Default)]
struct Parser {
    /// What has come of a line that isn't whole yet, and of those behind it.
    unread: Vec<u8>,
    name: String,
    data: Vec<String>,
}

impl Parser {
    fn push(&mut self, chunk: &[u8]) -> Result<()> {
        if self.unread.len() + chunk.len() > EVENT_BYTES_MAX {
            bail!("an event of the stream is longer than {EVENT_BYTES_MAX} bytes");
        }
        self.unread.extend_from_slice(chunk);
        Ok(())
    }

    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(event) = self.line(line.trim_end_matches(['\r', '\n'])) {
                return Some(event);
            }
        }
        None
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then(|| Event { name, data: data.join("\n") });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            // A comment, or something of no use here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&str], expect: &[(&str, &str)]) {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for chunk in chunks {
            parser.push(chunk.as_bytes()).unwrap();
            while let Some(event) = parser.next() {
                found.push((event.name, event.data));
            }
        }
        let expect: Vec<(String, String)> =
            expect.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        assert_eq!(found, expect, "{chunks:?}");
    }

    #[test]
    fn events_end_with_a_blank_line() {
        check(&["event: a\ndata: 1\n\n"], &[("a", "1")]);
        check(&["event: a\nda", "ta: 1\r\n", "\r\ndata:2\ndata: 3\n\n"], &[("a", "1"), ("", "2\n3")]);
        check(&[": still here\n\n", "id: 7\n\n", "event: a\n\n"], &[]);
        check(&["data: 1\n"], &[]);
        check(&["data\n\n"], &[("", "")]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'a'; EVENT_BYTES_MAX]).is_ok());
        assert!(parser.push(b"a").is_err());
    }
}
