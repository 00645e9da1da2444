use portcullis_archive::{Filter, Row};
use portcullis_domain::decision::{DecisionRecord, OutcomeRecord, Verdict};
use portcullis_domain::reason::Reason;

use crate::common::{NINE_MS, World, client, outcome, some, tunnel, vendor};

/// What a filter takes, the plain way.
fn takes(filter: &Filter, record: &DecisionRecord, end: Option<&OutcomeRecord>) -> bool {
    filter.vendor.is_none_or(|vendor| record.vendor == Some(vendor))
        && filter.client.is_none_or(|client| record.client == Some(client))
        && filter.verdict.is_none_or(|verdict| record.verdict == verdict)
        && filter
            .reason
            .is_none_or(|reason| record.reason == reason || end.is_some_and(|end| end.reason == reason))
        && (!filter.would_stop || record.would_stop.is_some())
        && filter.tunnel.is_none_or(|tunnel| record.tunnel == Some(tunnel))
        && filter.session.as_ref().is_none_or(|session| record.session.as_ref() == Some(session))
        && filter.since.is_none_or(|since| record.time >= since)
        && filter.until.is_none_or(|until| record.time < until)
        && filter.below.is_none_or(|below| record.id < below)
}

#[test]
fn every_filter_finds_what_a_plain_look_finds() {
    let mut world = World::new();
    let decided = some(3_000, 6);
    let ended: Vec<_> = decided
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 3 != 0)
        .map(|(place, record)| {
            outcome(record, if place % 11 == 0 { Reason::RecordsCut } else { Reason::Allowed })
        })
        .collect();
    // Part of it in a first sealing, part of it in a second, and some outcomes later than their decisions.
    let (first, second) = decided.split_at(1_700);
    let (early, late) = ended.split_at(900);
    world.seal(first, early);
    world.seal(second, late);
    let at = |ms: u64| Some(jiff::Timestamp::from_millisecond(i64::try_from(NINE_MS + ms).unwrap()).unwrap());
    let base = Filter::default();
    for filter in [
        base.clone(),
        Filter { vendor: Some(vendor(1)), ..base.clone() },
        Filter { vendor: Some(vendor(9)), ..base.clone() },
        Filter { client: Some(client(3)), ..base.clone() },
        Filter { verdict: Some(Verdict::Deny), ..base.clone() },
        Filter { verdict: Some(Verdict::Sever), ..base.clone() },
        Filter { reason: Some(Reason::RecordsCut), ..base.clone() },
        Filter { reason: Some(Reason::VendorSevered), ..base.clone() },
        Filter { would_stop: true, ..base.clone() },
        Filter { tunnel: Some(tunnel(0)), ..base.clone() },
        Filter { tunnel: Some(tunnel(2)), vendor: Some(vendor(2)), ..base.clone() },
        Filter { would_stop: true, vendor: Some(vendor(2)), ..base.clone() },
        Filter { session: Some("session-3".into()), vendor: Some(vendor(1)), ..base.clone() },
        Filter { since: at(7_100_000), until: at(10_700_000), ..base.clone() },
        Filter { until: at(0), ..base.clone() },
        Filter {
            vendor: Some(vendor(2)),
            verdict: Some(Verdict::Allow),
            reason: Some(Reason::RecordsCut),
            since: at(3_600_000),
            ..base.clone()
        },
    ] {
        let mut expect: Vec<_> = decided
            .iter()
            .map(|record| Row::new(record.clone(), ended.iter().find(|end| end.id == record.id).cloned()))
            .filter(|row| takes(&filter, &row.record, row.outcome.as_ref()))
            .collect();
        expect.reverse();
        for limit in [1, 50, 5_000] {
            // Page by page.
            let (mut filter, mut all) = (filter.clone(), Vec::new());
            loop {
                let found = world.archive.newest(&world.files, &filter, limit);
                assert_eq!(found.unreadable, []);
                let full = found.rows.len() == limit;
                filter.below = found.rows.last().map(|row| row.record.id);
                all.extend(found.rows);
                if !full || all.len() >= 200 {
                    break;
                }
            }
            assert_eq!(all, expect[..all.len()], "{filter:?}");
            assert!(all.len() >= expect.len().min(200), "{filter:?}: {} of {}", all.len(), expect.len());
        }
    }
    // The same by a reader that knows nothing yet.
    world.forget();
    let filter = Filter { vendor: Some(vendor(1)), ..base };
    assert_eq!(world.archive.newest(&world.files, &filter, 5_000).rows.len(), 750);
    let by_vendor = world.archive.rows_by_vendor(&world.files);
    assert_eq!(by_vendor[&Some(vendor(1))] as usize, 750 + late_rows(&world));
}

fn late_rows(world: &World) -> usize {
    let outcomes = world.files.values().filter(|sealed| sealed.file.contains("/outcomes-"));
    // The test's world gives late outcomes of unknown decisions to vendor 1.
    outcomes.map(|sealed| sealed.rows as usize).sum()
}

#[test]
fn an_outcome_that_came_late_is_joined() {
    let mut world = World::new();
    let decided = some(100, 1);
    let late = outcome(&decided[42], Reason::RecordsCut);
    world.seal(&decided, &[]);
    let sealed = world.seal(&[], std::slice::from_ref(&late));
    assert_eq!(sealed[0].file, "date=2026-11-18/outcomes-2026-11-18T09-0001.parquet");
    world.archive.check(&sealed[0]).unwrap();
    let found = world.archive.find(&world.files, decided[42].id).unwrap().unwrap();
    assert_eq!(found.outcome, Some(late));
    let filter = Filter { reason: Some(Reason::RecordsCut), ..Filter::default() };
    let rows = world.archive.newest(&world.files, &filter, 10).rows;
    assert_eq!(rows.iter().map(|row| row.record.id).collect::<Vec<_>>(), [decided[42].id]);
    assert!(rows[0].outcome.is_some());
    assert_eq!(world.archive.late_outcome(&world.files, decided[41].id).unwrap(), None);
}
