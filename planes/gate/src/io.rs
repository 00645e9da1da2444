//! The socket under a vendor's TLS: remembers the ClientHello, and stops handing bytes to the
//! kernel the moment its connection is cut.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
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
    hello: Hello,
}

enum Hello {
    Reading(Assembler),
    Whole(Box<ClientHello>),
    /// Not wanted, or not readable: TLS will refuse it in its own words.
    Nothing,
}

impl ValvedIo {
    /// A vendor's connection: its ClientHello is kept.
    pub fn of_vendor(tcp: TcpStream, valve: Rc<Valve>) -> Self {
        Self { tcp, valve, hello: Hello::Reading(Assembler::new()) }
    }

    /// A connection to an upstream.
    pub fn of_upstream(tcp: TcpStream, valve: Rc<Valve>) -> Self {
        Self { tcp, valve, hello: Hello::Nothing }
    }

    /// The first ClientHello, once.
    pub fn take_hello(&mut self) -> Option<ClientHello> {
        match std::mem::replace(&mut self.hello, Hello::Nothing) {
            Hello::Whole(hello) => Some(*hello),
            Hello::Reading(_) | Hello::Nothing => None,
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Hello::Reading(assembler) = &mut self.hello {
            match assembler.push(bytes) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Complete(message)) => {
                    self.hello = ClientHello::parse(&message)
                        .map_or(Hello::Nothing, |hello| Hello::Whole(Box::new(hello)));
                }
                Err(_) => self.hello = Hello::Nothing,
            }
        }
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
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(context, buffer))?;
        if matches!(self.hello, Hello::Reading(_))
            && let Some(new) = buffer.filled().get(before..)
        {
            self.note(new);
        }
        Poll::Ready(Ok(()))
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
