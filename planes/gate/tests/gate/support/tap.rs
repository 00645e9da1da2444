//! A client's socket below TLS that counts every byte it gives out.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a socket has given out. Its descriptor is a second one of the same socket: it can't be
/// closed and reused while somebody looks.
pub struct Tap {
    socket: OwnedFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: u64,
    noted: Option<u64>,
}

impl Tap {
    pub fn of(tcp: &TcpStream) -> Arc<Self> {
        use std::os::fd::AsFd;
        let socket = tcp.as_fd().try_clone_to_owned().unwrap();
        Arc::new(Self { socket, state: Mutex::default() })
    }

    /// Bytes that the client has read or that wait for it in its kernel, at this very moment. The
    /// loopback interface delivers at once: what isn't here was not handed to the kernel.
    pub fn arrived(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.read + rustix::io::ioctl_fionread(&self.socket).unwrap()
    }

    /// The client's end.
    pub fn address(&self) -> SocketAddr {
        rustix::net::getsockname(&self.socket).unwrap().try_into().unwrap()
    }

    /// From now on nothing more may arrive.
    pub fn note(&self) {
        // The lock keeps the reader from taking bytes between the two looks.
        let mut state = self.state.lock().unwrap();
        if state.noted.is_none() {
            state.noted = Some(state.read + rustix::io::ioctl_fionread(&self.socket).unwrap());
        }
    }

    pub fn read(&self) -> u64 {
        self.state.lock().unwrap().read
    }

    /// How many bytes arrived after they were noted.
    pub fn excess(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.noted.map_or(0, |noted| state.read.saturating_sub(noted))
    }
}

pub struct TappedIo {
    pub tcp: TcpStream,
    pub tap: Arc<Tap>,
}

impl AsyncRead for TappedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = Arc::clone(&self.tap);
        let mut state = tap.state.lock().unwrap();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(context, buffer);
        state.read += (buffer.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for TappedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
