//! A tunnel's life at a real installation: declared, opened by credentials that are shown once, severed, restored, and
//! opened again by others.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{must, portcullis, serving};

fn manifest(with: Value) -> String {
    let mut spec = json!({
        "integration": "acme-read", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.30.0.0/28"],
        "ipsec": { "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example" },
    });
    let name = with["name"].clone();
    spec.as_object_mut().unwrap().extend(with["spec"].as_object().unwrap().clone());
    json!({ "kind": "Tunnel", "name": name, "spec": spec }).to_string()
}

fn refused(directory: &Path, words: &[&str], expect: &str) {
    let (code, text) = portcullis(directory, words);
    assert!(code != Some(0) && text.contains(expect), "{words:?}: {text}");
}

fn text(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn a_tunnel_opens_by_credentials_that_are_shown_once_and_die_with_a_severance() {
    let (folder, installation) = serving().await;
    let directory = installation.directory.clone();
    let operator = installation.operator();
    operator.must_apply(&manifest(json!({ "name": "main", "spec": {} }))).await;
    let psk = json!({ "name": "shared", "spec": { "remote_networks": ["10.31.0.0/28"], "ipsec": {
        "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "two.acme.example", "authentication": "psk" } } });
    operator.must_apply(&manifest(psk)).await;
    let people = json!({ "name": "people", "spec": { "remote_networks": ["10.32.0.0/28"], "ipsec": {
        "local_identity": "gate.example.com", "people": true } } });
    operator.must_apply(&manifest(people)).await;
    let wired = json!({ "kind": "Tunnel", "name": "wired", "spec": {
        "integration": "acme-read", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.33.0.0/28"],
        "wireguard": { "interface": "pc-acme", "listen_port": 51_820, "peer_public_key": "mtJUpr5qB1rO5g6LxFZnTOyDjbIhq6kjGdq6IHtAyDc=" } } });
    operator.must_apply(&wired.to_string()).await;
    let shown = must(&directory, &["tunnel", "show", "main"]);
    assert_eq!(
        (shown["open"].as_bool(), shown["closed_by"].as_str()),
        (Some(false), Some("credentials")),
        "{shown}"
    );

    let issued = must(&directory, &["tunnel", "credentials", "main", "--days", "30"]);
    assert_eq!(issued["open"], true, "{issued}");
    assert!(!issued.to_string().contains("PRIVATE"), "{issued}");
    let out = folder.path().join("main");
    let render = ["tunnel", "render", "main", "--with-secrets", "--out", out.to_str().unwrap()];
    must(&directory, &render);
    assert!(text(&out, "vendor/private/main.key").contains("PRIVATE KEY"));
    assert!(text(&out, "vendor/conf.d/main.conf").contains("remote_addrs = gate.example.com"));
    let leaf = out.join("vendor/x509/main.crt");
    let verify = |purpose: &str, authority: &Path| {
        let output = std::process::Command::new("openssl")
            .args(["verify", "-partial_chain", "-purpose", purpose, "-CAfile"])
            .args([authority, &leaf])
            .output()
            .unwrap();
        output.status.success()
    };
    let authority = out.join("vendor/x509ca/main-ca.crt");
    assert!(verify("any", &authority), "the intermediate of tunnels has signed it");
    assert!(!verify("sslclient", &authority), "no TLS server takes it");
    refused(&directory, &render, "shown already");
    let sealed =
        std::fs::read_dir(directory.join("keys/tunnels")).unwrap().map(|entry| entry.unwrap().path());
    for path in sealed {
        assert!(!std::fs::read_to_string(&path).unwrap().contains("PRIVATE"), "{}", path.display());
    }

    must(&directory, &["tunnel", "credentials", "shared"]);
    let out = folder.path().join("shared");
    must(
        &directory,
        &["tunnel", "render", "shared", "--with-secrets", "--side", "vendor", "--out", out.to_str().unwrap()],
    );
    let written = text(&out, "vendor/conf.d/shared.conf");
    let secret = written.lines().find(|line| line.contains("secret = ")).unwrap().trim().to_owned();
    assert_eq!(secret.len(), "secret = psk_".len() + 43, "256 bits");
    assert!(!out.join("ours").exists());
    must(&directory, &["tunnel", "credentials", "wired"]);
    let out = folder.path().join("wired");
    must(&directory, &["tunnel", "render", "wired", "--with-secrets", "--out", out.to_str().unwrap()]);
    assert!(
        text(&out, "ours/pc-acme.conf").contains("PrivateKey = ")
            && text(&out, "vendor/wired.conf").contains("PublicKey = ")
    );
    refused(&directory, &["tunnel", "credentials", "people"], "is for people");
    let added = must(&directory, &["tunnel", "person", "add", "people", "Jo Doe", "--days", "7"]);
    assert_eq!(
        (&added["people"][0]["address"], &added["people"][0]["open"]),
        (&json!("10.32.0.1"), &json!(true)),
        "{added}"
    );
    let out = folder.path().join("jo");
    let jo = [
        "tunnel",
        "render",
        "people",
        "--person",
        "Jo Doe",
        "--with-secrets",
        "--out",
        out.to_str().unwrap(),
    ];
    must(&directory, &jo);
    must(&directory, &["tunnel", "person", "revoke", "people", "Jo Doe", "--reason", "left"]);
    refused(&directory, &jo, "there is no person");

    must(&directory, &["sever", "vendor/acme", "--reason", "theft"]);
    let tunnels = must(&directory, &["tunnel", "list"]);
    let closed: Vec<_> =
        tunnels["tunnels"].as_array().unwrap().iter().map(|tunnel| tunnel["closed_by"].as_str()).collect();
    assert!(closed.iter().all(|why| *why == Some("severance")), "{tunnels}");
    refused(&directory, &["tunnel", "credentials", "main"], "is severed");
    let (_, proposed) = operator.post("/v1/restore", json!({ "target": "vendor/acme" })).await.unwrap();
    let confirm = json!({ "target": "vendor/acme", "confirm": proposed["id"] });
    let (status, restored) = operator.post("/v1/restore", confirm).await.unwrap();
    assert_eq!(status, 200, "{proposed} {restored}");
    for name in ["main", "shared", "wired"] {
        let shown = must(&directory, &["tunnel", "show", name]);
        assert_eq!(shown["closed_by"], "credentials", "restored, it needs others: {shown}");
    }
    assert_eq!(must(&directory, &["tunnel", "credentials", "shared"])["open"], true);
    let shown = must(&directory, &["tunnel", "show", "main"]);
    assert_eq!(shown["open"], false, "paths open one by one: {shown}");
    let events = must(&directory, &["ledger", "verify"]).to_string();
    assert!(!events.contains(secret.trim_start_matches("secret = ")));
}
