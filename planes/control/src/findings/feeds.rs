//! Feeds that can't be had, and those whose data is old.

use jiff::{SignedDuration, Timestamp};
use portcullis_api::feeds::FeedView;
use portcullis_api::findings::{Finding, FindingCode, Severity};

/// A server may be away for a moment.
const FETCH_FAILURES_MIN: u32 = 3;

pub(super) fn find(feeds: &[FeedView], now: Timestamp, found: &mut Vec<Finding>) {
    for feed in feeds {
        let about = format!("feed/{}", feed.name);
        let fetch_error = feed.fetch_error.as_ref();
        let failed = fetch_error.filter(|_| !feed.in_use || feed.fetch_failures >= FETCH_FAILURES_MIN);
        if let Some(error) = feed.error.as_ref().or(failed) {
            let error = error.split('\n').next().unwrap_or_default();
            let in_use = match feed.as_of.filter(|_| feed.in_use) {
                Some(as_of) => format!("what is in use is of {as_of}"),
                None => "nothing of it is in use".to_owned(),
            };
            found.push(Finding {
                severity: if feed.in_use { Severity::Medium } else { Severity::High },
                code: FindingCode::FeedUnusable,
                about: about.clone(),
                message: format!("the newest content of `{}` can't be used: {error}; {in_use}", feed.name),
                hint: "see `portcullis feed list`, then `portcullis feed refresh NAME`".to_owned(),
                due: None,
            });
        }
        let due = feed.as_of.and_then(|as_of| {
            as_of.checked_add(SignedDuration::from_secs(i64::from(feed.stale_seconds))).ok()
        });
        if let Some(due) = due.filter(|due| *due <= now) {
            found.push(Finding {
                severity: if feed.installed { Severity::Low } else { Severity::Medium },
                code: FindingCode::FeedStale,
                about,
                message: format!("the data of `{}` is older than it may become, and is used on", feed.name),
                hint: if feed.installed {
                    "run `make geo` again".to_owned()
                } else {
                    "see `portcullis feed list`, or raise `stale_seconds`".to_owned()
                },
                due: Some(due),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_by_what_is_in_use_and_age_by_itself() {
        let now: Timestamp = "2030-01-10T00:00:00Z".parse().unwrap();
        let feed = FeedView {
            name: "exits".to_owned(),
            in_use: true,
            as_of: Some("2030-01-09T00:00:00Z".parse().unwrap()),
            stale_seconds: 7 * 86_400,
            ..FeedView::default()
        };
        let check = |feed: FeedView, expect: &[(Severity, &str)]| {
            let mut found = Vec::new();
            find(std::slice::from_ref(&feed), now, &mut found);
            let found: Vec<_> = found.iter().map(|found| (found.severity, found.code.as_str())).collect();
            assert_eq!(found, expect, "{feed:?}");
        };
        let error = Some("it is a web page\nhint: x".to_owned());
        check(feed.clone(), &[]);
        check(FeedView { error: error.clone(), ..feed.clone() }, &[(Severity::Medium, "feed_unusable")]);
        let nothing = FeedView { in_use: false, as_of: None, ..feed.clone() };
        check(nothing.clone(), &[]);
        check(FeedView { error: error.clone(), ..nothing.clone() }, &[(Severity::High, "feed_unusable")]);
        let fetching =
            |failures| FeedView { fetch_error: error.clone(), fetch_failures: failures, ..feed.clone() };
        check(fetching(2), &[]);
        check(fetching(3), &[(Severity::Medium, "feed_unusable")]);
        check(
            FeedView { fetch_error: error.clone(), fetch_failures: 1, ..nothing },
            &[(Severity::High, "feed_unusable")],
        );
        let old = FeedView { as_of: Some("2030-01-03T00:00:00Z".parse().unwrap()), ..feed };
        check(old.clone(), &[(Severity::Medium, "feed_stale")]);
        check(FeedView { installed: true, ..old }, &[(Severity::Low, "feed_stale")]);
    }
}
