//! Whose word counts for which client: an exchange of a client that somebody else vouches for hangs on
//! its mapping as others hang on their key.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_domain::ids::{ClientId, IssuerId};

use super::KeyCell;
use crate::facts::{MappedClaims, MappedWorkload, SnapshotFacts};

/// What of an issuer or a trust domain makes one client of ours.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    by: IssuerId,
    /// The `iss`, or the trust domain.
    name: String,
    client: ClientId,
    /// The claims with their values, or the workload alone.
    told_by: Vec<(String, String)>,
}

impl Mapping {
    #[must_use]
    pub fn of_claims(by: IssuerId, issuer: &str, mapped: &MappedClaims) -> Self {
        let told_by = mapped.claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { by, name: issuer.to_owned(), client: mapped.client, told_by }
    }

    #[must_use]
    pub fn of_workload(by: IssuerId, trust_domain: &str, mapped: &MappedWorkload) -> Self {
        let told_by = vec![(String::new(), mapped.spiffe_id.clone())];
        Self { by, name: trust_domain.to_owned(), client: mapped.client, told_by }
    }
}

/// The cells of all mappings.
#[derive(Debug, Default)]
pub(super) struct Mappings(Mutex<HashMap<Mapping, Arc<KeyCell>>>);

impl Mappings {
    /// One that no snapshot knows yet is refused until one does.
    pub fn cell(&self, mapping: Mapping) -> Arc<KeyCell> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(mapping).or_insert_with(|| Arc::new(gone())))
    }

    /// Those that are gone are refused from now on, and forgotten once no token holds them.
    pub fn set(&self, facts: &SnapshotFacts) {
        let mut present = HashSet::new();
        for issuer in &facts.issuers {
            let of = |mapped| Mapping::of_claims(issuer.id, &issuer.issuer, mapped);
            present.extend(issuer.clients.iter().map(of));
        }
        for domain in &facts.trust_domains {
            let of = |mapped| Mapping::of_workload(domain.id, &domain.trust_domain, mapped);
            present.extend(domain.clients.iter().map(of));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|mapping, cell| {
            let stays = present.contains(mapping);
            if !stays {
                cell.until_us.store(i64::MIN, Ordering::SeqCst);
            }
            stays || Arc::strong_count(cell) > 1
        });
        for mapping in present {
            let cell = known.entry(mapping).or_insert_with(|| Arc::new(gone()));
            cell.until_us.store(i64::MAX, Ordering::SeqCst);
        }
    }
}

/// It counts as registered: no authority of the client's stands for what an issuer doesn't say any more.
fn gone() -> KeyCell {
    let cell = KeyCell::new();
    cell.registered.store(true, Ordering::SeqCst);
    cell
}
