//! What is counted of each decision: sums by route, caller, network, reason and minute, and the decisions that mattered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord};
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId};
use portcullis_domain::reason::Reason;
use uuid::Uuid;

use crate::evidence::{
    CallerLine, Callers, Counts, DecisionLine, Decisions, Minute, Minutes, NetworkLine, Networks, ReasonLine,
    RouteLine, Routes, Why,
};
use crate::{MINUTES, evidence};

/// Routes, callers and networks that are told apart; further ones are counted together.
pub(crate) const GROUPS_MAX: usize = 65_536;
/// Minutes that are told apart: more than the longest window has.
const MINUTES_MAX: usize = 800_000;
/// Cuts that are told one by one, the earliest.
const CUTS_MAX: usize = 200;
/// The largest answers that are told one by one.
const LARGEST_MAX: usize = 20;

/// Names of routes, integrations and clients, by id.
pub type Names = HashMap<Uuid, String>;

/// Everything that is counted, as the sections of the evidence have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    pub summary: Counts,
    pub routes: Routes,
    pub callers: Callers,
    pub networks: Networks,
    pub reasons: Vec<ReasonLine>,
    pub minutes: Minutes,
    pub decisions: Decisions,
    pub series: Series,
}

/// What was read in each minute, by the minutes since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Series(pub BTreeMap<i64, Amount>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Decisions that were made in this minute.
    pub requests: u64,
    /// Records of the exchanges that ended in it.
    pub records: u64,
    /// Bytes of the exchanges that ended in it.
    pub response_bytes: u64,
}

impl Series {
    /// The records of this minute.
    #[must_use]
    pub fn records_at(&self, minute: i64) -> u64 {
        self.0.get(&minute).map_or(0, |amount| amount.records)
    }

    /// The records in each of the 60 whole minutes before a moment, then those in its own minute.
    #[must_use]
    pub fn hour_before(&self, time: Timestamp) -> Vec<u64> {
        let minute = evidence::minute_of(time);
        (minute.saturating_sub(60)..=minute).map(|minute| self.records_at(minute)).collect()
    }

    /// The member `minutes.csv`. A minute in which nothing was is left out.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "minute,requests,records,response_bytes\n".to_owned();
        for (minute, Amount { requests, records, response_bytes }) in &self.0 {
            // Writing to a `String` can't fail.
            let _ =
                writeln!(text, "{},{requests},{records},{response_bytes}", evidence::minute_start(*minute));
        }
        text
    }
}

/// The network that a peer's address is counted under: its /24 or /48.
#[must_use]
pub fn network_of(peer: &str) -> String {
    let address = peer.parse::<SocketAddr>().map(|peer| peer.ip()).or_else(|_| peer.parse::<IpAddr>());
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [first, second, third, _] = address.octets();
            format!("{first}.{second}.{third}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [first, second, third, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0))
        }
        Err(_) => "unknown".to_owned(),
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    summary: Counts,
    routes: Groups<Option<RouteId>>,
    callers: Groups<(Option<IntegrationId>, Option<ClientId>)>,
    networks: Groups<String>,
    reasons: BTreeMap<Reason, u64>,
    series: Series,
    /// Records of exchanges that ended in no minute which is told apart.
    minutes_left_out: u64,
    wanted: BTreeSet<DecisionId>,
    told: BTreeMap<DecisionId, DecisionLine>,
    cuts: BTreeMap<DecisionId, DecisionLine>,
    largest: BTreeMap<(u64, std::cmp::Reverse<DecisionId>), DecisionLine>,
    first_of: BTreeMap<Reason, DecisionLine>,
}

struct Groups<K> {
    counts: BTreeMap<K, Counts>,
    others: Option<Counts>,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), others: None }
    }
}

impl<K: Ord> Groups<K> {
    fn of(&mut self, key: K) -> &mut Counts {
        if self.counts.len() >= GROUPS_MAX && !self.counts.contains_key(&key) {
            return self.others.get_or_insert_default();
        }
        self.counts.entry(key).or_default()
    }
}

impl Tally {
    pub fn new(wanted: BTreeSet<DecisionId>) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub fn count(&mut self, record: &DecisionRecord, outcome: Option<&OutcomeRecord>) {
        let mut one = Counts::default();
        one.add(record, outcome);
        self.summary.merge(&one);
        self.routes.of(record.route).merge(&one);
        self.callers.of((record.integration, record.client)).merge(&one);
        self.networks.of(network_of(&record.peer)).merge(&one);
        let reason = outcome.map_or(record.reason, |outcome| outcome.reason);
        *self.reasons.entry(reason).or_default() += 1;
        self.minute(record.time, |amount| amount.requests += 1);
        if let Some(outcome) = outcome {
            let (records, bytes) = (outcome.records, outcome.response_bytes);
            let found = self.minute(outcome.time, |amount| {
                amount.records = amount.records.saturating_add(records);
                amount.response_bytes = amount.response_bytes.saturating_add(bytes);
            });
            if !found {
                self.minutes_left_out = self.minutes_left_out.saturating_add(records);
            }
        }
        self.tell(record, outcome, reason);
    }

    pub fn finish(self, names: &Names) -> Counted {
        let name = |id: Option<Uuid>| id.and_then(|id| names.get(&id).cloned());
        let (summary, decisions) = (self.summary.clone(), self.decisions(names));
        let routes = self.routes.counts.into_iter().map(|(route, counts)| RouteLine {
            route,
            name: name(route.map(|id| id.0)),
            counts,
        });
        let callers = self.callers.counts.into_iter().map(|((integration, client), counts)| CallerLine {
            integration,
            integration_name: name(integration.map(|id| id.0)),
            client,
            client_name: name(client.map(|id| id.0)),
            counts,
        });
        let networks =
            self.networks.counts.into_iter().map(|(network, counts)| NetworkLine { network, counts });
        let reasons =
            self.reasons.iter().map(|(reason, requests)| ReasonLine { reason: *reason, requests: *requests });
        // Of two that are as busy, the earlier.
        let busiest = self.series.0.iter().rev().max_by_key(|(_, amount)| amount.records);
        Counted {
            summary,
            routes: Routes { lines: largest_first(routes, |line| &line.counts), others: self.routes.others },
            callers: Callers {
                lines: largest_first(callers, |line| &line.counts),
                others: self.callers.others,
            },
            networks: Networks {
                lines: largest_first(networks, |line| &line.counts),
                others: self.networks.others,
            },
            reasons: reasons.collect(),
            minutes: Minutes {
                member: MINUTES.to_owned(),
                minutes: self.series.0.len() as u64,
                records_left_out: self.minutes_left_out,
                busiest: busiest.filter(|(_, amount)| amount.records > 0).map(|(minute, amount)| Minute {
                    minute: evidence::minute_start(*minute),
                    records: amount.records,
                }),
            },
            decisions,
            series: self.series,
        }
    }

    /// False where there is no room for another minute.
    fn minute(&mut self, time: Timestamp, change: impl FnOnce(&mut Amount)) -> bool {
        let minute = evidence::minute_of(time);
        let series = &mut self.series.0;
        if series.len() >= MINUTES_MAX && !series.contains_key(&minute) {
            return false;
        }
        change(series.entry(minute).or_default());
        true
    }

    /// Keeps those that matter, whatever the order they come in.
    fn tell(&mut self, record: &DecisionRecord, outcome: Option<&OutcomeRecord>, reason: Reason) {
        let line = || DecisionLine::new(record, outcome, reason);
        if self.wanted.contains(&record.id) {
            self.told.insert(record.id, line());
        }
        if outcome.is_some_and(|outcome| outcome.ending == Ending::Cut) {
            self.cuts.insert(record.id, line());
            if self.cuts.len() > CUTS_MAX {
                self.cuts.pop_last();
            }
        }
        let records = outcome.map_or(0, |outcome| outcome.records);
        let smallest = self.largest.first_key_value().map_or(0, |((records, _), _)| *records);
        if records > 0 && (self.largest.len() < LARGEST_MAX || records >= smallest) {
            self.largest.insert((records, std::cmp::Reverse(record.id)), line());
            if self.largest.len() > LARGEST_MAX {
                self.largest.pop_first();
            }
        }
        let ordinary = reason == Reason::Allowed;
        if !ordinary && self.first_of.get(&reason).is_none_or(|known| record.id < known.id) {
            self.first_of.insert(reason, line());
        }
    }

    fn decisions(&self, names: &Names) -> Decisions {
        let mut lines: BTreeMap<DecisionId, DecisionLine> = BTreeMap::new();
        let groups = [
            (Why::Severance, self.told.values().collect::<Vec<_>>()),
            (Why::Cut, self.cuts.values().collect()),
            (Why::Largest, self.largest.values().collect()),
            (Why::FirstOfReason, self.first_of.values().collect()),
        ];
        for (why, group) in groups {
            for line in group {
                lines.entry(line.id).or_insert_with(|| line.clone()).why.push(why);
            }
        }
        for line in lines.values_mut() {
            line.route_name = line.route.and_then(|id| names.get(&id.0).cloned());
            line.client_name = line.client.and_then(|id| names.get(&id.0).cloned());
            line.tunnel_name = line.tunnel.and_then(|id| names.get(&id.0).cloned());
        }
        let cuts_left_out = self.summary.cut.saturating_sub(self.cuts.len() as u64);
        Decisions { lines: lines.into_values().collect(), cuts_left_out }
    }
}

impl Counts {
    fn add(&mut self, record: &DecisionRecord, outcome: Option<&OutcomeRecord>) {
        use portcullis_domain::decision::Verdict;
        self.requests = 1;
        match record.verdict {
            Verdict::Allow => self.allowed = 1,
            Verdict::Limit => (self.allowed, self.limited) = (1, 1),
            Verdict::Challenge => self.challenged = 1,
            Verdict::Deny => self.denied = 1,
            Verdict::Sever => self.severed = 1,
        }
        (self.first, self.last) = (Some(record.time), Some(record.time));
        match outcome {
            Some(outcome) => {
                self.cut = u64::from(outcome.ending == Ending::Cut);
                self.records = outcome.records;
                self.request_bytes = outcome.request_bytes;
                self.response_bytes = outcome.response_bytes;
            }
            None => self.open = u64::from(record.verdict.passes()),
        }
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in [
            (&mut self.requests, other.requests),
            (&mut self.allowed, other.allowed),
            (&mut self.limited, other.limited),
            (&mut self.challenged, other.challenged),
            (&mut self.denied, other.denied),
            (&mut self.severed, other.severed),
            (&mut self.cut, other.cut),
            (&mut self.open, other.open),
            (&mut self.records, other.records),
            (&mut self.request_bytes, other.request_bytes),
            (&mut self.response_bytes, other.response_bytes),
        ] {
            *count = count.saturating_add(more);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
    }
}

/// Those that delivered most come first; of two alike, in the order of their keys.
fn largest_first<T>(lines: impl Iterator<Item = T>, counts: impl Fn(&T) -> &Counts) -> Vec<T> {
    let mut lines: Vec<T> = lines.collect();
    lines.sort_by_key(|line| {
        let counts = counts(line);
        std::cmp::Reverse((counts.records, counts.requests))
    });
    lines
}
