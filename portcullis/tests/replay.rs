//! `replay` on published traces: skipped, and said so, where they are not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn trace(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PORTCULLIS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("data/traces").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: no {name} in {}; set PORTCULLIS_SHARED", shared.display());
    None
}

/// What `replay -o json` says, and the page.
fn replayed(path: &Path, options: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("replay")
        .arg(path)
        .args(options)
        .args(["-o", "json", "--report"])
        .arg(&page)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (serde_json::from_slice(&done.stdout).unwrap(), std::fs::read_to_string(page).unwrap())
}

fn client<'a>(report: &'a Value, name: &str) -> &'a Value {
    let clients = report["clients"].as_array().unwrap();
    clients.iter().find(|client| client["name"].as_str().unwrap().ends_with(name)).unwrap()
}

/// Thirteen calls from its instance, and two with its stolen credentials from elsewhere.
#[test]
fn a_stolen_role_is_marked_at_its_first_call_from_the_second_network() {
    let Some(path) = trace("cloudtrail-stratus.tar.gz") else { return };
    let (report, page) = replayed(&path, &["--format", "cloudtrail"]);
    let role = client(&report, "role/stratus-red-team-ec2-steal-credentials-role");
    assert_eq!(role["calls"], 15);
    let marks: Vec<&Value> =
        role["marks"].as_array().unwrap().iter().filter(|mark| mark["verdict"] != "over").collect();
    let first = marks.first().unwrap();
    assert_eq!(first["verdict"], "challenge");
    assert_eq!((&first["at"], &first["address"]), (&"2023-07-10T11:57:22Z".into(), &"192.168.10.20".into()));
    assert_eq!(first["endpoint"], "sts GetCallerIdentity", "the first of the two");
    assert_eq!(first["cause"], "challenge_new_context");
    let why = first["why"].as_str().unwrap();
    assert!(why.contains("network 192.168.10.0/24 instead of 3.225.16.0/24"), "{why}");
    assert!(why.contains("`aws-sdk-go-v2"), "{why}");
    // Nothing of its own instance is marked.
    assert!(marks.iter().all(|mark| mark["address"] == "192.168.10.20"), "{marks:#?}");
    let contexts = role["contexts"].as_array().unwrap();
    let calls: Vec<u64> = contexts.iter().map(|context| context["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [13, 2]);
    assert!(page.contains("network 192.168.10.0/24 instead of 3.225.16.0/24"));

    // If nobody answers from there, neither of both calls passes.
    let (report, _) = replayed(&path, &["--assume", "fail", "--client", "ec2-steal-credentials-role"]);
    let role = client(&report, "role/stratus-red-team-ec2-steal-credentials-role");
    let counts = &role["counts"];
    let refused = ["challenge", "blocked", "deny", "sever"].iter().map(|word| counts[word].as_u64().unwrap());
    assert_eq!(refused.sum::<u64>(), 2, "{counts}");
}

#[test]
fn other_traces_are_read_to_their_ends() {
    if let Some(path) = trace("k8s-audit.csv.gz") {
        let (report, _) = replayed(&path, &[]);
        assert_eq!((&report["read"]["format"], &report["read"]["broken"]), (&"k8s-audit".into(), &0.into()));
        assert_eq!(report["calls"], 10_486);
        assert_eq!(report["counts"]["challenge"], 0, "nothing there tells of a new place");
    }
    if let Some(path) = trace("wiki-bots.jsonl.gz") {
        let map = ["client=user", "endpoint=channel", "request_bytes=delta"];
        let options: Vec<&str> = map.iter().flat_map(|entry| ["--map", entry]).collect();
        let (report, page) = replayed(&path, &options);
        assert_eq!((&report["calls"], &report["read"]["broken"]), (&22_503.into(), &0.into()));
        assert!(page.len() < 5_000_000, "{}", page.len());
    }
}

/// With databases two prefixes of one network are one network; without them the report says in a line that nothing is known.
#[test]
fn databases_of_origin_tell_networks_and_countries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let line = |number: i64, address: &str| {
        serde_json::json!({
            "time": 1_795_000_000 + number * 60, "client": "acme", "endpoint": "records", "address": address,
            "user_agent": "curl/8",
        })
        .to_string()
    };
    let addresses = ["192.0.2.1"; 20].iter().chain(&["198.51.100.7", "203.0.113.9"]);
    let lines: Vec<String> = addresses.enumerate().map(|(at, address)| line(at as i64, address)).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let geo = folder.path().join("geo");
    std::fs::create_dir(&geo).unwrap();
    std::fs::write(
        geo.join("asn.csv"),
        "192.0.2.0,192.0.2.255,64500,Acme\n198.51.100.0,198.51.100.255,64500,Acme\n203.0.113.0,203.0.113.255,64501,Other\n",
    )
    .unwrap();
    std::fs::write(
        geo.join("country.csv"),
        "192.0.2.0,192.0.2.255,DE\n198.51.100.0,198.51.100.255,DE\n203.0.113.0,203.0.113.255,US\n",
    )
    .unwrap();
    let assumed = |report: &Value| report["assumed"][1].as_str().unwrap().to_owned();
    let (without, page) = replayed(&path, &[]);
    assert_eq!(without["counts"]["challenge"], 2, "each prefix is a network of its own: {without:#}");
    assert!(assumed(&without).starts_with("Nothing is known of addresses"), "{without:#}");
    assert!(page.contains("Nothing is known of addresses"));
    let (with, page) = replayed(&path, &["--origin", geo.to_str().unwrap()]);
    assert_eq!(with["counts"]["challenge"], 1, "{with:#}");
    assert!(assumed(&with).contains("asn.csv") && assumed(&with).contains("country.csv"), "{with:#}");
    let mark = &client(&with, "acme")["marks"][0];
    assert_eq!(mark["address"], "203.0.113.9");
    assert!(mark["why"].as_str().unwrap().contains("network AS64501 (US) instead of AS64500 (DE)"), "{mark}");
    assert!(page.contains("AS64501 (US)"));
    let said = |report: &Value, signal: &str| {
        report["no_data"].as_array().unwrap().iter().any(|one| one["signal"] == signal)
    };
    assert!(said(&without, "impossible_movement") && !said(&with, "impossible_movement"), "{with:#}");
    assert!(!geo.join("kept").exists(), "nothing is written");
    for (name, content, expect) in [("empty", None, "no database"), ("broken", Some("x"), "can't be used")] {
        let other = folder.path().join(name);
        std::fs::create_dir(&other).unwrap();
        if let Some(content) = content {
            std::fs::write(other.join("country.mmdb"), content).unwrap();
        }
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("replay")
            .arg(&path)
            .arg("--origin")
            .arg(&other)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{error}");
        assert!(error.contains(expect), "{error}");
    }
}

/// Names of clients, endpoints and files are text on the page, whatever they look like.
#[test]
fn a_hostile_log_becomes_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&\u{202e}\u{1b}[2J";
    let path = folder.path().join("<b onload=x>.jsonl");
    let lines: Vec<String> = (0..40)
        .map(|number| {
            serde_json::json!({
                "time": 1_795_000_000 + number * 60, "client": hostile, "method": hostile, "endpoint": hostile, "key": hostile,
                "address": if number < 30 { "192.0.2.1".to_owned() } else { format!("{hostile}{number}") },
                "user_agent": if number < 30 { "curl/8" } else { "evil</td><script>/1 javascript:alert(1)" }, "status": 200,
            })
            .to_string()
        })
        .chain(["{\"time\": \"<script>\", \"client\": 1}".to_owned()])
        .collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let (report, page) = replayed(&path, &[]);
    assert_eq!(report["calls"], 40);
    let lower = page.to_lowercase();
    for word in [
        "<script",
        "<img",
        "<b onload",
        "<b>alert",
        "onerror=alert(1)>",
        "\u{1b}",
        "\u{202e}",
        "http://",
        "https://",
        "src=\"",
        "url(",
    ] {
        assert!(!lower.contains(word), "`{}`", word.escape_debug());
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    assert!(page.contains("&lt;script&gt;"));
    // What is printed doesn't act on a terminal either.
    let told = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("replay").arg(&path).output().unwrap();
    assert!(!told.stdout.contains(&0x1b) && !told.stdout.is_empty());
}

#[test]
fn bad_input_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: &[u8], options: &[&str], expect: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("replay")
            .arg(&path)
            .args(options)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{name}: {error}");
        assert!(error.contains(expect), "{name}: {error}");
    };
    check("syslog", b"<34>1 2003-10-11T22:14:15Z host su - ID47 - failed\n", &[], "the format of");
    check("empty", b"", &[], "nothing could be read");
    check("lines", b"x\ny\n", &["--format", "combined"], "2 broken lines");
    let two = br#"{"time":1795000000,"client":"a","path":"/"}
{"time":1795000001,"client":"b","path":"/"}"#;
    check("clients", two, &["--clients-max", "1"], "more than `1` clients");
    check("requests", two, &["--calls-max", "1"], "more than `1` requests");
    check("later", two, &["--until", "2020-01-01T00:00:00Z"], "2 that were not asked for");
}
