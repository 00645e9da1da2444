//! TLS towards vendors: everybody is asked for a client certificate, nobody is required to have
//! one, and the handshake proves possession only. Trust is decided in `identify`, for each request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_policy::clock::Clock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

/// The gate's certificate chain and key, as PEM.
pub struct TlsMaterial {
    pub chain_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsMaterial(****)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("can't read the certificate chain\nhint: give PEM, the gate's own certificate first")]
    Chain(#[source] rustls::pki_types::pem::Error),
    #[error("there is no certificate in the chain\nhint: give PEM, the gate's own certificate first")]
    ChainEmpty,
    #[error("can't read the private key\nhint: give PKCS#8 PEM")]
    Key(#[source] rustls::pki_types::pem::Error),
    #[error("certificate and key don't serve")]
    Material(#[source] rustls::Error),
}

/// What each connection's TLS configuration is made from.
#[derive(Debug)]
pub struct VendorTls {
    provider: Arc<CryptoProvider>,
    key: Arc<SingleCertAndKey>,
    tickets: Arc<dyn ProducesTickets>,
    time: Arc<WallTime>,
}

impl VendorTls {
    pub fn new(material: &TlsMaterial, clock: Clock) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = Arc::new(SingleCertAndKey::from(certified_key(material, &provider)?));
        let tickets = aws_lc_rs::Ticketer::new().map_err(TlsError::Material)?;
        let this = Self { provider, key, tickets, time: Arc::new(WallTime(clock)) };
        // A connection must not be the first to find out that the parts don't fit.
        this.for_connection().map_err(TlsError::Material)?;
        Ok(this)
    }

    /// A configuration for one connection, which remembers whether it showed a certificate: those
    /// get no ticket, since a resumption would not prove possession again.
    pub fn for_connection(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let seen = Arc::new(AtomicBool::new(false));
        let algorithms = self.provider.signature_verification_algorithms;
        let verifier = Arc::new(PossessionVerifier { algorithms, seen: Arc::clone(&seen) });
        let time: Arc<dyn TimeProvider> = Arc::<WallTime>::clone(&self.time);
        let mut config = ServerConfig::builder_with_details(Arc::clone(&self.provider), time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::<SingleCertAndKey>::clone(&self.key));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // One ticket serves a machine that comes back; early data stays off (it could be replayed).
        config.send_tls13_tickets = 1;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::new(TicketsWithoutCertificate { inner: Arc::clone(&self.tickets), seen });
        Ok(Arc::new(config))
    }
}

fn certified_key(material: &TlsMaterial, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&material.chain_pem)
        .collect::<Result<_, _>>()
        .map_err(TlsError::Chain)?;
    if chain.is_empty() {
        return Err(TlsError::ChainEmpty);
    }
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem).map_err(TlsError::Key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Material)
}

/// Takes any certificate: that the peer holds its key is all that the handshake is asked for.
#[derive(Debug)]
struct PossessionVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    seen: Arc<AtomicBool>,
}

impl ClientCertVerifier for PossessionVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.seen.store(true, Ordering::Relaxed);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct TicketsWithoutCertificate {
    inner: Arc<dyn ProducesTickets>,
    seen: Arc<AtomicBool>,
}

impl ProducesTickets for TicketsWithoutCertificate {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if self.seen.load(Ordering::Relaxed) { None } else { self.inner.encrypt(plain) }
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.inner.decrypt(cipher)
    }
}

/// The gate's clock as rustls wants it.
#[derive(Debug)]
pub struct WallTime(pub Clock);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
