//! The bodies that the gate answers with.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use portcullis_domain::reason::Reason;

use crate::filter::Filtered;
use crate::refusal::Refusal;
use crate::tunnel::Tunnel;

/// Any error of a body, as hyper wants it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a response ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut: {}", .0.title())]
struct CutShort(Reason, Option<String>, #[source] h2::Error);

/// The error that ends a body before its end.
pub fn cut_short(reason: Reason) -> BoxError {
    cut_short_as(reason, None)
}

/// The same, with words about this very body for an answer that hasn't begun.
pub fn cut_short_by(reason: Reason, detail: String) -> BoxError {
    cut_short_as(reason, Some(detail))
}

fn cut_short_as(reason: Reason, detail: Option<String>) -> BoxError {
    // hyper looks for an `h2::Error` among the sources to choose the code of RST_STREAM.
    let code = match reason.status() {
        // Not the caller's fault.
        502 | 504 => h2::Reason::INTERNAL_ERROR,
        _ => h2::Reason::ENHANCE_YOUR_CALM,
    };
    Box::new(CutShort(reason, detail, code.into()))
}

/// What to answer instead of a body that ended with `error` before anything of it was sent; `None` if
/// the fault isn't the upstream's.
pub fn refusal_for(error: &BoxError) -> Option<Refusal> {
    let CutShort(reason, detail, _) = error.downcast_ref()?;
    let refusal = Refusal { detail: detail.clone(), ..Refusal::from(*reason) };
    matches!(reason.status(), 502 | 504).then_some(refusal)
}

/// A body of the gate's own, or an upstream's that passes the filter.
pub enum GateBody {
    Own(Option<Bytes>),
    Filtered(Box<Filtered>),
    /// No body at all: the connection speaks WebSocket from here on.
    Tunnel(Box<Tunnel>),
}

impl GateBody {
    pub fn empty() -> Self {
        Self::Own(None)
    }

    pub fn of(bytes: impl Into<Bytes>) -> Self {
        Self::Own(Some(bytes.into()))
    }

    /// What to answer instead, when the body failed before anything of the answer was sent and the
    /// fault is the upstream's.
    pub fn refusal_instead(&self, error: &BoxError) -> Option<Response<Self>> {
        let Self::Filtered(filtered) = self else { return None };
        Some(refusal_for(error)?.and_close().response(filtered.decision(), false))
    }
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Filtered(filtered) => Pin::new(filtered.as_mut()).poll_frame(context),
            Self::Tunnel(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Filtered(filtered) => filtered.is_end_stream(),
            Self::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Filtered(filtered) => filtered.size_hint(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}
