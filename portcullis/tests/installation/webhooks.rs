//! Places outside are told of what happens over HTTPS, through outages and restarts; and calendars are read by another's parser.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::https::serve;
use super::support::{Installation, PATIENCE, must, portcullis, vendor};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A place that takes what it is told, or doesn't.
struct Place {
    port: u16,
    authority: String,
    status: Arc<Mutex<u16>>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

#[derive(Clone, Debug)]
struct Taken {
    head: String,
    body: Vec<u8>,
}

impl Taken {
    fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.head)).to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As a receiver does it (Standard Webhooks).
    fn is_signed(&self) -> bool {
        let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mut signed =
            format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let signature = self.header("webhook-signature");
        let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, &signed, &tag).is_ok()
    }
}

impl Place {
    fn open() -> Self {
        let (status, taken) = (Arc::new(Mutex::new(204)), Arc::<Mutex<Vec<Taken>>>::default());
        let (answered, told) = (Arc::clone(&status), Arc::clone(&taken));
        let served = serve(async move |stream| {
            let Some(one) = read(stream).await else { return };
            let status = *answered.lock().unwrap();
            if status < 300 {
                told.lock().unwrap().push(one);
            }
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        Self { port: served.port, authority: served.authority, status, taken }
    }

    fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until something of this type has come, and gives it.
    fn wait_for(&self, kind: &str) -> Taken {
        let begun = Instant::now();
        loop {
            let found = self.taken().into_iter().find(|taken| taken.json()["type"] == kind);
            if let Some(found) = found {
                return found;
            }
            let kinds: Vec<_> = self.taken().iter().map(|taken| taken.json()["type"].clone()).collect();
            assert!(begun.elapsed() < PATIENCE, "no {kind}: {kinds:?}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Taken> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_lowercase();
        let wanted: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
        if bytes.len() >= end + 4 + wanted {
            // Signatures are of base64, where capitals count.
            let original = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let head = original.lines().map(|line| match line.split_once(": ") {
                Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
                None => format!("{line}\n"),
            });
            return Some(Taken { head: head.collect(), body: bytes[end + 4..].to_vec() });
        }
    }
}

/// Puts webhooks into the settings of an installation that doesn't run.
fn set(directory: &Path, webhooks: &Value) {
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["webhooks"] = webhooks.clone();
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();
}

#[tokio::test]
async fn a_place_is_told_of_everything_through_an_outage_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let (desk, tracker) = (Place::open(), Place::open());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Installation::start(&directory).kill();
    let template = r#"{ "fields": { "summary": "[{{vendor}}] {{title}}", "labels": ["{{type}}"] } }"#;
    set(
        &directory,
        &json!([
            {
                "name": "desk",
                "url": format!("https://localhost:{}/told", desk.port),
                "secret_file": file("secret", SECRET),
                "ca": file("desk.pem", &desk.authority),
            },
            {
                "name": "tracker",
                "url": format!("https://localhost:{}/issue", tracker.port),
                "template": file("template", template),
                "ca": file("tracker.pem", &tracker.authority),
                "events": ["task.due"],
                "header_files": { "Authorization": file("token", "Bearer abc\n") },
            },
        ]),
    );
    let installation = Installation::start(&directory);
    installation
        .operator()
        .must_apply(
            &vendor("acme", "2099-01-01")
                .split("---\nkind: Integration")
                .next()
                .unwrap()
                .replace("spec: { legal_name: acme Ltd }", "spec: { legal_name: acme Ltd, owner: payments }"),
        )
        .await;
    assert_eq!(must(&directory, &["notify", "test", "desk"])["taken"], true);
    assert!(desk.wait_for("portcullis.test").is_signed());
    let due = in_days(3);
    let task = must(&directory, &["task", "add", "acme", "say \"hello\" to {{vendor}}", "--due", &due]);
    let opened = desk.wait_for("portcullis.dossier.task_opened");
    assert!(opened.is_signed(), "{opened:?}");
    let event = opened.json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["subject"], "vendor/acme");
    assert_eq!(event["data"]["owner"], "payments");
    assert_eq!(event["id"], opened.header("webhook-id"));
    let told = desk.wait_for("portcullis.task.due").json();
    assert!(told["data"]["title"].as_str().unwrap().contains("say \"hello\""), "{told}");
    let begun = Instant::now();
    while tracker.taken().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let issue = tracker.taken().remove(0);
    assert_eq!(issue.header("authorization"), "Bearer abc");
    assert_eq!(
        issue.json()["fields"]["summary"],
        format!("[acme] acme: say \"hello\" to {{{{vendor}}}} is due on {due}")
    );

    // It is away: nothing is lost, and it is told of. Then we are away, too.
    desk.answers(503);
    must(&directory, &["task", "done", task["id"].as_str().unwrap()]);
    let begun = Instant::now();
    while !must(&directory, &["notify", "list"])[0]["error"].is_string() {
        assert!(begun.elapsed() < PATIENCE);
    }
    let (code, text) = portcullis(&directory, &["findings"]);
    assert!(code == Some(1) && text.contains("webhook_failing") && text.contains("503"), "{text}");
    must(&directory, &["vendor", "hold", "acme", "--level", "held", "--reason", "a leak"]);
    installation.kill();
    let before = desk.taken().len();
    desk.answers(204);
    let installation = Installation::start(&directory);
    desk.wait_for("portcullis.dossier.task_done");
    assert!(desk.wait_for("portcullis.vendor.held").is_signed());
    let begun = Instant::now();
    while must(&directory, &["notify", "list"])[0]["waiting"] != 0 {
        assert!(begun.elapsed() < PATIENCE);
    }
    let told = desk.taken();
    let ids: Vec<String> = told[before..].iter().map(|taken| taken.header("webhook-id")).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids, once, "each once, for neither of us was cut in between");
    // What was said once isn't said again after a restart.
    let count = |kind: &str| told.iter().filter(|taken| taken.json()["type"] == kind).count();
    assert_eq!(count("portcullis.task.due"), 1);
    assert_eq!(tracker.taken().len(), 1);
    drop(installation);
}

/// A day to come, in UTC.
fn in_days(days: i64) -> String {
    let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(days * 24);
    day.strftime("%F").to_string()
}

const PARSES: &str = r#"
import sys, json
from icalendar import Calendar
calendar = Calendar.from_ical(sys.stdin.buffer.read())
events = [component for component in calendar.walk() if component.name == "VEVENT"]
print(json.dumps([
    {"uid": str(event["UID"]), "summary": str(event["SUMMARY"]), "start": event["DTSTART"].dt.isoformat(),
     "stamp": event["DTSTAMP"].dt.isoformat(), "errors": [str(error) for error in event.errors]}
    for event in events
]))
"#;

#[tokio::test]
async fn a_calendar_is_read_by_anothers_parser_and_opens_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    operator.must_apply(vendor("acme", "2099-02-28").split("---\nkind: Integration").next().unwrap()).await;
    let title = "ask, then; wait \\ for the Größe of what lies behind seventy-five octets of one line, and more of it";
    must(&directory, &["task", "add", "acme", title, "--due", "2099-02-01"]);
    let address = must(&directory, &["calendar", "link"])["address"].as_str().unwrap().to_owned();
    let fetch = || {
        let ca = directory.join("keys").join("ca.crt");
        let output = Command::new("curl").args(["-sS", "--cacert"]).arg(ca).arg(&address).output().unwrap();
        output.stdout
    };
    let text = fetch();
    assert!(text.starts_with(b"BEGIN:VCALENDAR\r\n"), "{}", String::from_utf8_lossy(&text));
    let control = installation.endpoints["control"].as_str().unwrap();
    let token = address.split("token=").nth(1).unwrap();
    let other = operator.get(&format!("/v1/tasks?token={token}")).await;
    assert_eq!(other.0, 400, "it is no parameter anywhere else: {}", other.1);
    let wrong = operator.get("/calendar.ics?token=pcc_AAAA").await;
    assert_eq!((wrong.0, control.is_empty()), (401, false));

    let Some(python) = std::env::var_os("PORTCULLIS_ICALENDAR_PYTHON").or_else(|| {
        Path::new("/opt/portcullis-test/bin/python")
            .exists()
            .then(|| "/opt/portcullis-test/bin/python".into())
    }) else {
        eprintln!("skipped: there is no Python with icalendar; `.ci/setup` installs it");
        return;
    };
    let mut child = Command::new(python)
        .args(["-c", PARSES])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
    let output = child.wait_with_output().unwrap();
    let events: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(events.iter().all(|event| event["errors"] == json!([])), "{events:?}");
    let task = events.iter().find(|event| event["uid"].as_str().unwrap().starts_with("task-")).unwrap();
    assert_eq!(task["summary"], format!("acme: {title}"));
    assert_eq!(task["start"], "2099-02-01");
    let contract =
        events.iter().find(|event| event["uid"].as_str().unwrap().starts_with("contract-")).unwrap();
    assert_eq!(contract["start"], "2099-02-28T23:00:00+00:00", "its last day ends at midnight in Berlin");
    let uids = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8(text.to_vec()).unwrap().replace("\r\n ", "");
        text.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect()
    };
    assert_eq!(uids(&text), uids(&fetch()), "the same thing has the same id");
}
