//! Decisions of the gate decided again: under the rules that they were decided by, which must give the same bits, and under
//! others.
//!
//! Every call that changes a client's state has a number, and the log keeps it with the facts of the call. So the same
//! calls are made in the same order. Calls that belong to no decision (an analyst's word, a question that is asked ahead), what
//! clients were compared with, and the starts of the gate are in its own records. A number that
//! nobody has recorded is a gap: what comes behind it may differ, and that it is there is told.

mod client;
mod compare;
mod outcome;
mod peers;
mod step;

use std::collections::{BTreeMap, HashMap};

use client::{Client, Step};
pub use outcome::{Decided, Difference, Flip, Gap, Outcome};
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_risk::{Aside, ClientRisk, Peers, Rules, Ticket};

const DAY_US: i64 = 86_400_000_000;
/// Steps of one day that are held at once.
const HELD_MAX: usize = 2_000_000;

/// What is judged otherwise.
pub trait Change {
    /// The rules and the money at stake for this decision, in place of those that it was made by.
    fn of(&mut self, decided: &Decided, rules: Rules, money: u64) -> (Rules, u64);
}

/// Changes nothing.
impl Change for () {
    fn of(&mut self, _: &Decided, rules: Rules, money: u64) -> (Rules, u64) {
        (rules, money)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "one day has more than `{HELD_MAX}` decisions and ends, which is what is kept in memory\nhint: take one client by `--client`, or fewer hours by `--since` and `--until`"
)]
pub struct TooMany;

/// Decides again, day by day.
pub struct Redecider<'a> {
    change: &'a mut dyn Change,
    changed: bool,
    clients: HashMap<ClientId, Client>,
    held: usize,
    peers: [HashMap<VendorId, Peers>; 2],
    /// What the gate compared with from which time on.
    recorded_peers: BTreeMap<i64, BTreeMap<VendorId, Peers>>,
    /// When the gate began, and with the states of which numbers.
    starts: Vec<(i64, BTreeMap<ClientId, u64>)>,
    day: Option<i64>,
    /// Before this time calls are made for the states alone.
    count_from_us: i64,
    pub outcome: Outcome,
}

impl<'a> Redecider<'a> {
    /// Only checks that everything comes out as recorded.
    pub fn checking(unchanged: &'a mut ()) -> Self {
        Self { changed: false, ..Self::new(unchanged) }
    }

    pub fn new(change: &'a mut dyn Change) -> Self {
        Self {
            change,
            changed: true,
            clients: HashMap::new(),
            held: 0,
            peers: [HashMap::new(), HashMap::new()],
            recorded_peers: BTreeMap::new(),
            starts: Vec::new(),
            day: None,
            count_from_us: i64::MIN,
            outcome: Outcome::default(),
        }
    }

    /// What was decided before this time is decided again, and neither checked nor counted.
    pub fn count_from(&mut self, at_us: i64) {
        self.count_from_us = at_us;
    }

    /// Begins a client with what it was at some time before the log that is given.
    pub fn begin(&mut self, client: ClientId, vendor: Option<VendorId>, state: ClientRisk) {
        let known = self.clients.entry(client).or_insert_with(|| Client::new(vendor));
        known.from = state.step();
        known.states = [Box::new(state.clone()), Box::new(state)];
        known.begun = true;
    }

    /// An exchange that was under way when the state that a client begins with was copied.
    pub fn begin_under_way(&mut self, client: ClientId, decision: DecisionId, ticket: Ticket, rules: Rules) {
        let known = self.clients.entry(client).or_insert_with(|| Client::new(None));
        let decided = Decided {
            id: decision,
            client,
            vendor: None,
            integration: None,
            route: None,
            method: String::new(),
            path: String::new(),
        };
        known.under_way.insert(decision, (decided, [Some(ticket); 2], [rules; 2]));
    }

    /// What the gate compared clients with from this time on, in place of what would be computed.
    pub fn compared(&mut self, from_us: i64, peers: BTreeMap<VendorId, Peers>) {
        self.recorded_peers.insert(from_us, peers);
    }

    /// The gate began at this time with states of these numbers of calls, and without all others. In the order of time, and
    /// before anything is taken.
    pub fn started(&mut self, at_us: i64, steps: BTreeMap<ClientId, u64>) {
        self.starts.push((at_us, steps));
    }

    /// Takes a call that belongs to no decision.
    ///
    /// # Errors
    /// [`TooMany`] in one day.
    pub fn take_aside(
        &mut self,
        client: ClientId,
        number: u64,
        at_us: i64,
        aside: Aside,
    ) -> Result<(), TooMany> {
        self.hold(client, None, number, Step::Aside(at_us, aside))
    }

    /// Takes a decision of the log, and its end if it has one, in any order.
    ///
    /// # Errors
    /// [`TooMany`] in one day.
    pub fn take(&mut self, record: DecisionRecord, end: Option<OutcomeRecord>) -> Result<(), TooMany> {
        let Some(client) = record.client else { return Ok(()) };
        let decided = Decided {
            id: record.id,
            client,
            vendor: record.vendor,
            integration: record.integration,
            route: record.route,
            method: record.method,
            path: record.path,
        };
        if let Some(risk) = record.risk {
            self.hold(client, record.vendor, risk.step, Step::Decision(decided, Box::new(risk)))?;
        }
        match end {
            Some(end) => self.take_end(client, record.vendor, end),
            None => Ok(()),
        }
    }

    /// Takes an end that stands apart from its decision.
    ///
    /// # Errors
    /// [`TooMany`] in one day.
    pub fn take_end(
        &mut self,
        client: ClientId,
        vendor: Option<VendorId>,
        end: OutcomeRecord,
    ) -> Result<(), TooMany> {
        match end.risk {
            Some(risk) => self.hold(client, vendor, risk.step, Step::End(end.id, Box::new(risk))),
            None => Ok(()),
        }
    }

    fn hold(
        &mut self,
        client: ClientId,
        vendor: Option<VendorId>,
        number: u64,
        step: Step,
    ) -> Result<(), TooMany> {
        if self.held >= HELD_MAX {
            return Err(TooMany);
        }
        self.held += 1;
        let known = self.clients.entry(client).or_insert_with(|| Client::new(vendor));
        known.vendor = known.vendor.or(vendor);
        let at_us = step.at_us();
        let start = self.starts.partition_point(|(started_us, _)| *started_us <= at_us);
        known.steps.insert((start, number), step);
        Ok(())
    }

    /// Decides everything again that happened before the end of this UTC day (since 1970-01-01): all of it must have been taken.
    pub fn run_day(&mut self, day: i64) {
        self.peers_of(day);
        let mut clients: Vec<ClientId> = self.clients.keys().copied().collect();
        clients.sort_unstable();
        for id in clients {
            let Some(mut client) = self.clients.remove(&id) else { continue };
            let end_us = day.saturating_add(1).saturating_mul(DAY_US);
            while let Some(entry) = client.steps.first_entry() {
                if entry.get().at_us() >= end_us {
                    break;
                }
                let ((start, number), step) = entry.remove_entry();
                self.held -= 1;
                self.pass_starts(id, &mut client, start);
                self.step(id, &mut client, number, step);
                let later = self.starts.get(client.starts..).unwrap_or_default();
                if later.iter().any(|(_, steps)| steps.get(&id) == Some(&number)) {
                    client.saved.insert(number, (client.states.clone(), client.behind));
                }
            }
            self.clients.insert(id, client);
        }
    }

    /// Whatever is left.
    pub fn finish(mut self) -> Outcome {
        self.run_day(i64::MAX / DAY_US - 1);
        self.outcome
    }
}
