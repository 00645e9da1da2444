//! Reading settings, certificates and identities anew.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a reload came to; nothing is left half done.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReloadAnswer {
    /// What is in use now and was not before, one line each.
    pub changed: Vec<String>,
    /// What was read and can't be put to use now, and why.
    pub notes: Vec<String>,
}
