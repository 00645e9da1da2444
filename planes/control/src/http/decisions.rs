//! Decisions: listed, explained, and as they are made.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use portcullis_api::decisions::{DecisionPage, DecisionQuery, ReasonView};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::OperatorId;
use portcullis_domain::reason::Reason;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::authorize::Caller;
use super::read::Parameters;
use super::reply::{Refused, Reply, bad_request, failed, json, not_found};
use crate::control::Control;
use crate::decisions::FoundDecisions;
use crate::error::DecisionsError;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub async fn list(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let mut query = filters(&mut parameters)?;
    query.since = parameters.parsed("since", "an instant such as `2026-12-31T18:00:00Z`")?;
    query.until = parameters.parsed("until", "an instant such as `2026-12-31T18:00:00Z`")?;
    query.cursor = parameters.parsed("cursor", "the `next` of the page before")?;
    let limit = parameters.limit()?;
    parameters.finish()?;
    query.limit = Some(limit);
    let FoundDecisions { items, unreadable } = blocking(move || control.decisions(&query)).await?;
    let full = items.len() >= limit as usize;
    let next = items.last().filter(|_| full).map(|last| last.record.id.to_string());
    Ok(json(StatusCode::OK, &DecisionPage { items, next, unreadable }))
}

pub async fn explain(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    let id = self::id(&id)?;
    match blocking(move || control.explain(id)).await? {
        Some(decision) => Ok(json(StatusCode::OK, &decision)),
        None => Err(not_found(format!("no decision `{id}` is known, or its record is kept no longer"))),
    }
}

pub(super) fn id(text: &str) -> Result<DecisionId, Refused> {
    text.parse().map_err(|error: portcullis_domain::decision::DecisionIdError| {
        let (detail, hint) = portcullis_api::problem::split_hint(&error.to_string());
        bad_request(detail, hint.unwrap_or_default())
    })
}

pub async fn follow(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let mut parameters = Parameters::new(query.as_deref())?;
    let query = filters(&mut parameters)?;
    parameters.finish()?;
    let followed = control.follow();
    Ok(stream(control, operator.id, followed, "decision", move |decision| query.takes(decision)))
}

pub async fn follow_events(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    Parameters::new(query.as_deref())?.finish()?;
    let followed = control.follow_events();
    Ok(stream(control, operator.id, followed, "event", |_| true))
}

pub async fn reasons() -> Reply {
    let reasons: Vec<ReasonView> = Reason::ALL.iter().map(|reason| (*reason).into()).collect();
    Ok(json(StatusCode::OK, &reasons))
}

fn filters(parameters: &mut Parameters) -> Result<DecisionQuery, Refused> {
    Ok(DecisionQuery {
        vendor: parameters.take("vendor"),
        client: parameters.take("client"),
        verdict: parameters.word("verdict", "`allow`, `limit`, `challenge`, `deny` or `sever`")?,
        reason: parameters.word("reason", "a code of `/v1/reasons`")?,
        would: parameters.word("would", "`stop`")?,
        tunnel: parameters.take("tunnel"),
        ..DecisionQuery::default()
    })
}

/// Looks into files, which must not hold up those who are served by the same thread.
async fn blocking<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, DecisionsError> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => found.map_err(|error| failed(500, "decisions can't be looked up", &error)),
        Err(error) => Err(failed(500, "decisions can't be looked up", &error)),
    }
}

/// Server-sent events named `name`, until the reader goes or the operator is removed.
fn stream<T: Serialize + Clone + Send + 'static>(
    control: Control,
    operator: OperatorId,
    followed: Receiver<T>,
    name: &'static str,
    wanted: impl Fn(&T) -> bool + Send + 'static,
) -> Response {
    let events = told(followed, name, wanted)
        .take_while(move |_| std::future::ready(control.state().operators.contains_key(&operator)));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events).keep_alive(keep_alive).into_response()
}

fn told<T: Serialize + Clone + Send + 'static>(
    followed: Receiver<T>,
    name: &'static str,
    wanted: impl Fn(&T) -> bool + Send + 'static,
) -> impl Stream<Item = Result<Event, axum::Error>> + Send {
    BroadcastStream::new(followed).filter_map(move |next| {
        let event = match next {
            Ok(item) => wanted(&item).then(|| Event::default().event(name).json_data(&item)),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                Some(Event::default().event("missed").json_data(serde_json::json!({ "missed": missed })))
            }
        };
        std::future::ready(event)
    })
}
