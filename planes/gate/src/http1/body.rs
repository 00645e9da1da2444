//! A request's body, read off the vendor's connection when the upstream can take more.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_wire::http1::{BodyDecoder, BodyFault};
use tokio_rustls::server::TlsStream;

use super::head::trailers_of;
use super::wire::{Piece, Wire};
use crate::body::BoxError;
use crate::io::ValvedIo;

/// What may be read of a body that nobody wants, so that the connection can serve on.
const UNWANTED_BYTES_MAX: u64 = 64 * 1024;

const CONTINUE: Bytes = Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n");

/// A vendor's connection, and the body that is being read from it.
pub struct VendorWire {
    pub wire: Wire<TlsStream<ValvedIo>>,
    pub decoder: BodyDecoder,
    /// The client waits for leave before it sends the body.
    pub leave_owed: bool,
    unwanted_bytes: u64,
    /// Which request it is: a body of another one is over.
    turn: u64,
    /// Of the task that waits for more of the body, if that isn't the connection's own.
    body_waker: Option<Waker>,
}

/// The task of the connection and the body of its request, which that task polls, share it.
pub type SharedWire = Rc<RefCell<VendorWire>>;

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the client broke off")]
    Gone,
    #[error(transparent)]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] BodyFault),
}

impl VendorWire {
    pub fn new(io: TlsStream<ValvedIo>) -> Self {
        Self {
            wire: Wire::new(io),
            decoder: BodyDecoder::empty(),
            leave_owed: false,
            unwanted_bytes: 0,
            turn: 0,
            body_waker: None,
        }
    }

    /// A new request begins.
    pub fn expect_body(&mut self, decoder: BodyDecoder, leave_owed: bool) {
        self.decoder = decoder;
        self.leave_owed = leave_owed;
        self.unwanted_bytes = 0;
    }

    /// The request was answered: nobody reads its body any more but to be rid of it. Says whether
    /// some of it was left.
    pub fn end_turn(&mut self) -> bool {
        self.turn += 1;
        if let Some(waker) = self.body_waker.take() {
            waker.wake();
        }
        !self.decoder.is_ended()
    }

    /// The next piece of the body; nothing at its end.
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.leave_owed {
            self.leave_owed = false;
            self.wire.queue(CONTINUE);
        }
        if !self.wire.is_drained() {
            ready!(self.wire.poll_drain(context))?;
        }
        Poll::Ready(match ready!(self.wire.poll_piece::<BodyError>(&mut self.decoder, context))? {
            Piece::Data(data) => Some(Ok(data)),
            Piece::Ended => None,
            Piece::Closed => Some(Err(BodyError::Gone)),
        })
    }

    /// Reads what is left of a body that nobody asked for; true when the connection can serve on.
    pub fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.leave_owed {
            // It was never told to send it, and may or may not do so: no head can be told from a body.
            return Poll::Ready(self.decoder.is_ended());
        }
        loop {
            match ready!(self.poll_data(context)) {
                None => return Poll::Ready(true),
                Some(Err(_)) => return Poll::Ready(false),
                Some(Ok(data)) => {
                    self.unwanted_bytes += data.len() as u64;
                    if self.unwanted_bytes > UNWANTED_BYTES_MAX {
                        return Poll::Ready(false);
                    }
                }
            }
        }
    }

    /// Whether what is left of the body is worth reading for the sake of the connection.
    pub fn is_worth_keeping(&self) -> bool {
        self.decoder.is_ended()
            || (!self.leave_owed
                && self.decoder.remaining_length().is_none_or(|bytes| bytes <= UNWANTED_BYTES_MAX))
    }
}

/// The body of the request that is being answered.
///
/// It may outlive the request where another task sends it on: then it is over.
pub struct Http1Body {
    wire: Weak<RefCell<VendorWire>>,
    turn: u64,
}

impl Http1Body {
    pub fn new(wire: &SharedWire) -> Self {
        let turn = wire.borrow().turn;
        Self { wire: Rc::downgrade(wire), turn }
    }

    /// The connection, as long as this is the body of its request.
    fn wire(&self) -> Option<SharedWire> {
        self.wire.upgrade().filter(|wire| wire.borrow().turn == self.turn)
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(wire) = this.wire() else {
            return Poll::Ready(Some(Err(BodyError::Gone.into())));
        };
        let mut wire = wire.borrow_mut();
        let polled = wire.poll_data(context);
        if polled.is_pending() {
            wire.body_waker = Some(context.waker().clone());
        }
        match ready!(polled) {
            Some(Ok(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Ready(trailers_of(&mut wire.decoder).map(|fields| Ok(Frame::trailers(fields)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.wire().is_none_or(|wire| is_end_stream(&wire.borrow().decoder))
    }

    fn size_hint(&self) -> SizeHint {
        self.wire().map_or_else(|| SizeHint::with_exact(0), |wire| size_hint(&wire.borrow().decoder))
    }
}

/// Whether neither data nor trailers are to come.
pub fn is_end_stream(decoder: &BodyDecoder) -> bool {
    decoder.is_ended() && !decoder.has_trailers()
}

/// How much is to come, as far as it was said. A body of known length has no room for trailers.
pub fn size_hint(decoder: &BodyDecoder) -> SizeHint {
    let known = decoder.remaining_length().filter(|_| !decoder.has_trailers());
    known.map_or_else(SizeHint::default, SizeHint::with_exact)
}

impl Drop for VendorWire {
    fn drop(&mut self) {
        // Whoever still waits for more of a body learns that it is gone.
        self.end_turn();
    }
}
