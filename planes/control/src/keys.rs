//! The keys that tokens are signed with: where their private halves lie, and when one follows another.
//!
//! Each is published before it is used, so that everybody who verifies knows it by then; and it is
//! known on after it was replaced, until nothing that it signed can be valid. What is known of keys
//! is in the ledger; their private halves lie in a [`KeyRing`].

mod restored;
mod ring;
mod schedule;
mod withdraw;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_api::keys::{KeysView, SigningKeyStage, SigningKeyView};
use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::{KeyStage, KeyStep, PublishedKey, SigningPlan};
use portcullis_tokens::signing::SigningKey;

pub use ring::{KeyRing, KeyRingError, MemoryRing};

/// Private halves of the keys that tokens may be signed with, by kid.
#[derive(Debug, Default)]
pub struct SigningKeys(ArcSwap<BTreeMap<String, Held>>);

#[derive(Clone, Debug)]
struct Held {
    key: Arc<SigningKey>,
    /// False while gates don't know it yet, or while it is being withdrawn.
    usable: bool,
}

impl SigningKeys {
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = SigningKey>) -> Self {
        let held =
            keys.into_iter().map(|key| (key.kid().to_owned(), Held { key: Arc::new(key), usable: true }));
        Self(ArcSwap::from_pointee(held.collect()))
    }

    /// The key, if tokens may be signed with it now.
    #[must_use]
    pub fn usable(&self, kid: &str) -> Option<Arc<SigningKey>> {
        let held = self.0.load();
        held.get(kid).filter(|held| held.usable).map(|held| Arc::clone(&held.key))
    }

    pub(crate) fn holds(&self, kid: &str) -> bool {
        self.0.load().contains_key(kid)
    }

    pub(crate) fn kids(&self) -> Vec<String> {
        self.0.load().keys().cloned().collect()
    }

    pub(crate) fn get(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.0.load().get(kid).map(|held| Arc::clone(&held.key))
    }

    pub(crate) fn insert(&self, key: Arc<SigningKey>, usable: bool) {
        self.change(|held| {
            held.insert(key.kid().to_owned(), Held { key: Arc::clone(&key), usable });
        });
    }

    pub(crate) fn set_usable(&self, kid: &str, usable: bool) {
        self.change(|held| {
            if let Some(held) = held.get_mut(kid) {
                held.usable = usable;
            }
        });
    }

    pub(crate) fn remove(&self, kid: &str) {
        self.change(|held| {
            held.remove(kid);
        });
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<String, Held>)) {
        self.0.rcu(|held| {
            let mut held = BTreeMap::clone(held);
            change(&mut held);
            held
        });
    }
}

/// The keys as they are shown: the one that signs first.
pub(crate) fn view(state: &State, plan: &SigningPlan) -> KeysView {
    let steps = state.key_steps(plan);
    let mut signing: Vec<_> = state.signing_keys.iter().map(|key| key_view(key, &steps)).collect();
    signing.sort_by_key(|key| (key.stage != SigningKeyStage::Active, key.stage == SigningKeyStage::Replaced));
    let next = steps.iter().find_map(|(due, step)| matches!(step, KeyStep::Publish).then_some(*due));
    let mut former: Vec<_> = state
        .former_signing_keys
        .iter()
        .map(|(kid, former)| SigningKeyView {
            kid: kid.clone(),
            algorithm: String::new(),
            stage: if former.withdrawn { SigningKeyStage::Withdrawn } else { SigningKeyStage::Retired },
            since: Some(former.gone_at),
            signs_from: None,
            refused_from: Some(former.gone_at),
        })
        .collect();
    former.sort_by_key(|key| std::cmp::Reverse(key.since));
    former.truncate(FORMER_SHOWN_MAX);
    signing.extend(former);
    KeysView {
        signing,
        next_published_at: next,
        signing_seconds: plan.life.as_secs(),
        publish_ahead_seconds: plan.publish_ahead.as_secs(),
    }
}

const FORMER_SHOWN_MAX: usize = 100;

fn key_view(key: &PublishedKey, steps: &[(jiff::Timestamp, KeyStep)]) -> SigningKeyView {
    let (stage, since) = match key.stage {
        KeyStage::Published => (SigningKeyStage::Published, key.published_at),
        KeyStage::Active { since } => (SigningKeyStage::Active, Some(since)),
        KeyStage::Replaced { at } => (SigningKeyStage::Replaced, Some(at)),
    };
    let signs_from = steps.iter().find_map(|(due, step)| match step {
        KeyStep::Activate { kid } if *kid == key.kid => Some(*due),
        _ => None,
    });
    SigningKeyView {
        kid: key.kid.clone(),
        algorithm: key.jwk.get("alg").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
        stage,
        since,
        signs_from,
        refused_from: key.refused_from(),
    }
}
