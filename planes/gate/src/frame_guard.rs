//! The accountant of HTTP/2 frames between TLS and the library: what costs us much and the client
//! little ends the connection before the library has spent anything on it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use portcullis_domain::reason::Reason;
use portcullis_wire::http2_frames::{Flood, FrameGuard, Limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::connection::Connection;
use crate::core::Core;
use crate::io::ValvedIo;
use crate::strangers::Network;

/// RFC 9113, 4.1
const HEADER_BYTES: usize = 9;

/// A vendor's HTTP/2 connection, guarded.
pub struct GuardedIo {
    stream: TlsStream<ValvedIo>,
    guard: FrameGuard,
    written: Boundaries,
    core: Rc<Core>,
    connection: Rc<Connection>,
}

impl GuardedIo {
    pub fn new(stream: TlsStream<ValvedIo>, core: &Rc<Core>, connection: &Rc<Connection>) -> Self {
        Self {
            stream,
            guard: FrameGuard::new(Limits::default()),
            written: Boundaries::default(),
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
            let frame = go_away(flood.error_code());
            let _ = Pin::new(&mut self.stream).poll_write(context, &frame);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        io::Error::new(io::ErrorKind::InvalidData, flood)
    }
}

/// GOAWAY (RFC 9113, 6.8) that rules out no stream: none can be told from the outside.
fn go_away(error_code: u32) -> [u8; 17] {
    let [a, b, c, d] = error_code.to_be_bytes();
    [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, a, b, c, d]
}

/// Where the frames end that the library writes.
#[derive(Default)]
struct Boundaries {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
}

impl Boundaries {
    fn is_between_frames(&self) -> bool {
        self.header_bytes == 0 && self.payload_left == 0
    }

    fn push(&mut self, mut bytes: &[u8]) {
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
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let now_ms = self.core.monotonic_ms();
        match self.guard.push(new, now_ms) {
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
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.guard.sent(written as u64);
        self.written.push(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.guard.sent(written as u64);
        let mut left = written;
        for slice in slices {
            let taken = slice.get(..left.min(slice.len())).unwrap_or_default();
            self.written.push(taken);
            left -= taken.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
                boundaries.push(piece);
                pushed += piece.len();
                assert_eq!(boundaries.is_between_frames(), ends.contains(&pushed), "{step} {pushed}");
            }
        }
    }
}
