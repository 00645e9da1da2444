//! Revoking keys and tokens, and signing out.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{Timestamp, ToSpan};
use portcullis_api::closing::{
    GlobalTokenRevocationRequest, RevokeKeysRequest, RevokeTokenRequest, SignOutRequest, TokensEnded,
};
use portcullis_api::problem::Problem;
use portcullis_api::severing::SeverAnswer;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::ClientId;
use portcullis_domain::target::TargetName;
use serde_json::Value;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, bad_request, json, not_found};
use super::severing::target;
use crate::control::Control;
use crate::error::ExecuteError;

/// No token lives longer (`token_seconds` of an integration).
const TOKEN_SECONDS_MAX: i64 = 600;
const TOKEN_BYTES_MAX: usize = 8 * 1024;
const TOKEN_ID_BYTES_MAX: usize = 256;

pub async fn revoke_keys(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(client): Path<String>,
    Json(request): Json<RevokeKeysRequest>,
) -> Reply {
    let receipt = control.revoke_keys(client, request.key, operator.id, request.reason).await?;
    let status = match receipt.answer {
        SeverAnswer::CutNotRecorded | SeverAnswer::RecordedNotConfirmed | SeverAnswer::NotEverywhere => {
            StatusCode::ACCEPTED
        }
        SeverAnswer::Severed | SeverAnswer::SeveredReserved | SeverAnswer::ArmClosed => StatusCode::OK,
    };
    Ok(json(status, &receipt))
}

pub async fn revoke_token(State(control): State<Control>, Json(request): Json<RevokeTokenRequest>) -> Reply {
    let latest = control.clock().now().checked_add(TOKEN_SECONDS_MAX.seconds()).unwrap_or(Timestamp::MAX);
    let command = match request {
        RevokeTokenRequest { token: Some(token), token_id: None, client: None } => {
            let (client, token_id, expires_at) = named_by(&token).ok_or_else(|| {
                bad_request(
                    "this is no access token of ours",
                    "give it exactly as the token endpoint gave it; one of a vendor's own issuer goes by its `jti` and the client",
                )
            })?;
            check_id(&token_id)?;
            // What it says of itself was not verified: it ends nothing for longer than a token can live.
            Command::RevokeToken { client, token_id, expires_at: expires_at.min(latest) }
        }
        RevokeTokenRequest { token: None, token_id: Some(token_id), client: Some(client) } => {
            check_id(&token_id)?;
            Command::RevokeTokenOf { client, token_id }
        }
        _ => {
            return Err(bad_request(
                "it must be either the token, or its id and the client",
                "send `token`, or `token_id` and `client`",
            ));
        }
    };
    Ok(json(StatusCode::OK, &control.end_tokens(command).await?))
}

fn check_id(token_id: &str) -> Result<(), Refused> {
    if token_id.is_empty() || token_id.len() > TOKEN_ID_BYTES_MAX {
        return Err(bad_request("this is no id of a token", "give the `jti` of the token"));
    }
    Ok(())
}

/// Client, id and expiry, as a token says them; nothing of it is verified.
fn named_by(token: &str) -> Option<(ClientId, String, Timestamp)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(token.trim().split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let client = claims.pointer("/portcullis/client")?.as_str()?.parse().ok()?;
    let expires_at = Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()?;
    Some((client, claims.get("jti")?.as_str()?.to_owned(), expires_at))
}

pub async fn sign_out(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<SignOutRequest>,
) -> Reply {
    let command =
        Command::SignOut { target: target(&request.target)?, by: operator.id, reason: request.reason };
    Ok(json(StatusCode::OK, &control.end_tokens(command).await?))
}

/// Whoever is unknown gets 404, as the draft wants it; a gate that doesn't confirm makes it a failure.
pub async fn global_token_revocation(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<GlobalTokenRevocationRequest>,
) -> Reply {
    let issuer = control.state().installation.as_ref().map(|known| known.issuer.clone()).unwrap_or_default();
    let target = subject(&request.sub_id, &issuer)?;
    let reason = "global token revocation".to_owned();
    match control.end_tokens(Command::SignOut { target, by: operator.id, reason }).await {
        Ok(TokensEnded { gates_silent, .. }) if !gates_silent.is_empty() => {
            let detail = format!("not confirmed by {}", gates_silent.join(", "));
            Err(Problem::new(503, "recorded, not confirmed", detail).hint("try again").into())
        }
        // What is severed has no token that is good.
        Ok(_) | Err(ExecuteError::Refused(Refusal::AlreadySevered { .. })) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// RFC 9493: of its formats, those that can name a machine.
fn subject(sub_id: &Value, issuer: &str) -> Result<TargetName, Refused> {
    let member = |name: &str| sub_id.get(name).and_then(Value::as_str);
    match (member("format"), member("id"), member("iss"), member("sub")) {
        (Some("opaque"), Some(id), None, None) => target(id),
        (Some("iss_sub"), None, Some(iss), Some(sub)) if iss == issuer => {
            Ok(TargetName::Client(sub.to_owned()))
        }
        (Some("iss_sub"), None, Some(_), Some(_)) => Err(not_found("the issuer is another one")),
        _ => Err(bad_request(
            "`sub_id` names nobody here",
            "send the format `opaque` with `id` `vendor/NAME`, `integration/NAME` or `client/NAME`, or `iss_sub`",
        )),
    }
}
