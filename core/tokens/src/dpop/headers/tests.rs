use portcullis_domain::ids::ClientId;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::dpop::{ExpectedProof, NewProof, create};
use crate::signing::SigningKey;

const NOW: i64 = 1_700_000_000;
const URL: &str = "https://gate.example.com/v1/orders";

fn client(number: u128) -> ClientId {
    ClientId(Uuid::from_u128(number))
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

fn proof(key: &SigningKey) -> String {
    let (access_token, nonce) = (None, Some("n"));
    let new = NewProof { method: "GET", url: URL, issued_at: NOW, token_id: "j", access_token, nonce };
    create(key, &new).unwrap()
}

/// A proof with one more member in its header, which changes its text and nothing else.
fn spelled(key: &SigningKey, member: usize) -> String {
    let header = json!({"typ": "dpop+jwt", "jwk": key.public_jwk().bare(), "x": member});
    let claims = json!({"htm": "GET", "htu": URL, "iat": NOW, "jti": "j", "nonce": "n"});
    key.sign(header.as_object().unwrap(), claims.to_string().as_bytes()).unwrap()
}

/// What becomes of a proof, and the header that nobody remembers yet.
fn outcome(proof: Result<Proof<'_>, ProofError>) -> (String, Option<NewHeader>) {
    let urls = [URL.to_owned()];
    let expected =
        ExpectedProof { method: "GET", urls: &urls, access_token: None, now: NOW, leeway_seconds: 300 };
    let verified = proof.and_then(|proof| proof.matching(&expected)?.verify_signature());
    match verified {
        Ok(good) => {
            (format!("{} {} {:?} {}", good.jkt, good.jti, good.nonce, good.issued_at), good.new_header)
        }
        Err(error) => (error.to_string(), None),
    }
}

fn remember(headers: &mut ProofHeaders, client: ClientId, proof: &str) {
    let (said, header) = outcome(headers.read(proof));
    if let Some(header) = header {
        headers.remember(client, header);
    }
    assert!(said.contains(" j "), "{said}");
}

#[test]
fn a_header_is_new_once() {
    let mut headers = ProofHeaders::new();
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256] {
        let text = proof(&SigningKey::generate(algorithm).unwrap());
        let (first, header) = outcome(headers.read(&text));
        assert!(outcome(headers.read(&text)).1.is_some(), "reading remembers nothing");
        headers.remember(client(1), header.unwrap());
        let (again, header) = outcome(headers.read(&text));
        assert_eq!((again, header.is_none()), (first, true));
    }
    assert_eq!(headers.len(), 2);
}

#[test]
fn a_proof_that_isnt_good_has_no_header_to_remember() {
    let text = proof(&key());
    let (body, signature) = text.rsplit_once('.').unwrap();
    let other = proof(&key());
    for forged in [format!("{body}.{}", other.rsplit_once('.').unwrap().1), format!("{body}.{signature}A")] {
        assert!(outcome(ProofHeaders::new().read(&forged)).1.is_none(), "{forged}");
    }
    let mut header = Map::from_iter([("typ".to_owned(), Value::from("dpop+jwt"))]);
    header.insert("jwk".to_owned(), key().public_jwk().bare().into());
    header.insert("x".to_owned(), "y".repeat(HEADER_BYTES_MAX).into());
    let signer = key();
    header.insert("jwk".to_owned(), signer.public_jwk().bare().into());
    let claims = json!({"htm": "GET", "htu": URL, "iat": NOW, "jti": "j"});
    let long = signer.sign(&header, claims.to_string().as_bytes()).unwrap();
    let (said, header) = outcome(ProofHeaders::new().read(&long));
    assert!(said.contains(" j ") && header.is_none(), "good, and too long to remember: {said}");
}

#[test]
fn a_client_of_many_headers_forgets_its_own() {
    let mut headers = ProofHeaders::new();
    let (quiet, loud) = (key(), key());
    let kept = proof(&quiet);
    remember(&mut headers, client(1), &kept);
    let first = spelled(&loud, 0);
    for member in 0..3 * HEADERS_OF_CLIENT_MAX {
        remember(&mut headers, client(2), &spelled(&loud, member));
    }
    assert_eq!(headers.len(), 1 + HEADERS_OF_CLIENT_MAX);
    assert!(outcome(headers.read(&kept)).1.is_none(), "the other client's is still known");
    assert!(outcome(headers.read(&first)).1.is_some(), "its own oldest isn't");
    let last = spelled(&loud, 3 * HEADERS_OF_CLIENT_MAX - 1);
    assert!(outcome(headers.read(&last)).1.is_none());
}

#[test]
fn never_more_than_fit() {
    let mut headers = ProofHeaders::new();
    let signer = key();
    // One good header stands for all: what counts is how many texts there are.
    let known = outcome(headers.read(&proof(&signer))).1.unwrap().known;
    for number in 0..HEADERS_MAX + 10 {
        let segment = number.to_string().into();
        headers.remember(client(number as u128), NewHeader { segment, known: Arc::clone(&known) });
        assert!(headers.len() <= HEADERS_MAX && headers.of_client.len() <= headers.len());
    }
    assert_eq!(headers.len(), 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With its header remembered or not, a proof that was damaged anywhere meets the same fate.
    #[test]
    fn the_outcome_is_the_same(at in 0_usize..600, with in "[A-Za-z0-9_.-]{0,2}") {
        let signer = SigningKey::from_pkcs8_pem(PEM).unwrap();
        let good = proof(&signer);
        let mut headers = ProofHeaders::new();
        remember(&mut headers, client(1), &good);
        let at = at % good.len();
        let mut damaged = good.clone();
        damaged.replace_range(at..=at, &with);
        prop_assert_eq!(outcome(headers.read(&damaged)).0, outcome(Proof::parse(&damaged)).0);
        prop_assert_eq!(headers.read(&good).unwrap().jkt(), Proof::parse(&good).unwrap().jkt());
    }
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";
