//! Manifests: an error with a place, or declarations; bounded either way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_api::manifest::parse;

fuzz_target!(|text: &str| {
    // YAML ends lines with a carriage return alone, too.
    let breaks = |letter: char| matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = text.matches(breaks).count() as u64 + 1;
    if let Err(errors) = parse("fuzz.yaml", text) {
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|error| error.line >= 1 && error.line <= lines + 1), "{errors:?}");
    }
});
