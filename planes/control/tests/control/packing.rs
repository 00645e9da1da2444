//! Evidence packs out of what is sealed and what is not, verified by nothing but the ledger's key.

use std::time::Duration;

use portcullis_control::Control;
use portcullis_control::packing::{PackError, PackOrder, PackStream};
use portcullis_control::sealing::Which;
use portcullis_domain::command::Command;
use portcullis_domain::decision::{DecisionId, DecisionRecord};
use portcullis_domain::ids::{OperatorId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::target::TargetName;
use portcullis_pack::evidence::{Evidence, Section};
use portcullis_pack::verify::{Verified, VerifyError, verify};
use uuid::Uuid;

use crate::decisions::{decision, outcome};
use crate::sealing::{Log, begun, seal};
use crate::world::{Process, World, acme, client};

const MINUTE: Duration = Duration::from_secs(60);

async fn whole(stream: PackStream) -> Vec<u8> {
    let PackStream { mut bytes, .. } = stream;
    let mut pack = Vec::new();
    while let Some(chunk) = bytes.recv().await {
        pack.extend_from_slice(&chunk);
    }
    pack
}

fn checked(process: &Process, pack: &[u8]) -> Result<Verified, VerifyError> {
    verify(&mut || Ok(pack), pack.len() as u64, Some(process.control.store().verifier()))
}

fn order(world: &World, ago: Duration) -> PackOrder {
    PackOrder {
        vendor: "acme".to_owned(),
        from: world.now().checked_sub(ago).unwrap(),
        to: world.now(),
        rows: true,
        files: false,
        seal: false,
        incident: None,
    }
}

async fn pack(control: &Control, order: PackOrder, by: OperatorId) -> Vec<u8> {
    whole(control.pack(order, by).await.unwrap()).await
}

/// One decision a minute, of ours and of another vendor by turns; the last without an outcome.
async fn decide(
    world: &World,
    process: &Process,
    log: &mut Log,
    numbers: std::ops::Range<u8>,
) -> Vec<DecisionRecord> {
    let mut own = Vec::new();
    for number in numbers {
        let mut record = decision(process, world, 0, number);
        if number % 3 == 2 {
            record.vendor = Some(VendorId(Uuid::from_u128(7)));
        }
        log.decided(world, &record);
        if number % 10 != 4 {
            log.ended(world, &record);
        }
        if number % 3 != 2 {
            own.push(record);
        }
        world.pass(MINUTE);
    }
    own
}

#[tokio::test]
async fn a_pack_holds_what_is_sealed_and_what_is_not_and_each_once() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    let mut log = Log::open(&world);
    let first = decide(&world, &process, &mut log, 0..100).await;
    let sealer = begun(&process).await;
    let (sealer, report) = seal(sealer, Which::Everything).await;
    assert!(report.unwrap().files.len() >= 2);
    // An exchange may end once its decision is sealed: one of these outcomes is sealed too, the other is not.
    log.ended(
        &world,
        &first.iter().find(|record| record.session.as_deref() == Some("session-24")).unwrap().clone(),
    );
    let (_sealer, report) = seal(sealer, Which::Everything).await;
    assert_eq!(report.unwrap().rows, 1);
    log.ended(
        &world,
        &first.iter().find(|record| record.session.as_deref() == Some("session-64")).unwrap().clone(),
    );
    let second = decide(&world, &process, &mut log, 100..130).await;
    let severed = process.control.sever(TargetName::Vendor("acme".to_owned()), ann, "leak".to_owned()).await;
    let severed = severed.unwrap();
    world.pass(MINUTE);

    let verified =
        checked(&process, &pack(&process.control, order(&world, 10 * 60 * MINUTE), ann).await).unwrap();
    assert!(verified.recounted);
    let all: Vec<_> = first.iter().chain(&second).collect();
    assert_eq!(verified.summary.requests, all.len() as u64);
    assert_eq!(verified.rows_unsealed, second.len() as u64);
    // Decisions and one outcome of its own.
    assert_eq!(verified.rows_proved, first.len() as u64 + 1);
    let ended = |record: &&&DecisionRecord| {
        let number: u8 = record.session.as_deref().unwrap().trim_start_matches("session-").parse().unwrap();
        number % 10 != 4 || matches!(number, 24 | 64)
    };
    let records: u64 = all.iter().filter(ended).map(|record| outcome(record).records).sum();
    assert_eq!(verified.summary.records, records);
    let open = all.iter().filter(|record| !ended(record) && record.verdict.passes()).count();
    assert_eq!(verified.summary.open, open as u64);
    // The severance, the declarations of vendor, contract and the rest, and the sealed files.
    assert!(verified.events >= 3, "{verified:?}");
    assert!(severed.recorded.ledger_sequence.is_some());

    // A window within it, to the second, over the edge of an hour.
    let within = PackOrder { from: all[20].time, to: all[80].time, files: true, ..order(&world, MINUTE) };
    let verified = checked(&process, &pack(&process.control, within, ann).await).unwrap();
    assert_eq!(verified.summary.requests, 60);
    // Without rows the numbers are the same, and proved as far as files go.
    let bare = PackOrder { rows: false, ..order(&world, 10 * 60 * MINUTE) };
    let verified = checked(&process, &pack(&process.control, bare, ann).await).unwrap();
    assert_eq!((verified.recounted, verified.summary.records), (false, records));
}

#[tokio::test]
async fn what_cannot_be_packed_is_told() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    let control = &process.control;
    let refused = async |order: PackOrder| control.pack(order, ann).await.err().unwrap();
    let unknown = PackOrder { vendor: "nobody".to_owned(), ..order(&world, MINUTE) };
    assert!(matches!(refused(unknown).await, PackError::UnknownVendor(_)));
    assert!(matches!(refused(order(&world, MINUTE * 60 * 24 * 401)).await, PackError::Window(_)));
    let future = PackOrder { from: world.now(), ..order(&world, MINUTE) };
    assert!(matches!(refused(future).await, PackError::Future));
    let sealing = PackOrder { seal: true, ..order(&world, MINUTE) };
    assert!(matches!(refused(sealing).await, PackError::Seal(_)));
    // One after the other: the second is begun when the first has been read.
    let first = control.pack(order(&world, MINUTE), ann).await.unwrap();
    let verified = checked(&process, &whole(first).await).unwrap();
    assert_eq!(verified.summary.requests, 0);
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_rest_is_there() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    let mut log = Log::open(&world);
    decide(&world, &process, &mut log, 0..120).await;
    let (_sealer, report) = seal(begun(&process).await, Which::Everything).await;
    let files = report.unwrap().files;
    assert!(files.len() >= 2);
    let path = world.directory.path().join("archive").join(&files[0].file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let fresh = process.control.state();
    assert!(fresh.sealed.len() >= 2);
    let verified =
        checked(&process, &pack(&process.control, order(&world, 10 * 60 * MINUTE), ann).await).unwrap();
    // What the log still has of the damaged file comes from there, and the pack says that it has no proof of it.
    let requests = verified.summary.requests;
    let unproven = verified.gaps.iter().any(|gap| gap.contains("no proof"));
    assert!(requests > 0 && (requests < 80 || requests == 80 && unproven), "{requests} {:?}", verified.gaps);
    assert!(
        verified.gaps.iter().any(|gap| gap.contains(&files[0].file) && gap.contains("digest")),
        "{:?}",
        verified.gaps
    );
}

/// The evidence of a pack.
fn evidence(pack: &[u8]) -> Evidence {
    let mut place = 0;
    while pack[place] != 0 {
        let name = pack[place..place + 100].split(|byte| *byte == 0).next().unwrap();
        let size = std::str::from_utf8(&pack[place + 124..place + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        if name == portcullis_pack::EVIDENCE.as_bytes() {
            return serde_json::from_slice(&pack[place + 512..place + 512 + size]).unwrap();
        }
        place += usize::try_from(portcullis_pack::tar::length(size as u64)).unwrap();
    }
    panic!("there is no evidence");
}

fn severances(evidence: &Evidence) -> Vec<String> {
    let found = evidence.sections.iter().find_map(|section| match section {
        Section::Severances { lines } => Some(lines.iter().map(|line| line.target.clone()).collect()),
        _ => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn what_was_severed_is_in_the_pack_though_nothing_of_it_is_declared_any_more() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    let vendor = process.control.state().resource(Kind::Vendor, "acme").unwrap().id.to_string();
    let (robot, other) = (process.client("robot"), process.client("other"));
    world.pass(10 * 60 * MINUTE);
    let sever = async |target: &str| {
        let target = target.parse::<TargetName>().unwrap();
        process.control.sever(target, ann, "leak".to_owned()).await.unwrap();
        world.pass(MINUTE);
    };
    sever("key/key-1").await;
    sever("client/other").await;
    let delete = async |kind: Kind, name: &str| {
        process.control.execute(Command::Delete { kind, name: name.to_owned() }).await.unwrap();
        world.pass(MINUTE);
    };
    delete(Kind::Client, "robot").await;
    delete(Kind::Client, "other").await;
    let expect = ["key/key-1".to_owned(), format!("client/{other}")];
    let made = pack(&process.control, order(&world, 60 * MINUTE), ann).await;
    checked(&process, &made).unwrap();
    assert_eq!(severances(&evidence(&made)), expect);
    // Nor is the vendor itself, and another one has its name, and a client of its own that is severed.
    for (kind, name) in [(Kind::Integration, "feed"), (Kind::Contract, "acme-2026"), (Kind::Vendor, "acme")] {
        delete(kind, name).await;
    }
    let namesake = acme().into_iter().filter(|prepared| {
        !matches!(prepared.declaration.spec.kind(), Kind::Route | Kind::Upstream | Kind::Client)
    });
    let namesake = namesake.chain([client("robot", "key-3")]).collect();
    process.control.execute(Command::Apply { resources: namesake }).await.unwrap();
    assert_ne!(process.client("robot"), robot);
    sever("key/key-3").await;
    let gone = PackOrder { vendor, ..order(&world, 60 * MINUTE) };
    let made = pack(&process.control, gone, ann).await;
    checked(&process, &made).unwrap();
    assert_eq!(severances(&evidence(&made)), expect);
    let made = pack(&process.control, order(&world, 60 * MINUTE), ann).await;
    assert_eq!(severances(&evidence(&made)), ["key/key-3"]);
}

#[tokio::test]
async fn whoever_takes_nothing_has_a_turn_that_others_are_told_of() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    // More than waits for a reader who takes nothing.
    let mut log = Log::open(&world);
    let first = decision(&process, &world, 0, 4);
    for number in 0..8_000_u32 {
        let mut unique = [0; 10];
        unique[6..].copy_from_slice(&number.to_be_bytes());
        let id = DecisionId::new(first.id.time_ms(), unique);
        log.decided(&world, &DecisionRecord { id, ..first.clone() });
    }
    world.pass(MINUTE);
    let control = &process.control;
    let stuck = control.pack(order(&world, 60 * MINUTE), ann).await.unwrap();
    let refused = control.pack(order(&world, MINUTE), ann).await.err().unwrap();
    let told = format!("another pack is being made: of `acme`, by ann, since {}", world.now());
    assert!(refused.to_string().starts_with(&told), "{refused}");
    assert!(matches!(&refused, PackError::Busy(other) if other.since == world.now()));
    // Once it has gone, others have their turn.
    drop(stuck);
    let next = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match control.pack(order(&world, 60 * MINUTE), ann).await {
                Err(PackError::Busy(_)) => tokio::task::yield_now().await,
                begun => return begun.unwrap(),
            }
        }
    });
    let next = whole(next.await.unwrap()).await;
    assert_eq!(checked(&process, &next).unwrap().rows_unsealed, 8_000);
}
