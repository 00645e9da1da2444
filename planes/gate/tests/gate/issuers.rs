//! Tokens of vendors' own issuers: what they open, what they don't, and how they are closed.

use std::sync::atomic::Ordering;

use http::Request;
use http_body_util::BodyExt as _;
use portcullis_domain::decision::{Ending, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{AllowUnbound, Impact, ScopeClaim, UnboundTokens};
use portcullis_domain::target::Target;
use portcullis_policy::facts::{IssuerFacts, SnapshotFacts};
use portcullis_policy::link::ToGate;
use serde_json::{Value, json};

use crate::passing::nonce;
use crate::support::client::{Answer, BOTH, Body, Connection, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, Claims, ORIGIN, ProofKey, who};
use crate::support::idp::{Idp, encode, mapped, with};
use crate::support::soon;
use crate::support::world::{SCOPE, World};

const ISSUER: &str = "https://keycloak.vendor.example/realms/machines";
const PATH: &str = "/records/1";

/// A world whose first vendor has an issuer of its own.
struct Case {
    world: World,
    idp: Idp,
    now: i64,
}

impl Case {
    async fn new(change: impl FnOnce(&mut IssuerFacts)) -> Self {
        Self::with(HandClock::real(), change).await
    }

    async fn with(clock: HandClock, change: impl FnOnce(&mut IssuerFacts)) -> Self {
        let idp = Idp::new(ISSUER, "rsa-1");
        let now = clock.wall().as_second();
        let mut issuer = idp.facts(now + 3_600);
        change(&mut issuer);
        let world = World::with(clock, |facts| facts.issuers.push(issuer)).await;
        Self { world, idp, now }
    }

    /// The claims of a token that is bound to `certificate`.
    fn claims(&self, certificate: &Certificate) -> Value {
        self.idp.claims(self.now, json!({ "x5t#S256": certificate.thumbprint() }))
    }

    async fn publish(&self, change: impl FnOnce(&mut SnapshotFacts)) {
        self.world.publish(change).await;
    }
}

fn bearer(token: &str) -> Request<Body> {
    get(PATH).bearer(token)
}

async fn ask(connection: &mut Connection, request: Request<Body>) -> Answer {
    connection.ask(request).await.unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{answer:?}");
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_opens_what_its_client_may() {
    let case = Case::new(|_| {}).await;
    for protocol in BOTH {
        let certificate = Certificate::new();
        let mut connection = case.world.open(protocol, Some(&certificate)).await;
        let token = case.idp.token(&case.claims(&certificate));
        for _ in 0..3 {
            let answer = ask(&mut connection, bearer(&token)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("portcullis-binding"), None);
            let record = case.world.control.decision(answer.decision()).await;
            assert_eq!((record.vendor, record.client), (Some(who(1, 1).vendor), Some(who(1, 1).client)));
            assert_eq!((record.binding.as_deref(), record.verdict), (Some("certificate"), Verdict::Allow));
            assert_eq!(record.client_key, Some(certificate.thumbprint().to_string()));
            assert_eq!(record.scope, [SCOPE], "only what is granted here is kept");
        }
        // Control learns of the key, which nobody has registered.
        let known = certificate.thumbprint().to_string();
        case.world
            .control
            .wait("a key", |seen| {
                seen.certificates.contains(&(who(1, 1).client, known.clone())).then_some(())
            })
            .await;
        // Stolen, it is worth nothing; and the connection is one client's.
        let mut thief = case.world.open(protocol, Some(&Certificate::new())).await;
        refused(&ask(&mut thief, bearer(&token)).await, 401, "certificate_wrong");
        let mut nobody = case.world.open(protocol, None).await;
        refused(&ask(&mut nobody, bearer(&token)).await, 401, "certificate_missing");
        let own = case.world.token(who(1, 2), &certificate);
        refused(&ask(&mut connection, bearer(&own)).await, 421, "misdirected");
    }
}

#[tokio::test]
async fn a_token_bound_to_a_dpop_key_needs_a_fresh_proof() {
    let case = Case::new(|_| {}).await;
    for protocol in BOTH {
        let key = ProofKey::new();
        let token = case.idp.token(&case.idp.claims(case.now, json!({ "jkt": key.thumbprint() })));
        let mut connection = case.world.open(protocol, None).await;
        let claims = Claims {
            method: "GET".to_owned(),
            url: format!("{ORIGIN}{PATH}"),
            issued_at: case.world.clock.wall().as_second(),
            token_id: format!("{protocol:?}"),
            access_token: token.clone(),
            nonce: None,
        };
        let nonce = nonce(&mut connection, &key, &claims).await;
        let proof = key.proof(&Claims { nonce: Some(nonce), ..claims });
        let asked =
            |proof: &str| get(PATH).with("authorization", &format!("DPoP {token}")).with("dpop", proof);
        let answer = ask(&mut connection, asked(&proof)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = case.world.control.decision(answer.decision()).await;
        assert_eq!(record.binding.as_deref(), Some("dpop"));
        assert_eq!(record.client_key, Some(key.thumbprint().to_string()));
        refused(&ask(&mut connection, asked(&proof)).await, 401, "proof_replayed");
        refused(&ask(&mut connection, bearer(&token)).await, 401, "proof_missing");
        let other = ProofKey::new();
        let stolen = Claims { access_token: token.clone(), nonce: None, ..base(&case) };
        refused(&ask(&mut connection, asked(&other.proof(&stolen))).await, 401, "proof_key");
    }
}

fn base(case: &Case) -> Claims {
    Claims {
        method: "GET".to_owned(),
        url: format!("{ORIGIN}{PATH}"),
        issued_at: case.world.clock.wall().as_second(),
        token_id: "base".to_owned(),
        access_token: String::new(),
        nonce: None,
    }
}

#[tokio::test]
async fn tricks_with_keys_and_algorithms_are_refused() {
    let case = Case::new(|_| {}).await;
    let foreign = Idp::new("https://other.example", "foreign");
    let same_kid = Idp::new(ISSUER, "rsa-1");
    let certificate = Certificate::new();
    let claims = case.claims(&certificate);
    let good = case.idp.token(&claims);
    let signed = |changes: Value| case.idp.sign(&with(case.idp.header(), changes), &claims);
    let said = |changes: Value| case.idp.token(&with(claims.clone(), changes));
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let hmac = {
        let header = with(case.idp.header(), json!({ "alg": "HS256" }));
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, case.idp.modulus());
        format!("{input}.{}", encode(aws_lc_rs::hmac::sign(&key, input.as_bytes())))
    };
    let unsigned = |alg: &str| {
        let header = with(case.idp.header(), json!({ "alg": alg }));
        format!("{}.{}.", encode(header.to_string()), encode(claims.to_string()))
    };
    let lines = [
        ("the public key as a secret", hmac, "issuer_token_refused"),
        ("none", unsigned("none"), "issuer_token_refused"),
        ("None", unsigned("None"), "issuer_token_refused"),
        ("an algorithm that isn't pinned", signed(json!({ "alg": "PS256" })), "issuer_token_refused"),
        ("jku", signed(json!({ "jku": "https://evil.example/jwks" })), "issuer_token_refused"),
        ("x5u", signed(json!({ "x5u": "https://evil.example/x" })), "issuer_token_refused"),
        (
            "jwk",
            foreign.sign(&with(case.idp.header(), json!({ "jwk": foreign.jwk() })), &claims),
            "issuer_token_refused",
        ),
        ("x5c", signed(json!({ "x5c": ["AAAA"] })), "issuer_token_refused"),
        ("crit", signed(json!({ "crit": ["exp"], "exp": 1 })), "issuer_token_refused"),
        ("no kid", signed(json!({ "kid": null })), "issuer_token_refused"),
        ("a foreign kid", signed(json!({ "kid": "foreign" })), "token_signature"),
        ("a foreign key under our kid", same_kid.token(&claims), "token_signature"),
        ("a foreign key under its own kid", foreign.token(&claims), "token_signature"),
        ("another payload", format!("{header}.{}.{signature}", encode("{\"iss\":\"x\"}")), "issuer_unknown"),
        (
            "an issuer that nobody declared",
            foreign.token(&with(claims.clone(), json!({ "iss": foreign.issuer }))),
            "issuer_unknown",
        ),
        (
            "our own issuer's name",
            case.idp.token(&with(claims.clone(), json!({ "iss": ORIGIN }))),
            "token_malformed",
        ),
        ("no issuer", said(json!({ "iss": null })), "token_malformed"),
        ("another audience", said(json!({ "aud": "account" })), "token_audience"),
        ("an ID token's type", signed(json!({ "typ": "dpop+jwt" })), "issuer_token_refused"),
        ("expired", said(json!({ "iat": case.now - 400, "exp": case.now - 1 })), "token_expired"),
        ("too long a life", said(json!({ "exp": case.now + 3_601 })), "issuer_token_refused"),
        (
            "of tomorrow",
            said(json!({ "iat": case.now + 86_400, "exp": case.now + 86_500 })),
            "issuer_token_refused",
        ),
        ("without a time", said(json!({ "iat": null })), "issuer_token_refused"),
        ("nobody's client", said(json!({ "azp": "imports" })), "issuer_client_unmapped"),
        ("a client in a list", said(json!({ "azp": ["exports"] })), "issuer_client_unmapped"),
        ("bound to nothing", said(json!({ "cnf": null })), "token_unbound"),
        ("bound to who knows what", said(json!({ "cnf": { "kid": "x" } })), "issuer_token_refused"),
        ("an empty binding", said(json!({ "cnf": {} })), "issuer_token_refused"),
    ];
    for protocol in BOTH {
        let mut connection = case.world.open(protocol, Some(&certificate)).await;
        for (line, token, reason) in &lines {
            let answer = ask(&mut connection, bearer(token)).await;
            assert_eq!((answer.status, answer.reason().as_str()), (401, *reason), "{line}: {answer:?}");
            assert!(answer.header("www-authenticate").is_some(), "{line}");
        }
    }
    assert_eq!(case.world.upstream.log.requests.load(Ordering::SeqCst), 0, "nothing went on");
    let mut connection = case.world.open(Protocol::H1, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, bearer(&good)).await.status, 200);
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_vendor_only() {
    // The facts themselves are wrong here, which `apply` refuses: the gate looks again.
    let case = Case::new(|issuer| {
        issuer.clients = vec![
            mapped(who(2, 1).client, &[("azp", "exports")]),
            mapped(who(1, 3).client, &[("azp", "imports"), ("sub", "s")]),
        ];
    })
    .await;
    let certificate = Certificate::new();
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    let token = case.idp.token(&case.claims(&certificate));
    refused(&ask(&mut connection, bearer(&token)).await, 401, "issuer_client_unmapped");
    // All claims of a mapping must match.
    let half = case.idp.token(&with(case.claims(&certificate), json!({ "azp": "imports" })));
    refused(&ask(&mut connection, bearer(&half)).await, 401, "issuer_client_unmapped");
    let both = case.idp.token(&with(case.claims(&certificate), json!({ "azp": "imports", "sub": "s" })));
    assert_eq!(ask(&mut connection, bearer(&both)).await.status, 200);
}

#[tokio::test]
async fn entra_and_okta_shapes_are_read() {
    let certificate = Certificate::new();
    let cnf = json!({ "x5t#S256": certificate.thumbprint() });
    // Entra, version 2, a daemon's token: application roles, an application's URI as audience.
    let case = Case::new(|issuer| {
        issuer.audiences = vec!["api://portcullis".to_owned()];
        issuer.scope_claim = ScopeClaim::Roles;
        issuer.scopes.insert("Records.Read.All".to_owned(), SCOPE.to_owned());
        issuer.clients = vec![mapped(who(1, 1).client, &[("azp", "11111111-aaaa"), ("tid", "tenant-1")])];
    })
    .await;
    let now = case.now;
    let entra = json!({
        "aud": "api://portcullis", "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 3_599, "aio": "E2Zg",
        "azp": "11111111-aaaa", "azpacr": "2", "oid": "o", "rh": "0.A", "roles": ["Records.Read.All", "Other"],
        "sub": "o", "tid": "tenant-1", "uti": "u", "ver": "2.0", "cnf": cnf,
    });
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": "rsa-1", "kid": "rsa-1" });
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    let answer = ask(&mut connection, bearer(&case.idp.sign(&header, &entra))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = case.world.control.decision(answer.decision()).await;
    assert_eq!(record.scope, [SCOPE], "mapped, and what isn't mapped counts for nothing");
    let other = case.idp.sign(&header, &with(entra, json!({ "tid": "tenant-2" })));
    refused(&ask(&mut connection, bearer(&other)).await, 401, "issuer_client_unmapped");

    // Okta, a custom authorization server: no `typ`, a list in `scp`, its own audience.
    let case = Case::new(|issuer| {
        issuer.audiences = vec!["api://default".to_owned()];
        issuer.scope_claim = ScopeClaim::Scp;
        issuer.clients = vec![mapped(who(1, 1).client, &[("cid", "0oa1")])];
    })
    .await;
    let okta = json!({
        "ver": 1, "jti": "AT.1", "iss": ISSUER, "aud": "api://default", "iat": now, "exp": now + 3_600,
        "cid": "0oa1", "scp": [SCOPE], "sub": "0oa1", "cnf": cnf,
    });
    let mut connection = case.world.open(Protocol::H1, Some(&certificate)).await;
    let token = case.idp.sign(&json!({ "kid": "rsa-1", "alg": "RS256" }), &okta);
    assert_eq!(ask(&mut connection, bearer(&token)).await.status, 200);
    let none =
        case.idp.sign(&json!({ "kid": "rsa-1", "alg": "RS256" }), &with(okta, json!({ "scp": ["x"] })));
    refused(&ask(&mut connection, bearer(&none)).await, 403, "scope_insufficient");
}

#[tokio::test]
async fn a_new_key_is_asked_for_once_in_a_while_and_an_old_one_ends_at_once() {
    let case = Case::new(|_| {}).await;
    let next = Idp::new(ISSUER, "rsa-2");
    let certificate = Certificate::new();
    let (old_token, new_token) =
        (case.idp.token(&case.claims(&certificate)), next.token(&case.claims(&certificate)));
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, bearer(&old_token)).await.status, 200);
    for _ in 0..20 {
        refused(&ask(&mut connection, bearer(&new_token)).await, 401, "token_signature");
    }
    let id = case.idp.facts(0).id;
    let asked = case
        .world
        .control
        .wait("a question", |seen| (!seen.keys_unknown.is_empty()).then(|| seen.keys_unknown.clone()));
    assert_eq!(asked.await, [id], "strangers drive nothing");
    case.publish(|facts| facts.issuers[0].keys.keys.jwks.push(next.jwk())).await;
    assert_eq!(ask(&mut connection, bearer(&new_token)).await.status, 200);
    assert_eq!(ask(&mut connection, bearer(&old_token)).await.status, 200);
    case.publish(|facts| drop(facts.issuers[0].keys.keys.jwks.remove(0))).await;
    assert_eq!(ask(&mut connection, bearer(&new_token)).await.status, 200);
    refused(&ask(&mut connection, bearer(&old_token)).await, 401, "token_signature");
    // A mapping that is gone closes what is under way as well.
    case.publish(|facts| facts.issuers[0].clients.clear()).await;
    refused(&ask(&mut connection, bearer(&new_token)).await, 401, "issuer_client_unmapped");
    case.publish(|facts| facts.issuers.clear()).await;
    refused(&ask(&mut connection, bearer(&new_token)).await, 401, "issuer_unknown");
}

#[tokio::test]
async fn keys_are_used_until_they_are_stale_and_again_when_they_were_fetched() {
    let clock = HandClock::real();
    let case = Case::with(clock.clone(), |issuer| issuer.keys.good_until_seconds -= 3_300).await;
    let certificate = Certificate::new();
    let token = case.idp.token(&with(case.claims(&certificate), json!({ "exp": case.now + 3_000 })));
    let own = case.world.token(who(2, 1), &certificate);
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, bearer(&token)).await.status, 200);
    let later = |seconds: i64| jiff::Timestamp::from_second(case.now + seconds).unwrap();
    clock.jump_to(later(299));
    assert_eq!(ask(&mut connection, bearer(&token)).await.status, 200, "cached");
    clock.jump_to(later(301));
    let answer = ask(&mut connection, bearer(&token)).await;
    refused(&answer, 503, "issuer_keys_stale");
    assert!(answer.header("retry-after").is_some());
    let mut fresh = case.world.open(Protocol::H1, Some(&certificate)).await;
    refused(
        &ask(&mut fresh, bearer(&case.idp.token(&case.claims(&certificate)))).await,
        503,
        "issuer_keys_stale",
    );
    // Nobody else is touched.
    let mut other = case.world.open(Protocol::H1, Some(&certificate)).await;
    let own = if case.world.clock.wall().as_second() < case.now + 299 {
        own
    } else {
        case.world.token(who(2, 1), &certificate)
    };
    assert_eq!(ask(&mut other, bearer(&own)).await.status, 200);
    let issuer = case.idp.facts(0).id;
    let fetched = ToGate::IssuerFresh { issuer, good_until_seconds: case.now + 2_000 };
    case.world.to_gate.send(fetched).await.unwrap();
    // What comes after it on the link says that it was heard.
    case.publish(|_| {}).await;
    assert_eq!(ask(&mut connection, bearer(&token)).await.status, 200, "back, and it works");
    // An issuer whose keys aren't known is closed, whatever the time.
    case.publish(|facts| facts.issuers[0].keys.keys.jwks.clear()).await;
    refused(&ask(&mut connection, bearer(&token)).await, 503, "issuer_keys_stale");
}

#[tokio::test]
async fn what_is_bound_to_nothing_opens_routes_of_low_impact_that_say_so_and_is_seen() {
    let case = Case::new(|issuer| issuer.allow_unbound = AllowUnbound::LowImpact).await;
    let token = case.idp.token(&with(case.idp.claims(case.now, json!(null)), json!({ "cnf": null })));
    for protocol in BOTH {
        let mut connection = case.world.open(protocol, None).await;
        refused(&ask(&mut connection, bearer(&token)).await, 401, "token_unbound");
    }
    let set = |impact, unbound| {
        move |facts: &mut SnapshotFacts| {
            facts.routes[0].impact = impact;
            facts.routes[0].unbound = unbound;
        }
    };
    let mut connection = case.world.open(Protocol::H2, None).await;
    // Either word alone opens nothing.
    for (impact, unbound) in [(Impact::Low, UnboundTokens::Refuse), (Impact::Moderate, UnboundTokens::Allow)]
    {
        case.publish(set(impact, unbound)).await;
        refused(&ask(&mut connection, bearer(&token)).await, 401, "token_unbound");
    }
    case.publish(set(Impact::Low, UnboundTokens::Allow)).await;
    let answer = ask(&mut connection, bearer(&token)).await;
    assert_eq!((answer.status, answer.header("portcullis-binding")), (200, Some("none")), "{answer:?}");
    let record = case.world.control.decision(answer.decision()).await;
    assert_eq!(record.binding.as_deref(), Some("none"));
    let asked = case.world.upstream.log.last.lock().unwrap().clone().unwrap();
    assert!(asked.to_ascii_lowercase().contains("portcullis-binding"), "{asked}");
    case.publish(|facts| facts.issuers[0].allow_unbound = AllowUnbound::Never).await;
    refused(&ask(&mut connection, bearer(&token)).await, 401, "token_unbound");
}

#[tokio::test]
async fn a_record_cut_closes_tokens_that_are_bound_to_nothing_too() {
    let case = Case::new(|issuer| issuer.allow_unbound = AllowUnbound::LowImpact).await;
    case.publish(|facts| {
        facts.routes[0].impact = Impact::Low;
        facts.routes[0].unbound = UnboundTokens::Allow;
    })
    .await;
    let unbound = |id: &str| {
        case.idp.token(&with(case.idp.claims(case.now, json!(null)), json!({ "cnf": null, "jti": id })))
    };
    let mut connection = case.world.open(Protocol::H2, None).await;
    let cut = ask(&mut connection, get("/records/1?n=60000").bearer(&unbound("a"))).await;
    assert_eq!(cut.status, 200);
    let outcome = case.world.control.outcome(cut.decision()).await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RecordsCut));
    let (client, keys, _) =
        case.world.control.wait("a closed key", |seen| seen.keys_cut.first().cloned()).await;
    assert_eq!((client, keys.len()), (who(1, 1).client, 1));
    let mut again = case.world.open(Protocol::H1, None).await;
    refused(&ask(&mut again, bearer(&unbound("b"))).await, 403, "key_severed");
}

#[tokio::test]
async fn a_severance_closes_them_and_only_later_tokens_open_again() {
    let case = Case::new(|_| {}).await;
    let (certificate, client) = (Certificate::new(), who(1, 1).client);
    let old = case.idp.token(&case.claims(&certificate));
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, bearer(&old)).await.status, 200);
    let report = case.world.sever(1, Target::Client { id: client }, 2, Vec::new()).await;
    assert_eq!(report.connections.len(), 1);
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    refused(&ask(&mut connection, bearer(&old)).await, 403, "client_severed");
    // Restored in the second after: what was issued until then stays dead.
    case.publish(|facts| {
        facts.clients.iter_mut().filter(|facts| facts.id == client).for_each(|facts| facts.epoch = 3);
        facts.cut_offs.push((client.0, case.now + 1));
    })
    .await;
    refused(&ask(&mut connection, bearer(&old)).await, 401, "token_superseded");
    // Stolen before, from an issuer whose clock is ahead by as much as one may be: it says that it is younger.
    let issued = |second: i64| {
        case.idp.token(&with(case.claims(&certificate), json!({ "iat": second, "exp": second + 300 })))
    };
    for second in [case.now + 1, case.now + 2, case.now + 50] {
        refused(&ask(&mut connection, bearer(&issued(second))).await, 401, "token_superseded");
    }
    case.world.clock.jump_to(jiff::Timestamp::from_second(case.now + 70).unwrap());
    refused(&ask(&mut connection, bearer(&issued(case.now + 61))).await, 401, "token_superseded");
    assert_eq!(ask(&mut connection, bearer(&issued(case.now + 62))).await.status, 200);
    // An older snapshot doesn't bring them back.
    case.publish(|facts| facts.cut_offs.clear()).await;
    refused(&ask(&mut connection, bearer(&old)).await, 401, "token_superseded");
    // A key that is closed stays so, whoever vouches for it.
    let thumbprint = certificate.thumbprint().to_string();
    case.publish(|facts| facts.refused_keys.push(thumbprint)).await;
    refused(&ask(&mut connection, bearer(&issued(case.now + 62))).await, 403, "key_severed");
}

#[tokio::test]
async fn one_token_is_revoked_under_the_name_that_it_has_here() {
    let case = Case::new(|_| {}).await;
    let certificate = Certificate::new();
    let named = |id: &str| case.idp.token(&with(case.claims(&certificate), json!({ "jti": id })));
    let mut connection = case.world.open(Protocol::H2, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, bearer(&named("a"))).await.status, 200);
    let token_id = case.idp.facts(0).id.token("a");
    let expires_at = case.now + 86_460;
    case.world.to_gate.send(ToGate::RevokeToken { order: 1, token_id, expires_at }).await.unwrap();
    case.publish(|_| {}).await;
    refused(&ask(&mut connection, bearer(&named("a"))).await, 401, "token_revoked");
    assert_eq!(ask(&mut connection, bearer(&named("b"))).await.status, 200, "another one of the same issuer");
}

/// Whoever is not spoken for any more is like one whose key has ended, inside a download too.
#[tokio::test]
async fn a_mapping_that_is_gone_ends_what_has_begun() {
    type Change = fn(&mut IssuerFacts) -> bool;
    let lines: [(&str, Change); 4] = [
        ("the issuer stays, and the mapping", |issuer| {
            issuer.clients.push(mapped(who(1, 2).client, &[("azp", "others")]));
            true
        }),
        ("no mapping", |issuer| {
            issuer.clients.clear();
            true
        }),
        ("by other claims", |issuer| {
            issuer.clients = vec![mapped(who(1, 1).client, &[("azp", "imports")])];
            true
        }),
        ("no issuer", |_| false),
    ];
    for (number, (line, change)) in lines.into_iter().enumerate() {
        let case = Case::new(|_| {}).await;
        let certificate = Certificate::new();
        let token = case.idp.token(&case.claims(&certificate));
        let mut connection = case.world.open(BOTH[number % 2], Some(&certificate)).await;
        let long = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
        let mut response = connection.send(long).await.unwrap();
        let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
        for _ in 0..20 {
            soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        }
        case.publish(|facts| {
            // A certificate may be its own by an authority: that stands for no issuer.
            facts.clients.iter_mut().for_each(|client| client.by_subject = true);
            facts.issuers.retain_mut(change);
        })
        .await;
        if number == 0 {
            for _ in 0..50 {
                soon("more of it", response.body_mut().frame()).await.unwrap().unwrap();
            }
            continue;
        }
        let cut = soon("a cut", Answer::read(response)).await;
        assert!(cut.broke_off.is_some(), "{line}");
        let outcome = case.world.control.outcome(id).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::ClientKeyEnded), "{line}");
    }
}
