use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::decision::Ending;
use portcullis_pack::{Counter, network_of};
use proptest::prelude::*;

use crate::world::{Row, at, decision, names, outcome, rows, window};

#[test]
fn sums_are_those_of_a_naive_count() {
    let rows = rows(700);
    let mut counter = Counter::new(window(), BTreeSet::new());
    for (record, outcome) in &rows {
        counter.decision(record.clone(), outcome.clone());
    }
    let counted = counter.finish(&names());
    let records = |row: &Row| row.1.as_ref().map_or(0, |outcome| outcome.records);
    assert_eq!(counted.summary.requests, 700);
    assert_eq!(counted.summary.records, rows.iter().map(records).sum::<u64>());
    assert_eq!(counted.summary.allowed, rows.iter().filter(|row| row.0.verdict.passes()).count() as u64);
    let open = rows.iter().filter(|row| row.0.verdict.passes() && row.1.is_none()).count() as u64;
    assert_eq!((counted.summary.open, counted.summary.cut), (open, 1));
    let mut by_route: BTreeMap<_, u64> = BTreeMap::new();
    let mut by_minute: BTreeMap<i64, u64> = BTreeMap::new();
    for row in &rows {
        *by_route.entry(row.0.route).or_default() += records(row);
        if let Some(outcome) = &row.1 {
            *by_minute.entry(outcome.time.as_second() / 60).or_default() += outcome.records;
        }
    }
    for line in &counted.routes.lines {
        assert_eq!(line.counts.records, by_route[&line.route], "{line:?}");
    }
    assert!(counted.routes.lines.is_sorted_by_key(|line| std::cmp::Reverse(line.counts.records)));
    for (minute, records) in by_minute {
        assert_eq!(counted.series.records_at(minute), records);
    }
    // The cut is told, and is the largest answer as well.
    let cut = counted.decisions.lines.iter().find(|line| line.ending == Some(Ending::Cut)).unwrap();
    assert_eq!(cut.records, 40_000);
    assert_eq!(cut.why.len(), 3);
}

proptest! {
    /// Outcomes come beside their decisions, before them or after them: it is the same.
    #[test]
    fn it_does_not_matter_when_an_outcome_comes(
        ways in proptest::collection::vec(0..3_u8, 60),
        order in any::<u64>(),
    ) {
        let rows = rows(60);
        let beside = {
            let mut counter = Counter::new(window(), BTreeSet::new());
            rows.iter().for_each(|(record, outcome)| counter.decision(record.clone(), outcome.clone()));
            counter.finish(&names())
        };
        let mut counter = Counter::new(window(), BTreeSet::new());
        for ((_, outcome), _) in rows.iter().zip(&ways).filter(|(_, way)| **way == 0) {
            outcome.iter().for_each(|outcome| counter.outcome(outcome.clone()));
        }
        let turn = usize::try_from(order % 60).unwrap();
        for number in (0..60).map(|number| (number + turn) % 60) {
            let (record, outcome) = &rows[number];
            counter.decision(record.clone(), outcome.clone().filter(|_| ways[number] == 1));
        }
        for ((_, outcome), _) in rows.iter().zip(&ways).filter(|(_, way)| **way == 2) {
            outcome.iter().for_each(|outcome| counter.outcome(outcome.clone()));
        }
        prop_assert_eq!(counter.finish(&names()), beside);
    }
}

#[test]
fn what_is_many_is_bounded_and_told() {
    let mut counter = Counter::new(window(), BTreeSet::new());
    for number in 0..300 {
        let mut record = decision(number, u32::try_from(number).unwrap() * 11);
        record.peer = format!("[2001:db8:{number:x}::1]:443");
        let cut = outcome(&record, 5, Ending::Cut);
        counter.decision(record, Some(cut));
    }
    let counted = counter.finish(&names());
    assert_eq!((counted.summary.cut, counted.decisions.cuts_left_out), (300, 100));
    assert_eq!(counted.networks.lines.len(), 300);
    assert!(counted.decisions.lines.len() < 230);
    assert_eq!(counted.decisions.lines[0].time, at(0));
}

#[test]
fn networks_are_named_as_the_gate_keeps_them_apart() {
    for (peer, expect) in [
        ("192.0.2.77:1024", "192.0.2.0/24"),
        ("192.0.2.77", "192.0.2.0/24"),
        ("[::ffff:192.0.2.77]:1", "192.0.2.0/24"),
        ("[2001:db8:1:2::3]:443", "2001:db8:1::/48"),
        ("nobody", "unknown"),
    ] {
        assert_eq!(network_of(peer), expect);
    }
}
