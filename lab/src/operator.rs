//! An operator's program: control's API over a connection that stands already, so that nothing but the request
//! takes time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::host::Host;
use crate::installation::Installation;
use crate::machine::Failure;
use crate::meter::Meter;
use crate::tls::{self, Identity};

type Sender = http1::SendRequest<Full<Bytes>>;

pub struct Operator {
    sender: Arc<Mutex<Sender>>,
    authority: String,
    token: String,
}

/// Status and body; or why there is none.
pub type Answer = Result<(u16, Value), String>;

impl Operator {
    /// Signs in as the first one, on the gate's host.
    #[must_use]
    pub fn of(installation: &Installation, host: &Host) -> Self {
        let control = installation.endpoint("control");
        let authority = control.trim_start_matches("https://").to_owned();
        let token = std::fs::read_to_string(installation.directory.join("admin.token")).unwrap();
        let config = Identity::new("operator").configuration(&installation.authority(), "http/1.1");
        let address: SocketAddr = authority.parse().unwrap();
        let sender = host.wait_for(async move {
            let io = TokioIo::new(tls::open(address, address.ip(), &config, &Meter::new()).await.unwrap());
            let (sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { sender: Arc::new(Mutex::new(sender)), authority, token: token.trim().to_owned() }
    }

    /// Sends a request, and gives where its answer will be.
    #[must_use]
    pub fn begin(&self, host: &Host, method: Method, path: &str, body: &Value) -> Receiver<Answer> {
        let (done, answer) = channel();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::from(if body.is_null() { String::new() } else { body.to_string() }))
            .unwrap();
        let sender = Arc::clone(&self.sender);
        host.tasks().spawn(async move {
            let answered = ask(&sender, request).await.map_err(|error| error.to_string());
            let _ = done.send(answered);
        });
        answer
    }

    /// # Errors
    /// When there is no answer.
    ///
    /// # Panics
    /// When the host is gone.
    pub fn get(&self, host: &Host, path: &str) -> Answer {
        self.begin(host, Method::GET, path, &Value::Null).recv().unwrap()
    }
}

async fn ask(sender: &Mutex<Sender>, request: Request<Full<Bytes>>) -> Result<(u16, Value), Failure> {
    let mut sender = sender.lock().await;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
