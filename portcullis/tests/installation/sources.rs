//! Registers, lists and catalogues over HTTPS; vendors that are looked up in them; and the way out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::https::serve;
use super::support::{Installation, PATIENCE, must, portcullis};

const LEI: &str = "9845ACME0000TEST0032";
/// Of its parent.
const PARENT: &str = "529900T8BM49AURSDO55";
const NUMBER: &str = "09999901";

/// A server that gives what is laid down in it; what isn't, it answers with 503.
struct Site {
    url: String,
    authority: String,
    files: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn open() -> Self {
        let (files, asked) =
            (Arc::<Mutex<BTreeMap<String, String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (laid_down, seen) = (Arc::clone(&files), Arc::clone(&asked));
        let served = serve(async move |stream| {
            let mut request = [0; 8_192];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
            seen.lock().unwrap().push(target.clone());
            let path = target.split('?').next().unwrap_or_default();
            // The register of companies wants to know who asks.
            let may = !path.starts_with("/company") || request.contains("authorization: Basic c2VjcmV0Og==");
            let body = laid_down.lock().unwrap().get(path).cloned().filter(|_| may);
            let head = |status: &str, length: usize| {
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            };
            let answer = match body {
                Some(body) => head("200 OK", body.len()) + &body,
                None => head("503 Service Unavailable", 0),
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let url = format!("https://localhost:{}", served.port);
        Self { url, authority: served.authority, files, asked }
    }

    fn gives(&self, path: &str, body: impl ToString) {
        self.files.lock().unwrap().insert(path.to_owned(), body.to_string());
    }

    fn is_down(&self) {
        self.files.lock().unwrap().clear();
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An installation that keeps these sources of the site.
fn with(folder: &Path, site: &Site, mut sources: Value) -> (std::path::PathBuf, Installation) {
    let directory = folder.join("data");
    let authority = folder.join("site.pem");
    std::fs::write(&authority, &site.authority).unwrap();
    for source in sources.as_array_mut().unwrap() {
        source["ca"] = json!(authority);
    }
    Installation::start(&directory).kill();
    let path = directory.join("settings.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["sources"] = sources;
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();
    let installation = Installation::start(&directory);
    (directory, installation)
}

/// Looks until it is as expected.
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, Value>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(still) => assert!(began.elapsed() < PATIENCE, "{what}: still {still}"),
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn when(view: Value, holds: bool) -> Result<Value, Value> {
    if holds { Ok(view) } else { Err(view) }
}

fn source(directory: &Path, name: &str) -> Value {
    let views = must(directory, &["source", "list"]);
    views.as_array().unwrap().iter().find(|view| view["name"] == name).unwrap().clone()
}

/// Has it now: whether that was well, and how it stands.
fn refresh(directory: &Path, words: &[&str]) -> (bool, Value) {
    let (code, text) = portcullis(directory, &[&["source", "refresh"], words, &["-o", "json"]].concat());
    (code == Some(0), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn dossier(directory: &Path, vendor: &str) -> Value {
    must(directory, &["vendor", "show", vendor])
}

fn findings(directory: &Path) -> Vec<String> {
    let found = must(directory, &["findings"]);
    let found = found.as_array().unwrap().iter();
    found
        .filter(|finding| finding["code"].as_str().unwrap().starts_with("source_"))
        .map(|finding| {
            format!("{} {}", finding["code"].as_str().unwrap(), finding["message"].as_str().unwrap())
        })
        .collect()
}

fn vendor(name: &str, spec: Value) -> String {
    json!({ "kind": "Vendor", "name": name, "spec": spec }).to_string()
}

/// Of the list's form: no header, and a number for each.
fn sdn(entries: std::ops::Range<u32>) -> String {
    entries
        .map(|entry| format!("{entry},\"ZORBLATT MARITIME {entry} TRADING\",-0- ,\"TEST\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n"))
        .collect()
}

#[tokio::test]
async fn a_list_that_fails_leaves_the_last_good_copy_in_use_through_restarts_and_says_how_old_it_is() {
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::open());
    site.gives("/sdn.csv", sdn(1..21));
    let sources = json!([{ "name": "ofac", "kind": "ofac_sdn", "url": format!("{}/sdn.csv", site.url) }]);
    let (directory, installation) = with(folder.path(), &site, sources);
    let entries = |entries: u64| {
        until("entries", || {
            let view = source(&directory, "ofac");
            let holds = view["entries"] == entries;
            when(view, holds)
        })
    };
    entries(20);
    assert_eq!(findings(&directory), Vec::<String>::new());
    // Less than half of it, half an entry, something else, nothing at all.
    for (body, said) in [
        (Some(sdn(1..10)), "it has 9 entries, and had 20"),
        (Some(sdn(1..21)[..1_000].to_owned()), "the file was cut off"),
        (Some("<html>".to_owned()), "this looks like XML or HTML"),
        (None, "it answered 503"),
    ] {
        match body {
            Some(body) => site.gives("/sdn.csv", body),
            None => site.is_down(),
        }
        let (well, view) = refresh(&directory, &["ofac"]);
        assert!(!well && view["error"].as_str().unwrap().contains(said), "{said}: {view}");
        assert_eq!(view["entries"], 20, "{said}");
        let found = findings(&directory);
        assert!(
            found.len() == 1
                && found[0].contains("source_unusable")
                && found[0].contains("in use is 0 h old"),
            "{found:?}"
        );
    }
    // The copy is in use after a power cut, with the site down, and nobody asks before its time.
    let (asked, age) = (site.asked().len(), source(&directory, "ofac")["as_of"].clone());
    installation.kill();
    let installation = Installation::start(&directory);
    let view = entries(20);
    assert_eq!((site.asked().len(), &view["as_of"]), (asked, &age));
    // Whoever is declared later is looked up in it, and whoever looks by hand records nothing.
    installation
        .operator()
        .must_apply(&vendor("zorblatt", json!({ "legal_name": "Zorblatt Maritime 7 Trading" })))
        .await;
    until("a match", || {
        let dossier = dossier(&directory, "zorblatt");
        let holds = dossier["matches"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| found["found"]["entry"] == "7" && found["list"] == "ofac");
        when(dossier, holds)
    });
    let size = || must(&directory, &["vendor", "show", "zorblatt"])["version"].clone();
    let before = size();
    let (code, text) = portcullis(&directory, &["screen"]);
    assert!(code == Some(1) && text.contains("zorblatt") && text.contains("open"), "{text}");
    let list = folder.path().join("own.csv");
    std::fs::write(&list, sdn(100..110)).unwrap();
    let (code, text) = portcullis(
        &directory,
        &["screen", "zorblatt", "--list", list.to_str().unwrap(), "--kind", "ofac_sdn"],
    );
    assert!(text.contains("`own` (10 entries)") && text.contains("new"), "{code:?} {text}");
    std::fs::write(&list, "1,\"OTHER HOLDING\",-0- ,\"TEST\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n")
        .unwrap();
    let (code, text) =
        portcullis(&directory, &["screen", "--list", list.to_str().unwrap(), "--kind", "ofac_sdn"]);
    assert!(code == Some(0) && text.contains("nobody matches"), "{code:?} {text}");
    assert_eq!(size(), before, "a look was recorded");
    // Taken by somebody's word, and only then.
    site.gives("/sdn.csv", sdn(1..10));
    assert!(!refresh(&directory, &["ofac"]).0);
    let (well, view) = refresh(&directory, &["ofac", "--accept"]);
    assert!(well && view["entries"] == 9 && view["error"].is_null(), "{view}");
    assert_eq!(findings(&directory), Vec::<String>::new());
}

fn gleif(status: &str) -> Value {
    json!({ "data": [{ "attributes": {
        "lei": LEI,
        "entity": { "legalName": { "name": "Harrowfield Analytics Ltd" }, "jurisdiction": "GB", "status": "ACTIVE" },
        "registration": { "status": status },
    } }] })
}

fn company(status: &str) -> Value {
    json!({ "company_name": "HARROWFIELD ANALYTICS LTD", "company_number": NUMBER, "company_status": status,
        "type": "ltd", "date_of_creation": "2014-02-28", "jurisdiction": "england-wales" })
}

#[tokio::test]
async fn registers_are_asked_about_each_vendor_and_only_what_changes_is_recorded() {
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::open());
    site.gives("/lei", gleif("ISSUED"));
    site.gives(&format!("/company/{NUMBER}"), company("active"));
    let officers = json!({ "items": [{ "name": "VELE, Tomas", "officer_role": "director" }] });
    site.gives(&format!("/company/{NUMBER}/officers"), officers);
    let key = folder.path().join("key");
    std::fs::write(&key, "Basic c2VjcmV0Og==\n").unwrap();
    let sources = json!([
        { "name": "gleif", "kind": "gleif", "url": format!("{}/lei", site.url) },
        { "name": "companies", "kind": "registry", "url": format!("{}/company/{{number}}", site.url),
          "officers_url": format!("{}/company/{{number}}/officers", site.url), "header_files": { "Authorization": key } },
    ]);
    let (directory, installation) = with(folder.path(), &site, sources);
    until("the first round", || {
        let view = source(&directory, "gleif");
        let holds = view["entries"] == 0;
        when(view, holds)
    });
    // Both have been asked today, and there was nobody to ask about: whoever comes doesn't wait until tomorrow.
    let spec = json!({ "legal_name": "Harrowfield Analytics Ltd", "lei": LEI, "registry_number": NUMBER, "jurisdiction": "GB" });
    installation.operator().must_apply(&vendor("harrowfield", spec)).await;
    let known = |what: &str, holds: fn(&[Value]) -> bool| {
        until(what, || {
            let dossier = dossier(&directory, "harrowfield");
            let holds = holds(dossier["entity"].as_array().unwrap());
            when(dossier, holds)
        })
    };
    let both = known("both registers", |records| {
        records.len() == 2 && records.iter().all(|record| record["standing"] == "active")
    });
    assert!(site.asked().iter().any(|asked| asked.contains(LEI)), "{:?}", site.asked());
    let officers = |dossier: &Value| dossier["entity"].to_string().contains("VELE, Tomas");
    assert!(officers(&both), "{both}");
    // The same again is no event: after it has been looked at, only the one who came meanwhile is new.
    for name in ["gleif", "companies"] {
        assert!(refresh(&directory, &[name]).0);
    }
    installation
        .operator()
        .must_apply(&vendor("other", json!({ "legal_name": "Other Ltd", "registry_number": "1234567" })))
        .await;
    until("the register can't tell of the other one", || {
        let view = source(&directory, "companies");
        let holds =
            view["error"].as_str().is_some_and(|error| error.contains("company `1234567`: it answered 503"));
        when(view, holds)
    });
    assert_eq!(dossier(&directory, "harrowfield")["version"], both["version"]);
    // Who owns it comes by hand, stays when the register is asked again, and may go round.
    let file = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let owned = |child: &str, parent: &str| {
        json!({ "attributes": { "relationship": { "startNode": { "id": child }, "endNode": { "id": parent },
            "type": "IS_DIRECTLY_CONSOLIDATED_BY", "status": "ACTIVE" } } })
    };
    let (answer, parent) =
        (file("gleif.json", &gleif("ISSUED")), file("parent.json", &json!({ "data": owned(LEI, PARENT) })));
    let above = file("above.json", &json!({ "data": owned(PARENT, LEI) }));
    let check = ["vendor", "check", "harrowfield", "--gleif", &answer, "--relationships", &parent];
    let told = must(&directory, &check);
    assert_eq!((&told["record"]["parent"], told.get("circles")), (&PARENT.into(), None), "{told}");
    let (code, text) = portcullis(&directory, &[&check[..], &["--relationships", &above]].concat());
    assert!(code == Some(0) && text.contains(&format!("owned by {PARENT}")), "{text}");
    assert!(text.contains("owned in a circle, and so by nobody"), "{text}");
    // A change is one.
    site.gives(&format!("/company/{NUMBER}"), company("dissolved"));
    site.gives("/lei", gleif("LAPSED"));
    for name in ["gleif", "companies"] {
        refresh(&directory, &[name]);
    }
    let changed = known("what has changed", |records| {
        let has = |member: &str, word: &str| records.iter().any(|record| record[member] == word);
        has("standing", "dissolved") && has("lei_status", "lapsed")
    });
    let by_gleif =
        changed["entity"].as_array().unwrap().iter().find(|record| record["lei_status"] == "lapsed");
    assert_eq!(by_gleif.unwrap()["parent"], PARENT, "{changed}");
    let stops: Vec<&Value> = changed["stops"].as_array().unwrap().iter().map(|held| &held["stop"]).collect();
    assert!(stops.iter().any(|stop| **stop == "entity"), "{changed}");
    // People are named in the ledger, under their keys, and nowhere beside it.
    let kept = std::fs::read_dir(directory.join("sources")).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.collect();
    assert!(!kept.is_empty());
    for file in kept {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("VELE") && !text.contains("HARROWFIELD"), "{}: {text}", file.display());
    }
    // What the register said stays after a restart without it, and its age is told.
    site.is_down();
    installation.kill();
    let installation = Installation::start(&directory);
    until("an age without a copy", || {
        let view = source(&directory, "companies");
        let holds = view["error"].is_string() && view["as_of"].is_string() && view["entries"].is_null();
        when(view, holds)
    });
    assert_eq!(dossier(&directory, "harrowfield")["entity"], changed["entity"]);
    drop(installation);
}

#[tokio::test]
async fn a_vendor_leaves_step_by_step_and_is_known_when_it_comes_back_under_another_name() {
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::open());
    let (directory, installation) = with(folder.path(), &site, json!([]));
    let operator = installation.operator();
    let old =
        json!({ "legal_name": "Quillmere Logistics GmbH", "domains": ["quillmere.example"], "lei": LEI });
    operator.must_apply(&vendor("quillmere", old)).await;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let offboard = |words: &[&str]| {
        portcullis(&directory, &[&["vendor", "offboard", "quillmere"], words, &["-o", "json"]].concat())
    };
    let refused = |words: &[&str], said: &str| {
        let (code, text) = offboard(words);
        assert!(code == Some(1) && text.contains(said), "{words:?}: {text}");
    };
    let done = |words: &[&str]| -> Value {
        let (code, text) = offboard(words);
        assert_eq!(code, Some(0), "{words:?}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    refused(&["--finish"], "isn't being off-boarded");
    let ends = jiff::Timestamp::now() + Duration::from_secs(4);
    let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    done(&["--plan", "freight goes to another firm", "--ends", &ends]);
    refused(&["--finish"], "access ends at");
    let document = write("deleted.txt", "all of it is deleted");
    let filed = write(
        "deleted.yaml",
        "{ title: Certificate of deletion, issuer: Quillmere, issued: 2026-01-31, kind: other, content: { name: deletion } }",
    );
    let added = must(&directory, &["evidence", "add", "quillmere", "-f", &filed, "--document", &document]);
    let evidence = added["id"].as_str().unwrap().to_owned();
    let sha256 = added["answer"]["dossier"]["evidence"][0]["evidence"]["document"]["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let certified = done(&["--deletion-certificate", &evidence]);
    assert_eq!(certified["deletion"], evidence);
    must(&directory, &["hold", "add", "vendor/quillmere", "--reason", "a lawsuit"]);
    until("the hold keeps the documents", || {
        let (code, text) = offboard(&["--finish"]);
        if code == Some(1) && text.contains("under legal hold") { Ok(()) } else { Err(Value::from(text)) }
    });
    must(&directory, &["hold", "lift", "vendor/quillmere", "--reason", "it is settled"]);
    until("the end", || {
        let (code, text) = offboard(&["--finish"]);
        if code == Some(0) { Ok(()) } else { Err(Value::from(text)) }
    });
    let left = done(&[]);
    assert_eq!(left["access"], "blocked", "{left}");
    assert!(
        left["kept"].to_string().contains("400 days") && left["shredded"].to_string().contains(&sha256),
        "{left}"
    );
    // Nobody can read its documents any more, and that is no incident.
    let out = folder.path().join("out");
    let (code, _) =
        portcullis(&directory, &["evidence", "get", "quillmere", &sha256, "--out", out.to_str().unwrap()]);
    assert!(code == Some(1) && !out.exists());
    let report = must(&directory, &["evidence", "check"]);
    assert_eq!((&report["changed"], &report["checked"]), (&Value::Null, &json!(0)), "{report}");
    // Gone from the registry, and back under another name: by its domain.
    must(&directory, &["delete", "vendor", "quillmere"]);
    let new = json!({ "legal_name": "Brand New Freight SE", "domains": ["www.quillmere.example"] });
    operator.must_apply(&vendor("newfreight", new)).await;
    operator
        .must_apply(&vendor(
            "honest",
            json!({ "legal_name": "Honest Carriers AG", "domains": ["honest.example"] }),
        ))
        .await;
    let back = until("a relation", || {
        let dossier = dossier(&directory, "newfreight");
        let holds = !dossier["matches"].as_array().unwrap().is_empty();
        when(dossier, holds)
    });
    let found = &back["matches"][0];
    assert_eq!(
        (&found["list"], &found["found"]["identifier"]),
        (&"own".into(), &"domain quillmere.example".into()),
        "{found}"
    );
    assert!(back["stops"].as_array().unwrap().iter().any(|held| held["stop"] == "relation"), "{back}");
    assert_eq!(dossier(&directory, "honest")["matches"], json!([]));
}
