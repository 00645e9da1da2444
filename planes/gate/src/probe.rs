//! Trying an upstream as the gate would reach it, for somebody who asks: address, TLS and identity, and no
//! request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_policy::clock::Clock;
use portcullis_policy::facts::UpstreamFacts;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::upstream::{UpstreamTlsError, client_config, host_and_port};

/// What reaching it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    pub connect: Duration,
    /// None where the upstream speaks no TLS.
    pub handshake: Option<Duration>,
    /// It has asked for a certificate and was shown one.
    pub identity: bool,
}

/// Why an upstream can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the address is malformed")]
    Address,
    #[error(transparent)]
    Tls(#[from] UpstreamTlsError),
    #[error("`{address}` can't be reached")]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    #[error("nothing came within {0} s")]
    Slow(u64),
}

/// Connects, shakes hands, and closes.
///
/// # Errors
/// What is in the way.
pub async fn probe(
    facts: &UpstreamFacts,
    authority_pem: &[u8],
    identities: &Path,
    clock: &Clock,
) -> Result<Reached, ProbeError> {
    let limit = u64::from(facts.connect_seconds.max(1));
    let reached =
        tokio::time::timeout(Duration::from_secs(limit), reach(facts, authority_pem, identities, clock));
    reached.await.unwrap_or(Err(ProbeError::Slow(limit)))
}

async fn reach(
    facts: &UpstreamFacts,
    authority_pem: &[u8],
    identities: &Path,
    clock: &Clock,
) -> Result<Reached, ProbeError> {
    let (host, port) = host_and_port(&facts.url).ok_or(ProbeError::Address)?;
    let began = clock.monotonic();
    let passed = || clock.monotonic().saturating_sub(began);
    let connected = TcpStream::connect((host.as_str(), port)).await;
    let tcp =
        connected.map_err(|source| ProbeError::Connect { address: format!("{host}:{port}"), source })?;
    let connect = passed();
    if !facts.url.starts_with("https://") {
        return Ok(Reached { connect, handshake: None, identity: false });
    }
    let tls = facts.tls.clone().unwrap_or_default();
    let config = client_config(facts, &tls, authority_pem, identities, clock)?;
    let name = ServerName::try_from(host).map_err(|_| ProbeError::Address)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.map_err(ProbeError::Handshake)?;
    let handshake = Some(passed().saturating_sub(connect));
    Ok(Reached { connect, handshake, identity: tls.identity.is_some() })
}
