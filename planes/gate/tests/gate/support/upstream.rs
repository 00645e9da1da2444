//! An upstream that does as the query string of a request says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::listen;

/// A running upstream; it ends with the test.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub log: Arc<Log>,
}

/// What it has seen.
#[derive(Default)]
pub struct Log {
    pub requests: AtomicU64,
    /// Bytes of request bodies.
    pub body_bytes: AtomicU64,
    /// Request bodies that broke off.
    pub broken_bodies: AtomicU64,
    /// Responses that were dropped before their end, or that ended.
    pub responses_ended: AtomicU64,
    pub last: Mutex<Option<String>>,
}

impl Upstream {
    pub fn start() -> Self {
        let log = Arc::<Log>::default();
        let kept = Arc::clone(&log);
        let address = listen(move |tcp| {
            let log = Arc::clone(&log);
            let service = service_fn(move |request| answer(request, Arc::clone(&log)));
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(tcp), service).await;
            });
        });
        Self { address, log: kept }
    }

    /// Answers every connection with `bytes`, then closes it; without bytes it stays open and silent.
    pub fn raw(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if bytes.is_empty() {
                    silent.push(stream);
                    continue;
                }
                let _ = stream.read(&mut [0; 1_024]);
                let _ = std::io::Write::write_all(&mut stream, bytes);
            }
        });
        address
    }

    /// An address where nobody listens.
    pub fn dead() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }
}

async fn answer(request: Request<Incoming>, log: Arc<Log>) -> Result<Response<Produced>, Infallible> {
    log.requests.fetch_add(1, Ordering::SeqCst);
    let (head, mut body) = request.into_parts();
    let mut lines = vec![format!("{} {}", head.method, head.uri)];
    for (name, value) in &head.headers {
        lines.push(format!("{name}: {}", value.to_str().unwrap()));
    }
    lines.sort();
    *log.last.lock().unwrap() = Some(lines.join("\n"));
    let query: HashMap<String, String> = head
        .uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                log.body_bytes.fetch_add(bytes, Ordering::SeqCst);
            }
            Err(_) => {
                log.broken_bodies.fetch_add(1, Ordering::SeqCst);
                break;
            }
        }
    }
    if query.contains_key("hang") {
        let _held = Held(log);
        return std::future::pending().await;
    }
    let number = |name: &str, or: u64| query.get(name).map_or(or, |text| text.parse().unwrap());
    let format = query.get("format").map_or("json", String::as_str);
    let content_type = query.get("type").map(String::as_str).unwrap_or(match format {
        "json" => "application/json",
        "sse" => "text/event-stream",
        _ => "application/x-ndjson",
    });
    let mut response = Response::builder()
        .status(u16::try_from(number("status", 200)).unwrap())
        .header("content-type", content_type)
        .header("portcullis-verdict", "forged")
        .header("connection", "x-private")
        .header("x-private", "between us")
        .header("x-public", "for you");
    if let Some(encoding) = query.get("encoding") {
        response = response.header("content-encoding", encoding);
    }
    let pace_ms = number("pace_ms", 0);
    let produced = Produced {
        format: match format {
            "json" => Format::Json,
            "sse" => Format::Sse,
            _ => Format::Lines,
        },
        size: usize::try_from(number("size", 50)).unwrap(),
        chunk: number("chunk", 500),
        sent: 0,
        records: number("n", 1),
        breaks_at: query.get("breaks_at").map(|text| text.parse().unwrap()),
        pace: (pace_ms > 0).then(|| tokio::time::interval(Duration::from_millis(pace_ms))),
        comments: number("comments", 0),
        opened: false,
        closed: false,
        _held: Held(log),
    };
    Ok(response.body(produced).unwrap())
}

struct Held(Arc<Log>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.responses_ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    Sse,
}

/// Records, some at a time.
pub struct Produced {
    format: Format,
    size: usize,
    chunk: u64,
    sent: u64,
    records: u64,
    breaks_at: Option<u64>,
    pace: Option<tokio::time::Interval>,
    /// Comments of an event stream before each event.
    comments: u64,
    opened: bool,
    closed: bool,
    _held: Held,
}

impl Body for Produced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = self.get_mut();
        if this.breaks_at.is_some_and(|at| this.sent >= at) {
            return Poll::Ready(Some(Err(std::io::Error::other("as the test wanted"))));
        }
        if this.closed {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_tick(context));
        }
        let mut text = String::new();
        if !this.opened && this.format == Format::Json {
            text.push('[');
        }
        this.opened = true;
        let end = this.records.min(this.sent + this.chunk);
        for number in this.sent..end {
            if this.format == Format::Json && number > 0 {
                text.push(',');
            }
            let record = format!("{{\"i\":{},\"p\":\"", 1_000_000 + number);
            let padding = this.size.saturating_sub(record.len() + 3);
            let record = format!("{record}{}\"}}", "x".repeat(padding));
            for _ in 0..this.comments {
                text.push_str(": still here\n\n");
            }
            match this.format {
                Format::Json => text.push_str(&record),
                Format::Lines => text.push_str(&format!("{record}\n")),
                Format::Sse => text.push_str(&format!("data: {record}\n\n")),
            }
        }
        this.sent = end;
        if end == this.records {
            this.closed = true;
            if this.format == Format::Json {
                text.push(']');
            }
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }
}
