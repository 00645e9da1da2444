//! Registers, lists and catalogues that can't be had or read: what is in use, and how old it is.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_api::sources::SourceView;

const DAY_SECONDS: i64 = 86_400;

pub(super) fn find(sources: &[SourceView], now: Timestamp, found: &mut Vec<Finding>) {
    for source in sources {
        let name = &source.name;
        let age = source.as_of.map(|as_of| now.duration_since(as_of).as_secs().max(0));
        let in_use = match age {
            Some(age) if age >= DAY_SECONDS => format!("what is in use is {} days old", age / DAY_SECONDS),
            Some(age) => format!("what is in use is {} h old", age / 3_600),
            None => "nothing of it is in use".to_owned(),
        };
        let stale = age.is_some_and(|age| age > source.stale_seconds);
        let hint = format!("see `portcullis source list`, then `portcullis source refresh {name}`");
        let about = "installation".to_owned();
        if let Some(error) = &source.error {
            let error = error.split('\n').next().unwrap_or_default();
            found.push(Finding {
                severity: if age.is_none() || stale { Severity::High } else { Severity::Medium },
                code: FindingCode::SourceUnusable,
                about,
                message: format!("source `{name}`: {error}; {in_use}"),
                hint,
                due: None,
            });
        } else if stale {
            found.push(Finding {
                severity: Severity::Medium,
                code: FindingCode::SourceStale,
                about,
                message: format!("source `{name}` is older than it may become: {in_use}"),
                hint,
                due: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::sources::SourceKind;

    use super::*;

    #[test]
    fn what_cannot_be_had_is_told_with_the_age_of_what_is_in_use() {
        let now: Timestamp = "2030-01-10T00:00:00Z".parse().unwrap();
        let source = SourceView {
            name: "sdn".to_owned(),
            kind: SourceKind::OfacSdn,
            place: "/lists/sdn.csv".to_owned(),
            entries: Some(9),
            sha256: None,
            as_of: Some("2030-01-09T20:00:00Z".parse().unwrap()),
            stale_seconds: 3 * DAY_SECONDS,
            error: None,
            error_since: None,
            failures: 0,
            next: None,
        };
        let check = |source: SourceView, expect: &[(Severity, &str, &str)]| {
            let mut found = Vec::new();
            find(std::slice::from_ref(&source), now, &mut found);
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for (found, (severity, code, words)) in found.iter().zip(expect) {
                assert_eq!((found.severity, found.code.as_str()), (*severity, *code), "{found:?}");
                assert!(found.message.contains(words), "{found:?}");
            }
        };
        let error = Some("it answered 503".to_owned());
        let old = Some("2030-01-01T00:00:00Z".parse().unwrap());
        check(source.clone(), &[]);
        let failing = SourceView { error, ..source.clone() };
        check(failing.clone(), &[(Severity::Medium, "source_unusable", "4 h old")]);
        check(
            SourceView { as_of: old, ..failing.clone() },
            &[(Severity::High, "source_unusable", "9 days old")],
        );
        check(
            SourceView { as_of: None, ..failing },
            &[(Severity::High, "source_unusable", "nothing of it is in use")],
        );
        check(SourceView { as_of: old, ..source }, &[(Severity::Medium, "source_stale", "9 days old")]);
    }
}
