//! Four gates that tell each other of a client's evidence, against one that sees everything.

use std::collections::BTreeMap;

use portcullis_risk::{Answered, Assessment, Signal, Told};

use crate::corpora::{Account, Corpus, Request};
use crate::model::{Driven, Sight, peers};
use crate::protocol;
use crate::random::{Random, hash};

const GATES: usize = 4;
const SECOND_US: i64 = 1_000_000;
/// The link is down for five seconds of every minute.
const MINUTE_US: i64 = 60 * SECOND_US;
const GAP_US: i64 = 5 * SECOND_US;
const SETTLED_US: i64 = 2 * SECOND_US;
/// A connection stays at its gate, and lasts so long on average.
const CONNECTION: usize = 100;
/// A gate that serves a client fails after so many of its requests, on average.
const FAILOVER: usize = 500;
/// What a challenge is asked at.
const CHALLENGE_MILLI: i64 = 30_000;

/// How a balancer deals requests to gates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spread {
    /// All connections of a client to one gate, by its address; a gate fails now and then, and another one takes over.
    Sources,
    /// A connection stays at its gate: of some hundred requests each, to any gate.
    Connections,
    /// Each request to any gate, as over many connections at once.
    Requests,
}

#[derive(Default)]
pub struct Gates {
    /// Decisions later than two seconds after a gap, and those of them within a point.
    pub settled: u64,
    pub settled_within: u64,
    pub all: u64,
    pub all_within: u64,
    /// By signal: of how many settled decisions it differed by a tenth of a point.
    pub differs: BTreeMap<&'static str, u64>,
}

impl Gates {
    pub fn sentence(&self) -> String {
        let share = |within: u64, of: u64| within as f64 / of.max(1) as f64 * 100.0;
        let settled = share(self.settled_within, self.settled);
        let verdict = if settled >= 99.0 { "asked for: 99 %" } else { "**missed**, asked for: 99 %" };
        let mut differs: Vec<_> = self.differs.iter().collect();
        differs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let differs: Vec<String> = differs
            .into_iter()
            .take(4)
            .map(|(code, count)| format!("{code} on {:.1} %", share(*count, self.settled)))
            .collect();
        format!(
            "{verdict}; within 1 point on {:.2} % of {} decisions more than 2 s after a gap in what they tell each other; on {:.2} % of all {}. \
             Parts that differ by more than a tenth of a point: {}",
            settled,
            self.settled,
            share(self.all_within, self.all),
            self.all,
            if differs.is_empty() { "none".to_owned() } else { differs.join(", ") },
        )
    }
}

/// Every account's second half, dealt to gates; the first half was learnt by all.
pub fn measure(corpora: &[Corpus], spread: Spread) -> Gates {
    let mut gates = Gates::default();
    for corpus in corpora {
        let prior = peers(&corpus.accounts.iter().collect::<Vec<_>>(), Sight::Places);
        for account in &corpus.accounts {
            compare(account, Driven::new(prior.clone(), Sight::Places), spread, &mut gates);
        }
    }
    gates
}

fn compare(account: &Account, mut one: Driven, spread: Spread, gates: &mut Gates) {
    let (train, _) = protocol::split(account.requests.len());
    for request in account.requests.iter().take(train) {
        let (assessment, _) = one.rightful(request);
        let _ = one.after(request, &assessment);
    }
    let mut four = vec![one.clone(); GATES];
    // What came before the fork is known to all.
    four.iter_mut().for_each(|gate| gate.risk.tell(|_| ()));
    let mut random = Random::new(hash(&account.name));
    let (mut told, mut at, mut outboxes) = (0, 0, vec![Vec::new(); GATES]);
    for request in account.requests.iter().skip(train) {
        let second = request.at_us.div_euclid(SECOND_US);
        let in_gap = request.at_us.rem_euclid(MINUTE_US) < GAP_US;
        if second > told && !in_gap {
            tell(&mut four, &mut outboxes);
            told = second;
        }
        if spread == Spread::Requests || spread == Spread::Connections && random.below(CONNECTION) == 0 {
            at = random.below(GATES);
        }
        if spread == Spread::Sources && random.below(FAILOVER) == 0 {
            at = (at + 1) % GATES;
        }
        let (alone, shared) = (decide(&mut one, request), decide(&mut four[at], request));
        if four[at].risk.is_half_untold() {
            four[at].risk.tell(|told| outboxes[at].push(told));
        }
        let difference = alone.score.milli() - shared.score.milli();
        let is_within = difference.abs() <= 1_000;
        gates.all += 1;
        gates.all_within += u64::from(is_within);
        if request.at_us.rem_euclid(MINUTE_US) > GAP_US + SETTLED_US {
            gates.settled += 1;
            gates.settled_within += u64::from(is_within);
            differing(&alone, &shared, &mut gates.differs);
        }
    }
}

fn differing(alone: &Assessment, shared: &Assessment, differs: &mut BTreeMap<&'static str, u64>) {
    let mut sums = BTreeMap::<&'static str, i32>::new();
    for (parts, sign) in [(alone.parts.as_slice(), 1), (shared.parts.as_slice(), -1)] {
        // What the floor takes away follows from the others.
        for part in parts.iter().filter(|part| part.signal != Signal::Floor) {
            *sums.entry(part.signal.code()).or_default() += sign * part.points;
        }
    }
    for (code, _) in sums.into_iter().filter(|(_, sum)| sum.abs() > 100) {
        *differs.entry(code).or_default() += 1;
    }
}

fn decide(driven: &mut Driven, request: &Request) -> Assessment {
    let assessment = driven.before(request, Answered::No);
    let mut forwarded = assessment;
    if assessment.evidence[0].milli() >= CHALLENGE_MILLI {
        let context = driven.context(request.place);
        driven.risk.passed(&context, request.at_us);
        forwarded = driven.before(request, Answered::Valid);
    }
    let _ = driven.after(request, &forwarded);
    assessment
}

/// A message of each second: what waited for it, and what is new.
fn tell(four: &mut [Driven], outboxes: &mut [Vec<Told>]) {
    for (from, outbox) in outboxes.iter_mut().enumerate() {
        four[from].risk.tell(|told| outbox.push(told));
    }
    for (from, outbox) in outboxes.iter_mut().enumerate() {
        for told in outbox.drain(..) {
            let others = four.iter_mut().enumerate().filter(|(to, _)| *to != from);
            others.for_each(|(_, gate)| gate.risk.hear(&told));
        }
    }
}
