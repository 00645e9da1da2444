//! The issuer's keys: known before they sign, refused from a stated second, withdrawn at once.

use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_domain::decision::Ending;
use portcullis_domain::ids::ClientId;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::facts::SigningKeyFacts;
use portcullis_tokens::access_token::mint;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use uuid::Uuid;

use crate::support::client::{Answer, BOTH, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::seen::Watched;
use crate::support::soon;
use crate::support::world::{World, bound_to_certificate};

fn facts_of(key: &SigningKey) -> SigningKeyFacts {
    let jwk = serde_json::to_value(key.public_jwk()).unwrap();
    SigningKeyFacts { kid: key.kid().to_owned(), jwk, refused_from: None }
}

#[tokio::test]
async fn a_replaced_key_is_refused_from_the_stated_second_on() {
    let start: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    for protocol in BOTH {
        let world = World::with(HandClock::starting(start), |_| {}).await;
        let next = SigningKey::generate(Algorithm::ES256).unwrap();
        let refused_from = world.clock.wall().as_second() + 660;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let mut fresh = world.open(protocol, Some(&certificate)).await;
        // A thief's token would live for ever.
        let mut claims = world.claims(who(1, 1), bound_to_certificate(certificate.thumbprint()));
        claims.expires_at += 100_000_000;
        let forged = world.mint(&claims);
        let successor = mint(&next, &claims).unwrap();
        let ask = async |connection: &mut crate::support::client::Connection, token: &str| {
            let answer = soon("an answer", connection.ask(get("/records/1").bearer(token))).await.unwrap();
            (answer.status, if answer.status == 200 { String::new() } else { answer.reason() })
        };
        let good = (200, String::new());
        let unknown = (401, "token_signature".to_owned());
        assert_eq!(ask(&mut connection, &successor).await, unknown);
        world.publish(|facts| facts.signing_keys.push(facts_of(&next))).await;
        assert_eq!(ask(&mut connection, &successor).await, good, "known before it is used");
        assert_eq!(ask(&mut connection, &token).await, good);
        world.publish(|facts| facts.signing_keys[0].refused_from = Some(refused_from)).await;
        world.clock.jump_to(Timestamp::from_second(refused_from - 2).unwrap());
        assert_eq!(ask(&mut connection, &forged).await, good);
        assert_eq!(ask(&mut fresh, &forged).await, good);
        world.clock.jump_to(Timestamp::from_second(refused_from).unwrap());
        // Known on this connection, known to this core, and new: refused alike, without a snapshot.
        assert_eq!(ask(&mut connection, &forged).await, unknown);
        assert_eq!(ask(&mut fresh, &forged).await, unknown);
        let mut other = world.open(protocol, Some(&certificate)).await;
        assert_eq!(ask(&mut other, &forged).await, unknown);
        assert_eq!(ask(&mut other, &successor).await, good);
    }
}

#[tokio::test]
async fn everything_under_a_withdrawn_key_dies_at_once() {
    let world = World::new().await;
    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    world.publish(|facts| facts.signing_keys.push(facts_of(&next))).await;
    let withdrawn = world.signing_key.kid().to_owned();
    let mut streams = Vec::new();
    for (number, protocol) in BOTH.into_iter().enumerate() {
        let vendor = number as u128 + 1;
        let (mut connection, token, certificate) = world.client(who(vendor, 1), protocol).await;
        let asked = get("/records/1?format=sse&n=1000000&chunk=1&pace_ms=1").bearer(&token);
        let mut stream = soon("a head", connection.send(asked)).await.unwrap();
        soon("an event", stream.body_mut().frame()).await.unwrap().unwrap();
        let watched = Watched::default();
        assert!(watched.add(&connection.tap));
        world.control.watch(1, &watched);
        streams.push((connection, stream, token, certificate, who(vendor, 1), protocol));
    }
    // One under the next key goes on.
    let bystander = who(3, 1);
    let (mut other, _, certificate) = world.client(bystander, BOTH[0]).await;
    let claims = world.claims(bystander, bound_to_certificate(certificate.thumbprint()));
    let good = mint(&next, &claims).unwrap();
    let asked = get("/records/1?format=sse&n=1000000&chunk=1&pace_ms=1").bearer(&good);
    let mut untouched = soon("a head", other.send(asked)).await.unwrap();

    let target = Target::Key { client: ClientId(Uuid::nil()), thumbprint: withdrawn.clone() };
    let report = world.sever(1, target, 0, vec![withdrawn.clone()]).await;
    // One whose stream was just being written ends by itself, before its turn to be reset has come.
    assert!(report.connections.len() <= 2);
    for (connection, stream, token, certificate, _, protocol) in streams {
        assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
        assert_eq!(connection.tap.excess(), 0, "not one byte after the gate's word");
        let outcome = world.control.wait("its end", |seen| seen.ended.pop()).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::TokenRevoked));
        // Before any snapshot says so, and after one does.
        let mut again = world.open(protocol, Some(&certificate)).await;
        let answer = soon("an answer", again.ask(get("/records/1").bearer(&token))).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (401, "token_revoked"));
    }
    world
        .publish(|facts| {
            facts.signing_keys.retain(|key| key.kid != withdrawn);
            facts.refused_keys.push(withdrawn.clone());
        })
        .await;
    let (mut connection, token, _) = world.client(who(4, 1), BOTH[0]).await;
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (401, "token_revoked"));
    for _ in 0..3 {
        soon("an event", untouched.body_mut().frame()).await.unwrap().unwrap();
    }
}
