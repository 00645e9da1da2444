//! One vendor's connection.
//!
//! A connection belongs to the first client that identifies on it. Only its own core touches it,
//! so cutting it needs no lock, and no descriptor can be closed and reused while it is reset.

mod deadlines;
mod exchanges;
pub mod registry;

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::Waker;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, IntegrationId, TunnelId, UpstreamId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::doors::Door;
use portcullis_policy::link::{CutConnection, SeverOrder};
use portcullis_policy::liveness::Lifeline;
use portcullis_policy::snapshot::Snapshot;
use portcullis_policy::tunnels::Through;
use portcullis_risk::Known;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Mutex, Notify};

use self::exchanges::UnderWay;
use crate::core::Core;
use crate::departures::Departures;
use crate::identify::{Identified, KnownToken, Svid};
use crate::io::Valve;
use crate::seen::Place;
use crate::strangers;
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
    /// Of TLS, and not an older version.
    pub tls13: bool,
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

/// What a connection whose time is up may take to end by itself.
const EXPIRED_GRACE_MS: u64 = 2_000;

pub struct Connection {
    pub number: u64,
    /// Where it came in.
    pub door: Door,
    /// Who opened it: the vendor's machine, also behind a balancer that names it.
    peer: Cell<SocketAddr>,
    peer_text: OnceCell<String>,
    /// The balancer that it came through.
    via: Cell<Option<IpAddr>>,
    /// The tunnel that it came through, and the version of the snapshot that says so.
    through: Cell<Option<(u64, Option<Through>)>>,
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
    /// Requests under way that have closed their own key or context: what was granted to them still leaves, and nothing else.
    closed_by: RefCell<Vec<DecisionId>>,
    outstayed: Cell<bool>,
    /// When the last request began, or the handshake ended, in monotonic time.
    asked_ms: Cell<Option<u64>>,
    /// When what its task waits for must have come, in monotonic time.
    due_ms: Cell<Option<u64>>,
    /// It was not there in time: the task ends the connection in its own way.
    expired: Cell<bool>,
    /// The gate drains, or the client must connect anew: the answer under way is the last one.
    leaving: Cell<bool>,
    /// The client shall go on over another connection, and is told so behind the last answer under way, or at this monotonic
    /// time without waiting for it.
    parting_by_ms: Cell<Option<u64>>,
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
    pub fn new(number: u64, peer: SocketAddr, descriptor: RawFd, door: Door) -> Self {
        Self {
            number,
            door,
            peer: Cell::new(peer),
            peer_text: OnceCell::new(),
            via: Cell::new(None),
            through: Cell::new(None),
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
            closed_by: RefCell::default(),
            outstayed: Cell::new(false),
            asked_ms: Cell::new(None),
            due_ms: Cell::new(None),
            expired: Cell::new(false),
            leaving: Cell::new(false),
            parting_by_ms: Cell::new(None),
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

    /// The tunnel that it came through, by what `snapshot` knows of them. It is the socket's own address that is looked for, and
    /// not what a balancer says: behind one a connection came through none, as far as is seen from here. Looked for once by
    /// each snapshot.
    pub fn through(&self, snapshot: &Snapshot) -> Option<Through> {
        match self.through.get() {
            Some((version, through)) if version == snapshot.version => through,
            _ => {
                let address = self.via.get().unwrap_or(self.peer.get().ip());
                let through = snapshot.tunnels.behind(address);
                self.through.set(Some((snapshot.version, through)));
                through
            }
        }
    }

    /// The same, as it was seen last.
    pub fn tunnel(&self) -> Option<TunnelId> {
        self.through.get().and_then(|(_, through)| through).map(|through| through.tunnel)
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

    /// As [`Self::cut_when_clear`], after the decision `id` has closed its own key or context: the order to close that
    /// everywhere, which comes back from control, doesn't outrun what `id` has let leave.
    pub fn cut_when_delivered(&self, id: DecisionId, by_ms: u64) {
        self.closed_by.borrow_mut().push(id);
        self.cut_when_clear(by_ms);
    }

    /// Whether `order` only repeats what a decision on this very connection has done.
    fn has_obeyed(&self, order: &SeverOrder) -> bool {
        order.closed_by.is_some_and(|id| self.closed_by.borrow().contains(&id))
    }

    /// Whether a decision of its own ends it, once what was granted has left.
    fn is_closing_itself(&self) -> bool {
        !self.closed_by.borrow().is_empty()
    }

    pub fn closing_by_ms(&self) -> Option<u64> {
        self.closing_by_ms.get()
    }

    /// Why the owner may not go on, if so.
    pub fn end_of_life(&self, now_us: i64) -> Option<Reason> {
        self.owner.borrow().as_ref().and_then(|owner| owner.lifeline.check(now_us).err())
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
