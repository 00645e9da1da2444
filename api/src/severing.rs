//! Severing and restoring.

use jiff::Timestamp;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, RestoreId, SeveranceId};
use portcullis_domain::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeverRequest {
    /// `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`.
    pub target: String,
    /// Why, for those who read it at night.
    #[serde(default)]
    pub reason: String,
    /// Say what would stop, and stop nothing. A reason is not needed then.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a severance came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum SeverAnswer {
    /// Every gate has confirmed, and the ledger holds it.
    #[serde(rename = "severed")]
    Severed,
    /// Every gate has confirmed, and the reserve file holds it until the ledger can be written.
    #[serde(rename = "severed, reserved")]
    SeveredReserved,
    /// The paths are closed, but nothing holds it over a restart yet.
    #[serde(rename = "cut, not recorded")]
    CutNotRecorded,
    /// The ledger or the reserve file holds it, but a gate has not confirmed: see `gates_silent`.
    #[serde(rename = "recorded, not confirmed")]
    RecordedNotConfirmed,
}

impl SeverAnswer {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Severed => "severed",
            Self::SeveredReserved => "severed, reserved",
            Self::CutNotRecorded => "cut, not recorded",
            Self::RecordedNotConfirmed => "recorded, not confirmed",
        }
    }
}

/// The proof of a severance, for its file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub severance: SeveranceId,
    /// As a person writes it.
    pub target: String,
    pub target_id: Target,
    pub answer: SeverAnswer,
    pub reason: String,
    /// Name of the operator.
    pub by: String,
    #[schemars(with = "String")]
    pub requested_at: Timestamp,
    #[schemars(with = "String")]
    pub finished_at: Timestamp,
    /// From the request's arrival to the last gate's word and the commit.
    pub took_us: u64,
    pub recorded: Recorded,
    pub gates: Vec<GateReceipt>,
    /// Gates that did not confirm in time: what is open there may not be closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_silent: Vec<String>,
    pub connections_total: u64,
    pub exchanges_total: u64,
    /// Thumbprints that are refused from now on.
    pub keys_refused: Vec<String>,
    /// What this version can't close.
    pub absent_arms: Vec<AbsentArm>,
    /// Whether the installation has one operator only, so that a restoration has no second person.
    pub single_operator: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where the severance is held.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Its place in the ledger, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_sequence: Option<u64>,
}

/// What one gate has closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GateReceipt {
    pub gate: String,
    /// Cores that confirmed: all of them.
    pub cores: u32,
    /// From the order's arrival at the gate to the last core's word.
    pub took_us: u64,
    pub connections: Vec<CutConnectionView>,
}

/// One connection that was reset.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CutConnectionView {
    pub client: ClientId,
    pub client_name: String,
    pub peer: String,
    /// `http/1.1` or `h2`.
    pub protocol: String,
    /// Exchanges that were under way on it, by decision id.
    pub exchanges: Vec<DecisionId>,
    /// Microseconds after the order's arrival.
    pub after_us: u64,
}

/// A way of closing that is not there, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AbsentArm {
    /// `tunnels`, `packets` or `sockets`.
    pub arm: String,
    pub why: String,
}

/// What would stop.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeverPreview {
    pub target: String,
    pub target_id: Target,
    /// Names of the clients whose paths would close.
    pub clients: Vec<String>,
    /// Names of the routes that would lose a caller.
    pub routes: Vec<String>,
    /// Severances that close the target already.
    pub open: Vec<SeveranceView>,
    pub absent_arms: Vec<AbsentArm>,
    /// Whether two people are needed to restore it.
    pub restore_needs_two: bool,
    pub single_operator: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What asking to sever answers: a receipt, or with `dry_run` what would stop.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SeverOutcome {
    Severed(Box<Receipt>),
    Preview(Box<SeverPreview>),
}

/// A severance in force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeveranceView {
    pub id: SeveranceId,
    pub target: String,
    pub target_id: Target,
    pub epoch: u64,
    pub keys: Vec<String>,
    pub cause: CauseView,
    #[schemars(with = "String")]
    pub time: Timestamp,
}

/// Who or what severed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum CauseView {
    Operator {
        /// Name, or the id of an operator who is gone.
        operator: String,
        reason: String,
    },
    /// A response passed the records limit.
    RecordLimit { decision: DecisionId },
    /// A gate closed a context by itself, for this reason code.
    Risk { decision: DecisionId, reason: String },
    /// Keys were revoked, for good.
    Revoked { operator: String, reason: String },
    /// A key that had been replaced tried to register another one.
    KeyTheft { key: String, next_key: String },
    /// A gate remembered it, and a ledger that was brought back from a backup did not.
    GateMemory { gate: String, version: u64 },
}

/// Everything that is closed, and what is proposed to be opened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeverancesView {
    pub open: Vec<SeveranceView>,
    pub proposals: Vec<ProposalView>,
    pub single_operator: bool,
}

/// A proposal to restore, waiting for its second person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProposalView {
    pub id: RestoreId,
    pub target: String,
    pub target_id: Target,
    pub severances: Vec<SeveranceId>,
    pub proposed_by: String,
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    pub target: String,
    /// Id of the proposal to confirm; without one, a proposal is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<RestoreId>,
}

/// What came of asking to restore.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum RestoreAnswer {
    /// Nothing is open yet.
    Proposed {
        id: RestoreId,
        target: String,
        severances: Vec<SeveranceId>,
        #[schemars(with = "String")]
        expires_at: Timestamp,
        /// Who must do what next.
        needs: String,
        single_operator: bool,
    },
    /// The paths are open, as far as their keys are.
    Restored {
        id: RestoreId,
        target: String,
        severances: Vec<SeveranceId>,
        epoch: u64,
        proposed_by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed_by: Option<String>,
        /// Thumbprints that are accepted again.
        keys_accepted: Vec<String>,
        single_operator: bool,
        next_steps: Vec<String>,
    },
}
