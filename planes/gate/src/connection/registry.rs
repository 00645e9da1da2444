//! The registry of a core's connections, by which a severance and the sweep find what they cut.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::RawFd;
use std::rc::Rc;

use portcullis_domain::ids::ClientId;
use portcullis_domain::reason::Reason;
use portcullis_policy::doors::Door;
use portcullis_policy::link::{CutConnection, SeverOrder};

use super::Connection;

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
    pub fn open(&self, peer: SocketAddr, descriptor: RawFd, door: Door) -> Rc<Connection> {
        let number = self.next.get();
        self.next.set(number + 1);
        let connection = Rc::new(Connection::new(number, peer, descriptor, door));
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

    /// The same for those that came by a door that is closed.
    pub fn leave_door(&self, port: NonZeroU16) {
        for connection in self.connections.borrow().values().filter(|of| of.door == Some(port)) {
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
            if connection.is_target(order) && !connection.is_cut() && !connection.has_obeyed(order) {
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

    /// Cuts a connection whose owner may not go on, for `reason`. One that ends itself may first deliver what it was granted;
    /// where it has to go at once, an order says so.
    pub fn cut(&self, connection: &Rc<Connection>, reason: Reason, now_ms: u64) {
        if connection.is_cut() || connection.is_closing_itself() && reason.is_severance() {
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
            connection.part_at_last(now_ms);
            let waits = |reason: &Reason| connection.is_closing_itself() && reason.is_severance();
            if let Some(reason) = connection.end_of_life(now_us).filter(|reason| !waits(reason)) {
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
