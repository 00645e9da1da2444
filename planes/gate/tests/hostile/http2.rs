//! HTTP/2 in raw frames: what can't be said in HTTP/1.1 by one reading is not said to an upstream, and
//! floods end the connection that they come on, and nothing else.

mod bodies;
mod case;
mod floods;
mod frames;
mod heads;
mod order;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_rustls::client::TlsStream;

use crate::line::Stage;
use crate::support::client::Protocol;
use crate::support::tap::TappedIo;
use frames::{Came, DATA, END_STREAM, GOAWAY, PREFACE, RST_STREAM, SETTINGS, frame, take};

/// How a stream came to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Answered; the body.
    Answered(String),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code, which isn't 0.
    GoneAway(u32),
    Closed,
}

/// A connection on which the test writes what it wants.
pub struct Wire {
    read: ReadHalf<TlsStream<TappedIo>>,
    pub write: WriteHalf<TlsStream<TappedIo>>,
    bytes: Vec<u8>,
}

impl Wire {
    pub async fn open(stage: &Stage) -> Self {
        let (stream, _) = stage.connector.tls(Protocol::H2).await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let mut this = Self { read, write, bytes: Vec::new() };
        this.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        this
    }

    /// Says whether the gate has taken it.
    pub async fn say(&mut self, bytes: &[u8]) -> bool {
        self.write.write_all(bytes).await.is_ok() && self.write.flush().await.is_ok()
    }

    /// The next frame, or none at the connection's end.
    pub async fn next(&mut self) -> Option<Came> {
        loop {
            if let Some(came) = take(&mut self.bytes) {
                return Some(came);
            }
            let mut chunk = [0; 16 * 1_024];
            match self.read.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// How `stream` ends, or the connection before it.
    pub async fn end_of(&mut self, stream: u32) -> End {
        let mut body = Vec::new();
        while let Some(came) = self.next().await {
            match came.kind {
                DATA if came.stream == stream => body.extend_from_slice(&came.payload),
                RST_STREAM if came.stream == stream => return End::Reset(code(&came.payload)),
                GOAWAY if code(&came.payload[4..]) != 0 => return End::GoneAway(code(&came.payload[4..])),
                _ => {}
            }
            let ends = matches!(came.kind, DATA | frames::HEADERS) && came.flags & END_STREAM != 0;
            if ends && came.stream == stream {
                return End::Answered(String::from_utf8_lossy(&body).into_owned());
            }
        }
        End::Closed
    }

    /// How the connection ends: the code of its GOAWAY, if one came; or nothing, if it goes on.
    pub async fn end(&mut self, patience: Duration) -> Option<End> {
        let ended = async {
            while let Some(came) = self.next().await {
                if came.kind == GOAWAY && code(&came.payload[4..]) != 0 {
                    return End::GoneAway(code(&came.payload[4..]));
                }
            }
            End::Closed
        };
        tokio::time::timeout(patience, ended).await.ok()
    }
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// Fields of a GET that would pass.
fn good(stage: &Stage, path: &str) -> Vec<(String, Vec<u8>)> {
    fields(stage, "GET", path)
}

fn fields(stage: &Stage, method: &str, path: &str) -> Vec<(String, Vec<u8>)> {
    let token = format!("Bearer {}", stage.token);
    [
        (":method", method),
        (":scheme", "https"),
        (":authority", "gate.test"),
        (":path", path),
        ("authorization", &token),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .to_vec()
}
