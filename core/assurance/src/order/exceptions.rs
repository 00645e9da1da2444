//! Exceptions from stops: proposed by one, confirmed by another, for a while.

use jiff::Timestamp;
use portcullis_ids::ids::ExceptionId;

use super::{Case, News, check_text, conflict, invalid, room, taken, unknown};
use crate::change::Change;
use crate::days::{days, plus};
use crate::order::DossierRefusal;
use crate::screening::MatchWord;
use crate::stops::Stop;

const DAYS_MAX: i64 = 90;
/// While a critical vulnerability is open.
const VULNERABILITY_DAYS_MAX: i64 = 30;

impl Case<'_> {
    pub(super) fn exceptions(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::ExceptionProposed { id, stop, subject, control, until } => {
                check_text("compensating control", control)
                    .and_then(|()| self.proposed(*id, *stop, subject.as_deref(), *until))
            }
            Change::ExceptionConfirmed { id } => self.confirmed(*id),
            Change::ExceptionEnded { id, .. } => match self.dossier.exceptions.get(id) {
                Some(exception) => Ok(exception.is_open(self.now)),
                None => unknown("exception", id),
            },
            _ => return None,
        })
    }

    fn proposed(&self, id: ExceptionId, stop: Stop, subject: Option<&str>, until: Timestamp) -> News {
        if self.dossier.exceptions.contains_key(&id) {
            return Err(taken("exception", id));
        }
        room("exceptions", self.dossier.exceptions.len())?;
        if !stop.is_exceptable() || self.is_sure(stop, subject) {
            let message = format!("nobody may let stop {}, `{}`, pass", stop.number(), stop.name());
            return conflict(message, "`portcullis vendor stops` tells what ends it");
        }
        if until <= self.now {
            return invalid(format!("`{until}` is over"), "name an end to come");
        }
        let most = if stop == Stop::Vulnerability { VULNERABILITY_DAYS_MAX } else { DAYS_MAX };
        if until > plus(self.now, days(most)) {
            let message = format!("an exception from stop {} lasts {most} days at most", stop.number());
            return invalid(message, "name an earlier end");
        }
        let waiting = self.dossier.exceptions.iter().find(|(_, known)| {
            known.is_open(self.now)
                && known.confirmed_at.is_none()
                && known.stop == stop
                && known.subject.as_deref() == subject
        });
        if let Some((waiting, _)) = waiting {
            return conflict(
                format!("exception `{waiting}` waits for its second person already"),
                "confirm or end it",
            );
        }
        Ok(true)
    }

    /// A match that somebody has confirmed, or an identifier.
    fn is_sure(&self, stop: Stop, subject: Option<&str>) -> bool {
        let named =
            |list: &str, entry: &str| subject.is_some_and(|subject| subject == format!("{list}/{entry}"));
        stop == Stop::Sanctions
            && self.dossier.matches.iter().any(|((list, entry), known)| {
                let word = known.word.as_ref().map(|judged| judged.word);
                named(list, entry)
                    && (word == Some(MatchWord::Confirmed) || (word.is_none() && known.found.is_sure()))
            })
    }

    fn confirmed(&self, id: ExceptionId) -> News {
        let Some(exception) = self.dossier.exceptions.get(&id) else { return unknown("exception", id) };
        if !exception.is_open(self.now) {
            return conflict(format!("exception `{id}` is over"), "propose another one");
        }
        if exception.confirmed_at.is_some() {
            return Ok(false);
        }
        if exception.proposed_by == self.by {
            return Err(DossierRefusal::SamePerson);
        }
        Ok(true)
    }
}
