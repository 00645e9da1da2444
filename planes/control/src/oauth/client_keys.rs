//! The registered keys of clients, prepared for verifying: reading a key set costs more than all else
//! at the token endpoint but the signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_domain::ids::ClientId;
use portcullis_domain::state::Standing;
use portcullis_tokens::assertion::RegisteredKey;
use portcullis_tokens::jwk::{Jwk, JwkSet, VerifyingKey};
use serde_json::Value;

/// Clients whose keys are held; full, all are forgotten, which costs each one reading.
const CLIENTS_MAX: usize = 4_096;

/// Keys by client, each with the key set that they were made of: a client with another set now is
/// read anew, whatever changed it.
#[derive(Default)]
pub(super) struct ClientKeys(Mutex<HashMap<ClientId, Prepared>>);

struct Prepared {
    of: Value,
    keys: Arc<[RegisteredKey]>,
}

impl ClientKeys {
    /// The keys that the client has in the state that `standing` is of; none for a client without.
    pub(super) fn of(&self, standing: &Standing<'_>) -> Arc<[RegisteredKey]> {
        let Some(jwks) = &standing.client_spec.jwks else { return Arc::default() };
        let client = standing.client_id();
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&client)
            .and_then(|known| (known.of == *jwks).then(|| Arc::clone(&known.keys)));
        known.unwrap_or_else(|| {
            // Without the lock: it takes as long as a signature check for each key.
            let keys: Arc<[RegisteredKey]> = prepare(jwks).into();
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.len() >= CLIENTS_MAX {
                held.clear();
            }
            held.insert(client, Prepared { of: jwks.clone(), keys: Arc::clone(&keys) });
            keys
        })
    }
}

fn prepare(jwks: &Value) -> Vec<RegisteredKey> {
    let Ok(set) = JwkSet::parse(&jwks.to_string()) else { return Vec::new() };
    let registered = |key: &Jwk| {
        Some(RegisteredKey {
            key: VerifyingKey::new(key).ok()?,
            kid: key.kid().map(str::to_owned),
            thumbprint: key.thumbprint(),
        })
    };
    set.keys().iter().filter_map(registered).collect()
}
