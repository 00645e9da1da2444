//! Settings and certificates change while the gate serves: nobody notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_domain::ids::UpstreamId;
use portcullis_domain::spec::UpstreamTls;
use portcullis_gate::{GateSettings, HandshakeRate, TlsMaterial, TlsMinimum};
use portcullis_policy::facts::UpstreamFacts;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::support::client::{Answer, BOTH, Connector, Protocol, With, get};
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::tap::TappedIo;
use crate::support::world::{World, bound_to_certificate, unhurried};

const RELOADS: u32 = 100;
const REQUESTS_A_SECOND: u64 = 1_000;
/// Who ask at the same time: one of them alone would wait for its handshakes.
const ASKERS: u64 = 4;
/// Requests between any two reloads, so that all of them take some seconds.
const REQUESTS_EACH: u64 = 30;
const KEPT: usize = 1_000;

/// An authority that issues one certificate after the other.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = parameters.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(parameters, key), der }
    }

    fn issue(&self) -> TlsMaterial {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        TlsMaterial { chain_pem: certificate.pem().into_bytes(), key_pem: key.serialize_pem().into_bytes() }
    }
}

/// Other settings each time, all of them good for honest clients.
fn settings(number: u32) -> GateSettings {
    let tls_minimum = if number.is_multiple_of(3) { TlsMinimum::Tls12 } else { TlsMinimum::Tls13 };
    let handshakes = HandshakeRate { per_second: 100_000 + number, burst: 100_000 };
    GateSettings { tls_minimum, handshakes, head_seconds: 10 + number % 5, ..unhurried() }
}

/// Over fresh connections and kept ones, of both protocols, a share of so many requests a second.
async fn ask(world: &World, authority: &Authority, stop: &AtomicBool, asked: &AtomicU64) {
    let certificate = Certificate::new();
    let claims = world.claims(who(1, 1), bound_to_certificate(certificate.thumbprint()));
    let token = world.mint(&claims);
    let connector = Connector::new(world.address, &authority.der, Some(&certificate));
    let mut kept = Vec::new();
    for protocol in BOTH {
        kept.push(connector.open(protocol).await.unwrap());
    }
    let mut beat = tokio::time::interval(Duration::from_micros(1_000_000 * ASKERS / REQUESTS_A_SECOND));
    while !stop.load(Ordering::SeqCst) {
        beat.tick().await;
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let request = get("/records/1?n=1").bearer(&token);
        let answer: Answer = if number.is_multiple_of(10) {
            let protocol = BOTH[usize::from(number.is_multiple_of(20))];
            let mut fresh = connector.open(protocol).await.unwrap();
            fresh.ask(request).await.unwrap()
        } else {
            let place = usize::try_from(number).unwrap() % kept.len();
            kept[place].ask(request).await.unwrap()
        };
        assert_eq!((answer.status, answer.records()), (200, 1));
        assert!(answer.broke_off.is_none());
    }
}

/// An upstream that agrees to WebSocket and sends each frame back; it ends with the test.
fn echoing() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((mut tcp, _)) = listener.accept().await {
                tokio::spawn(async move {
                    read_head(&mut tcp).await?;
                    tcp.write_all(SWITCHING).await?;
                    loop {
                        let [kind, length] = read::<2>(&mut tcp).await?;
                        let mask = read::<4>(&mut tcp).await?;
                        let mut frame = vec![kind, length & 0x7f];
                        for place in 0..usize::from(length & 0x7f) {
                            frame.push(tcp.read_u8().await? ^ mask[place % 4]);
                        }
                        tcp.write_all(&frame).await?;
                    }
                    #[expect(unreachable_code, reason = "tells the type of what ends it")]
                    std::io::Result::Ok(())
                });
            }
        });
    });
    address
}

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn read<const N: usize>(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

type WebSocket = TlsStream<TappedIo>;

async fn websocket(connector: &Connector, token: &str) -> WebSocket {
    let (mut stream, _) = soon("a connection", connector.tls(Protocol::H1)).await.unwrap();
    let request = format!(
        "GET /free/echo HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = soon("an answer", read_head(&mut stream)).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

/// A message there and back.
async fn echo(stream: &mut WebSocket, message: u8) {
    stream.write_all(&[0x82, 0x81, 1, 2, 3, 4, message ^ 1]).await.unwrap();
    let back = soon("a message", read::<3>(stream)).await.unwrap();
    assert_eq!(back, [0x82, 1, message]);
}

#[tokio::test]
async fn a_hundred_reloads_fail_no_request_and_drop_no_connection() {
    let world = Arc::new(World::listening(unhurried()).await);
    let authority = Arc::new(Authority::new());
    let reloads = world.gate.as_ref().unwrap().reloads();
    let prepared = reloads.prepare(&authority.issue(), unhurried()).unwrap();
    assert!(reloads.put_to_use(prepared).await.unwrap().tls);

    // Connections that stay, each of a client of its own.
    let certificate = Certificate::new();
    let token = world.token(who(2, 1), &certificate);
    let connector = Connector::new(world.address, &authority.der, Some(&certificate));
    let mut kept = Vec::new();
    for _ in 0..KEPT {
        let mut connection = soon("a connection", connector.open(Protocol::H1)).await.unwrap();
        assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
        kept.push(connection);
    }

    let address = echoing();
    world
        .publish(|facts| {
            let id = UpstreamId(uuid::Uuid::from_u128(0xbbff));
            let url = format!("http://{address}");
            let echo = UpstreamFacts { id, name: "echo".to_owned(), url, ..facts.upstreams[0].clone() };
            facts.upstreams.push(echo);
            let route = facts.routes.iter_mut().find(|route| route.path.starts_with("/free")).unwrap();
            (route.upstream, route.websocket, route.metered) = (id, true, true);
            for integration in &mut facts.integrations {
                integration.limits.concurrency = 10_000;
            }
        })
        .await;
    let mut sockets = Vec::new();
    for number in 0..KEPT {
        let mut socket = websocket(&connector, &token).await;
        echo(&mut socket, number as u8).await;
        sockets.push(socket);
    }

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let asking: Vec<_> = (0..ASKERS)
        .map(|_| {
            let (world, authority) = (Arc::clone(&world), Arc::clone(&authority));
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move { ask(&world, &authority, &stop, &asked).await })
        })
        .collect();
    let mut look = tokio::time::interval(Duration::from_millis(1));
    let before_us = world.clock.wall().as_microsecond();
    for number in 1..=RELOADS {
        let due = asked.load(Ordering::SeqCst) + REQUESTS_EACH;
        while asked.load(Ordering::SeqCst) < due && !asking.iter().any(JoinHandle::is_finished) {
            look.tick().await;
        }
        let prepared = reloads.prepare(&authority.issue(), settings(number)).unwrap();
        let reloaded = reloads.put_to_use(prepared).await.unwrap();
        assert!(reloaded.tls);
        world.publish(|_| {}).await;
    }
    let took_us = world.clock.wall().as_microsecond() - before_us;
    stop.store(true, Ordering::SeqCst);
    for asker in asking {
        soon("the requests", asker).await.unwrap();
    }
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked >= u64::from(RELOADS) * REQUESTS_EACH, "{asked}");
    println!(
        "{asked} requests, {RELOADS} reloads and {KEPT} kept connections and as many WebSockets in {took_us} us, no failure"
    );
    for (number, socket) in sockets.iter_mut().enumerate() {
        echo(socket, number as u8).await;
    }
    for connection in &mut kept {
        let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let world = World::new().await;
    let authority = Authority::new();
    let reloads = world.gate.as_ref().unwrap().reloads();
    let good = authority.issue();
    let other_key = TlsMaterial { key_pem: authority.issue().key_pem, ..good.clone() };
    let broken = TlsMaterial { chain_pem: b"-----BEGIN".to_vec(), ..good.clone() };
    assert!(reloads.prepare(&other_key, unhurried()).is_err());
    assert!(reloads.prepare(&broken, unhurried()).is_err());
    assert!(reloads.prepare(&good, GateSettings { head_seconds: 0, ..unhurried() }).is_err());
    // The first certificate is still shown.
    assert!(world.connector(None).open(Protocol::H1).await.is_ok());
    let prepared = reloads.prepare(&good, unhurried()).unwrap();
    assert!(world.connector(None).open(Protocol::H1).await.is_ok());
    assert!(reloads.put_to_use(prepared).await.unwrap().tls);
    assert!(world.connector(None).open(Protocol::H1).await.is_err());
    // The same again is no change, and tickets stay good.
    let again = reloads.put_to_use(reloads.prepare(&good, unhurried()).unwrap()).await.unwrap();
    assert!(!again.tls);
    assert_eq!(*again.settings_before, unhurried());
}

#[tokio::test]
async fn identities_are_read_anew_and_a_good_one_is_never_lost() {
    let world = World::new().await;
    let folder = world.decision_log.path().join("identities");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |material: &TlsMaterial| {
        std::fs::write(folder.join("us.crt"), &material.chain_pem).unwrap();
        std::fs::write(folder.join("us.key"), &material.key_pem).unwrap();
    };
    world
        .publish(|facts| {
            let tls = UpstreamTls { certificate_authority: None, identity: Some("us".to_owned()) };
            facts.upstreams[0].url = "https://127.0.0.1:9".to_owned();
            facts.upstreams[0].tls = Some(tls);
        })
        .await;
    let reloads = world.gate.as_ref().unwrap().reloads();
    let authority = Authority::new();
    let gate = authority.issue();
    let reload = async || reloads.put_to_use(reloads.prepare(&gate, unhurried()).unwrap()).await;
    // The files are missing: the upstream is closed, which is no reason to refuse all else.
    let reloaded = reload().await.unwrap();
    assert_eq!((reloaded.tls, reloaded.closed), (true, vec!["upstream-1".to_owned()]));
    let first = authority.issue();
    write(&first);
    let reloaded = reload().await.unwrap();
    assert_eq!((reloaded.identities, reloaded.closed), (vec!["us".to_owned()], vec![]));
    assert!(reload().await.unwrap().identities.is_empty());
    // A key of another certificate: what was in use stays, and all else with it.
    write(&TlsMaterial { key_pem: authority.issue().key_pem, ..first.clone() });
    let fault = reloads.put_to_use(reloads.prepare(&authority.issue(), unhurried()).unwrap()).await;
    let fault = fault.unwrap_err().to_string();
    assert!(fault.contains("upstream `upstream-1`"), "{fault}");
    write(&first);
    let reloaded = reload().await.unwrap();
    assert!(reloaded.identities.is_empty() && !reloaded.tls);
}
