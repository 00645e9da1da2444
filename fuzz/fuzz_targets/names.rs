//! Two names: compared the same in either order, found by the index as by comparing; an LEI is read or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_assurance::lei::Lei;
use portcullis_assurance::names::{HOLDS, Name, compare_people};
use portcullis_assurance::screening::index::{Index, ListEntry};

fuzz_target!(|names: (String, String)| {
    let (first, second) = names;
    let (one, other) = (Name::of(&first), Name::of(&second));
    let score = one.score(&other);
    assert!(score <= 1_000 && score == other.score(&one) && one.compare(&other).score_thousandths == score);
    let entry = ListEntry { id: String::new(), names: vec![second.clone()], identifiers: Vec::new(), officers: Vec::new() };
    let found = Index::new(vec![entry]).expect("one name").named(&one);
    assert_eq!(!found.is_empty(), score >= HOLDS);
    assert_eq!(
        compare_people(&first, &second).score_thousandths,
        compare_people(&second, &first).score_thousandths
    );
    if let Ok(lei) = Lei::parse(&first) {
        assert_eq!(Lei::parse(lei.as_str()), Ok(lei.clone()));
    }
});
