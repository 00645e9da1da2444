//! `replay` on published traces: skipped, and said so, where they are not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::io::Write as _;
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

/// Each format's example in the reference is read, with and without its name.
#[test]
fn the_examples_of_the_reference_are_read() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/replay.md");
    let text = std::fs::read_to_string(reference).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for format in ["cloudtrail", "k8s-audit", "combined", "jsonl"] {
        let (_, example) = text.split_once(&format!("```{format}\n")).unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let path = folder.path().join(format);
        std::fs::write(&path, example).unwrap();
        for options in [&["--format", format][..], &[]] {
            let (report, _) = replayed(&path, options);
            let read = &report["read"];
            assert_eq!((&read["format"], &read["broken"]), (&format.into(), &0.into()), "{report:#}");
            assert_eq!((&report["calls"], &report["clients_seen"]), (&1.into(), &1.into()), "{report:#}");
            let context = &report["clients"][0]["contexts"][0];
            assert_eq!(context["address"], "192.0.2.10", "{report:#}");
        }
    }
}

/// What is broken in part counts as far as it can be read, and the rest is named.
#[test]
fn broken_parts_are_named_and_the_rest_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        |second: i64| format!("{{\"time\":{},\"client\":\"a\",\"path\":\"/\"}}\n", 1_795_000_000 + second);
    let lines: String = (0..2_000).map(|number| line(number * 7)).collect();
    let packed = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    };
    let read = |name: &str, content: &[u8], options: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        replayed(&path, options).0
    };
    let whole = read("whole.jsonl.gz", &packed(lines.as_bytes()), &[]);
    assert_eq!((&whole["calls"], &whole["read"]["broken"]), (&2_000.into(), &0.into()));

    let gzip = packed(lines.as_bytes());
    let cut = read("cut.jsonl.gz", &gzip[..gzip.len() / 2], &["--format", "jsonl"]);
    assert!(cut["calls"].as_u64().unwrap() < 2_000 && cut["calls"] != 0, "{cut:#}");
    let examples = cut["read"]["broken_examples"].to_string();
    assert!(examples.contains("can not be read to its end"), "{examples}");

    let broken =
        read("broken.jsonl", format!("{}{{\"time\":1,\n\0\u{ff}\n{}", line(0), line(9)).as_bytes(), &[]);
    assert_eq!((&broken["calls"], &broken["read"]["broken"]), (&2.into(), &1.into()), "{broken:#}");
    assert!(broken["read"]["broken_examples"][0].as_str().unwrap().contains("broken.jsonl:2"), "{broken:#}");

    let back = read("back.jsonl", [line(500), line(100), line(600)].concat().as_bytes(), &[]);
    assert_eq!(
        (&back["read"]["backwards"], &back["read"]["backwards_most_seconds"]),
        (&1.into(), &400.0.into())
    );
    assert!(back["read"]["backwards_at"].as_str().unwrap().contains("back.jsonl:2"), "{back:#}");
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
    check("nothing.tar", b"", &[], "nothing could be read");
    check(
        "nothing.tar.gz",
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[],
        "nothing could be read",
    );
    check("cut.gz", &[0x1f, 0x8b, 8], &[], "can not be read to its end");
    check("zeros.tar", &[0; 1024], &[], "");
    check("noise", &[0xff, 0xfe, 0, 1, 2, 3, 0x80], &[], "the format of");
    check("lines", b"x\ny\n", &["--format", "combined"], "2 broken lines");
    let two = br#"{"time":1795000000,"client":"a","path":"/"}
{"time":1795000001,"client":"b","path":"/"}"#;
    check("clients", two, &["--clients-max", "1"], "more than `1` clients");
    check("requests", two, &["--calls-max", "1"], "more than `1` requests");
    check("later", two, &["--until", "2020-01-01T00:00:00Z"], "2 that were not asked for");
}
