//! The life of a client's keys: registered, warned of, replaced, lapsed; each counts from its first
//! registration, whatever is declared later.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::command::{Context, KeyRefusal, Refusal, Seen};
use crate::event::{Cause, Event, KeyForm, PublicKey, RegisteredKey, Severance};
use crate::ids::{ClientId, OperatorId, SeveranceId};
use crate::spec::Kind;
use crate::spec::integration::KeyRules;
use crate::state::decide::check_reason;
use crate::state::{Enrolment, Standing, State};
use crate::target::Target;

/// How long after a rotation or an enrolment its request may be repeated, because the answer was lost.
pub const ROTATION_SECONDS: i64 = 600;
/// Keys of one form that may be live at the same time, while one replaces the other.
const LIVE_MAX: usize = 2;
/// New keys that a client may put in place within a day: each one stays known for good, here and in the ledger.
const ROTATIONS_A_DAY_MAX: usize = 24;
const DAY_SECONDS: i64 = 86_400;

/// The keys of one client, in the order of their registration.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Keyring {
    /// The client's name.
    pub name: String,
    pub keys: Vec<ClientKey>,
    pub enrolment: Option<Enrolment>,
    /// Enrolments beyond the first one.
    pub recoveries: u32,
}

/// A key that a client has or had.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientKey {
    pub thumbprint: String,
    pub form: KeyForm,
    pub source: KeySource,
    /// The key itself, where the client registered it; a declared one stands in the declaration.
    pub public: Option<Value>,
    pub registered_at: Timestamp,
    pub end: Option<KeyEnd>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeySource {
    Declared,
    Enrolled,
    Rotated,
}

impl KeySource {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Enrolled => "enrolled",
            Self::Rotated => "rotated",
        }
    }
}

/// Why a key is or will be over, apart from its age.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyEnd {
    Replaced {
        by: String,
        at: Timestamp,
    },
    /// Taken out of the declaration: the only end that a later declaration undoes.
    Withdrawn,
    /// Left behind when the client was enrolled again.
    Recovered,
}

/// When a key is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyTerm {
    /// The first moment in which it is refused.
    pub until: Timestamp,
    /// Its age ends it, and nothing else does earlier.
    pub lapses: bool,
    /// From when on its holder is told.
    pub warn_from: Timestamp,
}

impl ClientKey {
    /// When the key is over by these rules: always at a whole second.
    #[must_use]
    pub fn term(&self, rules: &KeyRules) -> KeyTerm {
        let lapses_at = whole(later(self.registered_at, i64::from(rules.age_days_max) * DAY_SECONDS));
        let warned = later(lapses_at, -i64::from(rules.warn_days) * DAY_SECONDS);
        let (until, lapses, warn_from) = match &self.end {
            None => (lapses_at, true, warned),
            Some(KeyEnd::Replaced { at, .. }) if *at > lapses_at => (lapses_at, true, Timestamp::MIN),
            Some(KeyEnd::Replaced { at, .. }) => (*at, false, Timestamp::MIN),
            Some(KeyEnd::Withdrawn | KeyEnd::Recovered) => (Timestamp::MIN, false, Timestamp::MIN),
        };
        KeyTerm { until, lapses, warn_from }
    }

    fn registered(&self) -> RegisteredKey {
        RegisteredKey { thumbprint: self.thumbprint.clone(), form: self.form }
    }
}

impl Keyring {
    fn check_pace(&self, now: Timestamp) -> Result<(), KeyRefusal> {
        let own = self.keys.iter().filter(|key| key.source == KeySource::Rotated);
        let next = own.map(|key| later(key.registered_at, DAY_SECONDS)).filter(|next| now < *next);
        let mut next: Vec<Timestamp> = next.collect();
        next.sort_unstable();
        let most = ROTATIONS_A_DAY_MAX;
        match next.len().checked_sub(most).and_then(|place| next.get(place)) {
            Some(after) => Err(KeyRefusal::TooOften { most, after: *after }),
            None => Ok(()),
        }
    }

    #[must_use]
    pub fn key(&self, thumbprint: &str) -> Option<&ClientKey> {
        self.keys.iter().find(|key| key.thumbprint == thumbprint)
    }

    fn key_mut(&mut self, thumbprint: &str) -> Option<&mut ClientKey> {
        self.keys.iter_mut().find(|key| key.thumbprint == thumbprint)
    }

    /// Whether the client has registered a key by itself, or is about to.
    #[must_use]
    pub fn is_self_kept(&self) -> bool {
        self.enrolment.is_some() || self.keys.iter().any(|key| key.source != KeySource::Declared)
    }
}

impl State {
    #[must_use]
    pub fn keyring(&self, client: ClientId) -> Option<&Keyring> {
        self.keyrings.get(&client)
    }

    /// Every key that a client has or had, with its term.
    pub fn key_terms<'a>(
        &'a self,
        standing: &Standing<'a>,
    ) -> impl Iterator<Item = (&'a ClientKey, KeyTerm)> + use<'a> {
        let rules = standing.integration_spec.keys;
        let ring = self.keyrings.get(&standing.client_id());
        ring.into_iter().flat_map(|ring| &ring.keys).map(move |key| (key, key.term(&rules)))
    }

    /// The client under an id.
    #[must_use]
    pub fn standing_of(&self, client: ClientId) -> Option<Standing<'_>> {
        self.standing(&self.keyrings.get(&client)?.name).filter(|standing| standing.client_id() == client)
    }

    pub(super) fn decide_rotate(
        &self,
        client: ClientId,
        current: &str,
        next: PublicKey,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let unknown = || KeyRefusal::NotRegistered(current.to_owned());
        let standing = self.standing_of(client).ok_or_else(unknown)?;
        let ring = self.keyring(client).ok_or_else(unknown)?;
        let key = ring.key(current).ok_or_else(unknown)?;
        let rules = standing.integration_spec.keys;
        // The caller has looked before; what was closed since must not live on under another key.
        if self.refused_keys.contains_key(current) || self.is_severed(&standing) {
            return Err(KeyRefusal::Ended.into());
        }
        match &key.end {
            None => {}
            Some(KeyEnd::Withdrawn | KeyEnd::Recovered) => return Err(KeyRefusal::Ended.into()),
            Some(KeyEnd::Replaced { by, .. }) => {
                let replaced_at = ring.key(by).map_or(Timestamp::MIN, |new| new.registered_at);
                let repeated = *by == next.thumbprint && context.now < later(replaced_at, ROTATION_SECONDS);
                return if repeated { Ok(Vec::new()) } else { Err(KeyRefusal::Theft.into()) };
            }
        }
        if context.now >= key.term(&rules).until {
            return Err(KeyRefusal::Lapsed.into());
        }
        if next.thumbprint == current {
            return Err(KeyRefusal::Same.into());
        }
        self.check_new_key(&next.thumbprint)?;
        let live: Vec<Timestamp> = ring
            .keys
            .iter()
            .filter(|known| known.form == next.form && !self.refused_keys.contains_key(&known.thumbprint))
            .map(|known| known.term(&rules).until)
            .filter(|until| context.now < *until)
            .collect();
        if live.len() >= LIVE_MAX {
            return Err(KeyRefusal::TooMany(live.into_iter().min()).into());
        }
        ring.check_pace(context.now)?;
        let overlap_ends = whole(later(context.now, rules.overlap_seconds.into()));
        Ok(vec![Event::ClientKeyRegistered {
            client,
            key: next,
            replaces: current.to_owned(),
            replaced_ends_at: overlap_ends.min(key.term(&rules).until),
            time: context.now,
        }])
    }

    fn is_severed(&self, standing: &Standing<'_>) -> bool {
        let targets = [
            Target::Vendor { id: standing.vendor_id() },
            Target::Integration { id: standing.integration_id() },
            Target::Client { id: standing.client_id() },
        ];
        targets.iter().any(|target| self.severances_of(target).next().is_some())
    }

    /// A key that a client registers by itself must be new to everybody.
    pub(super) fn check_new_key(&self, thumbprint: &str) -> Result<(), KeyRefusal> {
        let taken = self.spent_keys.contains_key(thumbprint)
            || self.refused_keys.contains_key(thumbprint)
            || self.keyrings.values().any(|ring| ring.key(thumbprint).is_some());
        if taken { Err(KeyRefusal::Taken) } else { Ok(()) }
    }

    pub(super) fn decide_theft(
        &self,
        client: ClientId,
        key: String,
        next_key: String,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let target = Target::Client { id: client };
        if let Some(known) = self.severances_of(&target).next() {
            return Err(Refusal::AlreadySevered { target: self.name_of(&target), severance: known.id });
        }
        let mut keys = self.keys_of(&target);
        keys.sort();
        Ok(vec![Event::Severed(Severance {
            id: SeveranceId((context.new_id)()),
            epoch: self.epoch(client.0) + 1,
            target,
            keys,
            cause: Cause::KeyTheft { key, next_key },
            time: context.now,
        })])
    }

    /// A severance of keys that nothing lifts, so that it is held and told like any other.
    pub(super) fn decide_revoke_keys(
        &self,
        name: &str,
        key: Option<String>,
        (by, reason): (OperatorId, String),
        seen: Seen,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let unknown = || Refusal::Unknown { kind: "client", name: name.to_owned() };
        let standing = self.standing(name).ok_or_else(unknown)?;
        let client = standing.client_id();
        let whole = Target::Client { id: client };
        let mut keys = match &key {
            Some(key) if self.keyring(client).is_some_and(|ring| ring.key(key).is_some()) => {
                vec![key.clone()]
            }
            Some(key) if seen.keys.contains(key) => vec![key.clone()],
            Some(key) => return Err(KeyRefusal::NotRegistered(key.clone()).into()),
            None => {
                let mut keys = self.keys_of(&whole);
                keys.extend(seen.keys);
                keys
            }
        };
        keys.sort();
        keys.dedup();
        // Its authority or its issuer could give it another one at once: then the client itself is closed.
        let by_subject = self.trusted_without_key(client);
        let (target, epoch) = match keys.first() {
            Some(first) if key.is_some() || !by_subject => {
                (Target::Key { client, thumbprint: first.clone() }, 0)
            }
            _ if by_subject => (whole, self.epoch(client.0) + 1),
            _ => return Err(KeyRefusal::NotRegistered("(none)".to_owned()).into()),
        };
        let known = self.severances_of(&target).find(|known| known.cause.is_for_good() && known.keys == keys);
        if let Some(known) = known {
            return Err(Refusal::AlreadySevered { target: self.name_of(&target), severance: known.id });
        }
        Ok(vec![Event::Severed(Severance {
            id: SeveranceId((context.new_id)()),
            target,
            epoch,
            keys,
            cause: Cause::Revoked { operator: by, reason },
            time: context.now,
        })])
    }

    /// Keys that are known keep their first registration, and what has ended for good stays so.
    pub(super) fn apply_declared_keys(
        &mut self,
        client: ClientId,
        name: &str,
        declared: &[RegisteredKey],
        time: Option<Timestamp>,
    ) {
        // Nobody knows how old such a key is: then it is too old.
        let registered_at = time.unwrap_or(Timestamp::UNIX_EPOCH);
        let ring = self.keyrings.entry(client).or_default();
        name.clone_into(&mut ring.name);
        for key in &mut ring.keys {
            let kept = declared.iter().any(|declared| declared.thumbprint == key.thumbprint);
            if !kept && key.source == KeySource::Declared && key.end.is_none() {
                key.end = Some(KeyEnd::Withdrawn);
            }
        }
        for RegisteredKey { thumbprint, form } in declared {
            match ring.key_mut(thumbprint) {
                Some(known) => {
                    known.source = KeySource::Declared;
                    if known.end == Some(KeyEnd::Withdrawn) {
                        known.end = None;
                    }
                }
                None => ring.keys.push(ClientKey {
                    thumbprint: thumbprint.clone(),
                    form: *form,
                    source: KeySource::Declared,
                    public: None,
                    registered_at,
                    end: None,
                }),
            }
        }
        self.show_keys(client);
    }

    pub(super) fn apply_rotated(
        &mut self,
        client: ClientId,
        key: &PublicKey,
        replaces: &str,
        replaced_ends_at: Timestamp,
        time: Timestamp,
    ) {
        let ring = self.keyrings.entry(client).or_default();
        ring.register(key, KeySource::Rotated, time);
        if let Some(old) = ring.key_mut(replaces) {
            old.end = Some(KeyEnd::Replaced { by: key.thumbprint.clone(), at: replaced_ends_at });
            self.spent_keys.insert(replaces.to_owned(), client);
        }
        self.show_keys(client);
    }

    /// Every key that the client had is refused, for good.
    pub(super) fn end_keys(&mut self, client: ClientId) {
        let Some(ring) = self.keyrings.get_mut(&client) else { return };
        for key in &mut ring.keys {
            key.end = Some(KeyEnd::Recovered);
            self.spent_keys.insert(key.thumbprint.clone(), client);
        }
        self.show_keys(client);
    }

    pub(super) fn forget_keyring(&mut self, client: ClientId) {
        if let Some(enrolment) = self.keyrings.remove(&client).and_then(|ring| ring.enrolment) {
            self.enrolments.remove(&enrolment.code_sha256);
        }
    }

    /// Brings the client's resource up to its keyring.
    pub(super) fn show_keys(&mut self, client: ClientId) {
        let Some(ring) = self.keyrings.get(&client) else { return };
        let over = |end: &KeyEnd| matches!(end, KeyEnd::Withdrawn | KeyEnd::Recovered);
        let keys = ring.keys.iter().filter(|key| !key.end.as_ref().is_some_and(over));
        let keys: Vec<RegisteredKey> = keys.map(ClientKey::registered).collect();
        let place = (Kind::Client, ring.name.clone());
        let resources = Arc::make_mut(&mut self.resources);
        if let Some(resource) = resources.get_mut(&place).filter(|found| found.id == client.0) {
            resource.keys = keys;
            resource.version = self.size;
        }
    }
}

impl Keyring {
    pub(super) fn register(&mut self, key: &PublicKey, source: KeySource, time: Timestamp) {
        if self.key(&key.thumbprint).is_none() {
            self.keys.push(ClientKey {
                thumbprint: key.thumbprint.clone(),
                form: key.form,
                source,
                public: Some(key.public.clone()),
                registered_at: time,
                end: None,
            });
        }
    }
}

/// The second that `time` is in, so that what is told in seconds is what holds.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `time` and so many seconds, within what a timestamp can say.
pub(super) fn later(time: Timestamp, seconds: i64) -> Timestamp {
    let edge = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(edge)
}
