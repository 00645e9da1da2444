//! The first bytes of a connection: the balancer's header, where one stands in front, and the
//! ClientHello. They are read here, judged, and then handed to TLS as if nobody had looked.

use std::net::SocketAddr;

use portcullis_domain::reason::Reason;
use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
use portcullis_wire::proxy_protocol;
use tokio::net::TcpStream;

/// Most hellos, also those with a hybrid key share, fit in one read.
const READ_BYTES: usize = 2_048;

/// Who opened the connection to the balancer, if it says so, and what came after its header.
pub struct Forwarded {
    pub source: Option<SocketAddr>,
    pub rest: Vec<u8>,
}

/// The first ClientHello, and every byte that came with it.
pub struct Opening {
    pub hello: ClientHello,
    pub received: Vec<u8>,
}

/// Reads the balancer's header.
///
/// # Errors
/// [`Reason::ProxyHeader`] when there is none, or one that can't be read.
pub async fn read_header(tcp: &TcpStream) -> Result<Forwarded, Reason> {
    let mut received = Vec::new();
    loop {
        if read(tcp, &mut received).await? == 0 {
            return Err(Reason::ProxyHeader);
        }
        match proxy_protocol::parse(&received) {
            Ok(proxy_protocol::Progress::Partial) => {}
            Ok(proxy_protocol::Progress::Whole { header, consumed }) => {
                let rest = received.get(consumed..).unwrap_or_default().to_vec();
                let source = header.source.filter(|_| !header.local);
                return Ok(Forwarded { source, rest });
            }
            Err(fault) => {
                tracing::debug!(%fault, "no good PROXY header");
                return Err(Reason::ProxyHeader);
            }
        }
    }
}

/// Reads the ClientHello, of which `received` may be the beginning.
///
/// # Errors
/// [`Reason::HandshakeFailed`] when what comes is no ClientHello. The peer is told so as TLS does.
pub async fn read_hello(tcp: &TcpStream, mut received: Vec<u8>) -> Result<Opening, Reason> {
    let mut assembler = Assembler::new();
    let mut pushed = 0;
    loop {
        let progress = match received.get(pushed..) {
            Some(new) if !new.is_empty() => assembler.push(new),
            _ => Ok(Progress::NeedMore),
        };
        let hello = match progress {
            Ok(Progress::Complete(message)) => Some(ClientHello::parse(&message)),
            Ok(Progress::NeedMore) => None,
            Err(fault) => Some(Err(fault)),
        };
        match hello {
            None => {
                pushed = received.len();
                if read(tcp, &mut received).await? == 0 {
                    return Err(Reason::HandshakeFailed);
                }
            }
            Some(Ok(hello)) => return Ok(Opening { hello, received }),
            Some(Err(fault)) => {
                tracing::debug!(%fault, "no ClientHello");
                // Whoever doesn't read it has had their answer too.
                let _ = tcp.try_write(&ALERT_DECODE_ERROR);
                return Err(Reason::HandshakeFailed);
            }
        }
    }
}

/// A fatal alert `decode_error` in a record of its own (RFC 8446, 5.1 and 6).
const ALERT_DECODE_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 50];

/// Waits for bytes and adds them; 0 at the end of the stream. No room is taken before they are there.
async fn read(tcp: &TcpStream, received: &mut Vec<u8>) -> Result<usize, Reason> {
    loop {
        tcp.readable().await.map_err(|_| Reason::HandshakeFailed)?;
        received.reserve_exact(READ_BYTES);
        match tcp.try_read_buf(received) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Reason::HandshakeFailed),
        }
    }
}
