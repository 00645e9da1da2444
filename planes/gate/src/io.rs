//! The socket under a connection's TLS: hands out what was read ahead of it, and stops handing bytes
//! to the kernel the moment its connection is cut.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a connection's owner and its socket share.
#[derive(Default, Debug)]
pub struct Valve {
    /// Nothing passes any more, in either direction.
    shut: Cell<bool>,
    /// The kernel refused bytes at the last write: something is still in our buffers.
    blocked: Cell<bool>,
}

impl Valve {
    pub fn shut(&self) {
        self.shut.set(true);
    }

    pub fn is_shut(&self) -> bool {
        self.shut.get()
    }

    /// Whether the last write was taken whole.
    pub fn is_clear(&self) -> bool {
        !self.blocked.get()
    }
}

/// A socket behind a [`Valve`].
pub struct ValvedIo {
    tcp: TcpStream,
    valve: Rc<Valve>,
    /// Bytes that were read ahead, and are handed out before the socket's next.
    ahead: Option<Box<Ahead>>,
}

struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

impl ValvedIo {
    /// A vendor's connection, of which `received` was read already.
    pub fn of_vendor(tcp: TcpStream, valve: Rc<Valve>, received: Vec<u8>) -> Self {
        Self { tcp, valve, ahead: Some(Box::new(Ahead { bytes: received, taken: 0 })) }
    }

    /// A connection to an upstream.
    pub fn of_upstream(tcp: TcpStream, valve: Rc<Valve>) -> Self {
        Self { tcp, valve, ahead: None }
    }

    /// Hands out what was read ahead; false when that is done.
    fn read_ahead(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        let left = ahead.bytes.get(ahead.taken..).unwrap_or_default();
        let now = left.get(..buffer.remaining().min(left.len())).unwrap_or_default();
        buffer.put_slice(now);
        ahead.taken += now.len();
        let any = !now.is_empty();
        if ahead.taken == ahead.bytes.len() {
            self.ahead = None;
        }
        any
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut")
}

impl AsyncRead for ValvedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.valve.is_shut() {
            return Poll::Ready(Err(cut()));
        }
        if self.read_ahead(buffer) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl ValvedIo {
    fn guarded(
        &mut self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // Looked at in the same step as the write: after a core has confirmed a severance, none follows.
        if self.valve.is_shut() {
            return Poll::Ready(Err(cut()));
        }
        let written = write(Pin::new(&mut self.tcp));
        self.valve.blocked.set(written.is_pending());
        written
    }
}

impl AsyncWrite for ValvedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.guarded(|tcp| tcp.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.guarded(|tcp| tcp.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
