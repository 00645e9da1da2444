//! Any row that the gate may write comes back as it was, by the file and by its leaves.

use jiff::Timestamp;
use portcullis_archive::{FileName, Hour, LateOutcome, Row};
use portcullis_domain::access::Access;
use portcullis_domain::archive::Content;
use portcullis_domain::decision::{
    DecisionId, DecisionRecord, Ending, OutcomeRecord, Stop, Verdict, WouldStop,
};
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_risk::{RiskRecord, example_outcome, example_record};
use proptest::prelude::*;
use uuid::Uuid;

use crate::common::{NINE_MS, World};

fn uuid() -> impl Strategy<Value = Option<Uuid>> {
    proptest::option::of(any::<u128>().prop_map(Uuid::from_u128))
}

fn row() -> impl Strategy<Value = (Row, Option<VendorId>)> {
    let ids = (uuid(), uuid(), uuid(), uuid(), uuid());
    let texts = proptest::collection::vec(any::<String>(), 5);
    let optional = proptest::collection::vec(proptest::option::of(any::<String>()), 5);
    let words = (0..Verdict::ALL.len(), 0..Reason::ALL.len(), 0..4_usize, 0..Reason::ALL.len());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u16>());
    let scope = proptest::collection::vec("[!-~]{1,8}", 0..3);
    let head = (0..3_600_000_u64, any::<[u8; 10]>(), any::<bool>());
    (head, ids, texts, optional, words, numbers, scope).prop_map(
        |((ms, unique, ended), ids, texts, optional, words, numbers, scope)| {
            let id = DecisionId::new(NINE_MS + ms, unique);
            let time =
                Timestamp::from_microsecond(i64::try_from((NINE_MS + ms) * 1_000 + 7).unwrap()).unwrap();
            let record = DecisionRecord {
                id,
                time,
                verdict: Verdict::ALL[words.0],
                reason: Reason::ALL[words.1],
                gate: texts[0].clone(),
                snapshot: numbers.0,
                vendor: ids.0.map(VendorId),
                integration: ids.1.map(IntegrationId),
                client: ids.2.map(ClientId),
                route: ids.3.map(RouteId),
                method: texts[1].clone(),
                path: texts[2].clone(),
                session: optional[0].clone(),
                client_key: optional[1].clone(),
                binding: optional[2].clone(),
                peer: texts[3].clone(),
                ja4: optional[3].clone(),
                ja4_context: optional[4].clone(),
                protocol: texts[4].clone(),
                scope,
                risk: numbers.5.is_multiple_of(2).then(|| RiskRecord { step: numbers.0, ..example_record() }),
                would_stop: numbers.5.is_multiple_of(3).then(|| WouldStop {
                    access: Access::ALL[numbers.1 as usize % 4],
                    stops: Stop::ALL.into_iter().filter(|stop| numbers.2 & 1 << stop.number() != 0).collect(),
                }),
                tunnel: ids.4.map(TunnelId),
            };
            let outcome = OutcomeRecord {
                id,
                time,
                ending: [Ending::Complete, Ending::Cut, Ending::ClientGone, Ending::UpstreamFailed][words.2],
                reason: Reason::ALL[words.3],
                status: numbers.5,
                request_bytes: numbers.1,
                response_bytes: numbers.2,
                records: numbers.3,
                duration_us: numbers.4,
                risk: numbers.5.is_multiple_of(3).then(example_outcome),
            };
            (Row::new(record, ended.then_some(outcome)), ids.0.map(VendorId))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_come_back_as_they_were(mut rows in proptest::collection::vec(row(), 1..40)) {
        let mut world = World::new();
        rows.sort_by_key(|(row, vendor)| (*vendor, row.record.id));
        let name = FileName { hour: Hour::of_ms(NINE_MS), content: Content::Decisions, part: 1, revision: 0 };
        let sealed = world.archive.write(name, rows.iter().map(|(row, _)| Ok(row.clone())), &mut |_| ());
        let sealed = sealed.unwrap().unwrap();
        world.record(std::slice::from_ref(&sealed));
        world.archive.check(&sealed).unwrap();
        for (row, _) in &rows {
            let found = world.archive.find(&world.files, row.record.id).unwrap();
            prop_assert_eq!(found.as_ref(), Some(row));
        }
        let late = rows.iter().filter_map(|(row, vendor)| {
            Some(Ok(LateOutcome { vendor: *vendor, outcome: row.outcome.clone()? }))
        });
        if let Some(sealed) = world.archive.write(name, late, &mut |_| ()).unwrap() {
            world.archive.check(&sealed).unwrap();
        }
    }
}
