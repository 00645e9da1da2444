//! Decisions that are decided again come out to the bit; and what is changed is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_replay::redecide::{Change, Decided, Redecider};
use portcullis_risk::{
    Action, After, Answered, Aside, Assessment, Before, Binding, ClientRisk, Context, Endpoint, Identity,
    IssuedIn, Judgement, Known, Missing, Mode, Origin, OutcomeRisk, Outside, PeerCounts, Peers, RiskRecord,
    Rules, Stakes, Ticket, Tls,
};
use proptest::prelude::*;
use uuid::Uuid;

type Rows = Vec<(DecisionRecord, Option<OutcomeRecord>)>;

const START_US: i64 = 1_795_000_000_000_000;

fn before(at_us: i64, endpoint: u32, network: u64, answer: Answered) -> Before {
    let missing = Missing::NotInLog;
    Before {
        at_us,
        sample: at_us as u16,
        context: Context { key: 1, ja4: Known::Is(7), network, prefix: network },
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(endpoint),
        request_bytes: u64::from(endpoint) * 10,
        object: Known::NoData(missing),
        identity: Identity {
            binding: Binding::Dpop,
            token_age_seconds: Known::Is(30),
            key_age_seconds: Known::NoData(missing),
            rotation_overdue: false,
        },
        origin: Origin::UNKNOWN,
        tls: Tls {
            listed: Known::NoData(missing),
            misfit: Known::NoData(missing),
            alpn_odd: Known::NoData(missing),
            sni_odd: Known::NoData(missing),
        },
        posture: Known::NoData(missing),
        vendor: Known::NoData(missing),
        // Some is dropped now and then.
        outside: Some(Known::Is(Outside::since(Some(at_us.rem_euclid(7_000) * 1_000_000)))),
        stakes: Stakes { money: 10_000, critical: false },
        fresh_nonce: false,
        answer,
    }
}

/// What a gate would have recorded of one client: ends come late, so calls are interleaved.
fn recorded(client: u128, requests: &[(u32, u64, u8)]) -> Rows {
    let (mut risk, peers, rules) = (ClientRisk::new(), Peers::default(), Rules::default());
    let (mut rows, mut under_way) = (Vec::<(DecisionRecord, Option<OutcomeRecord>)>::new(), Vec::new());
    let mut at_us = START_US;
    for (number, (endpoint, network, kind)) in requests.iter().enumerate() {
        at_us += i64::from(*kind) * 700_000 + 1_000;
        let answer = if kind % 2 == 0 { Answered::Valid } else { Answered::No };
        let facts = before(at_us, *endpoint, *network, answer);
        let assessed = risk.before(&facts, &peers, &rules);
        let mut unique = [0; 10];
        unique[..8].copy_from_slice(&(number as u64).to_be_bytes());
        unique[9] = client as u8;
        let id = DecisionId::new((at_us / 1_000) as u64, unique);
        let record = record(&assessed, facts, rules);
        rows.push((decision(id, client, record), None));
        if matches!(assessed.action, Action::Allow | Action::Limit) {
            under_way.push((rows.len() - 1, assessed.ticket, id));
        }
        if kind % 3 != 0 {
            continue;
        }
        for (row, ticket, id) in under_way.drain(..).rev() {
            let after = After {
                at_us,
                status: 200,
                request_bytes: 10,
                response_bytes: 100,
                records: Known::Is(u64::from(*kind)),
            };
            let ended = risk.after(ticket, &after, &peers, &rules);
            let end = OutcomeRisk {
                step: ended.step,
                score: ended.score,
                after,
                parts: ended.parts.as_slice().to_vec(),
            };
            rows[row].1 = Some(outcome(id, end));
        }
    }
    rows
}

fn decision(id: DecisionId, client: u128, risk: RiskRecord) -> DecisionRecord {
    DecisionRecord {
        id,
        time: jiff::Timestamp::from_microsecond(risk.before.at_us).unwrap(),
        verdict: Verdict::Allow,
        reason: Reason::Allowed,
        gate: "gate".into(),
        snapshot: 1,
        vendor: Some(VendorId(Uuid::from_u128(9))),
        integration: None,
        client: Some(ClientId(Uuid::from_u128(client))),
        route: None,
        method: "GET".into(),
        path: "/".into(),
        session: None,
        client_key: None,
        binding: None,
        peer: String::new(),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: Vec::new(),
        risk: Some(risk),
        would_stop: None,
        tunnel: None,
    }
}

fn outcome(id: DecisionId, risk: OutcomeRisk) -> OutcomeRecord {
    OutcomeRecord {
        id,
        time: jiff::Timestamp::from_microsecond(risk.after.at_us).unwrap(),
        ending: Ending::Complete,
        reason: Reason::Allowed,
        status: 200,
        request_bytes: 0,
        response_bytes: 0,
        records: 0,
        duration_us: 0,
        risk: Some(risk),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn unchanged_rules_give_the_same_bits(
        first in proptest::collection::vec((0_u32..4, 1_u64..4, 0_u8..8), 1..120),
        second in proptest::collection::vec((0_u32..4, 1_u64..4, 0_u8..8), 1..60),
        // Through the log's own bytes, in any order.
        seed in any::<u64>(),
    ) {
        let mut rows = recorded(1, &first);
        rows.extend(recorded(2, &second));
        let all: u64 = rows.iter().map(|(_, end)| 1 + u64::from(end.is_some())).sum();
        rows.sort_by_key(|(record, _)| record.id.0.iter().fold(seed, |hash, byte| hash.rotate_left(7) ^ u64::from(*byte)).wrapping_mul(seed | 1));
        let mut nothing = ();
        let mut redecider = Redecider::checking(&mut nothing);
        for (record, end) in rows {
            let record = DecisionRecord::from_bytes(&record.to_bytes().unwrap()).unwrap();
            let end = end.map(|end| OutcomeRecord::from_bytes(&end.to_bytes().unwrap()).unwrap());
            redecider.take(record, end).unwrap();
        }
        let outcome = redecider.finish();
        prop_assert!(outcome.is_same(), "{:?} {:?}", outcome.differences.first(), outcome.gaps.first());
        prop_assert_eq!(outcome.same, all);
        prop_assert_eq!(outcome.decisions + outcome.ends, all);
    }
}

/// A gate as it is: it crashes and begins again with an older state, takes analysts' words, asks ahead, compares with others from
/// a moment on; and its copy of a day is made while exchanges are under way.
struct Gate {
    risk: ClientRisk,
    peers: [(i64, Peers); 2],
    at_us: i64,
    rows: Rows,
    under_way: Vec<(usize, Ticket, DecisionId)>,
    asides: Vec<(u64, i64, Aside)>,
}

impl Gate {
    fn peers(&self) -> Peers {
        let [(_, first), (from_us, second)] = &self.peers;
        if self.at_us >= *from_us { second.clone() } else { first.clone() }
    }

    fn request(&mut self, endpoint: u32, network: u64) {
        self.at_us += 700_000;
        let (facts, rules) = (before(self.at_us, endpoint, network, Answered::Valid), Rules::default());
        let assessed = self.risk.before(&facts, &self.peers(), &rules);
        let mut unique = [0; 10];
        unique[..8].copy_from_slice(&(self.rows.len() as u64).to_be_bytes());
        let id = DecisionId::new((self.at_us / 1_000) as u64, unique);
        self.rows.push((decision(id, 1, record(&assessed, facts, rules)), None));
        if matches!(assessed.action, Action::Allow | Action::Limit) {
            self.under_way.push((self.rows.len() - 1, assessed.ticket, id));
        }
    }

    fn ends(&mut self) {
        for (row, ticket, id) in std::mem::take(&mut self.under_way) {
            self.at_us += 1_000;
            let after = After {
                at_us: self.at_us,
                status: 200,
                request_bytes: 10,
                response_bytes: 100,
                records: Known::Is(row as u64 % 9),
            };
            let ended = self.risk.after(ticket, &after, &self.peers(), &Rules::default());
            let (step, score) = (ended.step, ended.score);
            let end = OutcomeRisk { step, score, after, parts: ended.parts.as_slice().to_vec() };
            self.rows[row].1 = Some(outcome(id, end));
        }
    }

    fn aside(&mut self, aside: Aside) {
        self.at_us += 1_000;
        let before = self.risk.step();
        self.risk.repeat(&aside);
        if self.risk.step() != before {
            self.asides.push((self.risk.step(), self.at_us, aside));
        }
    }

    fn busy(&mut self, seed: u32, requests: u32) {
        for number in 0..requests {
            self.request((number + seed) % 3, 1 + u64::from((number * 7 + seed).is_multiple_of(11)));
            if number % 3 == 2 {
                self.ends();
            }
        }
    }
}

#[test]
fn a_crash_words_questions_ahead_new_peers_and_a_copy_under_way_give_the_same_bits() {
    let mut others = PeerCounts::default();
    let mut teacher = Gate::new(Peers::default());
    teacher.busy(5, 300);
    others.add(&teacher.risk);
    let peers = Peers::of(&others, &others);
    let mut gate = Gate::new(peers.clone());
    gate.busy(1, 60);
    gate.ends();
    let context = |network| before(0, 0, network, Answered::No).context;
    let judged = |sequence, undo| Aside::Judged {
        sequence,
        context: context(1),
        judgement: Judgement::Malicious,
        undo,
        at_us: START_US,
    };
    gate.aside(judged(7, false));
    let at_us = gate.at_us;
    gate.aside(Aside::Asked { context: context(5), issued_in: IssuedIn::Unknown, at_us });
    gate.busy(2, 31);
    // Written here, with one exchange under way; then it crashes later.
    let (kept, under_way, copied_us) = (gate.risk.clone(), gate.under_way.clone(), gate.at_us);
    assert!(!under_way.is_empty());
    let taken = gate.rows.len();
    gate.busy(3, 20);
    gate.at_us += 5_000_000;
    let started = (gate.at_us, BTreeMap::from([(ClientId(Uuid::from_u128(1)), kept.step())]));
    gate.risk = kept.clone();
    gate.under_way.clear();
    gate.aside(judged(9, true));
    gate.busy(4, 40);
    gate.ends();
    let client = ClientId(Uuid::from_u128(1));
    let replay = |leave_out: &str| {
        let mut nothing = ();
        let mut redecider = Redecider::checking(&mut nothing);
        let vendor = VendorId(Uuid::from_u128(9));
        if leave_out != "peers" {
            redecider.compared(gate.peers[1].0, BTreeMap::from([(vendor, peers.clone())]));
        }
        if leave_out != "start" {
            redecider.started(started.0, started.1.clone());
        }
        for (number, at_us, aside) in gate.asides.iter().filter(|_| leave_out != "asides") {
            redecider.take_aside(client, *number, *at_us, aside.clone()).unwrap();
        }
        for (record, end) in gate.rows.clone() {
            redecider.take(record, end).unwrap();
        }
        redecider.finish()
    };
    let whole = replay("nothing");
    assert!(whole.is_same(), "{:?} {:?}", whole.differences.first(), whole.gaps.first());
    assert_eq!(whole.decisions, gate.rows.len() as u64);
    for left_out in ["peers", "start", "asides"] {
        assert!(!replay(left_out).is_same(), "without its {left_out} it isn't the same");
    }

    // From the copy, with what was under way then.
    let from_copy = |with: bool| {
        let mut nothing = ();
        let mut redecider = Redecider::checking(&mut nothing);
        redecider.begin(client, None, kept.clone());
        for (_, ticket, id) in under_way.iter().filter(|_| with) {
            redecider.begin_under_way(client, *id, *ticket, Rules::default());
        }
        redecider.compared(gate.peers[1].0, BTreeMap::from([(VendorId(Uuid::from_u128(9)), peers.clone())]));
        redecider.started(started.0, started.1.clone());
        redecider.count_from(copied_us + 1);
        for (record, end) in gate.rows.clone() {
            redecider.take(record, end).unwrap();
        }
        for (number, at_us, aside) in gate.asides.iter().filter(|(_, at_us, _)| *at_us > copied_us) {
            redecider.take_aside(client, *number, *at_us, aside.clone()).unwrap();
        }
        redecider.finish()
    };
    let same = from_copy(true);
    assert!(same.is_same(), "{:?} {:?}", same.differences.first(), same.gaps.first());
    assert_eq!(same.decisions as usize, gate.rows.len() - taken);
    assert!(!from_copy(false).is_same());
}

impl Gate {
    fn new(later: Peers) -> Self {
        let rows = Rows::new();
        let peers = [(i64::MIN, Peers::default()), (START_US + 20_000_000, later)];
        Self {
            risk: ClientRisk::new(),
            peers,
            at_us: START_US,
            rows,
            under_way: Vec::new(),
            asides: Vec::new(),
        }
    }
}

fn record(assessed: &Assessment, facts: Before, rules: Rules) -> RiskRecord {
    RiskRecord {
        step: assessed.step,
        action: assessed.action,
        would: assessed.would,
        cause: assessed.cause,
        score: assessed.score,
        thresholds: assessed.thresholds,
        evidence: assessed.evidence,
        standing: assessed.standing,
        probation: assessed.probation,
        rules,
        before: facts,
        parts: assessed.parts.as_slice().to_vec(),
    }
}

fn usual() -> Vec<(u32, u64, u8)> {
    let mut requests: Vec<_> = (0..40).map(|number| (number % 2, 1, 6)).collect();
    requests.extend((0..6).map(|number| (number % 2, 2, 3)));
    requests
}

#[test]
fn a_changed_score_and_a_lost_record_are_told() {
    let run = |change: &dyn Fn(&mut Rows)| {
        let mut rows = recorded(1, &usual());
        change(&mut rows);
        let mut nothing = ();
        let mut redecider = Redecider::checking(&mut nothing);
        for (record, end) in rows {
            redecider.take(record, end).unwrap();
        }
        redecider.finish()
    };
    assert!(run(&|_| {}).is_same());
    let changed = run(&|rows| rows[10].0.risk.as_mut().unwrap().score.0 += 1);
    let [difference] = changed.differences.as_slice() else { panic!("{:?}", changed.differences) };
    assert_eq!(difference.what, "score");
    let lost = run(&|rows| {
        rows.remove(10);
    });
    let [gap] = lost.gaps.as_slice() else { panic!("{:?}", lost.gaps) };
    assert_eq!(gap.to - gap.from, 1, "the decision and its end");
    assert!(!lost.is_same());
}

/// Everything off.
struct Off;

impl Change for Off {
    fn of(&mut self, _: &Decided, rules: Rules, money: u64) -> (Rules, u64) {
        (Rules { mode: Mode::Off, ..rules }, money)
    }
}

#[test]
fn what_flips_is_listed_by_change() {
    let rows = recorded(1, &usual());
    let asked =
        rows.iter().filter(|(record, _)| record.risk.as_ref().unwrap().action == Action::Challenge).count()
            as u64;
    assert!(asked > 0, "a new network is asked");
    let mut off = Off;
    let mut redecider = Redecider::new(&mut off);
    for (record, end) in rows.clone() {
        redecider.take(record, end).unwrap();
    }
    let outcome = redecider.finish();
    assert!(outcome.is_same(), "the recorded rules still give what is recorded");
    assert_eq!(outcome.by_change.get(&(Action::Challenge, Action::Allow)), Some(&asked));
    assert_eq!(outcome.flips.len() as u64, outcome.by_client.values().sum::<u64>());

    let mut unchanged = ();
    let mut redecider = Redecider::new(&mut unchanged);
    for (record, end) in rows {
        redecider.take(record, end).unwrap();
    }
    assert!(redecider.finish().flips.is_empty(), "the same rules flip nothing");
}
