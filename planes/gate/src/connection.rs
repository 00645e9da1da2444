//! One vendor's connection, and the registry of a core's connections.
//!
//! A connection belongs to the first client that identifies on it. Only its own core touches it,
//! so cutting it needs no lock, and no descriptor can be closed and reused while it is reset.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, IntegrationId, UpstreamId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::facts::UpstreamFacts;
use portcullis_policy::link::{CutConnection, SeverOrder};
use portcullis_policy::liveness::Lifeline;
use portcullis_risk::Known;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Mutex, Notify};

use crate::core::Core;
use crate::departures::Departures;
use crate::identify::{Identified, KnownToken, Svid};
use crate::io::Valve;
use crate::seen::Place;
use crate::strangers;
use crate::stream_task::{self, StreamEnd};
use crate::upstream::Http2Upstream;

/// What the handshake showed.
#[derive(Debug)]
pub struct Greeting {
    pub ja4: Option<String>,
    pub ja4_context: Option<String>,
    /// The client's chain, its own certificate first; possession was proved.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Thumbprint of the client's own certificate.
    pub certificate: Option<Thumbprint>,
    pub place: Place,
    /// When the handshake ended, if it was a full one: then possession of the key was proved in it. Microseconds since the Unix
    /// epoch.
    pub full_handshake_us: Option<i64>,
    pub http2: bool,
    /// The protocols that were offered are none, or not those of HTTP over TCP.
    pub alpn_odd: Known<bool>,
    /// The server that was named is none, an address, or another than ours.
    pub sni_odd: Known<bool>,
}

/// Whom the connection belongs to, and by what it may be cut.
#[derive(Debug)]
pub struct Owner {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub client: ClientId,
    pub lifeline: Lifeline,
    pub keys: Vec<String>,
    pub sessions: Vec<String>,
}

/// Longer than any answer to a stranger takes, so that nothing is under way.
const STRANGER_IDLE_MS: u64 = 60_000;

/// What a connection whose time is up may take to end by itself.
const EXPIRED_GRACE_MS: u64 = 2_000;

/// An exchange that has not ended.
#[derive(Debug)]
struct UnderWay {
    id: DecisionId,
    /// The valve of the upstream connection that it uses.
    upstream: Option<Rc<Valve>>,
    /// When its response must have ended, in monotonic time.
    ends_by_ms: Option<u64>,
    /// The task that answers it, over HTTP/2.
    stream: Option<Rc<StreamEnd>>,
    /// When that task was told to end, because the response took longer than it may.
    told_ms: Option<u64>,
}

impl UnderWay {
    /// Resets the stream alone, if there is one, and the client still takes what the connection has for
    /// it; false if that isn't enough.
    fn end_stream(&mut self, reads: bool, now_ms: u64) -> bool {
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

pub struct Connection {
    pub number: u64,
    /// Who opened it: the vendor's machine, also behind a balancer that names it.
    peer: Cell<SocketAddr>,
    peer_text: OnceCell<String>,
    /// The balancer that it came through.
    via: Cell<Option<IpAddr>>,
    descriptor: RawFd,
    pub valve: Rc<Valve>,
    greeting: OnceCell<Greeting>,
    owner: RefCell<Option<Owner>>,
    /// Who identified last: most of a connection's requests come with the same token.
    identified: RefCell<Option<Identified>>,
    /// The X.509-SVID that it has shown, once it was verified.
    svid: RefCell<Option<Svid>>,
    /// Among its network's strangers, as long as it is nobody's.
    place: RefCell<Option<strangers::Place>>,
    /// A handful at most: over HTTP/1.1 one.
    exchanges: RefCell<Vec<UnderWay>>,
    pub departures: Departures,
    /// Ends the connection's task.
    ended: Notify,
    /// Reset it once everything handed over has left, or at this monotonic time at the latest.
    closing_by_ms: Cell<Option<u64>>,
    /// The request under way has closed its own context: only the answer that says so still leaves.
    says_last: Cell<bool>,
    outstayed: Cell<bool>,
    /// When the last request began, or the handshake ended, in monotonic time.
    asked_ms: Cell<Option<u64>>,
    /// When what its task waits for must have come, in monotonic time.
    due_ms: Cell<Option<u64>>,
    /// It was not there in time: the task ends the connection in its own way.
    expired: Cell<bool>,
    /// The gate drains, or the client must connect anew: the answer under way is the last one.
    leaving: Cell<bool>,
    left: Notify,
    /// Of the connection's task.
    waker: RefCell<Option<Waker>>,
    /// Its own connections to upstreams that speak HTTP/2: a cut stops them, and nobody else's.
    http2_upstreams: RefCell<Vec<Http2Upstream>>,
    /// Held while one of them is made.
    http2_connecting: RefCell<HashMap<UpstreamId, Rc<Mutex<()>>>>,
    /// The exchanges that were under way when it was cut.
    cut_exchanges: OnceCell<Vec<DecisionId>>,
}

impl Connection {
    pub fn new(number: u64, peer: SocketAddr, descriptor: RawFd) -> Self {
        Self {
            number,
            peer: Cell::new(peer),
            peer_text: OnceCell::new(),
            via: Cell::new(None),
            place: RefCell::new(None),
            descriptor,
            valve: Rc::default(),
            greeting: OnceCell::new(),
            owner: RefCell::new(None),
            identified: RefCell::new(None),
            svid: RefCell::new(None),
            exchanges: RefCell::default(),
            departures: Departures::default(),
            ended: Notify::new(),
            closing_by_ms: Cell::new(None),
            says_last: Cell::new(false),
            outstayed: Cell::new(false),
            asked_ms: Cell::new(None),
            due_ms: Cell::new(None),
            expired: Cell::new(false),
            leaving: Cell::new(false),
            left: Notify::new(),
            waker: RefCell::new(None),
            http2_upstreams: RefCell::default(),
            http2_connecting: RefCell::default(),
            cut_exchanges: OnceCell::new(),
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// It came through the balancer `via`, which says that `source` opened it.
    pub fn came_through(&self, via: IpAddr, source: Option<SocketAddr>) {
        self.via.set(Some(via));
        self.peer.set(source.unwrap_or(self.peer.get()));
    }

    /// The peer's address as the decision log writes it.
    pub fn peer_text(&self) -> &str {
        self.peer_text.get_or_init(|| self.peer.get().to_string())
    }

    /// The kernel has taken everything that could be written: the records in it have departed.
    pub fn settle(&self, core: &Core) {
        if !self.departures.is_empty() {
            // They leave now, and not when this task was woken.
            core.look_at_clocks();
        }
        self.departures.settle(self.is_http2(), core.monotonic_ms());
    }

    pub fn take_place(&self, place: strangers::Place) {
        self.place.replace(Some(place));
    }

    pub fn greet(&self, greeting: Greeting) {
        // A second greeting can't happen: one connection, one handshake.
        let _ = self.greeting.set(greeting);
    }

    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeting.get()
    }

    pub fn is_http2(&self) -> bool {
        self.greeting.get().is_some_and(|greeting| greeting.http2)
    }

    /// `http/1.1` or `h2`.
    pub fn protocol(&self) -> &'static str {
        if self.is_http2() { "h2" } else { "http/1.1" }
    }

    pub fn identified(&self) -> Ref<'_, Option<Identified>> {
        self.identified.borrow()
    }

    pub fn svid(&self) -> Option<Svid> {
        self.svid.borrow().clone()
    }

    pub fn keep_svid(&self, svid: Svid) {
        *self.svid.borrow_mut() = Some(svid);
    }

    pub fn remember(&self, identified: Identified) {
        *self.identified.borrow_mut() = Some(identified);
    }

    /// Whether `client` owns it already, and is known to use these keys in this session.
    pub fn is_claimed(&self, client: ClientId, token: &KnownToken, session: &str) -> bool {
        self.owner.borrow().as_ref().is_some_and(|owner| {
            owner.client == client
                && token.is_closed_by(&owner.keys)
                && owner.sessions.iter().any(|known| known == session)
        })
    }

    /// Makes `claimed` the owner, or adds its key and session; refused if another client owns it.
    /// Says whether it is the first owner.
    pub fn claim(&self, claimed: Owner) -> Result<bool, Reason> {
        let mut owner = self.owner.borrow_mut();
        let Some(known) = owner.as_mut() else {
            *owner = Some(claimed);
            self.place.borrow().iter().for_each(strangers::Place::leave);
            return Ok(true);
        };
        if known.client != claimed.client {
            return Err(Reason::Misdirected);
        }
        for key in claimed.keys {
            if !known.keys.contains(&key) {
                known.keys.push(key);
            }
        }
        for session in claimed.sessions {
            if !known.sessions.contains(&session) {
                known.sessions.push(session);
            }
        }
        Ok(false)
    }

    /// Nothing passed for the owner: the connection is nobody's again.
    pub fn disown(&self) {
        if self.owner.borrow_mut().take().is_some() {
            self.place.borrow().iter().for_each(strangers::Place::take_again);
        }
    }

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

    pub fn asked(&self, now_ms: u64) {
        self.asked_ms.set(Some(now_ms));
    }

    /// Remembers how to wake the connection's task.
    pub fn keep_waker(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// What the task waits for must come until `due_ms`, in monotonic time.
    pub fn expect_by(&self, due_ms: u64) {
        self.due_ms.set(Some(due_ms));
        self.expired.set(false);
    }

    pub fn expect_never(&self) {
        self.due_ms.set(None);
    }

    pub fn has_expired(&self) -> bool {
        self.expired.get()
    }

    /// The answers under way are the last ones.
    pub fn go_away(&self) {
        self.leaving.set(true);
        self.left.notify_one();
        self.wake();
    }

    /// Waits until it is told to go.
    pub async fn told_to_go(&self) {
        self.left.notified().await;
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Wakes the task if its time is up; true if it was told long ago and still stands.
    fn expire(&self, now_ms: u64) -> bool {
        let Some(late_ms) = self.due_ms.get().and_then(|due_ms| now_ms.checked_sub(due_ms)) else {
            return false;
        };
        if !self.expired.replace(true) {
            self.wake();
        }
        late_ms > EXPIRED_GRACE_MS
    }

    /// Nobody's, and nothing was asked for long: HTTP/2 would keep it open for as long as the peer
    /// answers pings.
    fn is_idle_stranger(&self, now_ms: u64) -> bool {
        self.owner.borrow().is_none()
            && self.asked_ms.get().is_some_and(|asked_ms| now_ms >= asked_ms + STRANGER_IDLE_MS)
    }

    /// Says whether it was ended because its response took longer than it may.
    pub fn end_exchange(&self, id: DecisionId) -> bool {
        let mut exchanges = self.exchanges.borrow_mut();
        let place = exchanges.iter().position(|exchange| exchange.id == id);
        let told = place.is_some_and(|place| exchanges.swap_remove(place).told_ms.is_some());
        told || self.outstayed.get()
    }

    pub fn is_cut(&self) -> bool {
        self.valve.is_shut()
    }

    /// Resets the connection: nothing of it is handed to the kernel from here on, towards the
    /// vendor or an upstream, and what the kernel still held is dropped.
    pub fn cut(&self) {
        if self.valve.is_shut() {
            return;
        }
        self.valve.shut();
        let _ = self.cut_exchanges.set(self.exchanges.borrow().iter().map(|exchange| exchange.id).collect());
        for upstream in self.exchanges.borrow().iter().filter_map(|exchange| exchange.upstream.as_ref()) {
            upstream.shut();
        }
        for upstream in self.http2_upstreams.borrow().iter() {
            upstream.valve.shut();
        }
        // SAFETY: the socket is owned by this connection's task, which holds an `Rc` of `self` and
        // runs on this very thread; `forget_socket` is called before the socket is dropped.
        let socket = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        // AF_UNSPEC disconnects with RST and drops the send queue, which a close would let the peer
        // read. If the socket is gone already, there is nothing left to reset.
        let _ = rustix::net::connect_unspec(socket);
        self.ended.notify_one();
    }

    /// Lets what was handed over leave, then resets.
    pub fn cut_when_clear(&self, by_ms: u64) {
        let sooner = self.closing_by_ms.get().map_or(by_ms, |known| known.min(by_ms));
        self.closing_by_ms.set(Some(sooner));
    }

    /// As [`Self::cut_when_clear`], where nothing but a refusal is to leave: the order to close this context everywhere, which
    /// comes back from control, doesn't outrun it.
    pub fn cut_when_said(&self, by_ms: u64) {
        self.says_last.set(true);
        self.cut_when_clear(by_ms);
    }

    pub fn closing_by_ms(&self) -> Option<u64> {
        self.closing_by_ms.get()
    }

    /// Why the owner may not go on, if so.
    pub fn end_of_life(&self, now_us: i64) -> Option<Reason> {
        self.owner.borrow().as_ref().and_then(|owner| owner.lifeline.check(now_us).err())
    }

    /// Whether it must go now: a cut has waited long enough, or a response has.
    fn is_overdue(&self, now_ms: u64) -> bool {
        let is_over = |by: Option<u64>| by.is_some_and(|by| now_ms >= by);
        let reads = self.valve.is_clear();
        for exchange in self.exchanges.borrow_mut().iter_mut() {
            if is_over(exchange.ends_by_ms) && !exchange.end_stream(reads, now_ms) {
                self.outstayed.set(true);
            }
        }
        self.outstayed.get() || is_over(self.closing_by_ms.get())
    }

    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    fn is_target(&self, order: &SeverOrder) -> bool {
        let owner = self.owner.borrow();
        let Some(owner) = owner.as_ref() else { return false };
        let by_key = owner.keys.iter().any(|key| order.keys.contains(key));
        by_key
            || match &order.target {
                Target::Vendor { id } => owner.vendor == *id,
                Target::Integration { id } => owner.integration == *id,
                Target::Client { id } => owner.client == *id,
                Target::Key { .. } => false,
                Target::Session { client, session } => {
                    owner.client == *client && owner.sessions.contains(session)
                }
            }
    }

    fn report(&self, after_us: u64) -> Option<CutConnection> {
        let client = self.owner.borrow().as_ref()?.client;
        Some(CutConnection {
            client,
            peer: self.peer().to_string(),
            via: self.via.get().map(|via| via.to_string()),
            protocol: self.protocol().to_owned(),
            exchanges: self.cut_exchanges.get().cloned().unwrap_or_default(),
            after_us,
        })
    }
}

/// A core's connections.
#[derive(Default)]
pub struct Registry {
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
    /// Connections that were cut because liveness had changed, before the order behind it came to
    /// this core: its report names them too. With the monotonic time of the cut.
    cut_ahead: RefCell<Vec<(u64, Rc<Connection>)>>,
}

/// Longer than an order takes from liveness to the cores, on a machine that has much else to do.
const CUT_AHEAD_MS: u64 = 5_000;

impl Registry {
    pub fn open(&self, peer: SocketAddr, descriptor: RawFd) -> Rc<Connection> {
        let number = self.next.get();
        self.next.set(number + 1);
        let connection = Rc::new(Connection::new(number, peer, descriptor));
        self.connections.borrow_mut().insert(number, Rc::clone(&connection));
        connection
    }

    /// Must be called before the socket is dropped: afterwards its descriptor may be another's.
    pub fn forget_socket(&self, connection: &Connection) {
        connection.valve.shut();
        self.connections.borrow_mut().remove(&connection.number);
    }

    /// Lets every connection end after the answer that is under way.
    pub fn drain(&self) {
        for connection in self.connections.borrow().values() {
            connection.go_away();
        }
    }

    pub fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Cuts every connection of the order's target, and says which.
    pub fn sever(&self, order: &SeverOrder, elapsed_us: impl Fn() -> u64) -> Vec<CutConnection> {
        let mut cut = Vec::new();
        for connection in self.connections.borrow().values() {
            let spared = connection.says_last.get() && matches!(order.target, Target::Session { .. });
            if connection.is_target(order) && !connection.is_cut() && !spared {
                connection.cut();
                cut.extend(connection.report(elapsed_us()));
            }
        }
        self.cut_ahead.borrow_mut().retain(|(_, connection)| {
            let named = connection.is_target(order);
            if named {
                cut.extend(connection.report(elapsed_us()));
            }
            !named
        });
        cut
    }

    /// Cuts a connection whose owner may not go on, for `reason`.
    pub fn cut(&self, connection: &Rc<Connection>, reason: Reason, now_ms: u64) {
        if connection.is_cut() {
            return;
        }
        connection.cut();
        if reason.is_severance() {
            self.cut_ahead.borrow_mut().push((now_ms, Rc::clone(connection)));
        }
    }

    /// Cuts the connections that use one of `keys`, but for `spared`.
    pub fn cut_keys(&self, client: ClientId, keys: &[String], spared: Option<u64>, now_ms: u64) {
        for connection in self.connections.borrow().values() {
            let hit = connection.owner.borrow().as_ref().is_some_and(|owner| {
                owner.client == client && owner.keys.iter().any(|key| keys.contains(key))
            });
            if hit && spared != Some(connection.number) {
                self.cut(connection, Reason::KeySevered, now_ms);
            }
        }
    }

    /// Cuts the connections of a client's session, but for `spared`.
    pub fn cut_session(&self, client: ClientId, session: &str, spared: Option<u64>, now_ms: u64) {
        for connection in self.of_session(client, session) {
            if spared != Some(connection.number) {
                self.cut(&connection, Reason::SessionSevered, now_ms);
            }
        }
    }

    /// Wakes what a session has under way: it looks whether it may go on.
    pub fn wake_session(&self, client: ClientId, session: &str) {
        for connection in self.of_session(client, session) {
            connection.wake();
            for stream in connection.exchanges.borrow().iter().filter_map(|exchange| exchange.stream.as_ref())
            {
                stream.wake();
            }
        }
    }

    fn of_session(&self, client: ClientId, session: &str) -> Vec<Rc<Connection>> {
        let connections = self.connections.borrow();
        let of_session = connections.values().filter(|connection| {
            connection.owner.borrow().as_ref().is_some_and(|owner| {
                owner.client == client && owner.sessions.iter().any(|known| known == session)
            })
        });
        of_session.map(Rc::clone).collect()
    }

    /// Cuts what has come to its end: terms that are over, owners that are gone, cuts that waited long enough.
    pub fn sweep(&self, now_us: i64, now_ms: u64) {
        for connection in self.connections.borrow().values() {
            if let Some(reason) = connection.end_of_life(now_us) {
                self.cut(connection, reason, now_ms);
            } else if connection.is_overdue(now_ms)
                || connection.is_idle_stranger(now_ms)
                || connection.expire(now_ms)
            {
                connection.cut();
            }
        }
        self.cut_ahead.borrow_mut().retain(|(cut_ms, _)| now_ms < cut_ms + CUT_AHEAD_MS);
    }
}
