//! What strangers can see of the ledger: exports, proofs and checkpoints, verified by code that is not ours.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_store::{EventStore as _, NewEvent, SqliteOptions, SqliteStore};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::support::{Installation, Machine, PATIENCE, route, upstream, vendor};

/// Events of the large ledger, and of the two exports before.
const EVENTS: u64 = 100_000;
const EVENTS_BEFORE: [u64; 2] = [10_000, 20_123];
const FLIPS: usize = 200;
const SEED: u64 = 0x5eed_0001;

/// Runs a command of the binary on `directory`.
pub fn portcullis(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .arg("--dir")
        .arg(directory)
        .env_remove("PORTCULLIS_TOKEN")
        .env_remove("PORTCULLIS_SERVER")
        .current_dir(directory.parent().unwrap())
        .output()
        .unwrap()
}

#[track_caller]
pub fn must(directory: &Path, arguments: &[&str]) -> String {
    let output = portcullis(directory, arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// It must end with status 1; both its outputs.
#[track_caller]
pub fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = portcullis(directory, arguments);
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
    words
}

/// The path as an argument.
fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Appends harmless events to a stopped installation until it has `size`.
pub async fn grow(directory: &Path, size: u64) {
    let settings: Value =
        serde_json::from_slice(&std::fs::read(directory.join("settings.json")).unwrap()).unwrap();
    let origin = settings["ledger_origin"].as_str().unwrap().to_owned();
    let key =
        PrivatePkcs8KeyDer::from_pem_slice(&crate::support::unsealed(directory, "checkpoint.pem")).unwrap();
    let store = SqliteStore::open(SqliteOptions {
        ledger: directory.join("ledger.sqlite"),
        // The installation's own are wrapped, and none is needed here.
        subject_keys: directory.with_extension("subjects"),
        signer: NoteSigner::from_pkcs8(&origin, key.secret_pkcs8_der()).unwrap(),
        origin,
    })
    .await
    .unwrap();
    let client = uuid::Uuid::from_u128(6);
    let mut next = store.head().await.unwrap().size;
    while next < size {
        let end = size.min(next + 1_024);
        let event = |number: u64| {
            // Each is over an hour after the one before, and so the state keeps few of them.
            let time = Timestamp::from_second(i64::try_from(number).unwrap() * 3_600).unwrap();
            NewEvent {
                time,
                kind: "token_revoked".to_owned(),
                aggregate: client,
                version: 1,
                payload: json!({
                    "event": "token_revoked",
                    "client": client,
                    "token_id": format!("token-{number}"),
                    "expires_at": time.to_string(),
                }),
            }
        };
        next = store.append(next, (next..end).map(event).collect()).await.unwrap().size;
    }
    store.close().await;
}

/// Debian's Go with `golang.org/x/mod`, if it is here: the verifier that is built by it.
fn verifier(folder: &Path) -> Option<PathBuf> {
    const GOCODE: &str = "/usr/share/gocode";
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/ledger-go/verify.go");
    let go = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let tlog = Path::new(GOCODE).join("src/golang.org/x/mod/sumdb/tlog");
    if !go.is_ok_and(|status| status.success()) || !tlog.is_dir() {
        eprintln!(
            "skipped: `golang-go` and `golang-golang-x-mod-dev` are not here; hint: `.ci/setup` as root"
        );
        return None;
    }
    let binary = folder.join("verify");
    let built = Command::new("go")
        .args(["build", "-o", path(&binary), source])
        .env("GO111MODULE", "off")
        .env("GOPATH", GOCODE)
        .env("GOCACHE", folder.join("go-cache"))
        .env("GOFLAGS", "")
        .status()
        .unwrap();
    assert!(built.success());
    Some(binary)
}

fn verified(verifier: &Path, arguments: &[&str]) -> String {
    let output = Command::new(verifier).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_events_are_verified_by_others_and_any_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let Some(verifier) = verifier(folder.path()) else { return };
    let directory = folder.path().join("data");
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    Installation::start(&directory).kill();
    // The second export adds to the first one.
    for events in EVENTS_BEFORE {
        grow(&directory, events).await;
        let installation = Installation::start(&directory);
        let told = must(&directory, &["ledger", "export", path(&old)]);
        assert!(told.contains(&format!("{events} events")), "{told}");
        installation.kill();
    }
    assert!(Command::new("cp").arg("-r").args([&old, &new]).status().unwrap().success());
    grow(&directory, EVENTS).await;
    let _after = Installation::start(&directory);
    let key = must(&directory, &["ledger", "key"]).trim().to_owned();
    let begun = Instant::now();
    let told = must(&directory, &["ledger", "export", path(&new)]);
    eprintln!("export of {} more events: {:?}", EVENTS - EVENTS_BEFORE[1], begun.elapsed());
    assert!(told.contains("100000 events") && told.contains("79877 of them new"), "{told}");
    must(&directory, &["ledger", "verify", "--against", path(&old)]);

    let begun = Instant::now();
    let told = verified(&verifier, &["-proofs", "-old", path(&old), path(&new), &key]);
    let took = begun.elapsed();
    eprintln!("verified by Go: {}", told.trim());
    assert!(told.starts_with(&format!("{EVENTS} entries")), "{told}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    every_flip_is_found(&verifier, &old, &key);
}

/// Changes one byte after the other, anywhere in any file, and each time the verifier must say so.
fn every_flip_is_found(verifier: &Path, export: &Path, key: &str) {
    let begun = Instant::now();
    let files = files(export);
    let bytes: u64 = files.values().sum();
    let mut child = Command::new(verifier)
        .args(["-serve", path(export), key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = move || {
        orders.write_all(b"\n").unwrap();
        answers.next().unwrap().unwrap()
    };
    let mut random = SEED;
    let mut next = move || {
        // SplitMix64.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    assert_eq!(ask(), "good");
    for flip in 0..FLIPS {
        let mut at = next() % bytes;
        // Each tenth hits the checkpoint: among so many bytes nobody else would.
        let (file, at) = if flip % 10 == 0 {
            (export.join("checkpoint"), at % files[&export.join("checkpoint")])
        } else {
            let hit = files.iter().find(|(_, size)| {
                at < **size || {
                    at -= **size;
                    false
                }
            });
            (hit.unwrap().0.clone(), at)
        };
        let handle = std::fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
        let mut byte = [0];
        handle.read_exact_at(&mut byte, at).unwrap();
        let change = u8::try_from(next() % 255).unwrap() + 1;
        handle.write_all_at(&[byte[0] ^ change], at).unwrap();
        let answer = ask();
        assert!(answer.starts_with("bad: "), "byte {at} of {} ^ {change}: {answer}", file.display());
        handle.write_all_at(&byte, at).unwrap();
    }
    assert_eq!(ask(), "good");
    drop(ask);
    child.wait().unwrap();
    eprintln!("{FLIPS} changed bytes of {bytes} found one by one: {:?}", begun.elapsed());
}

fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    found
}

#[test]
fn a_proof_is_checked_without_a_server_and_holds_for_what_it_says_only() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    must(&directory, &["operator", "add", "ann"]);
    let key = must(&directory, &["ledger", "key"]).trim().to_owned();
    must(&directory, &["ledger", "prove", "1"]);
    let words = refused(&directory, &["ledger", "prove", "99"]);
    assert!(words.contains("no event `99`"), "{words}");
    let words = refused(&directory, &["ledger", "prove", "01M7Z0C6B71DFTGC1GRW00000W"]);
    assert!(words.contains("no decision `01M7Z0C6B71DFTGC1GRW00000W` is known"), "{words}");
    installation.kill();

    let file = folder.path().join("event-1.proof.json");
    let told = must(&directory, &["ledger", "verify-proof", path(&file), "--key", &key]);
    assert!(told.contains("GOOD") && told.contains("event 1 "), "{told}");
    assert!(must(&directory, &["ledger", "verify-proof", path(&file)]).contains("the file's own word"));
    let other = NoteSigner::from_seed("example.com/ledger", &[5; 32]).unwrap().verifier().to_string();
    refused(&directory, &["ledger", "verify-proof", path(&file), "--key", &other]);

    let good: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (member, from, to) in [
        ("payload", "\"event\"", "\"Event\""),
        ("envelope", "\"version\":1", "\"version\":2"),
        ("envelope", "\"sequence\":1", "\"sequence\":2"),
        ("proof", "index 1", "index 0"),
        ("proof", "/ledger\n", "/ledges\n"),
        ("format", "/1", "/2"),
    ] {
        let mut bad = good.clone();
        let text = bad[member].as_str().unwrap();
        assert!(text.contains(from), "{member}: {text}");
        bad[member] = text.replacen(from, to, 1).into();
        std::fs::write(&file, bad.to_string()).unwrap();
        refused(&directory, &["ledger", "verify-proof", path(&file), "--key", &key]);
    }
}

#[tokio::test]
async fn a_decision_is_proved_once_it_is_sealed_and_its_proof_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    let machine = Machine::new(&installation, "acme-machine");
    let manifests = [route(upstream().await), vendor("acme", "2099-12-31"), machine.manifest("acme-read")];
    operator.must_apply(&manifests.join("\n---\n")).await;
    let token = machine.must_token().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = machine.get("/records", &token).await.unwrap();
        ids.push(answer.headers()["portcullis-decision"].to_str().unwrap().to_owned());
        answer.bytes().await.unwrap();
    }
    let id = ids[1].as_str();
    // It is in the log before it takes effect, and in a file after its hour.
    let words = refused(&directory, &["ledger", "prove", id]);
    assert!(words.contains(&format!("decision `{id}` is not sealed yet: that is due at `")), "{words}");
    assert!(words.contains("portcullis decisions seal"), "{words}");
    must(&directory, &["decisions", "seal"]);
    let told = must(&directory, &["ledger", "prove", id]);
    assert!(told.contains(&format!("decision {id}")) && told.contains("decisions_sealed"), "{told}");
    let key = must(&directory, &["ledger", "key"]).trim().to_owned();
    installation.kill();

    let file = folder.path().join(format!("decision-{id}.proof.json"));
    let told = must(&directory, &["ledger", "verify-proof", path(&file), "--key", &key]);
    assert!(told.contains("GOOD") && told.contains(&format!("decision {id}")), "{told}");
    let good: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let leaf: Value = serde_json::from_str(good["row"]["leaf"].as_str().unwrap()).unwrap();
    assert_eq!((&leaf["decision"]["id"], &leaf["decision"]["method"]), (&json!(id), &json!("GET")));
    for (pointer, from, to) in [
        ("/row/leaf", "GET", "PUT"),
        ("/row/path/0", "", "A"),
        ("/payload", "\"rows_root\":\"", "\"rows_root\":\"0"),
        ("/envelope", "\"version\":1", "\"version\":2"),
        ("/proof", "/ledger\n", "/ledges\n"),
        ("/format", "decision", "ledger"),
    ] {
        let mut bad = good.clone();
        let text = bad.pointer(pointer).unwrap().as_str().unwrap();
        assert!(text.contains(from), "{pointer}: {text}");
        *bad.pointer_mut(pointer).unwrap() = text.replacen(from, to, 1).into();
        std::fs::write(&file, bad.to_string()).unwrap();
        refused(&directory, &["ledger", "verify-proof", path(&file), "--key", &key]);
    }
}

#[test]
fn a_ledger_that_was_rewritten_or_cut_does_not_pass_for_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let export = folder.path().join("export");
    let installation = Installation::start(&directory);
    for name in ["ann", "ben"] {
        must(&directory, &["operator", "add", name]);
    }
    must(&directory, &["ledger", "export", path(&export)]);
    must(&directory, &["operator", "add", "cleo"]);
    let told = must(&directory, &["ledger", "verify", "--against", path(&export)]);
    assert!(told.contains("are the beginning of these 7"), "{told}");
    installation.kill();

    // Founded anew, under the same name and with the same key.
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "severances.reserve"] {
        let _ = std::fs::remove_file(directory.join(name));
    }
    let _again = Installation::start(&directory);
    let checkpoint = export.join("checkpoint");
    let words = refused(&directory, &["ledger", "verify", "--against", path(&checkpoint)]);
    assert!(words.contains("GOOD  4 events") && words.contains("was cut or rewritten"), "{words}");
    let words = refused(&directory, &["ledger", "export", path(&export)]);
    assert!(words.contains("was cut or rewritten"), "{words}");
    for name in ["dora", "emil", "fay"] {
        must(&directory, &["operator", "add", name]);
    }
    let words = refused(&directory, &["ledger", "verify", "--against", path(&export)]);
    assert!(words.contains("does not begin with the 6 events") && words.contains("rewritten"), "{words}");
    let before = files(&export);
    let words = refused(&directory, &["ledger", "export", path(&export)]);
    assert!(words.contains("rewritten"), "{words}");
    assert_eq!(files(&export).keys().filter(|file| !file.ends_with(".part")).count(), before.len());

    // A checkpoint of somebody else is none of ours, whatever it says.
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let origin = text.split('\n').next().unwrap();
    let forger = NoteSigner::from_seed(origin, &[7; 32]).unwrap();
    let forged = folder.path().join("forged");
    std::fs::write(&forged, forger.sign(&text).unwrap()).unwrap();
    let words = refused(&directory, &["ledger", "verify", "--against", path(&forged)]);
    assert!(words.contains("is no checkpoint of this ledger"), "{words}");
}

/// A webhook that refuses once, and tells what it was sent.
fn webhook() -> (String, mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while stream.read_line(&mut head).unwrap() > 2 {
                let line = head.split('\n').rev().nth(1).unwrap().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let status = if number == 0 { "503 Not Now" } else { "204 Taken" };
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if number > 0 && tell.send(String::from_utf8(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn checkpoints_arrive_outside_and_a_place_that_knows_better_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    Installation::start(&directory).kill();
    let (hook, told) = webhook();
    let kept = folder.path().join("kept");
    let settings = directory.join("settings.json");
    let mut text: Value = serde_json::from_slice(&std::fs::read(&settings).unwrap()).unwrap();
    text["checkpoints"] = json!({ "every_seconds": 1, "to": [{ "folder": kept }, { "webhook": hook }] });
    std::fs::write(&settings, text.to_string()).unwrap();

    let installation = Installation::start(&directory);
    let key: NoteVerifier = must(&directory, &["ledger", "key"]).trim().parse().unwrap();
    must(&directory, &["operator", "add", "ann"]);
    let deadline = Instant::now() + PATIENCE;
    let mut size = 0;
    while size < 4 {
        let note = told.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap();
        size = key.verify(&note).unwrap().size;
    }
    let newest = kept.join("4.checkpoint");
    while !newest.exists() {
        assert!(Instant::now() < deadline);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    must(&directory, &["ledger", "verify", "--against", path(&newest)]);
    let doctor = must(&directory, &["doctor"]);
    assert!(doctor.contains("posted to 2 places"), "{doctor}");
    installation.kill();

    // What was kept is of a longer ledger than this one is now.
    std::fs::rename(&newest, kept.join("900.checkpoint")).unwrap();
    let _again = Installation::start(&directory);
    loop {
        let head: Value = serde_json::from_str(&must(&directory, &["ledger", "head", "-o", "json"])).unwrap();
        match head["posted"][0]["error"].as_str() {
            Some(error) if error.contains("900.checkpoint") => break,
            _ => assert!(Instant::now() < deadline, "{head}"),
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let words = refused(&directory, &["doctor"]);
    assert!(words.contains("longer ledger"), "{words}");
}
