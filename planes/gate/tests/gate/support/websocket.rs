//! WebSocket (RFC 6455) by hand: a client over TLS, and an upstream that does as its path says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::{Connector, Protocol};
use super::listen;
use super::tap::{Tap, TappedIo};

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// What came.
#[derive(PartialEq, Eq, Debug)]
pub enum Event {
    /// First byte and payload.
    Frame(u8, Vec<u8>),
    End,
    Broken,
}

impl Event {
    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Frame(CLOSE, payload) => Some(u16::from_be_bytes([payload[0], payload[1]])),
            _ => None,
        }
    }
}

/// One end of a connection.
pub struct Socket<T> {
    pub io: T,
    buffer: Vec<u8>,
}

pub type Client = Socket<TlsStream<TappedIo>>;

/// Asks for WebSocket at `path`; gives the answer's head too.
pub async fn connect(
    connector: &Connector,
    path: &str,
    token: &str,
    more: &str,
) -> (Client, String, Arc<Tap>) {
    let (io, tap) = connector.tls(Protocol::H1).await.unwrap();
    let mut socket = Socket { io, buffer: Vec::new() };
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: gate.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {token}\r\n{more}\r\n"
    );
    socket.io.write_all(head.as_bytes()).await.unwrap();
    let head = socket.head().await;
    (socket, head, tap)
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            if !self.fill().await {
                return String::new();
            }
        }
    }

    async fn fill(&mut self) -> bool {
        let mut piece = vec![0; 16 * 1_024];
        match self.io.read(&mut piece).await {
            Ok(bytes) if bytes > 0 => {
                self.buffer.extend_from_slice(&piece[..bytes]);
                true
            }
            _ => false,
        }
    }

    /// What is left of an answer that was none to a handshake.
    pub async fn rest(&mut self, length: usize) -> String {
        while self.buffer.len() < length && self.fill().await {}
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    pub async fn next(&mut self) -> Event {
        loop {
            if let Some((first, payload, whole)) = parse(&self.buffer) {
                self.buffer.drain(..whole);
                return Event::Frame(first, payload);
            }
            let mut piece = [0; 16 * 1_024];
            match self.io.read(&mut piece).await {
                Ok(0) => return Event::End,
                Ok(bytes) => self.buffer.extend_from_slice(&piece[..bytes]),
                Err(_) => return Event::Broken,
            }
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
    }
}

/// A frame: masked, as a client's must be, or not.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = vec![first];
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        0..126 => frame.push(mask_bit | payload.len() as u8),
        126..=0xffff => {
            frame.push(mask_bit | 126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        let mask = [0x11, 0x22, 0x33, 0x44];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]));
    } else {
        frame.extend_from_slice(payload);
    }
    frame
}

/// First byte, unmasked payload and length of the frame at the beginning of `bytes`.
fn parse(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let second = *bytes.get(1)?;
    let (length, mut at) = match second & 0x7f {
        126 => (u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]) as usize, 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize, 10),
        short => (short as usize, 2),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        mask.copy_from_slice(bytes.get(at..at + 4)?);
        at += 4;
    }
    let payload = bytes.get(at..at + length)?;
    let payload = payload.iter().enumerate().map(|(place, byte)| byte ^ mask[place % 4]).collect();
    Some((bytes[0], payload, at + length))
}

/// An upstream that speaks WebSocket, and what it has seen.
#[derive(Clone)]
pub struct WebSocketUpstream {
    pub address: SocketAddr,
    pub log: Arc<Log>,
}

#[derive(Default)]
pub struct Log {
    pub heads: Mutex<Vec<String>>,
    /// Connections that have ended.
    pub ended: AtomicU64,
    /// Frames that came.
    pub frames: AtomicU64,
}

impl WebSocketUpstream {
    pub fn start() -> Self {
        let log = Arc::<Log>::default();
        let kept = Arc::clone(&log);
        let address = listen(move |tcp| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                serve(Socket { io: tcp, buffer: Vec::new() }, &log).await;
                log.ended.fetch_add(1, Ordering::SeqCst);
            });
        });
        Self { address, log: kept }
    }

    pub fn last_head(&self) -> String {
        self.log.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// Pushes as the query says, then echoes until a close frame.
async fn serve(mut socket: Socket<TcpStream>, log: &Log) {
    let head = socket.head().await.to_ascii_lowercase();
    log.heads.lock().unwrap().push(head.clone());
    let query: HashMap<&str, u64> = head
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|target| target.split_once('?'))
        .map_or("", |(_, query)| query)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let number = |name| query.get(name).copied().unwrap_or(0);
    if !head.contains("upgrade: websocket") {
        socket
            .send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]")
            .await;
        return;
    }
    let extension = if head.contains("permessage-deflate") || number("forced") > 0 {
        "sec-websocket-extensions: permessage-deflate\r\n"
    } else {
        ""
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{extension}\r\n"
    );
    socket.send(answer.as_bytes()).await;
    if number("gone") > 0 {
        return;
    }
    if number("masked") > 0 {
        socket.send(&frame(TEXT, b"x", true)).await;
    }
    if number("half") > 0 {
        // The beginning of a long message.
        socket.send(&frame(TEXT, &[b'x'; 1_000], false)[..500]).await;
    }
    let mut pace = tokio::time::interval(Duration::from_millis(number("pace_ms").max(1)));
    let payload = vec![b'x'; number("size") as usize];
    let mut batch = Vec::new();
    for pushed in 0..number("push") {
        batch.extend_from_slice(&frame(if pushed % 2 == 0 { TEXT } else { BINARY }, &payload, false));
        if number("pace_ms") > 0 {
            pace.tick().await;
        }
        if number("pace_ms") > 0 || batch.len() > 60_000 {
            if socket.io.write_all(&batch).await.is_err() {
                return;
            }
            batch.clear();
        }
    }
    socket.send(&batch).await;
    if number("bye") > 0 {
        socket
            .send(&[frame(CLOSE, &1_000_u16.to_be_bytes(), false), frame(TEXT, b"late", false)].concat())
            .await;
        return;
    }
    while let Event::Frame(first, payload) = socket.next().await {
        log.frames.fetch_add(1, Ordering::SeqCst);
        let first = if first == PING { PONG } else { first };
        socket.send(&frame(first, &payload, false)).await;
        if first == CLOSE {
            return;
        }
    }
}
