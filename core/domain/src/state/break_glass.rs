//! Credentials for the night in which nobody can sign in.

use crate::break_glass::{
    BreakGlass, BreakGlassOpening, BreakGlassRefusal, BreakGlassRemoval, BreakGlassSeal, CREDENTIALS_MAX,
    NAME_CHARACTERS_MAX,
};
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::OperatorId;
use crate::state::State;

impl State {
    pub(super) fn decide_seal_break_glass(
        &self,
        name: String,
        token_sha256: String,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let good = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(|letter| letter.is_control() || letter == '/');
        if !good {
            return Err(BreakGlassRefusal::Name.into());
        }
        if self.break_glass_named(&name).is_some() {
            return Err(BreakGlassRefusal::Exists(name).into());
        }
        if self.break_glass.len() >= CREDENTIALS_MAX {
            return Err(BreakGlassRefusal::TooMany.into());
        }
        let id = OperatorId((context.new_id)());
        Ok(vec![Event::BreakGlassSealed(BreakGlassSeal { id, name, token_sha256, by, time: context.now })])
    }

    /// Only the first use is news.
    pub(super) fn decide_open_break_glass(&self, id: OperatorId, context: &Context<'_>) -> Vec<Event> {
        match self.break_glass.get(&id) {
            Some(BreakGlass { opened_at: None, .. }) => {
                vec![Event::BreakGlassOpened(BreakGlassOpening { id, time: context.now })]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn decide_remove_break_glass(
        &self,
        name: String,
        by: OperatorId,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(known) = self.break_glass_named(&name) else {
            return Err(Refusal::Unknown { kind: "break-glass credential", name });
        };
        let removal = BreakGlassRemoval { id: known.seal.id, by, time: context.now };
        Ok(vec![Event::BreakGlassRemoved(removal)])
    }

    pub(super) fn apply_break_glass_sealed(&mut self, seal: &BreakGlassSeal) {
        self.break_glass.insert(seal.id, BreakGlass { seal: seal.clone(), opened_at: None });
    }

    pub(super) fn apply_break_glass_opened(&mut self, opening: &BreakGlassOpening) {
        if let Some(known) = self.break_glass.get_mut(&opening.id) {
            known.opened_at = Some(opening.time);
        }
    }

    #[must_use]
    pub fn break_glass_named(&self, name: &str) -> Option<&BreakGlass> {
        self.break_glass.values().find(|known| known.seal.name == name)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};

    use super::*;
    use crate::command::Command;

    fn decide(state: &mut State, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        let mut next = state.size as u128 + 1;
        let mut new_id = || {
            next += 1;
            uuid::Uuid::from_u128(next)
        };
        let events = state.decide(command, &mut Context { now, new_id: &mut new_id })?;
        for event in &events {
            state.apply(event);
        }
        Ok(events)
    }

    #[test]
    fn it_is_good_until_a_day_after_its_first_use_and_opens_once() {
        let mut state = State::default();
        let now: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
        let by = OperatorId(uuid::Uuid::from_u128(1));
        let seal =
            |name: &str| Command::SealBreakGlass { name: name.to_owned(), token_sha256: "ab".to_owned(), by };
        decide(&mut state, seal("safe"), now).unwrap();
        assert!(matches!(
            decide(&mut state, seal("safe"), now),
            Err(Refusal::BreakGlass(BreakGlassRefusal::Exists(_)))
        ));
        for wrong in ["", "a/b", " safe", "a\nb"] {
            assert!(matches!(
                decide(&mut state, seal(wrong), now),
                Err(Refusal::BreakGlass(BreakGlassRefusal::Name))
            ));
        }
        let id = state.break_glass_named("safe").unwrap().seal.id;
        let years_later = now.checked_add((24 * 3_000).hours()).unwrap();
        assert!(state.break_glass[&id].is_good(years_later));
        assert_eq!(decide(&mut state, Command::OpenBreakGlass { id }, years_later).unwrap().len(), 1);
        let hour = years_later.checked_add(1.hours()).unwrap();
        assert!(decide(&mut state, Command::OpenBreakGlass { id }, hour).unwrap().is_empty());
        assert!(state.break_glass[&id].is_good(years_later.checked_add(23.hours()).unwrap()));
        assert!(!state.break_glass[&id].is_good(years_later.checked_add(24.hours()).unwrap()));
        // It is no operator: it is no second person, and not the last one.
        assert!(state.operators.is_empty());
        let remove = Command::RemoveBreakGlass { name: "safe".to_owned(), by };
        decide(&mut state, remove, now).unwrap();
        assert!(state.break_glass.is_empty());
    }
}
