//! Places outside that take no checkpoints.

use portcullis_api::findings::{Finding, FindingCode, Severity};

use super::Runtime;

pub(super) fn find(runtime: &Runtime, found: &mut Vec<Finding>) {
    for posting in &runtime.postings {
        let Some(error) = &posting.error else { continue };
        let error = error.split('\n').next().unwrap_or_default();
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::CheckpointNotPosted,
            about: "installation".to_owned(),
            message: format!("a checkpoint does not arrive at `{}`: {error}", posting.to),
            hint: "without one outside, nobody notices a history that is rewritten: `checkpoints` in `settings.json`"
                .to_owned(),
            due: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::ledger::Posting;

    use super::*;

    #[test]
    fn each_place_that_fails_is_told() {
        let posting = |error: Option<&str>| Posting {
            to: "/kept".to_owned(),
            error: error.map(str::to_owned),
            ..Posting::default()
        };
        let postings = vec![posting(None), posting(Some("it answered 503"))];
        let runtime = Runtime { postings, ..Runtime::default() };
        let mut found = Vec::new();
        find(&runtime, &mut found);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("503"), "{found:?}");
    }
}
