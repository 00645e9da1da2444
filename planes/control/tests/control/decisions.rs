use portcullis_api::decisions::DecisionQuery;
use portcullis_decision_log::SegmentWriter;
use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, Ending, OUTCOME_KIND, OutcomeRecord, PAYLOAD_VERSION, Verdict,
};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_domain::target::Target;
use portcullis_policy::link::{FromGate, LogBatch};

use crate::world::{Process, World, until};

pub fn decision(process: &Process, world: &World, ago_ms: u64, number: u8) -> DecisionRecord {
    let state = process.control.state();
    let now_ms = u64::try_from(world.now().as_millisecond()).unwrap();
    DecisionRecord {
        id: DecisionId::new(now_ms - ago_ms, [number; 10]),
        time: jiff::Timestamp::from_millisecond(i64::try_from(now_ms - ago_ms).unwrap()).unwrap(),
        verdict: if number.is_multiple_of(2) { Verdict::Allow } else { Verdict::Deny },
        reason: if number.is_multiple_of(2) { Reason::Allowed } else { Reason::RecordsLimit },
        gate: "gate".into(),
        snapshot: 1,
        vendor: state.resource(Kind::Vendor, "acme").map(|found| VendorId(found.id)),
        integration: None,
        client: state.resource(Kind::Client, "robot").map(|found| ClientId(found.id)),
        route: None,
        method: "GET".into(),
        path: "/parcels/{id}".into(),
        session: Some(format!("session-{number}")),
        client_key: None,
        binding: None,
        peer: "192.0.2.1:1".into(),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: Vec::new(),
        risk: None,
        would_stop: None,
        tunnel: None,
    }
}

pub fn outcome(of: &DecisionRecord) -> OutcomeRecord {
    OutcomeRecord {
        id: of.id,
        time: of.time,
        ending: Ending::Cut,
        reason: Reason::RecordsCut,
        status: 200,
        request_bytes: 1,
        response_bytes: 2,
        records: 3,
        duration_us: 4,
        risk: None,
    }
}

/// As a gate writes them.
fn write(world: &World, records: &[DecisionRecord]) {
    let options = portcullis_decision_log::Options { segment_bytes: 1 << 16, ..Default::default() };
    let syncer = portcullis_decision_log::Syncer::start(world.log_dir(), options).unwrap();
    let record_now = u64::try_from(world.now().as_millisecond()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, record_now).unwrap();
    for record in records {
        let vendor = record.vendor.map_or([0; 16], |id| id.0.into_bytes());
        let bytes = record.to_bytes().unwrap();
        writer.append(DECISION_KIND, PAYLOAD_VERSION, record.id.0, vendor, &bytes, record_now).unwrap();
        let bytes = outcome(record).to_bytes().unwrap();
        writer.append(OUTCOME_KIND, PAYLOAD_VERSION, record.id.0, vendor, &bytes, record_now).unwrap();
    }
}

#[tokio::test]
async fn decisions_are_found_in_memory_and_on_disk_newest_first() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let hour_ms = 3_600_000;
    let old: Vec<_> =
        (0..6).map(|number| decision(&process, &world, (20 - u64::from(number)) * hour_ms, number)).collect();
    write(&world, &old);
    let gate = process.gate("gate");
    let new: Vec<_> =
        (6..10).map(|number| decision(&process, &world, 100 - u64::from(number), number)).collect();
    let ended = vec![outcome(&new[0])];
    gate.to_control.send(FromGate::Decisions(LogBatch::of(&new, &ended).unwrap())).await.unwrap();
    let find = |query: DecisionQuery| -> Vec<DecisionId> {
        process.control.decisions(&query).unwrap().items.iter().map(|view| view.record.id).collect()
    };
    let ids = |numbers: &[usize]| -> Vec<DecisionId> {
        let all: Vec<_> = old.iter().chain(&new).collect();
        numbers.iter().map(|number| all[*number].id).collect()
    };
    let any = DecisionQuery::default;
    until("taken", || find(DecisionQuery { limit: Some(1), ..any() }) == ids(&[9])).await;
    assert_eq!(find(any()), ids(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]));
    assert_eq!(find(DecisionQuery { limit: Some(6), ..any() }), ids(&[9, 8, 7, 6, 5, 4]));
    assert_eq!(find(DecisionQuery { limit: Some(3), cursor: Some(old[4].id), ..any() }), ids(&[3, 2, 1]));
    assert_eq!(find(DecisionQuery { verdict: Some(Verdict::Deny), ..any() }), ids(&[9, 7, 5, 3, 1]));
    assert_eq!(find(DecisionQuery { since: Some(old[3].time), ..any() }), ids(&[9, 8, 7, 6, 5, 4, 3]));
    assert_eq!(find(DecisionQuery { vendor: Some("nobody".into()), ..any() }), []);
    assert_eq!(find(DecisionQuery { reason: Some(Reason::RecordsCut), ..any() }).len(), 7, "of outcomes too");

    let explain = |id| process.control.explain(id).unwrap();
    assert_eq!(explain(new[0].id).unwrap().outcome, Some(outcome(&new[0])));
    assert_eq!(explain(new[1].id).unwrap().outcome, None);
    let view = explain(old[2].id).unwrap();
    assert_eq!((view.names.vendor.as_deref(), view.names.client.as_deref()), (Some("acme"), Some("robot")));
    assert_eq!(view.outcome, Some(outcome(&old[2])));
    assert!(explain(DecisionId::new(1, [0; 10])).is_none());

    // Sessions are known by their decisions, on disk too.
    let admin = process.operator("admin").await;
    for number in [2, 7] {
        let target = format!("session/session-{number}").parse().unwrap();
        let receipt = process.control.sever(target, admin, "odd".into()).await.unwrap();
        let session = format!("session-{number}");
        assert_eq!(receipt.target_id, Target::Session { client: process.client("robot"), session });
        assert!(receipt.keys_refused.is_empty());
    }
    assert_eq!(process.control.snapshot_facts().refused_sessions.len(), 2);
}

#[tokio::test]
async fn followers_see_a_decision_and_then_its_outcome() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let gate = process.gate("gate");
    let mut follower = process.control.follow();
    let record = decision(&process, &world, 0, 1);
    let send = |decided: Vec<DecisionRecord>, ended: Vec<OutcomeRecord>| {
        gate.to_control.send(FromGate::Decisions(LogBatch::of(&decided, &ended).unwrap()))
    };
    send(vec![record.clone()], Vec::new()).await.unwrap();
    send(Vec::new(), vec![outcome(&record)]).await.unwrap();
    let first = follower.recv().await.unwrap();
    assert_eq!((first.record.id, &first.outcome), (record.id, &None));
    assert_eq!(first.names.vendor.as_deref(), Some("acme"));
    assert_eq!(follower.recv().await.unwrap().outcome, Some(outcome(&record)));
}
