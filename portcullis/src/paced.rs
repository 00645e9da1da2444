//! Bodies of the servers that stand in for a real one, behind the gate: made while they are sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Interval;

/// A body of parts that are made one at a time, as fast as they are taken or at a pace.
pub struct Paced {
    pace: Option<Pin<Box<Interval>>>,
    /// The next part; none is the end.
    next: Box<dyn FnMut() -> Option<Bytes> + Send>,
}

impl Paced {
    pub fn new(pace: Option<Duration>, next: impl FnMut() -> Option<Bytes> + Send + 'static) -> Self {
        Self { pace: pace.map(|pace| Box::pin(tokio::time::interval(pace))), next: Box::new(next) }
    }

    /// One part.
    pub fn whole(part: Bytes) -> Self {
        let mut part = Some(part);
        Self::new(None, move || part.take())
    }

    pub fn empty() -> Self {
        Self::new(None, || None)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pace) = &mut self.pace
            && pace.poll_tick(context).is_pending()
        {
            return Poll::Pending;
        }
        Poll::Ready((self.next)().map(|part| Ok(Frame::data(part))))
    }
}
