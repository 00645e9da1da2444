//! gRPC's frames and an upstream that speaks them over HTTP/2, as the path of a call says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::client::{Body, With, request};
use super::listen;

/// A message with its prefix.
pub fn message(payload: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// The payloads of whole messages.
pub fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while bytes.len() >= 5 {
        let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        let Some(payload) = bytes.get(5..5 + length) else { break };
        found.push(payload.to_vec());
        bytes = &bytes[5 + length..];
    }
    found
}

/// A call of `path` by a client with a certificate-bound token.
pub fn call(path: &str, token: &str, body: Body) -> Request<Body> {
    request(Method::POST, path, body)
        .bearer(token)
        .with("content-type", "application/grpc")
        .with("te", "trailers")
}

/// What a client got.
#[derive(Debug)]
pub struct Outcome {
    pub http: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
    pub broke_off: Option<hyper::Error>,
}

impl Outcome {
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut trailers, mut broke_off) = (Vec::new(), HeaderMap::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().unwrap(),
                Err(error) => {
                    broke_off = Some(error);
                    break;
                }
            }
        }
        Self { http: head.status.as_u16(), headers: head.headers, body: bytes, trailers, broke_off }
    }

    pub fn messages(&self) -> Vec<Vec<u8>> {
        messages(&self.body)
    }

    /// `grpc-status`, wherever it is.
    pub fn status(&self) -> Option<&str> {
        let value = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        value.map(|value| value.to_str().unwrap())
    }

    pub fn decision(&self) -> portcullis_domain::decision::DecisionId {
        self.headers["portcullis-decision"].to_str().unwrap().parse().unwrap()
    }
}

#[derive(Clone)]
pub struct GrpcUpstream {
    pub address: SocketAddr,
    pub log: Arc<Log>,
}

#[derive(Default)]
pub struct Log {
    pub connections: AtomicU64,
    pub calls: AtomicU64,
    /// Bytes that were taken for sending.
    pub sent_bytes: AtomicU64,
    /// Streams that were reset from the other side, and connections that broke.
    pub cancelled: AtomicU64,
    pub last: Mutex<HeaderMap>,
    /// How many calls more to refuse.
    pub refuse: AtomicU64,
    /// How many connections more to send away at their first call.
    pub send_away: AtomicU64,
}

impl GrpcUpstream {
    pub fn start() -> Self {
        let log = Arc::<Log>::default();
        let kept = Arc::clone(&log);
        let address = listen(move |tcp| {
            log.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(tcp, Arc::clone(&log)));
        });
        Self { address, log: kept }
    }

    pub async fn cancelled(&self, streams: u64) {
        let reached = async {
            while self.log.cancelled.load(Ordering::SeqCst) < streams {
                tokio::task::yield_now().await;
            }
        };
        super::soon("a cancelled call", reached).await;
    }

    pub fn sent(&self) -> u64 {
        self.log.sent_bytes.load(Ordering::SeqCst)
    }
}

fn take_one(counter: &AtomicU64) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn serve(tcp: tokio::net::TcpStream, log: Arc<Log>) {
    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
    let mut away = false;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if away {
            // Not looked at: the GOAWAY below names no stream at all.
            continue;
        }
        log.calls.fetch_add(1, Ordering::SeqCst);
        if take_one(&log.refuse) {
            respond.send_reset(Reason::REFUSED_STREAM);
            continue;
        }
        if request.uri().path().ends_with("/away") {
            // Answers this one; the connection takes no more.
            connection.graceful_shutdown();
        }
        if take_one(&log.send_away) {
            away = true;
            connection.abrupt_shutdown(Reason::NO_ERROR);
            continue;
        }
        *log.last.lock().unwrap() = request.headers().clone();
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            if answer(request, respond, &log).await.is_err() {
                log.cancelled.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

async fn read_all(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn send(stream: &mut h2::SendStream<Bytes>, mut data: Bytes, log: &Log) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(capacity) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
            return Err(Reason::CANCEL.into());
        };
        let piece = data.split_to(capacity?.min(data.len()));
        log.sent_bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        stream.send_data(piece, false)?;
    }
    Ok(())
}

fn status(code: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", code.parse().unwrap());
    fields.insert("x-late", "for you".parse().unwrap());
    fields.insert("portcullis-verdict", "forged".parse().unwrap());
    fields
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    log: &Log,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let query: HashMap<&str, usize> = head
        .uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let number = |name, or| query.get(name).copied().unwrap_or(or);
    let ok = || Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    match head.uri.path().rsplit('/').next().unwrap() {
        "unary" | "away" => {
            let asked = read_all(&mut body).await?;
            let mut stream = respond.send_response(ok(), false)?;
            send(&mut stream, asked.into(), log).await?;
            stream.send_trailers(status("0"))
        }
        "server" => {
            read_all(&mut body).await?;
            let mut stream = respond.send_response(ok(), false)?;
            let payload = vec![b'x'; number("size", 10)];
            for _ in 0..number("n", 1) {
                send(&mut stream, message(&payload), log).await?;
            }
            stream.send_trailers(status("0"))
        }
        "client" => {
            // Says nothing before the client is done.
            let asked = read_all(&mut body).await?;
            let mut stream = respond.send_response(ok(), false)?;
            let count = messages(&asked).len().to_string();
            send(&mut stream, message(count.as_bytes()), log).await?;
            stream.send_trailers(status("0"))
        }
        "both" => {
            let mut stream = respond.send_response(ok(), false)?;
            while let Some(data) = body.data().await {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                send(&mut stream, data, log).await?;
            }
            stream.send_trailers(status("0"))
        }
        "trailers-only" => {
            let mut only = ok();
            only.headers_mut().insert("grpc-status", "5".parse().unwrap());
            only.headers_mut().insert("grpc-message", "no such parcel".parse().unwrap());
            respond.send_response(only, true).map(drop)
        }
        "hang-after" => {
            let mut stream = respond.send_response(ok(), false)?;
            send(&mut stream, message(b"one"), log).await?;
            Err(std::future::poll_fn(|context| stream.poll_reset(context)).await?.into())
        }
        // Until somebody gives up.
        _ => Err(std::future::poll_fn(|context| respond.poll_reset(context)).await?.into()),
    }
}
