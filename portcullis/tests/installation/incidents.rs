//! A vendor tells of its breach through the gate: late, so that it is held, and severed; and the ledger alone proves it.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Installation, Machine, PATIENCE, must, portcullis, serving};

const ENFORCED: &str =
    "---\nkind: Policy\nname: stops\nspec: { stops: { default: \"off\", breach_notice: enforce } }\n";

/// A client whose key lies in a file, and a machine with a token that is served.
async fn vendor(installation: &Installation, folder: &Path) -> (String, Machine, String) {
    let machine = Machine::new(installation, "machine");
    installation.operator().must_apply(&(machine.manifest("acme-read") + "\n" + ENFORCED)).await;
    let keys = folder.join("keys");
    let words =
        ["client", "enroll", "teller", "--integration", "acme-read", "--generate", keys.to_str().unwrap()];
    must(&installation.directory, &words);
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records?records=3", &token).await.unwrap().status(), 200);
    (keys.join("teller.pem").to_str().unwrap().to_owned(), machine, token)
}

fn tell(directory: &Path, key: &str, reference: &str, aware: &str, more: &[&str]) -> (Option<i32>, String) {
    let words = ["incident", "tell", "teller", "--key", key, "--reference", reference, "--aware", aware];
    let what = ["--what", "a mailbox was read", "--contact", "Ada Byron, +44 20 7946 0000", "-o", "json"];
    portcullis(directory, &[&words[..], &what, more].concat())
}

/// The stored payloads of an export, by their numbers.
fn payloads(export: &Path) -> Vec<Value> {
    let mut files = Vec::new();
    let mut folders = vec![export.join("payload")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn at(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_notice_holds_its_vendor_at_the_gate_and_the_ledger_alone_proves_it() {
    let (folder, installation) = serving().await;
    let data = installation.directory.clone();
    let (key, machine, token) = vendor(&installation, folder.path()).await;
    let (code, text) = tell(&data, &key, "NG-7", "23h", &[]);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &answer["in_time"]), (Some(0), &Value::Bool(true)), "{text}");
    assert_eq!(machine.get("/records?records=3", &token).await.unwrap().status(), 200, "told in time");
    let (code, text) = tell(&data, &key, "NG-8", "31h", &[]);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &answer["in_time"]), (Some(0), &Value::Bool(false)), "{text}");
    let began = Instant::now();
    loop {
        let response = machine.get("/records?records=3", &token).await.unwrap();
        if response.status() == 403 {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["reasons"][0], "stop_breach_notice", "{body}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "stop 8 doesn't act: {}", response.status());
    }
    let shown = must(&data, &["incident", "show", "2"]);
    assert_eq!((&shown["vendor"], &shown["notices"][0]["way"]), (&"acme".into(), &"signed".into()));
    assert_eq!(shown["reading"]["records"], 6, "two exchanges of three records: {}", shown["reading"]);
    // The very same again is none, and what is forged says so.
    let (_, signed) = tell(&data, &key, "NG-9", "2h", &["--sign-only"]);
    let signed: Value = serde_json::from_str(&signed).unwrap();
    let file = folder.path().join("notice.jws");
    std::fs::write(&file, signed["signed_notice"].as_str().unwrap()).unwrap();
    let hand_in = || portcullis(&data, &["incident", "notice", "--signed", file.to_str().unwrap()]);
    let (code, text) = hand_in();
    assert!(code == Some(0) && text.contains("in time"), "{text}");
    let (code, text) = hand_in();
    assert!(code == Some(1) && text.contains("received already"), "{text}");
    let forged = signed["signed_notice"].as_str().unwrap().replacen('.', ".e30", 1);
    std::fs::write(&file, forged).unwrap();
    let (code, text) = hand_in();
    assert!(code == Some(1) && text.contains("the notice"), "{text}");

    // From here on nothing of ours but the ledger's own tools, and no server at the end.
    let export = folder.path().join("export");
    must(&data, &["ledger", "export", export.to_str().unwrap()]);
    let public = must(&data, &["ledger", "key"]);
    let public = public["key"].as_str().unwrap_or_else(|| panic!("{public}")).to_owned();
    let events = payloads(&export);
    let first = |what: &str, is: &dyn Fn(&Value) -> bool| {
        events.iter().position(is).unwrap_or_else(|| panic!("no {what} in {events:#?}"))
    };
    let notice = first("notice", &|event| {
        event["event"] == "incident_changed" && event["notice"]["reference"] == "NG-8"
    });
    let incident = &events[notice]["incident"];
    let clock =
        first("clock", &|event| event["incident"] == *incident && event["clock"] == "vendor-notice/notice");
    let breach = first("breach", &|event| {
        event["change"] == "breach_noticed" && event["id"] == events[notice]["notice"]["id"]
    });
    let (aware, received) =
        (at(&events[notice]["notice"]["aware"]), at(&events[notice]["notice"]["received"]));
    assert!(received.duration_since(aware).as_hours() >= 30, "{aware} {received}");
    assert_eq!(at(&events[clock]["from"]), aware);
    assert_eq!(at(&events[clock]["due"]).duration_since(aware).as_hours(), 24);
    assert!(received > at(&events[clock]["due"]), "it came when the clock was over");
    assert_eq!((at(&events[breach]["aware"]), at(&events[breach]["noticed"])), (aware, received));
    assert!(events.iter().all(|event| !event.to_string().contains("Ada Byron")), "a person's name is sealed");
    let proofs: Vec<_> = [notice, clock, breach]
        .into_iter()
        .map(|number| {
            let number = number.to_string();
            let file = folder.path().join(format!("{number}.json"));
            must(&data, &["ledger", "prove", &number, "--file", file.to_str().unwrap()]);
            file
        })
        .collect();
    installation.kill();
    for proof in proofs {
        let (code, text) =
            portcullis(folder.path(), &["ledger", "verify-proof", proof.to_str().unwrap(), "--key", &public]);
        assert_eq!(code, Some(0), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_severed_vendor_still_tells_and_files_of_clocks_are_read_by_a_reload() {
    let (folder, installation) = serving().await;
    let data = installation.directory.clone();
    let (key, machine, token) = vendor(&installation, folder.path()).await;
    std::fs::create_dir(data.join("clocks")).unwrap();
    let own = "id: board\ntitle: Our own rule\nbasis: { kind: policy, citation: Handbook 4, source: Intranet }\nin_force: 2026-01-01\napplies_to: us\nstages:\n- { id: call, title: Call the board, recipient: the board, starts: we_aware, within: { hours: 2 } }\n";
    std::fs::write(data.join("clocks/board.yaml"), own).unwrap();
    std::fs::write(data.join("clocks/wrong.yaml"), own.replace("hours: 2", "hours: soon")).unwrap();
    let (code, text) = portcullis(&data, &["reload"]);
    assert!(code == Some(0) && text.contains("wrong.yaml:7"), "{text}");
    must(&data, &["sever", "vendor/acme", "--reason", "its key is for sale"]);
    assert!(machine.get("/records?records=3", &token).await.is_err_or_refused());
    let began = Instant::now();
    while must(&data, &["incident", "list"]).as_array().unwrap().is_empty() {
        assert!(began.elapsed() < PATIENCE, "no incident for the severance");
    }
    let shown = must(&data, &["incident", "show", "1"]);
    assert_eq!(
        (&shown["title"], &shown["reading"]["cut"]),
        (&"vendor/acme was severed".into(), &true.into())
    );
    assert_eq!(shown["reading"]["records"], 3, "{}", shown["reading"]);
    let clock = |name: &str| {
        let clocks = shown["clocks"].as_array().unwrap();
        clocks.iter().find(|clock| clock["clock"] == name).cloned().unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(clock("board/call")["standing"], "running");
    assert_eq!(clock("gdpr-33/authority")["standing"], "running");
    let (code, text) = tell(&data, &key, "NG-7", "1h", &[]);
    assert_eq!(code, Some(0), "a severed vendor tells: {text}");
    assert_eq!(machine.token().await.unwrap().0, 400, "and gets nothing for it");
    let (_, text) = portcullis(&data, &["incident", "show", "2"]);
    assert!(text.contains("NG-7") && text.contains("signed of teller"), "{text}");
    let (_, text) = portcullis(&data, &["incident", "clocks"]);
    assert!(text.contains("dora-19/initial") && text.contains("at most 24 hours after we_aware"), "{text}");
}

trait Refused {
    fn is_err_or_refused(&self) -> bool;
}

impl Refused for Result<reqwest::Response, reqwest::Error> {
    fn is_err_or_refused(&self) -> bool {
        self.as_ref().map_or(true, |response| !response.status().is_success())
    }
}
