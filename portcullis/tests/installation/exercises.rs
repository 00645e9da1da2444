//! Live exercises against a running installation: the canary is cut at the real gate, and every path tried again.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{Installation, must, portcullis};

const LIVE: [&str; 5] =
    ["malicious-update", "stolen-token", "sunday-notice", "control-lost", "wrong-command"];

fn with_canary(directory: &Path) -> Installation {
    let installation = Installation::start(directory);
    must(directory, &["exercise", "canary"]);
    // The first drill comes by itself.
    let until = Instant::now() + Duration::from_secs(60);
    while must(directory, &["exercise", "report"]) == serde_json::json!([]) {
        assert!(Instant::now() < until, "a new canary is not drilled");
    }
    installation
}

/// What a command prints as JSON, with its exit status; lines of progress stand before it.
fn run(directory: &Path, words: &[&str]) -> (Option<i32>, Value) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(words)
        .args(["-o", "json", "--dir"])
        .arg(directory)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (output.status.code(), answer)
}

#[test]
fn every_shipped_live_exercise_passes_and_the_canary_is_open_again() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let _installation = with_canary(&directory);
    for name in LIVE {
        let manifest = format!("{}/../core/exercise/scenarios/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let (code, text) = portcullis(&directory, &["apply", "-f", &manifest]);
        assert_eq!(code, Some(0), "{text}");
        let (code, done) = run(&directory, &["exercise", "run", name, "--live"]);
        assert_eq!((code, &done["passed"]), (Some(0), &Value::Bool(true)), "{name}: {done:#}");
        assert!(done["paths"].as_array().unwrap().len() >= 8, "{done:#}");
        let open = must(&directory, &["severances"]);
        assert_eq!(open["open"], serde_json::json!([]), "{name}");
    }
    let (code, drill) = run(&directory, &["exercise", "drill"]);
    assert_eq!((code, &drill["exercise"]), (Some(0), &Value::from("kill-drill")), "{drill:#}");
    let report = must(&directory, &["exercise", "report"]);
    assert_eq!(report.as_array().unwrap().len(), LIVE.len() + 1);
    // What the notice opened is closed again, as the rehearsal that it was.
    let incidents = must(&directory, &["incident", "list"]);
    let incidents = incidents.as_array().unwrap();
    assert!(incidents.iter().any(|incident| incident["exercise"] == "canary"), "{incidents:#?}");
    assert_eq!(must(&directory, &["incident", "list", "--open"]), serde_json::json!([]));
    let page = folder.path().join("report.html");
    let (code, text) = portcullis(&directory, &["exercise", "report", "--html", page.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(std::fs::read_to_string(page).unwrap().contains("Kill drill"));
}

#[test]
fn a_canary_that_a_person_has_severed_fails_the_drill_and_stays_closed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let _installation = with_canary(&directory);
    must(&directory, &["sever", "vendor/canary", "--reason", "it is abused"]);
    let (code, drill) = run(&directory, &["exercise", "drill"]);
    assert_eq!((code, &drill["grade"]), (Some(1), &Value::from("F")), "{drill:#}");
    assert!(drill["failures"][0].as_str().unwrap().contains("outside of an exercise"), "{drill:#}");
    assert_eq!(must(&directory, &["severances"])["open"].as_array().unwrap().len(), 1);
    // Its exit status tells that one is critical.
    let (_, findings) = run(&directory, &["findings"]);
    assert!(
        findings.as_array().unwrap().iter().any(|found| found["code"] == "kill_drill_failed"),
        "{findings:#}"
    );
}
