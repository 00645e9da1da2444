//! A segment of the decision log that vanishes: named at the next start, everywhere, until somebody says that it is known.

use std::path::{Path, PathBuf};

use portcullis_decision_log::unsealed;
use serde_json::Value;

use crate::ledger::{must, refused};
use crate::support::{Installation, Machine, route, upstream, vendor};

#[tokio::test]
async fn a_segment_that_vanishes_between_two_runs_is_named_until_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let machine = Machine::new(&installation, "acme-machine");
    let manifests = [route(upstream().await), vendor("acme", "2099-12-31"), machine.manifest("acme-read")];
    installation.operator().must_apply(&manifests.join("\n---\n")).await;
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let verified = verify(&must(&directory, &["decisions", "verify", "-o", "json"]));
    assert_eq!((&verified["good"], &verified["missing_segments"]), (&true.into(), &Value::Null));
    installation.kill();

    // Between the runs somebody takes a segment away, and nothing else.
    let taken = with_decisions(&directory.join("decisions"));
    let file = taken.file_name().unwrap().to_str().unwrap().to_owned();
    let copy = folder.path().join("copy");
    std::fs::rename(&taken, &copy).unwrap();
    assert!(refused(&directory, &["doctor"]).contains(&file), "it is named before the next start already");
    for _ in 0..2 {
        let installation = Installation::start(&directory);
        assert!(
            installation.log().contains("a segment of the decision log is missing"),
            "{}",
            installation.log()
        );
        let told = refused(&directory, &["decisions", "verify", "-o", "json"]);
        let told = verify(told.split("\nhint: ").next().unwrap());
        assert_eq!(told["good"], false, "{told}");
        assert_eq!(told["missing_segments"][0]["file"], *file, "{told}");
        let [since, until] = ["since", "until"].map(|end| &told["missing_segments"][0][end]);
        let [since, until] =
            [since, until].map(|time| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
        assert!(since < until && until <= jiff::Timestamp::now(), "{told}");
        let doctor = refused(&directory, &["doctor"]);
        assert!(doctor.contains(&format!("`{file}` is missing: decisions of core")), "{doctor}");
        let (_, findings) = installation.operator().get("/v1/findings").await;
        assert_eq!(findings[0]["code"], "segment_missing", "{findings}");
        assert!(findings[0]["message"].as_str().unwrap().contains(&file), "{findings}");
        installation.kill();
    }

    // What comes back is missing no more; what stays away is, until somebody knows about it.
    std::fs::rename(&copy, &taken).unwrap();
    let installation = Installation::start(&directory);
    must(&directory, &["decisions", "verify"]);
    installation.kill();
    std::fs::remove_file(&taken).unwrap();
    let installation = Installation::start(&directory);
    refused(&directory, &["decisions", "verify"]);
    must(&directory, &["decisions", "verify", "--acknowledge-missing"]);
    let told = verify(&must(&directory, &["decisions", "verify", "-o", "json"]));
    assert_eq!(told["good"], true, "{told}");
    let (_, findings) = installation.operator().get("/v1/findings").await;
    assert!(!findings.to_string().contains("segment_missing"), "{findings}");
    // What is sealed goes as it should.
    must(&directory, &["decisions", "seal"]);
    installation.kill();
    let _installation = Installation::start(&directory);
    must(&directory, &["decisions", "verify"]);
}

fn verify(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A segment with decisions that are in no sealed file.
fn with_decisions(log: &Path) -> PathBuf {
    let with_decisions = unsealed(log).unwrap().into_iter().find(|segment| {
        let mut frames = 0;
        segment.visit(|_| frames += 1).unwrap();
        frames > 0
    });
    with_decisions.expect("there is no decision in any segment").path
}
