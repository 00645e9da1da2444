//! Decisions of the gate decided again: under the rules that they were decided by, which must give the same bits, and under
//! others.
//!
//! Every call that changes a client's state has a number, and the log keeps it with the facts of the call. So the same
//! calls are made in the same order. Calls that belong to no decision (an analyst's word, a question that is asked ahead), what
//! clients were compared with, and the starts of the gate are in its own records. A number that
//! nobody has recorded is a gap: what comes behind it may differ, and that it is there is told.

use std::collections::{BTreeMap, HashMap};

use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::{ClientId, RouteId, VendorId};
use portcullis_risk::{
    Action, Answered, Aside, Assessment, Before, Cause, ClientRisk, Ended, OutcomeRisk, PeerCounts, Peers,
    Points, RiskRecord, Rules, Ticket,
};

const DAY_US: i64 = 86_400_000_000;
/// Steps of one day that are held at once.
const HELD_MAX: usize = 2_000_000;
/// Exchanges of a client that may be under way at once; further ends count for nothing.
const UNDER_WAY_MAX: usize = 10_000;

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

/// Whose decision it was, and about what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    pub id: DecisionId,
    pub client: ClientId,
    pub vendor: Option<VendorId>,
    pub integration: Option<portcullis_domain::ids::IntegrationId>,
    pub route: Option<RouteId>,
    pub method: String,
    pub path: String,
}

/// A decision that would come out otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    pub decided: Decided,
    pub at_us: i64,
    pub from: Action,
    pub to: Action,
    pub cause_from: Cause,
    pub cause_to: Cause,
    pub score_from: Points,
    pub score_to: Points,
}

/// A decision that doesn't come out as it is recorded, although nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub id: DecisionId,
    pub client: ClientId,
    pub step: u64,
    /// The first thing that differs, as recorded and as computed.
    pub what: &'static str,
    pub recorded: String,
    pub computed: String,
}

/// Numbers of calls that the log doesn't have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    pub client: ClientId,
    pub from: u64,
    pub to: u64,
}

/// What came out so far.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Decisions and ends that were computed again.
    pub decisions: u64,
    pub ends: u64,
    /// Of them, those that came out as recorded, bit for bit.
    pub same: u64,
    pub differences: Vec<Difference>,
    pub differences_left_out: u64,
    pub gaps: Vec<Gap>,
    pub flips: Vec<Flip>,
    pub flips_left_out: u64,
    /// Flips by what they were and what they become, and by the cause that decides.
    pub by_change: BTreeMap<(Action, Action), u64>,
    pub by_client: BTreeMap<ClientId, u64>,
    pub by_cause: BTreeMap<Cause, u64>,
}

const DIFFERENCES_MAX: usize = 100;
const FLIPS_MAX: usize = 10_000;
const GAPS_MAX: usize = 1_000;

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

/// A decision with what both states gave it for its end, and the rules that each went by.
type UnderWay = (Decided, [Option<Ticket>; 2], [Rules; 2]);

struct Client {
    vendor: Option<VendorId>,
    /// Under the recorded rules, and under the changed ones.
    states: [Box<ClientRisk>; 2],
    /// Where to begin is known: at its first call, or from a copy.
    begun: bool,
    /// By the start of the gate, and by number.
    steps: BTreeMap<(usize, u64), Step>,
    /// Starts of the gate that the states have seen.
    starts: usize,
    /// States that a later start goes back to.
    saved: HashMap<u64, ([Box<ClientRisk>; 2], u64)>,
    under_way: HashMap<DecisionId, UnderWay>,
    /// Calls that the states have not made, and the recorded ones have.
    behind: u64,
}

enum Step {
    Decision(Decided, Box<RiskRecord>),
    End(DecisionId, Box<OutcomeRisk>),
    Aside(i64, Aside),
}

impl Step {
    fn at_us(&self) -> i64 {
        match self {
            Self::Decision(_, record) => record.before.at_us,
            Self::End(_, outcome) => outcome.after.at_us,
            Self::Aside(at_us, _) => *at_us,
        }
    }
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

    /// What a vendor's clients are compared with is made at the turn of a day.
    fn peers_of(&mut self, day: i64) {
        // At the first day, too, where states are known from before.
        let begun = self.day.is_none() && self.clients.values().any(|client| client.begun);
        if !begun && self.day.is_none_or(|last| last == day) {
            self.day = Some(day);
            return;
        }
        self.day = Some(day);
        let recorded_from = self.recorded_peers.keys().next().map(|from_us| from_us.div_euclid(DAY_US));
        if recorded_from.is_some_and(|first| first <= day) {
            // From that day on it is known what was compared with; until the very moment, what was before.
            return;
        }
        for (which, peers) in self.peers.iter_mut().enumerate() {
            let mut all = PeerCounts::default();
            let mut by_vendor: HashMap<VendorId, PeerCounts> = HashMap::new();
            for client in self.clients.values() {
                let Some(state) = client.states.get(which) else { continue };
                all.add(state);
                if let Some(vendor) = client.vendor {
                    by_vendor.entry(vendor).or_default().add(state);
                }
            }
            *peers = by_vendor.iter().map(|(vendor, counts)| (*vendor, Peers::of(counts, &all))).collect();
        }
    }

    /// The gate began anew: with the state that it had written last, which may be older than its last calls.
    fn pass_starts(&mut self, id: ClientId, client: &mut Client, start: usize) {
        while client.starts < start {
            let wanted = self.starts.get(client.starts).and_then(|(_, steps)| steps.get(&id)).copied();
            client.starts += 1;
            let [same, _] = &client.states;
            let last = same.step() + client.behind;
            let wanted = wanted.unwrap_or(0);
            if !client.begun || wanted == last {
                continue;
            }
            client.under_way.clear();
            match client.saved.remove(&wanted) {
                Some((states, behind)) => (client.states, client.behind) = (states, behind),
                // What is ahead of all that is known is a gap, which the next call tells.
                None if wanted > last => {}
                None => {
                    (client.states, client.behind) = (Default::default(), 0);
                    client.begun = wanted == 0;
                }
            }
        }
    }

    /// What a client is compared with at this time, by both rules.
    fn peers_at(&self, vendor: Option<VendorId>, at_us: i64) -> [Peers; 2] {
        if let Some((_, recorded)) = self.recorded_peers.range(..=at_us).next_back() {
            let peers = vendor.and_then(|vendor| recorded.get(&vendor)).cloned().unwrap_or_default();
            return [peers.clone(), peers];
        }
        [0, 1].map(|which| {
            let of_vendor = vendor.and_then(|vendor| self.peers.get(which)?.get(&vendor));
            of_vendor.cloned().unwrap_or_default()
        })
    }

    fn step(&mut self, id: ClientId, client: &mut Client, number: u64, step: Step) {
        if let Step::Aside(_, aside @ Aside::Replaced { .. }) = &step {
            client.states.iter_mut().for_each(|state| state.repeat(aside));
            (client.begun, client.behind) = (true, 0);
            return;
        }
        let [same, _] = &client.states;
        let expected = same.step() + client.behind + 1;
        if number != expected || !(client.begun || number == 1) {
            // Before a copy there is nothing to be done again.
            if number < expected && client.begun {
                if let Step::Decision(decided, _) = step
                    && let Some((known, ..)) = client.under_way.get_mut(&decided.id)
                {
                    *known = decided;
                }
                return;
            }
            if number > expected && self.outcome.gaps.len() < GAPS_MAX {
                self.outcome.gaps.push(Gap { client: id, from: expected, to: number - 1 });
            }
            client.behind += number.saturating_sub(expected);
        }
        client.begun = true;
        let peers = self.peers_at(client.vendor, step.at_us());
        match step {
            Step::Aside(_, aside) => client.states.iter_mut().for_each(|state| state.repeat(&aside)),
            Step::Decision(decided, record) => self.decide(client, decided, &record, &peers),
            Step::End(decision, end) => self.end(id, client, decision, &end, &peers),
        }
    }

    fn decide(&mut self, client: &mut Client, decided: Decided, record: &RiskRecord, peers: &[Peers; 2]) {
        let counts = record.before.at_us >= self.count_from_us;
        self.outcome.decisions += u64::from(counts);
        let [state, changed] = &mut client.states;
        let [peers_same, peers_changed] = peers;
        let assessed = state.before(&record.before, peers_same, &record.rules);
        match difference(record, &assessed) {
            _ if !counts => {}
            None => self.outcome.same += 1,
            Some((what, recorded, computed)) => self.outcome.differs(Difference {
                id: decided.id,
                client: decided.client,
                step: record.step,
                what,
                recorded,
                computed,
            }),
        }
        let mut tickets = [passed(&assessed), None];
        let mut rules = [record.rules; 2];
        if self.changed {
            let (other, money) = self.change.of(&decided, record.rules, record.before.stakes.money);
            rules = [record.rules, other];
            let mut before = record.before;
            before.stakes.money = money;
            let again = changed.before(&before, peers_changed, &other);
            let ticket = if again.action == Action::Challenge && tickets[0].is_some() {
                // It passed when it was decided, so whoever it was would have answered.
                let answered = Before { answer: Answered::Valid, ..before };
                passed(&changed.before(&answered, peers_changed, &other))
            } else {
                passed(&again)
            };
            tickets = [tickets[0], ticket];
            if counts && again.action != record.action {
                self.outcome.flips(Flip {
                    decided: decided.clone(),
                    at_us: record.before.at_us,
                    from: record.action,
                    to: again.action,
                    cause_from: record.cause,
                    cause_to: again.cause,
                    score_from: record.score,
                    score_to: again.score,
                });
            }
        }
        if tickets.iter().any(Option::is_some) && client.under_way.len() < UNDER_WAY_MAX {
            client.under_way.insert(decided.id, (decided, tickets, rules));
        }
    }

    fn end(
        &mut self,
        id: ClientId,
        client: &mut Client,
        decision: DecisionId,
        end: &OutcomeRisk,
        peers: &[Peers; 2],
    ) {
        let Some((decided, tickets, rules)) = client.under_way.remove(&decision) else {
            // Its decision is not in what was given: the state lacks this call.
            client.behind += 1;
            return;
        };
        let [state, changed] = &mut client.states;
        let [peers_same, peers_changed] = peers;
        let counts = end.after.at_us >= self.count_from_us;
        let mut ended = None;
        if let Some(ticket) = tickets[0] {
            self.outcome.ends += u64::from(counts);
            let again = state.after(ticket, &end.after, peers_same, &rules[0]);
            match end_difference(end, &again) {
                _ if !counts => {}
                None => self.outcome.same += 1,
                Some((what, recorded, computed)) => self.outcome.differs(Difference {
                    id: decision,
                    client: id,
                    step: end.step,
                    what,
                    recorded,
                    computed,
                }),
            }
            ended = Some(again);
        }
        if let (true, Some(ticket)) = (self.changed, tickets[1]) {
            let other = changed.after(ticket, &end.after, peers_changed, &rules[1]);
            let [from, to] = [ended.as_ref().map_or(Action::Allow, action_of), action_of(&other)];
            if counts && from != to {
                self.outcome.flips(Flip {
                    decided,
                    at_us: end.after.at_us,
                    from,
                    to,
                    cause_from: Cause::KeyEvidence,
                    cause_to: Cause::KeyEvidence,
                    score_from: end.score,
                    score_to: other.score,
                });
            }
        }
    }
}

impl Client {
    fn new(vendor: Option<VendorId>) -> Self {
        Self {
            vendor,
            states: Default::default(),
            begun: false,
            steps: BTreeMap::new(),
            starts: 0,
            saved: HashMap::new(),
            under_way: HashMap::new(),
            behind: 0,
        }
    }
}

impl Outcome {
    fn differs(&mut self, difference: Difference) {
        match self.differences.len() < DIFFERENCES_MAX {
            true => self.differences.push(difference),
            false => self.differences_left_out += 1,
        }
    }

    fn flips(&mut self, flip: Flip) {
        *self.by_change.entry((flip.from, flip.to)).or_default() += 1;
        *self.by_client.entry(flip.decided.client).or_default() += 1;
        let cause = if flip.cause_to == Cause::Nothing { flip.cause_from } else { flip.cause_to };
        *self.by_cause.entry(cause).or_default() += 1;
        match self.flips.len() < FLIPS_MAX {
            true => self.flips.push(flip),
            false => self.flips_left_out += 1,
        }
    }

    /// All that were computed again came out as recorded, and nothing was missing.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.gaps.is_empty()
    }
}

fn passed(assessed: &Assessment) -> Option<Ticket> {
    matches!(assessed.action, Action::Allow | Action::Limit).then_some(assessed.ticket)
}

fn action_of(ended: &Ended) -> Action {
    match (ended.sever, ended.limit) {
        (true, _) => Action::Sever,
        (_, true) => Action::Limit,
        _ => Action::Allow,
    }
}

type Told = (&'static str, String, String);

/// The first thing that differs.
fn difference(record: &RiskRecord, again: &Assessment) -> Option<Told> {
    fn told<T: PartialEq + std::fmt::Debug>(what: &'static str, recorded: &T, computed: &T) -> Option<Told> {
        (recorded != computed).then(|| (what, format!("{recorded:?}"), format!("{computed:?}")))
    }
    told("score", &record.score, &again.score)
        .or_else(|| told("action", &record.action, &again.action))
        .or_else(|| told("what enforcing would have done", &record.would, &again.would))
        .or_else(|| told("cause", &record.cause, &again.cause))
        .or_else(|| told("thresholds", &record.thresholds, &again.thresholds))
        .or_else(|| told("evidence", &record.evidence, &again.evidence))
        .or_else(|| told("standing", &record.standing, &again.standing))
        .or_else(|| told("probation", &record.probation, &again.probation))
        .or_else(|| told("parts", &record.parts.as_slice(), &again.parts.as_slice()))
}

fn end_difference(end: &OutcomeRisk, again: &Ended) -> Option<Told> {
    if end.score != again.score {
        return Some(("score at the end", format!("{:?}", end.score), format!("{:?}", again.score)));
    }
    (end.parts.as_slice() != again.parts.as_slice())
        .then(|| ("parts at the end", format!("{:?}", end.parts), format!("{:?}", again.parts.as_slice())))
}
