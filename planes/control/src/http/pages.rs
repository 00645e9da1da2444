//! Pages: who is called for what, and who has answered.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::pages::{PageAckRequest, PageTryRequest};
use portcullis_incident::page::{PageCause, Raising};

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Reply, json};
use crate::control::Control;

pub async fn list(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let all = parameters.parsed::<bool>("all", "`true` or `false`")?.unwrap_or(false);
    parameters.finish()?;
    Ok(json(StatusCode::OK, &control.pages(all)))
}

pub async fn acknowledge(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<PageAckRequest>,
) -> Reply {
    Ok(json(StatusCode::OK, &control.acknowledge_page(request.page, operator.id).await?))
}

pub async fn raise_try(
    State(control): State<Control>,
    Json(PageTryRequest {}): Json<PageTryRequest>,
) -> Reply {
    let cause = PageCause::Tried { at: control.clock().now() };
    let text = "Nothing has happened. Answer, so that nobody else is called.\n".to_owned();
    let title = "somebody tries whether calls arrive".to_owned();
    control.raise_page(Raising { cause: cause.clone(), vendor: None, title, text }).await?;
    let raised = control.pages(true).into_iter().filter(|page| page.cause == cause).collect::<Vec<_>>();
    Ok(json(StatusCode::CREATED, &raised))
}
