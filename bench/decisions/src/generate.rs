//! Decisions as 60 vendors make them: some with many clients, some with few, most allowed, few refused.

use jiff::Timestamp;
use portcullis_archive::{Hour, Row};
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict};
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, VendorId};
use portcullis_domain::reason::Reason;
use uuid::Uuid;

pub const VENDORS: u64 = 60;
const CLIENTS: u64 = 8;
const SESSIONS: u64 = 40;
const PEERS: u64 = 200;

/// Splitmix64: the same decisions in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn id(sort: u64, number: u64) -> Uuid {
    let (high, low) = (Random(sort << 32 | number).next(), Random(number << 32 | sort).next());
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

pub fn vendor(number: u64) -> VendorId {
    VendorId(id(1, number))
}

pub fn client(vendor: u64, number: u64) -> ClientId {
    ClientId(id(2, vendor << 8 | number))
}

fn letters(seed: u64, count: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = Random(seed);
    (0..count).map(|_| char::from(ALPHABET[random.below(64) as usize])).collect()
}

/// A decision of one vendor in an hour.
pub fn decision(random: &mut Random, vendor_number: u64, at_ms: u64) -> DecisionRecord {
    let client_number = random.below(CLIENTS);
    let route = random.below(6);
    let session = vendor_number << 16 | client_number << 8 | random.below(SESSIONS);
    let peer = vendor_number << 8 | random.below(PEERS);
    let reason = match random.below(1_000_000) {
        0 => Reason::KeySevered,
        1..=9 => Reason::ProofReplayed,
        10..=999 => Reason::TokenExpired,
        1_000..=20_999 => Reason::RequestsLimit,
        _ => Reason::Allowed,
    };
    let mut unique = [0; 10];
    unique[..8].copy_from_slice(&random.next().to_be_bytes());
    DecisionRecord {
        id: DecisionId::new(at_ms, unique),
        time: Timestamp::from_microsecond((at_ms * 1_000 + random.below(1_000)) as i64).expect("a time"),
        verdict: if reason == Reason::Allowed { Verdict::Allow } else { Verdict::Deny },
        reason,
        gate: "gate".into(),
        snapshot: 1_000 + at_ms / 3_600_000 % 700,
        vendor: Some(vendor(vendor_number)),
        integration: Some(IntegrationId(id(3, vendor_number))),
        client: Some(client(vendor_number, client_number)),
        route: Some(RouteId(id(4, route))),
        method: if route < 4 { "GET" } else { "POST" }.into(),
        path: ["/parcels/{id}", "/parcels", "/labels/{id}", "/rates", "/pickups", "/returns/{id}/items"]
            [route as usize]
            .into(),
        session: Some(letters(session, 43)),
        client_key: Some(letters(vendor_number << 8 | client_number, 43)),
        binding: Some("dpop".into()),
        peer: format!("198.51.{}.{}:{}", peer >> 8 & 255, peer & 255, 32_768 + random.below(28_000)),
        ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1".into()),
        ja4_context: Some(letters(session % 5, 22)),
        protocol: "h2".into(),
        scope: vec!["parcels:read".into(), "labels:read".into()],
        risk: None,
        would_stop: None,
        tunnel: None,
    }
}

pub fn outcome(random: &mut Random, record: &DecisionRecord) -> OutcomeRecord {
    let magnitude = random.below(8);
    let duration_us = 300 + random.below(1 << (8 + magnitude));
    let records = random.below(50);
    OutcomeRecord {
        id: record.id,
        time: record.time.checked_add(jiff::SignedDuration::from_micros(duration_us as i64)).expect("a time"),
        ending: Ending::Complete,
        reason: Reason::Allowed,
        status: if random.below(50) == 0 { 404 } else { 200 },
        request_bytes: if record.method == "POST" { random.below(2_000) } else { 0 },
        response_bytes: 120 + records * 430 + random.below(60),
        records,
        duration_us,
        risk: None,
    }
}

/// Rows of an hour in a file's order, about so many: vendors differ in size by a factor of some ten.
pub fn hour(hour: Hour, rows: u64) -> Vec<Row> {
    let mut random = Random(hour.0);
    let weights: u64 = (0..VENDORS).map(|number| 600 / (number + 10)).sum();
    let mut all = Vec::with_capacity(rows as usize + VENDORS as usize);
    for number in 0..VENDORS {
        let of_vendor = rows * (600 / (number + 10)) / weights + 1;
        for _ in 0..of_vendor {
            let at_ms = hour.start_ms() + random.below(3_600_000);
            let record = decision(&mut random, number, at_ms);
            let end = (record.verdict == Verdict::Allow).then(|| outcome(&mut random, &record));
            all.push(Row::new(record, end));
        }
    }
    all.sort_unstable_by_key(|row| (row.record.vendor, row.record.id));
    all
}
