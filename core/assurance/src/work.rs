//! What is to be done about a vendor by when, and what people are told of it.

mod reminder;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use reminder::Reminder;

use crate::assessment::StepState;
use crate::days::date_of;
use crate::dossier::Dossier;
use crate::request::RequestState;
use crate::stops::{Held, Known, Stop, WARNED_DAYS, at, warnings};

/// From so many days after its end on, whoever answers for the vendor is told.
pub const ESCALATED_DAYS: i64 = 7;

/// Something that somebody has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    pub kind: WorkKind,
    /// In the dossier.
    pub id: String,
    pub title: String,
    pub owner: Option<String>,
    /// Its last day, in UTC.
    pub due: Option<Date>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    Task,
    Step,
    /// Of evidence, of the vendor.
    Request,
    Finding,
    Audit,
}

impl WorkKind {
    pub const ALL: [Self; 5] = [Self::Task, Self::Step, Self::Request, Self::Finding, Self::Audit];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Step => "step",
            Self::Request => "request",
            Self::Finding => "finding",
            Self::Audit => "audit",
        }
    }
}

impl Work {
    /// Days that are left: 0 on the last one, fewer when it is overdue.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        let left = date_of(now).until(self.due?).ok()?;
        Some(i64::from(left.get_days()))
    }
}

/// What is open, the most pressing first; what has no end comes last.
#[must_use]
pub fn open(dossier: &Dossier) -> Vec<Work> {
    let tasks = dossier.tasks.iter().filter(|(_, task)| task.done_at.is_none());
    let tasks = tasks.map(|(id, task)| of(WorkKind::Task, id, &task.title, &task.owner, task.due));
    let steps = dossier.steps.iter().filter(|(_, standing)| standing.state != StepState::Approved);
    let steps = steps.map(|(step, standing)| {
        let title = format!("step {} of the assessment", step.name());
        of(WorkKind::Step, &step.name(), &title, &standing.owner, standing.due)
    });
    let requests = dossier.requests.iter().filter(|(_, asked)| asked.state == RequestState::Open);
    let requests = requests.map(|(id, asked)| {
        let title = format!("evidence that was asked for: {}", asked.request.wanted);
        of(WorkKind::Request, id, &title, &None, Some(asked.request.due))
    });
    let findings = dossier.findings.iter().filter(|(_, finding)| finding.closed.is_none());
    let findings =
        findings.map(|(id, found)| of(WorkKind::Finding, id, &found.title, &found.owner, found.due));
    let audits = dossier.audits.iter().filter(|(_, audit)| audit.due.is_some());
    let audits = audits
        .map(|(id, audit)| of(WorkKind::Audit, id, &format!("audit: {}", audit.scope), &None, audit.due));
    let mut open: Vec<Work> = tasks.chain(steps).chain(requests).chain(findings).chain(audits).collect();
    open.sort_by(|one, other| {
        let key = |work: &Work| (work.due.unwrap_or(Date::MAX), work.kind);
        key(one).cmp(&key(other)).then_with(|| one.id.cmp(&other.id))
    });
    open
}

fn of(kind: WorkKind, id: &impl ToString, title: &str, owner: &Option<String>, due: Option<Date>) -> Work {
    Work { kind, id: id.to_string(), title: title.to_owned(), owner: owner.clone(), due }
}

/// What is to be said at `now`, and has not been: stops that began or ended, stops that will, and what is due.
///
/// What was said is a change of the dossier ([`crate::change::Change::Reminded`]), so that nothing is said twice,
/// whatever stops in between.
#[must_use]
pub fn reminders(known: &Known<'_>, now: Timestamp) -> Vec<Reminder> {
    let said = &known.dossier.reminded;
    let turned = turned(known.dossier, &at(known, now), now);
    let warned = warnings(known, now).into_iter().map(|warning| Reminder::Warned {
        stop: warning.stop,
        subject: warning.subject,
        at: warning.at,
        days: warning.days,
    });
    let due = open(known.dossier).into_iter().filter_map(|work| due(&work, now)).flatten();
    let fresh = warned.chain(due).filter(|reminder| !said.contains(&reminder.to_string()));
    turned.into_iter().chain(fresh).collect()
}

/// Of one piece of work the newest words whose time it is.
fn due(work: &Work, now: Timestamp) -> Option<Vec<Reminder>> {
    let (due, left) = (work.due?, work.days_left(now)?);
    let (kind, id) = (work.kind, work.id.clone());
    if left >= 0 {
        let days = WARNED_DAYS.into_iter().rev().find(|days| left <= i64::from(*days))?;
        return Some(vec![Reminder::Due { kind, id, due, days }]);
    }
    let mut words = vec![Reminder::Overdue { kind, id: id.clone(), due }];
    if -left > ESCALATED_DAYS {
        words.push(Reminder::Escalated { kind, id, due });
    }
    Some(words)
}

/// What holds now, beside what was said last of each stop.
fn turned(dossier: &Dossier, held: &[Held], now: Timestamp) -> Vec<Reminder> {
    let told = told(dossier);
    let holds = |stop: Stop, subject: &Option<String>| {
        held.iter().any(|held| held.stop == stop && held.subject == *subject)
    };
    let began = held
        .iter()
        .filter(|held| !told.get(&(held.stop, held.subject.clone())).is_some_and(|(_, began)| *began));
    let mut turned: Vec<Reminder> = Vec::new();
    for held in began {
        let reminder = Reminder::StopBegan { stop: held.stop, subject: held.subject.clone(), at: now };
        // Several facts may come to one stop of one subject.
        if !turned.contains(&reminder) {
            turned.push(reminder);
        }
    }
    let over = told.iter().filter(|((stop, subject), (_, began))| *began && !holds(*stop, subject));
    turned.extend(over.map(|((stop, subject), _)| Reminder::StopEnded {
        stop: *stop,
        subject: subject.clone(),
        at: now,
    }));
    turned
}

/// When each stop turned last, and whether it began then.
fn told(dossier: &Dossier) -> BTreeMap<(Stop, Option<String>), (Timestamp, bool)> {
    let mut told = BTreeMap::new();
    let stops = dossier.reminded.iter().filter(|words| words.starts_with("stop "));
    for reminder in stops.filter_map(|words| Reminder::parse(words)) {
        let (key, word) = match reminder {
            Reminder::StopBegan { stop, subject, at } => ((stop, subject), (at, true)),
            Reminder::StopEnded { stop, subject, at } => ((stop, subject), (at, false)),
            _ => continue,
        };
        let last = told.entry(key).or_insert(word);
        *last = word.max(*last);
    }
    told
}

#[cfg(test)]
mod tests;
