//! TLS clients over HTTP/1.1 and HTTP/2, whose sockets are tapped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_domain::decision::DecisionId;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::identity::{Certificate, ORIGIN};
use super::tap::{Tap, TappedIo};

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body whose chunks come when the test sends them.
pub fn slow() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Slow(receiver).boxed_unsync())
}

struct Slow(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    H1,
    H2,
}

pub const BOTH: [Protocol; 2] = [Protocol::H1, Protocol::H2];

/// How to connect.
#[derive(Clone)]
pub struct Connector {
    pub address: SocketAddr,
    pub config: Arc<ClientConfig>,
    /// Receive buffer of the socket; the kernel's own choice without it.
    pub receive_bytes: Option<u32>,
    /// The address that it comes from, among those of the loopback network.
    pub from: Option<std::net::IpAddr>,
    /// What is sent before TLS begins, each piece in a segment of its own.
    pub first: Vec<Vec<u8>>,
}

impl Connector {
    pub fn new(
        address: SocketAddr,
        authority: &CertificateDer<'static>,
        certificate: Option<&Certificate>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                builder.with_client_auth_cert(vec![certificate.der.clone()], certificate.key()).unwrap()
            }
        };
        Self { address, config: Arc::new(config), receive_bytes: None, from: None, first: Vec::new() }
    }

    /// A TLS stream that speaks `protocol`.
    pub async fn tls(&self, protocol: Protocol) -> std::io::Result<(TlsStream<TappedIo>, Arc<Tap>)> {
        let tcp = self.tcp().await?;
        let tap = Tap::of(&tcp);
        let io = TappedIo { tcp, tap: Arc::clone(&tap) };
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(self.config_for(protocol)).connect(name, io).await?;
        Ok((stream, tap))
    }

    pub fn config_for(&self, protocol: Protocol) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = match protocol {
            Protocol::H1 => vec![b"http/1.1".to_vec()],
            Protocol::H2 => vec![b"h2".to_vec()],
        };
        Arc::new(config)
    }

    pub async fn tcp(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(from) = self.from {
            socket.bind((from, 0).into())?;
        }
        let mut tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        for piece in &self.first {
            tcp.write_all(piece).await?;
            // The gate, on another thread, may read it before the next.
            tokio::task::yield_now().await;
        }
        Ok(tcp)
    }

    pub async fn open(&self, protocol: Protocol) -> Result<Connection, Failure> {
        let (stream, tap) = self.tls(protocol).await.map_err(Failure::Connect)?;
        Connection::over(stream, tap, protocol).await
    }
}

#[derive(Debug)]
pub enum Failure {
    Connect(#[expect(dead_code, reason = "shown by a failed test")] std::io::Error),
    Http(#[expect(dead_code, reason = "shown by a failed test")] hyper::Error),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error)
    }
}

pub enum Sender {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

pub struct Connection {
    pub sender: Sender,
    pub tap: Arc<Tap>,
}

impl Connection {
    pub async fn over(
        stream: TlsStream<TappedIo>,
        tap: Arc<Tap>,
        protocol: Protocol,
    ) -> Result<Self, Failure> {
        let io = TokioIo::new(stream);
        let sender = match protocol {
            Protocol::H1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                Sender::H1(sender)
            }
            Protocol::H2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                Sender::H2(sender)
            }
        };
        Ok(Self { sender, tap })
    }

    pub async fn send(&mut self, mut request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        match &mut self.sender {
            Sender::H1(sender) => {
                // HTTP/1.1 has the authority in a field of its own.
                let path = request.uri().path_and_query().unwrap().to_string();
                *request.uri_mut() = path.parse().unwrap();
                request.headers_mut().entry("host").or_insert("gate.test".parse().unwrap());
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Sender::H2(sender) => {
                let mut sender = sender.clone();
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    /// The whole answer to `request`.
    pub async fn ask(&mut self, request: Request<Body>) -> Result<Answer, Failure> {
        let response = self.send(request).await?;
        Ok(Answer::read(response).await)
    }

    /// A sender of its own on the same HTTP/2 connection.
    pub fn stream(&self) -> Self {
        let Sender::H2(sender) = &self.sender else { panic!("HTTP/1.1 has no streams") };
        Self { sender: Sender::H2(sender.clone()), tap: Arc::clone(&self.tap) }
    }
}

/// An answer that was read to its end, or as far as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub broke_off: Option<hyper::Error>,
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let mut broke_off = None;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref())),
                Err(error) => {
                    broke_off = Some(error);
                    break;
                }
            }
        }
        Self { status: head.status.as_u16(), headers: head.headers, body: bytes, broke_off }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn decision(&self) -> DecisionId {
        self.header("portcullis-decision").expect("every answer names its decision").parse().unwrap()
    }

    /// The code of the reason, of a refusal.
    pub fn reason(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {:?}", self.status, String::from_utf8_lossy(&self.body)));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["instance"], self.decision().to_string());
        assert_eq!(problem["status"], self.status);
        problem["reasons"][0].as_str().unwrap().to_owned()
    }

    /// Records that came, also those that came in part.
    pub fn records(&self) -> u64 {
        count(&self.body, b"{\"i\":")
    }

    /// Records that came whole.
    pub fn whole_records(&self) -> u64 {
        count(&self.body, b"\"}")
    }

    /// The code of RST_STREAM.
    pub fn reset(&self) -> Option<h2::Reason> {
        let error: &dyn std::error::Error = self.broke_off.as_ref()?;
        std::iter::successors(error.source(), |error| error.source())
            .find_map(|error| error.downcast_ref::<h2::Error>())
            .and_then(h2::Error::reason)
    }
}

pub fn count(haystack: &[u8], needle: &[u8]) -> u64 {
    haystack.windows(needle.len()).filter(|window| *window == needle).count() as u64
}

/// A request for `path`, still without credentials.
pub fn get(path: &str) -> Request<Body> {
    request(Method::GET, path, full(""))
}

pub fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(format!("{ORIGIN}{path}")).body(body).unwrap()
}

pub trait With {
    /// Adds a header field.
    fn with(self, name: &'static str, value: &str) -> Self;
    /// Adds a certificate-bound token.
    fn bearer(self, token: &str) -> Self;
}

impl With for Request<Body> {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers_mut().append(name, value.parse().unwrap());
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }
}
