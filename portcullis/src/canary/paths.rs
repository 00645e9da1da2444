//! Answers that don't end, read by the canary's machines: what came when, by the stamps in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;

use crate::machine::{Call, Machine};

const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Its answer, by RFC 6455 §1.3.
pub const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const PART_BYTES: usize = 16 * 1_024;

/// An answer that is read until it ends.
pub struct Stream {
    pub path: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// The newest stamp that came.
    newest: AtomicU64,
    bytes: AtomicU64,
    ended: AtomicBool,
}

impl Seen {
    fn take(&self, part: &[u8]) {
        self.bytes.fetch_add(part.len() as u64, Ordering::SeqCst);
        if let Some(stamp) = newest_stamp(part) {
            self.newest.fetch_max(stamp, Ordering::SeqCst);
        }
    }
}

/// The handshake of RFC 6455 §4.1, with the key of its §1.3: what is proved by it is that a server speaks the protocol.
pub fn websocket(target: &str) -> Call {
    let mut call = Call::new(Method::GET, target);
    let headers = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, WEBSOCKET_KEY),
    ];
    call.headers.extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    call
}

/// A call of gRPC over HTTP/2, with an empty message.
pub fn grpc(target: &str) -> Call {
    let mut call = Call { body: Bytes::from_static(&[0; 5]), ..Call::new(Method::POST, target) };
    call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    call.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    call
}

impl Stream {
    /// # Errors
    /// It isn't answered.
    pub async fn open(machine: &Arc<Machine>, path: &str, call: &Call) -> Result<Self, String> {
        let mut answer = machine.request(call).await.map_err(|error| format!("{path}: {error}"))?;
        let seen = Arc::new(Seen::default());
        let told = Arc::clone(&seen);
        let task = match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {
                let mut socket = answer.upgraded().await.map_err(|error| format!("{path}: {error}"))?;
                tokio::spawn(async move {
                    let mut part = vec![0; PART_BYTES];
                    while let Ok(read @ 1..) = socket.read(&mut part).await {
                        told.take(part.get(..read).unwrap_or_default());
                    }
                    told.ended.store(true, Ordering::SeqCst);
                })
            }
            status if status.is_success() => tokio::spawn(async move {
                while let Ok(Some(chunk)) = answer.chunk().await {
                    told.take(&chunk);
                }
                told.ended.store(true, Ordering::SeqCst);
            }),
            status => return Err(format!("{path}: status {status}")),
        };
        Ok(Self { path: path.to_owned(), seen, task })
    }

    pub fn has_begun(&self) -> bool {
        self.seen.bytes.load(Ordering::SeqCst) > 0
    }

    pub fn has_ended(&self) -> bool {
        self.seen.ended.load(Ordering::SeqCst)
    }

    pub fn newest(&self) -> u64 {
        self.seen.newest.load(Ordering::SeqCst)
    }

    pub fn close(self) {
        self.task.abort();
    }
}

/// The last `"at":NUMBER` in a part of a body.
fn newest_stamp(chunk: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(chunk);
    let (_, last) = text.rsplit_once("\"at\":")?;
    let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stamp_counts() {
        assert_eq!(newest_stamp(b"{\"at\":17}\n{\"at\":42}\n"), Some(42));
        assert_eq!(newest_stamp(b"data: {\"at\":7}\n\n"), Some(7));
        assert_eq!(newest_stamp(b"{\"at\":"), None);
    }
}
