//! What vendors may have at all, and saying so.

use portcullis_domain::access::{Access, AccessReason, VendorAccess};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a vendor may have, and why.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccessView {
    /// The worst of what the reasons say.
    pub level: Access,
    /// The worst first; none where it is clear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<AccessReason>,
}

impl From<VendorAccess> for AccessView {
    fn from(access: VendorAccess) -> Self {
        Self { level: access.level, reasons: access.reasons }
    }
}

impl AccessView {
    /// `limited — why`, with every reason.
    #[must_use]
    pub fn sentence(&self) -> String {
        let why: Vec<&str> = self.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
        match why.as_slice() {
            [] => self.level.as_str().to_owned(),
            _ => format!("{} — {}", self.level.as_str(), why.join("; ")),
        }
    }
}

/// Gives a vendor less than it was granted, until it is released.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldVendorRequest {
    /// `limited`, `held` or `blocked`.
    pub level: Access,
    /// Why, for those who read it later; at most 1,000 bytes.
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseVendorRequest {
    /// Why, for those who read it later; at most 1,000 bytes.
    #[serde(default)]
    pub reason: String,
}

/// What the vendor may have from now on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VendorAccessAnswer {
    pub vendor: String,
    pub access: AccessView,
    pub ledger_size: u64,
    /// Gates that had not confirmed yet when this was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_said_with_all_its_reasons() {
        let reason = |level, sentence: &str| AccessReason {
            level,
            code: "manual_hold".to_owned(),
            sentence: sentence.to_owned(),
        };
        let check = |reasons: Vec<AccessReason>, expect: &str| {
            assert_eq!(AccessView::from(VendorAccess::of(reasons)).sentence(), expect);
        };
        check(vec![], "clear");
        check(vec![reason(Access::Limited, "no exit plan")], "limited — no exit plan");
        let both = [reason(Access::Limited, "no exit plan"), reason(Access::Held, "clause missing")];
        check(both.to_vec(), "held — clause missing; no exit plan");
    }
}
