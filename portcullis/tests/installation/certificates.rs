//! The built-in authority: what it issues is good for its use, is renewed hot, and can be taken back.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Installation, Machine, must, portcullis, serving};

fn named(list: &Value, kind: &str, name: &str) -> Value {
    let certificates = list["certificates"].as_array().unwrap();
    let found = certificates.iter().find(|found| found["kind"] == kind && found["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name} in {list}")).clone()
}

/// `openssl verify`, with the authority's own files.
fn verify(directory: &std::path::Path, purpose: &str, intermediate: &str, leaf: &std::path::Path) -> bool {
    let keys = directory.join("keys");
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
        .arg(keys.join("ca.crt"))
        .arg("-untrusted")
        .arg(keys.join("authorities").join(intermediate))
        .arg(leaf)
        .output()
        .unwrap();
    output.status.success()
}

#[tokio::test]
async fn a_clients_certificate_is_issued_used_renewed_and_revoked() {
    let (folder, installation) = serving().await;
    let directory = installation.directory.clone();
    let out = folder.path().join("made");
    let issue = ["certificate", "issue", "robot", "--use", "client", "--generate", out.to_str().unwrap()];
    let issued = must(&directory, &issue);
    assert!(issued["key"].is_null(), "a key is for its file alone");
    let leaf = out.join("robot.crt");
    assert!(verify(&directory, "sslclient", "clients.crt", &leaf));
    assert!(!verify(&directory, "sslserver", "clients.crt", &leaf), "it is no server's");
    assert!(!verify(&directory, "sslclient", "servers.crt", &leaf), "another intermediate vouches for it");
    let enroll =
        ["client", "enroll", "robot", "--integration", "acme-read", "--cert", leaf.to_str().unwrap()];
    let (code, text) = portcullis(&directory, &enroll);
    assert_eq!(code, Some(0), "{text}");
    let pem = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let machine = Machine::of(&installation, "robot", &pem("robot.crt"), &pem("robot.key"));
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records?records=1", &token).await.unwrap().status(), 200);
    // The next one needs no enrolling.
    let again = folder.path().join("again");
    let issue = ["certificate", "issue", "robot", "--use", "client", "--generate", again.to_str().unwrap()];
    must(&directory, &issue);
    let pem = |name: &str| std::fs::read_to_string(again.join(name)).unwrap();
    let renewed = Machine::of(&installation, "robot", &pem("robot.crt"), &pem("robot.key"));
    let renewed_token = renewed.must_token().await;
    let serial = issued["certificate"]["serial"].as_str().unwrap();
    let revoke = ["certificate", "revoke", serial, "--reason", "stolen laptop"];
    let revoked = must(&directory, &revoke);
    assert!(revoked["receipt"]["gates"][0]["took_us"].is_u64(), "{revoked}");
    // Its connections were reset; from a new one it is refused by name.
    let machine = machine.again(&installation);
    let refused = machine.get("/records?records=1", &token).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("key_severed"));
    assert_ne!(machine.token().await.unwrap().0, 200);
    assert_eq!(renewed.get("/records?records=1", &renewed_token).await.unwrap().status(), 200);
    let (code, crl) = portcullis(&directory, &["certificate", "crl", "clients"]);
    assert_eq!(code, Some(0), "{crl}");
    let path = folder.path().join("clients.crl");
    std::fs::write(&path, crl).unwrap();
    let shown = Command::new("openssl").args(["crl", "-noout", "-text", "-in"]).arg(&path).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap().to_lowercase();
    assert!(shown.contains(serial), "{shown}");
    let list = must(&directory, &["certificate", "list"]);
    assert!(list.to_string().contains("revoked_at"), "{list}");
}

#[tokio::test]
async fn servers_are_renewed_without_a_broken_connection_and_external_ones_left_alone() {
    let (_folder, installation) = serving().await;
    let directory = installation.directory.clone();
    let operator = installation.operator();
    let machine = Machine::new(&installation, "robot");
    operator.must_apply(&machine.manifest("acme-read")).await;
    let token = machine.must_token().await;
    let before = named(&must(&directory, &["certificate", "list"]), "server", "gate");
    assert!(verify(&directory, "sslserver", "servers.crt", &directory.join("keys/gate.crt")));
    must(&directory, &["certificate", "renew", "gate"]);
    let after = named(&must(&directory, &["certificate", "list"]), "server", "gate");
    assert_ne!(before["serial"], after["serial"]);
    // The connection that stands, and one that begins now.
    assert_eq!(machine.get("/records?records=1", &token).await.unwrap().status(), 200);
    let again = machine.again(&installation);
    let token = again.must_token().await;
    assert_eq!(again.get("/records?records=1", &token).await.unwrap().status(), 200);
    let keys = directory.join("keys");
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(keys.join("gate.external.key"), own.signing_key.serialize_pem()).unwrap();
    std::fs::write(keys.join("gate.external.crt"), own.cert.pem()).unwrap();
    must(&directory, &["reload"]);
    let external = named(&must(&directory, &["certificate", "list"]), "server", "gate");
    assert_eq!(external["external"], json!(true));
    let (code, text) = portcullis(&directory, &["certificate", "renew", "gate"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("brought from outside"), "{text}");
    let stranger = Machine::new(&installation, "stranger");
    assert!(stranger.token().await.is_err(), "the built-in certificate is still shown");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let _installation = Installation::start(&directory);
    let csr = folder.path().join("csr.pem");
    for (text, says) in [
        ("no request", "can't be used"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "can't be used"),
        (&"x".repeat(20_000), "longer than"),
    ] {
        std::fs::write(&csr, text).unwrap();
        let issue = ["certificate", "issue", "robot", "--use", "client", "--csr", csr.to_str().unwrap()];
        let (code, answer) = portcullis(&directory, &issue);
        assert_eq!(code, Some(1), "{answer}");
        assert!(answer.contains(says), "{answer}");
    }
    let list = must(&directory, &["certificate", "list"]);
    assert!(list["certificates"].as_array().unwrap().iter().all(|found| found["kind"] != "client"), "{list}");
}
