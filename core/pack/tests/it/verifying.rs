use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_pack::evidence::Section;
use portcullis_pack::verify::{Verified, VerifyError, verify};
use portcullis_pack::{tar, write::Writer};
use proptest::prelude::*;

use crate::world::{ORIGIN, World, at, decision};

fn checked(pack: &[u8], key: Option<&NoteVerifier>) -> Result<Verified, VerifyError> {
    verify(&mut || Ok(pack), pack.len() as u64, key)
}

/// Where members begin and end in the archive, with their names.
fn members(pack: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let (mut members, mut place) = (Vec::new(), 0);
    while pack[place] != 0 {
        let name = pack[place..place + 100].split(|byte| *byte == 0).next().unwrap();
        let size = std::str::from_utf8(&pack[place + 124..place + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        members.push((String::from_utf8(name.to_vec()).unwrap(), place + 512..place + 512 + size));
        place += usize::try_from(tar::length(size as u64)).unwrap();
    }
    members
}

#[test]
fn a_pack_is_verified_by_its_key_alone() {
    let world = World::new();
    let pack = world.pack();
    let verified = checked(&pack, Some(&world.signer.verifier())).unwrap();
    assert!(verified.recounted && verified.key_is_known);
    assert_eq!((verified.rows_proved, verified.rows_unsealed, verified.events), (300, 1, 3));
    assert_eq!(verified.summary.requests, 301);
    assert_eq!(verified.gaps.len(), 1, "{:?}", verified.gaps);
    let by_its_own_word = checked(&pack, None).unwrap();
    assert!(!by_its_own_word.key_is_known);
    let other = NoteSigner::from_seed(ORIGIN, &[6; 32]).unwrap().verifier();
    assert!(matches!(checked(&pack, Some(&other)), Err(VerifyError::Note(_))));
}

#[test]
fn without_its_rows_a_pack_is_proved_and_not_counted_anew() {
    let world = World { rows_included: false, ..World::new() };
    let verified = checked(&world.pack(), Some(&world.signer.verifier())).unwrap();
    assert!(!verified.recounted);
    assert_eq!((verified.sealed_files, verified.rows_proved), (1, 0));
}

#[test]
fn every_member_hangs_on_the_signature() {
    let world = World::new();
    let pack = world.pack();
    let key = world.signer.verifier();
    let members = members(&pack);
    assert_eq!(members.len(), 12);
    for (name, place) in &members {
        for at in [place.start, place.start + place.len() / 2, place.end - 1] {
            let mut changed = pack.clone();
            changed[at] ^= 1;
            assert!(checked(&changed, Some(&key)).is_err(), "{name} at {at}");
        }
        // One that is missing, and one that is there twice.
        let whole =
            place.start - 512..place.start - 512 + usize::try_from(tar::length(place.len() as u64)).unwrap();
        let without = [&pack[..whole.start], &pack[whole.end..]].concat();
        assert!(checked(&without, Some(&key)).is_err(), "without {name}");
        let twice = [&pack[..whole.end], &pack[whole.start..]].concat();
        assert!(matches!(checked(&twice, Some(&key)), Err(VerifyError::Twice(_))), "{name} twice");
    }
}

#[test]
fn nothing_hides_behind_the_members() {
    let world = World::new();
    let pack = world.pack();
    let key = world.signer.verifier();
    let longer = [pack.as_slice(), b"more"].concat();
    assert!(matches!(checked(&longer, Some(&key)), Err(VerifyError::Hidden { .. })));
    // A link is no member, and would be unpacked all the same.
    let mut link = tar::header("evidence", 0, at(0)).unwrap();
    link[156] = b'2';
    link[148..156].copy_from_slice(b"        ");
    let sum: u32 = link.iter().map(|byte| u32::from(*byte)).sum();
    link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let linked = [link.as_slice(), &pack].concat();
    assert!(matches!(checked(&linked, Some(&key)), Err(VerifyError::Hidden { .. })));
    let more = [tar::header("more.txt", 0, at(0)).unwrap().as_slice(), &pack].concat();
    assert!(matches!(checked(&more, Some(&key)), Err(VerifyError::Unnamed(_))));
}

/// Whoever has the key can sign anything: what is proved and counted must still be so.
#[test]
fn a_signature_makes_nothing_true() {
    let check = |world: World, expect: &str| {
        let error = checked(&world.pack(), Some(&world.signer.verifier())).unwrap_err();
        let text = format!("{error}: {error:?}");
        assert!(text.contains(expect), "{expect}: {text}");
    };
    let counts = |touch| World { touch, ..World::new() };
    check(
        counts(|evidence| {
            if let Section::Summary(counts) = &mut evidence.sections[0] {
                counts.records -= 1;
            }
        }),
        "`summary`",
    );
    check(
        counts(|evidence| {
            if let Section::Routes(routes) = &mut evidence.sections[3] {
                routes.lines.pop();
            }
        }),
        "`routes`",
    );
    check(
        counts(|evidence| {
            evidence.sections.remove(1);
        }),
        "`minutes`",
    );
    check(
        counts(|evidence| {
            if let Section::Severances { lines } = &mut evidence.sections[2] {
                lines[0].records_by_minute[60] += 1;
            }
        }),
        "`severances`",
    );
    check(
        counts(|evidence| {
            if let Section::Severances { lines } = &mut evidence.sections[2] {
                lines[0].time = at(3_000);
            }
        }),
        "something else",
    );
    check(
        counts(|evidence| {
            if let Section::Events { lines, .. } = &mut evidence.sections[8] {
                lines[0].kind = "severed".into();
            }
        }),
        "something else",
    );
    check(counts(|evidence| evidence.sources.sealed[0].sha256 = "0".repeat(64)), "something else");
    check(counts(|evidence| evidence.sources.sealed[0].rows_counted += 1), "more or fewer");
    check(
        counts(|evidence| evidence.sources.sealed[0].proof = "events/00000000.json".into()),
        "something else",
    );
    check(counts(|evidence| evidence.sources.sealed[0].ranges = None), "no member");
    check(
        counts(|evidence| evidence.sources.sealed[0].member = Some("files/decisions.json".into())),
        "files/decisions.json",
    );
    check(counts(|evidence| evidence.sources.sealed.clear()), "summary");
    check(counts(|evidence| evidence.sources.unsealed_rows = 2), "more or fewer");
    check(counts(|evidence| evidence.ledger.size = 4), "checkpoint");
    check(counts(|evidence| evidence.vendor.id.0 = uuid::Uuid::nil()), "another vendor");
    check(counts(|evidence| evidence.window.to = at(1_800)), "outside");
    check(counts(|evidence| evidence.window.to = at(-600)), "before it begins");
    // A row that was changed, and one of somebody else that was put in.
    check(
        World {
            touch_leaf: |number, leaf| {
                if number == 8 {
                    String::from_utf8(leaf).unwrap().replacen("\"records\":8,", "\"records\":9,", 1).into()
                } else {
                    leaf
                }
            },
            ..World::new()
        },
        "lead to the root",
    );
    let mut foreign = World::new();
    foreign.unsealed_rows[0].0.vendor = None;
    check(foreign, "another vendor");
    let mut late = World::new();
    late.unsealed_rows[0].0 = decision(3_600, 1);
    check(late, "outside of the window");
}

/// Rows that stand in a sealed file are counted once, though their proof holds as often as it is shown.
#[test]
fn no_row_is_counted_twice() {
    let check = |world: World, expect: &str| {
        let error = checked(&world.pack(), Some(&world.signer.verifier())).unwrap_err();
        assert!(error.to_string().contains(expect), "{expect}: {error}");
    };
    let twice = "decisions-2026-11-18T09-0001.parquet` twice";
    check(World { sealed_twice: true, ..World::new() }, twice);
    // As the same part that has lost some rows, and as another part of the same event.
    let named = |touch| World { sealed_twice: true, touch, ..World::new() };
    check(
        named(|evidence| {
            let file = &mut evidence.sources.sealed[1].file;
            *file = file.replace(".parquet", "-r1.parquet");
        }),
        "-r1.parquet` twice",
    );
    check(
        named(|evidence| {
            let file = &mut evidence.sources.sealed[1].file;
            *file = file.replace("-0001", "-0002");
        }),
        "-0002.parquet` twice",
    );
    // Sealed twice in one file, next to each other and not.
    for (from, to) in [(8, 9), (8, 200)] {
        let mut world = World::new();
        world.sealed_rows.insert(to, world.sealed_rows[from].clone());
        check(world, "ids don't ascend");
    }
}

#[test]
fn a_pack_that_failed_says_why_and_verifies_as_nothing() {
    let writer = Writer::new(Vec::new(), at(0)).unwrap();
    let pack = writer.fail("the disk is on fire").unwrap();
    let error = checked(&pack, None).unwrap_err();
    assert!(matches!(&error, VerifyError::Failed(why) if why == "the disk is on fire"), "{error}");
    assert!(checked(b"", None).is_err());
    assert!(checked(&[0; 2_048], None).is_err());
}

proptest! {
    /// Nor does it take anything down, whatever it is.
    #[test]
    fn no_bytes_are_taken_for_a_pack(
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let world = World { sealed_rows: crate::world::rows(20), ..World::new() };
        let pack = world.pack();
        let key = world.signer.verifier();
        let cut = &pack[..cut.index(pack.len())];
        prop_assert!(checked(cut, Some(&key)).is_err());
        let at = at.index(pack.len());
        let mut changed = pack.clone();
        let end = changed.len().min(at + with.len());
        changed[at..end].copy_from_slice(&with[..end - at]);
        // What fills the last block of a member is nobody's.
        let in_members = members(&pack).iter().any(|(_, place)| {
            let whole = place.start - 512..place.end;
            (at..end).any(|byte| whole.contains(&byte) && changed[byte] != pack[byte])
        });
        if in_members {
            prop_assert!(checked(&changed, Some(&key)).is_err());
        }
    }
}
