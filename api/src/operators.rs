//! The people who may command, and the people who may be forgotten.

use std::fmt;

use portcullis_domain::ids::{OperatorId, SubjectId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that is printed as `****`, and serialized as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorView {
    pub id: OperatorId,
    pub name: String,
    /// Whether it is the one who asks.
    #[serde(default)]
    pub you: bool,
    /// What `erase` takes to forget the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorRequest {
    pub name: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorAdded {
    pub name: String,
    /// Said once: the ledger keeps its digest only.
    pub token: Secret,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorRemoved {
    pub name: String,
    /// Whether one operator is left, so that restorations have no second person.
    pub single_operator: bool,
}

/// Forget a person: destroys the key of the subject's data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    pub subject: SubjectId,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EraseAnswer {
    pub subject: SubjectId,
    /// Size of the ledger after it; its proofs still verify.
    pub ledger_size: u64,
}
