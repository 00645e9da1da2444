//! What a DPoP proof costs, beside its bare signature: `cargo run --release --example proof_speed`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement: it prints, and fails by panicking"
)]

use std::hint::black_box;
use std::time::Duration;

use portcullis_domain::ids::ClientId;
use portcullis_tokens::dpop::{self, ExpectedProof, NewProof, Proof, ProofHeaders};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

const URL: &str = "https://api.example.com/v1/records/4711";
const NOW: i64 = 1_800_000_000;
const ROUNDS: u32 = 5;
const ITERATIONS: u32 = 4_000;

fn main() {
    // As long as an access token of ours is.
    let token = "t".repeat(900);
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let proof = NewProof {
            method: "GET",
            url: URL,
            issued_at: NOW,
            token_id: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
            access_token: Some(&token),
            nonce: Some("AAAAAAq2pYAAAAAAAAAAAAAAAAAAAAAA"),
        };
        let text = dpop::create(&key, &proof).unwrap();
        let urls = [URL.to_owned()];
        let expected = ExpectedProof {
            method: "GET",
            urls: &urls,
            access_token: Some(&token),
            now: NOW,
            leeway_seconds: 300,
        };
        println!("{algorithm}, a proof of {} bytes", text.len());
        let prepared = key.verifying_key().unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let signature = decoded(signature);
        measure("floor: the bare signature", || {
            prepared.verify(algorithm, message.as_bytes(), black_box(&signature)).unwrap();
        });
        measure("read, not verified", || {
            black_box(Proof::parse(black_box(&text)).unwrap().matching(&expected).is_ok());
        });
        measure("a proof nobody has seen", || {
            black_box(dpop::verify(black_box(&text), &expected).unwrap());
        });
        let mut headers = ProofHeaders::new();
        let header = dpop::verify(&text, &expected).unwrap().new_header;
        headers.remember(ClientId(uuid::Uuid::from_u128(1)), header.unwrap());
        measure("read with a known header, not verified", || {
            black_box(headers.read(black_box(&text)).unwrap().matching(&expected).is_ok());
        });
        measure("a proof with a known header", || {
            let matched = headers.read(black_box(&text)).unwrap().matching(&expected).unwrap();
            black_box(matched.verify_signature().unwrap());
        });
    }
}

/// How long this thread has been on a processor: what else runs on the machine counts less.
fn on_processor() -> Duration {
    // Linux: nanoseconds on a processor, nanoseconds waiting for one, and how often.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The best of several rounds.
fn measure(what: &str, mut work: impl FnMut()) {
    let round = |_| {
        let begun = on_processor();
        (0..ITERATIONS).for_each(|_| work());
        (on_processor() - begun).as_nanos() / u128::from(ITERATIONS)
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    println!("  {best:>7} ns  {what}");
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}
