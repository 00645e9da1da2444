//! Four gates that tell each other of a client's evidence, against one that sees everything.

use portcullis_risk::{Answered, SEGMENTS_MAX, Segment};

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
/// What a challenge is asked at.
const CHALLENGE_MILLI: i64 = 30_000;

#[derive(Default)]
pub struct Gates {
    /// Decisions later than two seconds after a gap, and those of them within a point.
    pub settled: u64,
    pub settled_within: u64,
    pub all: u64,
    pub all_within: u64,
}

impl Gates {
    pub fn sentence(&self) -> String {
        let share = |within: u64, of: u64| within as f64 / of.max(1) as f64 * 100.0;
        let settled = share(self.settled_within, self.settled);
        let verdict = if settled >= 99.0 { "asked for: 99 %" } else { "**missed**, asked for: 99 %" };
        format!(
            "{verdict}; within 1 point on {:.2} % of {} decisions more than 2 s after a gap in what they tell each other; on {:.2} % of all {}",
            settled,
            self.settled,
            share(self.all_within, self.all),
            self.all,
        )
    }
}

/// Every account's second half, each connection at a gate drawn for it; the first half was learnt by all.
pub fn measure(corpora: &[Corpus]) -> Gates {
    let mut gates = Gates::default();
    for corpus in corpora {
        let prior = peers(&corpus.accounts.iter().collect::<Vec<_>>(), Sight::Places);
        for account in &corpus.accounts {
            compare(account, Driven::new(prior.clone(), Sight::Places), &mut gates);
        }
    }
    gates
}

fn compare(account: &Account, mut one: Driven, gates: &mut Gates) {
    let (train, _) = protocol::split(account.requests.len());
    for request in account.requests.iter().take(train) {
        let (assessment, _) = one.rightful(request);
        let _ = one.after(request, &assessment);
    }
    let mut four = vec![one.clone(); GATES];
    let mut discarded = [Segment::default(); SEGMENTS_MAX];
    for gate in &mut four {
        // What came before the fork is known to all.
        let _ = gate.risk.segments(&mut discarded);
    }
    let mut random = Random::new(hash(&account.name));
    let (mut told, mut at) = (0, 0);
    for request in account.requests.iter().skip(train) {
        let second = request.at_us.div_euclid(SECOND_US);
        let in_gap = request.at_us.rem_euclid(MINUTE_US) < GAP_US;
        if second > told && !in_gap {
            tell(&mut four);
            told = second;
        }
        if random.below(CONNECTION) == 0 {
            at = random.below(GATES);
        }
        let difference = decide(&mut one, request) - decide(&mut four[at], request);
        let is_within = difference.abs() <= 1_000;
        gates.all += 1;
        gates.all_within += u64::from(is_within);
        if request.at_us.rem_euclid(MINUTE_US) > GAP_US + SETTLED_US {
            gates.settled += 1;
            gates.settled_within += u64::from(is_within);
        }
    }
}

fn decide(driven: &mut Driven, request: &Request) -> i64 {
    let assessment = driven.before(request, Answered::No);
    let evidence = assessment.evidence[0].milli();
    if evidence >= CHALLENGE_MILLI {
        let context = driven.context(request.place);
        driven.risk.passed(&context, request.at_us);
    }
    let _ = driven.after(request, &assessment);
    evidence
}

fn tell(four: &mut [Driven]) {
    let messages: Vec<(usize, Segment)> = four
        .iter_mut()
        .enumerate()
        .flat_map(|(from, gate)| {
            let mut segments = [Segment::default(); SEGMENTS_MAX];
            let count = gate.risk.segments(&mut segments);
            segments.into_iter().take(count).map(move |segment| (from, segment))
        })
        .collect();
    for (from, segment) in messages {
        for (to, gate) in four.iter_mut().enumerate() {
            if to != from {
                gate.risk.apply_remote(&segment);
            }
        }
    }
}
