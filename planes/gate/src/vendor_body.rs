//! The body of a vendor's request, over either protocol.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use portcullis_domain::reason::Reason;
use portcullis_wire::http_rules::is_head_only;
use portcullis_wire::http1::BodyFault;

use crate::body::BoxError;
use crate::http1::{BodyError, Http1Body};
use crate::refusal::Refusal;

pub enum VendorBody {
    Empty,
    Http1(Http1Body),
    Http2(Incoming),
}

impl Body for VendorBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => Pin::new(body).poll_frame(context),
            Self::Http2(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| {
                    let frame = frame.map_err(|error| BodyError::Broken(io::Error::other(error)))?;
                    Ok(judged(frame)?)
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

/// The refusal of a request whose own body is why it failed, if `error` says so: then no upstream is to blame.
pub fn own_fault(error: &(dyn Error + 'static)) -> Option<Refusal> {
    successors(Some(error), |&error| error.source()).find_map(|cause| match cause.downcast_ref()? {
        BodyError::Malformed(fault) => {
            Some(Refusal::with_detail(Reason::HeadAmbiguous, fault.to_string()).and_close())
        }
        BodyError::Gone | BodyError::Broken(_) => Some(Reason::ClientGone.into()),
    })
}

/// The codec of HTTP/1.1 refuses such trailers itself.
fn judged(frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
    let is_forbidden = |fields: &HeaderMap| fields.keys().any(|name| is_head_only(name.as_str()));
    if frame.trailers_ref().is_some_and(is_forbidden) {
        return Err(BodyFault::TrailerForbidden.into());
    }
    Ok(frame)
}
