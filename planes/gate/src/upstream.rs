//! Connections to upstreams: a pool for each core, HTTP/1.1, over TLS where the upstream says so.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_domain::ids::UpstreamId;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{UpstreamProtocol, UpstreamTls};
use portcullis_policy::clock::Clock;
use portcullis_policy::facts::UpstreamFacts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use crate::body::BoxError;
use crate::core::Core;
use crate::http1::{ResponseBody, UpstreamIo, UpstreamWire};
use crate::io::{Valve, ValvedIo};
use crate::refusal::Refusal;
use crate::request_body::RequestBody;
use crate::speak::Local;
use crate::tls::WallTime;

/// Idle connections that are kept for one upstream.
const IDLE_MAX: usize = 512;
/// Header fields of one answer over HTTP/2.
const UPSTREAM_HEADER_BYTES_MAX: u32 = 32 * 1024;
/// What an upstream may send ahead of a client that doesn't read, in one answer over HTTP/2. How many
/// such answers there are at a time is the client's limit of concurrency.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Out of anybody's way: an answer that isn't read must not hold up the others of its connection. Half of
/// it is also what the library lets small frames cost beyond their bytes before it takes them for a
/// flood; and a gRPC server may well send a window full of messages of ten bytes, each in its own frame.
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// A connection to an upstream over HTTP/1.1, with the valve that stops it.
pub struct Upstream {
    pub wire: UpstreamWire,
    pub valve: Rc<Valve>,
    /// It has served before: the upstream may have closed it meanwhile.
    pub reused: bool,
}

/// What an upstream answers with.
#[expect(
    clippy::large_enum_variant,
    reason = "HTTP/1.1 is the usual case, and a box would be one more allocation"
)]
pub enum UpstreamBody {
    Http1 { body: ResponseBody, valve: Rc<Valve> },
    Http2(Incoming),
}

impl UpstreamBody {
    pub fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Http1 { body, .. } => {
                body.poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Http2(body) => {
                Pin::new(body).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1 { body, .. } => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    pub fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1 { body, .. } => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }

    /// The connection, if it was read to its end and may serve others.
    pub fn into_connection(self) -> Option<Upstream> {
        match self {
            Self::Http1 { body, valve } => {
                body.into_wire().map(|wire| Upstream { wire, valve, reused: true })
            }
            Self::Http2(_) => None,
        }
    }
}

/// Idle connections, by upstream.
pub struct Pool {
    idle: RefCell<HashMap<UpstreamId, Idle>>,
    /// Over all upstreams: descriptors must be left for all else.
    idle_max: usize,
}

/// The connections that were made by one declaration of an upstream.
struct Idle {
    facts: Arc<UpstreamFacts>,
    connections: Vec<Upstream>,
}

impl Pool {
    pub fn new(idle_max: usize) -> Self {
        Self { idle: RefCell::default(), idle_max }
    }

    /// An idle connection that still stands, if it was made by the same declaration: another
    /// address, authority or identity means another connection.
    pub fn take(&self, facts: &Arc<UpstreamFacts>) -> Option<Upstream> {
        let mut idle = self.idle.borrow_mut();
        let known = idle.get_mut(&facts.id)?;
        if !same(&known.facts, facts) {
            idle.remove(&facts.id);
            return None;
        }
        while let Some(mut connection) = known.connections.pop() {
            if !connection.valve.is_shut() && connection.wire.is_fresh() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose response was read to its end.
    pub fn give_back(&self, facts: &Arc<UpstreamFacts>, connection: Upstream) {
        if connection.valve.is_shut() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.values().map(|idle| idle.connections.len()).sum::<usize>() >= self.idle_max {
            return;
        }
        let fresh = || Idle { facts: Arc::clone(facts), connections: Vec::new() };
        let known = idle.entry(facts.id).or_insert_with(fresh);
        if !same(&known.facts, facts) {
            *known = fresh();
        }
        if known.connections.len() < IDLE_MAX {
            known.connections.push(connection);
        }
    }

    /// Lets go of the connections that their upstream has closed.
    pub fn sweep(&self) {
        for idle in self.idle.borrow_mut().values_mut() {
            idle.connections.retain_mut(|connection| connection.wire.is_fresh());
        }
    }
}

/// Each snapshot has its own copy of what often says the same.
fn same(known: &Arc<UpstreamFacts>, asked: &Arc<UpstreamFacts>) -> bool {
    Arc::ptr_eq(known, asked) || known == asked
}

/// Opens a connection for HTTP/1.1, within the upstream's own limit of time.
pub async fn connect(facts: &UpstreamFacts, tls: Option<&Arc<ClientConfig>>) -> Result<Upstream, Refusal> {
    let (io, valve) = in_time(facts, open(facts, tls)).await?;
    Ok(Upstream { wire: UpstreamWire::new(io), valve, reused: false })
}

/// A connection for HTTP/2, which serves the exchanges of one vendor's connection.
#[derive(Clone)]
pub struct Http2Upstream {
    pub facts: Arc<UpstreamFacts>,
    pub sender: http2::SendRequest<RequestBody>,
    pub valve: Rc<Valve>,
}

/// Opens a connection for HTTP/2.
pub async fn connect_http2(
    core: &Rc<Core>,
    facts: &Arc<UpstreamFacts>,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Http2Upstream, Refusal> {
    let opened = async {
        let (io, valve) = open(facts, tls).await?;
        let (sender, connection) = http2::Builder::new(Local(Rc::clone(core)))
            .timer(TokioTimer::new())
            .max_header_list_size(UPSTREAM_HEADER_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(io))
            .await
            .map_err(std::io::Error::other)?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an upstream ended");
            }
        });
        Ok((sender, valve))
    };
    let (sender, valve) = in_time(facts, opened).await?;
    Ok(Http2Upstream { facts: Arc::clone(facts), sender, valve })
}

async fn in_time<T>(
    facts: &UpstreamFacts,
    opening: impl Future<Output = std::io::Result<T>>,
) -> Result<T, Refusal> {
    let limit = Duration::from_secs(u64::from(facts.connect_seconds.max(1)));
    let unreachable =
        || Refusal::with_detail(Reason::UpstreamUnreachable, Reason::UpstreamUnreachable.how().to_owned());
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => {
            tracing::warn!(upstream = %facts.name, %error, "upstream can't be reached");
            Err(unreachable())
        }
        Err(_) => {
            tracing::warn!(upstream = %facts.name, "upstream did not take the connection in time");
            Err(unreachable())
        }
    }
}

async fn open(
    facts: &UpstreamFacts,
    tls: Option<&Arc<ClientConfig>>,
) -> std::io::Result<(UpstreamIo, Rc<Valve>)> {
    let (host, port) = host_and_port(&facts.url)
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "malformed upstream address"))?;
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    let valve = Rc::new(Valve::default());
    let io = ValvedIo::of_upstream(tcp, Rc::clone(&valve));
    let io = match tls {
        None => UpstreamIo::Plain(io),
        Some(config) => {
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            UpstreamIo::Tls(Box::new(connector.connect(name, io).await?))
        }
    };
    Ok((io, valve))
}

/// Host (without the brackets of an IPv6 address) and port of an upstream's address.
pub fn host_and_port(url: &str) -> Option<(String, u16)> {
    let (authority, default) = match url.split_once("://")? {
        ("http", authority) => (authority, 80),
        ("https", authority) => (authority, 443),
        _ => return None,
    };
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').map_or(Some(default), |port| port.parse().ok())?;
        return Some((host.to_owned(), port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((authority.to_owned(), default)),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    #[error("upstream `{upstream}`: can't read the certificate authority")]
    Authority {
        upstream: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("upstream `{upstream}`: the certificate authority can't be used")]
    Root {
        upstream: String,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "upstream `{upstream}`: can't read identity `{identity}`\nhint: put `{identity}.crt` and `{identity}.key` (PEM) into the gate's `identities` folder"
    )]
    Identity {
        upstream: String,
        identity: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("upstream `{upstream}`: the identity can't be used")]
    Unusable {
        upstream: String,
        #[source]
        source: rustls::Error,
    },
}

/// How to speak TLS to an upstream: whom to trust, and whom to be.
pub fn client_config(
    facts: &UpstreamFacts,
    tls: &UpstreamTls,
    own_authority_pem: &[u8],
    identities: &Path,
    clock: &Clock,
) -> Result<ClientConfig, UpstreamTlsError> {
    let upstream = || facts.name.clone();
    let pem = tls.certificate_authority.as_ref().map_or(own_authority_pem, |pem| pem.as_bytes());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|source| UpstreamTlsError::Authority { upstream: upstream(), source })?;
        roots.add(certificate).map_err(|source| UpstreamTlsError::Root { upstream: upstream(), source })?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(WallTime(clock.clone())))
        .with_safe_default_protocol_versions()
        .map_err(|source| UpstreamTlsError::Unusable { upstream: upstream(), source })?
        .with_root_certificates(roots);
    let Some(identity) = &tls.identity else {
        return Ok(speaking(facts.protocol, builder.with_no_client_auth()));
    };
    let unreadable =
        |source| UpstreamTlsError::Identity { upstream: upstream(), identity: identity.clone(), source };
    let chain = CertificateDer::pem_file_iter(identities.join(format!("{identity}.crt")))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_file(identities.join(format!("{identity}.key"))).map_err(unreadable)?;
    builder
        .with_client_auth_cert(chain, key)
        .map(|config| speaking(facts.protocol, config))
        .map_err(|source| UpstreamTlsError::Unusable { upstream: upstream(), source })
}

fn speaking(protocol: UpstreamProtocol, mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = match protocol {
        UpstreamProtocol::Http1 => vec![b"http/1.1".to_vec()],
        UpstreamProtocol::Http2 => vec![b"h2".to_vec()],
    };
    config
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn addresses_of_upstreams_are_read() {
        let check = |url: &str, expect: Option<(&str, u16)>| {
            assert_eq!(host_and_port(url), expect.map(|(host, port)| (host.to_owned(), port)), "{url}");
        };
        check("http://127.0.0.1:9000", Some(("127.0.0.1", 9_000)));
        check("https://parcels.internal", Some(("parcels.internal", 443)));
        check("http://[::1]:8080", Some(("::1", 8_080)));
        check("http://[::1]", Some(("::1", 80)));
        check("ftp://x", None);
        check("http://a:b", None);
    }
}
