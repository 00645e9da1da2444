//! An exchange from its decision to its end: whatever way it ends, its outcome is recorded, its
//! place given back, and its connection told.

use std::cell::Cell;
use std::rc::Rc;

use portcullis_domain::decision::{DecisionId, DecisionText, Ending, OutcomeRecord};
use portcullis_domain::reason::Reason;
use portcullis_policy::evaluate::{Permit, may_go_on, standing};
use portcullis_policy::meters::Place;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::core::Core;
use crate::identify::Caller;
use crate::sending::Progress;

/// An allowed exchange under way.
pub struct Exchange {
    pub core: Rc<Core>,
    pub connection: Rc<Connection>,
    pub id: DecisionId,
    id_text: DecisionText,
    pub caller: Rc<Caller>,
    pub permit: Permit,
    pub sending: Progress,
    /// When the client's own patience ends.
    deadline: Cell<Option<Instant>>,
    _place: Place,
    began_ns: u64,
    status: Cell<u16>,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    records: Cell<u64>,
    end: Cell<Option<(Ending, Reason)>>,
}

impl Exchange {
    pub fn begin(
        core: Rc<Core>,
        connection: Rc<Connection>,
        id: DecisionId,
        caller: Rc<Caller>,
        permit: Permit,
        place: Place,
    ) -> Rc<Self> {
        connection.begin_exchange(id);
        let began_ns = core.monotonic_ns();
        let sending = Progress::new(began_ns / 1_000_000);
        Rc::new(Self {
            core,
            connection,
            id,
            id_text: DecisionText::of(id),
            caller,
            permit,
            sending,
            deadline: Cell::new(None),
            _place: place,
            began_ns,
            status: Cell::new(0),
            request_bytes: Cell::new(0),
            response_bytes: Cell::new(0),
            records: Cell::new(0),
            end: Cell::new(None),
        })
    }

    /// Its id as header fields and logs have it.
    pub fn id_text(&self) -> &str {
        self.id_text.as_str()
    }

    /// Looks at liveness again before something is forwarded: a few atomic loads.
    pub fn check_admitted(&self) -> Result<(), Reason> {
        if self.connection.is_cut() {
            return self.check();
        }
        let shared = &self.core.shared;
        standing(self.permit.client(), &shared.liveness, &self.caller.facts(), self.core.now_us())
    }

    /// Looks at what ends an exchange that has begun.
    pub fn check(&self) -> Result<(), Reason> {
        if self.connection.is_cut() {
            // The order that cut it has raised an epoch or refused a key: liveness says which.
            return self.standing().and(Err(Reason::ClientGone));
        }
        self.standing()
    }

    fn standing(&self) -> Result<(), Reason> {
        let shared = &self.core.shared;
        may_go_on(self.permit.client(), &shared.liveness, &self.caller.facts(), self.core.now_us())
    }

    /// The client waits no longer than until then.
    pub fn end_by(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub fn answered(&self, status: u16) {
        self.status.set(status);
    }

    pub fn add_request_bytes(&self, bytes: u64) {
        self.request_bytes.set(self.request_bytes.get() + bytes);
    }

    pub fn request_bytes(&self) -> u64 {
        self.request_bytes.get()
    }

    pub fn add_response(&self, bytes: u64, records: u64) {
        self.response_bytes.set(self.response_bytes.get() + bytes);
        self.records.set(self.records.get() + records);
        // With each chunk: a long response must not be free until its end.
        let client = self.permit.client();
        client.meter.bytes.charge(bytes, client.integration.limits.bytes, self.core.monotonic_ns());
    }

    /// Says how it ended; the first word counts.
    pub fn end(&self, ending: Ending, reason: Reason) {
        if self.end.get().is_none() {
            self.end.set(Some((ending, reason)));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outstayed = self.connection.end_exchange(self.id);
        let (ending, reason) = self.end.get().unwrap_or_else(|| match self.standing() {
            Ok(()) if outstayed => (Ending::Cut, Reason::RequestTooSlow),
            // It was dropped with its connection: by the client, unless liveness knows better.
            Ok(()) => (Ending::ClientGone, Reason::ClientGone),
            Err(reason) => (Ending::Cut, reason),
        });
        let shared = &self.core.shared;
        let now_ns = self.core.monotonic_ns();
        let mut recorder = self.core.recorder.borrow_mut();
        recorder.ended(
            self.permit.client().integration.vendor,
            &OutcomeRecord {
                id: self.id,
                time: self.core.now(),
                ending,
                reason,
                status: self.status.get(),
                request_bytes: self.request_bytes.get(),
                response_bytes: self.response_bytes.get(),
                records: self.records.get(),
                duration_us: now_ns.saturating_sub(self.began_ns) / 1_000,
                risk: None,
            },
        );
        if recorder.batch_is_full() {
            recorder.flush(&shared.to_control);
        }
    }
}
