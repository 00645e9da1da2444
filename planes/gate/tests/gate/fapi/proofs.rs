//! Proofs: their header, algorithm, claims and signature.

use std::sync::atomic::Ordering;

use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};

use super::{DPOP_TOKEN, Line, NONCE, PATH, PROOF, Party, changed, check, members};
use crate::support::client::{BOTH, With, get};
use crate::support::identity::{ORIGIN, ProofKey};
use crate::support::world::World;

#[tokio::test]
async fn proofs_that_are_refused() {
    let world = World::new().await;
    for protocol in BOTH {
        let mut connection = world.open(protocol, None).await;
        let mut party = Party::new(&world, &mut connection).await;
        let tables: [fn(&Party) -> Vec<Line>; 4] = [headers, algorithms, claims, signatures];
        for table in tables {
            party.refresh(&world, &mut connection).await;
            for Line(line, asked, expect, reason) in table(&party) {
                let answer = connection.ask(asked).await.unwrap();
                if answer.status == 401 && answer.reason() == "proof_nonce" && reason != "proof_nonce" {
                    panic!("{line}: the machine was too slow for a nonce");
                }
                check(line, &answer, expect, reason);
            }
        }
        // After all of them one that has nothing wrong passes, and only once.
        party.refresh(&world, &mut connection).await;
        let good = party.proof(json!({}), json!({}));
        assert_eq!(connection.ask(party.with_proof(&good)).await.unwrap().status, 200);
        let again = connection.ask(party.with_proof(&good)).await.unwrap();
        check("used before", &again, NONCE, "proof_replayed");
        let other = party.proof(json!({}), json!({"jti": "k"}));
        assert_eq!(connection.ask(party.with_proof(&other)).await.unwrap().status, 200);
        // With its header known to the gate, what is wrong elsewhere counts as before.
        for Line(line, asked, expect, reason) in claims(&party) {
            check(line, &connection.ask(asked).await.unwrap(), expect, reason);
        }
    }
    assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), 4, "nothing refused went on");
}

fn headers(party: &Party) -> Vec<Line> {
    let line = |what, header: Value| {
        Line(what, party.with_proof(&party.proof(header, json!({}))), PROOF, "proof_malformed")
    };
    let text = |what, proof: &str| Line(what, party.with_proof(proof), PROOF, "proof_malformed");
    let good = party.proof(json!({}), json!({}));
    let mut private = party.key.0.public_jwk().bare();
    private.insert("d".to_owned(), json!("AA"));
    let twice = party.header_by("ES256").replacen('{', "{\"typ\":\"dpop+jwt\",", 1);
    let second = get(PATH).with("authorization", &format!("DPoP {}", party.token)).with("dpop", &good);
    let other_key = ProofKey::new();
    let by_other = other_key.0.sign(
        &members(json!({"typ": "dpop+jwt", "jwk": other_key.0.public_jwk().bare()})),
        Value::Object(party.claims()).to_string().as_bytes(),
    );
    vec![
        Line(
            "none",
            get(PATH).with("authorization", &format!("DPoP {}", party.token)),
            PROOF,
            "proof_missing",
        ),
        Line("two", second.with("dpop", &good), PROOF, "proof_malformed"),
        Line("of another key", party.with_proof(&by_other.unwrap()), DPOP_TOKEN, "proof_key"),
        text("no JWS", "proof"),
        text("two parts", good.rsplit_once('.').unwrap().0),
        text("four parts", &format!("{good}.AA")),
        text("five parts, as JWE has", &format!("{good}.AA.AA")),
        text("the token itself", &party.token),
        text("padded", &good.replacen('.', "=.", 1)),
        text("with a space inside", &good.replacen('.', " .", 1)),
        text("longer than is read", &party.proof(json!({"x": "y".repeat(4_000)}), json!({}))),
        text("a member of the header twice", &party.proof_with_header(&twice, &party.signature_of(&good))),
        text("a header that is no object", &party.proof_with_header("[]", &party.signature_of(&good))),
        line("no typ", json!({"typ": null})),
        line("typ JWT", json!({"typ": "JWT"})),
        line("typ of an access token", json!({"typ": "at+jwt"})),
        line("typ in capitals", json!({"typ": "DPOP+JWT"})),
        line("no jwk", json!({"jwk": null})),
        line("kid in place of jwk", json!({"jwk": null, "kid": party.key.0.kid()})),
        line("x5c in place of jwk", json!({"jwk": null, "x5c": ["AA"]})),
        line("jwk as text", json!({"jwk": "key"})),
        line("a private key", json!({"jwk": private})),
        line("a shared secret", json!({"jwk": {"kty": "oct", "k": "AA"}})),
        line("a key of an unknown type", json!({"jwk": {"kty": "AKP", "pub": "AA"}})),
        line("a key on another curve", json!({"jwk": {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}})),
        line("a key for encrypting", json!({"jwk": with(party, "use", json!("enc"))})),
        line("a key that doesn't verify", json!({"jwk": with(party, "key_ops", json!(["sign"]))})),
        line("crit", json!({"crit": ["exp"]})),
        line("crit, empty", json!({"crit": []})),
        line("b64", json!({"b64": false})),
        line("jku", json!({"jku": "https://keys.test/"})),
        line("x5u", json!({"x5u": "https://keys.test/"})),
        line("zip", json!({"zip": "DEF"})),
    ]
}

fn with(party: &Party, name: &str, value: Value) -> Value {
    Value::Object(changed(party.key.0.public_jwk().bare(), json!({ name: value })))
}

fn algorithms(party: &Party) -> Vec<Line> {
    let good = party.proof(json!({}), json!({}));
    let signature = party.signature_of(&good);
    let line = |what, header: String, signature: &str| {
        Line(what, party.with_proof(&party.proof_with_header(&header, signature)), PROOF, "proof_malformed")
    };
    let rsa = |alg: &str, bytes: usize| {
        let key = json!({"kty": "RSA", "e": "AQAB", "n": party.encoded(&vec![0xfd; bytes])});
        json!({"typ": "dpop+jwt", "alg": alg, "jwk": key}).to_string()
    };
    // The public key as the secret of a MAC: whoever takes any algorithm would find it good.
    let by_mac = {
        let unsigned = party.proof_with_header(&party.header_by("HS256"), "");
        let secret = Value::Object(party.key.0.public_jwk().bare()).to_string();
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let mac = aws_lc_rs::hmac::sign(&secret, unsigned.trim_end_matches('.').as_bytes());
        party.encoded(mac.as_ref())
    };
    let without = json!({"typ": "dpop+jwt", "jwk": party.key.0.public_jwk().bare()}).to_string();
    let edwards = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let misfit = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": edwards.public_jwk().bare()}).to_string();
    vec![
        line("none", party.header_by("none"), ""),
        line("none, signed", party.header_by("none"), &signature),
        line("nOnE", party.header_by("nOnE"), ""),
        line("HS256 with the public key", party.header_by("HS256"), &by_mac),
        line("RS256, 1,024 bits", rsa("RS256", 128), &signature),
        line("RS256, 2,048 bits", rsa("RS256", 256), &signature),
        line("PS256, 2,048 bits", rsa("PS256", 256), &signature),
        line("ES384", party.header_by("ES384"), &signature),
        line("ES256K", party.header_by("ES256K"), &signature),
        line("es256", party.header_by("es256"), &signature),
        line("no alg", without, &signature),
        line("alg as a number", party.header_by("ES256").replace("\"ES256\"", "256"), &signature),
        line("EdDSA with a key for ES256", party.header_by("EdDSA"), &signature),
        line("ES256 with a key for EdDSA", misfit, &signature),
    ]
}

fn claims(party: &Party) -> Vec<Line> {
    let line = |what, changes: Value, reason| {
        Line(what, party.with_proof(&party.proof(json!({}), changes)), PROOF, reason)
    };
    let said = |what, payload: &str| {
        Line(what, party.with_proof(&party.proof_saying(json!({}), payload)), PROOF, "proof_malformed")
    };
    let nonce = |what, nonce: Value| {
        let proof = party.proof(json!({}), json!({ "nonce": nonce }));
        Line(what, party.with_proof(&proof), NONCE, "proof_nonce")
    };
    let good = Value::Object(party.claims()).to_string();
    let url = |tail: &str| json!({ "htu": format!("{ORIGIN}{tail}") });
    let hashed = party.claims()["ath"].as_str().unwrap().to_owned();
    vec![
        said("a payload that is no object", "[]"),
        said("a payload that is no JSON", "htm=GET"),
        said("a claim twice", &good.replacen('{', "{\"jti\":\"i\",", 1)),
        said("an unknown claim twice", &good.replacen('{', "{\"x\":1,\"x\":1,", 1)),
        said("a claim twice, once escaped", &good.replacen('{', "{\"\\u006ati\":\"i\",", 1)),
        line("no htm", json!({"htm": null}), "proof_malformed"),
        line("no htu", json!({"htu": null}), "proof_malformed"),
        line("no iat", json!({"iat": null}), "proof_malformed"),
        line("no jti", json!({"jti": null}), "proof_malformed"),
        line("an empty jti", json!({"jti": ""}), "proof_malformed"),
        line("a jti that is long", json!({"jti": "j".repeat(257)}), "proof_malformed"),
        line("iat as text", json!({"iat": party.now.to_string()}), "proof_malformed"),
        line("htm as a list", json!({"htm": ["GET"]}), "proof_malformed"),
        nonce("no nonce", Value::Null),
        nonce("a nonce that nobody gave", json!("A".repeat(32))),
        nonce("a nonce with one letter changed", json!(bent(&party.nonce))),
        line("another method", json!({"htm": "POST"}), "proof_method"),
        line("the method in small letters", json!({"htm": "get"}), "proof_method"),
        line("another path", url("/records/2"), "proof_url"),
        line("with a slash more", url("/records/1/"), "proof_url"),
        line("with a query", url("/records/1?n=1"), "proof_url"),
        line("with an empty query", url("/records/1?"), "proof_url"),
        line("with a fragment", url("/records/1#top"), "proof_url"),
        line("another host", json!({"htu": "https://other.test/records/1"}), "proof_url"),
        line("the host that Host names", json!({"htu": "https://localhost/records/1"}), "proof_url"),
        line("another port", json!({"htu": "https://gate.test:8443/records/1"}), "proof_url"),
        line("http", json!({"htu": "http://gate.test/records/1"}), "proof_url"),
        line("the path alone", json!({"htu": PATH}), "proof_url"),
        line("too old", json!({"iat": party.now - 400}), "proof_time"),
        line("of the future", json!({"iat": party.now + 400}), "proof_time"),
        line("no ath", json!({"ath": null}), "proof_token_hash"),
        line("ath of another token", json!({"ath": bent(&hashed)}), "proof_token_hash"),
        line("ath padded", json!({"ath": format!("{hashed}=")}), "proof_token_hash"),
        line("the token as ath", json!({"ath": &party.token[..200]}), "proof_token_hash"),
    ]
}

/// With its first letter changed.
fn bent(text: &str) -> String {
    let first = if text.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", &text[1..])
}

fn signatures(party: &Party) -> Vec<Line> {
    let good = party.proof(json!({}), json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let foreign = ProofKey::new().0.sign(&party.header(), b"{}").unwrap();
    let line = |what, signature: &str, reason| {
        Line(what, party.with_proof(&format!("{signed}.{signature}")), PROOF, reason)
    };
    let another = party.proof(json!({}), json!({"jti": "another"}));
    // SEQUENCE of two INTEGERs, as X.509 has them: JOSE wants r and s bare.
    let der = [&[0x30, 70, 0x02, 33, 0][..], &[0x7f; 32], &[0x02, 33, 0], &[0x7f; 32]].concat();
    vec![
        line("empty", "", "proof_signature"),
        line("of another key", &party.signature_of(&foreign), "proof_signature"),
        line("of another proof", &party.signature_of(&another), "proof_signature"),
        line("with one letter changed", &bent(signature), "proof_signature"),
        line("cut short", &signature[..84], "proof_signature"),
        line("zeros", &party.encoded(&[0; 64]), "proof_signature"),
        line("in DER", &party.encoded(&der), "proof_signature"),
        line("that can't be decoded", &signature[..85], "proof_malformed"),
    ]
}
