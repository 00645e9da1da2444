//! Many runs beside each other: whether it gets better.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::run::{Mode, Run};
use crate::span::Span;
use crate::spec::Milestone;

/// Runs of one exercise in one mode: what machines do isn't compared with what people do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    pub exercise: String,
    pub title: String,
    pub mode: Mode,
    /// The oldest first.
    pub runs: Vec<Point>,
    pub passed: usize,
    pub milestones: Vec<MilestoneTrend>,
}

/// A run in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    pub id: Uuid,
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    pub passed: bool,
    pub grade: String,
    pub points: u8,
    /// What went wrong first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How long one milestone took, over the runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MilestoneTrend {
    pub milestone: Milestone,
    /// In the order of the runs; none where it was never reached.
    pub took_us: Vec<Option<u64>>,
    /// That of the newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_us: Option<u64>,
    /// How many runs reached it in the time that they had.
    pub met: usize,
    pub direction: Direction,
}

/// The newer half of the runs beside the older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Too few runs to say.
    Unknown,
    Faster,
    Slower,
    /// Within a tenth of each other.
    Steady,
}

impl Direction {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "-",
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Steady => "steady",
        }
    }
}

/// A trend for each exercise and mode, by name; `runs` in the order in which they began.
#[must_use]
pub fn trends<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<Trend> {
    let mut grouped: std::collections::BTreeMap<(&str, Mode), Vec<&Run>> = std::collections::BTreeMap::new();
    for run in runs {
        grouped.entry((&run.exercise, run.mode)).or_default().push(run);
    }
    let of_group = |((exercise, mode), mut runs): ((&str, Mode), Vec<&Run>)| {
        runs.sort_by_key(|run| run.started_at);
        let milestones = Milestone::ALL.into_iter().filter_map(|milestone| over(milestone, &runs));
        Trend {
            exercise: exercise.to_owned(),
            title: runs.last().map(|run| run.title.clone()).unwrap_or_default(),
            mode,
            passed: runs.iter().filter(|run| run.passed).count(),
            milestones: milestones.collect(),
            runs: runs.iter().map(|run| point(run)).collect(),
        }
    };
    grouped.into_iter().map(of_group).collect()
}

fn point(run: &Run) -> Point {
    Point {
        id: run.id,
        started_at: run.started_at,
        passed: run.passed,
        grade: run.grade.clone(),
        points: run.points,
        failure: run.failures.first().cloned(),
    }
}

/// None if no run measures it.
fn over(milestone: Milestone, runs: &[&Run]) -> Option<MilestoneTrend> {
    let measured: Vec<_> = runs.iter().map(|run| run.measure(milestone)).collect();
    let newest = measured.iter().rev().find_map(|measure| *measure)?;
    let took_us: Vec<Option<u64>> =
        measured.iter().map(|measure| measure.and_then(|measure| measure.took_us)).collect();
    let known: Vec<u64> = took_us.iter().flatten().copied().collect();
    Some(MilestoneTrend {
        milestone,
        target: newest.target,
        median_us: median(&known),
        worst_us: known.iter().copied().max(),
        met: measured.iter().flatten().filter(|measure| measure.is_met()).count(),
        direction: direction(&known),
        took_us,
    })
}

fn direction(known: &[u64]) -> Direction {
    let (older, newer) = known.split_at(known.len() / 2);
    if older.len() < 2 {
        return Direction::Unknown;
    }
    let (Some(older), Some(newer)) = (median(older), median(newer)) else { return Direction::Unknown };
    if newer.abs_diff(older) <= older / 10 {
        Direction::Steady
    } else if newer < older {
        Direction::Faster
    } else {
        Direction::Slower
    }
}

/// The lower one of the two in the middle.
fn median(known: &[u64]) -> Option<u64> {
    let mut sorted = known.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
