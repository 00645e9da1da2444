//! Who asks: every path under `/v1` needs an operator's token.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_api::problem::Problem;
use portcullis_domain::state::Operator;

use super::reply::Refused;
use crate::control::Control;

/// The operator who asks.
#[derive(Clone, Debug)]
pub struct Caller(pub Operator);

pub async fn authorize(State(control): State<Control>, mut request: Request, next: Next) -> Response {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let Some(token) = token else {
        return refused("no operator token was sent").into_response();
    };
    let Some(operator) = control.operator_by_token(token) else {
        return refused("the operator token is not known, or its operator was removed").into_response();
    };
    request.extensions_mut().insert(Caller(operator));
    next.run(request).await
}

pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

pub(super) fn refused(detail: &str) -> Refused {
    Problem::new(401, "an operator's token is needed", detail)
        .hint("send `Authorization: Bearer TOKEN`; the first one is in `admin.token` of the data folder, another operator makes others by `portcullis operator add NAME`")
        .into()
}
