//! What is counted: for operators as JSON, and for Prometheus.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use portcullis_domain::spec::Kind;
use portcullis_metrics::rolling::Window;

use super::authorize;
use super::read::Parameters;
use super::reply::{Reply, bad_request, json, not_found};
use crate::control::Control;

pub async fn vendor(
    State(control): State<Control>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let window = parameters.take("window");
    parameters.finish()?;
    let window = match window.as_deref() {
        None => Window::Hour,
        Some(text) => text.parse().map_err(|()| {
            let text: String = text.chars().take(60).collect();
            bad_request(
                format!("`{text}` can't be the query parameter `window`"),
                "write `1m`, `5m`, `1h`, `6h`, `24h` or `30d`",
            )
        })?,
    };
    let state = control.state();
    let by_id = || {
        let id = name.parse().ok()?;
        state.by_id(id).filter(|(kind, ..)| *kind == Kind::Vendor).map(|(_, name, vendor)| (name, vendor))
    };
    let by_name = state.resource(Kind::Vendor, &name).map(|vendor| (name.as_str(), vendor));
    let Some((name, vendor)) = by_name.or_else(by_id) else {
        let name: String = name.chars().take(80).collect();
        return Err(not_found(format!("there is no vendor `{name}`")));
    };
    Ok(json(StatusCode::OK, &control.metrics().vendor(&state, name, vendor, window, control.clock().now())))
}

/// Prometheus text format 0.0.4, for operators and for who holds the token of `metrics.token`: vendors and
/// their volumes are named in it.
pub async fn prometheus(State(control): State<Control>, headers: HeaderMap) -> Reply {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(authorize::bearer);
    if !control.may_read_metrics(token) {
        return Err(authorize::refused(match token {
            None => "no token was sent",
            Some(_) => "the token is neither an operator's nor that of `metrics.token`",
        }));
    }
    let mut response = Response::new(Body::from(control.prometheus()));
    let media = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}
