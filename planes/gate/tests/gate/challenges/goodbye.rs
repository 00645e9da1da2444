//! The goodbye of HTTP/2 where a new handshake is wanted, frame by frame: clients that others wrote take GOAWAY ahead of an answer
//! for the loss of the answer, and close at PING behind it.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::challenges::{forwarded, strangers};
use crate::support::client::Protocol;
use crate::support::identity::{Certificate, who};
use crate::support::party::PATH;
use crate::support::soon;
use crate::support::world::World;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request as literals that no table keeps (RFC 7541, 6.2.2).
fn request(stream: u32, token: Option<&str>, ended: bool) -> Vec<u8> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let method = if ended { "GET" } else { "POST" };
    let mut fields =
        vec![(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", PATH)];
    fields.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let mut block = Vec::new();
    let put = |block: &mut Vec<u8>, text: &str| {
        let mut left = text.len();
        if left < 127 {
            block.push(u8::try_from(left).unwrap());
        } else {
            block.push(127);
            left -= 127;
            while left >= 128 {
                block.push(u8::try_from(left % 128).unwrap() | 0x80);
                left /= 128;
            }
            block.push(u8::try_from(left).unwrap());
        }
        block.extend_from_slice(text.as_bytes());
    };
    for (name, value) in fields {
        block.push(0);
        put(&mut block, name);
        put(&mut block, value);
    }
    frame(HEADERS, END_HEADERS | if ended { END_STREAM } else { 0 }, stream, &block)
}

struct Came {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Raw<S> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Raw<S> {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame, or none at the end.
    async fn next(&mut self) -> Option<Came> {
        loop {
            if let Some(head) = self.unread.get(..9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if self.unread.len() >= 9 + length {
                    let whole: Vec<u8> = self.unread.drain(..9 + length).collect();
                    let stream = u32::from_be_bytes(whole[5..9].try_into().unwrap());
                    let payload = whole[9..].to_vec();
                    return Some(Came { kind: whole[3], flags: whole[4], stream, payload });
                }
            }
            let read = soon("bytes", self.stream.read_buf(&mut self.unread)).await;
            match read {
                Ok(0) => return None,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
                read => read.unwrap(),
            };
        }
    }

    async fn until_ended(&mut self, stream: u32) -> Vec<Came> {
        let mut all = Vec::new();
        loop {
            let came = self.next().await.unwrap();
            let ends = came.stream == stream && matches!(came.kind, DATA | HEADERS) && came.flags & 1 != 0;
            all.push(came);
            if ends {
                return all;
            }
        }
    }
}

/// An old connection, whose handshake says nothing about now.
async fn old(world: &World) -> (Raw<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>, String) {
    let certificate = Certificate::new();
    let token = world.token(who(1, 1), &certificate);
    let (stream, _) =
        soon("a connection", world.connector(Some(&certificate)).tls(Protocol::H2)).await.unwrap();
    let mut raw = Raw { stream, unread: Vec::new() };
    raw.send(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, b"")].concat()).await;
    raw.send(&request(1, None, true)).await;
    raw.until_ended(1).await;
    let later = world.clock.wall() + jiff::SignedDuration::from_secs(11);
    world.clock.jump_to(later);
    (raw, token)
}

#[tokio::test]
async fn it_comes_right_behind_the_last_answer_and_names_its_stream() {
    let world = strangers().await;
    let (mut raw, token) = old(&world).await;
    let all: Vec<u8> = [3, 5, 7].into_iter().flat_map(|stream| request(stream, Some(&token), true)).collect();
    raw.send(&all).await;
    let mut ended = Vec::new();
    let mut said = String::new();
    let goodbye = loop {
        let came = raw.next().await.unwrap();
        match came.kind {
            GOAWAY => break came,
            DATA => said.push_str(&String::from_utf8(came.payload).unwrap()),
            _ => {}
        }
        if matches!(came.kind, DATA | HEADERS) && came.flags & END_STREAM != 0 {
            ended.push(came.stream);
        }
    };
    ended.sort_unstable();
    assert_eq!(ended, [3, 5, 7]);
    assert!(said.contains("challenge_new_context"), "{said}");
    // The last stream, and no error.
    assert_eq!(goodbye.payload, [0, 0, 0, 7, 0, 0, 0, 0]);
    // What was sent before the client knew is nobody's: it may be sent again elsewhere.
    raw.send(&request(9, Some(&token), true)).await;
    raw.stream.shutdown().await.unwrap();
    if let Some(came) = raw.next().await {
        panic!("a frame of kind {} came behind the goodbye", came.kind);
    }
    assert_eq!(forwarded(&world), 0);
}

#[tokio::test]
async fn a_client_that_stays_is_left_after_a_while() {
    let world = strangers().await;
    let (mut raw, token) = old(&world).await;
    raw.send(&request(3, Some(&token), true)).await;
    while raw.next().await.unwrap().kind != GOAWAY {}
    assert!(raw.next().await.is_none());
}

#[tokio::test]
async fn a_body_that_does_not_end_keeps_nobody() {
    let world = strangers().await;
    let (mut raw, token) = old(&world).await;
    raw.send(&request(3, Some(&token), false)).await;
    let mut kinds = Vec::new();
    while let Some(came) = raw.next().await {
        kinds.push(came.kind);
        if came.kind == GOAWAY {
            assert_eq!(came.payload, [0, 0, 0, 3, 0, 0, 0, 0]);
        }
    }
    assert!(kinds.ends_with(&[DATA, GOAWAY]), "{kinds:?}");
}
