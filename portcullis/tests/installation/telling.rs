//! A vendor's contacts are told by a real mail server of what was closed and opened of theirs: each once, over an outage and
//! restarts, in words that hold nothing of ours.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::mail::{MailServer, letters, quoted, until, with_mail};
use super::support::{Installation, must, portcullis, route, upstream, vendor};

const REASON: &str = "their admin Zebulon left with our ledger of prices";
const TELL: &str = "a key of yours was on a paste site";

fn contact(name: &str, role: Option<&str>, email: Option<&str>, phone: Option<&str>) -> Value {
    json!({ "name": name, "role": role, "email": email, "phone": phone })
}

/// The vendors `acme`, with its people, and `beta`, whom nobody may name to acme.
async fn vendors(installation: &Installation) {
    let operator = installation.operator();
    let manifests = route(upstream().await) + &vendor("acme", "2099-01-01") + &vendor("beta", "2099-01-01");
    operator.must_apply(&manifests).await;
    let people = [
        contact("Pat Roe", Some("security"), Some("pat@acme.example"), Some("+49 30 1")),
        contact("Lea Law", Some("contract"), Some("lea@acme.example"), None),
        contact("Tel Low", Some("technical"), None, Some("+49 30 2")),
    ];
    for (name, people) in
        [("acme", people.to_vec()), ("beta", vec![contact("Bea Beta", None, Some("bea@beta.example"), None)])]
    {
        let spec = json!({ "legal_name": format!("{name} Ltd"), "contacts": people });
        let spec = prune(spec);
        operator.must_apply(&json!({ "kind": "Vendor", "name": name, "spec": spec }).to_string()).await;
    }
}

/// Members without a value are left out.
fn prune(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, inner)| !inner.is_null())
            .map(|(name, inner)| (name, prune(inner)))
            .collect(),
        Value::Array(items) => items.into_iter().map(prune).collect(),
        other => other,
    }
}

fn set(directory: &Path, with: &Value) {
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();
}

fn told(directory: &Path, target: &str) -> Value {
    let all = must(directory, &["severances"]);
    let open = all["open"].as_array().unwrap();
    open.iter().find(|severance| severance["target"] == target).unwrap()["told"].clone()
}

fn to(letters: &[String]) -> Vec<&str> {
    let mut to: Vec<&str> = letters
        .iter()
        .map(|letter| letter.strip_prefix("RCPT ").unwrap().split_once("\r\n").unwrap().0)
        .collect();
    to.sort_unstable();
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn each_contact_is_told_once_over_an_outage_and_restarts_and_of_nothing_that_is_ours() {
    let Some(place) = with_mail() else { return };
    let (folder, port) = (place.folder.path(), place.port);
    let directory = folder.join("data");
    let first = Installation::start(&directory);
    vendors(&first).await;

    // Without a mail server everybody is to be called, and nothing waits for anybody.
    let preview = must(&directory, &["sever", "vendor/acme", "--dry-run"]);
    assert!(preview["told"]["why_not"].as_str().unwrap().contains("no `smtp`"), "{preview}");
    let standing = |view: &Value, contact: usize| view["contacts"][contact]["standing"].clone();
    assert_eq!(
        (standing(&preview["told"], 0), standing(&preview["told"], 2)),
        (json!("call"), json!("no_address"))
    );
    let (_, shown) = portcullis(&directory, &["sever", "vendor/acme", "--dry-run"]);
    assert!(
        shown.contains("nobody at the vendor would be told by mail") && shown.contains("call +49 30 1"),
        "{shown}"
    );
    first.kill();

    let contact = json!({ "name": "security desk", "phone": "+49 30 99", "mail": "desk@us.example" });
    set(&directory, &json!({ "smtp": place.smtp(), "contact": contact }));
    let installation = Installation::start(&directory);
    let (_, shown) = portcullis(&directory, &["sever", "integration/acme-read", "--dry-run"]);
    assert!(shown.contains("told by mail, of the vendor's contacts: 1"), "{shown}");
    assert!(
        shown.contains("others look after this") && shown.contains("no address: call +49 30 2"),
        "{shown}"
    );

    // The mail server hangs: no cut waits for it, and the receipt names nobody where it is signed.
    let hung = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let receipt = must(&directory, &["sever", "vendor/acme", "--reason", REASON, "--tell", TELL]);
    let held = hung.accept().unwrap();
    let beside = must(&directory, &["sever", "integration/beta-read", "--reason", REASON]);
    assert!(beside["answer"] == "severed" && beside["took_us"].as_u64().unwrap() < 1_000_000, "{beside}");
    drop((held, hung));
    assert_eq!(receipt["answer"], "severed", "{receipt}");
    assert_eq!((standing(&receipt["told"], 0), &receipt["told"]["of"]), (json!("mail"), &json!(2)));
    let id = receipt["severance"].as_str().unwrap().to_owned();
    let signed = must(&directory, &["receipt", &id]);
    let note = signed["notes"][0].as_str().unwrap();
    assert!(
        note.contains("of the vendor's contacts: 2") && !note.contains("Pat Roe") && !note.contains("+49")
    );
    until("no error is told", || {
        let view = must(&directory, &["receipt", &id]);
        view["told"]["contacts"][0]["error"].is_string().then_some(())
    });
    assert_eq!(told(&directory, "vendor/acme"), json!({ "told": 0, "of": 2 }));
    installation.kill();

    // Both are back, one after the other.
    let mail = MailServer::start(folder, port);
    let installation = Installation::start(&directory);
    for (target, all) in [("vendor/acme", 2), ("integration/beta-read", 1)] {
        until("not everybody is told", || (told(&directory, target)["told"] == all).then_some(()));
    }
    let all = letters(folder);
    assert_eq!(to(&all), ["bea@beta.example", "lea@acme.example", "pat@acme.example"]);
    let letter = quoted(all.iter().find(|letter| letter.contains("pat@acme.example")).unwrap());
    let incidents = must(&directory, &["incident", "list", "--vendor", "acme"]);
    let incident = incidents[0]["id"].as_str().unwrap().to_owned();
    for part in [
        "Reply-To: <desk@us.example>",
        "has closed every connection of yours",
        "Pat Roe, acme Ltd:",
        "acme-read",
        TELL,
        &id,
        &incident,
        "Stop what calls us by itself",
        "Keep logs",
        "/oauth/incident",
        "security desk, +49 30 99, desk@us.example",
    ] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    for ours in ["Zebulon", "prices", "beta", "admin", "records.read"] {
        assert!(!letter.contains(ours), "{ours}: {letter}");
    }
    let shown = must(&directory, &["incident", "show", &incident]);
    assert_eq!(shown["severances"][0]["told"]["told"], 2, "{shown}");

    // Whoever was told isn't told again.
    installation.kill();
    let installation = Installation::start(&directory);
    restore(&directory, "vendor/acme").await;
    until("nobody is told of the restoration", || (letters(folder).len() == 5).then_some(()));
    let after = letters(folder);
    assert_eq!(to(&after[3..]), ["lea@acme.example", "pat@acme.example"]);
    let opened = quoted(&after[3]);
    assert!(
        opened.contains("has opened every connection of yours") && opened.contains("Make new keys"),
        "{opened}"
    );

    // Another vendor hears of its own; the ledger holds nobody's address in clear text.
    let beta = quoted(all.iter().find(|letter| letter.contains("bea@beta.example")).unwrap());
    assert!(
        beta.contains("RCPT bea@beta.example") && beta.contains("one of our people decided it"),
        "{beta}"
    );
    assert!(!beta.contains("acme") && !beta.contains("Zebulon"), "{beta}");
    let ledger = std::fs::read(directory.join("ledger.sqlite")).unwrap();
    let wal = std::fs::read(directory.join("ledger.sqlite-wal")).unwrap_or_default();
    for address in ["pat@acme.example", "bea@beta.example", "Pat Roe", "+49 30 1"] {
        let holds = |bytes: &[u8]| bytes.windows(address.len()).any(|part| part == address.as_bytes());
        assert!(!holds(&ledger) && !holds(&wal), "{address}");
    }
    assert!(!installation.log().contains("@acme.example"));

    // Turned off, it says so.
    installation.kill();
    set(&directory, &json!({ "tell_vendors": false }));
    let installation = Installation::start(&directory);
    let receipt = must(&directory, &["sever", "vendor/acme", "--reason", REASON]);
    assert!(receipt["told"]["why_not"].as_str().unwrap().contains("tell_vendors"), "{receipt}");
    // The answer says it once; the receipt that was signed has no names, and says it in a note.
    assert!(!receipt["notes"].to_string().contains("call them"), "{receipt}");
    let (_, signed) = portcullis(&directory, &["receipt", receipt["severance"].as_str().unwrap()]);
    assert!(signed.contains("call them"), "{signed}");
    let beat = Instant::now();
    until("time stands still", || (beat.elapsed() > Duration::from_secs(5)).then_some(()));
    assert_eq!(letters(folder).len(), 5);
    drop((mail, installation));
}

/// There is one operator, who may confirm alone.
async fn restore(directory: &Path, target: &str) {
    let proposed = must(directory, &["restore", target]);
    let answer = must(directory, &["restore", target, "--confirm", proposed["id"].as_str().unwrap()]);
    let steps = answer["next_steps"].to_string();
    assert!(steps.contains("told by mail, of the vendor's contacts: 2"), "{steps}");
}
