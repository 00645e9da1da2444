//! SPIFFE: workloads that come with X.509-SVIDs or JWT-SVIDs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::ids::IssuerId;
use portcullis_domain::spec::{AllowUnbound, Impact, UnboundTokens};
use portcullis_policy::facts::{FetchedKeys, MappedWorkload, TrustDomainFacts};
use portcullis_policy::link::ToGate;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, BOTH, Connection, Connector, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{ORIGIN, who};
use crate::support::idp::{Idp, with};
use crate::support::soon;
use crate::support::world::{SCOPE, World};

const PATH: &str = "/records/1";
const ID: &str = "spiffe://prod.vendor.test/exports";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A signing authority of a trust domain, in force from `from` to `to` (years).
fn authority(from: i32, to: i32) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

fn svid(authority: &Authority, ids: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = ids.iter().map(|id| SanType::URI((*id).try_into().unwrap())).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Shown { chain: vec![certificate.der().clone()], key: key.serialize_der() }
}

impl Shown {
    fn thumbprint(&self) -> String {
        portcullis_tokens::thumbprint::Thumbprint::of_certificate(&self.chain[0]).to_string()
    }
}

struct Case {
    world: World,
    root: Authority,
    jwt: Idp,
    now: i64,
}

impl Case {
    async fn new(change: impl FnOnce(&mut TrustDomainFacts)) -> Self {
        Self::with(HandClock::real(), authority(2020, 2040), change).await
    }

    async fn with(clock: HandClock, root: Authority, change: impl FnOnce(&mut TrustDomainFacts)) -> Self {
        let jwt = Idp::new("unused", "jwt-1");
        let now = clock.wall().as_second();
        let keys = ExternalKeys { jwks: vec![jwt.jwk()], roots: vec![STANDARD.encode(root.der())] };
        let mut domain = TrustDomainFacts {
            id: IssuerId(Uuid::from_u128(0xdd01)),
            name: "vendor-1-prod".to_owned(),
            vendor: who(1, 1).vendor,
            trust_domain: "prod.vendor.test".to_owned(),
            keys: FetchedKeys { keys, good_until_seconds: now + 3_600 },
            audiences: Vec::new(),
            clients: vec![MappedWorkload {
                client: who(1, 1).client,
                spiffe_id: ID.to_owned(),
                scopes: Vec::new(),
            }],
            lifetime_seconds_max: 3_600,
            allow_unbound: AllowUnbound::Never,
        };
        change(&mut domain);
        let world = World::with(clock, |facts| facts.trust_domains.push(domain)).await;
        Self { world, root, jwt, now }
    }

    async fn open(&self, protocol: Protocol, shown: &Shown) -> Connection {
        let config =
            rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_root_certificates({
                    let mut roots = rustls::RootCertStore::empty();
                    roots.add(self.world.authority.clone()).unwrap();
                    roots
                })
                .with_client_auth_cert(shown.chain.clone(), PrivateKeyDer::Pkcs8(shown.key.clone().into()))
                .unwrap();
        let connector = Connector { config: config.into(), ..self.world.connector(None) };
        connector.open(protocol).await.unwrap()
    }

    /// A JWT-SVID as SPIRE makes them.
    fn token(&self, changes: Value) -> String {
        let claims = json!({ "sub": ID, "aud": [ORIGIN], "iat": self.now, "exp": self.now + 300 });
        self.jwt.sign(&self.jwt.header(), &with(claims, changes))
    }
}

async fn reason(connection: &mut Connection, token: Option<&str>) -> (u16, String) {
    let asked = match token {
        Some(token) => get(PATH).bearer(token),
        None => get(PATH),
    };
    let answer = connection.ask(asked).await.unwrap();
    let reason = if answer.status == 200 { "allowed".to_owned() } else { answer.reason() };
    (answer.status, reason)
}

#[tokio::test]
async fn an_x509_svid_alone_says_who_it_is() {
    let case = Case::new(|_| {}).await;
    for protocol in BOTH {
        let shown = svid(&case.root, &[ID], |_| {});
        let mut connection = case.open(protocol, &shown).await;
        for _ in 0..3 {
            let answer = connection.ask(get(PATH)).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let record = case.world.control.decision(answer.decision()).await;
            assert_eq!(record.client, Some(who(1, 1).client));
            assert_eq!(record.binding.as_deref(), Some("certificate"));
            assert_eq!(record.client_key, Some(shown.thumbprint()));
            assert!(record.scope.contains(&SCOPE.to_owned()));
        }
        // Closed by its thumbprint, as any key.
        case.world.publish(|facts| facts.refused_keys.push(shown.thumbprint())).await;
        assert_eq!(reason(&mut connection, None).await, (403, "key_severed".to_owned()));
        case.world.publish(|facts| facts.refused_keys.clear()).await;
    }
}

#[tokio::test]
async fn a_workload_that_is_not_mapped_any_more_is_cut() {
    for protocol in BOTH {
        let case = Case::new(|_| {}).await;
        let shown = svid(&case.root, &[ID], |_| {});
        let mut connection = case.open(protocol, &shown).await;
        let mut response = connection.send(get("/free/x?n=1000000&chunk=5&pace_ms=2")).await.unwrap();
        for _ in 0..20 {
            soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        }
        // Other words about it end nothing.
        case.world.publish(|facts| facts.trust_domains[0].clients[0].scopes.push(SCOPE.to_owned())).await;
        for _ in 0..50 {
            soon("more of it", response.body_mut().frame()).await.unwrap().unwrap();
        }
        case.world.publish(|facts| facts.trust_domains[0].clients.clear()).await;
        let cut = soon("a cut", Answer::read(response)).await;
        assert!(cut.broke_off.is_some());
    }
}

#[tokio::test]
async fn chains_that_are_not_the_trust_domains_own_are_refused() {
    let case = Case::new(|_| {}).await;
    let (root, stranger) = (&case.root, authority(2020, 2040));
    let mut sixteen = svid(root, &[ID], |_| {});
    let filler = stranger.der().clone();
    // What the handshake takes; longer ones end there.
    sixteen.chain.extend(std::iter::repeat_n(filler.clone(), 15));
    let mut nine = svid(root, &[ID], |_| {});
    nine.chain.extend(std::iter::repeat_n(filler, 9));
    let lines = [
        ("another authority", svid(&stranger, &[ID], |_| {}), "certificate_untrusted"),
        (
            "another trust domain",
            svid(root, &["spiffe://other.test/exports"], |_| {}),
            "certificate_untrusted",
        ),
        ("two names", svid(root, &[ID, "spiffe://prod.vendor.test/b"], |_| {}), "certificate_untrusted"),
        (
            "a name that isn't canonical",
            svid(root, &["spiffe://prod.vendor.test/a/../exports"], |_| {}),
            "certificate_untrusted",
        ),
        (
            "an authority's own",
            svid(root, &[ID], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "certificate_untrusted",
        ),
        (
            "one that may sign",
            svid(root, &[ID], |params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)),
            "certificate_untrusted",
        ),
        (
            "for servers only",
            svid(root, &[ID], |params| params.extended_key_usages.truncate(1)),
            "certificate_untrusted",
        ),
        (
            "expired",
            svid(root, &[ID], |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1)),
            "certificate_untrusted",
        ),
        (
            "of the future",
            svid(root, &[ID], |params| params.not_before = rcgen::date_time_ymd(2039, 1, 1)),
            "certificate_untrusted",
        ),
        (
            "nobody's workload",
            svid(root, &["spiffe://prod.vendor.test/imports"], |_| {}),
            "issuer_client_unmapped",
        ),
        ("no SPIFFE ID", svid(root, &["https://vendor.test/"], |_| {}), "token_missing"),
        ("a chain of sixteen", sixteen, "certificate_untrusted"),
        ("a chain of ten", nine, "certificate_untrusted"),
    ];
    for (line, shown, expect) in &lines {
        let mut connection = case.open(Protocol::H1, shown).await;
        assert_eq!(reason(&mut connection, None).await, (401, (*expect).to_owned()), "{line}");
    }
}

#[tokio::test]
async fn roots_have_an_end_and_bundles_follow_each_other() {
    // Expired roots are no roots.
    let case = Case::with(HandClock::real(), authority(2018, 2021), |_| {}).await;
    let shown = svid(&case.root, &[ID], |_| {});
    let mut connection = case.open(Protocol::H2, &shown).await;
    assert_eq!(reason(&mut connection, None).await, (401, "certificate_untrusted".to_owned()));
    let next = authority(2020, 2040);
    let text = STANDARD.encode(next.der());
    case.world.publish(|facts| facts.trust_domains[0].keys.keys.roots.push(text)).await;
    let renewed = svid(&next, &[ID], |_| {});
    let mut after = case.open(Protocol::H2, &renewed).await;
    assert_eq!(reason(&mut after, None).await, (200, "allowed".to_owned()));
    // A root that is taken out closes the connections that stood by it.
    case.world.publish(|facts| drop(facts.trust_domains[0].keys.keys.roots.pop())).await;
    assert_eq!(reason(&mut after, None).await, (401, "certificate_untrusted".to_owned()));
}

#[tokio::test]
async fn an_svid_ends_while_its_connection_stands_and_bundles_grow_stale() {
    let clock = HandClock::real();
    let case = Case::with(clock.clone(), authority(2020, 2040), |_| {}).await;
    let shown = svid(&case.root, &[ID], |_| {});
    let mut connection = case.open(Protocol::H2, &shown).await;
    assert_eq!(reason(&mut connection, None).await.0, 200);
    clock.jump_to(jiff::Timestamp::from_second(case.now + 3_601).unwrap());
    assert_eq!(reason(&mut connection, None).await, (503, "issuer_keys_stale".to_owned()));
    let later = "2041-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let fresh = ToGate::IssuerFresh {
        issuer: IssuerId(Uuid::from_u128(0xdd01)),
        good_until_seconds: later.as_second() + 100,
    };
    case.world.to_gate.send(fresh).await.unwrap();
    case.world.publish(|_| {}).await;
    assert_eq!(reason(&mut connection, None).await.0, 200);
    clock.jump_to(later);
    assert_eq!(reason(&mut connection, None).await, (401, "certificate_untrusted".to_owned()));
}

#[tokio::test]
async fn a_jwt_svid_needs_its_workloads_certificate() {
    let case = Case::new(|_| {}).await;
    let own = svid(&case.root, &[ID], |_| {});
    let other = svid(&case.root, &["spiffe://prod.vendor.test/other"], |_| {});
    let good = case.token(json!({}));
    for protocol in BOTH {
        let mut connection = case.open(protocol, &own).await;
        let answer = connection.ask(get(PATH).bearer(&good)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = case.world.control.decision(answer.decision()).await;
        assert_eq!(
            (record.binding.as_deref(), record.client_key),
            (Some("certificate"), Some(own.thumbprint()))
        );
        let mut stolen = case.open(protocol, &other).await;
        assert_eq!(reason(&mut stolen, Some(&good)).await, (401, "token_unbound".to_owned()));
        let mut nobody = case.world.open(protocol, None).await;
        assert_eq!(reason(&mut nobody, Some(&good)).await, (401, "token_unbound".to_owned()));
    }
    let mut connection = case.open(Protocol::H2, &own).await;
    for (changes, expect) in [
        (json!({ "sub": "spiffe://other.test/exports" }), "token_malformed"),
        (json!({ "sub": "spiffe://prod.vendor.test/imports" }), "issuer_client_unmapped"),
        (json!({ "aud": "https://other.test" }), "token_audience"),
        (json!({ "exp": null }), "issuer_token_refused"),
        (json!({ "iat": case.now - 400, "exp": case.now - 100 }), "token_expired"),
        (json!({ "exp": case.now + 4_000 }), "issuer_token_refused"),
    ] {
        let token = case.token(changes.clone());
        assert_eq!(reason(&mut connection, Some(&token)).await, (401, expect.to_owned()), "{changes}");
    }
    let foreign = Idp::new("unused", "jwt-1");
    let claims = json!({ "sub": ID, "aud": [ORIGIN], "iat": case.now, "exp": case.now + 300 });
    let token = foreign.token(&claims);
    assert_eq!(reason(&mut connection, Some(&token)).await, (401, "token_signature".to_owned()));
    // An X.509-SVID's root is no key of tokens.
    let token = case.jwt.sign(&with(case.jwt.header(), json!({ "kid": "root" })), &claims);
    assert_eq!(reason(&mut connection, Some(&token)).await, (401, "token_signature".to_owned()));
}

#[tokio::test]
async fn a_jwt_svid_without_a_certificate_is_for_low_impact_only() {
    let case = Case::new(|domain| domain.allow_unbound = AllowUnbound::LowImpact).await;
    let token = case.token(json!({}));
    let mut connection = case.world.open(Protocol::H2, None).await;
    assert_eq!(reason(&mut connection, Some(&token)).await, (401, "token_unbound".to_owned()));
    case.world
        .publish(|facts| {
            facts.routes[0].impact = Impact::Low;
            facts.routes[0].unbound = UnboundTokens::Allow;
        })
        .await;
    let answer = connection.ask(get(PATH).bearer(&token)).await.unwrap();
    assert_eq!((answer.status, answer.header("portcullis-binding")), (200, Some("none")), "{answer:?}");
}
