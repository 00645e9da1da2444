//! A machine attests with the real program, its management says otherwise, and a restart knows both.

use std::time::Instant;

use serde_json::{Value, json};

use super::support::{Installation, PATIENCE, must, portcullis, serving};

/// Points that the machine's posture adds to the next request.
async fn next_request(directory: &std::path::Path, key: &str) -> Option<f64> {
    let (folder, key) = (directory.to_owned(), key.to_owned());
    // Beside this thread, on which the upstream answers.
    let call = move || {
        portcullis(&folder, &["call", "GET", "/records", "--client", "robot", "--key", &key, "--include"])
    };
    let (code, text) = tokio::task::spawn_blocking(call).await.unwrap();
    assert_eq!(code, Some(0), "{text}");
    let header = text.to_ascii_lowercase();
    let (_, id) = header.split_once("portcullis-decision: ").unwrap_or_else(|| panic!("{text}"));
    let id = id.lines().next().unwrap().trim().to_ascii_uppercase();
    let deadline = Instant::now() + PATIENCE;
    let explained: Value = loop {
        // Control hears of it a moment later.
        let (code, text) = portcullis(directory, &["explain", &id, "-o", "json"]);
        if code == Some(0) {
            break serde_json::from_str(&text).unwrap();
        }
        assert!(Instant::now() < deadline, "{text}");
    };
    let parts = explained["risk"]["parts"].as_array().unwrap_or_else(|| panic!("{explained}"));
    parts.iter().find(|part| part["signal"] == "machine_posture")?["points"].as_f64()
}

fn held(directory: &std::path::Path) -> Value {
    must(directory, &["describe", "client", "robot"])["posture"].clone()
}

#[tokio::test]
async fn a_machine_attests_its_management_says_otherwise_and_a_restart_knows_both() {
    let (folder, installation) = serving().await;
    let directory = installation.directory.clone();
    let keys = folder.path().join("keys");
    let keys = keys.to_str().unwrap();
    must(&directory, &["client", "enroll", "robot", "--integration", "acme-read", "--generate", keys]);
    let key = format!("{keys}/robot.pem");
    let attest =
        |more: &[&str]| portcullis(&directory, &[&["attest", "robot", "--key", &key], more].concat());
    // Not asked, it is taken all the same.
    let (code, text) = attest(&[]);
    assert_eq!((code, text.contains("client robot: not_asked")), (Some(0), true), "{text}");
    let rules = |posture: &str| {
        format!(
            "---\nkind: Integration\nname: acme-read\nspec: {{ contract: acme-contract, purpose: test, \
             routes: [records], scopes: [records.read], posture: {posture} }}\n"
        )
    };
    let program = format!("agent={}", env!("CARGO_BIN_EXE_portcullis"));
    let (code, text) = attest(&["--print", "--program", &program, "-o", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let printed: Value = serde_json::from_str(&text).unwrap();
    let software = printed["claims"]["software"].as_array().unwrap();
    let digest = software.iter().find(|found| found["name"] == "agent").unwrap()["sha256"].as_str().unwrap();
    assert!(printed["statement"].as_str().unwrap().split('.').count() == 3);
    installation.operator().must_apply(&rules(&format!("{{ software: {{ agent: [{digest}] }} }}"))).await;
    assert_eq!(
        held(&directory)["failing"],
        json!(["software/agent"]),
        "the rules hold for what was said before"
    );
    let (code, text) = attest(&["--program", &program]);
    assert_eq!((code, text.contains("client robot: good until")), (Some(0), true), "{text}");
    let now = held(&directory);
    assert_eq!(now["state"], "good", "{now}");
    let told = now["statement"]["software"].as_array().unwrap();
    assert!(told.iter().any(|program| program["sha256"] == digest), "{now}");
    let (code, text) = portcullis(&directory, &["describe", "client", "robot"]);
    assert!(code == Some(0) && text.contains("held       good") && text.contains(digest), "{text}");
    // The wrong program fails, and the exit status says so.
    let (code, text) = attest(&["--program", "agent=/bin/true"]);
    assert_eq!((code, text.contains("software/agent")), (Some(1), true), "{text}");
    assert_eq!(attest(&["--program", &program]).0, Some(0));
    // Another key than the client's is nobody's word.
    must(&directory, &["client", "enroll", "other", "--integration", "acme-read", "--generate", keys]);
    let other = format!("{keys}/other.pem");
    let (code, text) = portcullis(&directory, &["attest", "robot", "--key", &other]);
    assert_eq!((code, text.contains("posture_refused")), (Some(1), true), "{text}");
    assert!(next_request(&directory, &key).await.is_none_or(|points| points <= 0.0));
    let asked = Instant::now();
    let pushed = must(&directory, &["client", "posture", "robot", "failing", "--reason", "malware found"]);
    eprintln!("pushed, recorded and at the gate in {} ms", asked.elapsed().as_millis());
    assert_eq!((&pushed["posture"]["state"], &pushed["gates_behind"]), (&json!("failing"), &Value::Null));
    assert!(next_request(&directory, &key).await.is_some_and(|points| points > 0.0), "the very next one");
    assert_eq!(attest(&["--program", &program]).0, Some(1), "its own word doesn't lift it");
    let (code, _) = portcullis(&directory, &["client", "posture", "robot", "failing"]);
    assert_eq!(code, Some(2), "a reason is needed");
    installation.kill();
    let installation = Installation::start(&directory);
    let now = held(&directory);
    assert_eq!((&now["state"], &now["failing"]), (&json!("failing"), &json!(["pushed"])), "{now}");
    assert_eq!(now["pushed"]["reason"], "malware found");
    assert!(now["statement"]["software"].as_array().unwrap().len() > 1, "{now}");
    must(&directory, &["client", "posture", "robot", "none", "--reason", "clean again"]);
    assert_eq!(held(&directory)["state"], "good");
    installation.kill();
}
