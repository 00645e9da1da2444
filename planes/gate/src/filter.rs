//! What leaves: every chunk is looked at before it is handed on. Liveness again, then records.
//!
//! Records are reserved before their chunk goes on, and depart when the connection has handed
//! everything to the kernel: until then they count in the window.

use std::future::{Future, poll_fn};
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

use crate::body::{BoxError, cut_short, cut_short_by, refusal_for};
use crate::counting::Counting;
use crate::exchange::Exchange;
use crate::forward::strip;
use crate::grpc;
use crate::limit::Reservation;
use crate::outlet::{Admitted, CUT_GRACE_MS, Outlet};
use crate::refusal::Refusal;
use crate::unpack::{Source, SourceError};
use crate::upstream::UpstreamBody;

/// An upstream's response on its way out.
pub struct Filtered {
    /// Gone when it was read to its end.
    inner: Option<Source>,
    outlet: Outlet,
    /// None on routes that aren't metered.
    counter: Option<Counter>,
    /// Whether trailers may follow.
    trailers: bool,
    deadline: Pin<Box<Sleep>>,
    /// A stream from its beginning: of events, or of messages.
    is_stream: bool,
    stage: Stage,
    /// What was asked for, and not yet given away.
    peeked: Option<Option<Result<Frame<Bytes>, BoxError>>>,
    /// The error that ends it was held back once.
    yielded: bool,
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
        counting: Option<Counting>,
        reservation: Reservation,
        is_stream: bool,
    ) -> Self {
        let seconds = exchange.permit.client().integration.limits.stream_seconds_max;
        let now_ms = exchange.core.monotonic_ms();
        exchange.connection.end_exchange_by(exchange.id, now_ms + u64::from(seconds) * 1_000 + CUT_GRACE_MS);
        let over = tokio::time::sleep(Duration::from_secs(u64::from(seconds)));
        let deadline = match exchange.deadline() {
            Some(deadline) if deadline < over.deadline() => tokio::time::sleep_until(deadline),
            _ => over,
        };
        let gzip = counting.as_ref().is_some_and(|counting| counting.gzip);
        Self {
            inner: Some(Source::new(inner, gzip)),
            outlet: Outlet::new(exchange, reservation),
            trailers: counting.as_ref().is_none_or(|counting| counting.trailers),
            counter: counting.map(|counting| counting.counter),
            deadline: Box::pin(deadline),
            is_stream,
            stage: Stage::Flowing,
            peeked: None,
            yielded: false,
        }
    }

    /// Looks at what comes first, if it is there already: an answer that fails at once can still be a
    /// refusal. What was looked at waits for whoever asks for it.
    ///
    /// # Errors
    /// The fault is the upstream's, and nothing was handed on.
    pub async fn peek(&mut self) -> Result<(), Refusal> {
        if self.is_end_stream() {
            return Ok(());
        }
        let first = poll_fn(|context| Poll::Ready(self.next(context))).await;
        if let Poll::Ready(Some(Err(error))) = &first
            && let Some(refusal) = refusal_for(error)
        {
            return Err(refusal);
        }
        if let Poll::Ready(first) = first {
            self.peeked = Some(first);
        }
        Ok(())
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
            return Poll::Ready(Some(self.out_of_time()));
        }
        if self.inner.is_some()
            && let Some(reason) = self.outlet.exchange.stopped_by_risk(self.is_stream)
        {
            return Poll::Ready(Some(Err(self.cut_now(reason))));
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(self.finish().map(Err)) };
        let frame = ready!(inner.poll_frame(context));
        // Before each chunk that leaves: is the caller still alive? When all has left, it may have been
        // read whole already: what is revoked after that is no reason to break the connection off.
        if frame.is_some()
            && let Err(reason) = self.outlet.exchange.check()
        {
            let core = &self.outlet.exchange.core;
            core.registry.cut(&self.outlet.exchange.connection, reason, core.monotonic_ms());
            return Poll::Ready(Some(Err(self.cut_now(reason))));
        }
        match frame {
            None => Poll::Ready(self.finish().map(Err)),
            Some(Err(SourceError::Upstream(error))) => {
                tracing::debug!(%error, "upstream broke off");
                self.stage = Stage::Ended;
                self.outlet.exchange.end(Ending::UpstreamFailed, Reason::UpstreamFailed);
                Poll::Ready(Some(Err(cut_short(Reason::UpstreamFailed))))
            }
            Some(Err(SourceError::Packing(fault))) => {
                let route = &self.outlet.exchange.permit.route().facts.name;
                tracing::warn!(%route, %fault, "a response can't be unpacked, and was cut");
                self.stage = Stage::Ended;
                self.outlet.exchange.end(Ending::Cut, Reason::BodyNotCountable);
                Poll::Ready(Some(Err(cut_short_by(Reason::BodyNotCountable, fault.to_string()))))
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.pass(data, context),
                Err(frame) => Poll::Ready(self.trailers(frame)),
            },
        }
    }

    /// Trailers are header fields that come late; where records are counted they'd pass uncounted, and
    /// the body ends without them. gRPC says in them how a call went; a codec has bounded them.
    fn trailers(&mut self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, BoxError>> {
        // Nothing is asked for after trailers: whether the body may end here is looked at first.
        if let Some(error) = self.finish() {
            return Some(Err(error));
        }
        let mut fields = frame.into_trailers().ok().filter(|_| self.trailers)?;
        strip(&mut fields);
        Some(Ok(Frame::trailers(fields)))
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
                // As the outlet has said it.
                let reason = self.outlet.exchange.end_reason().unwrap_or(Reason::RecordsCut);
                self.stage = Stage::Cutting(reason);
                if bytes == 0 {
                    return self.finish_cut(reason, context);
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
        self.peeked.is_none() && self.inner.as_ref().is_none_or(Source::is_end_stream)
    }

    /// It has lasted as long as it may: for the gate, or for a gRPC client, which is told in its own way.
    fn out_of_time(&mut self) -> Result<Frame<Bytes>, BoxError> {
        let exchange = &self.outlet.exchange;
        let by_client = exchange.deadline().is_some_and(|deadline| deadline <= self.deadline.deadline());
        if !by_client {
            return Err(self.cut_now(Reason::RequestTooSlow));
        }
        let error = self.cut_now(Reason::DeadlinePassed);
        // HTTP/1.1 has trailers only where the answer's length is open.
        if !self.outlet.exchange.connection.is_http2() {
            return Err(error);
        }
        Ok(Frame::trailers(grpc::trailers(Reason::DeadlinePassed)))
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
        if let Some(upstream) = self.inner.take().and_then(|source| source.into_body().into_connection()) {
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
        let this = self.get_mut();
        let polled = match this.peeked.take() {
            Some(first) => Poll::Ready(first),
            None => this.next(context),
        };
        match polled {
            Poll::Ready(Some(Err(error))) if !this.yielded && this.outlet.exchange.connection.is_http2() => {
                // RST_STREAM would overtake the head and the data that the protocol was just given, and
                // the head says which decision this was. The connection was woken before this stream is.
                this.yielded = true;
                this.peeked = Some(Some(Err(error)));
                context.waker().wake_by_ref();
                Poll::Pending
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        // Only when there was no body at all: otherwise hyper must come back, so that the last
        // chunk is known to have passed.
        matches!(self.stage, Stage::Flowing) && !self.outlet.has_handed() && self.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        // What was cut has no length that it could be taken for whole by.
        if matches!(self.stage, Stage::Cutting(_)) {
            return SizeHint::default();
        }
        let hint = self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Source::size_hint);
        let peeked = match &self.peeked {
            Some(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        hint.exact().map_or(hint, |rest| SizeHint::with_exact(peeked + rest))
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
