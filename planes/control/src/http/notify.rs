//! Webhooks: whether they arrive, and a word that tells of nothing.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::notify::WebhookTestRequest;

use super::read::Json;
use super::reply::{Reply, json, not_found};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    let views = control.process().map(|process| process.webhooks.status()).unwrap_or_default();
    Ok(json(StatusCode::OK, &views))
}

pub async fn test(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(WebhookTestRequest {}): Json<WebhookTestRequest>,
) -> Reply {
    let shown: String = name.chars().take(80).collect();
    let testing = control.process().and_then(|process| process.webhooks.test(&name));
    let Some(testing) = testing else {
        return Err(not_found(format!("there is no webhook `{shown}`\nhint: they are in `settings.json`")));
    };
    Ok(json(StatusCode::OK, &testing.await))
}
