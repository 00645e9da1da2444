//! What a client's machine has said about itself, and what follows from it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::OperatorId;
use crate::spec::PostureRules;

/// The word of a machine about itself. What it doesn't know, or doesn't say, is not among it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    pub software: Vec<Program>,
    /// By name; nothing where the machine can't tell.
    pub hardening: BTreeMap<String, Option<bool>>,
    /// Whole days since it was patched last, when it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patched_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyStorage>,
}

/// A program, a package or an image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Where the client's key is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyStorage {
    pub exportable: bool,
    /// In the machine's words, such as `file` or `tpm2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

impl PostureRules {
    /// What of `statement` isn't as it should be, as `software/NAME`, `hardening/NAME` and `patched_days`. What isn't known
    /// is among it.
    #[must_use]
    pub fn failing(&self, statement: &Statement) -> Vec<String> {
        let has = |name: &str, digests: &[String]| {
            let digest =
                |program: &&Program| program.sha256.as_ref().is_some_and(|found| digests.contains(found));
            let mut named = statement.software.iter().filter(|program| program.name == name).peekable();
            // All of one name: a good copy must not hide another one.
            named.peek().is_some() && named.all(|program| digest(&program))
        };
        let software = self.software.iter().filter(|(name, digests)| !has(name, digests));
        let software = software.map(|(name, _)| format!("software/{name}"));
        let unmet = |name: &&String| statement.hardening.get(*name).copied().flatten() != Some(true);
        let hardening = self.hardening.iter().filter(unmet).map(|name| format!("hardening/{name}"));
        let old = self
            .patched_days_max
            .is_some_and(|most| statement.patched_days.is_none_or(|patched| patched > most));
        software.chain(hardening).chain(old.then(|| "patched_days".to_owned())).collect()
    }

    /// The first moment in which a statement of this moment is stale.
    #[must_use]
    pub fn good_until(&self, issued_at: Timestamp) -> Timestamp {
        let age = SignedDuration::from_secs(self.age_seconds_max.into());
        issued_at.checked_add(age).unwrap_or(Timestamp::MAX)
    }
}

/// A statement beside the rules of its integration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    pub failing: Vec<String>,
    pub good_until: Timestamp,
}

/// What is held of a client's machine. Staleness is for whoever knows the time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    NotAsked,
    NeverSent,
    Absent,
    Good { until: Timestamp },
    Failing { what: Vec<String> },
}

/// What somebody else has said of the machine, such as the company's own management of devices.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pushed {
    pub operator: OperatorId,
    pub word: PushedWord,
    pub reason: String,
    pub time: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PushedWord {
    Failing,
    /// As good as a statement of the machine.
    Good {
        until: Timestamp,
    },
    /// Nothing was said: the machine's own word alone counts again.
    Withdrawn,
}

/// The stricter of what the machine has said and what others have said of it.
#[must_use]
pub fn held(rules: Option<&PostureRules>, stated: Option<&Judged>, pushed: Option<PushedWord>) -> Held {
    let stated = stated.filter(|_| rules.is_some());
    let pushed_good = match pushed {
        Some(PushedWord::Failing) => return Held::Failing { what: vec![PUSHED.to_owned()] },
        Some(PushedWord::Good { until }) => Some(until),
        Some(PushedWord::Withdrawn) | None => None,
    };
    if let Some(judged) = stated.filter(|judged| !judged.failing.is_empty()) {
        return Held::Failing { what: judged.failing.clone() };
    }
    match (stated.map(|judged| judged.good_until).max(pushed_good), rules) {
        (Some(until), _) => Held::Good { until },
        (None, None) => Held::NotAsked,
        (None, Some(rules)) if rules.required => Held::Absent,
        (None, Some(_)) => Held::NeverSent,
    }
}

/// What fails where somebody else has said so.
pub const PUSHED: &str = "pushed";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(value: serde_json::Value) -> PostureRules {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_fails_is_named_and_what_is_unknown_fails() {
        let good = "a".repeat(64);
        let rules = rules(json!({
            "software": { "agent": [good] },
            "hardening": ["disk_encrypted", "secure_boot"],
            "patched_days_max": 30,
        }));
        let check = |statement: serde_json::Value, expect: &[&str]| {
            let statement: Statement = serde_json::from_value(statement).unwrap();
            assert_eq!(rules.failing(&statement), expect);
        };
        let fine = json!({ "disk_encrypted": true, "secure_boot": true, "firewall_on": false });
        let agent = json!({ "name": "agent", "sha256": good });
        let bad = json!({ "name": "agent", "sha256": "b".repeat(64) });
        check(json!({ "software": [agent], "hardening": fine, "patched_days": 30 }), &[]);
        check(json!({ "software": [agent], "hardening": fine, "patched_days": 31 }), &["patched_days"]);
        check(json!({ "software": [agent], "hardening": fine }), &["patched_days"]);
        check(json!({ "software": [bad], "hardening": fine, "patched_days": 0 }), &["software/agent"]);
        check(json!({ "software": [agent, bad], "hardening": fine, "patched_days": 0 }), &["software/agent"]);
        check(
            json!({ "software": [], "hardening": { "disk_encrypted": null, "secure_boot": false } }),
            &["software/agent", "hardening/disk_encrypted", "hardening/secure_boot", "patched_days"],
        );
    }

    #[test]
    fn the_stricter_word_counts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let asked = PostureRules::default();
        let lax = PostureRules { required: false, ..PostureRules::default() };
        let good = Judged { failing: vec![], good_until: at(100) };
        let bad = Judged { failing: vec!["hardening/x".into()], good_until: at(100) };
        let pushed = |until| Some(PushedWord::Good { until: at(until) });
        let failing = |what: &str| Held::Failing { what: vec![what.to_owned()] };
        let check = |rules, stated, pushed, expect| assert_eq!(held(rules, stated, pushed), expect);
        check(None, None, None, Held::NotAsked);
        check(None, Some(&bad), None, Held::NotAsked);
        check(Some(&asked), None, None, Held::Absent);
        check(Some(&lax), None, None, Held::NeverSent);
        check(Some(&asked), Some(&good), None, Held::Good { until: at(100) });
        check(Some(&asked), Some(&bad), None, failing("hardening/x"));
        check(Some(&asked), Some(&good), Some(PushedWord::Failing), failing("pushed"));
        check(None, None, Some(PushedWord::Failing), failing("pushed"));
        check(Some(&asked), Some(&bad), pushed(200), failing("hardening/x"));
        check(Some(&asked), Some(&good), pushed(200), Held::Good { until: at(200) });
        check(Some(&asked), Some(&good), pushed(50), Held::Good { until: at(100) });
        check(Some(&asked), None, pushed(50), Held::Good { until: at(50) });
        check(Some(&asked), None, Some(PushedWord::Withdrawn), Held::Absent);
    }
}
