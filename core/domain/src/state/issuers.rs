//! Issuers and trust domains of vendors: their fetched keys, and who is mapped by them.

use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use super::State;
use crate::event::{Event, ExternalKeys, IssuerKeysChange};
use crate::spec::{KeysFrom, Kind, Spec};

/// How often an issuer may change its keys: it must not fill the ledger.
const CHANGE_SECONDS_MIN: i64 = 55;
/// The most that `lifetime_seconds_max` may be.
pub(super) const LIFETIME_SECONDS_MAX: u32 = 86_400;
/// How long a token that was issued elsewhere until now may live: its `iat` may be a minute ahead.
pub(super) const EXTERNAL_TOKEN_SECONDS_MAX: i64 = LIFETIME_SECONDS_MAX as i64 + 60;

/// The keys that an issuer or a trust domain had when it could be asked last.
#[derive(Clone, PartialEq, Debug)]
pub struct IssuerKeys {
    pub keys: ExternalKeys,
    /// When they were fetched first.
    pub since: Timestamp,
}

/// What fetched keys depend on: where they are, by whom that place is trusted, and whose they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeysOrigin {
    /// Their address, or the issuer whose discovery document names it.
    pub from: String,
    pub discovered: bool,
    pub certificate_authority: Option<String>,
    /// The issuer, or the trust domain.
    pub whose: String,
}

impl KeysOrigin {
    /// None for keys that aren't fetched.
    #[must_use]
    pub fn of(spec: &Spec) -> Option<Self> {
        let (from, authority, whose) = source_and_authority(spec)?;
        let (from, discovered) = match from {
            KeysFrom::Declared(_) => return None,
            KeysFrom::At(uri) => (uri, false),
            KeysFrom::Discovered(issuer) => (issuer, true),
        };
        let certificate_authority = authority.map(str::to_owned);
        Some(Self { from: from.to_owned(), discovered, certificate_authority, whose: whose.to_owned() })
    }
}

impl State {
    /// No event where nothing has changed, or too soon after the last change, or for keys of a place
    /// that isn't declared any more.
    pub(super) fn decide_issuer_keys(
        &self,
        issuer: Uuid,
        origin: &KeysOrigin,
        keys: ExternalKeys,
        now: Timestamp,
    ) -> Vec<Event> {
        let declared = self.by_id(issuer).and_then(|(_, _, found)| KeysOrigin::of(&found.declaration.spec));
        if declared.as_ref() != Some(origin) {
            return Vec::new();
        }
        let known = self.issuer_keys.get(&issuer);
        let too_soon = known.is_some_and(|known| {
            known.since.checked_add(CHANGE_SECONDS_MIN.seconds()).is_ok_and(|next| now < next)
        });
        if too_soon || known.is_some_and(|known| known.keys == keys) {
            return Vec::new();
        }
        vec![Event::IssuerKeysChanged(IssuerKeysChange { issuer, keys, time: now })]
    }

    pub(super) fn apply_issuer_keys(&mut self, change: &IssuerKeysChange) {
        let keys = IssuerKeys { keys: change.keys.clone(), since: change.time };
        self.issuer_keys.insert(change.issuer, keys);
    }

    /// Keys that were fetched from one place say nothing about another.
    pub(super) fn forget_keys_of_other_source(&mut self, id: Uuid, spec: &Spec) {
        let Some(new) = source_and_authority(spec) else { return };
        let known = self.by_id(id).and_then(|(_, _, known)| source_and_authority(&known.declaration.spec));
        if known.is_some_and(|known| known != new) {
            self.issuer_keys.remove(&id);
        }
    }

    /// Whether tokens or certificates from outside may speak for the client called `name`: it can come
    /// with a new key at any time.
    #[must_use]
    pub fn is_mapped(&self, name: &str) -> bool {
        self.mapped_by(name).next().is_some()
    }

    /// What speaks for the client called `name`, and is no key of its own.
    pub fn mapped_by(&self, name: &str) -> impl Iterator<Item = (Kind, &str)> {
        [Kind::Issuer, Kind::TrustDomain].into_iter().flat_map(move |kind| {
            let all = self.of_kind(kind).filter(move |(_, found)| maps(&found.declaration.spec, name));
            all.map(move |(by, _)| (kind, by))
        })
    }
}

/// Whether an issuer or a trust domain of this spec speaks for `client`.
pub(super) fn maps(spec: &Spec, client: &str) -> bool {
    match spec {
        Spec::Issuer(spec) => spec.clients.iter().any(|mapping| mapping.client == client),
        Spec::TrustDomain(spec) => spec.clients.iter().any(|mapping| mapping.client == client),
        _ => false,
    }
}

fn source(spec: &Spec) -> Option<KeysFrom<'_>> {
    match spec {
        Spec::Issuer(spec) => Some(spec.source()),
        Spec::TrustDomain(spec) => spec.source(),
        _ => None,
    }
}

/// What the keys depend on: also whose they are, and by whom the place is trusted.
fn source_and_authority(spec: &Spec) -> Option<(KeysFrom<'_>, Option<&str>, &str)> {
    let (authority, whose) = match spec {
        Spec::Issuer(spec) => (spec.certificate_authority.as_deref(), spec.issuer.as_str()),
        Spec::TrustDomain(spec) => (spec.certificate_authority.as_deref(), spec.trust_domain.as_str()),
        _ => return None,
    };
    Some((source(spec)?, authority, whose))
}
