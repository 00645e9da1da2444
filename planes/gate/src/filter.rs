//! What leaves: every chunk is looked at before it is handed on. Liveness again, then records.
//!
//! Records are reserved before their chunk goes on, and depart when the connection has handed
//! everything to the kernel: until then they count in the window.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_domain::decision::{DecisionId, Ending};
use portcullis_domain::reason::Reason;
use portcullis_records::Counter;
use tokio::time::Sleep;

use crate::body::{BoxError, cut_short};
use crate::exchange::Exchange;
use crate::forward::strip;
use crate::limit::Reservation;
use crate::outlet::{Admitted, CUT_GRACE_MS, Outlet};
use crate::upstream::UpstreamBody;

/// An upstream's response on its way out.
pub struct Filtered {
    /// Gone when it was read to its end.
    inner: Option<UpstreamBody>,
    outlet: Outlet,
    /// None on routes that aren't metered.
    counter: Option<Counter>,
    deadline: Pin<Box<Sleep>>,
    stage: Stage,
}

enum Stage {
    Flowing,
    /// What still fitted was handed on; the error follows when it has left.
    Cutting(Reason),
    Ended,
}

impl Filtered {
    pub fn new(
        inner: UpstreamBody,
        exchange: Rc<Exchange>,
        counter: Option<Counter>,
        reservation: Reservation,
    ) -> Self {
        let seconds = exchange.permit.client().integration.limits.stream_seconds_max;
        let now_ms = exchange.core.shared.monotonic_ms();
        exchange.connection.end_exchange_by(exchange.id, now_ms + u64::from(seconds) * 1_000 + CUT_GRACE_MS);
        let deadline = Box::pin(tokio::time::sleep(Duration::from_secs(u64::from(seconds))));
        Self {
            inner: Some(inner),
            outlet: Outlet::new(exchange, reservation),
            counter,
            deadline,
            stage: Stage::Flowing,
        }
    }

    pub fn decision(&self) -> DecisionId {
        self.outlet.exchange.id
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // hyper asks for more: what it was given before has passed flow control.
        self.outlet.follow();
        match self.stage {
            Stage::Ended => return Poll::Ready(None),
            Stage::Cutting(reason) => return self.finish_cut(reason, context),
            Stage::Flowing => {}
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(self.cut_now(Reason::RequestTooSlow))));
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(self.finish().map(Err)) };
        let frame = ready!(inner.poll_frame(context));
        // Before each chunk that leaves: is the caller still alive?
        if let Err(reason) = self.outlet.exchange.check() {
            let core = &self.outlet.exchange.core;
            core.registry.cut(&self.outlet.exchange.connection, reason, core.shared.monotonic_ms());
            return Poll::Ready(Some(Err(self.cut_now(reason))));
        }
        match frame {
            None => Poll::Ready(self.finish().map(Err)),
            Some(Err(error)) => {
                tracing::debug!(%error, "upstream broke off");
                self.stage = Stage::Ended;
                self.outlet.exchange.end(Ending::UpstreamFailed, Reason::UpstreamFailed);
                Poll::Ready(Some(Err(cut_short(Reason::UpstreamFailed))))
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.pass(data, context),
                Err(frame) => Poll::Ready(self.trailers(frame)),
            },
        }
    }

    /// Trailers are header fields that come late; where records are counted they'd pass uncounted, and
    /// the body ends without them.
    fn trailers(&mut self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, BoxError>> {
        match frame.into_trailers() {
            Ok(mut fields) if self.counter.is_none() => {
                strip(&mut fields);
                Some(Ok(Frame::trailers(fields)))
            }
            _ => self.finish().map(Err),
        }
    }

    /// Lets through what may leave.
    fn pass(
        &mut self,
        data: Bytes,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(counter) = &mut self.counter else {
            self.outlet.pass(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        };
        match self.outlet.admit(counter, &data) {
            Ok(Admitted::All) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(Admitted::Part(bytes)) => {
                self.stage = Stage::Cutting(Reason::RecordsCut);
                if bytes == 0 {
                    return self.finish_cut(Reason::RecordsCut, context);
                }
                Poll::Ready(Some(Ok(Frame::data(data.slice(..bytes)))))
            }
            Err(reason) => Poll::Ready(Some(Err(self.cut_now(reason)))),
        }
    }

    /// Waits until what was handed on has left, then breaks off without an end.
    fn finish_cut(
        &mut self,
        reason: Reason,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let connection = &self.outlet.exchange.connection;
        if !connection.is_cut() && !connection.departures.is_empty() {
            connection.departures.wake_when_settled(context.waker());
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(self.cut_now(reason))))
    }

    /// Whether the upstream has nothing more to say.
    fn is_read(&self) -> bool {
        self.inner.as_ref().is_none_or(UpstreamBody::is_end_stream)
    }

    fn cut_now(&mut self, reason: Reason) -> BoxError {
        self.stage = Stage::Ended;
        self.outlet.exchange.end(Ending::Cut, reason);
        cut_short(reason)
    }

    fn finish(&mut self) -> Option<BoxError> {
        self.stage = Stage::Ended;
        if let Some(counter) = &mut self.counter
            && counter.finish().is_err()
        {
            self.outlet.exchange.end(Ending::Cut, Reason::BodyNotCountable);
            return Some(cut_short(Reason::BodyNotCountable));
        }
        self.complete();
        None
    }

    fn complete(&mut self) {
        self.outlet.exchange.end(Ending::Complete, Reason::Allowed);
        if let Some(upstream) = self.inner.take().and_then(UpstreamBody::into_connection) {
            // It may serve somebody else in the same breath: a cut of this one must not stop it.
            self.outlet.exchange.connection.release_upstream(self.outlet.exchange.id);
            let route = self.outlet.exchange.permit.route();
            self.outlet.exchange.core.pool.give_back(&route.upstream, upstream);
        }
    }
}

impl Body for Filtered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.get_mut().next(context)
    }

    fn is_end_stream(&self) -> bool {
        // Only when there was no body at all: otherwise hyper must come back, so that the last
        // chunk is known to have passed.
        matches!(self.stage, Stage::Flowing) && !self.outlet.has_handed() && self.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), UpstreamBody::size_hint)
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        // A response without a body is never asked for a frame.
        if matches!(self.stage, Stage::Flowing) && self.is_read() {
            self.complete();
        }
    }
}
