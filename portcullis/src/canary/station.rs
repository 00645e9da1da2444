//! The server behind the canary's routes: on this machine alone, with records that are nobody's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::paced::Paced;

/// Between two records of what doesn't end.
const PACE: Duration = Duration::from_millis(50);
/// The longest update that is kept.
const UPDATE_BYTES_MAX: usize = 64 * 1024;

/// The running server.
pub struct Station {
    address: SocketAddr,
    known: Arc<Known>,
}

struct Known {
    /// What stamps count from.
    began: Instant,
    requests: AtomicU64,
    update: Mutex<Bytes>,
}

impl Station {
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        #[expect(clippy::disallowed_methods, reason = "stamps of two tasks of one process are compared")]
        let began = Instant::now();
        let known = Arc::new(Known { began, requests: AtomicU64::new(0), update: Mutex::default() });
        let served = Arc::clone(&known);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let known = Arc::clone(&served);
                tokio::spawn(async move {
                    let answer = service_fn(move |request| answer(Arc::clone(&known), request));
                    // A gate that hangs up is no news.
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection_with_upgrades(TokioIo::new(tcp), answer).await;
                });
            }
        });
        Ok(Self { address, known })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that have come through the gate so far.
    pub fn requests(&self) -> u64 {
        self.known.requests.load(Ordering::SeqCst)
    }

    /// Microseconds on the clock that records are stamped by.
    pub fn stamp(&self) -> u64 {
        self.known.stamp()
    }
}

impl Known {
    fn stamp(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Records without end, each with the moment at which it was made.
fn live(known: Arc<Known>, shape: impl Fn(u64) -> Bytes + Send + 'static) -> Paced {
    Paced::new(Some(PACE), move || Some(shape(known.stamp())))
}

/// Records that end, a line each.
fn lines(known: Arc<Known>, count: u64) -> Paced {
    let mut left = count;
    Paced::new(None, move || {
        let many = left.min(200);
        left -= many;
        let at = known.stamp();
        let lines: String = (0..many).map(|_| line(at)).collect();
        (many > 0).then(|| lines.into())
    })
}

fn line(at: u64) -> String {
    format!("{{\"at\":{at}}}\n")
}

async fn answer(known: Arc<Known>, mut request: Request<Incoming>) -> Result<Response<Paced>, Infallible> {
    known.requests.fetch_add(1, Ordering::SeqCst);
    if request.uri().path() == "/canary/socket" {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(talk(Arc::clone(&known), upgrade));
        return Ok(switched());
    }
    let (parts, body) = request.into_parts();
    let asked = parts.uri.query().and_then(|query| query.strip_prefix("records="));
    let count = asked.and_then(|count| count.parse().ok()).unwrap_or(5);
    let (media, records) = match (parts.method, parts.uri.path()) {
        (Method::PUT, "/canary/update") => {
            let whole = http_body_util::Limited::new(body, UPDATE_BYTES_MAX).collect().await;
            if let Ok(whole) = whole {
                *known.update.lock().unwrap_or_else(PoisonError::into_inner) = whole.to_bytes();
            }
            ("application/json", Paced::whole(Bytes::from_static(b"{}")))
        }
        (_, "/canary/update") => {
            let update = known.update.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ("application/json", Paced::whole(update))
        }
        (_, "/canary/live") => ("application/x-ndjson", live(known, |at| line(at).into())),
        (_, "/canary/events") => {
            ("text/event-stream", live(known, |at| format!("data: {{\"at\":{at}}}\n\n").into()))
        }
        (Method::POST, "/canary.Stream/Watch") => ("application/grpc", live(known, message)),
        (_, "/canary/records") => ("application/x-ndjson", lines(known, count)),
        _ => {
            let mut response = Response::new(Paced::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(records);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(response)
}

/// The answer that changes the protocol to WebSocket.
fn switched() -> Response<Paced> {
    let mut response = Response::new(Paced::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, super::paths::WEBSOCKET_ACCEPT),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}

/// Messages over a WebSocket, until nobody takes them.
async fn talk(known: Arc<Known>, upgrade: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = TokioIo::new(upgraded);
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let text = format!("{{\"at\":{}}}", known.stamp());
        // RFC 6455 §5.2: a whole text message of at most 125 bytes, as a server sends it.
        let Ok(length) = u8::try_from(text.len()) else { return };
        let mut frame = vec![0x81, length];
        frame.extend_from_slice(text.as_bytes());
        if socket.write_all(&frame).await.is_err() || socket.flush().await.is_err() {
            return;
        }
    }
}

/// A message of gRPC: uncompressed, its length, and what reads like any other record.
fn message(at: u64) -> Bytes {
    let text = format!("{{\"at\":{at}}}");
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(text.len()).unwrap_or_default().to_be_bytes());
    message.extend_from_slice(text.as_bytes());
    message.into()
}
