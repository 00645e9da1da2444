//! A paper run: what is told when, and what people's answers are worth.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_ids::personal::Personal;
use uuid::Uuid;

use crate::recognise::recognised;
use crate::run::{ActionOutcome, ActionResult, LINES_MAX, Mode, OtherAction, Run, grade, measures};
use crate::spec::{ExerciseSpec, Expected, Inject, Milestone};

/// An answer is a line or two.
pub const ANSWER_BYTES_MAX: usize = 2_000;

/// A walk through a scenario. Times are since its beginning; they come in from outside and may run faster than a clock.
pub struct Walk {
    spec: ExerciseSpec,
    /// When each inject was told.
    told: BTreeMap<String, Duration>,
    /// When each expected action was done, by whom, and in which words.
    done: BTreeMap<String, Done>,
    others: Vec<OtherAction>,
}

struct Done {
    at: Duration,
    who: String,
    said: String,
}

/// What an answer came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Expected actions that it is, with how well.
    pub is: Vec<(String, ActionOutcome)>,
    /// What is wrong about it.
    pub wrong: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WalkError {
    #[error("nobody takes part as `{role}`\nhint: roles: {}", known.join(", "))]
    Role { role: String, known: Vec<String> },
    #[error("the answer is empty, or has more than {ANSWER_BYTES_MAX} bytes")]
    Answer,
    #[error("there are {LINES_MAX} answers already, which is the most")]
    Many,
}

impl Walk {
    #[must_use]
    pub fn new(spec: ExerciseSpec) -> Self {
        Self { spec, told: BTreeMap::new(), done: BTreeMap::new(), others: Vec::new() }
    }

    #[must_use]
    pub fn spec(&self) -> &ExerciseSpec {
        &self.spec
    }

    /// The injects that are due at `now` and weren't told yet, in the order in which they are due.
    pub fn due(&mut self, now: Duration) -> Vec<(Duration, Inject)> {
        let mut all = Vec::new();
        loop {
            let next = self.next_inject().filter(|(at, _)| *at <= now);
            let Some((at, inject)) = next else { return all };
            let inject = inject.clone();
            self.told.insert(inject.id.clone(), at);
            all.push((at, inject));
        }
    }

    /// The next moment at which something happens by itself: an inject is due, or the time for an action is over.
    #[must_use]
    pub fn next_at(&self, now: Duration) -> Option<Duration> {
        let inject = self.next_inject().map(|(at, _)| at);
        let ends = self.open().filter_map(|expected| self.over_at(expected)).filter(|at| *at > now).min();
        inject.into_iter().chain(ends).min()
    }

    /// What is expected of somebody now, and until when it counts in full.
    pub fn open(&self) -> impl Iterator<Item = &Expected> {
        self.spec
            .expect
            .iter()
            .filter(|expected| !self.done.contains_key(&expected.id) && self.asked_at(expected).is_some())
    }

    /// Everything was told, and everything was done or can't be done any more.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        self.next_inject().is_none()
            && self.spec.expect.iter().all(|expected| {
                let over = self.over_at(expected).is_none_or(|over| over <= now);
                self.done.contains_key(&expected.id) || over
            })
    }

    /// Somebody says what was done.
    ///
    /// # Errors
    /// The role takes no part, or the answer is none; nothing was taken down then.
    pub fn hear(&mut self, now: Duration, who: &str, said: &str) -> Result<Heard, WalkError> {
        if !self.spec.roles.iter().any(|role| role == who) {
            return Err(WalkError::Role { role: who.to_owned(), known: self.spec.roles.clone() });
        }
        if said.trim().is_empty() || said.len() > ANSWER_BYTES_MAX {
            return Err(WalkError::Answer);
        }
        if self.others.len() >= LINES_MAX {
            return Err(WalkError::Many);
        }
        let met: Vec<Expected> = self
            .open()
            .filter(|expected| self.over_at(expected).is_some_and(|over| now < over))
            .filter(|expected| recognised(&expected.recognise, said))
            .cloned()
            .collect();
        let mut heard = Heard { is: Vec::new(), wrong: Vec::new() };
        for expected in met {
            let done = Done { at: now, who: who.to_owned(), said: said.to_owned() };
            heard.is.push((expected.id.clone(), self.outcome(&expected, Some(&done))));
            self.done.insert(expected.id, done);
        }
        let wrong: Vec<_> =
            self.spec.wrong.iter().filter(|wrong| recognised(&wrong.recognise, said)).cloned().collect();
        let at_us = micros(now);
        let other = |wrong: Option<String>, points| OtherAction {
            who: who.to_owned(),
            said: Personal::Plain(said.to_owned()),
            at_us,
            wrong,
            points,
        };
        if wrong.is_empty() && heard.is.is_empty() {
            self.others.push(other(None, 0));
        }
        for wrong in wrong {
            // The same mistake costs once.
            let again = self.others.iter().any(|known| known.wrong.as_ref() == Some(&wrong.why));
            self.others.push(other(Some(wrong.why.clone()), if again { 0 } else { wrong.points }));
            heard.wrong.push(wrong.why);
        }
        Ok(heard)
    }

    /// The whole result. What is still open counts as missed.
    #[must_use]
    pub fn finish(self, id: Uuid, exercise: &str, times: (Timestamp, Timestamp)) -> Run {
        let mut actions = Vec::new();
        let (mut full, mut got) = (0, 0);
        let (mut failures, mut reached) = (Vec::new(), BTreeMap::new());
        for expected in &self.spec.expect {
            let done = self.done.get(&expected.id);
            let outcome = self.outcome(expected, done);
            // In halves of a point.
            full += 2 * u32::from(expected.points);
            got += u32::from(expected.points)
                * match outcome {
                    ActionOutcome::InTime => 2,
                    ActionOutcome::Late | ActionOutcome::ByAnother => 1,
                    ActionOutcome::Missed => 0,
                };
            if expected.must && outcome == ActionOutcome::Missed {
                failures.push(format!("`{}` was not done: {}", expected.id, expected.action));
            }
            if let (Some(milestone), Some(done)) = (expected.milestone, done) {
                reached.insert(milestone, micros(done.at));
            }
            let asked = self.asked_at(expected);
            actions.push(ActionResult {
                id: expected.id.clone(),
                action: expected.action.clone(),
                by: expected.by.clone(),
                within: expected.within,
                outcome,
                who: done.map(|done| done.who.clone()),
                said: done.map(|done| Personal::Plain(done.said.clone())),
                took_us: done.zip(asked).map(|(done, asked)| micros(done.at.saturating_sub(asked))),
                points: expected.points,
                must: expected.must,
            });
        }
        let lost: u32 = self.others.iter().map(|other| 2 * u32::from(other.points)).sum();
        let points = u8::try_from(got.saturating_sub(lost) * 100 / full.max(1)).unwrap_or(0);
        let wanted: Vec<Milestone> =
            self.spec.expect.iter().filter_map(|expected| expected.milestone).collect();
        let passed = failures.is_empty();
        let mut run = Run {
            id,
            exercise: exercise.to_owned(),
            title: self.spec.title.clone(),
            mode: Mode::Paper,
            started_at: times.0,
            finished_at: times.1,
            passed,
            grade: if passed { grade(Some(&self.spec), points) } else { "F".to_owned() },
            points,
            measures: measures(0, &reached, &wanted, &self.spec.targets.paper),
            failures,
            steps: Vec::new(),
            actions,
            others: self.others,
            paths: Vec::new(),
            severance: None,
        };
        run.bound();
        run
    }

    /// The first inject that wasn't told yet and whose time is known.
    fn next_inject(&self) -> Option<(Duration, &Inject)> {
        let waiting = self.spec.injects.iter().filter(|inject| !self.told.contains_key(&inject.id));
        waiting.filter_map(|inject| Some((self.due_at(inject)?, inject))).min_by_key(|(at, _)| *at)
    }

    fn due_at(&self, inject: &Inject) -> Option<Duration> {
        let from = match &inject.after {
            None => Duration::ZERO,
            Some(after) => match self.spec.expect.iter().find(|expected| expected.id == *after) {
                // Nobody waits for ever for what wasn't done.
                Some(expected) => {
                    self.done.get(after).map(|done| done.at).or_else(|| self.over_at(expected))?
                }
                None => *self.told.get(after)?,
            },
        };
        Some(from.saturating_add(inject.at.duration()))
    }

    /// When the inject was told that an action answers.
    fn asked_at(&self, expected: &Expected) -> Option<Duration> {
        let first = self.spec.injects.first().map(|inject| inject.id.as_str());
        self.told.get(expected.after.as_deref().or(first)?).copied()
    }

    /// From when on an action counts no more.
    fn over_at(&self, expected: &Expected) -> Option<Duration> {
        Some(self.asked_at(expected)?.saturating_add(expected.within.duration() * 2))
    }

    fn outcome(&self, expected: &Expected, done: Option<&Done>) -> ActionOutcome {
        let (Some(done), Some(asked)) = (done, self.asked_at(expected)) else {
            return ActionOutcome::Missed;
        };
        if done.at > asked.saturating_add(expected.within.duration()) {
            ActionOutcome::Late
        } else if !expected.by.is_empty() && !expected.by.contains(&done.who) {
            ActionOutcome::ByAnother
        } else {
            ActionOutcome::InTime
        }
    }
}

fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
