//! Half-written, rotten and missing files: named, bounded, and the others are still read.

use portcullis_archive::{ArchiveError, Filter};
use proptest::prelude::*;

use crate::common::{World, some};

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let mut world = World::new();
    let decided = some(400, 2);
    let sealed = world.seal(&decided, &[]);
    std::fs::remove_file(world.path(&sealed[0])).unwrap();
    let found = world.archive.newest(&world.files, &Filter::default(), 1_000);
    assert_eq!(found.rows.len(), 200);
    assert_eq!(found.unreadable.len(), 1);
    assert_eq!(found.unreadable[0].file, sealed[0].file);
    assert!(found.unreadable[0].why.contains("is missing"), "{:?}", found.unreadable);
    assert!(matches!(world.archive.check(&sealed[0]), Err(ArchiveError::Missing { .. })));
    // Not found and can't look are two answers.
    assert!(world.archive.find(&world.files, decided[0].id).is_err());
    assert!(world.archive.find(&world.files, decided[399].id).unwrap().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of a file's bytes, it is found before anything is read from them.
    #[test]
    fn damage_is_found_and_never_a_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        more in 0..3_usize,
    ) {
        let mut world = World::new();
        let decided = some(120, 1);
        let sealed = world.seal(&decided, &[]).remove(0);
        let path = world.path(&sealed);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        for (at, flip) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(std::iter::repeat_n(0, more));
        prop_assume!(bytes != whole);
        std::fs::write(&path, &bytes).unwrap();
        // The same process has read it whole before, or another one never did.
        if more == 1 {
            world.forget();
        }
        let refused = world.archive.check(&sealed);
        prop_assert!(matches!(refused, Err(ArchiveError::Damaged { .. })), "{:?}", refused);
        let found = world.archive.newest(&world.files, &Filter::default(), 10);
        prop_assert!(found.rows.is_empty());
        prop_assert_eq!(found.unreadable.len(), 1);
        prop_assert!(world.archive.find(&world.files, decided[5].id).is_err());
        prop_assert!(world.archive.adopt(sealed.file.parse().unwrap()).is_err());
    }
}
