//! Kind `Exercise`: a scenario, and what is expected of whom.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// Name of the vendor that exercises and the kill drill use where nothing else is said.
pub const CANARY: &str = "canary";

/// What is rehearsed: people walk through it on paper, and where machines can show it, it happens to the canary vendor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExerciseSpec {
    /// What it is about, in a line.
    pub title: String,
    /// What has happened when it begins, for those who take part.
    pub story: String,
    /// What it covers and what it doesn't: who detects what, and what isn't touched.
    pub scope: String,
    /// Name of the vendor that live steps happen to; it must be a canary (`spec.canary` of the vendor).
    #[serde(default = "canary", skip_serializing_if = "is_canary")]
    pub canary: String,
    /// Who takes part on paper, by role and never by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Targets::is_empty")]
    pub targets: Targets,
    /// What those who take part are told, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub injects: Vec<Inject>,
    /// What they should do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expected>,
    /// What they should not do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<Wrong>,
    /// From how many of a hundred points on a grade is given; without any, 90 is A, 75 B, 60 C, 40 D, and less F.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grades: BTreeMap<String, u8>,
    /// What machines do when it is run live; without it, it is for paper only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

/// What is measured, in the order in which it happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Somebody or something has noticed it.
    Detect,
    /// It is decided to sever.
    Decide,
    /// The receipt is there.
    Sever,
    /// Every path was tried again, and refused.
    Verify,
}

impl Milestone {
    pub const ALL: [Self; 4] = [Self::Detect, Self::Decide, Self::Sever, Self::Verify];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Decide => "decide",
            Self::Sever => "sever",
            Self::Verify => "verify",
        }
    }
}

/// How long each may take, when machines do it and when people do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    #[serde(default, skip_serializing_if = "Times::is_empty")]
    pub live: Times,
    #[serde(default, skip_serializing_if = "Times::is_empty")]
    pub paper: Times,
}

impl Targets {
    fn is_empty(&self) -> bool {
        self.live.is_empty() && self.paper.is_empty()
    }
}

/// Each from the end of the one before; detection from the first thing that could be noticed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sever: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Span>,
}

impl Times {
    #[must_use]
    pub fn of(&self, milestone: Milestone) -> Option<Span> {
        match milestone {
            Milestone::Detect => self.detect,
            Milestone::Decide => self.decide,
            Milestone::Sever => self.sever,
            Milestone::Verify => self.verify,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is told to those who take part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// Unique in the exercise, among injects and expected actions.
    pub id: String,
    /// How long after the beginning, or after what `after` names.
    #[serde(default)]
    pub at: Span,
    /// Id of an inject, or of an expected action: then it counts from when that was done, or could be done no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The role that is told; everybody without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub text: String,
}

/// What somebody should do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Unique in the exercise, among injects and expected actions.
    pub id: String,
    /// What is to be done, with the command for it if there is one.
    pub action: String,
    /// Roles of which one should do it; any without a word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Id of the inject that it answers; without one, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How long it may take from that inject on. What comes within twice the time counts as late.
    pub within: Span,
    /// Phrases by which an answer is known to be it: all words of one of them are in it, and none is denied.
    pub recognise: Vec<String>,
    /// What is reached when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<Milestone>,
    /// How much it counts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 100))]
    pub points: u8,
    /// The exercise has failed without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must: bool,
}

/// What somebody should not do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// Phrases by which an answer is known to be it: all words of one of them are in it, and none is denied.
    pub recognise: Vec<String>,
    /// What is wrong about it.
    pub why: String,
    /// How much it costs.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 100))]
    pub points: u8,
}

/// What machines do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// One after the other. What flows from `stream` on goes on beside the later ones.
    pub steps: Vec<LiveStep>,
    /// How the canary is left behind.
    #[serde(default, skip_serializing_if = "Leave::is_restored")]
    pub leave: Leave,
}

/// How the canary is left behind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// Open again, with keys that nobody has had before: by the step `restore`, which comes at the end where there is none.
    #[default]
    Restored,
    /// As it was cut: two people open it again, or the next exercise or kill drill does.
    Severed,
}

impl Leave {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_restored(&self) -> bool {
        *self == Self::Restored
    }
}

/// One step of a live exercise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveStep {
    #[serde(rename = "do")]
    pub what: StepKind,
    /// What is told while it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<String>,
    /// Requests of `work`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000))]
    pub requests: Option<u32>,
    /// Records that `pull` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub records: Option<u32>,
    /// Whose machine it is; the vendor's own without a word.
    #[serde(default, skip_serializing_if = "Actor::is_machine")]
    pub who: Actor,
    /// What should come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Whether its refusal is how the exercise is noticed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detects: bool,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Usual requests, which must be answered.
    Work,
    /// Answers that don't end: a download each over HTTP/1.1 and HTTP/2, an event stream, a WebSocket and a gRPC stream.
    Stream,
    /// An update is delivered as the vendor made it, with its signature.
    Deliver,
    /// An update is delivered that was changed after it was signed.
    DeliverTampered,
    /// The newest update is fetched, and its signature looked at.
    CheckUpdate,
    /// A request for so many records.
    Pull,
    /// A request with a token alone, without the key that it is bound to.
    UseToken,
    /// The vendor's machine tells of a breach of its own by a signed notice, which opens an incident.
    Notice,
    /// From here on no command reaches control, as far as the exercise goes.
    LoseControl,
    RegainControl,
    /// The wrong command first: tokens end, and the machine gets new ones.
    SignOut,
    /// The wrong command first: a target that doesn't exist, as when a name is misspelt.
    SeverMisspelt,
    Sever,
    Verify,
    Restore,
}

impl StepKind {
    pub const ALL: [Self; 15] = [
        Self::Work,
        Self::Stream,
        Self::Deliver,
        Self::DeliverTampered,
        Self::CheckUpdate,
        Self::Pull,
        Self::UseToken,
        Self::Notice,
        Self::LoseControl,
        Self::RegainControl,
        Self::SignOut,
        Self::SeverMisspelt,
        Self::Sever,
        Self::Verify,
        Self::Restore,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Stream => "stream",
            Self::Deliver => "deliver",
            Self::DeliverTampered => "deliver_tampered",
            Self::CheckUpdate => "check_update",
            Self::Pull => "pull",
            Self::UseToken => "use_token",
            Self::Notice => "notice",
            Self::LoseControl => "lose_control",
            Self::RegainControl => "regain_control",
            Self::SignOut => "sign_out",
            Self::SeverMisspelt => "sever_misspelt",
            Self::Sever => "sever",
            Self::Verify => "verify",
            Self::Restore => "restore",
        }
    }

    /// Whether it is something that could be noticed: the first of these starts the clock.
    #[must_use]
    pub fn is_attack(self) -> bool {
        matches!(self, Self::DeliverTampered | Self::Pull | Self::UseToken | Self::Notice | Self::LoseControl)
    }
}

/// Whose machine acts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The vendor's machine as it always is.
    #[default]
    Machine,
    /// Another machine of the vendor, with a key of its own. What `stream` opens is open there.
    Spare,
    /// The same key after a bad update: another TLS client.
    Updated,
    /// Somebody else, at another address, with what was stolen.
    Thief,
}

impl Actor {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_machine(&self) -> bool {
        *self == Self::Machine
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Spare => "spare machine",
            Self::Updated => "updated client",
            Self::Thief => "thief",
        }
    }
}

/// What should come of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// It is answered whole.
    Answered,
    /// The gate refuses it.
    Refused,
    /// The gate lets it begin, and cuts it.
    Cut,
    /// It is refused, or cut, whichever comes first.
    Stopped,
    /// What was looked at isn't what was signed.
    Mismatch,
}

impl Expect {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Stopped => "stopped",
            Self::Mismatch => "mismatch",
        }
    }
}

fn canary() -> String {
    CANARY.to_owned()
}

fn is_canary(name: &str) -> bool {
    name == CANARY
}

fn one() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(points: &u8) -> bool {
    *points == 1
}
