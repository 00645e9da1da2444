//! Keys of vendors' issuers: fetched, recorded when they change, told to gates, and kept through outages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_control::issuers::{Fetch, Wanted};
use portcullis_domain::command::Command;
use portcullis_domain::ids::IssuerId;
use portcullis_domain::spec::Kind;
use portcullis_policy::facts::IssuerFacts;
use portcullis_policy::link::{FromGate, ToGate};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};

use crate::world::{FakeGate, Process, World, kinds, prepared, until};

const ISSUER: &str = "https://idp.acme.example/realms/machines";

/// What stands at the issuer's addresses.
#[derive(Clone, Default)]
struct Web(Arc<Mutex<Site>>);

#[derive(Default)]
struct Site {
    keys: Option<Value>,
    asked: Vec<Wanted>,
}

impl Web {
    fn publish(&self, keys: &[&Value]) {
        self.0.lock().unwrap().keys = Some(json!({ "keys": keys }));
    }

    fn fail(&self) {
        self.0.lock().unwrap().keys = None;
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    fn fetch(&self) -> Fetch {
        let web = self.clone();
        Arc::new(move |wanted: Wanted| {
            let mut site = web.0.lock().unwrap();
            let url = wanted.url.clone();
            site.asked.push(wanted);
            let document = match (url.ends_with("/openid-configuration"), &site.keys) {
                (_, None) => Err("connection refused".to_owned()),
                (true, Some(_)) => {
                    let uri = "https://idp.acme.example/realms/machines/certs";
                    Ok(json!({ "issuer": ISSUER, "jwks_uri": uri }).to_string().into_bytes())
                }
                (false, Some(keys)) => Ok(keys.to_string().into_bytes()),
            };
            Box::pin(async move { document })
        })
    }
}

fn key(kid: &str) -> Value {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
    jwk["kid"] = json!(kid);
    jwk
}

async fn declare(process: &Process) {
    process.acme().await;
    let spec = json!({ "vendor": "acme", "issuer": ISSUER, "algorithms": ["ES256"],
        "clients": [{ "client": "robot", "claims": { "azp": "exports" } }] });
    let resources = vec![prepared("Issuer", "acme-idp", spec, &[])];
    process.control.execute(Command::Apply { resources }).await.unwrap();
}

fn facts(gate: &FakeGate) -> Option<IssuerFacts> {
    gate.newest().issuers.first().cloned()
}

fn kids(gate: &FakeGate) -> Vec<String> {
    let keys = facts(gate).map(|facts| facts.keys.keys.jwks).unwrap_or_default();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn told(gate: &FakeGate) -> Option<i64> {
    let others = gate.others.lock().unwrap();
    others.iter().rev().find_map(|message| match message {
        ToGate::IssuerFresh { good_until_seconds, .. } => Some(*good_until_seconds),
        _ => None,
    })
}

#[tokio::test]
async fn keys_follow_their_issuer_through_roll_over_and_outage() {
    let world = World::new();
    let process = world.start().await;
    let (web, gate) = (Web::default(), process.gate("gate-1"));
    let (first, second) = (key("first"), key("second"));
    web.publish(&[&first, &json!({ "kty": "oct", "kid": "secret", "k": "AA" })]);
    declare(&process).await;
    process.control.fetch_with(web.fetch());
    until("the first keys", || kids(&gate) == ["first"]).await;
    let begun = world.now().as_second();
    until("a message", || told(&gate) == Some(begun + 3_600)).await;
    assert_eq!(facts(&gate).unwrap().keys.good_until_seconds, begun + 3_600);
    assert_eq!(web.asked(), 2, "discovery, then the keys");

    // A gate meets the next key: it is looked for, and not sooner than a minute after the last time.
    web.publish(&[&first, &second]);
    let issuer = IssuerId(process.control.state().resource(Kind::Issuer, "acme-idp").unwrap().id);
    for _ in 0..100 {
        gate.to_control.send(FromGate::IssuerKeyUnknown { issuer }).await.unwrap();
    }
    world.pass(Duration::from_secs(61));
    until("the next key", || kids(&gate) == ["first", "second"]).await;
    assert_eq!(web.asked(), 4, "strangers drive nothing");

    // The old one goes with the next turn.
    web.publish(&[&second]);
    world.pass(Duration::from_secs(300));
    until("the old key's end", || kids(&gate) == ["second"]).await;
    let last = world.now().as_second();
    until("a message", || told(&gate) == Some(last + 3_600)).await;

    // Unreachable: the keys stay, nothing is prolonged, and everybody can see it.
    web.fail();
    world.pass(Duration::from_secs(300));
    let failing = || {
        let found = process.control.findings();
        found.iter().any(|finding| finding.code.as_str() == "issuer_unreachable")
    };
    until("a finding", failing).await;
    assert_eq!((kids(&gate), told(&gate)), (vec!["second".to_owned()], Some(last + 3_600)));
    assert_eq!(facts(&gate).unwrap().keys.good_until_seconds, last + 3_600);

    // And back.
    web.publish(&[&second]);
    world.pass(Duration::from_secs(300));
    let now = world.now().as_second();
    until("its return", || told(&gate) == Some(now + 3_600)).await;
    assert!(!failing());
    let changes = kinds(&*process.store).await.iter().filter(|kind| *kind == "issuer_keys_changed").count();
    assert_eq!(changes, 3, "only what changed is on record");
    process.stop().await;

    // After a restart the ledger knows the keys, and how old they may be at most.
    let process = world.start().await;
    let gate = process.gate("gate-2");
    until("a snapshot", || kids(&gate) == ["second"]).await;
    assert_eq!(facts(&gate).unwrap().keys.good_until_seconds, last + 3_600);
    process.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_is_named() {
    let world = World::new();
    let process = world.start().await;
    let (web, gate) = (Web::default(), process.gate("gate-1"));
    let good = key("good");
    web.publish(&[&good]);
    declare(&process).await;
    process.control.fetch_with(web.fetch());
    until("the first keys", || kids(&gate) == ["good"]).await;
    let twice = key("twice");
    for (keys, expect) in [
        (vec![&twice, &twice], "`twice` is there twice"),
        (vec![], "none of its 0 keys"),
        (vec![&twice; 65], "65 keys"),
    ] {
        web.publish(&keys);
        world.pass(Duration::from_secs(301));
        let named = || {
            let found = process.control.findings();
            found.iter().any(|finding| finding.message.contains(expect))
        };
        until(expect, named).await;
        assert_eq!(kids(&gate), ["good"]);
    }
    process.stop().await;
}
