//! What a gate says on an HTTP/1.1 connection, read strictly.

use crate::recorder::find;

/// One answer of the gate.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// It came to the end that its head announced.
    pub whole: bool,
}

impl Said {
    /// The code of a refusal's reason.
    pub fn reason(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(problem["reasons"][0].as_str()?.to_owned())
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// The answers in `bytes`, interim ones left out; what is no answer is an error. Those that are `bare`
/// have no body, whatever their head says.
pub fn answers(mut bytes: &[u8], bare: &[bool]) -> Result<Vec<Said>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let shown = || format!("no answer: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
        let end = find(bytes, b"\r\n\r\n").ok_or_else(shown)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| shown())?.to_owned();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or_else(shown)?;
        let status: u16 = status.parse().map_err(|_| shown())?;
        bytes = &bytes[end + 4..];
        if status < 200 {
            continue;
        }
        let mut said = Said { status, head, body: Vec::new(), whole: true };
        if bare.get(answers.len()) == Some(&true) {
            // Its end is the head's.
        } else if said.field("transfer-encoding").is_some() {
            bytes = take_chunks(&mut said, bytes);
        } else {
            let length = said.field("content-length").map_or(Ok(0), str::parse::<usize>);
            let length = length.map_err(|_| shown())?;
            said.whole = bytes.len() >= length;
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            said.body = body.to_vec();
            bytes = rest;
        }
        answers.push(said);
    }
    Ok(answers)
}

/// The rest behind a body in chunks.
fn take_chunks<'a>(said: &mut Said, mut bytes: &'a [u8]) -> &'a [u8] {
    loop {
        let line = find(bytes, b"\r\n").unwrap_or(bytes.len());
        let size =
            std::str::from_utf8(&bytes[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(chunk) = size.and_then(|size| bytes.get(line + 2..line + 4 + size)) else {
            said.whole = false;
            return &[];
        };
        let size = chunk.len() - 2;
        said.body.extend_from_slice(&chunk[..size]);
        bytes = &bytes[line + 4 + size..];
        if size == 0 {
            return bytes;
        }
    }
}
