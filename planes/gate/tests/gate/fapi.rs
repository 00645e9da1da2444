//! What FAPI 2.0 and RFC 9449 want a resource to refuse, line by line: the status, the challenge and
//! the reason of each. What is left over must be forwarded, and nothing else.

use std::sync::atomic::Ordering;

use http::{Method, Request};
use portcullis_tokens::access_token::Confirmation;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Map, Value, json};

use crate::support::client::{Answer, BOTH, Body, Connection, With, full, get, request};
use crate::support::identity::{Certificate, ORIGIN, ProofKey, who};
use crate::support::world::{World, bound_to_certificate};

const PATH: &str = "/records/1";

const ANY: &[&str] = &["DPoP algs=\"ES256 EdDSA\"", "Bearer"];
const PROOF: &[&str] = &["DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA\""];
const NONCE: &[&str] = &["DPoP error=\"use_dpop_nonce\", algs=\"ES256 EdDSA\""];
const DPOP_TOKEN: &[&str] = &["DPoP error=\"invalid_token\", algs=\"ES256 EdDSA\""];
const BEARER_TOKEN: &[&str] = &["Bearer error=\"invalid_token\""];
const BEARER_REQUEST: &[&str] = &["Bearer error=\"invalid_request\""];

/// One client with a DPoP key, and a nonce that is good for it.
struct Party {
    key: ProofKey,
    token: String,
    nonce: String,
    now: i64,
}

impl Party {
    async fn new(world: &World, connection: &mut Connection) -> Self {
        let key = ProofKey::new();
        let token = world.dpop_token(who(1, 1), key.thumbprint());
        let now = world.clock.wall().as_second();
        let mut party = Self { key, token, nonce: String::new(), now };
        party.refresh(world, connection).await;
        party
    }

    /// Nonces last for ten seconds at least, which a busy machine may need for a few lines.
    async fn refresh(&mut self, world: &World, connection: &mut Connection) {
        self.now = world.clock.wall().as_second();
        let answer = connection.ask(self.with_proof(&self.proof(json!({}), json!({"nonce": "AA"})))).await;
        self.nonce = answer.unwrap().header("dpop-nonce").unwrap().to_owned();
    }

    /// A request with the token, as it should be sent.
    fn with_proof(&self, proof: &str) -> Request<Body> {
        get(PATH).with("authorization", &format!("DPoP {}", self.token)).with("dpop", proof)
    }

    fn header(&self) -> Map<String, Value> {
        members(json!({"typ": "dpop+jwt", "jwk": self.key.0.public_jwk().bare()}))
    }

    fn claims(&self) -> Map<String, Value> {
        // A proof of another request says the same, but for what was hashed.
        let made = self.key.proof(&crate::support::identity::Claims {
            method: "GET".to_owned(),
            url: format!("{ORIGIN}{PATH}"),
            issued_at: self.now,
            token_id: "j".to_owned(),
            access_token: self.token.clone(),
            nonce: Some(self.nonce.clone()),
        });
        members(serde_json::from_str(&decoded(made.split('.').nth(1).unwrap())).unwrap())
    }

    /// A proof with these changes to a good one; `null` takes a member away.
    fn proof(&self, header: Value, claims: Value) -> String {
        let claims = changed(self.claims(), claims);
        self.proof_saying(header, &Value::Object(claims).to_string())
    }

    fn proof_saying(&self, header: Value, payload: &str) -> String {
        self.key.0.sign(&changed(self.header(), header), payload.as_bytes()).unwrap()
    }

    /// A proof whose header is this text, letter by letter. Its signature is another proof's.
    fn proof_with_header(&self, header: &str, signature: &str) -> String {
        let good = self.proof(json!({}), json!({}));
        let payload = good.split('.').nth(1).unwrap();
        format!("{}.{payload}.{signature}", self.encoded(header.as_bytes()))
    }

    /// base64url, by way of a JWS that has these bytes as payload.
    fn encoded(&self, bytes: &[u8]) -> String {
        self.key.0.sign(&Map::new(), bytes).unwrap().split('.').nth(1).unwrap().to_owned()
    }

    /// The header of a proof by another algorithm.
    fn header_by(&self, alg: &str) -> String {
        json!({"typ": "dpop+jwt", "alg": alg, "jwk": self.key.0.public_jwk().bare()}).to_string()
    }

    fn signature_of(&self, proof: &str) -> String {
        proof.rsplit_once('.').map(|(_, signature)| signature.to_owned()).unwrap()
    }
}

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn changed(mut members: Map<String, Value>, changes: Value) -> Map<String, Value> {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    members
}

/// base64url of ASCII, read by hand: the gate has no decoder to lend.
fn decoded(text: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut held, mut decoded) = (0_u32, 0, String::new());
    for letter in text.chars() {
        bits = bits << 6 | u32::try_from(alphabet.find(letter).unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(char::from(u8::try_from(bits >> held & 0xff).unwrap()));
        }
        bits &= 0xffff;
    }
    decoded
}

fn challenges(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

/// One line of the table: what is sent, and what it meets.
struct Line(&'static str, Request<Body>, &'static [&'static str], &'static str);

#[track_caller]
fn check(line: &str, answer: &Answer, expect: &[&str], reason: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{line}: {answer:?}");
    assert_eq!(challenges(answer), expect, "{line}");
    let offers_nonce = expect == NONCE || reason == "proof_missing" && expect == PROOF;
    assert_eq!(answer.header("dpop-nonce").is_some(), offers_nonce, "{line}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{line}");
}

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

#[tokio::test]
async fn credentials_that_are_refused() {
    let world = World::new().await;
    for protocol in BOTH {
        let certificate = Certificate::new();
        let mut none = world.open(protocol, None).await;
        let mut own = world.open(protocol, Some(&certificate)).await;
        let mut other = world.open(protocol, Some(&Certificate::new())).await;
        let mut party = Party::new(&world, &mut none).await;
        let by_certificate = world.token(who(1, 1), &certificate);
        let both = Confirmation {
            jkt: Some(party.key.thumbprint()),
            x5t_s256: bound_to_certificate(certificate.thumbprint()).x5t_s256,
        };
        let both = world.mint(&world.claims(who(1, 1), both));
        let proof = |party: &Party| party.proof(json!({}), json!({}));
        let authorized =
            |scheme: &str, token: &str| get(PATH).with("authorization", &format!("{scheme} {token}"));
        let unsigned = {
            let payload = party.token.split('.').nth(1).unwrap();
            let header = json!({"alg": "none", "typ": "at+jwt", "kid": world.signing_key.kid()}).to_string();
            format!("{}.{payload}.", party.encoded(header.as_bytes()))
        };
        let form = |token: &str| {
            request(Method::POST, PATH, full(format!("access_token={token}")))
                .with("content-type", "application/x-www-form-urlencoded")
        };
        let query = format!("{PATH}?access_token={}", party.token);
        let token = party.token.clone();
        party.refresh(&world, &mut none).await;
        let lines = vec![
            Line("nothing", get(PATH), ANY, "token_missing"),
            Line("a proof without a token", get(PATH).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("the token in the query", get(&query).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("the token in the body", form(&token).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("Basic", authorized("Basic", "dTpw"), ANY, "token_missing"),
            Line("an unknown scheme", authorized("GNAP", &token), ANY, "token_missing"),
            Line(
                "two Authorization headers",
                party.with_proof(&proof(&party)).bearer(&token),
                BEARER_REQUEST,
                "token_malformed",
            ),
            Line(
                "the same Authorization twice",
                party.with_proof(&proof(&party)).with("authorization", &format!("DPoP {token}")),
                BEARER_REQUEST,
                "token_malformed",
            ),
            Line(
                "two tokens in one",
                authorized("DPoP", &format!("{token},{token}")),
                BEARER_TOKEN,
                "token_malformed",
            ),
            Line("a token that isn't signed", authorized("DPoP", &unsigned), BEARER_TOKEN, "token_malformed"),
            Line(
                "a proof in the token's place",
                authorized("DPoP", &proof(&party)),
                BEARER_TOKEN,
                "token_malformed",
            ),
            Line("a DPoP token as Bearer", get(PATH).bearer(&token), DPOP_TOKEN, "proof_missing"),
            Line(
                "a DPoP token as Bearer, with a proof",
                get(PATH).bearer(&token).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "scheme_wrong",
            ),
            Line("no certificate", get(PATH).bearer(&by_certificate), BEARER_TOKEN, "certificate_missing"),
            Line(
                "bound to both, without the certificate",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "certificate_missing",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &none.ask(asked).await.unwrap(), expect, reason);
        }
        let lines = vec![
            Line("another certificate", get(PATH).bearer(&by_certificate), BEARER_TOKEN, "certificate_wrong"),
            Line(
                "bound to both, with another certificate",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "certificate_wrong",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &other.ask(asked).await.unwrap(), expect, reason);
        }
        let lines = vec![
            Line(
                "a certificate-bound token as DPoP",
                authorized("DPoP", &by_certificate).with("dpop", &proof(&party)),
                BEARER_TOKEN,
                "scheme_wrong",
            ),
            Line("bound to both, as Bearer", get(PATH).bearer(&both), DPOP_TOKEN, "proof_missing"),
            Line("bound to both, without a proof", authorized("DPoP", &both), PROOF, "proof_missing"),
            Line(
                "bound to both, the proof with another token's hash",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                PROOF,
                "proof_token_hash",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &own.ask(asked).await.unwrap(), expect, reason);
        }
    }
    assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), 0, "nothing went on");
}
