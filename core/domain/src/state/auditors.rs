//! Registered auditors: whose signatures over documents count.

use jiff::Timestamp;

use crate::auditor::{
    AUDITOR_KEYS_MAX, AUDITORS_MAX, Auditor, AuditorKey, AuditorRefusal, AuditorRegistration, AuditorRemoval,
    NAME_CHARACTERS_MAX,
};
use crate::command::{Context, Refusal};
use crate::event::{Event, PublicKey};
use crate::ids::{AuditorId, OperatorId};
use crate::state::State;

impl State {
    /// Keys that are registered for it already are no news.
    pub(super) fn decide_register_auditor(
        &self,
        name: String,
        keys: Vec<PublicKey>,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_name(&name)?;
        if keys.is_empty() {
            return Err(AuditorRefusal::Nothing.into());
        }
        let mut fresh: Vec<PublicKey> = Vec::new();
        for key in keys {
            match self.auditor_of_key(&key.thumbprint) {
                Some(auditor) if auditor != name => {
                    let (thumbprint, auditor) = (key.thumbprint, auditor.to_owned());
                    return Err(AuditorRefusal::Taken { thumbprint, auditor }.into());
                }
                Some(_) => {}
                None if fresh.iter().any(|other| other.thumbprint == key.thumbprint) => {}
                None => fresh.push(key),
            }
        }
        let known = self.auditors.get(&name);
        if known.is_none() && self.auditors.len() >= AUDITORS_MAX {
            return Err(AuditorRefusal::TooMany { most: AUDITORS_MAX }.into());
        }
        if known.map_or(0, |known| known.keys.len()) + fresh.len() > AUDITOR_KEYS_MAX {
            return Err(AuditorRefusal::TooManyKeys { auditor: name, most: AUDITOR_KEYS_MAX }.into());
        }
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let id = known.map_or_else(|| AuditorId((context.new_id)()), |known| known.id);
        let registration = AuditorRegistration { id, name, keys: fresh, by, time: context.now };
        Ok(vec![Event::AuditorRegistered(registration)])
    }

    pub(super) fn decide_remove_auditor(
        &self,
        name: String,
        (by, reason): (OperatorId, String),
        time: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(known) = self.auditors.get(&name) else {
            return Err(Refusal::Unknown { kind: "auditor", name });
        };
        let removal = AuditorRemoval { id: known.id, name, reason, by, time };
        Ok(vec![Event::AuditorRemoved(removal)])
    }

    pub(super) fn apply_auditor_registered(&mut self, registration: &AuditorRegistration) {
        let AuditorRegistration { id, name, keys, by, time } = registration;
        let auditor =
            self.auditors.entry(name.clone()).or_insert_with(|| Auditor { id: *id, keys: Vec::new() });
        let keys = keys.iter().map(|key| AuditorKey { key: key.clone(), by: *by, since: *time });
        auditor.keys.extend(keys);
    }

    pub(super) fn apply_auditor_removed(&mut self, removal: &AuditorRemoval) {
        self.auditors.remove(&removal.name);
    }

    fn auditor_of_key(&self, thumbprint: &str) -> Option<&str> {
        let has = |auditor: &Auditor| auditor.keys.iter().any(|known| known.key.thumbprint == thumbprint);
        self.auditors.iter().find(|(_, auditor)| has(auditor)).map(|(name, _)| name.as_str())
    }
}

fn check_name(name: &str) -> Result<(), AuditorRefusal> {
    let good = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|letter| letter.is_control() || letter == '/');
    if good { Ok(()) } else { Err(AuditorRefusal::Name) }
}
