//! What is to be done about vendors, and the calendar of it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use portcullis_api::problem::Problem;
use portcullis_api::work::{CalendarLink, TaskAnswer, TaskDoneRequest, TaskRequest};
use portcullis_assurance::change::Change;
use portcullis_assurance::order::Order;
use portcullis_assurance::work::{WorkKind, open};
use portcullis_domain::command::Command;
use portcullis_domain::event::Event;
use portcullis_domain::ids::{OperatorId, TaskId, VendorId};
use portcullis_domain::spec::Kind;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Reply, json, not_found};
use crate::assurance::{WorkFilter, calendar, work};
use crate::control::Control;

pub async fn list(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let filter = WorkFilter { vendor: parameters.take("vendor"), owner: parameters.take("owner") };
    parameters.finish()?;
    Ok(json(StatusCode::OK, &work(&control.state(), &filter, control.clock().now())))
}

pub async fn add(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<TaskRequest>,
) -> Reply {
    let TaskRequest { vendor, title, owner, due } = request;
    let change = Change::TaskOpened { id: TaskId(uuid::Uuid::nil()), title, owner, due };
    let events = changed(&control, &vendor, change, operator.id).await?;
    let id = events.iter().find_map(|event| match event {
        Event::DossierChanged(change) => match &change.entry.change {
            Change::TaskOpened { id, .. } => Some(id.to_string()),
            _ => None,
        },
        _ => None,
    });
    let answer = TaskAnswer { vendor, id: id.unwrap_or_default(), unchanged: events.is_empty() };
    Ok(json(StatusCode::OK, &answer))
}

pub async fn done(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(id): Path<String>,
    Json(TaskDoneRequest {}): Json<TaskDoneRequest>,
) -> Reply {
    let state = control.state();
    let shown: String = id.chars().take(80).collect();
    let task = id.parse().ok().map(TaskId);
    let holds = |vendor: uuid::Uuid| {
        let dossier = state.dossier(VendorId(vendor));
        task.is_some_and(|task| dossier.tasks.contains_key(&task))
    };
    let mut vendors = state.of_kind(Kind::Vendor);
    let (Some((vendor, _)), Some(task)) = (vendors.find(|(_, vendor)| holds(vendor.id)), task) else {
        let of_kind = |vendor: uuid::Uuid| {
            open(&state.dossier(VendorId(vendor)))
                .into_iter()
                .find(|work| work.id == id)
                .map(|work| work.kind)
        };
        let kind = state.of_kind(Kind::Vendor).find_map(|(_, vendor)| of_kind(vendor.id));
        return Err(match kind {
            Some(kind) if kind != WorkKind::Task => {
                let problem = Problem::new(409, "no task", format!("`{shown}` is a {}", kind.name()));
                problem.hint("it ends by what it asks for: see `portcullis vendor show NAME`").into()
            }
            _ => not_found(format!("there is no task `{shown}`")),
        });
    };
    let events = changed(&control, vendor, Change::TaskDone { id: task }, operator.id).await?;
    let answer = TaskAnswer { vendor: vendor.to_owned(), id, unchanged: events.is_empty() };
    Ok(json(StatusCode::OK, &answer))
}

async fn changed(
    control: &Control,
    vendor: &str,
    change: Change,
    by: OperatorId,
) -> Result<Vec<Event>, super::reply::Refused> {
    let order = Order { change, by: Some(by) };
    let command = Command::ChangeDossiers(vec![(vendor.to_owned(), order)]);
    Ok(control.execute(command).await?.events)
}

pub async fn calendar_link(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
) -> Reply {
    let Some(process) = control.process() else { return Err(nowhere()) };
    let Some(key) = &process.calendar_key else { return Err(nowhere()) };
    let path = format!("/calendar.ics?token={}", key.token(&operator));
    Ok(json(StatusCode::OK, &CalendarLink { path }))
}

fn nowhere() -> super::reply::Refused {
    let problem = Problem::new(503, "not ready", "no key of calendars is known in this process");
    problem.hint("try again in a moment").into()
}

/// For programs that can send no header: the token is in the address, and reads this alone.
pub async fn calendar(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let token = parameters.take("token");
    let (vendor, owner) = (parameters.take("vendor"), parameters.take("owner"));
    parameters.finish()?;
    let state = control.state();
    let process = control.process();
    let key = process.as_ref().and_then(|process| process.calendar_key.as_ref());
    if !token.zip(key).is_some_and(|(token, key)| key.knows(&state, &token)) {
        let problem = Problem::new(
            401,
            "a calendar's token is needed",
            "the token is not known, or its operator was removed",
        );
        return Err(problem.hint("`portcullis calendar link` makes an address with one").into());
    }
    let (issuer, now) = (control.issuer().to_owned(), control.clock().now());
    let written = move || calendar::calendar(&state, vendor.as_deref(), owner.as_deref(), (&issuer, now));
    let text = tokio::task::spawn_blocking(written).await.map_err(|_| nowhere())?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"));
    Ok(response)
}
