//! Tokens that were issued: introspection (RFC 7662) and revocation (RFC 7009), of one's own only.

use jiff::Timestamp;
use portcullis_domain::command::Command;
use portcullis_domain::state::Standing;
use portcullis_tokens::access_token::{self, AccessClaims, TokenKeys};
use portcullis_tokens::jwk::{Jwk, VerifyingKey};
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::json;

use super::answer::{Answer, Failure};
use super::authenticate::{Caller, authenticate};
use super::standing;
use super::token::{confirmation, epochs, token_type};
use super::{Exchange, Outcome};

/// What a token is to the one who asks.
enum Found {
    Live(Box<AccessClaims>),
    /// Unknown, expired, revoked, or from before a severance: all the same to the outside.
    Dead,
    OfAnother,
}

pub(super) fn introspect(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    let answer = match find(exchange)? {
        Found::Dead | Found::OfAnother => json!({ "active": false }),
        Found::Live(claims) => json!({
            "active": true,
            "scope": claims.scope.join(" "),
            "client_id": claims.client_id,
            "token_type": token_type(&claims.confirmation),
            "exp": claims.expires_at,
            "iat": claims.issued_at,
            "sub": claims.subject,
            "aud": claims.audience,
            "iss": claims.issuer,
            "jti": claims.token_id,
            "cnf": claims.confirmation,
        }),
    };
    Ok(Outcome::Answer(Answer::json(answer)))
}

pub(super) fn revoke(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    match find(exchange)? {
        Found::Live(claims) => {
            let server = exchange.server;
            if server.revocations.take(claims.lineage.vendor, server.now_ns()).is_err() {
                return Err(Failure::unavailable("too many tokens were revoked in a short time").into());
            }
            let expires_at = Timestamp::from_second(claims.expires_at).unwrap_or(Timestamp::MAX);
            let command =
                Command::RevokeToken { client: claims.lineage.client, token_id: claims.token_id, expires_at };
            Ok(Outcome::Revoke(Box::new(command)))
        }
        // RFC 7009, section 2.2: a token that is no good is revoked already.
        Found::Dead => Ok(Outcome::Answer(Answer::empty())),
        Found::OfAnother => {
            Err(Failure::bad_request("unauthorized_client", "the token was issued to another client")
                .hint("a client revokes its own tokens only")
                .into())
        }
    }
}

/// The token of the request, as the authenticated client may see it. `token_type_hint` is not needed:
/// there is one type.
fn find(exchange: &Exchange<'_>) -> Result<Found, Box<Failure>> {
    let caller = authenticate(exchange)?;
    standing::check(exchange, &caller, &confirmation(exchange)?)?;
    let token = exchange
        .form
        .one("token")
        .ok_or_else(|| Failure::invalid_request("`token` is missing").hint("send the access token in it"))?;
    let (keys, now) = (token_keys(exchange), exchange.now.as_second());
    let Ok(claims) = access_token::verify(token, &keys, &exchange.server.issuer, now) else {
        return Ok(Found::Dead);
    };
    if claims.lineage.client != caller.standing.client_id() {
        return Ok(Found::OfAnother);
    }
    Ok(if is_live(exchange, &caller, &claims) { Found::Live(Box::new(claims)) } else { Found::Dead })
}

/// What the gate would say of it, apart from its binding.
fn is_live(exchange: &Exchange<'_>, caller: &Caller<'_>, claims: &AccessClaims) -> bool {
    let lineage = &claims.lineage;
    let standing = &caller.standing;
    let same_line =
        lineage.vendor == standing.vendor_id() && lineage.integration == standing.integration_id();
    let bound_to = [Some(lineage.client_key), claims.confirmation.jkt, claims.confirmation.x5t_s256];
    let refused = |key: Thumbprint| exchange.state.refused_keys.contains_key(&key.to_string());
    same_line
        && lineage.epochs == epochs(exchange, standing)
        && !exchange.state.revoked_tokens.contains_key(&claims.token_id)
        && !bound_to.into_iter().flatten().any(refused)
        && key_is_good(exchange, standing, &lineage.client_key.to_string())
}

/// A key that nobody registered can only be a certificate that the client's authority stands for.
fn key_is_good(exchange: &Exchange<'_>, standing: &Standing<'_>, key: &str) -> bool {
    let mut known = exchange.state.key_terms(standing).filter(|(_, term)| term.until > Timestamp::MIN);
    match known.find(|(known, _)| known.thumbprint == key) {
        Some((_, term)) => exchange.now < term.until,
        None => standing.client_spec.subject.is_some(),
    }
}

/// Every key that is not gone.
fn token_keys(exchange: &Exchange<'_>) -> TokenKeys {
    let mut keys = TokenKeys::new();
    for published in &exchange.state.signing_keys {
        let Ok(jwk) = Jwk::parse(&published.jwk.to_string()) else { continue };
        if let (Some(algorithm), Ok(key)) = (jwk.algorithm(), VerifyingKey::new(&jwk)) {
            keys.insert(published.kid.clone(), algorithm, key);
        }
        if let Some(refused_from) = published.refused_from() {
            keys.refuse_from(&published.kid, refused_from.as_second());
        }
    }
    keys
}
