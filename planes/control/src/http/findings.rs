//! What is wrong, or about to be.

use axum::extract::State;
use axum::http::StatusCode;

use super::reply::{Reply, json};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.findings()))
}
