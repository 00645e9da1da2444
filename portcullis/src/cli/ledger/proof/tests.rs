use portcullis_api::ledger::LedgerEntry;
use portcullis_domain::reason::Reason;
use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::note::NoteSigner;
use portcullis_ledger::{LedgerError, canonical, hex, tree};
use serde_json::{Value, json};

use super::*;

const EVENT: u64 = 4;
const EVENTS: u64 = 9;
const ROW: u64 = 2;
const ROWS: u64 = 5;

fn signer() -> NoteSigner {
    NoteSigner::from_seed("example.com/ledger", &[3; 32]).unwrap()
}

fn row(number: u8) -> Vec<u8> {
    let decision = json!({
        "id": DecisionId::new(1_700_000_000_000, [number; 10]), "time": "2026-11-18T09:00:00Z", "verdict": "deny",
        "reason": Reason::RecordsLimit.code(), "gate": "gate", "snapshot": 1, "vendor": null, "integration": null,
        "client": null, "route": null, "method": "GET", "path": "/parcels/{id}", "session": null, "client_key": null,
        "binding": null, "peer": "192.0.2.1:1", "ja4": null, "ja4_context": null, "protocol": "h2", "scope": [],
    });
    canonical::to_bytes(&json!({ "decision": decision, "outcome": null })).unwrap()
}

fn path(leaves: &[Hash], index: u64) -> Vec<Hash> {
    let at = |index: u64| Ok::<_, LedgerError>(leaves[usize::try_from(index).unwrap()]);
    tree::inclusion_proof(index, leaves.len() as u64, at).unwrap()
}

/// The event that says of a file what `change` makes of it.
fn sealed_by(change: impl FnOnce(Value) -> Value) -> LedgerProof {
    let rows: Vec<_> = (0..u8::try_from(ROWS).unwrap()).map(|number| leaf_hash(&row(number))).collect();
    let file = json!({
        "file": "date=2026-11-18/decisions-2026-11-18T09-0001.parquet", "content": "decisions", "schema": 1,
        "hour": "2026-11-18T09:00:00Z", "rows": ROWS, "bytes": 4096, "sha256": "ab".repeat(32),
        "rows_root": hex(&tree::root(&rows)), "first": DecisionId::default(), "last": DecisionId::default(),
    });
    let payload = change(file);
    let kind = payload["event"].as_str().unwrap().to_owned();
    let payload = String::from_utf8(canonical::to_bytes(&payload).unwrap()).unwrap();
    let envelope = Envelope {
        sequence: EVENT,
        time: "2026-11-18T10:05:00Z".parse().unwrap(),
        kind,
        aggregate: Default::default(),
        version: 1,
        payload_sha256: sha256(payload.as_bytes()),
    };
    let envelope = envelope.to_bytes().unwrap();
    let events: Vec<_> = (0..EVENTS)
        .map(|event| leaf_hash(if event == EVENT { &envelope } else { b"another event" }))
        .collect();
    let head =
        Checkpoint { origin: "example.com/ledger".to_owned(), size: EVENTS, root: tree::root(&events) };
    let checkpoint = head.sign(&signer()).unwrap();
    LedgerProof {
        format: DECISION_FORMAT.to_owned(),
        key: signer().verifier().to_string(),
        entry: LedgerEntry { envelope: String::from_utf8(envelope).unwrap(), payload },
        proof: InclusionProof { index: EVENT, hashes: path(&events, EVENT), checkpoint }.text(),
        row: Some(RowProof {
            leaf: String::from_utf8(row(2)).unwrap(),
            index: ROW,
            path: path(&rows, ROW).iter().map(|hash| STANDARD.encode(hash)).collect(),
        }),
    }
}

fn named(mut file: Value, event: &str) -> Value {
    file["event"] = event.into();
    file
}

fn good() -> LedgerProof {
    sealed_by(|file| named(file, "decisions_sealed"))
}

#[test]
fn every_byte_of_the_proof_of_a_decision_counts() {
    let verifier = signer().verifier();
    let proof = good();
    let proved = check(&proof, &verifier).unwrap();
    assert_eq!(proved.decision(), Some(DecisionId::new(1_700_000_000_000, [2; 10])));
    let file = serde_json::to_vec(&proof).unwrap();
    for place in 0..file.len() {
        for change in [1, 2, 0x10, 0x20] {
            let mut bad = file.clone();
            bad[place] ^= change;
            let Ok(read) = serde_json::from_slice::<LedgerProof>(&bad) else { continue };
            // As `verify-proof` without a key: then the one in the file must be the signer's too.
            let holds = read.key.parse().is_ok_and(|key| check(&read, &key).is_ok());
            assert!(!holds, "byte {place}: {}", String::from_utf8_lossy(&bad));
        }
    }
}

#[test]
fn a_file_that_retention_wrote_anew_is_proved_by_the_event_that_did() {
    let rewritten = sealed_by(|file| {
        json!({
            "event": "decisions_expired", "file": "date=2026-11-18/decisions-2026-11-18T09-0001.parquet",
            "replaced_by": file, "vendors": [], "rows": 1, "time": "2027-12-31T00:00:00Z",
        })
    });
    check(&rewritten, &signer().verifier()).unwrap();
}

#[test]
fn only_an_event_that_seals_decisions_proves_one() {
    let verifier = signer().verifier();
    let outcomes = sealed_by(|mut file| {
        file["content"] = "outcomes".into();
        named(file, "decisions_sealed")
    });
    let gone = sealed_by(|_| {
        json!({
            "event": "decisions_expired", "file": "x", "replaced_by": null, "vendors": [], "rows": 1,
            "time": "2027-12-31T00:00:00Z",
        })
    });
    let fewer = sealed_by(|mut file| {
        file["rows"] = ROW.into();
        named(file, "decisions_sealed")
    });
    let bare = LedgerProof { row: None, ..good() };
    let event = LedgerProof { format: FORMAT.to_owned(), ..good() };
    let other_row = {
        let mut proof = good();
        proof.row.as_mut().unwrap().leaf = String::from_utf8(row(3)).unwrap();
        proof
    };
    for (what, proof) in [
        ("outcomes", outcomes),
        ("gone", gone),
        ("fewer", fewer),
        ("bare", bare),
        ("event", event),
        ("other row", other_row),
    ] {
        assert!(check(&proof, &verifier).is_err(), "{what}");
    }
}
