//! Every call judged in the order of its time, as the gate would have judged it.

use std::collections::{BTreeMap, HashMap};

use portcullis_risk::{
    Action, Answered, Assessment, Cause, ClientRisk, Ended, IssuedIn, OriginSource, Part, PeerCounts, Peers,
    Points, Rules, Signal, Stakes, Standing,
};

use crate::facts::Facts;
use crate::log::{Entry, Log};

/// Marks of a client that are kept whole; of further ones only the numbers.
const MARKS_MAX: usize = 200;
/// Contexts of a client that are told apart.
const CONTEXTS_MAX: usize = 40;
/// Parts of a mark.
const PARTS_KEPT_MAX: usize = 8;
const DAY_US: i64 = 86_400_000_000;
/// Nothing is challenged for evidence below this.
const EVIDENCE_MIN: Points = Points::whole(10);

/// What is taken of those who would have been asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Assume {
    /// They answer: the question is marked, and what follows is scored as it would have been.
    #[default]
    Pass,
    /// In the context that a client is first seen in they answer, and in no other one: nothing of those would have passed.
    Fail,
}

/// How calls are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    pub rules: Rules,
    pub stakes: Stakes,
    pub assume: Assume,
}

/// What would have been done about a call, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) enum Verdict {
    #[default]
    Pass,
    /// Beyond the threshold, of a client that is only observed so far.
    Over,
    Limit,
    Challenge,
    /// Behind a question that nobody answers.
    Blocked,
    Deny,
    Sever,
}

impl Verdict {
    pub const ALL: [Self; 7] =
        [Self::Pass, Self::Over, Self::Limit, Self::Challenge, Self::Blocked, Self::Deny, Self::Sever];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Over => "over",
            Self::Limit => "limit",
            Self::Challenge => "challenge",
            Self::Blocked => "blocked",
            Self::Deny => "deny",
            Self::Sever => "sever",
        }
    }
}

/// A call that would not just have passed.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Its entry's number.
    pub number: usize,
    pub verdict: Verdict,
    pub cause: Cause,
    pub score: Points,
    pub thresholds: [Points; 3],
    pub standing: Standing,
    pub parts: Vec<Part>,
    /// Network, TLS client and key were never seen of this client before.
    pub news: [bool; 3],
    /// What the answer added made it so.
    pub at_end: bool,
    pub recommend_sever: bool,
}

/// Key, TLS client and network.
pub(crate) type ContextId = (u64, u64, u64);

/// A context of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub source: u32,
    pub tls: u32,
    pub key: u32,
    pub calls: u64,
    pub first_us: i64,
    pub last_us: i64,
    pub worst: Verdict,
}

/// All that is known of a client.
#[derive(Default, Debug)]
pub(crate) struct ClientScore {
    pub risk: Box<ClientRisk>,
    pub calls: u64,
    pub counts: [u64; Verdict::ALL.len()],
    /// How often evidence went over the threshold while it was only observed.
    pub onsets: u64,
    pub first_us: i64,
    pub last_us: i64,
    pub marks: Vec<Mark>,
    /// By key, TLS client and network, as the arithmetic tells them apart.
    pub contexts: Vec<(ContextId, Seen)>,
    pub contexts_left_out: u64,
    /// Contexts that are over the threshold now: only where that begins it is a mark.
    pub over: std::collections::HashSet<ContextId>,
    /// Points of each signal in the marks.
    pub reasons: BTreeMap<Signal, (u64, i64)>,
    pub causes: BTreeMap<Cause, u64>,
}

/// Everything judged.
#[derive(Debug)]
pub struct Scored {
    /// Of each call, beside its entry, in thousandths of a point.
    pub(crate) scores: Vec<i32>,
    pub(crate) clients: Vec<ClientScore>,
    /// Names of networks by source.
    pub(crate) networks: HashMap<u32, String>,
    /// For how many calls a signal had no data, and why.
    pub(crate) missing: BTreeMap<(Signal, portcullis_risk::Missing), u64>,
    pub(crate) settings: Settings,
}

/// Judges a log that is sorted. `progress` hears how many calls are judged, every few thousand.
pub fn score(
    log: &Log,
    origins: &dyn OriginSource,
    settings: Settings,
    progress: &mut dyn FnMut(usize),
) -> Scored {
    let mut facts = Facts::new(log, origins, settings.stakes);
    let mut scored = Scored {
        scores: Vec::with_capacity(log.entries.len()),
        clients: Vec::new(),
        networks: HashMap::new(),
        missing: BTreeMap::new(),
        settings,
    };
    scored.clients.resize_with(log.clients.all.len(), ClientScore::default);
    let mut peers = Peers::default();
    let mut day = i64::MIN;
    for (number, entry) in log.entries.iter().enumerate() {
        let today = entry.at_us.div_euclid(DAY_US);
        if today != day {
            // As at the gate: what others do counts from the turn of a day on.
            if day != i64::MIN {
                peers = peers_of(&scored.clients);
            }
            day = today;
        }
        if number % 4_096 == 0 {
            progress(number);
        }
        let Some(client) = scored.clients.get_mut(entry.client as usize) else { continue };
        let mut one =
            One { client, facts: &mut facts, settings, peers: &peers, missing: &mut scored.missing };
        let judged = one.judge(number, entry);
        scored.scores.push(judged);
        scored.networks.entry(entry.source).or_insert_with(|| facts.network_name(entry.source));
    }
    progress(log.entries.len());
    scored
}

fn peers_of(clients: &[ClientScore]) -> Peers {
    let mut counts = PeerCounts::default();
    for client in clients.iter().filter(|client| client.calls > 0) {
        counts.add(&client.risk);
    }
    Peers::of(&counts, &counts)
}

/// One call of one client.
struct One<'a, 'b> {
    client: &'a mut ClientScore,
    facts: &'a mut Facts<'b>,
    settings: Settings,
    peers: &'a Peers,
    missing: &'a mut BTreeMap<(Signal, portcullis_risk::Missing), u64>,
}

impl One<'_, '_> {
    fn judge(&mut self, number: usize, entry: &Entry) -> i32 {
        let (news, at_home) = self.meet(entry);
        let rules = self.settings.rules;
        // A log doesn't say where tokens were issued: the first context is taken for the client's own.
        let issued_in = if at_home { IssuedIn::SameContext } else { IssuedIn::Unknown };
        let before = self.facts.before(entry, number, issued_in, Answered::No);
        let first = self.client.risk.before(&before, self.peers, &rules);
        self.count_missing(&first);
        let mut verdict = verdict_of(&first);
        let mut ticket = matches!(first.action, Action::Allow | Action::Limit).then_some(first.ticket);
        let mut mark = (verdict > Verdict::Pass).then(|| Mark::of(number, verdict, &first, news));
        if first.action == Action::Challenge {
            if at_home && first.cause == Cause::NewContext {
                // A client begins somewhere: its enrolment is no finding.
                verdict = Verdict::Pass;
                mark = None;
            }
            if self.settings.assume == Assume::Pass || at_home {
                let again = portcullis_risk::Before { answer: Answered::Valid, ..before };
                let answered = self.client.risk.before(&again, self.peers, &rules);
                // Behind the question more may stand.
                if verdict_of(&answered) > verdict {
                    verdict = verdict_of(&answered);
                    mark = Some(Mark::of(number, verdict, &answered, news));
                }
                ticket = matches!(answered.action, Action::Allow | Action::Limit).then_some(answered.ticket);
            } else if first.cause == Cause::Pending {
                verdict = Verdict::Blocked;
                if let Some(mark) = &mut mark {
                    mark.verdict = verdict;
                }
            }
        }
        let mut score = first.score;
        if let Some(ticket) = ticket {
            let ended = self.client.risk.after(ticket, &Facts::after(entry), self.peers, &rules);
            score = score.max(ended.score);
            if let Some(at_end) = verdict_of_end(&ended).filter(|at_end| *at_end > verdict) {
                verdict = at_end;
                mark = Some(Mark::of_end(number, verdict, &first, &ended, news));
            }
        }
        self.count(entry, verdict, mark);
        score.milli().clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// Remembers the context; whether network, TLS client and key are new, and whether it is the first one.
    fn meet(&mut self, entry: &Entry) -> ([bool; 3], bool) {
        let context = self.facts.context(entry);
        let id = (context.key, context.ja4.value().unwrap_or(0), context.network);
        let client = &mut *self.client;
        if client.calls == 0 {
            client.first_us = entry.at_us;
        }
        client.calls += 1;
        client.last_us = entry.at_us;
        if let Some(place) = client.contexts.iter().position(|(known, _)| *known == id) {
            if let Some((_, seen)) = client.contexts.get_mut(place) {
                seen.calls += 1;
                seen.last_us = entry.at_us;
            }
            return ([false; 3], place == 0);
        }
        let new = |same: fn(&ContextId, &ContextId) -> bool| {
            !client.contexts.is_empty() && !client.contexts.iter().any(|(known, _)| same(known, &id))
        };
        let news =
            [new(|one, two| one.2 == two.2), new(|one, two| one.1 == two.1), new(|one, two| one.0 == two.0)];
        if client.contexts.len() >= CONTEXTS_MAX {
            client.contexts_left_out += 1;
            return (news, false);
        }
        let seen = Seen {
            source: entry.source,
            tls: entry.tls,
            key: entry.key,
            calls: 1,
            first_us: entry.at_us,
            last_us: entry.at_us,
            worst: Verdict::Pass,
        };
        client.contexts.push((id, seen));
        (news, client.contexts.len() == 1)
    }

    fn count(&mut self, entry: &Entry, verdict: Verdict, mark: Option<Mark>) {
        let context = self.facts.context(entry);
        let id = (context.key, context.ja4.value().unwrap_or(0), context.network);
        let client = &mut *self.client;
        if let Some(count) = client.counts.get_mut(verdict as usize) {
            *count += 1;
        }
        if let Some((_, seen)) = client.contexts.iter_mut().find(|(known, _)| *known == id) {
            seen.worst = seen.worst.max(verdict);
        }
        let was_over =
            if verdict == Verdict::Over { !client.over.insert(id) } else { client.over.remove(&id) };
        let Some(mark) = mark.filter(|mark| !(mark.verdict == Verdict::Over && was_over)) else { return };
        if mark.verdict == Verdict::Over {
            client.onsets += 1;
            if client.marks.len() < MARKS_MAX / 2 {
                client.marks.push(mark);
            }
            return;
        }
        *client.causes.entry(mark.cause).or_default() += 1;
        let own = |part: &&Part| {
            part.points > 0 && !matches!(part.signal, Signal::Carried | Signal::VendorPrior | Signal::Floor)
        };
        for part in mark.parts.iter().filter(own) {
            let (count, points) = client.reasons.entry(part.signal).or_default();
            *count += 1;
            *points += i64::from(part.points);
        }
        if client.marks.len() < MARKS_MAX {
            client.marks.push(mark);
        }
    }

    fn count_missing(&mut self, assessed: &Assessment) {
        for part in assessed.parts.as_slice() {
            if let Some(missing) = part.missing {
                *self.missing.entry((part.signal, missing)).or_default() += 1;
            }
        }
    }
}

impl Mark {
    fn of(number: usize, verdict: Verdict, assessed: &Assessment, news: [bool; 3]) -> Self {
        Self {
            number,
            verdict,
            cause: assessed.cause,
            score: assessed.score,
            thresholds: assessed.thresholds,
            standing: assessed.standing,
            parts: weightiest(assessed.parts.as_slice()),
            news,
            at_end: false,
            recommend_sever: assessed.recommend_sever,
        }
    }

    fn of_end(
        number: usize,
        verdict: Verdict,
        assessed: &Assessment,
        ended: &Ended,
        news: [bool; 3],
    ) -> Self {
        Self {
            cause: Cause::KeyEvidence,
            score: ended.score,
            parts: weightiest(ended.parts.as_slice()),
            at_end: true,
            recommend_sever: ended.recommend_sever,
            ..Self::of(number, verdict, assessed, news)
        }
    }
}

/// The parts that say most.
fn weightiest(parts: &[Part]) -> Vec<Part> {
    let mut parts: Vec<Part> = parts.iter().filter(|part| part.points != 0).copied().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.points.unsigned_abs()));
    parts.truncate(PARTS_KEPT_MAX);
    parts
}

fn verdict_of(assessed: &Assessment) -> Verdict {
    match assessed.action {
        Action::Sever => Verdict::Sever,
        Action::Deny => Verdict::Deny,
        Action::Challenge => Verdict::Challenge,
        Action::Limit => Verdict::Limit,
        Action::Allow => {
            let [challenge, _, _] = assessed.thresholds;
            let [since_pass, _, _] = assessed.evidence;
            let over = assessed.score >= challenge && since_pass >= EVIDENCE_MIN;
            if over || assessed.would > Action::Allow { Verdict::Over } else { Verdict::Pass }
        }
    }
}

fn verdict_of_end(ended: &Ended) -> Option<Verdict> {
    match (ended.sever, ended.limit) {
        (true, _) => Some(Verdict::Sever),
        (_, true) => Some(Verdict::Limit),
        _ => None,
    }
}
