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
        "severed in ",
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
