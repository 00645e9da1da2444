//! Evidence packs.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::incidents::{ClockStanding, ClockView, IncidentView, NoticeView, TimelineView};
use portcullis_api::packs::PackRequest;
use portcullis_api::problem::Problem;
use portcullis_domain::spec::Kind;
use portcullis_incident::moment::MomentName;
use portcullis_pack::WINDOW_DAYS_MAX;
use portcullis_pack::evidence::{ClockLine, Fact, Incident, TaskLine, TimelineLine};
use tokio_stream::wrappers::ReceiverStream;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, bad_request, failed, not_found};
use crate::control::Control;
use crate::incidents::view;
use crate::packing::{PackError, PackOrder, PackStream};
use crate::sealing::SealError;

/// A pack of an incident begins so long before anything that is known of it.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);

pub async fn make(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<PackRequest>,
) -> Reply {
    let order = order(&control, request)?;
    let PackStream { bytes, file_name } = control.pack(order, operator.id).await?;
    let chunks = ReceiverStream::new(bytes).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

pub(super) fn order(control: &Control, request: PackRequest) -> Result<PackOrder, Refused> {
    let PackRequest { vendor, incident, from, to, rows, files, seal } = request;
    let (state, now) = (control.state(), control.clock().now());
    let found = match &incident {
        Some(named) => {
            let shown: String = named.chars().take(60).collect();
            Some(state.incident(named).ok_or_else(|| not_found(format!("there is no incident `{shown}`")))?)
        }
        None => None,
    };
    let of_incident = found.and_then(|incident| incident.vendor).map(|vendor| vendor.to_string());
    let named = |name: &String| state.resource(Kind::Vendor, name).map(|found| found.id.to_string());
    if let (Some(vendor), Some(of_incident)) = (&vendor, &of_incident)
        && named(vendor).as_ref() != Some(of_incident)
        && vendor != of_incident
    {
        return Err(bad_request("the incident is about another vendor", "leave `vendor` out"));
    }
    let vendor = of_incident.or(vendor);
    let vendor = vendor.ok_or_else(|| bad_request("no vendor is named", "write `vendor`"))?;
    let to = to.unwrap_or(now).min(now);
    let before = found.map(|incident| beginning(incident, to));
    let from = from.or(before).ok_or_else(|| bad_request("the window has no beginning", "write `from`"))?;
    let incident = found.map(|incident| Box::new(told(&view::whole(&state, incident, now))));
    Ok(PackOrder { vendor, from, to, rows, files, seal, incident })
}

/// A day before the vendor knew, was cut, or the incident was opened, whatever came first; as long before `to` as a window may be.
fn beginning(incident: &portcullis_incident::Incident, to: Timestamp) -> Timestamp {
    let knew = incident.moments.get(&MomentName::vendor_aware()).copied();
    let first = [knew, incident.cut_at].into_iter().flatten().fold(incident.opened_at, Timestamp::min);
    let first = first.checked_sub(BEFORE).unwrap_or(first);
    let longest = SignedDuration::from_hours(24 * WINDOW_DAYS_MAX);
    to.checked_sub(longest).map_or(first, |earliest| first.max(earliest))
}

/// The incident's own section: who has a role is left out, the pack goes to others.
fn told(view: &IncidentView) -> Incident {
    let fact = |name: &str, text: String| Fact { name: name.to_owned(), text };
    let mut facts = vec![fact("severity", view.severity.name().to_owned())];
    facts.extend(view.moments.iter().map(|moment| fact(&moment.meaning, second(moment.at))));
    facts.extend(view.notices.iter().map(|notice| fact("the vendor's notice", noticed(notice))));
    let mut timeline: Vec<TimelineLine> =
        view.timeline.iter().map(|line| timeline_line(view, line)).collect();
    timeline.sort_by_key(|line| line.time);
    let clocks = view.clocks.iter().map(|clock| ClockLine {
        name: format!("{}, to {}", clock.title, clock.recipient),
        basis: clock.citation.clone(),
        started_at: clock.from,
        due_at: clock.due,
        done_at: clock.met_at,
        status: standing(clock),
    });
    let tasks = view.tasks.iter().map(|task| TaskLine {
        title: task.title.clone(),
        owner: task.owner.clone().unwrap_or_default(),
        due_at: task.due,
        done_at: task.done_at,
    });
    Incident {
        id: format!("incident {}", view.number),
        title: view.title.clone(),
        status: if view.closed.is_some() { "closed" } else { "open" }.to_owned(),
        opened_at: view.opened_at,
        opened_by: view.opened_by.clone().unwrap_or_else(|| "the program, or the vendor's notice".to_owned()),
        closed_at: view.closed.as_ref().map(|closed| closed.at),
        facts,
        clocks: clocks.collect(),
        timeline,
        tasks: tasks.collect(),
    }
}

/// To the second, which is what people compare.
fn second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Whom to call there is left out, too.
fn noticed(notice: &NoticeView) -> String {
    let by = notice.client.as_ref().map_or_else(|| "by hand".to_owned(), |client| format!("from `{client}`"));
    let mut text = format!("`{}`, {by}, on {}: {}", notice.reference, second(notice.received), notice.what);
    if let Some(records) = notice.affected_records {
        text.push_str(&format!("; {records} records"));
    }
    if !notice.data.is_empty() {
        text.push_str(&format!("; {}", notice.data.join(", ")));
    }
    text
}

fn standing(clock: &ClockView) -> String {
    match (clock.standing, &clock.waits_for, &clock.reason) {
        (ClockStanding::Waiting, Some(waits_for), _) => format!("waits for `{waits_for}`"),
        (ClockStanding::SetAside, _, Some(reason)) => format!("set aside: {reason}"),
        (standing, ..) => standing.as_str().to_owned(),
    }
}

fn timeline_line(view: &IncidentView, line: &TimelineView) -> TimelineLine {
    let decided =
        view.decisions.iter().any(|made| made.at == line.at && line.text.contains(made.what.as_str()));
    let kind = match &line.by {
        _ if decided => "decision",
        Some(_) => "note",
        None => "event",
    };
    TimelineLine {
        time: line.at,
        kind: kind.to_owned(),
        by: line.by.clone().unwrap_or_else(|| "the program".to_owned()),
        text: line.text.clone(),
    }
}

impl From<PackError> for Refused {
    fn from(error: PackError) -> Self {
        let (status, title) = match &error {
            PackError::UnknownVendor(_) => (404, "not found"),
            PackError::Window(_) | PackError::Future => (422, "not a window"),
            PackError::Busy(_) => (409, "under way"),
            PackError::Seal(SealError::NotRunning) => (503, "decisions can't be sealed"),
            _ => return failed(500, "the pack can't be made", &error),
        };
        Problem::of_message(status, title, &error.to_string()).into()
    }
}
