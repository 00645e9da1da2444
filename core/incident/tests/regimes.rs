//! Files of clocks: those that are shipped, and those that are wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use portcullis_incident::regime::{self, Regime, SHIPPED, Taken, Within, read};

fn shipped(id: &str) -> Regime {
    let (file, text) = SHIPPED.iter().find(|(file, _)| *file == format!("{id}.yaml")).unwrap();
    read(file, text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_shipped_file_is_sound_and_named_after_its_id() {
    for (file, text) in SHIPPED {
        let regime = read(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(*file, format!("{}.yaml", regime.id));
        assert!(!text.contains("http"), "{file} names a source that may move");
        let again: Regime = serde_json::from_value(serde_json::to_value(&regime).unwrap()).unwrap();
        assert_eq!(again, regime, "an incident keeps it as it is");
    }
    assert_eq!(SHIPPED.len(), 8);
}

#[test]
fn each_stage_gives_what_its_text_gives() {
    for (regime, stage, starts, within) in [
        ("vendor-notice", "notice", Some("vendor_aware"), Within::Hours(24)),
        ("gdpr-33", "authority", Some("we_aware"), Within::Hours(72)),
        ("hipaa-breach", "business-associate", Some("vendor_aware"), Within::Days(60)),
        ("hipaa-breach", "individuals", Some("we_aware"), Within::Days(60)),
        ("us-bank-36h", "regulator", Some("determined_notifiable"), Within::Hours(36)),
        ("sec-8k", "form-8k", Some("determined_material"), Within::BusinessDays(4)),
        ("california-1798-82", "residents", Some("we_aware"), Within::Days(30)),
        ("california-1798-82", "attorney-general", None, Within::Days(15)),
        ("nis2-23", "early-warning", Some("we_aware"), Within::Hours(24)),
        ("nis2-23", "notification", Some("we_aware"), Within::Hours(72)),
        ("nis2-23", "final-report", None, Within::Months(1)),
        ("dora-19", "initial", Some("classified_major"), Within::Hours(4)),
        ("dora-19", "intermediate", None, Within::Hours(72)),
        ("dora-19", "final", None, Within::Months(1)),
    ] {
        let regime = shipped(regime);
        let found = regime.stage(stage).unwrap_or_else(|| panic!("{stage}"));
        assert_eq!(found.starts.as_ref().map(|moment| moment.as_str()), starts, "{stage}");
        assert_eq!(found.within, within, "{stage}");
    }
    let dora = shipped("dora-19");
    let most = dora.stage("initial").unwrap().at_most.as_ref().unwrap();
    assert_eq!((most.after.as_str(), most.within), ("we_aware", Within::Hours(24)));
}

#[test]
fn a_wrong_file_is_named_with_the_line_of_what_is_wrong() {
    let good = "id: own-rule
title: Our own rule
basis: { kind: policy, citation: Handbook 4, source: Handbook }
in_force: 2026-01-01
applies_to: us
zone: Europe/Berlin
stages:
  - id: first
    title: Call
    recipient: the board
    starts: we_aware
    within: { hours: 2 }
  - id: second
    title: Report
    recipient: the board
    follows: first
    within: { business_days: 3 }
    by: \"12:00:00\"
";
    read("own.yaml", good).unwrap();
    for (old, new, line, says) in [
        ("id: own-rule", "id: Own Rule", 1, "is no id"),
        ("title: Our own rule", "title: ''", 2, "empty"),
        ("kind: policy", "kind: rumour", 3, "rumour"),
        ("2026-01-01", "2026-13-01", 4, ""),
        ("Europe/Berlin", "Europe/Atlantis", 6, "no time zone"),
        ("starts: we_aware", "starts: We Aware", 11, "no name of a moment"),
        ("hours: 2", "hours: 0", 8, "0 hours"),
        ("hours: 2", "fortnights: 2", 12, ""),
        ("follows: first", "follows: third", 13, "isn't above it"),
        ("id: second", "id: first", 13, "twice"),
        ("    follows: first\n", "", 13, "either `starts` or `follows`"),
        ("business_days: 3", "hours: 3", 13, "no time of day ends those"),
        ("applies_to: us", "applies_to: us\nlink: x", 6, "link"),
        ("kind: policy", "kind: [", 3, ""),
    ] {
        let text = good.replacen(old, new, 1);
        assert_ne!(text, good);
        let error = read("own.yaml", &text).expect_err(new);
        let said = error.to_string();
        assert!(said.contains(says) && said.contains("hint: "), "{new}: {said}");
        assert!(said.starts_with("own.yaml:"), "{said}");
        // The parser names a place near the one that is meant where a text is no YAML at all.
        assert!(error.line.abs_diff(line) <= 2, "{new}: line {}, and not {line}: {said}", error.line);
    }
    let (before, _) = good.split_once("stages:").unwrap();
    let error = read("own.yaml", &format!("{before}stages: []\n")).unwrap_err();
    assert!(error.message.contains("1 to 12 stages"), "{error}");
    assert!(read("big.yaml", &"#".repeat(70_000)).unwrap_err().message.contains("bytes"));
}

#[test]
fn of_two_texts_of_one_law_the_newest_in_force_counts() {
    let dated = |day: &str, until: Option<&str>, title: &str| {
        let mut regime = shipped("california-1798-82");
        regime.in_force = day.parse().unwrap();
        regime.until = until.map(|day| day.parse().unwrap());
        regime.title = title.to_owned();
        Taken { regime, sha256: title.to_owned() }
    };
    let all = [
        dated("2026-01-01", None, "amended"),
        dated("2003-07-01", Some("2025-12-31"), "before"),
        dated("2030-01-01", None, "to come"),
        dated("2026-01-01", None, "our own"),
    ];
    let on = |day: &str| {
        let chosen = regime::in_force(&all, day.parse().unwrap());
        chosen.into_iter().map(|taken| taken.sha256).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(on("2025-12-31"), "before");
    assert_eq!(on("2026-01-01"), "our own", "the later file of the same day");
    assert_eq!(on("2031-01-01"), "to come");
    assert_eq!(on("2001-01-01"), "");
}
