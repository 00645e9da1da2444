//! TLS towards vendors: everybody is asked for a client certificate, nobody is required to have
//! one, and the handshake proves possession only. Trust is decided in `identify`, for each request.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_policy::clock::Clock;
use portcullis_wire::client_hello::ClientHello;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::{Ticketer, cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig, SignatureScheme,
    SupportedCipherSuite, SupportedProtocolVersion,
};

use crate::settings::TlsMinimum;

/// A server's certificate chain and key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    pub chain_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
}

impl TlsMaterial {
    fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for part in [&self.chain_pem, &self.key_pem] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
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

/// The groups that a key may be agreed on by, the preferred first. The hybrid comes first: what is
/// recorded today must not be readable once somebody has a quantum computer.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// Ephemeral keys and AEAD only, the cheapest that is strong first: SHA-384 alone was a tenth of a
/// handshake, and machines that speak here have instructions for AES.
static SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

const VERSION_TLS13: u16 = 0x0304;

/// TLS of the vendors' listener, shared by all connections of a time.
#[derive(Debug)]
pub struct VendorTls {
    /// One for each of [`GROUPS`], which it knows alone. rustls goes by the order of the client's
    /// groups and asks again where the share of the first is missing; so a client that has sent
    /// a share is met by the configuration of just that one.
    by_group: Vec<(u16, Arc<ServerConfig>)>,
    any: Arc<ServerConfig>,
    /// What it was made from.
    digest: [u8; 32],
    minimum: TlsMinimum,
}

impl VendorTls {
    pub fn new(material: &TlsMaterial, minimum: TlsMinimum, clock: Clock) -> Result<Self, TlsError> {
        let provider = default_provider();
        let parts = Parts {
            key: Arc::new(SingleCertAndKey::from(certified_key(material, &provider)?)),
            tickets: Arc::new(TicketsWithoutCertificate(Ticketer::new().map_err(TlsError::Material)?)),
            verifier: Arc::new(PossessionVerifier(provider.signature_verification_algorithms)),
            time: Arc::new(WallTime(clock)),
            minimum,
        };
        let mut by_group = Vec::new();
        for group in GROUPS {
            by_group.push((group.name().into(), parts.config(vec![group])?));
        }
        let any = parts.config(GROUPS.to_vec())?;
        Ok(Self { by_group, any, digest: material.digest(), minimum })
    }

    /// Whether the same parts would make the same again.
    pub fn is_of(&self, material: &TlsMaterial, minimum: TlsMinimum) -> bool {
        self.digest == material.digest() && self.minimum == minimum
    }

    /// The configuration that answers `hello` without asking for another key share, if one of those
    /// that came can be used.
    pub fn for_hello(&self, hello: &ClientHello) -> Arc<ServerConfig> {
        if !hello.supported_versions.contains(&VERSION_TLS13) {
            return Arc::clone(&self.any);
        }
        let sent = |group| hello.key_share_groups.contains(&group) && hello.supported_groups.contains(&group);
        let found = self.by_group.iter().find(|(group, _)| sent(*group));
        Arc::clone(found.map_or(&self.any, |(_, config)| config))
    }
}

/// What the configurations of one time have in common.
struct Parts {
    key: Arc<SingleCertAndKey>,
    tickets: Arc<TicketsWithoutCertificate>,
    verifier: Arc<PossessionVerifier>,
    time: Arc<WallTime>,
    minimum: TlsMinimum,
}

impl Parts {
    fn config(&self, groups: Vec<&'static dyn SupportedKxGroup>) -> Result<Arc<ServerConfig>, TlsError> {
        let versions: &[&SupportedProtocolVersion] = match self.minimum {
            TlsMinimum::Tls12 => &[&TLS13, &TLS12],
            TlsMinimum::Tls13 => &[&TLS13],
        };
        let provider =
            CryptoProvider { kx_groups: groups, cipher_suites: SUITES.to_vec(), ..default_provider() };
        let time: Arc<dyn TimeProvider> = Arc::<WallTime>::clone(&self.time);
        let mut config = ServerConfig::builder_with_details(Arc::new(provider), time)
            .with_protocol_versions(versions)
            .map_err(TlsError::Material)?
            .with_client_cert_verifier(Arc::<PossessionVerifier>::clone(&self.verifier))
            .with_cert_resolver(Arc::<SingleCertAndKey>::clone(&self.key));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        // RFC 7627: without it a TLS 1.2 session can be spliced with another's.
        config.require_ems = true;
        // One ticket serves a machine that comes back; early data stays off (it could be replayed).
        config.send_tls13_tickets = 1;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::<TicketsWithoutCertificate>::clone(&self.tickets);
        Ok(Arc::new(config))
    }
}

thread_local! {
    /// Whether the connection whose handshake is being driven on this thread has shown a
    /// certificate. Outside of a handshake it is taken to have, so that no ticket can be had there.
    static SHOWN: Cell<bool> = const { Cell::new(true) };
}

/// A handshake that remembers whether its client showed a certificate, with a configuration that it
/// shares with others: those get no ticket, since a resumption would not prove possession again.
pub struct Handshake<F> {
    accept: F,
    shown: bool,
}

impl<F> Handshake<F> {
    pub fn new(accept: F) -> Self {
        Self { accept, shown: false }
    }
}

impl<F: Future + Unpin> Future for Handshake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<F::Output> {
        // A core is one thread, and a poll drives this connection only.
        SHOWN.set(self.shown);
        let polled = Pin::new(&mut self.accept).poll(context);
        self.shown = SHOWN.replace(true);
        polled
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

/// Certificates that a client may show. TLS bounds their bytes (64 KiB) and not their number, and each is kept as long as its
/// connection.
const CHAIN_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
#[error("the client showed `{0}` certificates, and at most {CHAIN_MAX} are taken")]
struct ChainTooLong(usize);

/// Takes any certificate: that the peer holds its key is all that the handshake is asked for.
#[derive(Debug)]
struct PossessionVerifier(WebPkiSupportedAlgorithms);

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
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        SHOWN.set(true);
        let shown = intermediates.len() + 1;
        if shown > CHAIN_MAX {
            let error = OtherError(Arc::new(ChainTooLong(shown)));
            return Err(rustls::Error::InvalidCertificate(CertificateError::Other(error)));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[derive(Debug)]
struct TicketsWithoutCertificate(Arc<dyn ProducesTickets>);

impl ProducesTickets for TicketsWithoutCertificate {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if SHOWN.get() { None } else { self.0.encrypt(plain) }
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_as_long_as_it_may_be_and_a_longer_one_is_named() {
        let verifier = PossessionVerifier(default_provider().signature_verification_algorithms);
        let certificate = CertificateDer::from(vec![0x30, 0x00]);
        let verified = |number: usize| {
            let others = vec![certificate.clone(); number];
            verifier.verify_client_cert(&certificate, &others, UnixTime::since_unix_epoch(Duration::ZERO))
        };
        verified(CHAIN_MAX - 1).unwrap();
        let words = verified(CHAIN_MAX).unwrap_err().to_string();
        // The alert is `certificate_unknown`.
        assert!(words.contains("invalid peer certificate") && words.contains("ChainTooLong(17)"), "{words}");
    }
}
