//! Exercises: what there is, what was run, and what people answered on paper.

use jiff::Timestamp;
use portcullis_exercise::run::Run;
use portcullis_exercise::span::Span;
use portcullis_exercise::trend::Point;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An exercise that is declared, or the kill drill.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExerciseLine {
    pub name: String,
    pub title: String,
    /// Whether it can be run live.
    pub live: bool,
    /// Whether people can walk through it.
    pub paper: bool,
    /// Name of the vendor that live steps happen to.
    pub canary: String,
    /// Runs that are at hand.
    pub runs: usize,
    /// The newest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Point>,
}

/// A run with its whole result. Texts of people who were erased read `(erased)`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    #[serde(flatten)]
    pub run: Run,
    /// Name of the operator who ran it; none where the drill did it at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A walk through an exercise on paper.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperRequest {
    /// When it began; now without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// In any order.
    pub answers: Vec<PaperAnswer>,
}

/// What somebody says was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperAnswer {
    /// How long after the beginning.
    pub at: Span,
    /// A role of the exercise.
    pub who: String,
    pub did: String,
}

/// What asks for a live run.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LiveRequest {
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// What came of it: a run, or with `dry_run` what would be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LiveOutcome {
    Run(Box<RunView>),
    Plan { lines: Vec<String> },
}

/// A line of the live run that is under way, or was the last one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProgressLine {
    pub text: String,
    /// Whether it came out as it should; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<bool>,
}

/// What asks for a canary.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CanaryRequest {
    /// A tunnel that exercises carry packets through; what the canary has stays without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wireguard: Option<CanaryWireguard>,
}

/// A WireGuard tunnel whose far end is in the process of the canary.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryWireguard {
    /// Our interface, such as `pc-canary`, which whoever runs this machine has made.
    pub interface: String,
    /// UDP port that it is to listen on.
    pub listen_port: u16,
    /// Network of IPv4 inside of the tunnel, such as `10.213.66.0/30`: its first address is the interface's, its second the
    /// canary's.
    pub network: String,
}

/// The answers in a file, as YAML or JSON.
///
/// # Errors
/// What can't be read, with its place where the parser knows it.
pub fn answers(text: &str) -> Result<Vec<PaperAnswer>, String> {
    if text.len() > crate::manifest::FILE_BYTES_MAX {
        return Err(format!("it has more than {} bytes", crate::manifest::FILE_BYTES_MAX));
    }
    serde_saphyr::from_str_with_options(text, crate::manifest::options()).map_err(|error| {
        let told = error.without_snippet().to_string();
        told.lines().next().unwrap_or_default().to_owned()
    })
}
