//! Headers of proofs that were good, by their text: what a known one says needs no decoding, no JSON,
//! no hash and no preparing of a key again.
//!
//! Only the signature's cost is left then, and a short payload's. A header is remembered after the
//! signature of a proof was good and its sender known, so no stranger fills anything; and each client
//! has few places, which it takes from itself, so that one with ever new headers costs the others
//! nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use portcullis_domain::ids::ClientId;

use super::{PERMITTED, Proof, ProofError, TYPE};
use crate::json::shown;
use crate::jwk::{Jwk, VerifyingKey};
use crate::jws::{self, Algorithm, part};
use crate::thumbprint::Thumbprint;

/// Headers that are remembered; full, all are forgotten, which costs each one reading.
pub const HEADERS_MAX: usize = 4_096;
/// Those of one client: two keys while it rotates, on a few machines.
pub const HEADERS_OF_CLIENT_MAX: usize = 8;
/// The longest that is remembered, encoded. Usual are 220 bytes. With its key an entry takes at most
/// 2 KiB, all of them 8 MiB.
pub const HEADER_BYTES_MAX: usize = 1_024;

/// The headers that one core remembers.
#[derive(Default)]
pub struct ProofHeaders {
    known: HashMap<Arc<str>, Arc<KnownHeader>>,
    /// Oldest first.
    of_client: HashMap<ClientId, VecDeque<Arc<str>>>,
}

/// A header of a good proof that isn't remembered yet.
#[derive(Clone)]
pub struct NewHeader {
    segment: Box<str>,
    known: Arc<KnownHeader>,
}

/// What a good header says: everything but the key is fixed.
pub(super) struct KnownHeader {
    pub(super) algorithm: Algorithm,
    pub(super) key: VerifyingKey,
}

/// A header that was read for the first time; its key isn't prepared.
#[derive(Clone)]
pub(super) struct ReadHeader<'a> {
    pub(super) segment: &'a str,
    pub(super) jkt: Thumbprint,
    algorithm: Algorithm,
    key: Jwk,
}

impl ProofHeaders {
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a proof as [`Proof::parse`] does, with the same outcome.
    ///
    /// # Errors
    /// Those of [`Proof::parse`].
    pub fn read<'a>(&self, text: &'a str) -> Result<Proof<'a>, ProofError> {
        Proof::read(text, |segment| self.known.get(segment).cloned())
    }

    /// Remembers the header of a proof whose signature was good, of a client that has shown who it is.
    pub fn remember(&mut self, client: ClientId, header: NewHeader) {
        if self.known.contains_key(&*header.segment) {
            return;
        }
        if self.known.len() >= HEADERS_MAX {
            self.known.clear();
            self.of_client.clear();
        }
        let segment: Arc<str> = header.segment.into();
        let own = self.of_client.entry(client).or_default();
        if own.len() >= HEADERS_OF_CLIENT_MAX
            && let Some(oldest) = own.pop_front()
        {
            self.known.remove(&oldest);
        }
        own.push_back(Arc::clone(&segment));
        self.known.insert(segment, header.known);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl NewHeader {
    pub(super) fn of(segment: &str, known: Arc<KnownHeader>) -> Option<Self> {
        (segment.len() <= HEADER_BYTES_MAX).then(|| Self { segment: segment.into(), known })
    }
}

impl<'a> ReadHeader<'a> {
    pub(super) fn parse(segment: &'a str) -> Result<Self, ProofError> {
        let header = jws::Header::parse(&part("header", segment)?, &PERMITTED)?;
        match header.typ.as_deref() {
            Some(TYPE) => {}
            other => return Err(ProofError::Type { found: shown(other.unwrap_or("")) }),
        }
        let algorithm = header.algorithm;
        let key = Jwk::of_members(header.jwk.as_ref().ok_or(ProofError::KeyMissing)?)?;
        if !key.accepts(algorithm) {
            return Err(ProofError::KeyMisfit { algorithm });
        }
        Ok(Self { segment, jkt: key.thumbprint(), algorithm, key })
    }

    pub(super) fn prepare(&self) -> Result<KnownHeader, ProofError> {
        Ok(KnownHeader { algorithm: self.algorithm, key: VerifyingKey::new(&self.key)? })
    }
}

impl fmt::Debug for ProofHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofHeaders").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewHeader({})", self.known.key.thumbprint())
    }
}

#[cfg(test)]
mod tests;
