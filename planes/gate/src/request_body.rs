//! A request's body on its way to the upstream.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_domain::reason::Reason;

use crate::body::{BoxError, cut_short};
use crate::exchange::Exchange;
use crate::vendor_body::VendorBody;

/// A request's body on its way to the upstream: bounded, and stopped when the caller's life ends.
pub struct RequestBody {
    inner: Option<VendorBody>,
    exchange: Rc<Exchange>,
    bytes_max: u64,
}

impl RequestBody {
    pub fn new(inner: Option<VendorBody>, exchange: Rc<Exchange>) -> Self {
        let bytes_max = exchange.permit.route().facts.request_bytes_max;
        Self { inner, exchange, bytes_max }
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
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(inner).poll_frame(context));
        if let Err(reason) = this.exchange.check() {
            return Poll::Ready(Some(Err(cut_short(reason))));
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.exchange.add_request_bytes(data.len() as u64);
            if this.exchange.request_bytes() > this.bytes_max {
                return Poll::Ready(Some(Err(cut_short(Reason::RequestTooLarge))));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
