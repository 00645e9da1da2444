//! Settings and certificates read anew by a running installation.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::support::{Installation, PATIENCE};

/// An authority of the operator's own, which the clients of these tests trust, too.
fn authority(directory: &Path) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let path = directory.join("keys/ca.crt");
    let both = std::fs::read_to_string(&path).unwrap() + &authority.pem();
    std::fs::write(path, both).unwrap();
    authority
}

/// Replaces a server's certificate.
fn issue(directory: &Path, authority: &CertifiedIssuer<'static, KeyPair>, server: &str) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    let write = |name: String, text: String| std::fs::write(directory.join("keys").join(name), text).unwrap();
    write(format!("{server}.key"), key.serialize_pem());
    write(format!("{server}.crt"), certificate.pem());
}

fn set(directory: &Path, gate: Value) {
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["gate"] = gate;
    std::fs::write(path, settings.to_string()).unwrap();
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_reload_says_what_has_changed_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let authority = authority(&directory);
    let operator = installation.operator();
    let reload = async || operator.post("/v1/reload", json!({})).await.unwrap();
    let (status, answer) = reload().await;
    assert_eq!((status, answer), (200, json!({ "changed": [], "notes": [] })));

    set(&directory, json!({ "head_seconds": 9, "http2": { "streams_max": 7 } }));
    issue(&directory, &authority, "gate");
    issue(&directory, &authority, "control");
    let (status, answer) = reload().await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        strings(&answer["changed"]),
        [
            "the gate's TLS",
            "control's certificate",
            "setting `gate.head_seconds`: 9, before 15",
            "setting `gate.http2.streams_max`: 7, before 128"
        ]
    );

    // Each fault by itself, told with its file; the other change waits with it.
    let certificate = directory.join("keys/gate.crt");
    let good = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, "nonsense").unwrap();
    set(&directory, json!({ "head_seconds": 8 }));
    let (status, answer) = reload().await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("keys/gate.crt"), "{answer}");
    std::fs::write(&certificate, good).unwrap();
    for (gate, expect) in [
        (json!({ "head_second": 8 }), "head_second"),
        (json!({ "head_seconds": 0 }), "`gate.head_seconds` is `0`"),
        (json!({ "proxy_protocol": ["10.0.0.0/99"] }), "settings.json"),
    ] {
        set(&directory, gate);
        let (status, answer) = reload().await;
        assert_eq!(status, 422, "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(expect) && detail.contains("settings.json"), "{answer}");
    }
    set(&directory, json!({ "head_seconds": 8, "http2": { "streams_max": 7 } }));
    let (_, answer) = reload().await;
    assert_eq!(strings(&answer["changed"]), ["setting `gate.head_seconds`: 8, before 9"]);
}

#[test]
fn the_command_and_the_signal_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let reload = || {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["reload", "--dir"])
            .arg(&directory)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    set(&directory, json!({ "idle_seconds": 5 }));
    assert_eq!(reload(), (Some(0), "changed  setting `gate.idle_seconds`: 5, before 75\n".to_owned()));
    assert_eq!(reload(), (Some(0), "nothing had changed\n".to_owned()));
    set(&directory, json!({ "idle_seconds": 0 }));
    let (code, words) = reload();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("settings.json") && words.contains("hint: "), "{words}");
    set(&directory, json!({ "idle_seconds": 6 }));
    let pid = installation.endpoints["pid"].as_u64().unwrap().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let log = directory.with_extension("log");
    let started = std::time::Instant::now();
    while !std::fs::read_to_string(&log).unwrap().contains("`gate.idle_seconds`: 6, before 5") {
        assert!(started.elapsed() < PATIENCE, "{}", std::fs::read_to_string(&log).unwrap());
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}
