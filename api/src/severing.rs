//! Severing and restoring.

use jiff::Timestamp;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, RestoreId, SeveranceId};
use portcullis_domain::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::telling::{TellingView, ToldCount};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeverRequest {
    /// `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`.
    pub target: String,
    /// Why, for those who read it at night.
    #[serde(default)]
    pub reason: String,
    /// What the vendor's people are told of it, in these words; nothing of `reason` is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<String>,
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
    /// Every gate has confirmed, but a tunnel or a network is not verified closed: see `arms`. It is tried on.
    #[serde(rename = "severed, not everywhere")]
    NotEverywhere,
    /// In a later receipt alone: arms that had failed have closed their paths. It says nothing of gates and the ledger.
    #[serde(rename = "arm closed")]
    ArmClosed,
}

impl SeverAnswer {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Severed => "severed",
            Self::SeveredReserved => "severed, reserved",
            Self::CutNotRecorded => "cut, not recorded",
            Self::RecordedNotConfirmed => "recorded, not confirmed",
            Self::NotEverywhere => "severed, not everywhere",
            Self::ArmClosed => "arm closed",
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
    /// From the request's arrival to the last word of gates, ledger and arms.
    pub took_us: u64,
    /// The same to the last gate's word, as the others are closed and recorded at the same time.
    #[serde(default)]
    pub gates_took_us: u64,
    /// The same until it was on the disk, in the ledger or the reserve.
    #[serde(default)]
    pub recorded_took_us: u64,
    pub recorded: Recorded,
    pub gates: Vec<GateReceipt>,
    /// Gates that did not confirm in time: what is open there may not be closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_silent: Vec<String>,
    pub connections_total: u64,
    pub exchanges_total: u64,
    /// Thumbprints that are refused from now on.
    pub keys_refused: Vec<String>,
    /// What was closed beside the gate, arm by arm: tunnels, packets, sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<ArmReceipt>,
    /// Addresses that others come from, too: these are closed at the gate only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_addresses: Vec<SharedAddress>,
    /// How many there are, where a signed receipt lists less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_addresses_total: Option<u64>,
    /// Ways of closing that this installation doesn't have.
    pub absent_arms: Vec<AbsentArm>,
    /// Whether the installation has one operator only, so that a restoration has no second person.
    pub single_operator: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Who at the vendor is told. In the answer alone: what is signed names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<TellingView>,
}

/// Where the severance is held.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Its place in the ledger, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_sequence: Option<u64>,
    /// Place of the signed receipt, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_sequence: Option<u64>,
}

/// What one arm has closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArmReceipt {
    /// `ipsec`, `wireguard`, `packets` or `sockets`.
    pub arm: String,
    pub outcome: ArmVerdict,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub paths: Vec<PathReceipt>,
    /// How many there are, where a signed receipt lists less; those that aren't verified come first there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths_total: Option<u64>,
    /// How often it was tried.
    pub attempts: u32,
    /// From the order's arrival at the enforcer.
    pub took_us: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArmVerdict {
    /// Each path was looked at, and is closed.
    Closed,
    /// There was no path of this kind.
    Nothing,
    /// A path may be open; it is tried on.
    Failed,
}

/// One path, and how it was verified to be closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PathReceipt {
    /// `tunnel/NAME`, `network/PREFIX` or `socket/ADDRESS`.
    pub path: String,
    /// Whether there was something to close.
    pub was_open: bool,
    /// Microseconds after the order's arrival at the enforcer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_us: Option<u64>,
    pub how: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SharedAddress {
    pub network: String,
    /// `a balancer`, the vendor or integration that comes from it, too, or what of ours is in it.
    pub with: String,
}

/// A service of ours that stops, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoppedService {
    pub integration: String,
    /// What it is for, in plain words.
    pub purpose: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The signed receipts of a severance: the first one, and those of what was closed later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptsView {
    pub severance: SeveranceId,
    /// C2SP signed notes of the ledger's key.
    pub notes: Vec<String>,
    /// Who at the vendor was told; none where nobody is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<TellingView>,
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
    /// Services of ours that stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<StoppedService>,
    /// Tunnels and networks that would close beside the gate: `tunnel/NAME`, `network/PREFIX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_addresses: Vec<SharedAddress>,
    /// Severances that close the target already.
    pub open: Vec<SeveranceView>,
    pub absent_arms: Vec<AbsentArm>,
    /// Whether two people are needed to restore it.
    pub restore_needs_two: bool,
    pub single_operator: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Who at the vendor would be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<TellingView>,
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
    /// How many of the vendor's people were told; none where nobody is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldCount>,
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
    /// An exercise has cut the canary.
    Exercise {
        run: uuid::Uuid,
        /// Who ran it; none where the drill did it at its time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<String>,
        reason: String,
    },
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
    /// Id of the proposal to refuse, with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<RestoreId>,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
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
    /// The proposal is over, and everything stays closed.
    Refused { id: RestoreId, target: String, by: String, reason: String },
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
