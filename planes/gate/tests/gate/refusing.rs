//! Who is refused before anything is forwarded, and how.

use std::sync::atomic::Ordering;

use http::Method;
use portcullis_domain::decision::Verdict;
use portcullis_policy::facts::RouteFacts;
use portcullis_tokens::access_token::AccessClaims;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::passing::{claims, nonce};
use crate::support::client::{Answer, BOTH, Protocol, With, full, get, request};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, Claims, ORIGIN, ProofKey, who};
use crate::support::soon;
use crate::support::world::{World, bound_to_certificate, route_id};

#[tokio::test]
async fn a_token_must_be_ours_whole_and_of_now() {
    let world = World::new().await;
    for protocol in BOTH {
        let certificate = Certificate::new();
        let token_of = |change: &dyn Fn(&mut AccessClaims)| {
            let mut claims = world.claims(who(1, 1), bound_to_certificate(certificate.thumbprint()));
            change(&mut claims);
            claims
        };
        let expired = |claims: &mut AccessClaims| {
            claims.issued_at -= 301;
            claims.expires_at -= 300;
        };
        let foreign = SigningKey::generate(Algorithm::ES256).unwrap();
        let good = world.mint(&token_of(&|_| {}));
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (_, other_signature) = foreign_token(&foreign, &token_of(&|_| {}));
        let cases = [
            ("", 401, "token_missing"),
            ("Basic dTpw", 401, "token_missing"),
            ("Bearer", 401, "token_malformed"),
            ("Bearer x", 401, "token_malformed"),
            (&format!("Bearer {good} {good}"), 401, "token_malformed"),
            (&format!("Bearer {head}.{}", &signature[..signature.len() - 1]), 401, "token_malformed"),
            (&format!("Bearer {head}.{other_signature}"), 401, "token_signature"),
            (&format!("Bearer {}", foreign_token(&foreign, &token_of(&|_| {})).0), 401, "token_signature"),
            (&bearer(&world, &token_of(&expired)), 401, "token_expired"),
            (
                &bearer(&world, &token_of(&|claims| claims.audience = vec!["https://other.test".into()])),
                401,
                "token_audience",
            ),
            (
                &bearer(&world, &token_of(&|claims| claims.issuer = "https://other.test".into())),
                401,
                "issuer_unknown",
            ),
            (&bearer(&world, &token_of(&|claims| claims.scope.clear())), 403, "scope_insufficient"),
            (&bearer(&world, &token_of(&|claims| claims.lineage.epochs.vendor = 2)), 401, "token_superseded"),
            (
                &bearer(&world, &token_of(&|claims| claims.lineage.client = who(1, 9).client)),
                401,
                "client_unknown",
            ),
            (&format!("DPoP {good}"), 401, "scheme_wrong"),
        ];
        let mut connection = world.open(protocol, Some(&certificate)).await;
        for (authorization, status, reason) in cases {
            let mut asked = get("/records/1?n=1");
            if !authorization.is_empty() {
                asked = asked.with("authorization", authorization);
            }
            let answer = connection.ask(asked).await.unwrap();
            assert_eq!((answer.reason().as_str(), answer.status), (reason, status), "{authorization}");
            if status == 401 {
                assert!(answer.header("www-authenticate").is_some(), "{reason}");
            }
        }
        let twice = get("/records/1").bearer(&good).bearer(&good);
        assert_eq!(connection.ask(twice).await.unwrap().reason(), "token_malformed");
        let scoped = connection.ask(get("/scoped").bearer(&good)).await.unwrap();
        assert_eq!((scoped.status, scoped.reason().as_str()), (403, "scope_insufficient"));
        assert_eq!(
            scoped.header("www-authenticate"),
            Some("Bearer error=\"insufficient_scope\", scope=\"records:write\"")
        );
        let decision = world.control.decision(scoped.decision()).await;
        assert_eq!((decision.verdict, decision.client), (Verdict::Challenge, Some(who(1, 1).client)));
        // The connection is as good as before.
        assert_eq!(connection.ask(get("/records/1").bearer(&good)).await.unwrap().status, 200);
    }
    assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), 2, "nothing refused went on");
}

/// A token of the same issuer, kid and claims under another key, and its signature.
fn foreign_token(key: &SigningKey, claims: &AccessClaims) -> (String, String) {
    let token = portcullis_tokens::access_token::mint(key, claims).unwrap();
    let signature = token.rsplit_once('.').unwrap().1.to_owned();
    (token, signature)
}

fn bearer(world: &World, claims: &AccessClaims) -> String {
    format!("Bearer {}", world.mint(claims))
}

#[tokio::test]
async fn a_cached_token_expires_and_is_revoked() {
    let world = World::new().await;
    // Over HTTP/1.1 the connection would be closed as idle when the clock jumps.
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H2).await;
    assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    let claims = world.claims(who(1, 1), bound_to_certificate(certificate.thumbprint()));
    let token_id = "revoked".to_owned();
    let revoked = world.mint(&AccessClaims { token_id: token_id.clone(), ..claims });
    assert_eq!(connection.ask(get("/records/1").bearer(&revoked)).await.unwrap().status, 200);
    let expires_at = i64::MAX;
    let message = portcullis_policy::link::ToGate::RevokeToken { order: 1, token_id, expires_at };
    world.to_gate.send(message).await.unwrap();
    world.publish(|_| {}).await;
    assert_eq!(connection.ask(get("/records/1").bearer(&revoked)).await.unwrap().reason(), "token_revoked");
    world.clock.jump_to(world.clock.wall() + std::time::Duration::from_secs(301));
    assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().reason(), "token_expired");
}

#[tokio::test]
async fn a_proof_must_be_of_this_key_request_token_and_time() {
    let world = World::new().await;
    for protocol in BOTH {
        let (key, other) = (ProofKey::new(), ProofKey::new());
        let token = world.dpop_token(who(1, 1), key.thumbprint());
        let other_token = world.dpop_token(who(1, 1), other.thumbprint());
        let authorization = format!("DPoP {token}");
        let mut connection = world.open(protocol, None).await;
        let claims = claims(&world, "/records/1", &token);
        let nonce = nonce(&mut connection, &key, &claims).await;
        let good = Claims { nonce: Some(nonce), ..claims };
        let off = good.issued_at - 400;
        let forged = {
            let proof = key.proof(&Claims { token_id: "forged".into(), ..good.clone() });
            let (head, _) = proof.rsplit_once('.').unwrap();
            let (_, signature) = other_token.rsplit_once('.').unwrap();
            format!("{head}.{signature}")
        };
        let cases = [
            (key.proof(&Claims { nonce: None, ..good.clone() }), "proof_nonce"),
            (key.proof(&Claims { nonce: Some("AAAA".into()), ..good.clone() }), "proof_nonce"),
            (other.proof(&good), "proof_key"),
            (key.proof(&Claims { url: format!("{ORIGIN}/records/2"), ..good.clone() }), "proof_url"),
            (key.proof(&Claims { url: "https://localhost/records/1".into(), ..good.clone() }), "proof_url"),
            (key.proof(&Claims { method: "POST".into(), ..good.clone() }), "proof_method"),
            (key.proof(&Claims { access_token: other_token, ..good.clone() }), "proof_token_hash"),
            (key.proof(&Claims { issued_at: off, ..good.clone() }), "proof_time"),
            (forged, "proof_signature"),
            ("x.y.z".to_owned(), "proof_malformed"),
        ];
        for (proof, reason) in cases {
            let asked = get("/records/1").with("authorization", &authorization).with("dpop", &proof);
            let answer = connection.ask(asked).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (401, reason));
            assert!(answer.header("www-authenticate").unwrap().starts_with("DPoP "));
            assert_eq!(answer.header("dpop-nonce").is_some(), reason == "proof_nonce", "{reason}");
        }
        let proof = key.proof(&good);
        let without = connection.ask(get("/records/1").with("authorization", &authorization)).await.unwrap();
        assert_eq!(without.reason(), "proof_missing");
        assert!(without.header("dpop-nonce").is_some());
        let as_bearer = connection.ask(get("/records/1").bearer(&token)).await.unwrap();
        assert_eq!(as_bearer.reason(), "proof_missing");
        let asked = || get("/records/1").with("authorization", &authorization).with("dpop", &proof);
        let twice = connection.ask(asked().with("dpop", &proof)).await.unwrap();
        assert_eq!(twice.reason(), "proof_malformed");
        assert_eq!(connection.ask(asked()).await.unwrap().status, 200);
        // On this connection and on another, which another core may serve.
        for _ in 0..4 {
            let mut another = world.open(protocol, None).await;
            let replayed = another.ask(asked()).await.unwrap();
            assert_eq!((replayed.status, replayed.reason().as_str()), (401, "proof_replayed"));
            assert!(replayed.header("dpop-nonce").is_some());
        }
        // Two slots later the nonce is of the past, and the one that is offered serves.
        world.clock.jump_to(world.clock.wall() + std::time::Duration::from_secs(20));
        let old = key.proof(&Claims { token_id: "later".into(), ..good.clone() });
        let asked = get("/records/1").with("authorization", &authorization);
        let answer = connection.ask(asked.with("dpop", &old)).await.unwrap();
        assert_eq!(answer.reason(), "proof_nonce");
        let nonce = answer.header("dpop-nonce").map(str::to_owned);
        let fresh = key.proof(&Claims { token_id: "later".into(), nonce, ..good.clone() });
        let asked = get("/records/1").with("authorization", &authorization).with("dpop", &fresh);
        assert_eq!(connection.ask(asked).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_certificate_must_be_the_one_of_the_token() {
    let world = World::new().await;
    for protocol in BOTH {
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        let mut none = world.open(protocol, None).await;
        assert_eq!(none.ask(get("/records/1").bearer(&token)).await.unwrap().reason(), "certificate_missing");
        let mut other = world.open(protocol, Some(&Certificate::new())).await;
        assert_eq!(other.ask(get("/records/1").bearer(&token)).await.unwrap().reason(), "certificate_wrong");
    }
}

#[tokio::test]
async fn routes_are_known_granted_and_take_the_method() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let mut check = async |method: Method, path: &str, status: u16, reason: &str| {
            let asked = request(method, path, full("")).bearer(&token);
            let answer = connection.ask(asked).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}");
            answer
        };
        check(Method::GET, "/nowhere", 404, "route_unknown").await;
        check(Method::GET, "/records/1/2", 404, "route_unknown").await;
        check(Method::GET, "/ungranted", 403, "route_not_granted").await;
        let answer = check(Method::PUT, "/records/1", 405, "method_not_allowed").await;
        assert_eq!(answer.header("allow"), Some("GET, POST"));
        for path in ["/records//1", "/records/../secret", "/records/%2e%2e", "/records/a%2fb"] {
            check(Method::GET, path, 400, "path_not_canonical").await;
        }
    }
}

/// An application that decodes a path, or drops parameters or the last slash, serves another route
/// than the one that was granted.
#[tokio::test]
async fn no_spelling_of_a_path_reaches_another_route() {
    let world = World::with(HandClock::real(), |facts| {
        let mut named = |number: u128, template: usize, path: &str| {
            let id = route_id(number);
            let name = format!("route-{number}");
            let route = RouteFacts { id, name, path: path.to_owned(), ..facts.routes[template].clone() };
            facts.routes.push(route);
        };
        named(50, 0, "/records/secret");
        named(51, 0, "/records/all:export");
        named(52, 2, "/free/secret");
    })
    .await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let mut check = async |path: &str, expect: Option<&str>| {
            let answer = connection.ask(get(path).bearer(&token)).await.unwrap();
            assert_eq!((answer.status != 200).then(|| answer.reason()).as_deref(), expect, "{path}");
        };
        check("/records/secret", Some("route_not_granted")).await;
        for path in [
            "/records/%73ecret",
            "/records/secret;v=1",
            "/records/all%3Aexport",
            "/free/secret/",
            "/free/..;/records/secret",
        ] {
            check(path, Some("path_not_canonical")).await;
        }
        for path in ["/records/a%20b", "/records/7;v=1", "/free/other/", "/free/a%3Ab"] {
            check(path, None).await;
        }
    }
}

#[tokio::test]
async fn a_connection_belongs_to_one_client() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
        let other = world.token(who(1, 2), &certificate);
        let answer = connection.ask(get("/records/1").bearer(&other)).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (421, "misdirected"));
        let again = connection.ask(get("/records/1").bearer(&token)).await;
        match protocol {
            Protocol::H1 => {
                assert_eq!(answer.header("connection"), Some("close"));
                assert!(again.is_err());
            }
            Protocol::H2 => assert_eq!(again.unwrap().status, 200),
        }
    }
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_refused_and_its_connection_closed() {
    let world = World::new().await;
    let (connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    drop(connection);
    let connector = world.connector(Some(&certificate));
    let get = "GET /records/1 HTTP/1.1\r\n";
    let post = "POST /records/1 HTTP/1.1\r\nHost: gate.test\r\n";
    let heads = [
        format!("{get}Host: gate.test\r\nHost: gate.test\r\n\r\n"),
        format!("{get}Host: gate.test\r\nHost: other.test\r\n\r\n"),
        format!("{get}\r\n"),
        format!("{get}Host:\r\n\r\n"),
        "GET https://other.test/records/1 HTTP/1.1\r\nHost: gate.test\r\n\r\n".to_owned(),
        "GET /records/1 HTTP/1.0\r\nHost: gate.test\r\n\r\n".to_owned(),
        "GET /records/1 HTTP/1.0\r\nHost: gate.test\r\nConnection: keep-alive\r\n\r\n".to_owned(),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        format!("{post}Content-Length: 1, 2\r\n\r\nxx"),
        format!("{post}Content-Length: +1\r\n\r\nx"),
    ];
    for head in heads {
        let (line, rest) = head.split_once("\r\n").unwrap();
        let sent = format!("{line}\r\nAuthorization: Bearer {token}\r\n{rest}");
        let (mut stream, _) = connector.tls(Protocol::H1).await.unwrap();
        // What is behind it must not be answered.
        stream.write_all(format!("{sent}{line}\r\n{rest}").as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let _ = soon("the connection's end", stream.read_to_end(&mut text)).await;
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with("HTTP/1.1 400 ") || text.starts_with("HTTP/1.0 400 "), "{head}\n{text}");
        assert_eq!(text.matches(" 400 Bad Request\r\n").count(), 1, "{text}");
    }
    assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn strangers_that_flood_are_counted_and_not_all_recorded() {
    let world = World::new().await;
    let mut connection = world.open(Protocol::H2, None).await;
    let mut last = None;
    for _ in 0..400 {
        let answer: Answer = connection.ask(get("/records/1")).await.unwrap();
        last = Some(answer.decision());
    }
    assert!(last.is_some());
    // Whatever is asked by somebody known comes after all of them.
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let known = connection.ask(get("/records/1").bearer(&token)).await.unwrap().decision();
    world.control.outcome(known).await;
    let recorded = world.control.look(|seen| seen.decided.len());
    assert!(recorded < 400, "{recorded} samples");
}
