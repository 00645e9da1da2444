//! Who is on call is called by a real mail server, over TLS only, through outages and restarts, until somebody answers.

use std::path::Path;

use serde_json::{Value, json};

use super::mail::{MailServer, Place, letters, until, with_mail};
use super::support::{Installation, must, portcullis};

fn set(directory: &Path, place: &Place) {
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["on_call"] = json!([
        { "mail": ["ann@us.example"], "minutes": 30 },
        { "mail": ["bob@us.example"], "minutes": 5 },
    ]);
    settings["smtp"] = place.smtp();
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();
}

/// The verb says by its status that something is critical: here that is the point.
fn findings(directory: &Path) -> String {
    portcullis(directory, &["findings", "-o", "json"]).1
}

#[test]
fn who_is_on_call_is_called_over_an_outage_and_a_restart_until_somebody_answers() {
    let Some(place) = with_mail() else { return };
    let (folder, port) = (place.folder.path(), place.port);
    let directory = folder.join("data");
    Installation::start(&directory).kill();
    set(&directory, &place);

    // Nobody takes mail: that is told, and the page waits.
    let installation = Installation::start(&directory);
    let raised = must(&directory, &["page", "try"]);
    let code = raised[0]["code"].as_str().unwrap().to_owned();
    until("no finding", || findings(&directory).contains("on_call_failing").then_some(()));
    installation.kill();
    assert_eq!(letters(folder).len(), 0);

    // Both are back, one after the other.
    let mail = MailServer::start(folder, port);
    let installation = Installation::start(&directory);
    let letter = until("no letter", || letters(folder).into_iter().next());
    assert!(
        letter.starts_with("RCPT ann@us.example\r\nFrom: Portcullis <portcullis@us.example>\r\n"),
        "{letter}"
    );
    assert!(letter.contains(&format!("Subject: [page {code}] somebody tries")), "{letter}");
    assert!(letter.contains(&format!("portcullis page ack {code}")) && !letter.contains("http"), "{letter}");
    until("it is still failing", || (!findings(&directory).contains("on_call_failing")).then_some(()));
    // Whoever was called is not called again after a restart.
    installation.kill();
    let installation = Installation::start(&directory);
    let tested = must(&directory, &["notify", "test", "on-call"]);
    assert_eq!(tested["taken"], true, "{tested}");
    let all = until("no test letter", || Some(letters(folder)).filter(|all| all.len() >= 2));
    assert!(all[1].contains("Subject: [test]"), "{}", all[1]);

    let answered = must(&directory, &["page", "ack", &code.to_lowercase()]);
    assert_eq!(
        (answered["unchanged"].clone(), answered["acknowledged_by"].clone()),
        (json!(false), json!("admin"))
    );
    assert_eq!(must(&directory, &["page", "list"]), json!([]));
    assert_eq!(must(&directory, &["page", "ack", &code])["unchanged"], true);
    let (status, text) = portcullis(&directory, &["page", "ack", "ZZZZ-ZZZZ"]);
    assert_eq!(status, Some(1), "{text}");
    assert_eq!(letters(folder).len(), 2);
    drop(mail);
    drop(installation);
}

#[test]
fn a_mail_server_that_is_silent_holds_up_no_later_call() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    // It takes each connection, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let mut held = Vec::new();
    let come = |what: &str| until(what, || silent.accept().ok()).0;
    Installation::start(&directory).kill();
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["on_call"] = json!([{ "mail": ["ann@us.example"], "minutes": 30 }]);
    settings["smtp"] = json!({
        "host": "127.0.0.1", "port": silent.local_addr().unwrap().port(),
        "from": "portcullis@us.example", "tls": "danger_none",
    });
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();

    let installation = Installation::start(&directory);
    // Each is called while the calls before it still hang.
    for number in 0..3 {
        must(&directory, &["page", "try"]);
        held.push(come(&format!("nobody was called for page {number}")));
    }
    assert_eq!(must(&directory, &["page", "list"]).as_array().unwrap().len(), 3);
    drop(installation);
}
