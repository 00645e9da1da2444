//! Who the vendor is, what was approved of it, and whether it is let in.

use jiff::Timestamp;

use super::{Case, News, check_text, conflict, invalid};
use crate::assessment::{Admission, Step, StepState};
use crate::change::Change;
use crate::days::{date_of, days, plus};
use crate::entity::{EntityRecord, EntitySource, EntityStanding, LeiStatus};
use crate::lei::Lei;
use crate::order::DossierRefusal;

/// A provisional admission lasts so long at most, however often it is prolonged.
const PROVISIONAL_DAYS_MAX: i64 = 90;
const OFFICERS_MAX: usize = 500;

impl Case<'_> {
    pub(super) fn identity(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::EntityChecked { record } => self.entity(record),
            Change::StepAssigned { step, owner, due } => {
                let standing = self.dossier.steps.get(step);
                let same = standing.is_some_and(|known| known.owner == *owner && known.due == *due);
                let owner = owner.as_deref().map_or(Ok(()), |owner| check_text("owner", owner));
                owner.and_then(|()| self.check_due(*due)).map(|()| !same)
            }
            Change::StepDecided { step, state, reason } => self.step(*step, *state, reason),
            Change::Admitted => self.admitted(),
            Change::AdmittedProvisionally { until } => self.provisional(*until),
            Change::AdmissionEnded { .. } => {
                Ok(!matches!(self.dossier.admission, Admission::No | Admission::Left { .. }))
            }
            _ => return None,
        })
    }

    fn entity(&self, record: &EntityRecord) -> News {
        check_text("legal name", &record.legal_name)?;
        self.check_past("time of the record", record.at)?;
        if let Some(formed) = record.formed {
            self.check_past_day("day of formation", formed)?;
        }
        if let Some(lei) = record.lei.as_deref() {
            check_lei(lei)?;
        }
        let own = |parent: &Option<String>| parent.is_some() && *parent == record.lei;
        if own(&record.parent) {
            return invalid("the entity would be its own parent", "name who owns it, or leave it out");
        }
        if record.officers.len() > OFFICERS_MAX {
            let message = format!("there are more than {OFFICERS_MAX} officers");
            return invalid(message, "name those who may sign");
        }
        for officer in &record.officers {
            check_text("name of an officer", officer.name.text())?;
        }
        if let EntitySource::Manual { by } = record.source
            && Some(by) != self.by
        {
            return invalid("somebody else would vouch for it", "whoever has seen the paper says so");
        }
        let Some(known) = self.dossier.entity.get(&record.source) else { return Ok(true) };
        if record.at < known.at {
            let message = format!("a record of the same source from {} is known", known.at);
            return conflict(message, "the newest of each source counts");
        }
        Ok(!says_the_same(known, record))
    }

    fn step(&self, step: Step, state: StepState, reason: &str) -> News {
        let known = self.dossier.steps.get(&step);
        if known.is_some_and(|known| known.state == state && known.reason.as_deref() == Some(reason)) {
            return Ok(false);
        }
        if state == StepState::Approved {
            match step {
                Step::EntityCheck if !self.dossier.entity.values().any(is_sound) => {
                    let message = "no record says that the legal entity is there and in order";
                    return conflict(message, "check the entity with GLEIF or a register, or vouch for it");
                }
                Step::Contract if !self.contracts.iter().any(|contract| self.now < contract.ends) => {
                    let message = "the vendor has no contract that isn't over";
                    return conflict(message, "declare the contract first");
                }
                _ => {}
            }
        }
        Ok(true)
    }

    fn admitted(&self) -> News {
        self.check_staying()?;
        if matches!(self.dossier.admission, Admission::Yes { .. }) {
            return Ok(false);
        }
        let missing = self.dossier.missing_steps();
        if missing.is_empty() {
            return Ok(true);
        }
        Err(DossierRefusal::NotApproved(missing.into_iter().map(Step::name).collect()))
    }

    fn provisional(&self, until: Timestamp) -> News {
        self.check_staying()?;
        let since = match self.dossier.admission {
            Admission::Yes { .. } => {
                return conflict("the vendor is admitted already", "end that admission first");
            }
            Admission::Provisional { until: known, .. } if known == until => return Ok(false),
            Admission::Provisional { since, .. } => since,
            Admission::No | Admission::Left { .. } => self.now,
        };
        if until <= self.now {
            return invalid(format!("`{until}` is over"), "name an end to come");
        }
        let last = plus(since, days(PROVISIONAL_DAYS_MAX));
        if until > last {
            let message = format!(
                "a provisional admission since {} ends within {PROVISIONAL_DAYS_MAX} days",
                date_of(since)
            );
            return invalid(message, "name an earlier end, or approve what is missing");
        }
        Ok(true)
    }

    fn check_staying(&self) -> Result<(), DossierRefusal> {
        let leaving = self.dossier.offboarding.as_ref().is_some_and(|leaving| leaving.done.is_none());
        if leaving {
            return conflict("the vendor is being off-boarded", "end the off-boarding, or cancel it");
        }
        Ok(())
    }
}

/// Nothing bad is said of the entity in it.
fn is_sound(record: &EntityRecord) -> bool {
    let standing = matches!(record.standing, EntityStanding::Active | EntityStanding::Unknown);
    let lei =
        matches!(record.lei_status, None | Some(LeiStatus::Issued | LeiStatus::Pending | LeiStatus::Lapsed));
    standing && lei
}

/// Whoever says it, and however it came: with wrong check digits it is somebody else's, or nobody's.
fn check_lei(lei: &str) -> Result<(), DossierRefusal> {
    let hint = "look at the original: a character is mistyped, or two have changed places";
    match Lei::parse(lei) {
        Ok(parsed) if parsed.as_str() == lei => Ok(()),
        Ok(_) => invalid(
            format!("`{}` isn't an LEI in its one form", shown(lei)),
            "write 18 capital letters and digits, and 2 check digits, without spaces",
        ),
        Err(error) => {
            let error = error.to_string();
            let first = error.split_once('\n').map_or(error.as_str(), |(first, _)| first);
            invalid(format!("`{}` is no LEI: {first}", shown(lei)), hint)
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// Whether a source has said nothing new since: when it said it is no news, nor under whose keys people's names are.
fn says_the_same(known: &EntityRecord, record: &EntityRecord) -> bool {
    let people = |record: &EntityRecord| -> Vec<(String, Option<String>)> {
        record.officers.iter().map(|officer| (officer.name.text().to_owned(), officer.role.clone())).collect()
    };
    let rest = EntityRecord { at: known.at, officers: known.officers.clone(), ..record.clone() };
    *known == rest && people(known) == people(record)
}
