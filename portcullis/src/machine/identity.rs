//! A machine's certificate, and how it meets the gate.

use reqwest::{Certificate, ClientBuilder};

use super::MachineError;

/// A certificate with its chain and private key.
#[derive(Clone)]
pub struct Identity(reqwest::Identity);

impl Identity {
    /// Reads PEM texts.
    ///
    /// # Errors
    /// [`MachineError::Setup`] if there is no certificate or no private key in them.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, MachineError> {
        let mut whole = chain.to_vec();
        whole.push(b'\n');
        whole.extend_from_slice(key);
        reqwest::Identity::from_pem(&whole).map(Self).map_err(MachineError::setup)
    }
}

/// The authorities of a PEM text.
///
/// # Errors
/// [`MachineError::Setup`] if there are none in it.
pub fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, MachineError> {
    let found = Certificate::from_pem_bundle(pem).map_err(MachineError::setup)?;
    if found.is_empty() {
        return Err(MachineError::Setup("there is no certificate in the PEM text".into()));
    }
    Ok(found)
}

/// Connections that trust `authorities` only (none: those of this system), and show `identity`.
pub fn http_builder(authorities: &[Certificate], identity: Option<&Identity>) -> ClientBuilder {
    // Fails where it was done before, which is just as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = reqwest::Client::builder().no_proxy();
    if !authorities.is_empty() {
        builder = builder.tls_certs_only(authorities.iter().cloned());
    }
    if let Some(Identity(identity)) = identity {
        builder = builder.identity(identity.clone());
    }
    builder
}
