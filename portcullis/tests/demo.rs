//! The demo is a promise: it ends well, in time, and shows what it says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn the_demo_shows_the_whole_loop_within_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["demo", "--exit", "--dir"])
            .arg(folder.path().join("demo"))
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        // Nothing comes between its lines on a terminal.
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        shown
    };
    let shown = run();
    for expected in [
        "ms after the end",
        "contract_not_in_force",
        "401 proof_missing",
        "401 proof_key",
        "an incomplete answer: 50000 records",
        "403 key_severed",
        "They are generated, not lived",
        "severed in ",
        "held at tier 1 by stop 8: breach noticed 31 hours after",
        "blocked at tier 1 by stop 12",
        "vendor_severed",
        " 0 errors",
        "each digest and the tree verified",
    ] {
        assert!(shown.contains(expected), "`{expected}` is not in:\n{shown}");
    }
    // Each line that passed, was refused or cut names its decision.
    let decisions = shown.lines().filter(|line| {
        line.split_whitespace().last().is_some_and(|word| word.len() == 26 && word.starts_with("01"))
    });
    assert!(decisions.count() >= 15, "{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
        assert!(!line.contains(['\u{1b}', '\r']), "not for a pipe: {line:?}");
    }
    exception_turns_thirty(&scene(&shown, 4));
    caught_proofs(&scene(&shown, 6));
    stolen_key(&scene(&shown, 7));
    // A second one replaces the folder of the first, and only because a demo made it.
    run();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["demo", "--exit", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(folder.path().join("mine").exists());
}

/// The lines of one scene.
fn scene(shown: &str, number: u8) -> Vec<&str> {
    let begins = |number: u8| {
        let sign = format!("{number}  ");
        move |line: &&str| line.starts_with(&sign)
    };
    let lines: Vec<_> = shown.lines().skip_while(|line| !begins(number)(line)).collect();
    assert!(!lines.is_empty(), "no scene {number} in:\n{shown}");
    lines.into_iter().take_while(|line| !begins(number + 1)(line)).collect()
}

/// What was said to whom: the sign and the words of each of its lines.
fn said<'a>(scene: &[&'a str], who: &str) -> Vec<(&'a str, &'a str)> {
    let parted = scene.iter().filter_map(|line| line.trim_start().split_once(' '));
    parted.filter(|(_, words)| words.trim_start().starts_with(who)).collect()
}

/// What the dossiers say stands in front of it: refused by the clock alone, and let in again within a second.
fn exception_turns_thirty(scene: &[&str]) {
    let words = scene.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "vulnerability HA-CC7.1-4 of `SOC 2 Type II report` open 29 days",
        "an injected clock. It is set forward by 61 seconds",
        "it is told: critical vulnerability HA-CC7.1-4 of `SOC 2 Type II report` open 30 days",
        "the vendor mends it and shows that, or states why it isn't affected (VEX)",
    ] {
        assert!(words.contains(expected), "`{expected}` is not in {scene:#?}");
    }
    let said = said(scene, "harrowfield");
    let signs: Vec<&str> =
        said.iter().map(|(sign, _)| *sign).filter(|sign| !sign.contains("harrow")).collect();
    assert_eq!(signs, ["limit", "deny", "limit", "pass"], "{scene:#?}");
    assert!(said.iter().any(|(_, words)| words.contains("403 stop_vulnerability")), "{scene:#?}");
    let took: Vec<u64> = said
        .iter()
        .filter_map(|(_, words)| {
            words.split_once("a request passes ")?.1.split_once(" ms later")?.0.parse().ok()
        })
        .collect();
    assert!(took.len() == 2 && took.iter().all(|milliseconds| *milliseconds < 1_000), "{scene:#?}");
}

/// Challenged at the first request, severed by a wrong answer, and nobody else is disturbed.
fn caught_proofs(scene: &[&str]) {
    let thief = said(scene, "thief");
    let reasons: Vec<_> =
        thief.iter().filter_map(|(sign, words)| Some((*sign, words.split(": ").nth(1)?))).collect();
    let expected = [
        ("ask", "401 challenge_new_context"),
        ("ask", "401 challenge_open"),
        ("cut", "403 challenge_failed"),
        ("deny", "403 session_severed"),
    ];
    assert_eq!(reasons.len(), expected.len(), "{scene:#?}");
    for ((sign, reason), (expected_sign, expected)) in reasons.iter().zip(expected) {
        assert!(*sign == expected_sign && reason.starts_with(expected), "{scene:#?}");
    }
    assert!(said(scene, "northgale").iter().any(|(_, words)| words.contains(" 0 errors")), "{scene:#?}");
}

/// Challenged at the first request, on probation, narrowed, paged, severed; its evidence only grows.
fn stolen_key(scene: &[&str]) {
    let thief = said(scene, "thief");
    let place = |of: &dyn Fn(&(&str, &str)) -> bool| thief.iter().position(of);
    assert_eq!(
        place(&|(sign, words)| *sign == "ask" && words.contains("challenge_new_context")),
        Some(0),
        "{scene:#?}"
    );
    let narrowed = place(&|(sign, words)| *sign == "limit" && !words.contains("  0  ")).unwrap();
    let severed = place(&|(sign, _)| *sign == "cut").unwrap();
    assert!(narrowed < severed, "{scene:#?}");
    let paged = scene.iter().position(|line| line.contains("an analyst is paged: finding `risk_paged`"));
    let cut = scene.iter().position(|line| line.trim_start().starts_with("cut "));
    assert!(paged.is_some() && paged < cut, "{scene:#?}");
    assert!(thief.last().unwrap().1.contains("403 session_severed"), "{scene:#?}");
    let evidence: Vec<u32> = thief
        .iter()
        .filter_map(|(_, words)| words.split_once("V ")?.1.split_whitespace().nth(1)?.parse().ok())
        .collect();
    assert!(evidence.len() >= 5 && evidence.is_sorted() && evidence.first() < evidence.last(), "{scene:#?}");
    assert!(scene.iter().any(|line| line.contains("on probation, with a tenth of the budget")), "{scene:#?}");
    assert!(said(scene, "larkhill").iter().any(|(_, words)| words.contains(" 0 errors")), "{scene:#?}");
}
