//! What passes, and what of it reaches either side.

use http::Method;
use portcullis_decision_log::Reader;
use portcullis_domain::decision::{
    DECISION_KIND, DecisionRecord, Ending, OUTCOME_KIND, OutcomeRecord, Verdict,
};
use portcullis_domain::reason::Reason;
use portcullis_tokens::access_token::Confirmation;

use crate::support::client::{Answer, BOTH, Connection, Protocol, With, full, get, request};
use crate::support::identity::{Certificate, Claims, ORIGIN, ProofKey, who};
use crate::support::world::World;

/// The first answer's nonce, got by asking without one.
pub async fn nonce(connection: &mut Connection, key: &ProofKey, claims: &Claims) -> String {
    let path = claims.url.strip_prefix(ORIGIN).unwrap();
    let without = Claims { nonce: None, token_id: "first".to_owned(), ..claims.clone() };
    let proof = key.proof(&without);
    let asked = get(path).with("authorization", &format!("DPoP {}", claims.access_token));
    let answer = connection.ask(asked.with("dpop", &proof)).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (401, "proof_nonce"));
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"use_dpop_nonce\""));
    answer.header("dpop-nonce").unwrap().to_owned()
}

pub fn claims(world: &World, path: &str, token: &str) -> Claims {
    Claims {
        method: "GET".to_owned(),
        url: format!("{ORIGIN}{path}"),
        issued_at: world.clock.wall().as_second(),
        token_id: "the-one".to_owned(),
        access_token: token.to_owned(),
        nonce: None,
    }
}

async fn check_passed(world: &World, answer: &Answer, binding: &str) {
    assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
    assert!(answer.broke_off.is_none());
    assert_eq!(answer.records(), 7);
    assert_eq!(answer.header("ratelimit-policy").unwrap().matches("\"records\";q=50000").count(), 1);
    assert!(answer.header("ratelimit").unwrap().contains("\"requests\";r="));
    let id = answer.decision();
    let decision = world.control.decision(id).await;
    assert_eq!((decision.verdict, decision.reason), (Verdict::Allow, Reason::Allowed));
    assert_eq!(decision.path, "/records/{id}");
    assert_eq!(decision.binding.as_deref(), Some(binding));
    assert!(decision.ja4.is_some() && decision.session.is_some());
    let outcome = world.control.outcome(id).await;
    assert_eq!((outcome.ending, outcome.status, outcome.records), (Ending::Complete, 200, 7));
    assert_eq!(outcome.response_bytes, answer.body.len() as u64);
    // The log has both, in their order.
    let frames = Reader::new(world.decision_log.path().join("decisions")).find(id.0).unwrap();
    let kinds: Vec<u8> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [DECISION_KIND, OUTCOME_KIND]);
    assert_eq!(DecisionRecord::from_bytes(&frames[0].payload).unwrap(), decision);
    assert_eq!(OutcomeRecord::from_bytes(&frames[1].payload).unwrap(), outcome);
}

#[tokio::test]
async fn a_certificate_bound_token_passes() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        for _ in 0..3 {
            let answer = connection.ask(get("/records/1?n=7").bearer(&token)).await.unwrap();
            check_passed(&world, &answer, "certificate").await;
        }
    }
}

#[tokio::test]
async fn a_key_bound_token_passes_with_a_proof_each() {
    let world = World::new().await;
    for protocol in BOTH {
        let key = ProofKey::new();
        let token = world.dpop_token(who(1, 1), key.thumbprint());
        let mut connection = world.open(protocol, None).await;
        let claims = claims(&world, "/records/1", &token);
        let nonce = nonce(&mut connection, &key, &claims).await;
        for number in 0..3 {
            let fresh = Claims { nonce: Some(nonce.clone()), token_id: number.to_string(), ..claims.clone() };
            let asked = get("/records/1?n=7").with("authorization", &format!("DPoP {token}"));
            let answer = connection.ask(asked.with("dpop", &key.proof(&fresh))).await.unwrap();
            check_passed(&world, &answer, "dpop").await;
        }
    }
}

#[tokio::test]
async fn a_token_bound_to_key_and_certificate_needs_both() {
    let world = World::new().await;
    let (key, certificate) = (ProofKey::new(), Certificate::new());
    let both = Confirmation { jkt: Some(key.thumbprint()), x5t_s256: Some(certificate.thumbprint()) };
    let token = world.mint(&world.claims(who(1, 1), both));
    let claims = claims(&world, "/records/1", &token);
    let authorization = format!("DPoP {token}");
    let mut bare = world.open(Protocol::H1, None).await;
    let asked = get("/records/1").with("authorization", &authorization).with("dpop", &key.proof(&claims));
    assert_eq!(bare.ask(asked).await.unwrap().reason(), "certificate_missing");
    let mut connection = world.open(Protocol::H1, Some(&certificate)).await;
    let asked = get("/records/1").with("authorization", &authorization);
    assert_eq!(connection.ask(asked).await.unwrap().reason(), "proof_missing");
    let nonce = nonce(&mut connection, &key, &claims).await;
    let fresh = Claims { nonce: Some(nonce), ..claims };
    let asked = get("/records/1?n=7").with("authorization", &authorization).with("dpop", &key.proof(&fresh));
    check_passed(&world, &connection.ask(asked).await.unwrap(), "dpop+certificate").await;
}

#[tokio::test]
async fn an_upstream_can_trust_what_the_gate_says_and_sees_nothing_of_the_way() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(2, 3), protocol).await;
        let mut asked = request(Method::POST, "/records/9?n=1&q=a%20b", full("hello")).bearer(&token);
        for (name, value) in [
            ("portcullis-vendor", "somebody-else"),
            ("portcullis-verdict", "forged"),
            ("portcullis-score", "-99"),
            ("portcullis-made-up", "x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("client-cert", ":AAAA:"),
            ("dpop", "stray"),
            ("accept-encoding", "br, gzip"),
            ("x-kept", "kept"),
            ("cookie", "a=b"),
        ] {
            asked = asked.with(name, value);
        }
        if protocol == Protocol::H1 {
            asked = asked.with("connection", "x-hop").with("x-hop", "hop").with("te", "trailers");
        }
        let answer = connection.ask(asked).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let expect = [
            "POST /records/9?n=1&q=a%20b".to_owned(),
            "accept-encoding: identity".to_owned(),
            "content-length: 5".to_owned(),
            "cookie: a=b".to_owned(),
            format!("host: {}", world.upstream.address),
            "portcullis-client: vendor-2-machine-3".to_owned(),
            format!("portcullis-decision: {}", answer.decision()),
            "portcullis-integration: vendor-2-exports".to_owned(),
            format!(
                "portcullis-score: {}",
                world.control.decision(answer.decision()).await.risk.unwrap().score
            ),
            "portcullis-vendor: vendor-2".to_owned(),
            "portcullis-verdict: allow".to_owned(),
            "x-kept: kept".to_owned(),
        ];
        assert_eq!(world.upstream.log.last.lock().unwrap().as_deref(), Some(expect.join("\n").as_str()));
        // Nor does the vendor see what is between gate and upstream.
        assert_eq!(answer.header("x-public"), Some("for you"));
        for hidden in ["portcullis-verdict", "x-private", "connection"] {
            assert_eq!(answer.header(hidden), None, "{hidden}");
        }
    }
}

#[tokio::test]
async fn the_authorization_server_is_reached_through_the_gate() {
    let world = World::new().await;
    let certificate = Certificate::new();
    let mut connection = world.open(Protocol::H2, Some(&certificate)).await;
    let asked = request(Method::POST, "/oauth/token", full("grant_type=client_credentials"))
        .with("content-type", "application/x-www-form-urlencoded");
    let answer = connection.ask(asked).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, br#"{"answered":true}"#.as_slice()));
    let relayed = world.control.look(|seen| seen.relays.pop()).unwrap();
    assert_eq!((relayed.method.as_str(), relayed.path.as_str()), ("POST", "/oauth/token"));
    assert_eq!(relayed.body, b"grant_type=client_credentials");
    assert_eq!(relayed.certificates, [certificate.der.to_vec()]);
    assert_eq!(relayed.address, "127.0.0.1");
    assert!(relayed.ja4_context.is_some() && relayed.proof_key.is_none());
}

#[tokio::test]
async fn control_is_told_which_certificates_a_client_comes_with() {
    let world = World::new().await;
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    for _ in 0..2 {
        assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    }
    let seen = world.control.wait("a certificate", |seen| seen.certificates.first().cloned()).await;
    assert_eq!(seen, (who(1, 1).client, certificate.thumbprint().to_string()));
    assert_eq!(world.control.look(|seen| seen.certificates.len()), 1, "once for each connection");
}
