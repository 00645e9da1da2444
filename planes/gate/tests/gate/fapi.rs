//! What FAPI 2.0 and RFC 9449 want a resource to refuse, line by line: the status, the challenge and
//! the reason of each. What is left over must be forwarded, and nothing else.

mod credentials;
mod proofs;

use http::Request;
use serde_json::{Map, Value, json};

use crate::support::client::{Answer, Body, Connection, With, get};
use crate::support::identity::{Claims, ORIGIN, ProofKey, who};
use crate::support::world::World;

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
        let made = self.key.proof(&Claims {
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
