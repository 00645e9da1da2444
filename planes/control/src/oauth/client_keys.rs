//! The registered keys of clients, prepared for verifying: reading a key costs more than all else at
//! the token endpoint but the signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_domain::event::KeyForm;
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::{Standing, State};
use portcullis_tokens::assertion::RegisteredKey;
use portcullis_tokens::jwk::{Jwk, JwkSet, VerifyingKey};
use portcullis_tokens::thumbprint::Thumbprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::certificate;

/// Clients whose keys are held; full, all are forgotten, which costs each one reading.
const CLIENTS_MAX: usize = 4_096;

/// Keys by client, each with the version of the client that they are of: whatever changes its keys
/// gives it another one.
#[derive(Default)]
pub(super) struct ClientKeys(Mutex<HashMap<ClientId, Prepared>>);

struct Prepared {
    version: u64,
    keys: Arc<[RegisteredKey]>,
}

impl ClientKeys {
    /// The keys of the client that `standing` is of, those too that are over by now: who holds one is
    /// told so. None for a client without.
    pub(super) fn of(&self, state: &State, standing: &Standing<'_>) -> Arc<[RegisteredKey]> {
        let client = standing.client_id();
        let version = standing.client.version;
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&client)
            .and_then(|known| (known.version == version).then(|| Arc::clone(&known.keys)));
        known.unwrap_or_else(|| {
            // Without the lock: it takes as long as a signature check for each key.
            let keys: Arc<[RegisteredKey]> = prepare(state, standing).into();
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.len() >= CLIENTS_MAX {
                held.clear();
            }
            held.insert(client, Prepared { version, keys: Arc::clone(&keys) });
            keys
        })
    }
}

/// The keys of the certificates that the client registered, those that are valid now.
pub(super) fn of_certificates(state: &State, standing: &Standing<'_>, now: Timestamp) -> Vec<RegisteredKey> {
    let terms = state.key_terms(standing).filter(|(_, term)| term.until > Timestamp::MIN);
    let keys = terms.map(|(key, _)| key).filter(|key| key.form == KeyForm::Certificate);
    let declared = standing.client_spec.certificates.iter().map(String::as_str);
    let own: Vec<&str> = keys.filter_map(|key| key.public.as_ref().and_then(Value::as_str)).collect();
    let pems = own.into_iter().rev().chain(declared);
    pems.filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok())
        .filter_map(|der| {
            let (key, _) = certificate::public_key(&der, now)?;
            Some(RegisteredKey { key, kid: None, thumbprint: Thumbprint::of_certificate(&der) })
        })
        .collect()
}

/// The newest first: only so many are tried.
fn prepare(state: &State, standing: &Standing<'_>) -> Vec<RegisteredKey> {
    let declared = standing.client_spec.jwks.as_ref().and_then(|jwks| JwkSet::parse(&jwks.to_string()).ok());
    let terms = state.key_terms(standing).filter(|(_, term)| term.until > Timestamp::MIN);
    let mut keys: Vec<_> = terms.map(|(key, _)| key).filter(|key| key.form == KeyForm::Jwk).collect();
    keys.reverse();
    let registered = |jwk: &Jwk| {
        Some(RegisteredKey {
            key: VerifyingKey::new(jwk).ok()?,
            kid: jwk.kid().map(str::to_owned),
            thumbprint: jwk.thumbprint(),
        })
    };
    let of_declared = |thumbprint: &str| {
        let set = declared.as_ref()?;
        set.keys().iter().find(|jwk| jwk.thumbprint().to_string() == thumbprint).cloned()
    };
    let read = |public: &Value| Jwk::parse(&public.to_string()).ok();
    keys.into_iter()
        .filter_map(|key| of_declared(&key.thumbprint).or_else(|| key.public.as_ref().and_then(read)))
        .filter_map(|jwk| registered(&jwk))
        .collect()
}
