//! Taking connections: the network gate, the handshake, and the protocol's own machinery.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use portcullis_tokens::session::network_of;
use portcullis_tokens::thumbprint::Thumbprint;
use portcullis_wire::ja4;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::Greeting;
use crate::core::Core;
use crate::io::ValvedIo;
use crate::speak::speak;

const HANDSHAKE_SECONDS_MAX: u64 = 10;
/// Unsent bytes that the kernel may hold for one connection: what a cut can't take back.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// How often terms and overdue cuts are looked at.
const BEAT: Duration = Duration::from_millis(20);
/// How often what was recorded goes to control.
const FLUSH: Duration = Duration::from_millis(50);

/// Takes connections until the gate drains.
pub async fn accept(core: Rc<Core>, listener: TcpListener, connections_max: usize) {
    let mut draining = core.draining.subscribe();
    loop {
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => return,
            accepted = listener.accept(), if core.registry.len() < connections_max => match accepted {
                Ok((tcp, peer)) => {
                    let core = Rc::clone(&core);
                    tokio::task::spawn_local(async move { serve(core, tcp, peer).await });
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

/// Looks after terms, overdue cuts and batches for control.
pub async fn beat(core: Rc<Core>) {
    let mut beat = tokio::time::interval(BEAT);
    let mut flush = tokio::time::interval(FLUSH);
    loop {
        tokio::select! {
            _ = beat.tick() => core.registry.sweep(core.shared.now_us(), core.shared.monotonic_ms()),
            _ = flush.tick() => {
                core.recorder.borrow_mut().flush(&core.shared.to_control);
                core.pool.sweep();
            }
        }
    }
}

async fn serve(core: Rc<Core>, tcp: TcpStream, peer: SocketAddr) {
    // Small answers must not wait for more; large ones must not pile up in the kernel.
    let _ = tcp.set_nodelay(true);
    let _ = socket2::SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    let connection = core.registry.open(peer, tcp.as_raw_fd());
    let io = ValvedIo::of_vendor(tcp, Rc::clone(&connection.valve));
    let Ok(config) = core.shared.tls.load().for_connection() else {
        core.registry.forget_socket(&connection);
        return;
    };
    let acceptor = TlsAcceptor::from(config);
    let handshake = tokio::time::timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX), acceptor.accept(io));
    match handshake.await {
        Ok(Ok(mut stream)) => {
            connection.greet(greeting_of(&mut stream, peer));
            connection.asked(core.shared.monotonic_ms());
            tokio::select! {
                // A cut wins over whatever the connection could still do.
                biased;
                () = connection.ended() => {}
                () = speak(&core, &connection, stream) => {}
            }
            core.registry.forget_socket(&connection);
        }
        Ok(Err(error)) => {
            core.registry.forget_socket(&connection);
            tracing::debug!(%peer, %error, "handshake failed");
        }
        Err(_) => {
            core.registry.forget_socket(&connection);
            tracing::debug!(%peer, "handshake took too long");
        }
    }
    connection.departures.close(core.shared.monotonic_ms());
}

fn greeting_of(stream: &mut TlsStream<ValvedIo>, peer: SocketAddr) -> Greeting {
    let (io, tls) = stream.get_mut();
    let hello = io.take_hello();
    let certificates: Vec<CertificateDer<'static>> =
        tls.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    Greeting {
        ja4: hello.as_ref().map(|hello| ja4::ja4(hello).to_string()),
        ja4_context: hello.as_ref().map(|hello| ja4::context_key(hello).to_string()),
        certificate_thumbprint: certificates.first().map(|der| Thumbprint::of_certificate(der).to_string()),
        certificates,
        network: network_of(peer.ip()),
        http2: tls.alpn_protocol() == Some(b"h2"),
    }
}
