//! Connections to upstreams: a pool for each core, HTTP/1.1, over TLS where the upstream says so.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use portcullis_domain::ids::UpstreamId;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::UpstreamTls;
use portcullis_policy::clock::Clock;
use portcullis_policy::facts::UpstreamFacts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use crate::io::{Valve, ValvedIo};
use crate::refusal::Refusal;
use crate::request_body::RequestBody;
use crate::tls::WallTime;

/// Idle connections that are kept for one upstream.
const IDLE_MAX: usize = 64;

/// A connection to an upstream, with the valve that stops it.
pub struct Upstream {
    pub sender: SendRequest<RequestBody>,
    pub valve: Rc<Valve>,
    /// It has served before: the upstream may have closed it meanwhile.
    pub reused: bool,
}

/// Idle connections, by upstream.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<HashMap<UpstreamId, Idle>>,
}

/// The connections that were made by one declaration of an upstream.
struct Idle {
    facts: Arc<UpstreamFacts>,
    connections: Vec<Upstream>,
}

impl Pool {
    /// An idle connection that still stands, if it was made by the same declaration: another
    /// address, authority or identity means another connection.
    pub fn take(&self, facts: &Arc<UpstreamFacts>) -> Option<Upstream> {
        let mut idle = self.idle.borrow_mut();
        let known = idle.get_mut(&facts.id)?;
        if !same(&known.facts, facts) {
            idle.remove(&facts.id);
            return None;
        }
        while let Some(connection) = known.connections.pop() {
            if connection.sender.is_ready() && !connection.valve.is_shut() {
                return Some(Upstream { reused: true, ..connection });
            }
        }
        None
    }

    /// Keeps a connection whose response was read to its end.
    pub fn give_back(&self, facts: &Arc<UpstreamFacts>, connection: Upstream) {
        if connection.sender.is_closed() || connection.valve.is_shut() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let fresh = || Idle { facts: Arc::clone(facts), connections: Vec::new() };
        let known = idle.entry(facts.id).or_insert_with(fresh);
        if !same(&known.facts, facts) {
            *known = fresh();
        }
        if known.connections.len() < IDLE_MAX {
            known.connections.push(connection);
        }
    }
}

/// Each snapshot has its own copy of what often says the same.
fn same(known: &Arc<UpstreamFacts>, asked: &Arc<UpstreamFacts>) -> bool {
    Arc::ptr_eq(known, asked) || known == asked
}

/// Opens a connection, within the upstream's own limit of time.
pub async fn connect(facts: &UpstreamFacts, tls: Option<&Arc<ClientConfig>>) -> Result<Upstream, Refusal> {
    let limit = Duration::from_secs(u64::from(facts.connect_seconds.max(1)));
    let unreachable = |what: String| Refusal::with_detail(Reason::UpstreamUnreachable, what);
    match tokio::time::timeout(limit, open(facts, tls)).await {
        Ok(Ok(upstream)) => Ok(upstream),
        Ok(Err(error)) => {
            tracing::warn!(upstream = %facts.name, %error, "upstream can't be reached");
            Err(unreachable(Reason::UpstreamUnreachable.how().to_owned()))
        }
        Err(_) => {
            tracing::warn!(upstream = %facts.name, "upstream did not take the connection in time");
            Err(unreachable(Reason::UpstreamUnreachable.how().to_owned()))
        }
    }
}

async fn open(facts: &UpstreamFacts, tls: Option<&Arc<ClientConfig>>) -> std::io::Result<Upstream> {
    let (host, port) = host_and_port(&facts.url)
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "malformed upstream address"))?;
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    let valve = Rc::new(Valve::default());
    let io = ValvedIo::of_upstream(tcp, Rc::clone(&valve));
    let sender = match tls {
        None => handshake(io).await?,
        Some(config) => {
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            handshake(tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, io).await?).await?
        }
    };
    Ok(Upstream { sender, valve, reused: false })
}

async fn handshake<T>(io: T) -> std::io::Result<SendRequest<RequestBody>>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(io)).await.map_err(std::io::Error::other)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to an upstream ended");
        }
    });
    Ok(sender)
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
    let Some(identity) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let unreadable =
        |source| UpstreamTlsError::Identity { upstream: upstream(), identity: identity.clone(), source };
    let chain = CertificateDer::pem_file_iter(identities.join(format!("{identity}.crt")))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_file(identities.join(format!("{identity}.key"))).map_err(unreadable)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| UpstreamTlsError::Unusable { upstream: upstream(), source })
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
