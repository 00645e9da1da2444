//! What is known of vendors.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_api::dossiers::{DossierRequest, StopView, changes};
use portcullis_api::page::Page;
use portcullis_assurance::stops::Stop;
use portcullis_domain::access::Access;
use portcullis_domain::personal::reveal;
use portcullis_domain::spec::Kind;
use serde::Serialize;
use serde_json::Value;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, bad_request, failed, invalid, json, json_with_version, not_found};
use crate::control::Control;

const OUTLOOK_DAYS: i64 = 365;
const OUTLOOK_DAYS_MAX: i64 = 3_650;

pub async fn list(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let limit = parameters.limit()? as usize;
    let cursor = parameters.take("cursor");
    parameters.finish()?;
    let after = cursor.as_deref().map(place).transpose()?;
    let look =
        move || control.vendor_lines(limit, after.as_ref().map(|(access, name)| (*access, name.as_str())));
    let lines = tokio::task::spawn_blocking(look).await;
    let (items, more) = lines.map_err(|error| failed(500, "the list can't be made", &error))?;
    let last = items.last().filter(|_| more);
    let next = last.map(|last| format!("{}/{}", last.access.as_str(), last.vendor));
    Ok(json(StatusCode::OK, &Page { items, next }))
}

/// Where the page before ended. A vendor whose access has changed meanwhile may come twice, or not at all.
fn place(cursor: &str) -> Result<(Access, String), Refused> {
    let wrong = || bad_request("`cursor` names no place in the list", "write the `next` of the page before");
    let (access, name) = cursor.split_once('/').ok_or_else(wrong)?;
    let access = Access::ALL.into_iter().find(|known| known.as_str() == access).ok_or_else(wrong)?;
    Ok((access, name.to_owned()))
}

pub async fn show(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    let view = control.dossier(&name).ok_or_else(|| no_vendor(&name))?;
    Ok(json_with_version(&shown(&view)?, view.version))
}

pub async fn change(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(request): Json<DossierRequest>,
) -> Reply {
    let version = headers.get(IF_MATCH).map(version_of).transpose()?.flatten();
    let changes = changes::read(request.changes, operator.id, control.clock().now())
        .map_err(|faults| Refused::from(invalid(faults)))?;
    control.check_documents_of(&name, &changes).await?;
    let answer = control.change_dossier(&name, changes, operator.id, version, request.dry_run).await?;
    Ok(json_with_version(&shown(&answer)?, answer.dossier.version))
}

pub async fn outlook(
    State(control): State<Control>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let wanted = format!("a number from 1 to {OUTLOOK_DAYS_MAX}");
    let days = parameters.parsed("days", &wanted)?.unwrap_or(OUTLOOK_DAYS);
    parameters.finish()?;
    if !(1..=OUTLOOK_DAYS_MAX).contains(&days) {
        return Err(bad_request(
            format!("`{days}` can't be the query parameter `days`"),
            format!("write {wanted}"),
        ));
    }
    let view = control.outlook(&name, days).ok_or_else(|| no_vendor(&name))?;
    Ok(json(StatusCode::OK, &view))
}

pub async fn stops(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let vendor = parameters.take("vendor");
    parameters.finish()?;
    let state = control.state();
    if let Some(name) = vendor.as_ref().filter(|name| state.resource(Kind::Vendor, name).is_none()) {
        return Err(no_vendor(name));
    }
    // No vendor has an empty name: no policy names it.
    let rules = state.stop_rules(vendor.as_deref().unwrap_or_default());
    let stops: Vec<StopView> =
        Stop::ALL.into_iter().map(|stop| StopView::new(stop, rules.mode(stop))).collect();
    Ok(json(StatusCode::OK, &stops))
}

fn no_vendor(name: &str) -> Refused {
    let name: String = name.chars().take(200).collect();
    not_found(format!("there is no vendor `{name}`"))
}

/// Texts about people as operators read them.
fn shown(view: &impl Serialize) -> Result<Value, Refused> {
    let value =
        serde_json::to_value(view).map_err(|error| failed(500, "the dossier can't be written", &error))?;
    Ok(reveal(value))
}

/// The one version that is meant; none for `*`.
fn version_of(tag: &HeaderValue) -> Result<Option<u64>, Refused> {
    let text = tag.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse();
    version.map(Some).map_err(|_| {
        bad_request("`If-Match` names no version of a dossier", "send the `ETag` that the dossier came with")
    })
}
