//! A request's body on its way to the upstream.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_domain::reason::Reason;

use crate::body::{BoxError, cut_short};
use crate::exchange::Exchange;
use crate::vendor_body::VendorBody;

/// What is kept of a body for a second try: the messages of most calls.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A request's body on its way to the upstream: bounded, and stopped when the caller's life ends.
pub struct RequestBody {
    source: Rc<RefCell<Source>>,
    exchange: Rc<Exchange>,
    bytes_max: u64,
    /// Which try this is.
    attempt: u32,
    /// Kept pieces that this try has given.
    given: usize,
}

/// The body itself, which the tries share.
struct Source {
    body: Option<VendorBody>,
    /// What was read of it; `None` if that can't be sent again.
    kept: Option<Kept>,
    attempt: u32,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<Bytes>,
    bytes: usize,
}

/// Makes a body that can be sent again, as long as not too much of it was read.
pub struct Tries {
    source: Rc<RefCell<Source>>,
    exchange: Rc<Exchange>,
}

impl Tries {
    pub fn of(body: Option<VendorBody>, exchange: &Rc<Exchange>) -> Self {
        let source = Source { body, kept: Some(Kept::default()), attempt: 0 };
        Self { source: Rc::new(RefCell::new(source)), exchange: Rc::clone(exchange) }
    }

    /// The body from its beginning. The one before it has come to its end.
    pub fn begin(&self) -> Option<RequestBody> {
        let mut source = self.source.borrow_mut();
        source.kept.as_ref()?;
        source.attempt += 1;
        Some(RequestBody::over(Rc::clone(&self.source), Rc::clone(&self.exchange), source.attempt))
    }

    /// Nothing is sent again from here on.
    pub fn settle(&self) {
        self.source.borrow_mut().kept = None;
    }
}

impl RequestBody {
    pub fn new(body: Option<VendorBody>, exchange: Rc<Exchange>) -> Self {
        let source = Source { body, kept: None, attempt: 0 };
        Self::over(Rc::new(RefCell::new(source)), exchange, 0)
    }

    fn over(source: Rc<RefCell<Source>>, exchange: Rc<Exchange>, attempt: u32) -> Self {
        let bytes_max = exchange.permit.route().facts.request_bytes_max;
        Self { source, exchange, bytes_max, attempt, given: 0 }
    }

    fn moved(&self) {
        self.exchange.sending.moved(self.exchange.core.monotonic_ms());
    }

    fn judge(&mut self, frame: &Frame<Bytes>) -> Result<(), Reason> {
        let Some(data) = frame.data_ref() else {
            self.source.borrow_mut().kept = None;
            return Ok(());
        };
        self.exchange.add_request_bytes(data.len() as u64);
        if self.exchange.request_bytes() > self.bytes_max {
            return Err(Reason::RequestTooLarge);
        }
        let mut source = self.source.borrow_mut();
        if let Some(kept) = &mut source.kept {
            kept.bytes += data.len();
            kept.pieces.push(data.clone());
            self.given += 1;
            if kept.bytes > KEPT_BYTES_MAX {
                source.kept = None;
            }
        }
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = {
            let mut source = this.source.borrow_mut();
            if source.attempt != this.attempt {
                return Poll::Ready(Some(Err(cut_short(Reason::UpstreamFailed))));
            }
            let kept = source.kept.as_ref().and_then(|kept| kept.pieces.get(this.given)).cloned();
            if let Some(piece) = kept {
                // It was looked at and counted when it was read.
                this.given += 1;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(body) = &mut source.body else { return Poll::Ready(None) };
            Pin::new(body).poll_frame(context)
        };
        if polled.is_pending() {
            this.exchange.sending.waits_for_client();
        }
        let frame = ready!(polled);
        this.moved();
        if let Err(reason) = this.exchange.check() {
            return Poll::Ready(Some(Err(cut_short(reason))));
        }
        if let Some(Ok(frame)) = &frame
            && let Err(reason) = this.judge(frame)
        {
            return Poll::Ready(Some(Err(cut_short(reason))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        let again = source.kept.as_ref().is_some_and(|kept| self.given < kept.pieces.len());
        !again && source.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.source.borrow();
        let again =
            source.kept.as_ref().map_or(0, |kept| {
                kept.pieces.get(self.given..).unwrap_or_default().iter().map(Bytes::len).sum()
            }) as u64;
        let rest = source.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        rest.exact().map_or(rest, |bytes| SizeHint::with_exact(again + bytes))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Whoever sent it doesn't come back for an end that was known.
        self.moved();
    }
}
