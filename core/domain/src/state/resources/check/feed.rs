//! What must hold for feeds: one place that they come from, and times that make sense.

use super::issuers::{Faults, check_https};
use super::{After, Fault};
use crate::spec::{Declaration, FeedFormat, FeedSpec, Kind};

/// Each may take memory for millions of entries.
const FEEDS_MAX: usize = 64;
const PATH_BYTES_MAX: usize = 1_024;

pub fn check(after: &After<'_>, declaration: &Declaration, spec: &FeedSpec, found: &mut Vec<Fault>) {
    let mut faults = Faults::of(declaration, found);
    if after.keys().filter(|(kind, _)| *kind == Kind::Feed).count() > FEEDS_MAX {
        faults.add("", format!("there would be more than {FEEDS_MAX} feeds"), None);
    }
    match (&spec.file, &spec.url) {
        (Some(_), Some(_)) => faults.add("/spec/url", "its source is given twice", Some("keep one of them")),
        (None, None) => faults.add(
            "/spec",
            "the feed has no source",
            Some("say where it is published (`url`), or where it lies on the gate's machine (`file`)"),
        ),
        (None, Some(url)) => check_https(url, "/spec/url", &mut faults),
        (Some(file), None) => {
            let whole = file.starts_with('/') && file.len() <= PATH_BYTES_MAX && !file.contains('\0');
            if !whole {
                faults.add("/spec/file", "it is not a whole path", Some("write it from `/` on"));
            }
            if spec.certificate_authority.is_some() {
                faults.add("/spec/certificate_authority", "a file has no server", None);
            }
        }
    }
    let fits = match spec.format {
        FeedFormat::Auto => true,
        FeedFormat::Addresses | FeedFormat::Ja4 | FeedFormat::Asns => spec.holds.is_list(),
        FeedFormat::Mmdb | FeedFormat::Csv => !spec.holds.is_list(),
    };
    if !fits {
        let message = format!("what holds `{}` has no such format", spec.holds.as_str());
        faults.add("/spec/format", message, Some("leave it out: it is found out by the content"));
    }
    let times = [
        ("refresh_seconds", spec.refresh_seconds, 300..=2_592_000),
        ("stale_seconds", spec.stale_seconds, 600..=31_536_000),
    ];
    for (field, seconds, range) in times {
        if !range.contains(&seconds) {
            let message = format!("it must be {} to {}", range.start(), range.end());
            faults.add(&format!("/spec/{field}"), message, None);
        }
    }
    if spec.url.is_some() && spec.refresh_seconds > spec.stale_seconds {
        let message = "it would be stale before it is fetched again";
        faults.add("/spec/stale_seconds", message, Some("make it at least `refresh_seconds`"));
    }
}
