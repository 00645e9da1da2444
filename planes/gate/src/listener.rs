//! Taking connections: the network gate, the handshake, and the protocol's own machinery.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::Uri;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::RateLimit;
use portcullis_policy::doors::Door;
use portcullis_risk::{Known, Missing};
use portcullis_tokens::thumbprint::Thumbprint;
use portcullis_wire::client_hello::ClientHello;
use portcullis_wire::ja4;
use portcullis_wire::oddities::{alpn_is_odd, server_name_is_odd};
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Greeting};
use crate::core::Core;
use crate::io::ValvedIo;
use crate::opening::{Opening, read_header, read_hello};
use crate::seen::Place;
use crate::settings::GateSettings;
use crate::speak::speak;
use crate::strangers::Network;
use crate::tls::Handshake;

/// Unsent bytes that the kernel may hold for one connection: what a cut can't take back.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// How often terms and overdue cuts are looked at.
const BEAT: Duration = Duration::from_millis(20);
/// How often what was recorded goes to control.
const FLUSH: Duration = Duration::from_millis(50);
/// How often refused strangers are told of.
const SECOND: Duration = Duration::from_secs(1);

/// Takes connections at a door until the gate drains, or the door is closed. All doors share what a core takes.
pub async fn accept(core: Rc<Core>, listener: TcpListener, (door, closed): (Door, impl Future<Output = ()>)) {
    let connections_max = core.connections_max;
    let mut draining = core.draining.subscribe();
    let mut closed = pin!(closed);
    loop {
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => return,
            () = closed.as_mut() => return,
            accepted = listener.accept(), if core.registry.len() < connections_max => match accepted {
                Ok((tcp, peer)) => {
                    let core = Rc::clone(&core);
                    tokio::task::spawn_local(async move {
                        let served = serve(Rc::clone(&core), tcp, peer, door);
                        core.timed(served).await;
                    });
                }
                Err(error) => {
                    // Out of descriptors or memory: taking the next at once would only spin.
                    tracing::warn!(%error, "a connection can't be taken");
                    tokio::time::sleep(BEAT).await;
                }
            },
            // Full: look again when some may have ended.
            () = tokio::time::sleep(BEAT), if core.registry.len() >= connections_max => {}
        }
    }
}

/// An integration's own door, until `closing` brings whom to tell that its listener is gone.
pub async fn keep_door(
    core: Rc<Core>,
    listener: TcpListener,
    port: NonZeroU16,
    closing: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut confirm = None;
    let closed = async { confirm = closing.await.ok() };
    accept(core, listener, (Some(port), closed)).await;
    if let Some(confirm) = confirm {
        let _ = confirm.send(());
    }
}

/// Looks after terms, overdue cuts and batches for control.
pub async fn beat(core: Rc<Core>) {
    let mut beat = tokio::time::interval(BEAT);
    let mut flush = tokio::time::interval(FLUSH);
    let mut second = tokio::time::interval(SECOND);
    loop {
        tokio::select! {
            // The count is of all cores: one of them tells it.
            _ = second.tick(), if core.number == 0 => core.shared.strangers.tell(),
            _ = beat.tick() => {
                core.look_at_clocks();
                core.registry.sweep(core.now_us(), core.monotonic_ms());
            }
            _ = flush.tick() => {
                core.recorder.borrow_mut().flush(&core.shared.to_control);
                core.pool.sweep();
            }
        }
    }
}

async fn serve(core: Rc<Core>, tcp: TcpStream, peer: SocketAddr, door: Door) {
    // Small answers must not wait for more; large ones must not pile up in the kernel.
    let _ = tcp.set_nodelay(true);
    let _ = socket2::SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    let connection = core.registry.open(peer, tcp.as_raw_fd(), door);
    // On the heap, and gone when it is over: a connection lives on for long without it.
    let met = Box::pin(introduce(&core, &connection, tcp)).await;
    match met {
        Ok(stream) => {
            connection.asked(core.monotonic_ms());
            tokio::select! {
                // A cut wins over whatever the connection could still do.
                biased;
                () = connection.ended() => {}
                () = speak(&core, &connection, stream) => {}
            }
            core.registry.forget_socket(&connection);
        }
        Err(reason) => {
            let peer = connection.peer();
            core.shared.strangers.refuse(Network::of(peer.ip()), reason);
            tracing::debug!(%peer, reason = reason.code(), "a stranger was refused");
        }
    }
    connection.departures.close(core.monotonic_ms());
}

/// Meets the peer in the time that it has for that.
async fn introduce(
    core: &Core,
    connection: &Connection,
    tcp: TcpStream,
) -> Result<TlsStream<ValvedIo>, Reason> {
    let settings = core.shared.settings.load_full();
    let mut meeting = pin!(meet(core, connection, &settings, tcp));
    let met = tokio::time::timeout(settings.handshake_limit(), meeting.as_mut()).await;
    let met = met.unwrap_or(Err(Reason::HandshakeSlow));
    if met.is_err() {
        // While the socket is still there: it is dropped with `meeting`.
        core.registry.forget_socket(connection);
    }
    met
}

/// From the first byte to the end of the handshake.
async fn meet(
    core: &Core,
    connection: &Connection,
    settings: &GateSettings,
    tcp: TcpStream,
) -> Result<TlsStream<ValvedIo>, Reason> {
    let address = connection.peer().ip();
    let mut received = Vec::new();
    if settings.proxy_protocol.is_empty() {
        admit(core, connection, settings, &tcp, address)?;
    } else {
        if !settings.is_balancer(address) {
            close_hard(&tcp);
            return Err(Reason::ProxyHeader);
        }
        let forwarded = read_header(&tcp).await?;
        connection.came_through(address, forwarded.source);
        received = forwarded.rest;
        // The balancer's own checks of our health are nobody's flood.
        if let Some(source) = forwarded.source {
            admit(core, connection, settings, &tcp, source.ip())?;
        }
    }
    let Opening { hello, received } = read_hello(&tcp, received).await?;
    let config = core.shared.tls.load().for_hello(&hello);
    let io = ValvedIo::of_vendor(tcp, Rc::clone(&connection.valve), received);
    let stream = Handshake::new(TlsAcceptor::from(config).accept(io)).await.map_err(|error| {
        tracing::debug!(%error, "handshake failed");
        Reason::HandshakeFailed
    })?;
    connection.greet(greeting_of(core, &stream, &hello, connection.peer().ip()));
    Ok(stream)
}

/// Before anything that costs: so many connections of a network, and so fast.
fn admit(
    core: &Core,
    connection: &Connection,
    settings: &GateSettings,
    tcp: &TcpStream,
    address: IpAddr,
) -> Result<(), Reason> {
    let shared = &core.shared;
    let network = Network::of(address);
    let limit = RateLimit {
        per_second: settings.handshakes.per_second.into(),
        burst: settings.handshakes.burst.into(),
    };
    if !shared.strangers.may_shake_hands(network, limit, core.monotonic_ns()) {
        close_hard(tcp);
        return Err(Reason::HandshakeRate);
    }
    let Some(place) = shared.strangers.enter(network, settings.strangers_max) else {
        close_hard(tcp);
        return Err(Reason::StrangersLimit);
    };
    connection.take_place(place);
    Ok(())
}

/// The close that follows is a reset: neither side keeps anything of the connection.
fn close_hard(tcp: &TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// The hosts that clients may name are those of the public origins, which the snapshot has.
fn sni_odd(core: &Core, hello: &ClientHello) -> Known<bool> {
    let Some(ready) = core.shared.ready.load_full() else { return Known::NoData(Missing::TooEarly) };
    let origins = ready.snapshot.public_origins.iter().map(|origin| origin.parse::<Uri>().ok());
    let origins: Vec<Uri> = origins.flatten().collect();
    Known::Is(server_name_is_odd(hello, origins.iter().filter_map(Uri::host)))
}

fn greeting_of(core: &Core, stream: &TlsStream<ValvedIo>, hello: &ClientHello, peer: IpAddr) -> Greeting {
    let (_, tls) = stream.get_ref();
    let certificates: Vec<CertificateDer<'static>> =
        tls.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    let ja4 = Some(ja4::ja4(hello).to_string());
    let ja4_context = Some(ja4::context_key(hello).to_string());
    let place = Place::of(peer, ja4.as_deref(), ja4_context.as_deref(), &**core.shared.origin.load_full());
    // A resumed one proves that the peer has a ticket, and no more.
    let full =
        matches!(tls.handshake_kind(), Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest));
    core.look_at_clocks();
    Greeting {
        ja4,
        ja4_context,
        certificate: certificates.first().map(|der| Thumbprint::of_certificate(der)),
        certificates,
        place,
        full_handshake_us: full.then(|| core.now_us()),
        http2: tls.alpn_protocol() == Some(b"h2"),
        tls13: tls.protocol_version() == Some(ProtocolVersion::TLSv1_3),
        alpn_odd: Known::Is(alpn_is_odd(hello)),
        sni_odd: sni_odd(core, hello),
    }
}
