//! Who asks: every path under `/v1` needs an operator's token.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_api::problem::Problem;
use portcullis_domain::personal::Personal;
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
    let severs = request.method() == Method::POST && request.uri().path() == "/v1/sever";
    let may = severs || request.method().is_safe();
    let operator = match control.operator_by_token(token) {
        Some(operator) => operator,
        None => match by_break_glass(&control, token, may).await {
            Ok(operator) => operator,
            Err(refused) => return refused.into_response(),
        },
    };
    request.extensions_mut().insert(Caller(operator));
    next.run(request).await
}

/// A sealed credential looks and severs. Its first use is recorded; where that fails it severs all the same.
async fn by_break_glass(control: &Control, token: &str, may: bool) -> Result<Operator, Refused> {
    let Some(known) = control.break_glass_by_token(token) else {
        return Err(refused("the operator token is not known, or its operator was removed"));
    };
    if !known.is_good(control.clock().now()) {
        return Err(refused("the break-glass credential was used more than a day ago"));
    }
    if !may {
        let problem =
            Problem::new(403, "not by a sealed credential", "a break-glass credential looks and severs");
        return Err(problem.hint("sign in as an operator for everything else").into());
    }
    control.open_break_glass(&known).await;
    let seal = known.seal;
    Ok(Operator { id: seal.id, name: Personal::Plain(seal.name), token_sha256: seal.token_sha256 })
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
