//! Secrets at rest under a master key: another one, a wrong one, none.

use std::path::Path;

use serde_json::json;

use crate::support::{Installation, Machine, portcullis, route, upstream, vendor};

fn start(directory: &Path, master: &Path) -> Result<Installation, String> {
    Installation::try_start(directory, &["--master-key-file", master.to_str().unwrap()])
}

/// Everything under `keys`, by what it holds.
fn holds(directory: &Path, words: &str) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [directory.join("keys"), directory.join("keys/signing")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(words) {
                found.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn keys_are_sealed_and_sealed_anew_by_another_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let address = upstream().await;
    let operator = installation.operator();
    operator.must_apply(&(route(address) + &vendor("acme", "2099-01-01"))).await;
    let machine = Machine::new(&installation, "machine");
    operator.must_apply(&machine.manifest("acme-read")).await;
    let token = machine.must_token().await;
    assert_eq!(holds(&directory, "PRIVATE KEY"), Vec::<String>::new());
    let sealed = holds(&directory, "\"sealed\":1");
    for name in ["ca.key", "gate.key", "control.key", "checkpoint.pem", "subjects.key"] {
        assert!(sealed.iter().any(|file| file == name), "{name}: {sealed:?}");
    }
    let (_, words) = portcullis(&directory, &["doctor"]);
    assert!(words.contains("lies beside what it protects"), "{words}");

    let master = folder.path().join("master");
    let made = portcullis(&directory, &["keys", "new-master", master.to_str().unwrap()]);
    assert_eq!(made.0, Some(0), "{}", made.1);
    let rewrap = ["keys", "rewrap", "--new-master-key-file", master.to_str().unwrap()];
    let (code, words) = portcullis(&directory, &rewrap);
    assert!(code == Some(1) && words.contains("hint: "), "it runs: {words}");
    installation.kill();
    let (code, words) = portcullis(&directory, &rewrap);
    assert!(code == Some(0) && words.contains("are sealed by"), "{words}");
    assert!(!directory.join("keys/master.key").exists());

    let missing = Installation::try_start(&directory, &[]).err().unwrap();
    assert!(
        missing.contains("the master key is not there") && missing.contains("proofs verify"),
        "{missing}"
    );
    let installation = start(&directory, &master).unwrap();
    // The same keys as before: what was issued holds.
    let machine = machine.again(&installation);
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let (_, words) = portcullis(&directory, &["doctor"]);
    assert!(!words.contains("lies beside"), "{words}");
    drop(installation);
}

#[tokio::test]
async fn a_lost_master_key_is_told_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let address = upstream().await;
    let operator = installation.operator();
    operator.must_apply(&(route(address) + &vendor("acme", "2099-01-01"))).await;
    let named = json!({ "kind": "Vendor", "name": "acme", "spec": { "legal_name": "acme Ltd",
        "contacts": [{ "name": "Ann Onymous", "email": "ann@acme.example" }] } });
    operator.must_apply(&named.to_string()).await;
    let machine = Machine::new(&installation, "machine");
    operator.must_apply(&machine.manifest("acme-read")).await;
    let token = machine.must_token().await;
    installation.kill();

    std::fs::remove_file(directory.join("keys/master.key")).unwrap();
    let told = Installation::try_start(&directory, &[]).err().unwrap();
    for part in ["the master key is not there", "every client must get a new token", "replace-lost"] {
        assert!(told.contains(part), "{told}");
    }
    let (code, words) = portcullis(&directory, &["keys", "replace-lost"]);
    assert!(code == Some(1) && words.contains("can't be undone"), "{words}");
    let (code, words) = portcullis(&directory, &["keys", "replace-lost", "--confirm"]);
    assert!(code == Some(0) && words.contains("checkpoint.pem") && words.contains("signing/"), "{words}");
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    let (_, report) = operator.post("/v1/ledger/verify", json!({})).await.unwrap();
    assert_eq!(report["good"], true, "{report}");
    let (_, acme) = operator.get("/v1/resources/vendor/acme").await;
    assert!(!acme.to_string().contains("Ann Onymous"), "{acme}");
    assert_eq!(acme["spec"]["legal_name"], "acme Ltd");
    // The machine must trust the new authority, and get a new token; its own certificate is the same.
    let machine = machine.again(&installation);
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 401);
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let (_, keys) = operator.get("/v1/keys").await;
    assert_eq!(keys["signing"][1]["stage"], "withdrawn", "{keys}");
    let (code, words) = portcullis(&directory, &["keys", "replace-lost", "--confirm"]);
    assert!(code == Some(1) && words.contains("hint: "), "it runs: {words}");
    installation.kill();
    let (code, words) = portcullis(&directory, &["keys", "replace-lost", "--confirm"]);
    assert!(code == Some(1) && words.contains("nothing is lost"), "{words}");
    // What was recorded is recorded once.
    drop(Installation::start(&directory));
}
