//! Keys that tokens are signed with: published before they are used, replaced by schedule or on
//! command, and gone when nothing under them can be valid any more.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::command::{Context, NewKey, Refusal};
use crate::event::Event;
use crate::ids::OperatorId;
use crate::state::State;
use crate::state::decide::check_reason;

/// No access token lives longer, whatever an integration says.
pub const TOKEN_SECONDS_MAX: u32 = 600;
/// How long a replaced key verifies: what it signed last lives as long as a token may, and clocks
/// of gates may differ.
const OVERLAP: SignedDuration = SignedDuration::from_secs(TOKEN_SECONDS_MAX as i64 + 60);

/// Keys that verify at the same time: as many rotations as the overlap sees.
pub const KEYS_MAX: usize = 12;

/// A key that tokens verify with.
#[derive(Clone, PartialEq, Debug)]
pub struct PublishedKey {
    pub kid: String,
    pub jwk: Value,
    /// None where an earlier version of this program published it.
    pub published_at: Option<Timestamp>,
    pub stage: KeyStage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyStage {
    /// Known to everybody who verifies, and used by nobody.
    Published,
    /// Signs.
    Active { since: Timestamp },
    /// Another one signs; what this one signed runs out.
    Replaced { at: Timestamp },
}

/// A key that no token verifies with any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormerKey {
    pub gone_at: Timestamp,
    /// Withdrawn, and not just retired.
    pub withdrawn: bool,
}

/// When keys are replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigningPlan {
    /// How long one key signs.
    pub life: SignedDuration,
    /// How long it is known before it signs.
    pub publish_ahead: SignedDuration,
}

/// What the schedule wants done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyStep {
    /// A new key is to be made and published.
    Publish,
    Activate {
        kid: String,
    },
    Retire {
        kid: String,
    },
}

impl PublishedKey {
    /// From when on nothing under it is valid; none while it signs, or waits to.
    /// A whole second, as the times in tokens are.
    #[must_use]
    pub fn refused_from(&self) -> Option<Timestamp> {
        let KeyStage::Replaced { at } = self.stage else { return None };
        let end = later(at, OVERLAP);
        let whole = end.as_second().saturating_add(i64::from(end.subsec_nanosecond() > 0));
        Some(Timestamp::from_second(whole).unwrap_or(Timestamp::MAX))
    }
}

impl State {
    /// The key that signs.
    #[must_use]
    pub fn active_signing_key(&self) -> Option<&PublishedKey> {
        self.signing_keys.iter().find(|key| matches!(key.stage, KeyStage::Active { .. }))
    }

    /// The key that will sign next.
    #[must_use]
    pub fn waiting_signing_key(&self) -> Option<&PublishedKey> {
        self.signing_keys.iter().find(|key| key.stage == KeyStage::Published)
    }

    #[must_use]
    pub fn signing_key(&self, kid: &str) -> Option<&PublishedKey> {
        self.signing_keys.iter().find(|key| key.kid == kid)
    }

    /// What `plan` wants done, with when: the earliest first.
    #[must_use]
    pub fn key_steps(&self, plan: &SigningPlan) -> Vec<(Timestamp, KeyStep)> {
        let mut steps: Vec<_> = self
            .signing_keys
            .iter()
            .filter_map(|key| Some((key.refused_from()?, KeyStep::Retire { kid: key.kid.clone() })))
            .collect();
        match (self.waiting_signing_key(), self.active_signing_key().map(|key| key.stage)) {
            (Some(waiting), _) => {
                let published = waiting.published_at.unwrap_or(Timestamp::MIN);
                let due = later(published, plan.publish_ahead);
                steps.push((due, KeyStep::Activate { kid: waiting.kid.clone() }));
            }
            (None, Some(KeyStage::Active { since })) => {
                let ahead = plan.publish_ahead.min(plan.life);
                steps.push((later(since, plan.life.saturating_sub(ahead)), KeyStep::Publish));
            }
            _ => {}
        }
        steps.sort();
        steps
    }

    pub(super) fn decide_publish_key(
        &self,
        key: NewKey,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        if self.signing_key(&key.kid).is_some() {
            return Ok(Vec::new());
        }
        if let Some(waiting) = self.waiting_signing_key() {
            return Err(Refusal::KeyWaits { kid: waiting.kid.clone() });
        }
        if self.signing_keys.len() >= KEYS_MAX {
            return Err(Refusal::KeysMany { most: KEYS_MAX });
        }
        Ok(vec![self.published(key, context)?])
    }

    pub(super) fn decide_activate_key(
        &self,
        kid: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        match self.known_key(&kid)?.stage {
            KeyStage::Active { .. } => Ok(Vec::new()),
            KeyStage::Published => Ok(vec![Event::SigningKeyActivated { kid, time: context.now }]),
            // It signs nothing any more; its private half may be destroyed.
            KeyStage::Replaced { at } => Err(Refusal::KeyGone { kid, time: at }),
        }
    }

    pub(super) fn decide_retire_key(
        &self,
        kid: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(key) = self.signing_key(&kid) else { return Ok(Vec::new()) };
        if matches!(key.stage, KeyStage::Active { .. }) {
            return Err(Refusal::KeySigns { kid });
        }
        let early = key.refused_from().is_some_and(|refused_from| context.now < refused_from);
        Ok(if early { Vec::new() } else { vec![Event::SigningKeyRetired { kid, time: context.now }] })
    }

    pub(super) fn decide_withdraw_key(
        &self,
        kid: String,
        by: Option<OperatorId>,
        reason: String,
        successor: Option<NewKey>,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let mut events = Vec::new();
        if matches!(self.known_key(&kid)?.stage, KeyStage::Active { .. }) {
            let Some(successor) = successor else { return Err(Refusal::KeySigns { kid }) };
            let next = successor.kid.clone();
            events.push(self.published(successor, context)?);
            events.push(Event::SigningKeyActivated { kid: next, time: context.now });
        }
        events.push(Event::SigningKeyWithdrawn { kid, by, reason, time: context.now });
        Ok(events)
    }

    fn published(&self, key: NewKey, context: &Context<'_>) -> Result<Event, Refusal> {
        let NewKey { kid, jwk } = key;
        match self.former_signing_keys.get(&kid) {
            Some(former) => Err(Refusal::KeyGone { kid, time: former.gone_at }),
            None => Ok(Event::SigningKeyPublished { kid, jwk, time: Some(context.now) }),
        }
    }

    fn known_key(&self, kid: &str) -> Result<&PublishedKey, Refusal> {
        self.signing_key(kid).ok_or_else(|| match self.former_signing_keys.get(kid) {
            Some(former) => Refusal::KeyGone { kid: kid.to_owned(), time: former.gone_at },
            None => Refusal::Unknown { kind: "signing key", name: kid.to_owned() },
        })
    }

    pub(super) fn apply_published(&mut self, kid: &str, jwk: &Value, time: Option<Timestamp>) {
        self.signing_keys.push(PublishedKey {
            kid: kid.to_owned(),
            jwk: jwk.clone(),
            published_at: time,
            stage: KeyStage::Published,
        });
    }

    pub(super) fn apply_activated(&mut self, kid: &str, time: Timestamp) {
        for key in &mut self.signing_keys {
            if key.kid == kid {
                key.stage = KeyStage::Active { since: time };
            } else if matches!(key.stage, KeyStage::Active { .. }) {
                key.stage = KeyStage::Replaced { at: time };
            }
        }
    }

    pub(super) fn apply_gone(&mut self, kid: &str, time: Timestamp, withdrawn: bool) {
        self.signing_keys.retain(|key| key.kid != kid);
        self.former_signing_keys.insert(kid.to_owned(), FormerKey { gone_at: time, withdrawn });
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
