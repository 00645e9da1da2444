//! Decisions, a sealed file of them, a ledger that holds it, and a pack of all that.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict};
use portcullis_domain::event::{Cause, Event, Severance};
use portcullis_domain::ids::{ClientId, IntegrationId, OperatorId, RouteId, SeveranceId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteSigner;
use portcullis_ledger::proof::InclusionProof;
use portcullis_ledger::tree::{inclusion_proof, leaf_hash, root};
use portcullis_ledger::{Hash, LedgerError, canonical, hex, ranges, sha256};
use portcullis_pack::evidence::{
    EventLine, Evidence, Ledger, Ranges, SealedLine, Section, SeveranceLine, Sources, VendorLine, WindowLine,
};
use portcullis_pack::write::Writer;
use portcullis_pack::{Counter, FORMAT, Names, UNSEALED, Window};
use serde_json::json;
use uuid::Uuid;

pub const ORIGIN: &str = "example.com/ledger";
/// 2026-11-18T09:00:00Z.
const NINE: i64 = 1_794_992_400;

pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | number)
}

pub fn vendor() -> VendorId {
    VendorId(id(1))
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NINE + second).unwrap()
}

pub fn window() -> Window {
    Window::new(vendor(), at(-600), at(3_600)).unwrap()
}

/// A decision `second` seconds into the window.
pub fn decision(second: i64, number: u32) -> DecisionRecord {
    let mut unique = [0; 10];
    unique[6..].copy_from_slice(&number.to_be_bytes());
    let verdict = match number % 11 {
        3 => Verdict::Deny,
        5 => Verdict::Limit,
        7 => Verdict::Challenge,
        _ => Verdict::Allow,
    };
    DecisionRecord {
        id: DecisionId::new(u64::try_from(at(second).as_millisecond()).unwrap(), unique),
        time: at(second),
        verdict,
        reason: if verdict.passes() { Reason::Allowed } else { Reason::RequestsLimit },
        gate: "gate".into(),
        snapshot: 12,
        vendor: Some(vendor()),
        integration: Some(IntegrationId(id(10))),
        client: Some(ClientId(id(20 + u128::from(number % 2)))),
        route: Some(RouteId(id(30 + u128::from(number % 3)))),
        method: "GET".into(),
        path: "/parcels/{id}".into(),
        session: None,
        client_key: None,
        binding: Some("dpop".into()),
        peer: format!("192.0.2.{}:{}", number % 4, 1_024 + number % 60_000),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: vec!["parcels".into()],
        risk: None,
        would_stop: None,
        tunnel: None,
    }
}

pub fn outcome(record: &DecisionRecord, records: u64, ending: Ending) -> OutcomeRecord {
    OutcomeRecord {
        id: record.id,
        time: record.time,
        ending,
        reason: if ending == Ending::Cut { Reason::RecordsCut } else { Reason::Allowed },
        status: 200,
        request_bytes: 7,
        response_bytes: records * 100,
        records,
        duration_us: 300,
        risk: None,
    }
}

pub fn names() -> Names {
    [(10, "feed"), (20, "robot"), (21, "other"), (30, "parcels"), (31, "orders"), (32, "<b>stock</b>")]
        .into_iter()
        .map(|(number, name)| (id(number), name.to_owned()))
        .collect()
}

/// Which rows of the sealed file they are, and these rows; where it is named twice, in two places.
const SEALED_MEMBERS: [(&str, &str); 2] =
    [("files/decisions.json", "rows/decisions.jsonl"), ("files/again.json", "rows/again.jsonl")];

pub type Row = (DecisionRecord, Option<OutcomeRecord>);

/// Rows over the hour: many small answers, a large one that was cut at its end.
pub fn rows(count: u32) -> Vec<Row> {
    (0..count)
        .map(|number| {
            let record = decision(i64::from(number) * 3_500 / i64::from(count.max(1)), number);
            let last = number + 1 == count;
            let ending = if last { Ending::Cut } else { Ending::Complete };
            let records = if last { 40_000 } else { u64::from(number % 90) };
            let outcome =
                (record.verdict.passes() && number % 13 != 1).then(|| outcome(&record, records, ending));
            (record, outcome)
        })
        .collect()
}

pub fn leaf(row: &Row) -> Vec<u8> {
    canonical::to_bytes(&json!({ "decision": row.0, "outcome": row.1 })).unwrap()
}

/// What a pack is made of; tests change it before it is written.
pub struct World {
    pub signer: NoteSigner,
    pub sealed_rows: Vec<Row>,
    pub unsealed_rows: Vec<Row>,
    /// Changes the evidence before it is signed.
    pub touch: fn(&mut Evidence),
    /// Changes a leaf as it is written, and not as it was sealed.
    pub touch_leaf: fn(usize, Vec<u8>) -> Vec<u8>,
    pub rows_included: bool,
    /// The sealed file is named once more, with members of its own, and every row is counted once more.
    pub sealed_twice: bool,
}

impl World {
    pub fn new() -> Self {
        Self {
            signer: NoteSigner::from_seed(ORIGIN, &[5; 32]).unwrap(),
            sealed_rows: rows(300),
            unsealed_rows: vec![(decision(3_590, 9_990), None)],
            touch: |_| (),
            touch_leaf: |_, leaf| leaf,
            rows_included: true,
            sealed_twice: false,
        }
    }

    /// The pack's bytes.
    pub fn pack(&self) -> Vec<u8> {
        // The sealed file has rows of others before and behind those of this vendor.
        let others = |count: u8| (0..count).map(|number| leaf_hash(&[number; 9]));
        let own: Vec<Vec<u8>> = self.sealed_rows.iter().map(leaf).collect();
        let hashes: Vec<Hash> =
            others(37).chain(own.iter().map(|leaf| leaf_hash(leaf))).chain(others(90)).collect();
        let sealed = SealedFile {
            file: "date=2026-11-18/decisions-2026-11-18T09-0001.parquet".into(),
            content: Content::Decisions,
            schema: 3,
            hour: at(0),
            rows: hashes.len() as u64,
            bytes: 12_345,
            sha256: hex(&sha256(b"the file")),
            rows_root: hex(&root(&hashes)),
            first: self.sealed_rows[0].0.id,
            last: self.sealed_rows.last().unwrap().0.id,
            event: None,
        };
        let severance = Severance {
            id: SeveranceId(id(40)),
            target: Target::Vendor { id: vendor() },
            epoch: 2,
            keys: Vec::new(),
            cause: Cause::Operator {
                operator: OperatorId(id(50)),
                reason: "leak <script>".into(),
                tell: None,
            },
            time: at(3_550),
        };
        let events = [
            Event::SubjectErased { subject: portcullis_domain::ids::SubjectId(id(60)) },
            Event::DecisionsSealed(sealed.clone()),
            Event::Severed(severance.clone()),
        ];
        let (proofs, size) = self.ledger(&events);
        let mut writer = Writer::new(Vec::new(), at(4_000)).unwrap();
        let range = 37..37 + own.len() as u64;
        let ranges_of = Ranges {
            file: sealed.file.clone(),
            rows: sealed.rows,
            rows_root: sealed.rows_root.clone(),
            ranges: vec![(range.start, range.end)],
            hashes: ranges::prove(&hashes, std::slice::from_ref(&range))
                .unwrap()
                .iter()
                .map(|hash| STANDARD.encode(hash))
                .collect(),
        };
        let times = if self.sealed_twice { 2 } else { 1 };
        for time in &SEALED_MEMBERS[..times] {
            writer.member(time.0, &serde_json::to_vec(&ranges_of).unwrap()).unwrap();
        }
        if self.rows_included {
            let mut lines = Vec::new();
            for (number, leaf) in own.iter().enumerate() {
                lines.extend((self.touch_leaf)(number, leaf.clone()));
                lines.push(b'\n');
            }
            for time in &SEALED_MEMBERS[..times] {
                writer.member(time.1, &lines).unwrap();
            }
            let unsealed: Vec<u8> =
                self.unsealed_rows.iter().flat_map(|row| [leaf(row), b"\n".to_vec()].concat()).collect();
            writer.member(UNSEALED, &unsealed).unwrap();
        }
        for (number, proof) in proofs.iter().enumerate() {
            writer.member(&format!("events/{number:08}.json"), proof).unwrap();
        }
        let mut counter = Counter::new(window(), BTreeSet::new());
        let sealed_rows = (0..times).flat_map(|_| &self.sealed_rows);
        for (record, outcome) in sealed_rows.chain(&self.unsealed_rows) {
            counter.decision(record.clone(), outcome.clone());
        }
        let counted = counter.finish(&names());
        let mut evidence = Evidence {
            format: FORMAT.into(),
            made_at: at(4_000),
            made_by: "ann".into(),
            program: "portcullis 0".into(),
            installation: "https://gate.example".into(),
            ledger: Ledger { origin: ORIGIN.into(), size, key: self.signer.verifier().to_string() },
            vendor: VendorLine { id: vendor(), name: "acme".into() },
            window: WindowLine { from: window().from, to: window().to },
            rows_included: self.rows_included,
            files_included: false,
            sources: Sources {
                sealed: SEALED_MEMBERS[..times]
                    .iter()
                    .map(|(ranges, member)| SealedLine {
                        file: sealed.file.clone(),
                        content: sealed.content,
                        sha256: sealed.sha256.clone(),
                        bytes: sealed.bytes,
                        rows: sealed.rows,
                        rows_root: sealed.rows_root.clone(),
                        event: 1,
                        proof: "events/00000001.json".into(),
                        rows_counted: own.len() as u64,
                        member: self.rows_included.then(|| (*member).into()),
                        ranges: Some((*ranges).into()),
                        whole: None,
                    })
                    .collect(),
                unsealed_rows: self.unsealed_rows.len() as u64,
                ..Sources::default()
            },
            sections: vec![
                Section::Summary(counted.summary.clone()),
                Section::Minutes(counted.minutes.clone()),
                Section::Severances {
                    lines: vec![SeveranceLine {
                        id: severance.id,
                        target: "vendor/acme".into(),
                        time: severance.time,
                        by: "ann".into(),
                        why: "leak <script>".into(),
                        decision: None,
                        event: 2,
                        proof: "events/00000002.json".into(),
                        receipts: Vec::new(),
                        records_by_minute: counted.series.hour_before(severance.time),
                        restored: None,
                    }],
                },
                Section::Routes(counted.routes.clone()),
                Section::Callers(counted.callers.clone()),
                Section::Networks(counted.networks.clone()),
                Section::Reasons { lines: counted.reasons.clone() },
                Section::Decisions(counted.decisions.clone()),
                Section::Events {
                    lines: vec![EventLine {
                        event: 0,
                        kind: "subject_erased".into(),
                        time: at(10),
                        proof: "events/00000000.json".into(),
                    }],
                    left_out: 0,
                },
            ],
        };
        evidence.sections.extend(Section::absent());
        (self.touch)(&mut evidence);
        writer.finish(&evidence, &counted.series, &|text| self.signer.sign_statement(text)).unwrap()
    }

    /// A ledger of these events: the proof of each, and how many they are.
    fn ledger(&self, events: &[Event]) -> (Vec<Vec<u8>>, u64) {
        let mut leaves = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let payload = canonical::to_bytes(&serde_json::to_value(event).unwrap()).unwrap();
            let envelope = Envelope {
                sequence: number as u64,
                time: at(10),
                kind: event.kind().into(),
                aggregate: event.aggregate(),
                version: 1,
                payload_sha256: sha256(&payload),
            };
            leaves.push((envelope.to_bytes().unwrap(), payload));
        }
        let hashes: Vec<Hash> = leaves.iter().map(|(envelope, _)| leaf_hash(envelope)).collect();
        let size = hashes.len() as u64;
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: root(&hashes) };
        let checkpoint = checkpoint.sign(&self.signer).unwrap();
        let proofs = leaves.iter().enumerate().map(|(number, (envelope, payload))| {
            let at = |index: u64| Ok::<_, LedgerError>(hashes[usize::try_from(index).unwrap()]);
            let path = inclusion_proof(number as u64, size, at).unwrap();
            let proof = InclusionProof { index: number as u64, hashes: path, checkpoint: checkpoint.clone() };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let written = json!({
                "format": "portcullis-ledger-proof/1", "key": "nobody's",
                "envelope": text(envelope), "payload": text(payload), "proof": proof.text(),
            });
            serde_json::to_vec(&written).unwrap()
        });
        (proofs.collect(), size)
    }
}
