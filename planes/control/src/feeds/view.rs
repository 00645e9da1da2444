//! Feeds and addresses as they are shown.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use portcullis_api::feeds::{FeedView, OriginSaid, OriginView};
use portcullis_domain::spec::FeedSource;
use portcullis_domain::state::State;
use portcullis_intel::{FeedStatus, Library};
use portcullis_risk::{Known, Listed, Missing};

use super::{Feeds, declared};
use crate::metrics::write_metric;

/// How old installed databases may become before somebody is told.
const INSTALLED_STALE_SECONDS: u32 = 365 * 86_400;

/// Every feed that is declared, and every database that is installed.
pub(crate) fn views(feeds: &Feeds, state: &State, library: Option<&Library>) -> Vec<FeedView> {
    let mut read: BTreeMap<String, FeedStatus> = library
        .map(Library::status)
        .unwrap_or_default()
        .into_iter()
        .map(|status| (status.source.name.clone(), status))
        .collect();
    let mut views: Vec<FeedView> = declared(state)
        .map(|(name, id, spec)| {
            let fetched = feeds.status_of(id);
            let source = match spec.source() {
                Some(FeedSource::File(text) | FeedSource::Url(text)) => text.to_owned(),
                None => String::new(),
            };
            let mut view = FeedView {
                name: name.to_owned(),
                holds: spec.holds,
                source,
                stale_seconds: spec.stale_seconds,
                checked: fetched.checked(),
                next: fetched.schedule.next.filter(|_| spec.url.is_some()),
                fetch_error: fetched.schedule.error,
                fetch_failures: fetched.schedule.failures,
                ..FeedView::default()
            };
            if let Some(status) = read.remove(name).filter(|status| status.source.holds == spec.holds) {
                fill(&mut view, &status);
            }
            // Before the first fetch nobody expects a file.
            if spec.url.is_some() && view.checked.is_none() && !view.in_use {
                (view.error, view.error_since) = (None, None);
            }
            view
        })
        .collect();
    views.extend(read.into_values().filter(|status| status.source.name.contains('.')).map(|status| {
        let mut view = FeedView {
            name: status.source.name.clone(),
            holds: status.source.holds,
            source: status.source.path.display().to_string(),
            installed: true,
            stale_seconds: INSTALLED_STALE_SECONDS,
            ..FeedView::default()
        };
        fill(&mut view, &status);
        view
    }));
    views
}

/// As Prometheus' text.
pub(crate) fn metrics(views: &[FeedView], now: Timestamp, text: &mut String) {
    let labels = |view: &FeedView| vec![view.name.clone()];
    let age = |view: &FeedView| {
        let seconds = now.duration_since(view.as_of?).as_secs().max(0);
        Some((labels(view), seconds as f64))
    };
    write_metric(text, "portcullis_feed_age_seconds", views.iter().filter_map(age));
    let entries = |view: &FeedView| (labels(view), view.entries as f64);
    write_metric(text, "portcullis_feed_entries", views.iter().map(entries));
    let failing = |view: &FeedView| {
        (labels(view), f64::from(u8::from(view.error.is_some() || view.fetch_error.is_some())))
    };
    write_metric(text, "portcullis_feed_failing", views.iter().map(failing));
}

fn fill(view: &mut FeedView, status: &FeedStatus) {
    (view.error, view.error_since) = status.error.clone().unzip();
    let Some(in_use) = &status.in_use else { return };
    let report = &in_use.report;
    view.format = Some(report.format.clone());
    view.entries = report.entries;
    view.kept = report.kept;
    view.broken = report.broken;
    view.first_broken = report.first_broken.iter().map(ToString::to_string).collect();
    view.reserved = report.reserved;
    view.bytes = report.bytes;
    view.is_kept_copy = in_use.is_kept_copy;
    view.in_use = true;
    // Its server has said since then that it is the newest.
    let checked = view.checked.filter(|_| !in_use.is_kept_copy);
    let as_of = checked.map_or(in_use.as_of, |checked| checked.max(in_use.as_of));
    view.as_of = Timestamp::from_second(as_of.as_second()).ok();
}

/// What is known of an address.
pub(crate) fn origin(library: Option<&Library>, address: IpAddr) -> OriginView {
    let mut view = OriginView { address: address.to_string(), ..OriginView::default() };
    let Some(library) = library else {
        view.no_data = ["country", "network", "place", "reputation", "tor", "hosting"]
            .map(|what| (what.to_owned(), why(Missing::NoDatabase).to_owned()))
            .into();
        return view;
    };
    let about = library.about(address);
    let origin = about.origin;
    let mut no_data = BTreeMap::new();
    view.country = taken(origin.country, "country", &mut no_data)
        .map(|letters| String::from_utf8_lossy(&letters).into_owned());
    view.asn = taken(origin.asn, "network", &mut no_data);
    view.network_name = about.network_name;
    view.place = taken(origin.place, "place", &mut no_data)
        .map(|(latitude, longitude)| [f64::from(latitude) / 100.0, f64::from(longitude) / 100.0]);
    let listed = |kind: Listed| match origin.listed {
        Known::Is(listed) => listed.says(kind),
        Known::NoData(missing) => Known::NoData(missing),
    };
    view.reputation = taken(listed(Listed::REPUTATION), "reputation", &mut no_data);
    view.tor = taken(listed(Listed::TOR), "tor", &mut no_data);
    view.hosting = taken(listed(Listed::HOSTING), "hosting", &mut no_data);
    view.no_data = no_data;
    let said = |(feed, holds, says)| OriginSaid { feed, holds, says };
    view.by = about.by.into_iter().map(said).collect();
    view
}

fn taken<T>(known: Known<T>, what: &str, no_data: &mut BTreeMap<String, String>) -> Option<T> {
    match known {
        Known::Is(value) => Some(value),
        Known::NoData(missing) => {
            no_data.insert(what.to_owned(), why(missing).to_owned());
            None
        }
    }
}

fn why(missing: Missing) -> &'static str {
    match missing {
        Missing::NotInDatabase => "not in the database",
        _ => "no feed or database of this kind",
    }
}
