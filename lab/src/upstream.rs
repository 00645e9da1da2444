//! What is behind the gate: a service whose streams go on until somebody ends them.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::host::Host;
use crate::websocket;

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;
type Body = StreamBody<Frames>;

/// How often each stream sends something.
const PACE: Duration = Duration::from_millis(4);
const RECORDS: usize = 50;
const DOWNLOAD_PIECE: usize = 8 * 1_024;

/// Addresses of the service on a host's loopback.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    pub http1: SocketAddr,
    /// HTTP/2 with prior knowledge, for gRPC.
    pub http2: SocketAddr,
}

impl Upstream {
    #[must_use]
    pub fn start(host: &Host) -> Self {
        host.wait_for(async {
            let (plain, plain_address) = listener().await;
            let (grpc, grpc_address) = listener().await;
            tokio::spawn(async move {
                while let Ok((tcp, _)) = plain.accept().await {
                    let _ = tcp.set_nodelay(true);
                    tokio::spawn(
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(tcp), service_fn(answer))
                            .with_upgrades(),
                    );
                }
            });
            tokio::spawn(async move {
                while let Ok((tcp, _)) = grpc.accept().await {
                    let _ = tcp.set_nodelay(true);
                    tokio::spawn(
                        http2::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(tcp), service_fn(answer)),
                    );
                }
            });
            Self { http1: plain_address, http2: grpc_address }
        })
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let of = |content_type: &str, frames: Frames| {
        Response::builder().header("content-type", content_type).body(StreamBody::new(frames)).unwrap()
    };
    Ok(match request.uri().path() {
        "/records" => of("application/json", Box::pin(stream::iter([Ok(Frame::data(records()))]))),
        "/slow" => {
            of("application/x-ndjson", paced("{\"number\":1,\"text\":\"one line after the other\"}\n"))
        }
        "/events" => of("text/event-stream", paced("data: {\"number\":1}\n\n")),
        "/download" => of("application/octet-stream", paced(vec![b'x'; DOWNLOAD_PIECE])),
        "/socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let mut io = TokioIo::new(upgraded);
                let mut pace = pace();
                let frame = websocket::frame(&[b'x'; 100]);
                while io.write_all(&frame).await.is_ok() && io.flush().await.is_ok() {
                    pace.tick().await;
                }
            });
            Response::builder()
                .status(101)
                .header("upgrade", "websocket")
                .header("connection", "Upgrade")
                .header("sec-websocket-accept", websocket::ACCEPT)
                .body(StreamBody::new(Box::pin(stream::empty()) as Frames))
                .unwrap()
        }
        // A gRPC call: messages of 100 bytes, each with its prefix.
        _ => {
            let mut message = vec![0, 0, 0, 0, 100];
            message.extend_from_slice(&[b'x'; 100]);
            of("application/grpc", paced(message))
        }
    })
}

fn records() -> Bytes {
    let records: Vec<String> = (0..RECORDS).map(|number| format!("{{\"number\":{number}}}")).collect();
    format!("[{}]", records.join(",")).into()
}

fn pace() -> tokio::time::Interval {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    pace
}

/// The same piece again and again.
fn paced(piece: impl Into<Bytes>) -> Frames {
    let piece = piece.into();
    Box::pin(stream::unfold((pace(), piece), |(mut pace, piece)| async move {
        pace.tick().await;
        Some((Ok(Frame::data(piece.clone())), (pace, piece)))
    }))
}
