//! Segments of the decision log that vanished.

use portcullis_api::decisions::MissingSegment;
use portcullis_api::findings::{Finding, FindingCode, Severity};

/// Each is named up to here; `decisions verify` names all.
const NAMED_MAX: usize = 20;

pub(super) fn find(missing: &[MissingSegment], found: &mut Vec<Finding>) {
    let finding = |message: String, due| Finding {
        severity: Severity::Critical,
        code: FindingCode::SegmentMissing,
        about: "installation".to_owned(),
        message,
        hint: MissingSegment::HINT.to_owned(),
        due,
    };
    found.extend(missing.iter().take(NAMED_MAX).map(|segment| finding(segment.why(), segment.until)));
    if let Some(more) = missing.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let message = format!("{more} more segments are missing: `portcullis decisions verify` names them");
        found.push(finding(message, None));
    }
}

#[cfg(test)]
mod tests {
    use portcullis_decision_log::Missing;

    use super::*;

    #[test]
    fn each_is_told_with_its_time_and_many_are_summed_up() {
        let check = |count: u64, expect: usize| {
            let missing =
                |sequence| Missing { core: 3, sequence, since_ms: 1_790_000_000_000, until_ms: None };
            let missing: Vec<_> =
                (0..count).map(|sequence| crate::missing::view(&missing(sequence))).collect();
            let mut found = Vec::new();
            find(&missing, &mut found);
            assert_eq!(found.len(), expect, "{count}");
            found
        };
        check(0, 0);
        check(20, 20);
        let found = check(25, 21);
        assert_eq!(
            found[7].message,
            "segment `core-00003-00000000000000000007.segment` is missing: decisions of core 3 from \
             2026-09-21T14:13:20Z to now that were not sealed are lost"
        );
        assert!(found[20].message.starts_with("5 more"));
    }
}
