//! From the gate's segments into sealed files: each decision once, whatever the clock does and wherever it is stopped.

use std::time::Duration;

use portcullis_api::decisions::DecisionQuery;
use portcullis_control::control::ProvedDecision;
use portcullis_control::sealing::{Pace, SealError, SealReport, Sealer, SealingSettings, Which};
use portcullis_control::{Control, ExecuteError};
use portcullis_decision_log::{Options, SegmentWriter, Syncer, unsealed};
use portcullis_domain::command::Command;
use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord, PAYLOAD_VERSION,
};
use portcullis_domain::spec::Kind;
use serde_json::json;

use crate::decisions::{decision, outcome};
use crate::world::{Fault, Process, World, kinds, prepared};

const HOUR: Duration = Duration::from_secs(3_600);

/// The gate's side.
pub struct Log {
    writer: SegmentWriter,
    syncer: Syncer,
}

impl Log {
    pub fn open(world: &World) -> Self {
        let options = Options { segment_bytes: 1 << 14, ..Options::default() };
        let syncer = Syncer::start(world.log_dir(), options).unwrap();
        let writer = SegmentWriter::open(&syncer, 0, now_ms(world)).unwrap();
        Self { writer, syncer }
    }

    pub fn decided(&mut self, world: &World, record: &DecisionRecord) {
        self.append(world, DECISION_KIND, record, &record.to_bytes().unwrap());
    }

    pub fn ended(&mut self, world: &World, record: &DecisionRecord) {
        self.ended_with(world, record, &outcome(record));
    }

    pub fn ended_with(&mut self, world: &World, record: &DecisionRecord, outcome: &OutcomeRecord) {
        self.append(world, OUTCOME_KIND, record, &outcome.to_bytes().unwrap());
    }

    fn append(&mut self, world: &World, kind: u8, record: &DecisionRecord, payload: &[u8]) {
        let vendor = record.vendor.map_or([0; 16], |id| id.0.into_bytes());
        self.writer.append(kind, PAYLOAD_VERSION, record.id.0, vendor, payload, now_ms(world)).unwrap();
    }

    /// As at a stop: everything is closed.
    pub fn close(self) {
        drop(self.writer);
        drop(self.syncer);
    }
}

fn now_ms(world: &World) -> u64 {
    u64::try_from(world.now().as_millisecond()).unwrap()
}

async fn with_sealer<T: Send + 'static>(
    mut sealer: Sealer,
    act: impl FnOnce(&mut Sealer) -> T + Send + 'static,
) -> (Sealer, T) {
    tokio::task::spawn_blocking(move || {
        let done = act(&mut sealer);
        (sealer, done)
    })
    .await
    .unwrap()
}

pub async fn seal(sealer: Sealer, which: Which) -> (Sealer, Result<SealReport, SealError>) {
    with_sealer(sealer, move |sealer| sealer.seal(which, Pace::Hurried)).await
}

/// A sealer that has begun, as after a start.
pub async fn begun(process: &Process) -> Sealer {
    let sealer = process.control.sealer(SealingSettings { rows_per_second: u32::MAX, ..Default::default() });
    let (sealer, begun) = with_sealer(sealer, Sealer::begin).await;
    begun.unwrap();
    sealer
}

fn sealed_rows(control: &Control) -> u64 {
    control.state().sealed.values().map(|sealed| sealed.rows).sum()
}

fn check_each_once(control: &Control, all: &[DecisionRecord]) {
    let query = DecisionQuery { limit: Some(1_000), ..DecisionQuery::default() };
    let found = control.decisions(&query).unwrap();
    assert_eq!(found.unreadable, []);
    let mut expect: Vec<_> = all.iter().map(|record| record.id).collect();
    expect.sort_unstable_by(|one, other| other.cmp(one));
    let ids: Vec<DecisionId> = found.items.iter().map(|view| view.record.id).collect();
    assert_eq!(ids, expect);
    for record in all {
        assert_eq!(control.explain(record.id).unwrap().unwrap().record, *record);
    }
    assert!(control.verify_decisions().unwrap().good, "{:?}", control.verify_decisions());
}

#[tokio::test]
async fn each_hour_is_sealed_when_it_is_over_and_its_segments_go() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let mut all = Vec::new();
    for number in 0..40 {
        let record = decision(&process, &world, 0, number);
        log.decided(&world, &record);
        log.ended(&world, &record);
        all.push(record);
        world.pass(Duration::from_secs(60));
    }
    let sealer = begun(&process).await;
    let (sealer, report) = seal(sealer, Which::Due).await;
    let first = report.unwrap();
    // The hours that are over; what is younger waits, and nothing is sealed twice.
    let (sealer, again) = seal(sealer, Which::Due).await;
    assert_eq!(again.unwrap().files, []);
    check_each_once(&process.control, &all);
    world.pass(2 * HOUR);
    let (sealer, report) = seal(sealer, Which::Due).await;
    let second = report.unwrap();
    assert_eq!(first.rows + second.rows, 40);
    check_each_once(&process.control, &all);
    assert_eq!(
        kinds(&*process.store).await.iter().filter(|kind| *kind == "decisions_sealed").count(),
        first.files.len() + second.files.len()
    );
    log.close();
    let (_, report) = seal(sealer, Which::Due).await;
    // Closed now, and all in files: they may go.
    assert!(report.unwrap().segments > 0 || second.segments > 0);
    assert_eq!(unsealed(world.log_dir()).unwrap().len(), 0);
    check_each_once(&process.control, &all);
}

#[tokio::test]
async fn who_stands_back_gives_up_when_too_much_waits_and_nothing_is_lost() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let all: Vec<_> = (0..100).map(|number| decision(&process, &world, 0, number)).collect();
    for record in &all {
        log.decided(&world, record);
    }
    log.close();
    let settings = SealingSettings { waiting_bytes_max: 0, ..SealingSettings::default() };
    let sealer = process.control.sealer(settings);
    let (sealer, begun) = with_sealer(sealer, Sealer::begin).await;
    begun.unwrap();
    let (sealer, given_up) =
        with_sealer(sealer, |sealer| sealer.seal(Which::Everything, Pace::StandingBack)).await;
    assert!(matches!(given_up, Err(SealError::Behind)), "{given_up:?}");
    let (_, report) = seal(sealer, Which::Everything).await;
    report.unwrap();
    assert_eq!(sealed_rows(&process.control), 100);
    check_each_once(&process.control, &all);
}

#[tokio::test]
async fn a_decision_that_waits_says_when_it_can_be_proved() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let grace_ms = 300_000;
    let hour_ms = 3_600_000;
    let mut log = Log::open(&world);
    let record = decision(&process, &world, 0, 2);
    let due = |hour: u64| {
        let ms = (hour + 1) * hour_ms + grace_ms;
        ProvedDecision::Waits { due: jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap() }
    };
    let prove = async |id| process.control.prove_decision(id).await.unwrap();
    assert_eq!(prove(record.id).await, ProvedDecision::Unknown);
    log.decided(&world, &record);
    let hour = record.id.time_ms() / hour_ms;
    assert_eq!(prove(record.id).await, due(hour));
    // What is late goes with the next hour.
    world.pass(3 * HOUR);
    assert_eq!(prove(record.id).await, due((now_ms(&world) - grace_ms) / hour_ms));
    let (sealer, report) = seal(begun(&process).await, Which::Due).await;
    assert_eq!(report.unwrap().rows, 1);
    drop(sealer);
    let sealed = prove(record.id).await;
    let ProvedDecision::Sealed(proof) = sealed else { panic!("{sealed:?}") };
    assert!(proof.entry.envelope.contains("decisions_sealed"), "{}", proof.entry.envelope);
}

#[tokio::test]
async fn late_outcomes_and_late_frames_go_into_further_files_of_their_hour() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let stream = decision(&process, &world, 0, 2);
    log.decided(&world, &stream);
    world.pass(2 * HOUR);
    let (sealer, report) = seal(begun(&process).await, Which::Due).await;
    assert_eq!(report.unwrap().files.len(), 1);
    assert_eq!(process.control.explain(stream.id).unwrap().unwrap().outcome, None);
    // The exchange ends two hours later; and a clock that went back brings a decision of a sealed hour.
    log.ended(&world, &stream);
    assert_eq!(process.control.explain(stream.id).unwrap().unwrap().outcome, Some(outcome(&stream)));
    let late = decision(&process, &world, 7_200_000, 4);
    log.decided(&world, &late);
    // And one that had jumped ahead by a year: its segment isn't kept for that long.
    let mut ahead = decision(&process, &world, 0, 6);
    ahead.id = DecisionId::new(now_ms(&world) + 365 * 86_400_000, [6; 10]);
    log.decided(&world, &ahead);
    log.close();
    let (_, report) = seal(sealer, Which::Due).await;
    let files: Vec<_> = report.unwrap().files.iter().map(|sealed| sealed.content.as_str()).collect();
    assert_eq!(files, ["decisions", "outcomes", "decisions"]);
    assert_eq!(process.control.explain(stream.id).unwrap().unwrap().outcome, Some(outcome(&stream)));
    assert_eq!(unsealed(world.log_dir()).unwrap().len(), 0);
    check_each_once(&process.control, &[stream, late, ahead]);
}

#[tokio::test]
async fn a_death_between_file_and_event_loses_nothing_and_seals_nothing_twice() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let all: Vec<_> =
        (0..30).map(|number| decision(&process, &world, u64::from(number) * 60_000, number)).collect();
    all.iter().for_each(|record| log.decided(&world, record));
    let sealer = begun(&process).await;
    // The file is written, and the ledger can't take it.
    process.store.set(Fault::Full);
    let (sealer, failed) = seal(sealer, Which::Everything).await;
    assert!(matches!(failed, Err(SealError::Ledger(ExecuteError::Store(_)))), "{failed:?}");
    assert_eq!(sealed_rows(&process.control), 0);
    process.store.set(Fault::None);
    drop(sealer);
    process.stop().await;
    // Another process finds the file, and the frames that are in none.
    let process = world.start().await;
    let sealer = begun(&process).await;
    assert!(sealed_rows(&process.control) > 0);
    let (sealer, report) = seal(sealer, Which::Everything).await;
    report.unwrap();
    assert_eq!(sealed_rows(&process.control), 30);
    // The same sealer goes on after a failure of its own.
    let more = decision(&process, &world, 0, 31);
    log.decided(&world, &more);
    process.store.set(Fault::Full);
    let (sealer, failed) = seal(sealer, Which::Everything).await;
    assert!(failed.is_err());
    process.store.set(Fault::None);
    let (_, report) = seal(sealer, Which::Everything).await;
    report.unwrap();
    assert_eq!(sealed_rows(&process.control), 31);
    let all: Vec<_> = all.into_iter().chain([more]).collect();
    check_each_once(&process.control, &all);
}

#[tokio::test]
async fn a_missing_file_is_named_and_its_frames_are_sealed_again_while_they_are_there() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let all: Vec<_> = (0..5).map(|number| decision(&process, &world, 10, number)).collect();
    all.iter().for_each(|record| log.decided(&world, record));
    let (_, report) = seal(begun(&process).await, Which::Everything).await;
    let file = report.unwrap().files.remove(0).file;
    let path = world.directory.path().join("archive").join(&file);
    std::fs::remove_file(&path).unwrap();
    let report = process.control.verify_decisions().unwrap();
    assert!(!report.good);
    assert_eq!(report.faults[0].file, file);
    let found = process.control.decisions(&DecisionQuery::default()).unwrap();
    assert_eq!(found.unreadable[0].file, file);
    assert_eq!(found.items.len(), 5, "they are in their segment still");
    // A start looks into files before it trusts them: what stands in none that can be read is sealed once more.
    let (_, report) = seal(begun(&process).await, Which::Everything).await;
    assert_eq!(report.unwrap().rows, 5);
    // What nobody can make anything of is set aside, and said.
    std::fs::write(&path, b"PAR1 half-written").unwrap();
    let other = path.with_file_name(path.file_name().unwrap().to_str().unwrap().replace("-0001", "-0009"));
    std::fs::write(&other, b"PAR1 half-written").unwrap();
    begun(&process).await;
    assert!(!other.exists() && other.with_added_extension("damaged").exists());
    let faults = process.control.verify_decisions().unwrap().faults;
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[tokio::test]
async fn rows_expire_by_vendor_and_a_hold_keeps_them() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let short = prepared("Vendor", "brief", json!({ "legal_name": "Brief Ltd", "decisions_days": 30 }), &[]);
    process.control.execute(Command::Apply { resources: vec![short] }).await.unwrap();
    let brief = process.control.state().resource(Kind::Vendor, "brief").unwrap().id;
    let operator = process.operator("ann").await;
    let mut log = Log::open(&world);
    let kept = decision(&process, &world, 0, 2);
    let mut ends = decision(&process, &world, 0, 4);
    ends.vendor = Some(portcullis_domain::ids::VendorId(brief));
    let mut stranger = decision(&process, &world, 0, 6);
    stranger.vendor = None;
    [&kept, &ends, &stranger].into_iter().for_each(|record| log.decided(&world, record));
    log.close();
    let (sealer, report) = seal(begun(&process).await, Which::Everything).await;
    assert_eq!(report.unwrap().rows, 3);
    let expire = |sealer| with_sealer(sealer, |sealer: &mut Sealer| sealer.expire().unwrap());
    let known = |record: &DecisionRecord| process.control.explain(record.id).unwrap().is_some();
    world.pass(29 * 24 * HOUR);
    let (sealer, gone) = expire(sealer).await;
    assert_eq!(gone, 0);
    let hold = |lift: bool| {
        let (vendor, by, reason) = ("brief".to_owned(), operator, "a case in court".to_owned());
        match lift {
            false => Command::PlaceHold { vendor, by, reason },
            true => Command::LiftHold { vendor, by, reason },
        }
    };
    process.control.execute(hold(false)).await.unwrap();
    world.pass(3 * 24 * HOUR);
    let (sealer, gone) = expire(sealer).await;
    assert_eq!(gone, 0, "the hold keeps it");
    process.control.execute(hold(true)).await.unwrap();
    // Deleted, it keeps the days that it had.
    process.control.delete(Kind::Vendor, "brief", false).await.unwrap();
    let (sealer, gone) = expire(sealer).await;
    assert_eq!(gone, 1);
    assert!(!known(&ends) && known(&kept) && known(&stranger));
    // What stayed is proved by the event that wrote the file anew; what went, by nothing.
    let proved = process.control.prove_decision(kept.id).await.unwrap();
    let ProvedDecision::Sealed(proof) = proved else { panic!("{proved:?}") };
    assert!(proof.entry.envelope.contains("decisions_expired"), "{}", proof.entry.envelope);
    assert!(proof.row.unwrap().leaf.contains(&kept.id.to_string()));
    assert_eq!(process.control.prove_decision(ends.id).await.unwrap(), ProvedDecision::Unknown);
    assert!(process.control.verify_decisions().unwrap().good);
    let (sealer, gone) = expire(sealer).await;
    assert_eq!(gone, 0);
    world.pass(400 * 24 * HOUR);
    let (_, gone) = expire(sealer).await;
    assert_eq!(gone, 2);
    assert!(process.control.state().sealed.is_empty());
    assert!(!known(&kept));
    // A start brings nothing back.
    begun(&process).await;
    assert!(process.control.state().sealed.is_empty());
}

#[tokio::test]
async fn frames_that_this_version_cannot_read_stay_in_their_segment() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let mut log = Log::open(&world);
    let known = decision(&process, &world, 0, 2);
    log.decided(&world, &known);
    let id = DecisionId::new(now_ms(&world), [9; 10]);
    log.writer.append(DECISION_KIND, 9, id.0, [0; 16], b"of another version", now_ms(&world)).unwrap();
    log.close();
    let (_, report) = seal(begun(&process).await, Which::Everything).await;
    let report = report.unwrap();
    assert_eq!((report.rows, report.unreadable, report.segments), (1, 1, 0));
    assert_eq!(unsealed(world.log_dir()).unwrap().len(), 1);
}
