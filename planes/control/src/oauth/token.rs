//! The client credentials grant (RFC 6749, section 4.4): short tokens, each bound to a key.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_domain::reason::Reason;
use portcullis_domain::state::Standing;
use portcullis_domain::state::signing_keys::TOKEN_SECONDS_MAX;
use portcullis_policy::link::RelayAbout;
use portcullis_tokens::access_token::{self, AccessClaims, Confirmation, Epochs, Lineage, TokenError};
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::json;

use super::answer::{Answer, Failure};
use super::authenticate::{Caller, authenticate};
use super::form::shown;
use super::standing::{self, Permit};
use super::{Exchange, Outcome, resource};

pub(super) fn issue(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    check_grant_type(exchange.form.one("grant_type"))?;
    let caller = authenticate(exchange)?;
    let mut about = about(&caller);
    // From here on the decision is about this client, whichever way it goes.
    match grant(exchange, &caller) {
        Ok((answer, scope)) => {
            about.scope = scope;
            Ok(Outcome::Answer(answer.about(about)))
        }
        Err(failure) => Err(Box::new(failure.about(about))),
    }
}

pub(super) fn about(caller: &Caller<'_>) -> RelayAbout {
    RelayAbout {
        vendor: caller.standing.vendor_id(),
        integration: caller.standing.integration_id(),
        client: caller.standing.client_id(),
        client_key: caller.key.to_string(),
        scope: Vec::new(),
    }
}

/// A token for a client that is who it says, with the scope that it carries.
fn grant(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<(Answer, Vec<String>), Box<Failure>> {
    let confirmation = confirmation(exchange)?;
    let permit = standing::check(exchange, caller, &confirmation)?;
    check_bound(&confirmation)?;
    let scope = scope(exchange.form.one("scope"), &caller.standing.integration_spec.scopes)?;
    let audience = resource::audience(exchange, &caller.standing)?;
    let server = exchange.server;
    server.issues.take(caller.standing.vendor_id(), server.now_ns()).map_err(Failure::too_many)?;
    let claims = claims(exchange, caller, confirmation, permit, scope, audience)?;
    let active = exchange.state.active_signing_key();
    let signing_key = active.and_then(|key| server.signing_keys.usable(&key.kid));
    let signing_key = signing_key.ok_or_else(|| Failure::unavailable("the signing key is being replaced"))?;
    let token = access_token::mint(&signing_key, &claims).map_err(not_minted)?;
    tracing::debug!(client = %claims.client_id, by = ?caller.by, token = %claims.token_id, "token issued");
    let answer = Answer::json(json!({
        "access_token": token,
        "token_type": token_type(&claims.confirmation),
        "expires_in": claims.expires_at - claims.issued_at,
        "scope": claims.scope.join(" "),
    }));
    Ok((warned(answer, caller, exchange.now), claims.scope))
}

/// Tells the holder of a key that will soon be over; the gate says the same with each of its answers.
fn warned(answer: Answer, caller: &Caller<'_>, now: Timestamp) -> Answer {
    if now < caller.term.warn_from {
        return answer;
    }
    match Timestamp::from_second(caller.term.until.as_second()) {
        Ok(until) => answer.header("portcullis-key-expires", until.to_string()),
        Err(_) => answer,
    }
}

/// `DPoP` if a proof must come with it (RFC 9449, section 5); a certificate alone makes no type.
pub(super) fn token_type(confirmation: &Confirmation) -> &'static str {
    if confirmation.jkt.is_some() { "DPoP" } else { "Bearer" }
}

/// What the caller holds besides its registered key: each is bound, if both are there.
pub(super) fn confirmation(exchange: &Exchange<'_>) -> Result<Confirmation, Box<Failure>> {
    let request = exchange.request;
    let jkt = match &request.proof_key {
        None => None,
        Some(text) => Some(text.parse::<Thumbprint>().map_err(|error| {
            tracing::error!(%error, "the gate relayed a proof's key that is none");
            Failure::server_error()
        })?),
    };
    let x5t_s256 = request.certificates.first().map(|leaf| Thumbprint::of_certificate(leaf));
    Ok(Confirmation { jkt, x5t_s256 })
}

fn check_grant_type(grant_type: Option<&str>) -> Result<(), Box<Failure>> {
    let hint = "set `grant_type` to `client_credentials`";
    match grant_type {
        Some("client_credentials") => Ok(()),
        Some(_) => Err(Failure::bad_request("unsupported_grant_type", "the grant type is not supported")
            .hint(hint)
            .into()),
        None => Err(Failure::invalid_request("`grant_type` is missing").hint(hint).into()),
    }
}

fn check_bound(confirmation: &Confirmation) -> Result<(), Box<Failure>> {
    if confirmation.binds() {
        return Ok(());
    }
    Err(Failure::invalid_request("access tokens are always bound to a key, and the request shows none")
        .hint("send a DPoP proof (RFC 9449), or connect with a client certificate")
        .into())
}

/// What was asked for, if the integration has all of it; all of the integration's scopes without a
/// word. Never more than was asked.
fn scope(asked: Option<&str>, granted: &[String]) -> Result<Vec<String>, Box<Failure>> {
    let Some(asked) = asked else { return Ok(granted.to_vec()) };
    let mut scope: Vec<String> = Vec::new();
    let mut refused: Vec<String> = Vec::new();
    for token in asked.split(' ').filter(|token| !token.is_empty()) {
        if !granted.iter().any(|known| known == token) {
            refused.push(format!("`{}`", shown(token)));
        } else if !scope.iter().any(|known| known == token) {
            scope.push(token.to_owned());
        }
    }
    if !refused.is_empty() {
        let description = format!("not granted to this integration: {}", refused.join(", "));
        return Err(Failure::bad_request("invalid_scope", description)
            .hint("ask for granted scopes, or leave `scope` out to get all of them")
            .into());
    }
    if scope.is_empty() {
        return Err(Failure::bad_request("invalid_scope", "`scope` names no scope").into());
    }
    Ok(scope)
}

fn claims(
    exchange: &Exchange<'_>,
    caller: &Caller<'_>,
    confirmation: Confirmation,
    permit: Permit,
    scope: Vec<String>,
    audience: Vec<String>,
) -> Result<AccessClaims, Box<Failure>> {
    let standing = &caller.standing;
    let issued_at = exchange.now.as_second();
    let lifetime = standing.integration_spec.token_seconds.min(TOKEN_SECONDS_MAX);
    let expires_at = issued_at.saturating_add(lifetime.into()).min(permit.ends_at);
    if expires_at <= issued_at {
        // Less than a second is left of the key, the contract or the grant.
        let key_first = caller.term.until.as_second() <= issued_at;
        let of_key = if caller.term.lapses { Reason::ClientKeyLapsed } else { Reason::ClientKeyEnded };
        let reason = if key_first { of_key } else { Reason::ContractNotInForce };
        return Err(standing::refusal(vec![reason]).into());
    }
    let name = standing.client.declaration.name.clone();
    Ok(AccessClaims {
        issuer: exchange.server.issuer.clone(),
        subject: name.clone(),
        audience,
        client_id: name,
        issued_at,
        expires_at,
        token_id: token_id()?,
        scope,
        confirmation,
        lineage: Lineage {
            vendor: standing.vendor_id(),
            integration: standing.integration_id(),
            client: standing.client_id(),
            epochs: epochs(exchange, standing),
            client_key: caller.key,
            context: Some(permit.context),
        },
    })
}

pub(super) fn epochs(exchange: &Exchange<'_>, standing: &Standing<'_>) -> Epochs {
    Epochs {
        vendor: exchange.state.epoch(standing.vendor.id),
        integration: exchange.state.epoch(standing.integration.id),
        client: exchange.state.epoch(standing.client.id),
    }
}

fn token_id() -> Result<String, Box<Failure>> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| {
        tracing::error!("no randomness for a token's id");
        Failure::server_error()
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn not_minted(error: TokenError) -> Box<Failure> {
    match error {
        TokenError::Mint { name: "token", .. } => {
            Box::new(Failure::invalid_request("the token would be too long").hint("ask for fewer scopes"))
        }
        error => {
            tracing::error!(%error, "a token could not be minted");
            Box::new(Failure::server_error())
        }
    }
}
