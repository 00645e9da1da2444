//! A conversation with charon over its VICI socket: one command at a time, each with an end.

use std::collections::HashMap;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use portcullis_network::setting::Setting;
use serde::{Deserialize, Serialize};
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::ArmError;

/// A security association between two machines.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Association {
    pub uniqueid: u64,
    #[serde(default)]
    pub state: String,
    #[serde(rename = "remote-host", default)]
    pub remote_host: String,
    #[serde(rename = "remote-port", default)]
    pub remote_port: u16,
    #[serde(default)]
    pub established: Option<u64>,
    #[serde(rename = "child-sas", default)]
    pub children: HashMap<String, Child>,
}

/// What carries packets.
#[derive(Clone, Deserialize, Debug)]
pub(super) struct Child {
    #[serde(default)]
    pub state: String,
    #[serde(rename = "bytes-in", default)]
    pub bytes_in: u64,
    #[serde(rename = "packets-in", default)]
    pub packets_in: u64,
    #[serde(rename = "bytes-out", default)]
    pub bytes_out: u64,
    #[serde(rename = "packets-out", default)]
    pub packets_out: u64,
    #[serde(rename = "install-time", default)]
    pub install_time: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    success: Option<bool>,
    errmsg: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Names {
    conns: Vec<String>,
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Shared<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a str,
    owners: [&'a str; 2],
}

#[derive(Serialize)]
struct Terminate<'a> {
    ike: &'a str,
    force: &'a str,
    timeout: &'a str,
}

pub(super) struct Session {
    client: rsvici::Client,
    /// Charon has closed the connection, or broken it.
    gone: Arc<Notify>,
    step: Duration,
}

impl Session {
    pub async fn open(socket: &Path, step: Duration) -> Result<Self, ArmError> {
        let absent = |why: String| {
            ArmError::Absent(format!("charon can't be reached at `{}`: {why}", socket.display()))
        };
        let connecting = timeout(step, UnixStream::connect(socket)).await;
        let stream = connecting
            .map_err(|_| absent(format!("no answer within {} ms", step.as_millis())))?
            .map_err(|error| absent(error.to_string()))?;
        let gone = Arc::new(Notify::new());
        let client = rsvici::Client::new(Ended { stream, gone: Arc::clone(&gone) });
        Ok(Self { client, gone, step })
    }

    pub async fn version(&mut self) -> Result<(), ArmError> {
        self.ask::<_, HashMap<String, String>>("asking charon", "version", ()).await.map(drop)
    }

    /// Names of all connections that were loaded over VICI, whoever did it.
    pub async fn connections(&mut self) -> Result<Vec<String>, ArmError> {
        Ok(self.ask::<_, Names>("listing connections", "get-conns", ()).await?.conns)
    }

    /// Ids of shared secrets.
    pub async fn secrets(&mut self) -> Result<Vec<String>, ArmError> {
        Ok(self.ask::<_, Names>("listing shared secrets", "get-shared", ()).await?.keys)
    }

    pub async fn load_connection(&mut self, name: &str, connection: &Loaded<'_>) -> Result<(), ArmError> {
        self.order("loading a connection", "load-conn", HashMap::from([(name, connection)])).await.map(drop)
    }

    pub async fn load_pool(&mut self, name: &str, address: &str) -> Result<(), ArmError> {
        let pool = Setting::section([("addrs", Setting::text(address))]);
        self.order("loading an address", "load-pool", HashMap::from([(name, pool)])).await.map(drop)
    }

    pub async fn load_secret(&mut self, id: &str, secret: &str, owners: [&str; 2]) -> Result<(), ArmError> {
        let shared = Shared { id, kind: "IKE", data: secret, owners };
        self.order("loading a shared secret", "load-shared", shared).await.map(drop)
    }

    /// Answers charon's id of the key.
    pub async fn load_key(&mut self, pem: &str) -> Result<Option<String>, ArmError> {
        let message = HashMap::from([("type", "any"), ("data", pem)]);
        Ok(self.order("loading a private key", "load-key", message).await?.id)
    }

    pub async fn unload_connection(&mut self, name: &str) -> Result<(), ArmError> {
        self.order("unloading a connection", "unload-conn", HashMap::from([("name", name)])).await.map(drop)
    }

    pub async fn unload_secret(&mut self, id: &str) -> Result<(), ArmError> {
        self.order("unloading a shared secret", "unload-shared", HashMap::from([("id", id)])).await.map(drop)
    }

    pub async fn unload_key(&mut self, id: &str) -> Result<(), ArmError> {
        self.order("unloading a private key", "unload-key", HashMap::from([("id", id)])).await.map(drop)
    }

    pub async fn unload_pool(&mut self, name: &str) -> Result<(), ArmError> {
        self.order("unloading an address", "unload-pool", HashMap::from([("name", name)])).await.map(drop)
    }

    /// Ends every association of a connection without waiting for the peer, which may be dead. That there is none
    /// is no failure; whether there is none is for [`Self::associations`] to say.
    pub async fn terminate(&mut self, connection: &str) -> Result<(), ArmError> {
        let message = Terminate { ike: connection, force: "yes", timeout: "-1" };
        self.ask::<_, Answer>("terminating associations", "terminate", message).await.map(drop)
    }

    /// Associations with the names of their connections.
    pub async fn associations(&mut self) -> Result<Vec<(String, Association)>, ArmError> {
        let all: HashMap<&str, &str> = HashMap::new();
        let doing = "listing associations";
        let stream =
            self.client.stream_request::<_, HashMap<String, Association>>("list-sas", "list-sa", all);
        let mut stream = pin!(stream);
        let mut found = Vec::new();
        loop {
            let next = tokio::select! {
                next = timeout(self.step, stream.try_next()) => next,
                () = self.gone.notified() => return Err(closed(doing)),
            };
            match next {
                Ok(Ok(Some(associations))) => found.extend(associations),
                Ok(Ok(None)) => return Ok(found),
                Ok(Err(error)) => return Err(failed(doing, error.to_string())),
                Err(_) => return Err(late(doing, self.step)),
            }
        }
    }

    /// A command whose answer says whether it was done.
    async fn order(
        &mut self,
        doing: &'static str,
        command: &str,
        message: impl Serialize,
    ) -> Result<Answer, ArmError> {
        let answer: Answer = self.ask(doing, command, message).await?;
        match answer.success {
            Some(true) => Ok(answer),
            _ => Err(failed(
                doing,
                answer.errmsg.unwrap_or_else(|| "charon refused, and doesn't say why".into()),
            )),
        }
    }

    async fn ask<T: Serialize, U: serde::de::DeserializeOwned>(
        &mut self,
        doing: &'static str,
        command: &str,
        message: T,
    ) -> Result<U, ArmError> {
        let asking = self.client.request(command, message);
        let answered = tokio::select! {
            answered = timeout(self.step, asking) => answered,
            () = self.gone.notified() => return Err(closed(doing)),
        };
        let answered = answered.map_err(|_| late(doing, self.step))?;
        answered.map_err(|error| failed(doing, error.to_string()))
    }
}

fn failed(doing: &'static str, why: String) -> ArmError {
    ArmError::Failed { doing, why }
}

fn late(doing: &'static str, step: Duration) -> ArmError {
    failed(doing, format!("charon did not answer within {} ms", step.as_millis()))
}

fn closed(doing: &'static str) -> ArmError {
    failed(doing, "charon has closed the connection".to_owned())
}

/// A connection with its certificates, which are bytes over VICI.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Loaded<'a>(pub &'a Setting);

/// A stream whose end is told once, and which is silent then: the client would ask it again without a pause.
struct Ended {
    stream: UnixStream,
    gone: Arc<Notify>,
}

impl AsyncRead for Ended {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => Poll::Ready(Ok(())),
            Poll::Ready(_) => {
                self.gone.notify_one();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Ended {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
