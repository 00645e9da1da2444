//! A vendor's machine: its certificate, its token, its requests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use crate::meter::Meter;
use crate::tls::{self, Identity, Tls};

#[derive(Clone)]
pub struct Machine {
    pub name: String,
    pub identity: Arc<Identity>,
    /// Where it reaches the gate: in a tunnel, by another address than the public one.
    pub door: SocketAddr,
    /// The gate's public address.
    pub public: SocketAddr,
    /// File of the authority that it trusts.
    pub roots: PathBuf,
}

/// A connection over which requests go, one after the other or side by side.
pub enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// What went wrong with an exchange.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Machine {
    /// The manifest of this client under `integration`.
    #[must_use]
    pub fn manifest(&self, integration: &str) -> Value {
        json!({
            "kind": "Client",
            "name": self.name,
            "spec": { "integration": integration, "certificates": [self.identity.pem] },
        })
    }

    /// # Errors
    /// When the gate can't be reached.
    pub async fn tls(&self, protocol: &str, meter: &Arc<Meter>) -> std::io::Result<Tls> {
        let config = self.identity.configuration(&self.roots, protocol);
        tls::open(self.door, self.public.ip(), &config, meter).await
    }

    /// # Errors
    /// When the gate can't be reached.
    pub async fn http1(&self, meter: &Arc<Meter>) -> Result<Connection, Failure> {
        let io = TokioIo::new(self.tls("http/1.1", meter).await?);
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Connection::Http1(sender))
    }

    /// # Errors
    /// When the gate can't be reached.
    pub async fn http2(&self, meter: &Arc<Meter>) -> Result<Connection, Failure> {
        let io = TokioIo::new(self.tls("h2", meter).await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Connection::Http2(sender))
    }

    /// A token, as any machine gets it: RFC 6749 client credentials, bound to the certificate.
    ///
    /// # Errors
    /// What the gate answered instead.
    pub async fn token(&self) -> Result<String, Failure> {
        let mut connection = self.http1(&Meter::new()).await?;
        let form = format!("grant_type=client_credentials&client_id={}", self.name);
        let request = self
            .request(Method::POST, "/oauth/token", &connection)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form))?;
        let response = connection.send(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        match answer["access_token"].as_str() {
            Some(token) if status == 200 => Ok(token.to_owned()),
            _ => Err(format!("{status}: {answer}").into()),
        }
    }

    /// # Errors
    /// When the connection breaks before the head of the answer.
    pub async fn get(
        &self,
        connection: &mut Connection,
        path: &str,
        token: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let request = self.request(Method::GET, path, connection);
        let request = request.header("authorization", format!("Bearer {token}")).body(Full::default())?;
        Ok(connection.send(request).await?)
    }

    /// A request with what the protocol wants of its head.
    #[must_use]
    pub fn request(&self, method: Method, path: &str, connection: &Connection) -> http::request::Builder {
        let request = Request::builder().method(method);
        match connection {
            Connection::Http1(_) => request.uri(path).header("host", self.public.to_string()),
            Connection::Http2(_) => request.uri(format!("https://{}{path}", self.public)),
        }
    }
}

impl Connection {
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
