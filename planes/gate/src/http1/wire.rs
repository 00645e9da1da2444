//! A connection with what was read and not yet used, and what is to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use portcullis_wire::http1::{BodyDecoder, BodyFault};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A TLS record holds no more.
const SCRATCH_BYTES: usize = 16 * 1024;
/// With less room in its own buffer, a connection reads into the thread's.
const ROOM_BYTES_MIN: usize = 2 * 1024;
/// Room for one read of a body.
const BODY_READ_BYTES: usize = 32 * 1024;
/// Parts that one write takes.
const SLICES_MAX: usize = 8;

thread_local! {
    /// Where connections without a buffer of their own read to: those that are idle need none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// What a look for more of a body brings.
pub enum Piece {
    Data(Bytes),
    /// The body has come to its end.
    Ended,
    /// The connection has, and the body has not.
    Closed,
}

pub struct Wire<T> {
    io: T,
    /// What was read and not yet used.
    pub read: BytesMut,
    queue: VecDeque<Bytes>,
    /// Something was queued, and the others have not had their turn since.
    fresh: bool,
    /// The layer below may still hold some of what it took.
    unflushed: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub fn new(io: T) -> Self {
        Self { io, read: BytesMut::new(), queue: VecDeque::new(), fresh: false, unflushed: false }
    }

    pub fn io(&mut self) -> &mut T {
        &mut self.io
    }

    /// Reads once, and says how many bytes came: 0 at the end. `room_bytes` are made in the
    /// connection's own buffer, for bodies.
    pub fn poll_fill(&mut self, room_bytes: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < room_bytes {
            self.read.reserve(room_bytes);
        }
        if self.read.capacity() - self.read.len() >= ROOM_BYTES_MIN {
            return pin!(self.io.read_buf(&mut self.read)).poll(context);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer))?;
            self.read.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// The next piece of the body that `decoder` reads here.
    pub fn poll_piece<E: From<io::Error> + From<BodyFault>>(
        &mut self,
        decoder: &mut BodyDecoder,
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, E>> {
        loop {
            if decoder.is_ended() {
                return Poll::Ready(Ok(Piece::Ended));
            }
            let step = decoder.decode(&self.read)?;
            let piece = self.read.split_to(step.consumed);
            if !step.data.is_empty() {
                return Poll::Ready(Ok(Piece::Data(piece.freeze().slice(step.data))));
            }
            if !decoder.is_ended() && ready!(self.poll_fill(BODY_READ_BYTES, context))? == 0 {
                return Poll::Ready(Ok(Piece::Closed));
            }
        }
    }

    /// Puts `bytes` behind what is to be written.
    pub fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.fresh |= self.queue.is_empty();
            self.unflushed = true;
            self.queue.push_back(bytes);
        }
    }

    /// Whether the kernel has taken everything.
    pub fn is_drained(&self) -> bool {
        !self.unflushed
    }

    /// Writes until the kernel has taken everything.
    ///
    /// The first call gives way to the other tasks that are ready: so their writes follow each other
    /// closely, and wake a peer on another core once instead of one by one.
    pub fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.fresh) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            let parts = slices.get(..count).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(context, parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(written);
        }
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn consume(&mut self, mut written: usize) {
        while let Some(first) = self.queue.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
    }

    /// Gives back what an idle connection doesn't need.
    pub fn rest(&mut self) {
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }
}
