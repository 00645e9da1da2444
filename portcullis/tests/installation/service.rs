//! As a service: what the manager is told, what the log says and doesn't, and how a stop goes.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Installation, Machine, Operator, PATIENCE, route, upstream, vendor};

fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 4_096];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// The next words that aren't signs of life.
fn news(manager: &UnixDatagram) -> String {
    std::iter::repeat_with(|| told(manager)).find(|words| words != "WATCHDOG=1").unwrap()
}

#[test]
fn the_service_manager_is_told_how_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let mut service = Installation::start_in(&folder.path().join("data"), &[], &environment).unwrap();
    assert_eq!(news(&manager), "READY=1\nSTATUS=serving");
    for _ in 0..3 {
        assert_eq!(told(&manager), "WATCHDOG=1");
    }
    service.signal("HUP");
    let reloading = news(&manager);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(news(&manager), "READY=1\nSTATUS=serving");
    service.signal("TERM");
    assert_eq!(news(&manager), "STOPPING=1\nSTATUS=requests under way may end");
    assert_eq!(service.ended(), Some(0));
}

/// The vendor `acme` with a machine, and a token of it.
async fn acme(service: &Installation) -> (Operator, Machine, String) {
    let operator = service.operator();
    let machine = Machine::new(service, "acme-1");
    let manifests = [route(upstream().await), vendor("acme", "2099-12-31"), machine.manifest("acme-read")];
    operator.must_apply(&manifests.join("\n---\n")).await;
    let token = machine.must_token().await;
    (operator, machine, token)
}

#[tokio::test]
async fn a_log_is_for_programs_and_holds_no_secret_and_nobody_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PORTCULLIS_LOG", "trace"), ("PORTCULLIS_LOG_FORMAT", "json")];
    let mut service = Installation::start_in(&folder.path().join("data"), &[], &environment).unwrap();
    let (operator, machine, token) = acme(&service).await;
    let contact = json!({ "name": "Zebulon Quist", "role": "security", "email": "zebulon@quist.example", "phone": "+49-30-5550199" });
    let spec = json!({ "legal_name": "V", "contacts": [contact] });
    operator.must_apply(&json!({ "kind": "Vendor", "name": "other", "spec": spec }).to_string()).await;
    let (status, added) = operator.post("/v1/operators", json!({ "name": "Wilhelmina Ott" })).await.unwrap();
    assert_eq!(status, 201, "{added}");
    for _ in 0..3 {
        assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    }
    assert_eq!(operator.post("/v1/reload", json!({})).await.unwrap().0, 200);
    let mut wrong = operator.clone();
    "pcl_wrong-token-of-somebody".clone_into(&mut wrong.token);
    assert_eq!(wrong.post("/v1/reload", json!({})).await.unwrap().0, 401);
    let metrics_token = std::fs::read_to_string(service.directory.join("metrics.token")).unwrap();
    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
    let log = service.log();
    let secrets = [
        &operator.token,
        added["token"].as_str().unwrap(),
        &token,
        metrics_token.trim(),
        "wrong-token-of-somebody",
        "PRIVATE KEY",
        "Zebulon",
        "quist.example",
        "5550199",
        "Wilhelmina",
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "`{secret}` is in the log");
    }
    assert!(log.lines().count() >= 5, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "target", "message"] {
            assert!(line.get(member).is_some(), "{member}: {line}");
        }
    }
    let ours = |words: &str| log.lines().any(|line| line.contains("\"portcullis") && line.contains(words));
    assert!(ours("\"message\":\"reloaded\"") && ours("\"by\":") && ours("stopping"), "{log}");
}

#[tokio::test]
async fn what_is_under_way_at_a_stop_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Installation::start(&folder.path().join("data"));
    let (operator, machine, token) = acme(&service).await;
    // A second long: under way when the stop comes, and over before its limit.
    let ask = || machine.get("/records?records=11&pace=100", &token);
    let requests = futures_util::future::join_all((0..8).map(|_| async {
        let answer = ask().await.unwrap();
        (answer.status(), answer.text().await)
    }));
    let stop = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, metrics) = operator.get("/v1/vendors/acme/metrics?window=5m").await;
            if metrics["total"]["open"] == 8 {
                break;
            }
            assert!(Instant::now() < deadline, "{metrics}");
            look.tick().await;
        }
        service.signal("TERM");
    };
    let (answers, ()) = tokio::join!(requests, stop);
    for (status, text) in answers {
        assert_eq!((status.as_u16(), text.unwrap().lines().count()), (200, 11));
    }
    assert_eq!(service.ended(), Some(0));
}

#[tokio::test]
async fn a_stop_is_announced_before_anything_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    // The first start writes the settings.
    let mut service = Installation::start(&directory);
    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["drain"] = json!({ "notice_seconds": 60 });
    std::fs::write(&path, settings.to_string()).unwrap();
    let mut service = Installation::start(&directory);
    let (operator, machine, token) = acme(&service).await;
    assert_eq!(operator.get("/readyz").await.0, 200);
    service.signal("TERM");
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let deadline = Instant::now() + PATIENCE;
    while operator.get("/readyz").await.0 != 503 {
        assert!(Instant::now() < deadline);
        look.tick().await;
    }
    // Everything is served on, on new connections too.
    assert_eq!(operator.get("/healthz").await.0, 200);
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let other = Machine::new(&service, "other");
    assert_eq!(other.token().await.unwrap().0, 401, "it is asked and answers");
    assert!(service.is_running());
    // A second word means at once.
    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn the_unit_is_sound_and_leaves_little_open() {
    // In tenths: 1.5 of 10.
    sound("portcullis.service", "15");
}

#[test]
fn the_enforcers_unit_is_sound_and_leaves_one_right() {
    // 2.0 of 10: the right to change networks, in the host's own, and what `nft` and `wg` need.
    sound("portcullis-enforcer.service", "20");
}

fn sound(name: &str, threshold: &str) {
    let unit = format!("{}/../packaging/systemd/{name}", env!("CARGO_MANIFEST_DIR"));
    let unit = std::fs::read_to_string(unit).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, unit.replace("/usr/local/bin/portcullis", env!("CARGO_BIN_EXE_portcullis")))
        .unwrap();
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&path).output();
    let Ok(verified) = analyze(&["verify", "--man=no", "--recursive-errors=no"]) else {
        eprintln!("skipped: there is no systemd-analyze (Debian's package `systemd`)");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
    let threshold = format!("--threshold={threshold}");
    let secured = analyze(&["security", "--offline=yes", &threshold, "--no-pager"]).unwrap();
    let said = String::from_utf8_lossy(&secured.stdout);
    let level = said.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_default();
    eprintln!("{level}");
    assert!(secured.status.success(), "{said}");
}
