//! Lists over HTTPS: what can't be had or used leaves the last good one in use, and its age is told.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::https::serve;
use super::support::{Installation, PATIENCE, must, portcullis};

/// A server whose every answer is the one that is set.
struct Site {
    url: String,
    authority: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn open() -> Self {
        let (answer, asked) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (set, seen) = (Arc::clone(&answer), Arc::clone(&asked));
        let served = serve(async move |stream| {
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            seen.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).to_lowercase());
            let answer = set.lock().unwrap().clone();
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let url = format!("https://localhost:{}/exits", served.port);
        Self { url, authority: served.authority, answer, asked }
    }

    fn answers(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn manifest(&self) -> String {
        let spec = json!({ "holds": "tor", "url": self.url, "certificate_authority": self.authority });
        format!("---\n{}\n", json!({ "kind": "Feed", "name": "exits", "spec": spec }))
    }
}

fn list(tag: &str, addresses: std::ops::Range<u8>) -> String {
    let body: String = addresses.map(|last| format!("185.220.101.{last}\n")).collect();
    format!("HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Fetches it now: whether that was well, and how the feed stands.
fn refresh(directory: &Path) -> (bool, Value) {
    let (code, text) = portcullis(directory, &["feed", "refresh", "exits", "-o", "json"]);
    (code == Some(0), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn is_exit(directory: &Path, last: u8) -> bool {
    must(directory, &["origin", &format!("185.220.101.{last}")])["tor"] == true
}

#[tokio::test]
async fn a_feed_that_fails_to_load_leaves_the_last_good_one_in_use_and_says_how_old_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let directory = &installation.directory;
    let site = Site::open();
    site.answers(list("first", 1..41));
    installation.operator().must_apply(&site.manifest()).await;
    let begun = Instant::now();
    while must(directory, &["feed", "list"])[0]["in_use"] != true {
        assert!(begun.elapsed() < PATIENCE, "{}", must(directory, &["feed", "list"]));
    }
    assert!(is_exit(directory, 40));

    // Its server has no other one: it is as fresh as the answer.
    site.answers("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned());
    let (well, good) = refresh(directory);
    assert!(well && good["entries"] == 40, "{good}");
    assert!(site.asked.lock().unwrap().last().unwrap().contains("if-none-match: \"first\""));

    let page = "<html><body>Sign in to the network first</body></html>";
    let failures = [
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(), "fetch_error"),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "fetch_error",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n185.220.101.77\n".to_owned(), "fetch_error"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_owned(), "fetch_error"),
        (String::new(), "fetch_error"),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()), "error"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "error"),
    ];
    let mut as_of = good["as_of"].clone();
    for (answer, member) in failures {
        site.answers(answer.clone());
        let (well, view) = refresh(directory);
        assert!(!well && view[member].is_string(), "{answer}: {view}");
        assert!(view["in_use"] == true && view["entries"] == 40, "{answer}: {view}");
        if member == "error" && view["is_kept_copy"] == true {
            // From here on it is as old as its content.
            as_of = view["as_of"].clone();
            assert!(as_of.as_str() <= good["as_of"].as_str(), "{answer}: {view}");
        }
        assert_eq!(view["as_of"], as_of, "{answer}: an older list doesn't become newer by failing: {view}");
        assert!(is_exit(directory, 40) && !is_exit(directory, 77), "{answer}");
        let (_, text) = portcullis(directory, &["feed", "list"]);
        let row = text.lines().find(|line| line.starts_with("exits ")).unwrap();
        let age = row.split("last good").nth(1).unwrap().split_whitespace().next().unwrap();
        assert!(age.starts_with(|first: char| first.is_ascii_digit()), "{row}");
        assert!(text.contains("exits can't be "), "{text}");
    }

    site.answers(list("next", 20..60));
    let (well, view) = refresh(directory);
    assert!(well && view["error"].is_null() && view["fetch_error"].is_null(), "{view}");
    assert!(is_exit(directory, 59) && !is_exit(directory, 1));
}
