//! Keys of vendors' issuers and trust domains: fetched, looked at, and put on record when they change.
//!
//! How the network is reached is the process's own matter ([`Fetch`]). One issuer that is slow or
//! gone delays no other.

mod fetching;
pub mod read;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, ToSpan};
use portcullis_domain::spec::{IssuerSpec, KeysFrom, Kind, Spec, TrustDomainSpec};
use portcullis_domain::state::{KeysOrigin, Resource, State};
use portcullis_tokens::external_keys::Form;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::schedule::Schedule;

/// Fetches under way at the same time.
const UNDER_WAY_MAX: usize = 16;
/// The shortest time between two fetches of one issuer that is well.
const PAUSE_SECONDS: i64 = 60;
/// How long after a first failure it is tried again; doubled from then on.
const RETRY_SECONDS: i64 = 5;

/// A document that is wanted, over HTTPS, without following redirects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub url: String,
    /// PEM of the one authority that is trusted; those of the machine without it.
    pub certificate_authority: Option<String>,
    /// More than this is not read.
    pub bytes_max: usize,
}

/// The document's bytes, or why there are none, in a few words.
pub type Fetched = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// How documents are had from outside.
pub type Fetch = Arc<dyn Fn(Wanted) -> Fetched + Send + Sync>;

/// What is known of each, beyond the ledger.
#[derive(Default)]
pub(crate) struct Issuers {
    status: Mutex<BTreeMap<Uuid, Status>>,
    wake: Notify,
}

/// How the last fetches of one went.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Status {
    /// What it was declared as: another place begins anew.
    place: Option<Place>,
    pub fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
    pub schedule: Schedule,
    under_way: bool,
    /// What could not be used of what was fetched.
    pub left_out: Vec<String>,
}

/// Why keys can't be had, and since when they are the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub error: String,
    pub fetched: Option<Timestamp>,
}

/// Where the keys of one are, and how to get there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub id: Uuid,
    /// Another one begins anew.
    pub origin: KeysOrigin,
    pub from: From,
    pub certificate_authority: Option<String>,
    pub form: Form,
    pub refresh_seconds: u32,
    pub stale_seconds: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum From {
    At(String),
    /// Through the discovery document of this issuer.
    Discovered(String),
}

impl Issuers {
    /// When its keys were fetched last, since the start.
    pub fn fetched(&self, id: Uuid) -> Option<Timestamp> {
        self.status().get(&id)?.fetched
    }

    pub fn status_of(&self, id: Uuid) -> Option<Status> {
        self.status().get(&id).cloned()
    }

    /// Those whose last fetch failed.
    pub fn failures(&self) -> BTreeMap<Uuid, Failure> {
        let status = self.status();
        let failed = status.iter().filter_map(|(id, status)| {
            Some((*id, Failure { error: status.schedule.error.clone()?, fetched: status.fetched }))
        });
        failed.collect()
    }

    /// A gate has met a key that isn't known: the next fetch comes sooner, and not too soon.
    pub fn wanted(&self, id: Uuid) {
        let mut status = self.status();
        // Only of those that are fetched: a gate can't make this grow.
        let Some(known) = status.get_mut(&id) else { return };
        let soonest = known.tried.and_then(|tried| tried.checked_add(PAUSE_SECONDS.seconds()).ok());
        if known.schedule.failures == 0 && known.schedule.next > soonest {
            known.schedule.next = soonest;
        }
        drop(status);
        self.wake.notify_one();
    }

    /// Those whose turn it is now, marked as under way; what is no longer declared is forgotten.
    fn due(&self, state: &State, now: Timestamp) -> Vec<Place> {
        let places = places(state);
        let mut status = self.status();
        status.retain(|id, _| places.iter().any(|place| place.id == *id));
        let mut under_way = status.values().filter(|status| status.under_way).count();
        let mut due = Vec::new();
        for place in places {
            let known = status.entry(place.id).or_default();
            if known.place.as_ref().is_none_or(|before| before.origin != place.origin) {
                *known = Status::default();
            }
            known.place = Some(place.clone());
            // A clock that was set back must not keep it waiting.
            let late = known.tried.is_some_and(|tried| tried > now);
            let its_turn = late || known.schedule.next.is_none_or(|next| now >= next);
            if its_turn && !known.under_way && under_way < UNDER_WAY_MAX {
                known.under_way = true;
                under_way += 1;
                due.push(place);
            }
        }
        due
    }

    /// Notes how a fetch went; `jitter` is random.
    fn tried(&self, place: &Place, outcome: Result<Vec<String>, String>, now: Timestamp, jitter: u8) {
        let mut status = self.status();
        // It may have been declared otherwise, or not at all, in the meantime.
        let same = |known: &&mut Status| {
            known.place.as_ref().is_some_and(|declared| declared.origin == place.origin)
        };
        let Some(known) = status.get_mut(&place.id).filter(same) else { return };
        known.under_way = false;
        known.tried = Some(now);
        let refresh = i64::from(place.refresh_seconds);
        let outcome = outcome.map(|left_out| {
            known.fetched = Some(now);
            known.left_out = left_out;
        });
        known.schedule.tried(outcome, (refresh, RETRY_SECONDS), now, jitter);
    }

    fn status(&self) -> MutexGuard<'_, BTreeMap<Uuid, Status>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is fetched.
fn places(state: &State) -> Vec<Place> {
    let of = |kind| state.of_kind(kind).filter_map(|(_, found)| place(found));
    of(Kind::Issuer).chain(of(Kind::TrustDomain)).collect()
}

fn place(resource: &Resource) -> Option<Place> {
    let (from, authority, form, refresh_seconds, stale_seconds) = match &resource.declaration.spec {
        Spec::Issuer(spec) => {
            let IssuerSpec { certificate_authority, refresh_seconds, stale_seconds, .. } = &**spec;
            (from(&spec.source())?, certificate_authority, Form::KeySet, *refresh_seconds, *stale_seconds)
        }
        Spec::TrustDomain(spec) => {
            let TrustDomainSpec { certificate_authority, refresh_seconds, stale_seconds, .. } = &**spec;
            (from(&spec.source()?)?, certificate_authority, Form::Bundle, *refresh_seconds, *stale_seconds)
        }
        _ => return None,
    };
    let (id, certificate_authority) = (resource.id, authority.clone());
    let origin = KeysOrigin::of(&resource.declaration.spec)?;
    Some(Place { id, origin, from, certificate_authority, form, refresh_seconds, stale_seconds })
}

fn from(source: &KeysFrom<'_>) -> Option<From> {
    match source {
        KeysFrom::Declared(_) => None,
        KeysFrom::At(uri) => Some(From::At((*uri).to_owned())),
        KeysFrom::Discovered(issuer) => Some(From::Discovered((*issuer).to_owned())),
    }
}

#[cfg(test)]
mod tests;
