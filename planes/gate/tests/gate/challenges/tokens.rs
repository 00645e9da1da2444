//! Tokens that are bound to nothing: only a new one, got by a new assertion, answers a question (RFC 9470).

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{AllowUnbound, Impact, UnboundTokens};
use serde_json::json;

use super::from_elsewhere;
use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::idp::{Idp, with};
use crate::support::party::PATH;
use crate::support::world::World;

/// A world that takes unbound tokens of the first vendor's issuer.
struct Case {
    world: World,
    idp: Idp,
}

impl Case {
    async fn new() -> Self {
        let clock = HandClock::real();
        let idp = Idp::new("https://idp.vendor.example", "rsa-1");
        let mut issuer = idp.facts(clock.wall().as_second() + 3_600);
        issuer.allow_unbound = AllowUnbound::LowImpact;
        let world = World::with(clock, |facts| {
            facts.issuers.push(issuer);
            facts.routes[0].impact = Impact::Low;
            facts.routes[0].unbound = UnboundTokens::Allow;
        })
        .await;
        Self { world, idp }
    }

    /// A token of `ago` seconds ago.
    fn token(&self, ago: i64) -> String {
        let issued = self.world.clock.wall().as_second() - ago;
        let claims = self.idp.claims(issued, json!(null));
        self.idp
            .token(&with(claims, json!({ "cnf": null, "exp": issued + 1_800, "jti": format!("{issued}") })))
    }

    fn passes(&self, by: SignedDuration) {
        self.world.clock.jump_to(self.world.clock.wall() + by);
    }

    fn forwarded(&self) -> u64 {
        self.world.upstream.log.requests.load(Ordering::SeqCst)
    }
}

#[track_caller]
fn asked(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("max_age=\"0\""), "{challenge}");
    assert_eq!(answer.header("dpop-nonce"), None);
}

#[tokio::test]
async fn a_new_token_answers_and_an_old_one_never_does() {
    for protocol in BOTH {
        let case = Case::new().await;
        let old = case.token(60);
        let mut connection = from_elsewhere(&case.world, protocol).await;
        asked(&connection.ask(get(PATH).bearer(&old)).await.unwrap(), "challenge_new_context");
        // Nor does another one that was issued before the question.
        let younger = case.token(2);
        for token in [&old, &younger] {
            asked(&connection.ask(get(PATH).bearer(token)).await.unwrap(), "challenge_open");
        }
        assert_eq!(case.forwarded(), 0);
        case.passes(SignedDuration::from_secs(3));
        let new = case.token(0);
        let answer = connection.ask(get(PATH).bearer(&new)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        // It is the context that has passed: which token comes from there is no question any more.
        assert_eq!(connection.ask(get(PATH).bearer(&old)).await.unwrap().status, 200);
        // The first is severed for the client from where it never was, not where it is at home.
        let mut home = case.world.open(protocol, None).await;
        assert_eq!(home.ask(get(PATH).bearer(&old)).await.unwrap().status, 200);
        assert!(case.world.control.look(|seen| seen.sessions_cut.is_empty()));
    }
}

/// An issuer whose clock is behind says of a new token that it is older; a client that is slow asks for it late.
#[tokio::test]
async fn a_token_that_was_got_after_the_first_asking_answers_the_later_ones() {
    let case = Case::new().await;
    let old = case.token(60);
    let mut connection = from_elsewhere(&case.world, Protocol::H2).await;
    asked(&connection.ask(get(PATH).bearer(&old)).await.unwrap(), "challenge_new_context");
    case.passes(SignedDuration::from_secs(9));
    let got = case.token(0);
    // Meanwhile others of the same client have come twice, and were asked again.
    for _ in 0..2 {
        case.passes(SignedDuration::from_secs(10));
        asked(&connection.ask(get(PATH).bearer(&old)).await.unwrap(), "challenge_open");
    }
    assert_eq!(connection.ask(get(PATH).bearer(&got)).await.unwrap().status, 200);
}

#[tokio::test]
async fn three_questions_in_vain_close_the_context_and_no_other() {
    let case = Case::new().await;
    let stolen = case.token(60);
    let mut connection = from_elsewhere(&case.world, Protocol::H1).await;
    asked(&connection.ask(get(PATH).bearer(&stolen)).await.unwrap(), "challenge_new_context");
    for _ in 0..2 {
        // Within ten seconds it is the same question, however often.
        for _ in 0..20 {
            asked(&connection.ask(get(PATH).bearer(&stolen)).await.unwrap(), "challenge_open");
        }
        case.passes(SignedDuration::from_secs(10));
        asked(&connection.ask(get(PATH).bearer(&stolen)).await.unwrap(), "challenge_open");
    }
    case.passes(SignedDuration::from_secs(10));
    let answer = connection.ask(get(PATH).bearer(&stolen)).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "challenge_failed"));
    let cut = case.world.control.wait("a session", |seen| seen.sessions_cut.first().cloned()).await;
    assert_eq!((cut.0, cut.2, cut.3), (who(1, 1).client, answer.decision(), Reason::ChallengeFailed));
    let mut again = from_elsewhere(&case.world, Protocol::H1).await;
    let new = case.token(0);
    let answer = again.ask(get(PATH).bearer(&new)).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "session_severed"));
    assert_eq!(case.forwarded(), 0);
    let mut home = case.world.open(Protocol::H1, None).await;
    assert_eq!(home.ask(get(PATH).bearer(&stolen)).await.unwrap().status, 200);
}
