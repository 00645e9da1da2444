//! Where private halves lie.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

/// Keeps private halves over restarts. Every call may **block**.
pub trait KeyRing: Send + Sync {
    /// Every key that is kept.
    ///
    /// # Errors
    /// One of them can't be read: which is better known than passed over.
    fn keys(&self) -> Result<Vec<SigningKey>, KeyRingError>;

    /// A new key, which is kept before this returns.
    ///
    /// # Errors
    /// It can't be made or kept.
    fn make(&self) -> Result<SigningKey, KeyRingError>;

    /// Forgets a key for good; one that isn't there is forgotten already.
    ///
    /// # Errors
    /// It may still be there.
    fn destroy(&self, kid: &str) -> Result<(), KeyRingError>;
}

/// The place where private halves lie can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct KeyRingError {
    pub doing: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A ring that lasts as long as the process: for tests and examples.
#[derive(Debug, Default)]
pub struct MemoryRing(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryRing {
    /// Holds `key` from the start.
    #[must_use]
    pub fn with(key: &SigningKey) -> Self {
        let ring = Self::default();
        // A key that can't be written isn't there.
        let _ = ring.keep(key);
        ring
    }

    fn keep(&self, key: &SigningKey) -> Result<(), KeyRingError> {
        let pkcs8 = key.to_pkcs8().map_err(|error| failed("can't keep a signing key", error))?;
        self.held().insert(key.kid().to_owned(), pkcs8.as_der().to_vec());
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyRing for MemoryRing {
    fn keys(&self) -> Result<Vec<SigningKey>, KeyRingError> {
        let read = |der: &Vec<u8>| SigningKey::from_pkcs8_der(der);
        let keys: Result<_, _> = self.held().values().map(read).collect();
        keys.map_err(|error| failed("can't read a signing key", error))
    }

    fn make(&self) -> Result<SigningKey, KeyRingError> {
        let key = SigningKey::generate(Algorithm::ES256);
        let key = key.map_err(|error| failed("can't make a signing key", error))?;
        self.keep(&key)?;
        Ok(key)
    }

    fn destroy(&self, kid: &str) -> Result<(), KeyRingError> {
        self.held().remove(kid);
        Ok(())
    }
}

fn failed(doing: &str, source: impl std::error::Error + Send + Sync + 'static) -> KeyRingError {
    KeyRingError { doing: doing.to_owned(), source: Some(Box::new(source)) }
}
