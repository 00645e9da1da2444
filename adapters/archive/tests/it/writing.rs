use portcullis_archive::{ArchiveError, FileName, Hour, PART_ROWS_MAX, Row};
use portcullis_domain::archive::Content;
use portcullis_domain::reason::Reason;

use crate::common::{NINE_MS, World, decision, outcome, some};

#[test]
fn what_was_written_is_read_and_listed() {
    let mut world = World::new();
    let decided = some(1_000, 2);
    let ended: Vec<_> = decided.iter().step_by(2).map(|record| outcome(record, Reason::Allowed)).collect();
    let sealed = world.seal(&decided, &ended);
    let names: Vec<_> = sealed.iter().map(|sealed| sealed.file.as_str()).collect();
    assert_eq!(
        names,
        [
            "date=2026-11-18/decisions-2026-11-18T09-0001.parquet",
            "date=2026-11-18/decisions-2026-11-18T10-0001.parquet"
        ]
    );
    assert_eq!(sealed.iter().map(|sealed| sealed.rows).sum::<u64>(), 1_000);
    let listing = world.archive.list().unwrap();
    assert_eq!(listing.files.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
    assert!(listing.unfinished.is_empty() && listing.set_aside.is_empty());
    for sealed in &sealed {
        world.archive.check(sealed).unwrap();
        // As `sha256sum` would write it.
        let beside = std::fs::read_to_string(world.path(sealed).with_added_extension("sha256")).unwrap();
        assert_eq!(beside, format!("{}  {}\n", sealed.sha256, sealed.file.split('/').nth(1).unwrap()));
    }
    for record in &decided {
        let found = world.archive.find(&world.files, record.id).unwrap().unwrap();
        assert_eq!(found.record, *record);
        assert_eq!(found.outcome, ended.iter().find(|outcome| outcome.id == record.id).cloned());
    }
    let gone = decision(NINE_MS + 5, 4_000_000, 1);
    assert_eq!(world.archive.find(&world.files, gone.id).unwrap(), None);
}

#[test]
fn the_same_rows_make_the_same_file() {
    let decided = some(300, 1);
    let mut mixed = decided.clone();
    mixed.reverse();
    // A payload that stands twice in the log is one row.
    mixed.push(decided[7].clone());
    let [one, other] = [&decided, &mixed].map(|decided| World::new().seal(decided, &[]));
    assert_eq!(one, other);
}

#[test]
fn a_failure_leaves_no_file_and_more_rows_than_fit_are_refused() {
    let world = World::new();
    let name = FileName { hour: Hour::of_ms(NINE_MS), content: Content::Decisions, part: 1, revision: 0 };
    let row = |number| Row::new(decision(NINE_MS, number, 1), None);
    let failing = [Ok(row(1)), Err(ArchiveError::Name("x".into()))];
    assert!(world.archive.write(name, failing, &mut |_| ()).is_err());
    assert_eq!(world.archive.list().unwrap(), Default::default());
    assert_eq!(world.archive.write(name, Vec::<Result<Row, _>>::new(), &mut |_| ()).unwrap(), None);
    let many = std::iter::repeat_n(row(1), PART_ROWS_MAX + 1).map(Ok);
    let refused = world.archive.write(name, many, &mut |_| ());
    assert!(matches!(refused, Err(ArchiveError::TooManyRows(_))), "{refused:?}");
    assert_eq!(world.archive.list().unwrap(), Default::default());
}

#[test]
fn what_a_crash_left_is_swept_or_adopted() {
    let mut world = World::new();
    let sealed = world.seal(&some(200, 1), &[]).remove(0);
    let unfinished = world.path(&sealed).with_added_extension("new");
    std::fs::write(&unfinished, b"PAR1 and not much more").unwrap();
    world.forget();
    let listing = world.archive.list().unwrap();
    assert_eq!(listing.unfinished, std::slice::from_ref(&unfinished));
    world.archive.sweep(&listing).unwrap();
    assert!(!unfinished.exists());
    // Whole, and nobody recorded it: what its event would have said.
    assert_eq!(world.archive.adopt(listing.files[0]).unwrap(), sealed);
    std::fs::write(world.path(&sealed).with_added_extension("sha256"), "0123  x\n").unwrap();
    assert!(matches!(world.archive.adopt(listing.files[0]), Err(ArchiveError::Damaged { .. })));
    let aside = world.archive.set_aside(listing.files[0]).unwrap();
    assert_eq!(world.archive.list().unwrap().set_aside, vec![aside]);
    // A name is never given twice.
    world.files.clear();
    assert_eq!(world.name(Hour::of_ms(NINE_MS), Content::Decisions).part, 2);
}

#[test]
fn rows_of_some_vendors_are_left_out_of_a_new_file() {
    let mut world = World::new();
    let decided = some(400, 1);
    let sealed = world.seal(&decided, &[]).remove(0);
    let gone = [Some(crate::common::vendor(2)), None].into();
    let left = world.archive.without(&sealed, &gone, &mut |_| ()).unwrap().unwrap();
    assert_eq!(left.file, "date=2026-11-18/decisions-2026-11-18T09-0001-r1.parquet");
    assert_eq!(left.rows, 200);
    world.archive.check(&left).unwrap();
    world.archive.check(&sealed).unwrap();
    world.files.clear();
    world.record(std::slice::from_ref(&left));
    for record in &decided {
        let stays = record.vendor.is_some_and(|vendor| vendor != crate::common::vendor(2));
        assert_eq!(world.archive.find(&world.files, record.id).unwrap().is_some(), stays);
    }
    let rest = [Some(crate::common::vendor(1)), Some(crate::common::vendor(3))].into();
    assert_eq!(world.archive.without(&left, &rest, &mut |_| ()).unwrap(), None);
    world.archive.remove(&sealed.file).unwrap();
    world.archive.remove(&left.file).unwrap();
    assert_eq!(world.archive.list().unwrap(), Default::default());
}
