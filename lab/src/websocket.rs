//! WebSocket (RFC 6455): as much of it as a stream of messages needs.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::machine::{Failure, Machine};
use crate::meter::Meter;

/// The key of every handshake, and its answer, from RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A binary frame of a server, of at most 125 bytes.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, u8::try_from(payload.len()).unwrap()];
    frame.extend_from_slice(payload);
    frame
}

/// Opens a WebSocket at `path`, and reads until it ends.
///
/// # Errors
/// How it ended.
pub async fn listen(machine: &Machine, path: &str, token: &str, meter: &Arc<Meter>) -> Result<(), Failure> {
    let mut io = machine.tls("http/1.1", meter).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: {KEY}\r\nauthorization: Bearer {token}\r\n\r\n",
        machine.public
    );
    io.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; 16 * 1_024];
    let mut length = 0;
    // The head may come in parts.
    while length < buffer.len() && !buffer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        match io.read(&mut buffer[length..]).await? {
            0 => break,
            read => length += read,
        }
    }
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    if !answer.starts_with("HTTP/1.1 101") {
        return Err(answer.into());
    }
    while io.read(&mut buffer).await? > 0 {}
    Ok(())
}
