//! What a connection has under way, and which upstream connections a cut of it stops.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::UpstreamId;
use portcullis_policy::facts::UpstreamFacts;
use tokio::sync::Mutex;

use super::{Connection, EXPIRED_GRACE_MS};
use crate::io::Valve;
use crate::stream_task::{self, StreamEnd};
use crate::upstream::Http2Upstream;

/// An exchange that has not ended.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) id: DecisionId,
    /// The valve of the upstream connection that it uses.
    pub(super) upstream: Option<Rc<Valve>>,
    /// When its response must have ended, in monotonic time.
    pub(super) ends_by_ms: Option<u64>,
    /// The task that answers it, over HTTP/2.
    pub(super) stream: Option<Rc<StreamEnd>>,
    /// When that task was told to end, because the response took longer than it may.
    told_ms: Option<u64>,
}

impl UnderWay {
    /// Resets the stream alone, if there is one, and the client still takes what the connection has for
    /// it; false if that isn't enough.
    pub(super) fn end_stream(&mut self, reads: bool, now_ms: u64) -> bool {
        match (&self.stream, self.told_ms) {
            (Some(stream), None) if reads => {
                self.told_ms = Some(now_ms);
                stream.end();
                true
            }
            (Some(_), Some(told_ms)) => reads && now_ms < told_ms + EXPIRED_GRACE_MS,
            _ => false,
        }
    }
}

impl Connection {
    pub fn begin_exchange(&self, id: DecisionId) {
        let stream = stream_task::current();
        let begun = UnderWay { id, upstream: None, ends_by_ms: None, stream, told_ms: None };
        self.exchanges.borrow_mut().push(begun);
    }

    /// From now on a cut of the connection stops the exchange's upstream connection too.
    pub fn use_upstream(&self, id: DecisionId, upstream: Rc<Valve>) {
        if let Some(exchange) = self.exchanges.borrow_mut().iter_mut().find(|exchange| exchange.id == id) {
            exchange.upstream = Some(upstream);
        }
    }

    /// The upstream connection has done its part of the exchange.
    pub fn release_upstream(&self, id: DecisionId) {
        if let Some(exchange) = self.exchanges.borrow_mut().iter_mut().find(|exchange| exchange.id == id) {
            exchange.upstream = None;
        }
    }

    /// A response that is not read is never looked at again by its own task: the sweep ends it.
    pub fn end_exchange_by(&self, id: DecisionId, ends_by_ms: u64) {
        if let Some(exchange) = self.exchanges.borrow_mut().iter_mut().find(|exchange| exchange.id == id) {
            exchange.ends_by_ms = Some(ends_by_ms);
        }
    }

    /// Says whether it was ended because its response took longer than it may.
    pub fn end_exchange(&self, id: DecisionId) -> bool {
        let mut exchanges = self.exchanges.borrow_mut();
        let place = exchanges.iter().position(|exchange| exchange.id == id);
        let told = place.is_some_and(|place| exchanges.swap_remove(place).told_ms.is_some());
        told || self.outstayed.get()
    }

    /// This connection's own connection to an upstream over HTTP/2, if it stands and was made by the
    /// same declaration.
    pub fn http2_upstream(&self, facts: &Arc<UpstreamFacts>) -> Option<Http2Upstream> {
        let mut known = self.http2_upstreams.borrow_mut();
        known.retain(|upstream| !upstream.sender.is_closed() && !upstream.valve.is_shut());
        known.iter().find(|upstream| upstream.facts.id == facts.id && upstream.facts == *facts).cloned()
    }

    pub fn keep_http2_upstream(&self, upstream: Http2Upstream) {
        self.http2_upstreams.borrow_mut().push(upstream);
    }

    /// No new exchange goes there; those that are under way may end.
    pub fn forget_http2_upstream(&self, upstream: &Http2Upstream) {
        self.http2_upstreams.borrow_mut().retain(|known| !Rc::ptr_eq(&known.valve, &upstream.valve));
    }

    /// Ends its connections to upstreams over HTTP/2, with whatever still goes on there.
    pub fn drop_http2_upstreams(&self) {
        for upstream in self.http2_upstreams.borrow_mut().drain(..) {
            upstream.valve.shut();
        }
    }

    /// To be held while a connection to the upstream is made.
    pub fn http2_connecting(&self, upstream: UpstreamId) -> Rc<Mutex<()>> {
        Rc::clone(self.http2_connecting.borrow_mut().entry(upstream).or_default())
    }
}
