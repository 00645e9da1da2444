//! What came of an exercise: the whole result, as the ledger keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::span::Span;
use crate::spec::{ExerciseSpec, Milestone, Times};

/// Name under which runs of the kill drill are kept.
pub const DRILL: &str = "kill-drill";
/// The most of a list that is kept; what is more is counted in the last line.
pub const LINES_MAX: usize = 100;
const LINE_CHARACTERS_MAX: usize = 400;

/// An exercise that was run to its end, or broken off.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub id: Uuid,
    /// Name of the exercise, or `kill-drill`.
    pub exercise: String,
    pub title: String,
    pub mode: Mode,
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    #[schemars(with = "String")]
    pub finished_at: Timestamp,
    /// Whether it went as it should: nothing that was to hold did not.
    pub passed: bool,
    pub grade: String,
    /// Of a hundred.
    pub points: u8,
    pub measures: Vec<Measure>,
    /// What did not go as it should, in words; empty when it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// What happened, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    /// What was expected of people, and what they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionResult>,
    /// What people did that they shouldn't have, or that nobody had expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherAction>,
    /// Paths that were tried after the receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathTried>,
    /// Id of the severance that the receipt is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severance: Option<Uuid>,
}

/// How it was run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Live,
    Paper,
    /// The kill drill, at its time or by hand.
    Drill,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paper => "paper",
            Self::Drill => "drill",
        }
    }
}

/// How long one milestone took.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    pub milestone: Milestone,
    /// From the end of the one before; none if it was never reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Span>,
}

impl Measure {
    /// Whether it was reached, in time if there is one.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.took_us.is_some_and(|took| self.target.is_none_or(|target| took <= target.micros()))
    }
}

/// One step, live.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    pub what: String,
    /// What came of it.
    pub note: String,
    pub good: bool,
    /// Since the beginning.
    pub began_us: u64,
    pub took_us: u64,
}

/// An expected action.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ActionResult {
    pub id: String,
    pub action: String,
    /// Who should have done it; anybody if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    pub within: Span,
    pub outcome: ActionOutcome,
    /// Role of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How they said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Personal>,
    /// From the inject on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    pub points: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    InTime,
    /// Within twice the time: half the points.
    Late,
    /// By a role that should not have: half the points.
    ByAnother,
    Missed,
}

impl ActionOutcome {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in time",
            Self::Late => "late",
            Self::ByAnother => "by another",
            Self::Missed => "missed",
        }
    }
}

/// What somebody did beside what was expected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OtherAction {
    pub who: String,
    pub said: Personal,
    /// Since the beginning.
    pub at_us: u64,
    /// What is wrong about it, where the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub points: u8,
}

/// A path of the canary that was tried after the receipt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathTried {
    /// Such as `http/1.1 request`, or an arm of the receipt.
    pub path: String,
    /// Closed, as it should be.
    pub closed: bool,
    /// How that shows.
    pub how: String,
    /// Bytes that came over it though they were made after the receipt.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes_after: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(points: &u8) -> bool {
    *points == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}

impl Run {
    /// What people said, which may hold names.
    pub fn personal_mut(&mut self) -> Vec<&mut Personal> {
        let said = self.actions.iter_mut().filter_map(|action| action.said.as_mut());
        said.chain(self.others.iter_mut().map(|other| &mut other.said)).collect()
    }

    #[must_use]
    pub fn measure(&self, milestone: Milestone) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.milestone == milestone)
    }

    /// Milestones that were reached after their time.
    pub fn late(&self) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(|measure| measure.took_us.is_some() && !measure.is_met())
    }

    /// So that no run makes the ledger grow without a limit.
    pub fn bound(&mut self) {
        for line in &mut self.failures {
            cut(line);
        }
        for step in &mut self.steps {
            cut(&mut step.note);
        }
        for path in &mut self.paths {
            cut(&mut path.how);
        }
        if let Some(left_out) = left_out(&mut self.failures) {
            self.failures.push(format!("and {} more", left_out.len()));
        }
        if let Some(left_out) = left_out(&mut self.paths) {
            let open = left_out.iter().filter(|path| !path.is_shut()).count();
            self.paths.push(PathTried {
                path: format!("and {} more", left_out.len()),
                closed: open == 0,
                how: if open == 0 {
                    "all closed".to_owned()
                } else {
                    format!("{open} of them are not closed")
                },
                bytes_after: left_out.iter().map(|path| path.bytes_after).sum(),
            });
        }
        // Of these a scenario has fewer, and a walk hears no more.
        self.steps.truncate(LINES_MAX);
        self.actions.truncate(LINES_MAX);
        self.others.truncate(LINES_MAX);
        for personal in self.personal_mut() {
            if let Personal::Plain(text) = personal {
                cut(text);
            }
        }
    }
}

impl PathTried {
    /// Closed, and nothing came over it that was made after the receipt.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.closed && self.bytes_after == 0
    }
}

/// What has no room beside the line that counts it.
fn left_out<T>(lines: &mut Vec<T>) -> Option<Vec<T>> {
    (lines.len() > LINES_MAX).then(|| lines.split_off(LINES_MAX - 1))
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LINE_CHARACTERS_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

/// The measures of what was reached when: each counts from the one before that was reached.
#[must_use]
pub fn measures(
    begin_us: u64,
    reached: &BTreeMap<Milestone, u64>,
    wanted: &[Milestone],
    targets: &Times,
) -> Vec<Measure> {
    let mut last = begin_us;
    let mut all = Vec::new();
    for milestone in Milestone::ALL {
        let at = reached.get(&milestone).copied();
        let took_us = at.map(|at| at.saturating_sub(last));
        last = at.unwrap_or(last).max(last);
        if wanted.contains(&milestone) {
            all.push(Measure { milestone, took_us, target: targets.of(milestone) });
        }
    }
    all
}

/// The grade that so many points of a hundred are worth.
#[must_use]
pub fn grade(spec: Option<&ExerciseSpec>, points: u8) -> String {
    let own = spec.map(|spec| &spec.grades).filter(|grades| !grades.is_empty());
    let best = match own {
        Some(grades) => grades.iter().map(|(grade, from)| (grade.as_str(), *from)).collect::<Vec<_>>(),
        None => vec![("A", 90), ("B", 75), ("C", 60), ("D", 40)],
    };
    let reached = best.into_iter().filter(|(_, from)| points >= *from).max_by_key(|(_, from)| *from);
    reached.map_or_else(|| "F".to_owned(), |(grade, _)| grade.to_owned())
}
