//! Who at a vendor is told of what was closed or opened. Names and telephone numbers are here, and never in a signed receipt.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of a vendor's people were told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ToldCount {
    pub told: u32,
    /// Of so many who are to be told.
    pub of: u32,
    /// So many of these are more than are told by mail: only a call reaches them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub to_call: u32,
    /// When the last of them was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
}

impl ToldCount {
    /// Of how many a letter is taken, or would be.
    #[must_use]
    pub fn by_mail(self) -> u32 {
        self.of.saturating_sub(self.to_call)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// How telling a vendor's people goes, or would go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TellingView {
    #[serde(flatten)]
    pub count: ToldCount,
    /// Why nobody is told by mail: call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    pub contacts: Vec<ToldContact>,
}

/// One of a vendor's people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ToldContact {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    pub standing: ToldStanding,
    /// When they were told, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Why the last letter wasn't taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToldStanding {
    /// A letter is on its way, or would be.
    Mail,
    /// The mail server has taken it.
    Told,
    /// It was tried for three days.
    GivenUp,
    /// No address is known: only a call reaches them.
    NoAddress,
    /// Others of the vendor look after it.
    OtherRole,
    /// Somebody with the same address is told.
    SameAddress,
    /// Letters aren't sent, or not to so many: only a call reaches them.
    Call,
}
