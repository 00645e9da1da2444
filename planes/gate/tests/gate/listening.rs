//! How strangers are met: balancers' headers, TLS by policy, limits of networks, time limits.

use std::sync::Arc;

use portcullis_domain::reason::Reason;
use portcullis_gate::{GateSettings, HandshakeRate, TlsMinimum};
use portcullis_wire::proxy_protocol::{ProxyHeader, encode_v1, encode_v2};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::crypto::aws_lc_rs::kx_group::{MLKEM1024, SECP256R1, SECP384R1, X25519, X25519MLKEM768};
use rustls::crypto::{SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::client::{Connection, Connector, Protocol, With, get};
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::{World, unhurried};

fn refused(world: &World, reason: Reason) -> u64 {
    let strangers = world.gate.as_ref().unwrap().strangers();
    strangers.refused().find(|(known, _)| *known == reason).unwrap().1
}

/// A connection is counted a moment after its end is seen.
async fn counted(world: &World, reason: Reason, expect: u64) {
    soon("a count", async {
        while refused(world, reason) < expect {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(refused(world, reason), expect, "{reason:?}");
}

fn behind(network: &str) -> GateSettings {
    GateSettings { proxy_protocol: vec![network.parse().unwrap()], ..unhurried() }
}

fn header(source: &str) -> ProxyHeader {
    ProxyHeader {
        source: Some(source.parse().unwrap()),
        destination: Some("198.51.100.1:443".parse().unwrap()),
        local: false,
    }
}

/// Whether a connection that begins with `first` gets through; if so, whom the gate takes it for.
async fn peer_of(world: &World, first: Vec<Vec<u8>>) -> Option<String> {
    let certificate = Certificate::new();
    let connector = Connector { first, ..world.connector(Some(&certificate)) };
    let mut connection = soon("a connection", connector.open(Protocol::H1)).await.ok()?;
    let token = world.token(who(1, 1), &certificate);
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.ok()?;
    assert_eq!(answer.status, 200);
    Some(world.control.decision(answer.decision()).await.peer)
}

#[tokio::test]
async fn a_balancer_says_who_came() {
    let world = World::listening(behind("127.0.0.0/8")).await;
    let check = async |first: Vec<Vec<u8>>, expect: Option<&str>| {
        assert_eq!(peer_of(&world, first.clone()).await.as_deref(), expect, "{first:?}");
    };
    let vendor = header("203.0.113.9:4000");
    check(vec![encode_v1(&vendor)], Some("203.0.113.9:4000")).await;
    check(vec![encode_v2(&vendor, &[], true).unwrap()], Some("203.0.113.9:4000")).await;
    let v6 = ProxyHeader {
        destination: Some("[2001:db8::1]:443".parse().unwrap()),
        ..header("[2001:db8:5::9]:4000")
    };
    check(vec![encode_v2(&v6, &[(0x04, &[0; 300])], false).unwrap()], Some("[2001:db8:5::9]:4000")).await;
    // However the header is cut.
    for header in [encode_v1(&vendor), encode_v2(&vendor, &[], true).unwrap()] {
        let pieces = header.iter().map(|byte| vec![*byte]).collect();
        check(pieces, Some("203.0.113.9:4000")).await;
    }
    // A check of our health is the balancer's own.
    let local = encode_v2(&ProxyHeader { local: true, ..ProxyHeader::default() }, &[], false).unwrap();
    let peer = peer_of(&world, vec![local]).await.unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    assert_eq!(refused(&world, Reason::ProxyHeader), 0);
    check(vec![], None).await;
    check(vec![b"PROXY TCP4 203.0.113.9 198.51.100.1 4000\r\n".to_vec()], None).await;
    check(vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()], None).await;
    let mut broken = encode_v2(&vendor, &[], true).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    check(vec![broken], None).await;
    // One header only.
    check(vec![encode_v1(&vendor), encode_v1(&vendor)], None).await;
    counted(&world, Reason::ProxyHeader, 4).await;
    counted(&world, Reason::HandshakeFailed, 1).await;
}

#[tokio::test]
async fn only_a_listed_balancer_may_speak_for_others() {
    let world = World::listening(behind("192.0.2.0/24")).await;
    let vendor = encode_v1(&header("203.0.113.9:4000"));
    for first in [vec![vendor], vec![]] {
        assert_eq!(peer_of(&world, first).await, None);
    }
    counted(&world, Reason::ProxyHeader, 2).await;
    // Where no balancer is expected, nobody may.
    let world = World::listening(unhurried()).await;
    assert_eq!(peer_of(&world, vec![encode_v1(&header("203.0.113.9:4000"))]).await, None);
    assert!(peer_of(&world, vec![]).await.is_some());
    counted(&world, Reason::HandshakeFailed, 1).await;
}

/// Whether a client gets through that shows `more` certificates behind its own.
async fn passes_with(world: &World, more: &[CertificateDer<'static>]) -> bool {
    let certificate = Certificate::new();
    let chain = std::iter::once(&certificate.der).chain(more).cloned().collect();
    let mut roots = RootCertStore::empty();
    roots.add(world.authority.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, certificate.key())
        .unwrap();
    let connector = Connector { config: config.into(), ..world.connector(None) };
    let Ok(mut connection) = soon("a connection", connector.open(Protocol::H1)).await else { return false };
    let token = world.token(who(1, 1), &certificate);
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn a_chain_of_a_thousand_certificates_ends_at_the_handshake_and_others_are_served() {
    let world = World::listening(unhurried()).await;
    let honest = Certificate::new();
    let token = world.token(who(1, 1), &honest);
    let mut standing = world.connector(Some(&honest)).open(Protocol::H2).await.unwrap();
    let real = Certificate::new().der;
    // TLS takes 64 KiB of certificates: a thousand real ones are more, a thousand of a few bytes are not, and end by their number.
    let tiny = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x01]);
    let mut refusals = 0;
    for (certificate, number, passes) in [
        (&real, 999, false),
        (&tiny, 999, false),
        (&tiny, 9_999, false),
        (&real, 16, false),
        (&real, 15, true),
    ] {
        let chain = vec![certificate.clone(); number];
        let (one, other, answer) = tokio::join!(
            passes_with(&world, &chain),
            passes_with(&world, &chain),
            soon("an answer", standing.ask(get("/records/1").bearer(&token)))
        );
        assert_eq!([one, other], [passes; 2], "{} bytes, {number} times", certificate.len());
        assert_eq!(answer.unwrap().status, 200);
        refusals += if passes { 0 } else { 2 };
    }
    counted(&world, Reason::HandshakeFailed, refusals).await;
    assert_eq!(standing.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_network_shakes_hands_no_faster_than_it_may() {
    let handshakes = HandshakeRate { per_second: 1, burst: 3 };
    let world = World::listening(GateSettings { handshakes, ..behind("127.0.0.0/8") }).await;
    let mut open = Vec::new();
    for (source, expect) in [
        ("203.0.113.1:1", true),
        ("203.0.113.2:1", true),
        ("203.0.113.3:1", true),
        ("203.0.113.4:1", false),
        ("203.0.114.4:1", true),
        ("[2001:db8:1:1::1]:1", true),
    ] {
        let mut header = header(source);
        if header.source.unwrap().is_ipv6() {
            header.destination = Some("[2001:db8::1]:443".parse().unwrap());
        }
        let connector = Connector { first: vec![encode_v1(&header)], ..world.connector(None) };
        let connection = soon("a connection", connector.open(Protocol::H1)).await;
        assert_eq!(connection.is_ok(), expect, "{source}");
        open.push(connection);
    }
    counted(&world, Reason::HandshakeRate, 1).await;
}

#[tokio::test]
async fn strangers_of_a_network_are_so_many_until_they_identify() {
    let world = World::listening(GateSettings { strangers_max: 2, ..unhurried() }).await;
    let certificate = Certificate::new();
    let mut first = world.open(Protocol::H1, Some(&certificate)).await;
    let second = world.open(Protocol::H2, None).await;
    let another = world.connector(None).open(Protocol::H1).await;
    assert!(another.is_err());
    counted(&world, Reason::StrangersLimit, 1).await;
    let token = world.token(who(1, 1), &certificate);
    assert_eq!(first.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    let third = world.open(Protocol::H1, None).await;
    assert!(world.connector(None).open(Protocol::H1).await.is_err());
    drop((second, third));
    // The gate hears of it a moment later.
    soon("places", async {
        while world.connector(None).open(Protocol::H1).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn config(
    world: &World,
    version: &'static SupportedProtocolVersion,
    groups: Vec<&'static dyn SupportedKxGroup>,
    ems: bool,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(world.authority.clone()).unwrap();
    let provider = rustls::crypto::CryptoProvider { kx_groups: groups, ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.require_ems = ems;
    config
}

#[tokio::test]
async fn a_key_share_that_came_is_used_and_the_hybrid_first() {
    let world = World::new().await;
    let check =
        async |groups: Vec<&'static dyn SupportedKxGroup>, share: Option<NamedGroup>, expect, kind| {
            let name = format!("{groups:?} {share:?}");
            let mut config = config(&world, &TLS13, groups, false);
            if let Some(share) = share {
                let store = ClientSessionMemoryCache::new(8);
                store.set_kx_hint(ServerName::try_from("localhost").unwrap(), share);
                config.resumption = Resumption::store(Arc::new(store));
            }
            let connector = Connector { config: Arc::new(config), ..world.connector(None) };
            let (stream, _) = soon("a handshake", connector.tls(Protocol::H1)).await.unwrap();
            let tls = stream.get_ref().1;
            let group = tls.negotiated_key_exchange_group().unwrap().name();
            assert_eq!((group, tls.handshake_kind()), (expect, Some(kind)), "{name}");
        };
    let (full, again) = (HandshakeKind::Full, HandshakeKind::FullWithHelloRetryRequest);
    check(vec![X25519MLKEM768, X25519], None, NamedGroup::X25519MLKEM768, full).await;
    check(vec![X25519MLKEM768], None, NamedGroup::X25519MLKEM768, full).await;
    check(vec![X25519], None, NamedGroup::X25519, full).await;
    check(vec![X25519, X25519MLKEM768], None, NamedGroup::X25519, full).await;
    check(vec![SECP256R1, X25519], None, NamedGroup::secp256r1, full).await;
    check(vec![SECP384R1, X25519MLKEM768], None, NamedGroup::secp384r1, full).await;
    // It prefers the hybrid, but has sent another share.
    check(vec![X25519MLKEM768, X25519], Some(NamedGroup::X25519), NamedGroup::X25519, full).await;
    // What we don't know at all has to be asked for again.
    check(vec![MLKEM1024, X25519], None, NamedGroup::X25519, again).await;
}

#[tokio::test]
async fn an_older_tls_is_a_matter_of_policy() {
    let groups = || vec![X25519, SECP256R1] as Vec<&'static dyn SupportedKxGroup>;
    let world = World::new().await;
    let older = |world: &World, ems| Connector {
        config: Arc::new(config(world, &TLS12, groups(), ems)),
        ..world.connector(None)
    };
    assert!(older(&world, true).open(Protocol::H1).await.is_err());
    let world = World::listening(GateSettings { tls_minimum: TlsMinimum::Tls12, ..unhurried() }).await;
    for _ in 0..2 {
        let (stream, tap) = older(&world, true).tls(Protocol::H1).await.unwrap();
        let tls = stream.get_ref().1;
        assert_eq!(tls.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
        let suite = tls.negotiated_cipher_suite().unwrap().suite().as_str().unwrap();
        assert!(suite.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{suite}");
        let mut connection = Connection::over(stream, tap, Protocol::H1).await.unwrap();
        let answer = connection.ask(get("/records/1")).await.unwrap();
        assert_eq!(answer.status, 401);
        let ja4 = world.control.decision(answer.decision()).await.ja4.unwrap();
        assert!(ja4.starts_with("t12"), "{ja4}");
    }
    // Who can do better does.
    let (stream, _) = world.connector(None).tls(Protocol::H2).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn a_certificate_in_the_older_tls_gets_no_ticket_either() {
    let world = World::listening(GateSettings { tls_minimum: TlsMinimum::Tls12, ..unhurried() }).await;
    let certificate = Certificate::new();
    let mut kinds = Vec::new();
    for shown in [true, false] {
        let plain = config(&world, &TLS12, vec![X25519], true);
        let mut roots = RootCertStore::empty();
        roots.add(world.authority.clone()).unwrap();
        let with = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.der.clone()], certificate.key())
            .unwrap();
        let mut config = if shown { with } else { plain };
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
        // ALPN is of the key that a session is kept under, so it must not differ.
        let connector = Connector { config: Arc::new(config), ..world.connector(None) };
        for _ in 0..2 {
            let (mut stream, _) = connector.tls(Protocol::H1).await.unwrap();
            // A ticket comes before the handshake's end in this version.
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            let _ = stream.shutdown().await;
        }
    }
    assert_eq!(
        kinds,
        [HandshakeKind::Full, HandshakeKind::Full, HandshakeKind::Full, HandshakeKind::Resumed]
    );
}

/// Reads until the gate ends the connection.
async fn ended(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset ends it, too.
    let _ = soon("the end", stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn who_is_slow_with_the_handshake_is_let_go() {
    let world = World::listening(GateSettings { handshake_seconds: 1, ..unhurried() }).await;
    // Nothing at all, and a byte now and then of what could become a hello.
    let mut silent = world.connector(None).tcp().await.unwrap();
    let (mut reader, mut writer) = world.connector(None).tcp().await.unwrap().into_split();
    let dribble = tokio::spawn(async move {
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(100));
        for byte in [22, 3, 1, 2, 0, 1, 0, 1, 252].into_iter().chain(std::iter::repeat(0)) {
            beat.tick().await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    assert!(ended(&mut silent).await.is_empty());
    assert!(ended(&mut reader).await.is_empty());
    soon("the dribble", dribble).await.unwrap();
    counted(&world, Reason::HandshakeSlow, 2).await;
    // What is no hello is answered as TLS does, and at once.
    let mut other = world.connector(None).tcp().await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(ended(&mut other).await, [21, 3, 3, 0, 2, 2, 50]);
    counted(&world, Reason::HandshakeFailed, 1).await;
}

#[tokio::test]
async fn a_head_and_a_pause_take_so_long_at_most() {
    let world = World::listening(GateSettings { head_seconds: 1, idle_seconds: 2, ..unhurried() }).await;
    let (mut idle, _) = world.connector(None).tls(Protocol::H1).await.unwrap();
    let (slow, _) = world.connector(None).tls(Protocol::H1).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(slow);
    let dribble = tokio::spawn(async move {
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(100));
        let head = b"GET /records/1 HTTP/1.1\r\nHost: gate.test\r\n".iter().copied();
        for byte in head.chain(std::iter::repeat_n(b'A', 1_000)) {
            beat.tick().await;
            if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        panic!("a head without an end was waited for");
    });
    ended(&mut reader).await;
    assert!(ended(&mut idle).await.is_empty());
    soon("the dribble", dribble).await.unwrap();
}
