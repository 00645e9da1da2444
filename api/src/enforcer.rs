//! How the enforcer stands: the process that cuts tunnels and networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnforcerView {
    /// Whether the installation has one.
    pub set_up: bool,
    /// Of the program that is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it isn't linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_lost: Option<String>,
    pub arms: Vec<ArmView>,
    /// Size of the ledger that the network plan in force was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced: Option<u64>,
    /// Arms that could not put the plan into force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<ArmView>,
}

/// An arm, and why it can't act.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArmView {
    /// `ipsec`, `wireguard`, `packets` or `sockets`.
    pub arm: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
