//! What leaves: every chunk is looked at before it is handed on. Liveness again, then records.
//!
//! Records are reserved before their chunk goes on, and depart when the connection has handed
//! everything to the kernel: until then they count in the window.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_domain::decision::{DecisionId, Ending};
use portcullis_domain::reason::Reason;
use portcullis_policy::meters::RecordWindows;
use portcullis_records::Counter;
use tokio::time::Sleep;

use crate::body::{BoxError, cut_short};
use crate::departures::Chunk;
use crate::exchange::Exchange;
use crate::forward::strip;
use crate::limit::Reservation;
use crate::upstream::UpstreamBody;

/// How long a cut response may take to hand over what still fitted, before its connection is reset.
const CUT_GRACE_MS: u64 = 2_000;

/// An upstream's response on its way out.
pub struct Filtered {
    /// Gone when it was read to its end.
    inner: Option<UpstreamBody>,
    exchange: Rc<Exchange>,
    /// None on routes that aren't metered.
    counter: Option<Counter>,
    reservation: Reservation,
    handed: Vec<Rc<RefCell<Chunk>>>,
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
            exchange,
            counter,
            reservation,
            handed: Vec::new(),
            deadline,
            stage: Stage::Flowing,
        }
    }

    pub fn decision(&self) -> DecisionId {
        self.exchange.id
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // hyper asks for more: what it was given before has passed flow control.
        for chunk in self.handed.drain(..) {
            chunk.borrow_mut().follow();
        }
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
        if let Err(reason) = self.exchange.check() {
            let core = &self.exchange.core;
            core.registry.cut(&self.exchange.connection, reason, core.shared.monotonic_ms());
            return Poll::Ready(Some(Err(self.cut_now(reason))));
        }
        match frame {
            None => Poll::Ready(self.finish().map(Err)),
            Some(Err(error)) => {
                tracing::debug!(%error, "upstream broke off");
                self.stage = Stage::Ended;
                self.exchange.end(Ending::UpstreamFailed, Reason::UpstreamFailed);
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

    /// Counts and reserves, and lets through what fits.
    fn pass(
        &mut self,
        data: Bytes,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(counter) = &mut self.counter else {
            self.exchange.add_response(data.len() as u64, 0);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        };
        let mut probe = counter.clone();
        let Ok(seen) = probe.push(&data, u64::MAX) else {
            return Poll::Ready(Some(Err(self.cut_now(Reason::BodyNotCountable))));
        };
        let windows = self.exchange.permit.client().windows.clone();
        let now_ms = self.exchange.core.shared.monotonic_ms();
        let from_reserved = self.reservation.spend(seen.records);
        let granted = from_reserved + windows.reserve(seen.records - from_reserved, now_ms);
        if granted == seen.records {
            *counter = probe;
            self.hand_over(&windows, granted, data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let part = match counter.push(&data, granted) {
            Ok(part) => part,
            Err(_) => return Poll::Ready(Some(Err(self.cut_now(Reason::BodyNotCountable)))),
        };
        windows.abandon(granted - part.records.min(granted));
        self.hand_over(&windows, part.records, part.consumed);
        self.close_key();
        self.stage = Stage::Cutting(Reason::RecordsCut);
        if part.consumed == 0 {
            return self.finish_cut(Reason::RecordsCut, context);
        }
        Poll::Ready(Some(Ok(Frame::data(data.slice(..part.consumed)))))
    }

    fn hand_over(&mut self, windows: &RecordWindows, records: u64, bytes: usize) {
        self.exchange.add_response(bytes as u64, records);
        if records > 0 {
            self.handed.push(self.exchange.connection.departures.hand_over(windows, records));
        }
    }

    /// The records limit was passed: the key is closed everywhere until an operator restores it.
    fn close_key(&mut self) {
        self.exchange.end(Ending::Cut, Reason::RecordsCut);
        let core = &self.exchange.core;
        let connection = &self.exchange.connection;
        connection.cut_when_clear(core.shared.monotonic_ms() + CUT_GRACE_MS);
        let keys = self.exchange.caller.token.keys.clone();
        core.cut_keys(self.exchange.permit.client().id, keys, self.exchange.id, connection.number);
    }

    /// Waits until what was handed on has left, then breaks off without an end.
    fn finish_cut(
        &mut self,
        reason: Reason,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let connection = &self.exchange.connection;
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
        self.exchange.end(Ending::Cut, reason);
        cut_short(reason)
    }

    fn finish(&mut self) -> Option<BoxError> {
        self.stage = Stage::Ended;
        if let Some(counter) = &mut self.counter
            && counter.finish().is_err()
        {
            self.exchange.end(Ending::Cut, Reason::BodyNotCountable);
            return Some(cut_short(Reason::BodyNotCountable));
        }
        self.complete();
        None
    }

    fn complete(&mut self) {
        self.exchange.end(Ending::Complete, Reason::Allowed);
        if let Some(upstream) = self.inner.take().and_then(UpstreamBody::into_connection) {
            // It may serve somebody else in the same breath: a cut of this one must not stop it.
            self.exchange.connection.release_upstream(self.exchange.id);
            let route = self.exchange.permit.route();
            self.exchange.core.pool.give_back(&route.upstream, upstream);
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
        matches!(self.stage, Stage::Flowing) && self.handed.is_empty() && self.is_read()
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
        for chunk in self.handed.drain(..) {
            chunk.borrow_mut().follow();
        }
    }
}
