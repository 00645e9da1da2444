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

    /// Marks a key, so that it is none of [`Self::keys`] any more, whatever the ledger says at the next start. One
    /// that isn't there may be marked or not.
    ///
    /// # Errors
    /// It may not be marked.
    fn mark_withdrawn(&self, kid: &str) -> Result<(), KeyRingError>;

    /// The kids of marked keys that were not destroyed yet.
    ///
    /// # Errors
    /// The place can't be read.
    fn withdrawn(&self) -> Result<Vec<String>, KeyRingError>;
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
pub struct MemoryRing(Mutex<BTreeMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    der: Vec<u8>,
    withdrawn: bool,
}

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
        let kept = Kept { der: pkcs8.as_der().to_vec(), withdrawn: false };
        self.held().insert(key.kid().to_owned(), kept);
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyRing for MemoryRing {
    fn keys(&self) -> Result<Vec<SigningKey>, KeyRingError> {
        let held = self.held();
        let good = held.values().filter(|kept| !kept.withdrawn);
        let keys: Result<_, _> = good.map(|kept| SigningKey::from_pkcs8_der(&kept.der)).collect();
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

    fn mark_withdrawn(&self, kid: &str) -> Result<(), KeyRingError> {
        if let Some(kept) = self.held().get_mut(kid) {
            kept.withdrawn = true;
        }
        Ok(())
    }

    fn withdrawn(&self) -> Result<Vec<String>, KeyRingError> {
        Ok(self.held().iter().filter(|(_, kept)| kept.withdrawn).map(|(kid, _)| kid.clone()).collect())
    }
}

fn failed(doing: &str, source: impl std::error::Error + Send + Sync + 'static) -> KeyRingError {
    KeyRingError { doing: doing.to_owned(), source: Some(Box::new(source)) }
}
