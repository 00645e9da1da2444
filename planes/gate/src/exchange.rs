//! An exchange from its decision to its end: whatever way it ends, its outcome is recorded, its
//! place given back, and its connection told.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use portcullis_domain::decision::{DecisionId, DecisionText, Ending, OutcomeRecord, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_policy::evaluate::{Permit, may_go_on, standing};
use portcullis_policy::meters::{Place, RecordWindows};
use portcullis_policy::risks::{Found, UnderWay};

use portcullis_policy::snapshot::Client;
use portcullis_risk::{After, Cause, Known, Missing, OutcomeRisk, Rules, Ticket};
use tokio::time::Instant;

use crate::assess::Assessed;
use crate::challenge;
use crate::connection::Connection;
use crate::core::Core;
use crate::decimal::ShownPoints;
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
    pub verdict: Verdict,
    windows: RecordWindows,
    /// The same, since its vendor was limited while it was under way.
    limited: OnceCell<RecordWindows>,
    /// The same, since its context was narrowed; and both.
    narrowed: OnceCell<RecordWindows>,
    both: OnceCell<RecordWindows>,
    risk: Option<UnderRisk>,
    _place: Place,
    began_us: i64,
    began_ns: u64,
    status: Cell<u16>,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    records: Cell<u64>,
    end: Cell<Option<(Ending, Reason)>>,
}

/// On what terms an exchange goes on.
pub struct Terms {
    pub verdict: Verdict,
    pub windows: RecordWindows,
    pub risk: Option<UnderRisk>,
    pub place: Place,
}

/// What its end tells the client's state.
pub struct UnderRisk {
    ticket: Ticket,
    rules: Rules,
    score: ShownPoints,
    /// How often streams of this client were told to look when this one looked last.
    turns: Cell<u64>,
    /// Its context was narrowed since it began.
    narrowed: Cell<bool>,
}

/// A response that takes longer is a stream: a question that is open then ends it, and leaves short ones alone.
const STREAM_FROM_US: i64 = 1_000_000;

impl UnderRisk {
    pub fn of(id: DecisionId, assessed: &Assessed, client: &Client) -> Self {
        let _step = tracing::trace_span!("begin").entered();
        let (ticket, rules) = (assessed.assessment.ticket, assessed.rules);
        client.risk.begin(UnderWay { decision: id, ticket, rules });
        Self {
            ticket,
            rules,
            score: ShownPoints::of(assessed.assessment.score),
            turns: Cell::new(client.risk.turns()),
            narrowed: Cell::new(false),
        }
    }
}

impl Exchange {
    pub fn begin(
        core: Rc<Core>,
        connection: Rc<Connection>,
        id: DecisionId,
        caller: Rc<Caller>,
        permit: Permit,
        terms: Terms,
    ) -> Rc<Self> {
        let Terms { verdict, windows, risk, place } = terms;
        connection.begin_exchange(id);
        let (began_us, began_ns) = (core.now_us(), core.monotonic_ns());
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
            verdict,
            windows,
            limited: OnceCell::new(),
            narrowed: OnceCell::new(),
            both: OnceCell::new(),
            risk,
            _place: place,
            began_us,
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

    /// What its records are reserved in now. One that began before its vendor was limited has a tenth from then on, too.
    pub fn windows(&self) -> &RecordWindows {
        let client = self.permit.client();
        let narrowed = self.risk.as_ref().is_some_and(|risk| risk.narrowed.get());
        let limited = self.windows.limited.is_none() && client.lifeline.vendor.is_limited(self.core.now_us());
        let changed = match (limited, narrowed) {
            (false, false) => return &self.windows,
            (true, false) => &self.limited,
            (false, true) => &self.narrowed,
            (true, true) => &self.both,
        };
        changed.get_or_init(|| {
            let windows = self.windows.narrowed(narrowed.then_some(&client.narrow));
            if limited { client.limit(&windows, &self.core.shared.meters) } else { windows }
        })
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

    /// The score that it passed with, if it was scored.
    pub fn score(&self) -> Option<&str> {
        self.risk.as_ref().map(|risk| risk.score.as_str())
    }

    /// Why nothing more of a stream leaves: a question that was asked in its context since it began is open, or a request
    /// from there was denied; `is_stream` says that it is one however short it was so far. Where the context was narrowed, what
    /// follows of any response counts in the tenth.
    pub fn stopped_by_risk(&self, is_stream: bool) -> Option<Reason> {
        let risk = self.risk.as_ref()?;
        let client = self.permit.client();
        let turns = client.risk.turns();
        if risk.turns.get() == turns {
            return None;
        }
        let context = &self.caller.seen.context;
        let asked = client.risk.look(|state| state.question(context)).flatten();
        let is_asked = asked.is_some_and(|asked_us| asked_us >= self.began_us);
        let stopped = match client.risk.found_since(context, self.began_us) {
            Some(Found::Denied) => Some(Reason::RiskDenied),
            found => {
                if found == Some(Found::Narrowed) {
                    risk.narrowed.set(true);
                }
                is_asked.then_some(Reason::ChallengeOpen)
            }
        };
        if stopped.is_none() {
            risk.turns.set(turns);
        }
        // One that is short so far is looked at again: it may become long while nobody answers.
        stopped.filter(|_| is_stream || self.core.now_us() >= self.began_us.saturating_add(STREAM_FROM_US))
    }

    /// Tells the client's state how it has ended, and does what follows.
    fn settle_risk(&self) -> Option<OutcomeRisk> {
        let risk = self.risk.as_ref()?;
        let (core, client) = (&self.core, self.permit.client());
        let records = match self.permit.route().facts.metered {
            true => Known::Is(self.records.get()),
            false => Known::NoData(Missing::NotCounted),
        };
        let after = After {
            at_us: core.now_us(),
            status: self.status.get(),
            request_bytes: self.request_bytes.get(),
            response_bytes: self.response_bytes.get(),
            records,
        };
        let peers = client.peers.at(after.at_us);
        let ended = client.risk.end(self.id, |state| state.after(risk.ticket, &after, &peers, &risk.rules));
        if ended.page {
            challenge::page(core, client, self.id, Cause::KeyEvidence, ended.score);
        }
        if ended.limit {
            challenge::found(core, client, &self.caller.seen, Found::Narrowed);
        }
        if ended.sever {
            client.risk.turn();
            let session = &self.caller.seen.session;
            core.cut_session(client.id, session, self.id, Reason::RiskSevered, None);
        }
        Some(OutcomeRisk {
            step: ended.step,
            score: ended.score,
            after,
            parts: ended.parts.as_slice().to_vec(),
        })
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

    /// Why it ended, if that was said.
    pub fn end_reason(&self) -> Option<Reason> {
        self.end.get().map(|(_, reason)| reason)
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
        let risk = self.settle_risk();
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
                risk,
            },
        );
        if recorder.batch_is_full() {
            recorder.flush(&shared.to_control);
        }
    }
}
