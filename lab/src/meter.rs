//! What came over a connection, to the byte and the nanosecond.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::now_ns;

/// Bytes that came over one connection, below TLS: whatever the other side sent counts.
#[derive(Default, Debug)]
pub struct Meter {
    bytes: AtomicU64,
    reads: AtomicU64,
    last_ns: AtomicU64,
    end: Mutex<Option<End>>,
}

/// How it ended, for who reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub at_ns: u64,
    /// Such as `connection reset`; `end` where the other side closed in order.
    pub how: String,
}

/// At one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reading {
    pub bytes: u64,
    pub reads: u64,
    /// When the last byte came.
    pub last_ns: u64,
}

impl Meter {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn came(&self, bytes: usize) {
        self.last_ns.store(now_ns(), Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    pub fn ended(&self, how: &str) {
        self.end.lock().unwrap().get_or_insert_with(|| End { at_ns: now_ns(), how: how.to_owned() });
    }

    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            bytes: self.bytes.load(Ordering::SeqCst),
            reads: self.reads.load(Ordering::SeqCst),
            last_ns: self.last_ns.load(Ordering::SeqCst),
        }
    }

    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end.lock().unwrap().clone()
    }
}

/// A connection whose incoming bytes are counted.
pub struct Metered<T> {
    io: T,
    meter: Arc<Meter>,
}

impl<T> Metered<T> {
    pub fn new(io: T, meter: &Arc<Meter>) -> Self {
        Self { io, meter: Arc::clone(meter) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let result = std::task::ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        match &result {
            Ok(()) if buffer.filled().len() > before => self.meter.came(buffer.filled().len() - before),
            Ok(()) if room > 0 => self.meter.ended("end"),
            Ok(()) => {}
            Err(error) => self.meter.ended(&error.kind().to_string()),
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = std::task::ready!(Pin::new(&mut self.io).poll_write(context, bytes));
        if let Err(error) = &result {
            self.meter.ended(&error.kind().to_string());
        }
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
