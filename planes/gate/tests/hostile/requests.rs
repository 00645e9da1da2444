//! HTTP/1.1 requests that two readers could read in two ways.

mod bodies;
mod fields;
mod lengths;
mod pipelines;
mod targets;

use crate::line::{Line, Step};
use crate::recorder::Seen;

/// A GET with good credentials and these lines besides.
fn get(lines: &str) -> String {
    format!("GET {{path}} HTTP/1.1\r\nHost: gate.test\r\n{{auth}}{lines}\r\n")
}

/// A POST with good credentials and these lines besides.
fn post(lines: &str, body: &str) -> String {
    format!("POST {{path}} HTTP/1.1\r\nHost: gate.test\r\n{{auth}}{lines}\r\n{body}")
}

/// Lines of POST requests, each refused.
fn refused_posts(table: &[(&str, &str, &str)]) -> Vec<Line> {
    table.iter().map(|(name, lines, body)| Line::new(name, &post(lines, body), Step::Refused)).collect()
}

fn refused(table: &[(&str, &str)]) -> Vec<Line> {
    table.iter().map(|(name, sent)| Line::new(name, sent, Step::Refused)).collect()
}

fn passes(name: &str, sent: &str, seen: Seen) -> Line {
    Line::new(name, sent, Step::Passes(seen))
}

fn refused_or(name: &str, sent: &str, seen: Seen) -> Line {
    Line::new(name, sent, Step::RefusedOr(seen))
}
