//! Backup and restoration: the same ledger, the same proofs, and nothing revived that somebody still knows to be closed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::ledger::{grow, must, portcullis, refused};
use crate::support::{Installation, Machine, Operator, route, upstream, vendor};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A key for backups in `folder`, and its recipient.
fn key(folder: &Path) -> (String, String) {
    let file = folder.join("backup.key");
    let recipient = must(&folder.join("none"), &["backup", "key", path(&file)]).trim().to_owned();
    (path(&file).to_owned(), recipient)
}

/// An installation with a vendor whose machine gets through.
async fn populated(directory: &Path) -> (Installation, Operator, Machine) {
    let installation = Installation::start(directory);
    let operator = installation.operator();
    let machine = Machine::new(&installation, "acme-machine");
    let manifests = [route(upstream().await), vendor("acme", "2099-12-31"), machine.manifest("acme-read")];
    operator.must_apply(&manifests.join("\n---\n")).await;
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    (installation, operator, machine)
}

/// The administrator's token is in no backup: they have it.
fn hand_over_token(from: &Path, to: &Path) {
    std::fs::copy(from.join("admin.token"), to.join("admin.token")).unwrap();
}

fn head(directory: &Path) -> Value {
    serde_json::from_str(&must(directory, &["ledger", "head", "-o", "json"])).unwrap()
}

fn kinds(directory: &Path, from: u64) -> Vec<String> {
    let export = directory.with_extension("export");
    let _ = std::fs::remove_dir_all(&export);
    must(directory, &["ledger", "export", path(&export)]);
    let files = walk(&export.join("payload"));
    let lines = files.iter().flat_map(|file| {
        std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
    events[usize::try_from(from).unwrap()..]
        .iter()
        .map(|event| match event["cause"]["by"].as_str() {
            Some(by) => format!("{} by {by}", event["event"].as_str().unwrap()),
            None => event["event"].as_str().unwrap().to_owned(),
        })
        .collect()
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path] }
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_backup_on_an_empty_machine_has_the_same_head_and_proofs_and_the_severed_stay_severed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let (installation, operator, machine) = populated(&directory).await;
    let old_token = machine.must_token().await;
    let severed =
        operator.post("/v1/sever", serde_json::json!({ "target": "vendor/acme", "reason": "theft" })).await;
    assert_eq!(severed.unwrap().0, 200);
    let (identity, recipient) = key(folder.path());
    let file = folder.path().join("monday.backup");
    let before = head(&directory);
    let proof = folder.path().join("3.json");
    must(&directory, &["ledger", "prove", "3", "--file", path(&proof)]);
    // While it runs.
    must(&directory, &["backup", "create", path(&file), "--recipient", &recipient]);
    assert!(must(&directory, &["backup", "verify", path(&file), "--identity", &identity]).contains("whole"));
    let words = refused(&directory, &["backup", "create", path(&file), "--recipient", &recipient]);
    assert!(words.contains("is there already"), "{words}");
    let raw = std::fs::read(&file).unwrap();
    assert!(!raw.windows(4).any(|window| window == b"acme"), "it is encrypted");
    installation.kill();

    // "Another machine": the first one is gone but for the administrator's token.
    let gone = folder.path().join("gone");
    std::fs::rename(&directory, &gone).unwrap();
    must(&directory, &["backup", "restore", path(&file), "--identity", &identity]);
    hand_over_token(&gone, &directory);
    let _again = Installation::start(&directory);
    let after = head(&directory);
    let size = before["size"].as_u64().unwrap();
    assert_eq!(after["restored"]["size"], size);
    assert_eq!(after["key"], before["key"]);
    let note = folder.path().join("before.checkpoint");
    std::fs::write(&note, before["checkpoint"].as_str().unwrap()).unwrap();
    let told = must(&directory, &["ledger", "verify", "--against", path(&note)]);
    assert!(told.contains(&format!("the {size} events")), "{told}");
    let again = folder.path().join("3-again.json");
    must(&directory, &["ledger", "prove", "3", "--file", path(&again)]);
    let envelope = |file: &Path| -> Value {
        serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap()["envelope"].clone()
    };
    assert_eq!(envelope(&proof), envelope(&again));
    for file in [&proof, &again] {
        must(&directory, &["ledger", "verify-proof", path(file), "--key", after["key"].as_str().unwrap()]);
    }
    assert_eq!(kinds(&directory, size)[0], "restored_from_backup");
    assert!(must(&directory, &["ledger", "head"]).contains("restored on "));
    // The vendor is severed, and tokens of before are dead besides.
    assert_ne!(machine.token().await.unwrap().0, 200);
    assert_eq!(machine.get("/records", &old_token).await.unwrap().status(), 401);
    assert!(must(&directory, &["severances"]).contains("vendor/acme"));
    let doctor = portcullis(&directory, &["doctor"]).stdout;
    assert!(String::from_utf8(doctor).unwrap().contains("restored on "));
}

#[tokio::test]
async fn what_was_severed_after_the_backup_stays_severed_where_the_gate_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let (installation, operator, machine) = populated(&directory).await;
    let (identity, recipient) = key(folder.path());
    let file = folder.path().join("monday.backup");
    must(&directory, &["backup", "create", path(&file), "--recipient", &recipient]);
    let size = head(&directory)["size"].as_u64().unwrap();
    let old_token = machine.must_token().await;
    let (status, receipt) = operator
        .post("/v1/sever", serde_json::json!({ "target": "vendor/acme", "reason": "theft" }))
        .await
        .unwrap();
    assert_eq!(status, 200, "{receipt}");
    let words =
        refused(&directory, &["backup", "restore", path(&file), "--identity", &identity, "--force-over"]);
    assert!(words.contains("is used by process"), "{words}");
    // The memory is written behind the answer.
    let memory = directory.join("gate-memory/memory.json");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !std::fs::read_to_string(&memory).is_ok_and(|text| text.contains("vendor")) {
        assert!(std::time::Instant::now() < deadline);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    installation.kill();

    let words = refused(&directory, &["backup", "restore", path(&file), "--identity", &identity]);
    assert!(words.contains("--force-over"), "{words}");
    must(&directory, &["backup", "restore", path(&file), "--identity", &identity, "--force-over"]);
    hand_over_token(&directory.with_extension("before-restore"), &directory);
    let again = Installation::start(&directory);
    assert_ne!(machine.token().await.unwrap().0, 200);
    assert_eq!(machine.get("/records", &old_token).await.unwrap().status(), 401);
    let told = must(&directory, &["severances"]);
    assert!(told.contains("vendor/acme") && told.contains("remembered by gate"), "{told}");
    let kinds = kinds(&directory, size);
    assert_eq!(kinds[0], "restored_from_backup");
    assert!(kinds.contains(&"severed by gate_memory".to_owned()), "{kinds:?}");
    let restored = head(&directory)["restored"].clone();
    assert!(restored["known_later"].as_u64().unwrap() > size, "{restored}");
    assert!(must(&directory, &["ledger", "verify"]).contains("GOOD"));
    let log = std::fs::read_to_string(directory.with_extension("log")).unwrap();
    assert!(log.contains("restored from a backup") && log.contains("a gate remembers"), "{log}");
    again.kill();

    // Once is enough: the next start finds the ledger to know it.
    let size = {
        let _third = Installation::start(&directory);
        head(&directory)["size"].as_u64().unwrap()
    };
    let _fourth = Installation::start(&directory);
    assert_eq!(head(&directory)["size"].as_u64().unwrap(), size);
}

fn tunnel(name: &str, ipsec: Value) -> String {
    let remote = if name == "main" { "10.30.0.0/28" } else { "10.32.0.0/28" };
    let spec = serde_json::json!({
        "integration": "acme-read", "local_networks": ["10.20.0.5/32"], "remote_networks": [remote], "ipsec": ipsec,
    });
    serde_json::json!({ "kind": "Tunnel", "name": name, "spec": spec }).to_string()
}

fn json_of(directory: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&must(directory, &[words, &["-o", "json"]].concat())).unwrap()
}

#[tokio::test]
async fn a_backup_holds_credentials_of_tunnels_and_envelopes_and_revives_no_person_who_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let (installation, operator, _) = populated(&directory).await;
    let gateway = serde_json::json!({
        "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example",
        "authentication": "psk",
    });
    let people = serde_json::json!({ "local_identity": "gate.example.com", "people": true });
    operator.must_apply(&[tunnel("main", gateway), tunnel("people", people)].join("\n---\n")).await;
    must(&directory, &["tunnel", "credentials", "main"]);
    for person in ["Jo Doe", "Kim Roe"] {
        must(&directory, &["tunnel", "person", "add", "people", person, "--days", "7"]);
    }
    let envelope = must(&directory, &["break-glass", "seal", "night-shift"]).trim().to_owned();
    let render = |to: &str| {
        let out = folder.path().join(to);
        must(
            &directory,
            &["tunnel", "render", "main", "--with-secrets", "--side", "vendor", "--out", path(&out)],
        );
        std::fs::read_to_string(out.join("vendor/conf.d/main.conf")).unwrap()
    };
    let (identity, recipient) = key(folder.path());
    let file = folder.path().join("monday.backup");
    must(&directory, &["backup", "create", path(&file), "--recipient", &recipient]);
    let secret = render("before");
    must(&directory, &["tunnel", "person", "revoke", "people", "Jo Doe", "--reason", "left"]);
    installation.kill();
    must(&directory, &["backup", "restore", path(&file), "--identity", &identity, "--force-over"]);
    hand_over_token(&directory.with_extension("before-restore"), &directory);
    let _again = Installation::start(&directory);
    let main = json_of(&directory, &["tunnel", "show", "main"]);
    assert_eq!((&main["open"], render("after")), (&Value::from(true), secret), "{main}");
    let people = json_of(&directory, &["tunnel", "show", "people"]);
    let open: Vec<_> = people["people"].as_array().unwrap().iter().map(|of| of["open"].as_bool()).collect();
    assert_eq!(open.iter().filter(|open| **open == Some(true)).count(), 1, "Jo has left: {people}");
    // The envelope that lies in a safe opens the restored installation, too.
    let severed = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["sever", "vendor/acme", "--reason", "theft", "--dir"])
        .arg(&directory)
        .env("PORTCULLIS_TOKEN", &envelope)
        .output()
        .unwrap();
    assert!(severed.status.success(), "{}", String::from_utf8_lossy(&severed.stderr));
    let main = json_of(&directory, &["tunnel", "show", "main"]);
    assert_eq!(main["closed_by"], "severance", "{main}");
}

#[test]
fn a_backup_says_which_master_key_it_needs_and_whether_it_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = key(folder.path());
    let file = folder.path().join("own.backup");
    let own = folder.path().join("own");
    Installation::start(&own).kill();
    let written = must(&own, &["backup", "create", path(&file), "--recipient", &recipient]);
    assert!(written.contains("the folder's own, lies in it"), "{written}");
    let target = folder.path().join("own-again");
    must(&target, &["backup", "restore", path(&file), "--identity", &identity]);
    assert!(target.join("keys/master.key").exists() && !target.join("metrics.token").exists());
    Installation::start(&target).kill();

    let master = folder.path().join("outside.key");
    must(&own, &["keys", "new-master", path(&master)]);
    let data = folder.path().join("data");
    Installation::try_start(&data, &["--master-key-file", path(&master)]).unwrap().kill();
    let sealed: Value =
        serde_json::from_slice(&std::fs::read(data.join("keys/checkpoint.pem")).unwrap()).unwrap();
    let id = sealed["wraps"][0]["master"].as_str().unwrap();
    let file = folder.path().join("outside.backup");
    let target = folder.path().join("data-again");
    for arguments in [
        ["create", path(&file), "--recipient", &recipient],
        ["verify", path(&file), "--identity", &identity],
        ["restore", path(&file), "--identity", &identity],
    ] {
        let directory = if arguments[0] == "restore" { &target } else { &data };
        let told = must(directory, &[&["backup"], arguments.as_slice()].concat());
        assert!(told.contains(&format!("`{id}` is needed and does not lie in it")), "{told}");
    }
    let manifest = must(&data, &["backup", "verify", path(&file), "--identity", &identity, "-o", "json"]);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["master_key"], serde_json::json!({ "id": id, "included": false }));
    assert!(Installation::try_start(&target, &[]).is_err());
    Installation::try_start(&target, &["--master-key-file", path(&master)]).unwrap().kill();
}

#[tokio::test]
async fn a_damaged_ledger_is_named_and_a_damaged_backup_restores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    Installation::start(&directory).kill();
    // What lies in the log beside the file goes into it.
    grow(&directory, 0).await;
    let (identity, recipient) = key(folder.path());
    let file = folder.path().join("good.backup");
    must(&directory, &["backup", "create", path(&file), "--recipient", &recipient]);

    // A backup that was cut, changed, or made for somebody else.
    let good = std::fs::read(&file).unwrap();
    let bad = folder.path().join("bad.backup");
    let target = folder.path().join("target");
    let middle = good.len() / 2;
    let mut changed = good.clone();
    changed[middle] ^= 1;
    for bytes in [&good[..middle], &good[..good.len() - 1], &changed[..], &good[..10], &[]] {
        std::fs::write(&bad, bytes).unwrap();
        let words = refused(&target, &["backup", "restore", path(&bad), "--identity", &identity]);
        assert!(words.contains("bad.backup"), "{words}");
        assert!(!target.exists() && !folder.path().join("target.restoring").exists());
        refused(&target, &["backup", "verify", path(&bad), "--identity", &identity]);
    }
    let other = folder.path().join("other.key");
    must(&directory, &["backup", "key", path(&other)]);
    let words = refused(&target, &["backup", "restore", path(&file), "--identity", path(&other)]);
    assert!(words.contains("it was made for"), "{words}");

    // A page of the ledger's file.
    let ledger = directory.join("ledger.sqlite");
    let before = std::fs::read(&ledger).unwrap();
    let place = before.windows(12).position(|window| window == b"payload_sha2").unwrap();
    for (at, byte) in [(place, b'P'), (4_096, 0xff)] {
        let mut page = before.clone();
        page[at] = byte;
        std::fs::write(&ledger, &page).unwrap();
        let out = folder.path().join("never.backup");
        let words = refused(&directory, &["backup", "create", path(&out), "--recipient", &recipient]);
        assert!(
            words.contains("damaged") || words.contains("malformed") || words.contains("ledger.sqlite"),
            "{words}"
        );
        assert!(!out.exists() && !directory.join(".backup-part").exists(), "{words}");
    }
    std::fs::write(&ledger, before).unwrap();
    let again = folder.path().join("again.backup");
    must(
        &directory,
        &["backup", "create", path(&again), "--recipient", &recipient, "--without-subject-keys"],
    );
    must(&target, &["backup", "restore", path(&again), "--identity", &identity]);
    assert!(!target.join("subject_keys.sqlite").exists());
    let listed = Command::new("ls").arg("-A").arg(&target).output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("restored.json"));
}
