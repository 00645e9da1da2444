//! Pages: who is called for what, and who has answered.

use jiff::Timestamp;
use portcullis_domain::ids::PageId;
use portcullis_incident::page::PageCause;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PageView {
    pub id: PageId,
    /// By which people name it.
    pub code: String,
    #[serde(flatten)]
    pub cause: PageCause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    pub title: String,
    pub text: String,
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// Absent while somebody is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub acknowledged_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
}

/// Answers a page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageAckRequest {
    /// Id or code.
    pub page: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PageAnswer {
    #[serde(flatten)]
    pub page: PageView,
    /// Somebody had answered it before.
    pub unchanged: bool,
}

/// Calls whoever is on call, to see whether calls arrive.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PageTryRequest {}
