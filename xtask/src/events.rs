//! Each kind of event that the ledger may hold stands in the golden file of its version.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::Outcome;
use crate::tree::Tree;

const SOURCE: &str = "core/domain/src/event.rs";
const GOLDEN: &str = "core/domain/tests/events_v1.json";

/// # Errors
/// When the golden file is no JSON.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let kinds = kinds(tree.text(SOURCE)?);
    if kinds.is_empty() {
        return Err(format!("no kind of event was found in `{SOURCE}`"));
    }
    let Some(golden) = tree.file(GOLDEN) else {
        return Ok(Outcome::skipped(format!("{} kinds, and no `{GOLDEN}` yet", kinds.len())));
    };
    let golden = serde_json::from_str(&golden.text).map_err(|error| format!("`{GOLDEN}`: {error}"))?;
    let mut held = BTreeSet::new();
    collect(&golden, &mut held);
    let faults = kinds.difference(&held).map(|kind| format!("`{kind}` is not in `{GOLDEN}`")).collect();
    Ok(Outcome::of(faults, format!("{} kinds, each in the golden file", kinds.len())))
}

/// The names in `fn kind`.
fn kinds(source: &str) -> BTreeSet<String> {
    let body = source.split_once("fn kind(").map_or("", |(_, after)| after);
    let body = body.split_once("\n    }\n").map_or(body, |(body, _)| body);
    let arms = body.split("=> \"").skip(1).filter_map(|arm| arm.split_once('"'));
    arms.map(|(kind, _)| kind.to_owned()).collect()
}

/// Every value of a member `event` or `kind`, wherever it stands.
fn collect(value: &Value, held: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(kind)) = (name == "event", member.as_str()) {
                    held.insert(kind.to_owned());
                }
                collect(member, held);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, held)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;
    use crate::tree::TextFile;

    fn check_with(golden: Option<&str>, expect: Option<Verdict>) {
        let source = "impl Event {\n    fn kind(&self) {\n        match self {\n            Self::A => \"a\",\n            Self::B => \"b\",\n        }\n    }\n    fn other() { x => \"c\" }\n}";
        let mut files = vec![TextFile { path: SOURCE.into(), text: source.into() }];
        files.extend(golden.map(|text| TextFile { path: GOLDEN.into(), text: text.into() }));
        let outcome = check(&Tree { root: "".into(), files });
        assert_eq!(outcome.ok().map(|outcome| outcome.verdict), expect, "{golden:?}");
    }

    #[test]
    fn every_kind_must_be_in_the_golden_file() {
        check_with(None, Some(Verdict::Skipped));
        check_with(Some(r#"[{"event":"a"},{"event":"b"}]"#), Some(Verdict::Good));
        check_with(
            Some(r#"{"x":[{"payload":{"event":"a"}},{"payload":{"event":"b","c":1}}]}"#),
            Some(Verdict::Good),
        );
        check_with(Some(r#"[{"event":"a"}]"#), Some(Verdict::Fault));
        check_with(Some(r#"[{"event":"a","name":"b"}]"#), Some(Verdict::Fault));
        check_with(Some("nonsense"), None);
    }
}
