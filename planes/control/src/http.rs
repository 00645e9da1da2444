//! The HTTP API of control: `/v1/…` for operators and their tools, and a few public pages.
//!
//! `portcullis_api::openapi::routes` is the table of what is served here; a test compares the two.

mod access;
mod archive;
mod auditors;
mod authorize;
mod break_glass;
mod certificates;
mod checks;
mod client_keys;
mod closing;
mod decisions;
mod documents;
mod dossiers;
mod exercises;
mod feeds;
mod findings;
mod incidents;
mod keys;
mod leaving;
mod ledger;
mod metrics;
mod network;
mod notify;
mod once;
mod operators;
mod packs;
mod pages;
mod posture;
pub mod prepare;
mod read;
mod reload;
mod reply;
mod resources;
mod risk;
mod severing;
mod sources;
#[cfg(test)]
mod tests;
mod tunnels;
mod view;
mod work;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use portcullis_api::problem::Problem;

use crate::control::Control;
use reply::Refused;

/// Serves `control`.
pub fn router(control: Control) -> Router {
    let answers = once::Answers::default();
    let v1 = Router::new()
        .route("/v1/apply", post(resources::apply))
        .route("/v1/diff", post(resources::diff))
        .route("/v1/resources/{kind}", get(resources::list))
        .route("/v1/resources/{kind}/{name}", get(resources::show).delete(resources::delete))
        .route("/v1/clients", post(resources::enroll))
        .route("/v1/enrolments", post(client_keys::open_enrolment))
        .route("/v1/clients/{name}/keys", get(client_keys::list))
        .route("/v1/clients/{name}/posture", get(posture::show).put(posture::push))
        .route("/v1/clients/{name}/revoke", post(closing::revoke_keys))
        .route("/v1/tokens/revoke", post(closing::revoke_token))
        .route("/v1/sign-out", post(closing::sign_out))
        .route("/v1/global-token-revocation", post(closing::global_token_revocation))
        .route("/v1/sever", post(severing::sever))
        .route("/v1/severances", get(severing::list))
        .route("/v1/severances/{id}/receipts", get(severing::receipts))
        .route("/v1/restore", post(severing::restore))
        .route("/v1/enforcer", get(severing::enforcer))
        .route("/v1/break-glass", get(break_glass::list).post(break_glass::seal))
        .route("/v1/break-glass/{name}", delete(break_glass::remove))
        .route("/v1/operators", get(operators::list).post(operators::add))
        .route("/v1/operators/{name}", delete(operators::remove))
        .route("/v1/auditors", get(auditors::list).post(auditors::add))
        .route("/v1/auditors/{name}", delete(auditors::remove))
        .route("/v1/network", get(network::show))
        .route("/v1/network/rules", get(network::rules))
        .route("/v1/network/differences", get(network::differences))
        .route("/v1/network/segmentation", post(network::segment))
        .route("/v1/erase", post(operators::erase))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/certificates", get(certificates::list).post(certificates::issue))
        .route("/v1/certificates/renew", post(certificates::renew))
        .route("/v1/certificates/revoke", post(certificates::revoke))
        .route("/v1/certificates/crl/{use}", get(certificates::crl))
        .route("/v1/tunnels", get(tunnels::list))
        .route("/v1/tunnels/{name}", get(tunnels::show))
        .route("/v1/tunnels/{name}/credentials", post(tunnels::credentials))
        .route("/v1/tunnels/{name}/people", post(tunnels::add_person))
        .route("/v1/tunnels/{name}/people/revoke", post(tunnels::revoke_person))
        .route("/v1/tunnels/{name}/render", post(tunnels::render))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate))
        .route("/v1/keys/withdraw", post(keys::withdraw))
        .route("/v1/decisions", get(decisions::list))
        .route("/v1/decisions/files", get(archive::files))
        .route("/v1/decisions/verify", post(archive::verify))
        .route("/v1/decisions/seal", post(archive::seal))
        .route("/v1/decisions/missing/acknowledge", post(archive::acknowledge_missing))
        .route("/v1/pages", get(pages::list).post(pages::raise_try))
        .route("/v1/pages/ack", post(pages::acknowledge))
        .route("/v1/packs", post(packs::make))
        .route("/v1/holds", get(archive::holds).post(archive::place_hold))
        .route("/v1/holds/lift", post(archive::lift_hold))
        .route("/v1/decisions/stream", get(decisions::follow))
        .route("/v1/decisions/{id}", get(decisions::explain))
        .route("/v1/decisions/{id}/judgement", post(risk::judge))
        .route("/v1/clients/{name}/risk", get(risk::client))
        .route("/v1/risk/policies", get(risk::in_force))
        .route("/v1/events/stream", get(decisions::follow_events))
        .route("/v1/ledger/head", get(ledger::head))
        .route("/v1/ledger/verify", post(ledger::verify))
        .route("/v1/ledger/entries", get(ledger::entries))
        .route("/v1/ledger/proofs/{what}", get(ledger::prove))
        .route("/v1/ledger/consistency", get(ledger::prove_consistency))
        .route("/v1/reasons", get(decisions::reasons))
        .route("/v1/vendors/{name}/metrics", get(metrics::vendor))
        .route("/v1/stops", get(dossiers::stops))
        .route("/v1/dossiers", get(dossiers::list))
        .route("/v1/vendors/{name}/dossier", get(dossiers::show).post(dossiers::change))
        .route("/v1/vendors/{name}/documents", post(documents::put))
        .route("/v1/vendors/{name}/documents/{sha256}", get(documents::get))
        .route("/v1/vendors/{name}/evidence", post(documents::add))
        .route("/v1/vendors/{name}/requests", post(documents::ask))
        .route("/v1/documents/check", post(documents::check))
        .route("/v1/vendors/{name}/outlook", get(dossiers::outlook))
        .route("/v1/vendors/{name}/hold", post(access::hold))
        .route("/v1/vendors/{name}/release", post(access::release))
        .route("/v1/checks", get(checks::list))
        .route("/v1/findings", get(findings::list))
        .route("/v1/tasks", get(work::list).post(work::add))
        .route("/v1/tasks/{id}/done", post(work::done))
        .route("/v1/calendar/link", post(work::calendar_link))
        .route("/v1/webhooks", get(notify::list))
        .route("/v1/webhooks/{name}/test", post(notify::test))
        .route("/v1/incidents", get(incidents::list).post(incidents::open))
        .route("/v1/incidents/clocks", get(incidents::clocks))
        .route("/v1/incidents/notices", post(incidents::notice))
        .route("/v1/incidents/{id}", get(incidents::show))
        .route("/v1/incidents/{id}/changes", post(incidents::change))
        .route("/v1/vendors/{name}/leaving", get(leaving::show).post(leaving::leave))
        .route("/v1/vendors/{name}/check", post(sources::check))
        .route("/v1/sources", get(sources::list))
        .route("/v1/sources/{name}/refresh", post(sources::refresh))
        .route("/v1/screen", post(sources::screen))
        .route("/v1/exercises", get(exercises::list))
        .route("/v1/exercise-runs", get(exercises::runs))
        .route("/v1/exercises/{name}/paper", post(exercises::paper))
        .route("/v1/exercises/{name}/live", post(exercises::live))
        .route("/v1/kill-drill", post(exercises::drill))
        .route("/v1/exercise-progress", get(exercises::progress))
        .route("/v1/canary", post(exercises::make_canary))
        .route("/v1/feeds", get(feeds::list))
        .route("/v1/feeds/{name}/refresh", post(feeds::refresh))
        .route("/v1/origins/{address}", get(feeds::origin))
        // Outermost last: who asks comes before what was asked already.
        .route_layer(from_fn_with_state((control.clone(), answers), once::once))
        .route_layer(from_fn_with_state(control.clone(), authorize::authorize));
    Router::new()
        .merge(v1)
        .route("/healthz", get(ledger::healthz))
        .route("/readyz", get(ledger::readyz))
        .route("/schemas/{file}", get(resources::schema))
        .route("/openapi.json", get(ledger::openapi))
        .route("/metrics", get(metrics::prometheus))
        // For calendar programs, which send no header: by a token that reads it alone.
        .route("/calendar.ics", get(work::calendar))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(control)
        .layer(from_fn(as_problem))
}

async fn unknown(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(200).collect();
    reply::not_found(format!("there is nothing at `{path}`"))
}

async fn wrong_method() -> Refused {
    Problem::new(405, "the method is not taken here", "another method is needed")
        .hint("`/openapi.json` tells which")
        .into()
}

/// Refusals that axum makes by itself (a path that isn't UTF-8) become problems too. Nothing is cached:
/// answers are about what is in force.
async fn as_problem(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
    let mut response = next.run(request).await;
    let status = response.status();
    let media = response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
    if status.is_client_error() && media != Some(portcullis_api::problem::MEDIA_TYPE) {
        let title = status.canonical_reason().unwrap_or("refused").to_lowercase();
        let refused: Refused = Problem::new(status.as_u16(), title, "the request can't be read")
            .hint("`/openapi.json` tells what is served here")
            .into();
        response = refused.into_response();
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
