//! Lines and blocks of lines, found by looking at the whole text.

use std::ops::Range;

/// NDJSON: each record from its first byte that isn't blank to the end of its line.
pub fn lines_of(text: &str) -> Vec<Range<usize>> {
    let is_blank = |line: &str| line.trim_matches([' ', '\t']).is_empty();
    let lines = split(text).into_iter().filter(|line| !is_blank(content(text, line)));
    lines.map(|line| line.end - text[line.clone()].trim_start_matches([' ', '\t']).len()..line.end).collect()
}

/// SSE: each event from its first line that isn't a comment to the end of its blank line.
pub fn events_of(text: &str) -> Vec<Range<usize>> {
    let mut events = Vec::new();
    let mut start = None;
    for line in split(text) {
        let content = content(text, &line);
        if !content.is_empty() && !content.starts_with(':') {
            start = start.or(Some(line.start));
        }
        if content.is_empty()
            && let Some(start) = start.take()
        {
            events.push(start..line.end);
        }
    }
    events.extend(start.map(|start| start..text.len()));
    events
}

/// CSV: all lines, the header too, and whether a quoted field is left open.
pub fn rows_of(text: &str) -> (Vec<Range<usize>>, bool) {
    let mut rows = Vec::new();
    let mut start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let (mut in_quotes, mut means_nothing) = (false, false);
    let mut before = None;
    for (place, letter) in text.char_indices().filter(|(place, letter)| *place > 0 || *letter != '\u{feff}') {
        let next = text[place + letter.len_utf8()..].chars().next();
        if letter == '"' && !means_nothing {
            // It begins a field, is one of two, or ends a field: all others are for no field.
            let fits = match (in_quotes, before) {
                (false, None | Some(',' | '\n' | '\r' | '"')) => true,
                (false, _) => false,
                (true, _) => matches!(next, None | Some(',' | '\n' | '\r' | '"')),
            };
            means_nothing = !fits;
            in_quotes = fits && !in_quotes;
        }
        before = Some(letter);
        let is_end = letter == '\n' || letter == '\r' && next != Some('\n');
        if is_end && !in_quotes {
            rows.push(start..place + 1);
            start = place + 1;
        }
    }
    rows.push(start..text.len());
    rows.retain(|row| !content(text, row).is_empty());
    (rows, in_quotes)
}

/// Lines with their ends, after the byte order mark.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut lines = Vec::new();
    for (place, letter) in text.char_indices() {
        let is_end = letter == '\n' || letter == '\r' && !text[place + 1..].starts_with('\n');
        if is_end {
            lines.push(start..place + 1);
            start = place + 1;
        }
    }
    if start < text.len() {
        lines.push(start..text.len());
    }
    lines
}

fn content<'text>(text: &'text str, line: &Range<usize>) -> &'text str {
    text[line.clone()].trim_end_matches(['\r', '\n'])
}
