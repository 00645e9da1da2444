//! An upstream that keeps every byte it gets, reads requests strictly, and answers with what was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What an upstream saw as one request. Names are in lower case and sorted, trailers among them as
/// `trailer NAME: VALUE`; what the gate itself says and a length of nothing are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub fields: Vec<String>,
    pub body: Vec<u8>,
}

/// An answer to a target that has a script of its own.
pub type Script = Arc<dyn Fn(&Seen) -> Option<Answer> + Send + Sync>;

/// Raw bytes, sent piece by piece; then the connection stays open, or is closed.
#[derive(Clone)]
pub struct Answer {
    pub pieces: Vec<Vec<u8>>,
    pub closes: bool,
}

#[derive(Clone)]
pub struct Recorder {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Seen>,
    /// What of each connection has become no request yet, or never did.
    rests: Vec<Vec<u8>>,
    /// What the gate may never say to an upstream.
    faults: Vec<String>,
    /// Scripts that were played to their end.
    played: u64,
}

impl Recorder {
    pub fn start() -> Self {
        Self::scripted(Arc::new(|_| None))
    }

    pub fn scripted(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let log = Arc::clone(&this.log);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log, script) = (stream.unwrap(), Arc::clone(&log), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &log, &script));
            }
        });
        this
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.log.lock().unwrap().requests.len()
    }

    pub fn since(&self, count: usize) -> Vec<Seen> {
        self.log.lock().unwrap().requests[count..].to_vec()
    }

    /// What came and is no whole request.
    pub fn rests(&self) -> Vec<Vec<u8>> {
        self.log.lock().unwrap().rests.iter().filter(|rest| !rest.is_empty()).cloned().collect()
    }

    /// What was wrong since the last look.
    pub fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap().faults)
    }

    pub fn played(&self) -> u64 {
        self.log.lock().unwrap().played
    }
}

/// The body that answers a request for `target`.
pub fn marker(target: &str) -> String {
    format!("{{\"answer\":{}}}", serde_json::to_string(target).unwrap())
}

fn serve(mut stream: TcpStream, log: &Mutex<Log>, script: &Script) {
    stream.set_nodelay(true).unwrap();
    let place = {
        let mut log = log.lock().unwrap();
        log.rests.push(Vec::new());
        log.rests.len() - 1
    };
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1_024];
    loop {
        match read_request(&bytes) {
            Ok(Some((seen, used))) => {
                bytes.drain(..used);
                {
                    let mut log = log.lock().unwrap();
                    log.rests[place].clone_from(&bytes);
                    log.requests.push(seen.clone());
                }
                if !answer(&mut stream, &seen, log, script) {
                    return;
                }
            }
            Ok(None) => match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    bytes.extend_from_slice(&chunk[..count]);
                    log.lock().unwrap().rests[place].clone_from(&bytes);
                }
            },
            Err(fault) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                log.lock().unwrap().faults.push(format!("{fault}: {text:?}"));
                return;
            }
        }
    }
}

/// Says whether the connection goes on.
fn answer(stream: &mut TcpStream, seen: &Seen, log: &Mutex<Log>, script: &Script) -> bool {
    let Some(answer) = script(seen) else {
        let body = marker(&seen.target);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let body = if seen.method == "HEAD" { "" } else { body.as_str() };
        return stream.write_all(format!("{head}{body}").as_bytes()).is_ok();
    };
    let sent = answer.pieces.iter().all(|piece| stream.write_all(piece).is_ok());
    log.lock().unwrap().played += 1;
    sent && !answer.closes
}

/// One whole request at the start of `bytes`, and its length; strictly, by one reading only.
fn read_request(bytes: &[u8]) -> Result<Option<(Seen, usize)>, &'static str> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is no text")?;
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("a request line of other words") };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err("a method that is no token");
    }
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a target that is no path");
    }
    let mut fields = Vec::new();
    let (mut hosts, mut length, mut chunked) = (0, None, false);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        let value = value.trim_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("a field name that is no token");
        }
        if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
            return Err("a control character in a field");
        }
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "host" => hosts += 1,
            "content-length" if length.is_some() => return Err("two lengths"),
            "content-length" if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err("a length that is no number");
            }
            "content-length" => length = Some(value.parse::<usize>().map_err(|_| "a length too large")?),
            "transfer-encoding" if chunked || value != "chunked" => return Err("an odd transfer encoding"),
            "transfer-encoding" => chunked = true,
            _ => {}
        }
        let ours = name == "host" || name.starts_with("portcullis-");
        if !ours && (name.as_str(), value) != ("content-length", "0") {
            fields.push(format!("{name}: {value}"));
        }
    }
    if hosts != 1 || (chunked && length.is_some()) {
        return Err("not one host, or two lengths");
    }
    let start = end + 4;
    let (body, used) = match (chunked, length.unwrap_or(0)) {
        (true, _) => match read_chunks(&bytes[start..])? {
            Some((body, trailers, used)) => {
                fields.extend(trailers);
                (body, start + used)
            }
            None => return Ok(None),
        },
        (false, length) => match bytes.get(start..start + length) {
            Some(body) => (body.to_vec(), start + length),
            None => return Ok(None),
        },
    };
    fields.sort();
    let seen = Seen { method: method.to_owned(), target: target.to_owned(), fields, body };
    Ok(Some((seen, used)))
}

/// A body in chunks without extensions, its trailers, and its length as it came.
type Chunks = (Vec<u8>, Vec<String>, usize);

fn read_chunks(bytes: &[u8]) -> Result<Option<Chunks>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + line]).map_err(|_| "a size that is no text")?;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a chunk's size that is no number");
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| "a chunk too large")?;
        if size == 0 {
            // From the size's own end, so that no trailers look like some.
            let Some(end) = find(&bytes[at + line..], b"\r\n\r\n") else { return Ok(None) };
            let trailers = std::str::from_utf8(&bytes[at + line..at + line + end]);
            let trailers = trailers.map_err(|_| "trailers that are no text")?.split("\r\n").skip(1);
            let trailers = trailers.map(read_trailer).collect::<Result<_, _>>()?;
            return Ok(Some((body, trailers, at + line + end + 4)));
        }
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk without its end");
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
}

fn read_trailer(line: &str) -> Result<String, &'static str> {
    let (name, value) = line.split_once(':').ok_or("a trailer without a colon")?;
    let value = value.trim_matches([' ', '\t']);
    let is_good = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_good) {
        return Err("a malformed trailer");
    }
    Ok(format!("trailer {}: {value}", name.to_ascii_lowercase()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn a_recorder_reads_strictly() {
    let check = |text: &str, expect: Result<Option<usize>, ()>| {
        let read = read_request(text.as_bytes()).map(|read| read.map(|(_, used)| used)).map_err(|_| ());
        assert_eq!(read, expect, "{text:?}");
    };
    check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Ok(Some(27)));
    check("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n", Ok(None));
    check("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nxG", Ok(Some(48)));
    check(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        Ok(Some(67)),
    );
    check("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxG", Ok(None));
    check("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n", Ok(Some(67)));
    for bad in [
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\nx\r\n0\r\n\r\n",
    ] {
        check(bad, Err(()));
    }
}
