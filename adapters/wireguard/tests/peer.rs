//! The peer with a real other side, `wireguard-go`, in a network of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its peer is stamped by the system's clock"
)]

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream as Plain};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use portcullis_lab::available::{Need, available};
use portcullis_lab::folder::Folder;
use portcullis_lab::host::Host;
use portcullis_lab::wireguard::WireGuard;
use portcullis_lab::{clock, links};
use portcullis_wireguard::{Credentials, KEY_BYTES, Peer, Settings, WireguardError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const INTERFACE: &str = "pc-test";
const OURS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);
const PORT: u16 = 51_866;
const DOOR: SocketAddrV4 = SocketAddrV4::new(OURS, 8_443);
const PATIENCE: Duration = Duration::from_secs(10);
/// Silence for so long is an answer.
const SILENCE: Duration = Duration::from_millis(800);
const RENEW: Duration = Duration::from_secs(120);
const MEBIBYTE: usize = 1 << 20;

/// A host with an interface, as an operator makes it, and the keys of both sides.
struct Ground {
    host: Host,
    folder: Folder,
    wireguard: WireGuard,
    private: [u8; KEY_BYTES],
    public: String,
    shared: String,
}

impl Ground {
    fn new() -> Option<Self> {
        if !available(Need::Tunnels) {
            return None;
        }
        let (host, folder) = (Host::new("gate"), Folder::new());
        let wireguard = WireGuard::start(&host, folder.path(), INTERFACE, OURS);
        links::route_by(&host, THEIRS, INTERFACE);
        let private = host.must("wg", &["genkey"]);
        let public = host.feed("wg", &["pubkey"], &private).trim().to_owned();
        let shared = host.must("wg", &["genpsk"]).trim().to_owned();
        let ground = Self { private: key(&host, private.trim()), host, folder, wireguard, public, shared };
        ground.set(&ground.peer_text());
        Some(ground)
    }

    fn peer_text(&self) -> String {
        format!(
            "[Peer]\nPublicKey = {}\nPresharedKey = {}\nAllowedIPs = {THEIRS}/32\n",
            self.public, self.shared
        )
    }

    fn set(&self, peer: &str) {
        let own = format!("[Interface]\nPrivateKey = {}\nListenPort = {PORT}\n", self.wireguard.private_key);
        self.wireguard.configure(&self.host, self.folder.path(), &format!("{own}{peer}"));
    }

    fn remove(&self) {
        self.host.must("wg", &["set", INTERFACE, "peer", &self.public, "remove"]);
    }

    fn credentials(&self, shared: [u8; KEY_BYTES]) -> Credentials {
        let other = key(&self.host, &self.wireguard.public_key);
        Credentials::new(&self.private, other, shared).unwrap()
    }

    fn peer(&self) -> Peer {
        self.peer_with(self.credentials(key(&self.host, &self.shared)), RENEW)
    }

    fn peer_with(&self, credentials: Credentials, renew: Duration) -> Peer {
        let endpoint = (Ipv4Addr::LOCALHOST, PORT).into();
        let settings = Settings { endpoint, address: THEIRS, renew, clock: Arc::new(SystemTime::now) };
        self.host.wait_for(async move { Peer::start(settings, credentials).await.unwrap() })
    }

    /// Serves each connection to the door by `serve`, on a thread of the host.
    fn serve(&self, serve: impl Fn(Plain) + Send + Clone + 'static) {
        self.host.run(move || {
            let listener = TcpListener::bind(DOOR).unwrap();
            std::thread::spawn(move || {
                for taken in listener.incoming().map_while(Result::ok) {
                    let serve = serve.clone();
                    std::thread::spawn(move || serve(taken));
                }
            });
        });
    }

    fn until<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.host.wait_for(async move { tokio::time::timeout(6 * PATIENCE, work).await.unwrap() })
    }
}

/// What `wg` prints, decoded by a program that everybody has.
fn key(host: &Host, text: &str) -> [u8; KEY_BYTES] {
    let bytes = host.feed("sh", &["-c", "base64 -d | od -An -v -tu1"], text);
    let bytes: Vec<u8> = bytes.split_whitespace().map(|byte| byte.parse().unwrap()).collect();
    bytes.try_into().unwrap()
}

fn echo(mut taken: Plain) {
    let mut from = taken.try_clone().unwrap();
    let _ = std::io::copy(&mut from, &mut taken);
    let _ = taken.shutdown(std::net::Shutdown::Write);
}

/// Bytes that tell where they stand.
fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place ^ place >> 8 ^ place >> 16) as u8).collect()
}

async fn there_and_back(peer: &Peer, bytes: usize) -> Vec<u8> {
    let stream = peer.connect(DOOR, PATIENCE).await.unwrap();
    let (mut from, mut to) = tokio::io::split(stream);
    let sent = text(bytes);
    let writing = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut came = Vec::new();
    let reading = async { from.read_to_end(&mut came).await.unwrap() };
    tokio::join!(writing, reading);
    came
}

#[test]
fn bytes_go_there_and_back_whole_through_a_real_interface() {
    let Some(ground) = Ground::new() else { return };
    ground.serve(echo);
    let peer = Arc::new(ground.peer());
    assert_eq!(
        ground.host.must("wg", &["show", INTERFACE, "latest-handshakes"]).trim(),
        format!("{}\t0", ground.public),
        "nothing before it is asked"
    );
    let came = ground.until({
        let peer = Arc::clone(&peer);
        async move {
            peer.shake(PATIENCE).await.unwrap();
            let (one, other) = tokio::join!(there_and_back(&peer, 4 * MEBIBYTE), there_and_back(&peer, 100));
            (one == text(4 * MEBIBYTE), other == text(100))
        }
    });
    assert_eq!(came, (true, true));
    ground.wireguard.until_shaken(&ground.host);
    assert!(peer.received() > 1_000);
    // A port where nobody listens is told of, not waited for.
    let closed = SocketAddrV4::new(OURS, 1);
    let refused = ground.until(async move { peer.connect(closed, PATIENCE).await.err() });
    assert!(matches!(refused, Some(WireguardError::Refused)), "{refused:?}");
}

#[test]
fn keys_are_renewed_while_bytes_flow() {
    let Some(ground) = Ground::new() else { return };
    ground.serve(echo);
    let credentials = ground.credentials(key(&ground.host, &ground.shared));
    let peer = ground.peer_with(credentials, Duration::from_millis(100));
    let whole = ground.until(async move {
        peer.shake(PATIENCE).await.unwrap();
        let mut whole = true;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            whole &= there_and_back(&peer, MEBIBYTE).await == text(MEBIBYTE);
        }
        whole
    });
    assert!(whole);
    let log = ground.wireguard.process.log();
    assert!(log.matches("Received handshake initiation").count() > 3, "{log}");
}

#[test]
fn a_peer_that_was_removed_gets_nothing_until_it_is_set_again() {
    let Some(ground) = Ground::new() else { return };
    ground.serve(|mut taken| {
        while taken.write_all(&[7; 100]).is_ok() {
            std::thread::yield_now()
        }
    });
    let peer = Arc::new(ground.peer());
    let flowing = ground.until({
        let peer = Arc::clone(&peer);
        async move {
            peer.shake(PATIENCE).await.unwrap();
            let mut stream = peer.connect(DOOR, PATIENCE).await.unwrap();
            stream.read_exact(&mut [0; 4_096]).await.unwrap();
            stream
        }
    });
    ground.remove();
    let (shaken, connected, later) = ground.until({
        let peer = Arc::clone(&peer);
        async move {
            let shaken = peer.shake(SILENCE).await.is_ok();
            let before = peer.received();
            let connected = peer.connect(DOOR, SILENCE).await.is_ok();
            (shaken, connected, peer.received() - before)
        }
    });
    assert_eq!((shaken, connected, later), (false, false, 0));
    drop(flowing);
    ground.set(&ground.peer_text());
    ground.until({
        let peer = Arc::clone(&peer);
        async move {
            peer.shake(PATIENCE).await.unwrap();
            peer.connect(DOOR, PATIENCE).await.unwrap();
        }
    });
}

#[test]
fn nobody_without_both_keys_gets_in() {
    let Some(ground) = Ground::new() else { return };
    let stranger = |private: [u8; KEY_BYTES], shared: [u8; KEY_BYTES]| {
        let other = key(&ground.host, &ground.wireguard.public_key);
        ground.peer_with(Credentials::new(&private, other, shared).unwrap(), RENEW)
    };
    let shared = key(&ground.host, &ground.shared);
    for peer in [stranger(ground.private, [1; KEY_BYTES]), stranger([1; KEY_BYTES], shared)] {
        assert!(ground.until(async move { peer.shake(SILENCE).await.is_err() }));
    }
    let peer = ground.peer();
    assert!(ground.until(async move { peer.shake(PATIENCE).await.is_ok() }));
}

#[test]
fn a_reader_that_stands_still_stops_the_writer_and_loses_nothing() {
    let Some(ground) = Ground::new() else { return };
    let (stalled, told): (_, Receiver<usize>) = channel();
    let written = Arc::new(AtomicUsize::new(0));
    let sent = Arc::clone(&written);
    let whole = 64 * MEBIBYTE;
    ground.serve(move |mut taken| {
        // Small, so that what was written is what the tunnel took.
        let _ = taken.set_write_timeout(Some(SILENCE));
        let text = text(whole);
        let mut told = false;
        loop {
            let done = sent.load(Ordering::SeqCst);
            match taken.write(&text[done..]) {
                Ok(0) => return,
                Ok(more) => drop(sent.fetch_add(more, Ordering::SeqCst)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !told {
                        stalled.send(done).unwrap();
                        told = true;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    let peer = Arc::new(ground.peer());
    let mut stream = ground.until({
        let peer = Arc::clone(&peer);
        async move {
            peer.shake(PATIENCE).await.unwrap();
            peer.connect(DOOR, PATIENCE).await.unwrap()
        }
    });
    let took = told.recv_timeout(clock::PATIENCE).expect("the writer never stops");
    assert!(took < whole / 4, "{took} bytes were taken that nobody reads");
    let read = ground.until(async move {
        let mut came = Vec::new();
        stream.read_to_end(&mut came).await.unwrap();
        drop(peer);
        came == text(whole)
    });
    assert!(read);
}

#[test]
fn a_flood_of_what_is_not_the_other_sides_changes_nothing() {
    let Some(ground) = Ground::new() else { return };
    ground.serve(echo);
    let peer = Arc::new(ground.peer());
    let came = ground.until({
        let peer = Arc::clone(&peer);
        async move {
            peer.shake(PATIENCE).await.unwrap();
            there_and_back(&peer, MEBIBYTE).await == text(MEBIBYTE)
        }
    });
    assert!(came);
    let before = peer.received();
    // Who listens where: `ss` tells the peer's port.
    let sockets = ground.host.must("ss", &["-Hun", "dst", &format!("127.0.0.1:{PORT}")]);
    let port: u16 = sockets.split_whitespace().nth(3).unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    ground.host.run(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..20_000_u32 {
            let mut junk = vec![0; 64];
            junk[0] = 1 + (number % 4) as u8;
            let _ = socket.send_to(&junk, ("127.0.0.1", port));
        }
    });
    assert_eq!(peer.received(), before);
    assert!(ground.until(async move { there_and_back(&peer, MEBIBYTE).await == text(MEBIBYTE) }));
}
