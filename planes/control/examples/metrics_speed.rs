//! What counting costs, for a decision with its outcome, read from their payloads:
//! `cargo run --release -p portcullis-control --example metrics_speed`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, looks at the clock, and fails by panicking"
)]

use std::hint::black_box;
use std::time::Instant;

use jiff::Timestamp;
use portcullis_domain::decision::{
    DecisionGlance, DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict,
};
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_metrics::registry::Registry;
use uuid::Uuid;

const EXCHANGES: u64 = 1_000_000;
const UNDER_WAY: usize = 1_000;

fn main() {
    let payloads: Vec<(Vec<u8>, Vec<u8>)> = (0..EXCHANGES).map(payloads).collect();
    for round in 0..3 {
        let mut registry = Registry::new(500);
        let began = Instant::now();
        for place in 0..payloads.len() + UNDER_WAY {
            if let Some((decision, _)) = payloads.get(place) {
                registry.decided(&DecisionGlance::from_bytes(decision).unwrap());
            }
            // A thousand exchanges are under way at any time.
            if let Some((_, outcome)) = place.checked_sub(UNDER_WAY).and_then(|place| payloads.get(place)) {
                registry.ended(&OutcomeRecord::from_bytes(outcome).unwrap());
            }
        }
        let took = began.elapsed();
        let each = took.as_nanos() / u128::from(EXCHANGES);
        println!(
            "round {round}: {each} ns for a decision with its outcome, {} KiB",
            registry.bytes() / 1_024
        );
        black_box(registry);
    }
}

/// Of 50 vendors with three routes each.
fn payloads(number: u64) -> (Vec<u8>, Vec<u8>) {
    let time_ms = 1_800_000_000_000 + number / 20;
    let mut unique = [0; 10];
    unique[2..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let time = Timestamp::from_millisecond(i64::try_from(time_ms).unwrap()).unwrap();
    let vendor = u128::from(number % 50);
    let decision = DecisionRecord {
        id: DecisionId::new(time_ms, unique),
        time,
        verdict: Verdict::Allow,
        reason: Reason::Allowed,
        gate: "gate".into(),
        snapshot: 1_000,
        vendor: Some(VendorId(Uuid::from_u128(vendor << 64 | 1))),
        integration: Some(IntegrationId(Uuid::from_u128(vendor << 64 | 2))),
        client: Some(ClientId(Uuid::from_u128(vendor << 64 | 3))),
        route: Some(RouteId(Uuid::from_u128(u128::from(number % 3)))),
        method: "GET".into(),
        path: "/parcels/{id}".into(),
        session: Some("a session's id, as long as a digest is".into()),
        client_key: Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into()),
        binding: Some("dpop".into()),
        peer: "192.0.2.17:41234".into(),
        ja4: Some("t13d1516h2_8daaf6152771_02713d6af862".into()),
        ja4_context: Some("t13d1516h2_8daaf6152771_02713d6af862".into()),
        protocol: "h2".into(),
        scope: vec!["parcels.read".into()],
        risk: None,
        would_stop: None,
        tunnel: None,
    };
    let outcome = OutcomeRecord {
        id: decision.id,
        time,
        ending: Ending::Complete,
        reason: Reason::Allowed,
        status: 200,
        request_bytes: 0,
        response_bytes: 2_000,
        records: 20,
        duration_us: 500 + number * 7_919 % 200_000,
        risk: None,
    };
    (decision.to_bytes().unwrap(), outcome.to_bytes().unwrap())
}
