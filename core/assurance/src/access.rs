//! What a vendor may have at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The worst of all that holds counts.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    Clear,
    /// A tenth of its budgets.
    Limited,
    /// No new token, no new client, and no request passes; nothing is ended.
    Held,
    /// Nothing passes, and its tokens are dead.
    Blocked,
}
