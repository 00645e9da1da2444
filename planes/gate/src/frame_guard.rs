//! The accountant of HTTP/2 frames between TLS and the library: what costs us much and the client
//! little ends the connection before the library has spent anything on it.
//!
//! It also says goodbye to a client that shall go on over another connection. The library would do that at once and twice: GOAWAY
//! that rules out no stream and PING, ahead of the answer. Clients take the answer for lost then, or close before they have
//! read it. Here GOAWAY goes in the same write right behind the last answer, and names the last stream.

mod streams;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use portcullis_domain::reason::Reason;
use portcullis_wire::http2_frames::{Flood, FrameGuard, FrameHeader, Limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use self::streams::Streams;
use crate::connection::Connection;
use crate::core::Core;
use crate::io::ValvedIo;
use crate::strangers::Network;

/// RFC 9113, 4.1
const HEADER_BYTES: usize = 9;
const GO_AWAY_BYTES: usize = 17;
/// RFC 9113, 7
const NO_ERROR: u32 = 0;
/// Rules out no stream: none can be told from the outside.
const STREAM_MAX: u32 = 0x7fff_ffff;
/// What comes behind the goodbye is read away: a reset could outrun it.
const LINGER_MS_MAX: u64 = 2_000;

/// A vendor's HTTP/2 connection, guarded.
pub struct GuardedIo {
    stream: TlsStream<ValvedIo>,
    guard: FrameGuard,
    written: Boundaries,
    streams: Streams,
    /// What is unwritten of the goodbye, once it was said.
    goodbye: Option<Vec<u8>>,
    core: Rc<Core>,
    connection: Rc<Connection>,
}

impl GuardedIo {
    pub fn new(stream: TlsStream<ValvedIo>, core: &Rc<Core>, connection: &Rc<Connection>) -> Self {
        Self {
            stream,
            guard: FrameGuard::new(Limits::default()),
            written: Boundaries::default(),
            streams: Streams::default(),
            goodbye: None,
            core: Rc::clone(core),
            connection: Rc::clone(connection),
        }
    }

    /// Counts the flood, and says goodbye if that doesn't tear a frame apart.
    fn refuse(&mut self, flood: Flood, context: &mut Context<'_>) -> io::Error {
        let peer = self.connection.peer();
        self.core.shared.strangers.refuse(Network::of(peer.ip()), Reason::Http2Flood);
        tracing::debug!(%peer, %flood, "an HTTP/2 connection was ended");
        if self.written.is_between_frames() {
            // Whoever doesn't take it at once has had their chance to read it.
            let frame = go_away(STREAM_MAX, flood.error_code());
            let _ = Pin::new(&mut self.stream).poll_write(context, &frame);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        io::Error::new(io::ErrorKind::InvalidData, flood)
    }
}

impl GuardedIo {
    fn left(&mut self, bytes: &[u8]) {
        self.guard.sent(bytes.len() as u64);
        let streams = &mut self.streams;
        self.written.push(bytes, |frame| streams.left(frame));
    }

    /// Writes what may end the last answer, and with that the goodbye.
    fn poll_write_last(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.goodbye.is_some() {
            // Nobody waits for anything any more.
            return Poll::Ready(Ok(bytes.len()));
        }
        let (mut written, mut streams) = (self.written.clone(), self.streams.clone());
        written.push(bytes, |frame| streams.left(frame));
        let ends = written.is_between_frames() && streams.are_answered();
        let frame = go_away(streams.last(), NO_ERROR);
        let all = [bytes, if ends { &frame[..] } else { &[] }].concat();
        let taken = ready!(Pin::new(&mut self.stream).poll_write(context, &all))?;
        let of_library = bytes.get(..taken).unwrap_or(bytes);
        self.left(of_library);
        if ends && of_library.len() == bytes.len() {
            self.goodbye = Some(all.get(taken..).unwrap_or_default().to_vec());
            self.connection.keep_waker(context.waker());
            self.connection.parted(self.core.monotonic_ms() + LINGER_MS_MAX);
        }
        Poll::Ready(Ok(of_library.len()))
    }

    /// Reads away what the client sent before it saw the goodbye: no stream behind the last one is taken up.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut away = [0; 1_024];
        while !self.connection.has_expired() {
            let mut buffer = ReadBuf::new(&mut away);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.connection.keep_waker(context.waker());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// GOAWAY (RFC 9113, 6.8).
fn go_away(last_stream: u32, error_code: u32) -> [u8; GO_AWAY_BYTES] {
    let [s, t, u, v] = last_stream.to_be_bytes();
    let [a, b, c, d] = error_code.to_be_bytes();
    [0, 0, 8, 7, 0, 0, 0, 0, 0, s, t, u, v, a, b, c, d]
}

/// Where the frames end that the library writes.
#[derive(Clone, Default)]
struct Boundaries {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
}

impl Boundaries {
    fn is_between_frames(&self) -> bool {
        self.header_bytes == 0 && self.payload_left == 0
    }

    /// Shows each header that ends in these bytes.
    fn push(&mut self, mut bytes: &[u8], mut seen: impl FnMut(FrameHeader)) {
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.header_bytes) {
                *place = *byte;
            }
            self.header_bytes += 1;
            if self.header_bytes == HEADER_BYTES {
                let [high, middle, low, ..] = self.header;
                self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.header_bytes = 0;
                seen(FrameHeader::of(self.header));
            }
        }
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.goodbye.is_some() {
            return self.poll_leave(context);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let now_ms = self.core.monotonic_ms();
        let Self { guard, streams, .. } = &mut *self;
        match guard.push_each(new, now_ms, |frame| streams.came(frame)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(flood) => {
                buffer.set_filled(before);
                Poll::Ready(Err(self.refuse(flood, context)))
            }
        }
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_parting() || self.goodbye.is_some() {
            return self.poll_write_last(context, bytes);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.left(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_parting() || self.goodbye.is_some() {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            return self.poll_write_last(context, &bytes);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.get(..left.min(slice.len())).unwrap_or_default();
            self.left(taken);
            left -= taken.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { goodbye, stream, .. } = &mut *self;
        while let Some(unwritten) = goodbye.as_mut().filter(|unwritten| !unwritten.is_empty()) {
            let taken = ready!(Pin::new(&mut *stream).poll_write(context, unwritten))?;
            unwritten.drain(..taken);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_frames_are_found_however_they_are_written() {
        let frame = |payload: &[u8]| {
            let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0, 0, 1];
            frame.extend_from_slice(payload);
            frame
        };
        let bytes = [frame(b"abc"), frame(b""), frame(b"0123456789")].concat();
        let ends = [12, 21, 40];
        for step in 1..bytes.len() {
            let mut boundaries = Boundaries::default();
            let mut pushed = 0;
            for piece in bytes.chunks(step) {
                boundaries.push(piece, |_| {});
                pushed += piece.len();
                assert_eq!(boundaries.is_between_frames(), ends.contains(&pushed), "{step} {pushed}");
            }
        }
    }
}
