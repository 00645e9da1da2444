//! Folding a change in: total, and without any judgement.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_ids::ids::TaskId;

use super::clock::{Clock, Met};
use super::{Closing, Decision, Given, Incident, Line, Task};
use crate::change::{Change, ClockName, Entry, Opening};
use crate::due::{Within, shown};

impl Incident {
    /// An incident at its beginning.
    #[must_use]
    pub fn open(opening: &Opening) -> Self {
        let regimes = opening.regimes.iter().map(|taken| (taken.regime.id.clone(), taken.clone())).collect();
        Self {
            id: opening.id,
            number: opening.number,
            vendor: opening.vendor,
            title: opening.title.clone(),
            severity: opening.severity,
            origin: opening.origin.clone(),
            exercise: opening.exercise.clone(),
            opened_at: opening.time,
            opened_by: opening.by,
            version: 1,
            roles: BTreeMap::new(),
            timeline: vec![Line {
                at: opening.time,
                recorded: opening.time,
                by: opening.by,
                text: format!("opened: {}", opening.title),
            }],
            decisions: Vec::new(),
            tasks: BTreeMap::new(),
            moments: BTreeMap::new(),
            regimes,
            clocks: BTreeMap::new(),
            notices: Vec::new(),
            severances: match opening.origin {
                crate::change::Origin::Severance { severance, .. } => vec![severance],
                _ => Vec::new(),
            },
            cut_at: match opening.origin {
                crate::change::Origin::Severance { at, .. } => Some(at.unwrap_or(opening.time)),
                _ => None,
            },
            told: BTreeSet::new(),
            closed: None,
        }
    }

    /// Folds a change in; it can't fail.
    pub fn apply(&mut self, entry: &Entry) {
        self.version += 1;
        if let Some((at, text)) = line(&entry.change, entry.time, &self.tasks) {
            self.timeline.push(Line { at, recorded: entry.time, by: entry.by, text });
        }
        match &entry.change {
            Change::RoleGiven { role, person } => {
                let given = Given { person: person.clone(), by: entry.by, at: entry.time };
                self.roles.insert(*role, given);
            }
            Change::Noted { .. } => {}
            Change::Decided { what, why } => self.decisions.push(Decision {
                what: what.clone(),
                why: why.clone(),
                by: entry.by,
                at: entry.time,
            }),
            Change::TaskOpened { id, title, owner, due } => {
                let task = Task {
                    title: title.clone(),
                    owner: owner.clone(),
                    due: *due,
                    opened_at: entry.time,
                    done: None,
                };
                self.tasks.insert(*id, task);
            }
            Change::TaskDone { id } => {
                if let Some(task) = self.tasks.get_mut(id) {
                    task.done = Some((entry.time, entry.by));
                }
            }
            Change::SeverityChanged { severity, .. } => self.severity = *severity,
            Change::MomentRecorded { moment, at, .. } => {
                let known = self.moments.entry(moment.clone()).or_insert(*at);
                *known = (*at).min(*known);
            }
            Change::RegimeTaken { taken } => {
                self.regimes.entry(taken.regime.id.clone()).or_insert_with(|| (**taken).clone());
            }
            Change::NoticeReceived { notice } => self.notices.push((**notice).clone()),
            Change::SeveranceLinked { severance, at } => {
                self.severances.push(*severance);
                let at = at.unwrap_or(entry.time);
                self.cut_at = Some(self.cut_at.map_or(at, |known| known.min(at)));
            }
            Change::Told { what } => {
                self.told.insert(what.clone());
            }
            Change::Closed { summary } => {
                let summary = summary.clone();
                self.closed = Some(Closing { at: entry.time, by: entry.by, summary });
            }
            Change::Reopened { .. } => self.closed = None,
            Change::ClockStarted { clock, from, due, zone, within } => {
                self.apply_started(clock, (*from, *due), (zone, *within), entry.time);
            }
            Change::ClockMet { .. }
            | Change::ClockMissed { .. }
            | Change::ClockSetAside { .. }
            | Change::ClockTakenUp { .. } => self.apply_clock(entry),
        }
    }

    /// Never to later: an earlier start moves it to earlier, whatever the two due moments are.
    fn apply_started(
        &mut self,
        name: &ClockName,
        (from, due): (Timestamp, Timestamp),
        (zone, within): (&str, Within),
        at: Timestamp,
    ) {
        let new = Clock {
            from,
            due,
            zone: zone.to_owned(),
            within,
            started_at: at,
            met: None,
            missed_at: None,
            set_aside: None,
        };
        let clock = self.clocks.entry(name.clone()).or_insert(new);
        clock.from = clock.from.min(from);
        clock.due = clock.due.min(due);
    }

    fn apply_clock(&mut self, entry: &Entry) {
        let (Change::ClockMet { clock, .. }
        | Change::ClockMissed { clock, .. }
        | Change::ClockSetAside { clock, .. }
        | Change::ClockTakenUp { clock, .. }) = &entry.change
        else {
            return;
        };
        let Some(clock) = self.clocks.get_mut(clock) else { return };
        match &entry.change {
            Change::ClockMet { at, reference, .. } => {
                let met = Met { at: *at, reference: reference.clone(), by: entry.by };
                clock.met.get_or_insert(met);
            }
            Change::ClockMissed { .. } => {
                clock.missed_at.get_or_insert(entry.time);
            }
            Change::ClockSetAside { reason, .. } => {
                clock.set_aside = Some((reason.clone(), entry.by, entry.time));
            }
            Change::ClockTakenUp { .. } => clock.set_aside = None,
            _ => {}
        }
    }
}

/// How a change stands in the timeline: when it was, and what.
fn line(change: &Change, time: Timestamp, tasks: &BTreeMap<TaskId, Task>) -> Option<(Timestamp, String)> {
    let text = match change {
        Change::RoleGiven { role, .. } => format!("role `{}` given", role.name()),
        Change::Noted { text, at } => return Some((*at, text.clone())),
        Change::Decided { what, why } => format!("decided: {what}, because {why}"),
        Change::TaskOpened { title, .. } => format!("task: {title}"),
        Change::TaskDone { id } => match tasks.get(id) {
            Some(task) => format!("task done: {}", task.title),
            None => format!("task {id} done"),
        },
        Change::SeverityChanged { severity, reason } => format!("severity {}: {reason}", severity.name()),
        Change::MomentRecorded { moment, at, why } => {
            return Some((*at, format!("{}: {why}", moment.meaning())));
        }
        Change::RegimeTaken { taken } => {
            format!("`{}` applies: {}", taken.regime.id, taken.regime.basis.citation)
        }
        Change::ClockStarted { clock, from, due, within, .. } => {
            return Some((*from, format!("clock {clock} runs: {}, due {}", within.in_words(), shown(*due))));
        }
        Change::ClockMet { clock, at, reference } => {
            return Some((*at, format!("clock {clock} met: {reference}")));
        }
        Change::ClockMissed { clock, due } => return Some((*due, format!("clock {clock} missed"))),
        Change::ClockSetAside { clock, reason } => format!("clock {clock} doesn't bind us: {reason}"),
        Change::ClockTakenUp { clock, reason } => format!("clock {clock} binds us: {reason}"),
        Change::NoticeReceived { notice } => {
            return Some((
                notice.received,
                format!("the vendor's notice `{}`: {}", notice.reference, notice.what),
            ));
        }
        Change::SeveranceLinked { severance, at } => {
            return Some((at.unwrap_or(time), format!("severed: severance {severance}")));
        }
        // What was said to people is in their mail.
        Change::Told { .. } => return None,
        Change::Closed { summary } => format!("closed: {summary}"),
        Change::Reopened { reason } => format!("opened again: {reason}"),
    };
    Some((time, text))
}
