//! Who asks: exactly one of `private_key_jwt`, `tls_client_auth`, `self_signed_tls_client_auth`.
//!
//! A client that doesn't exist and one whose proof isn't good get the same answer. Only what anybody
//! can see from the request alone — a wrong audience, an expired assertion, a secret — is explained.

use jiff::Timestamp;
use portcullis_domain::event::KeyForm;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{AssertionAudience, Authentication};
use portcullis_domain::state::{KeyTerm, Standing};
use portcullis_tokens::assertion::{
    Assertion, AssertionError, ExpectedAssertion, RegisteredKey, VerifiedAssertion,
};
use portcullis_tokens::thumbprint::Thumbprint;

use super::answer::Failure;
use super::used_assertions::Taken;
use super::{Exchange, TOKEN_PATH, certificate, url};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion may live. Some libraries give it an hour, and it is good once anyway.
const LIFETIME_SECONDS_MAX: i64 = 3_600;
/// The same for an assertion without `iat`, whose age nobody can tell.
const LIFETIME_WITHOUT_ISSUED_AT_SECONDS_MAX: i64 = 300;
/// By how much a client's clock may be ahead. Within as many seconds after a restart, an assertion
/// that such a client had sent before could be replayed: so this is short.
const LEEWAY_SECONDS: i64 = 5;
const SUPPORTED: &str = "use `private_key_jwt` with a registered key, or connect with a registered certificate and send `client_id`";

/// A client that has proved who it is. Whether it may have anything is another question.
pub(super) struct Caller<'a> {
    pub standing: Standing<'a>,
    /// The registered key, or the certificate, that it proved itself by.
    pub key: Thumbprint,
    pub term: KeyTerm,
    pub by: Authentication,
}

pub(super) fn authenticate<'a>(exchange: &Exchange<'a>) -> Result<Caller<'a>, Box<Failure>> {
    let form = &exchange.form;
    let assertion = form.one("client_assertion");
    let by_assertion = assertion.is_some() || form.one("client_assertion_type").is_some();
    let by_secret = form.one("client_secret").is_some();
    let by_header = exchange.request.authorization.is_some();
    if usize::from(by_assertion) + usize::from(by_secret) + usize::from(by_header) > 1 {
        let description = "the client authenticates in more than one way";
        return Err(Failure::invalid_request(description).hint(SUPPORTED).into());
    }
    if by_secret {
        return Err(Box::new(secrets_refused()));
    }
    if let Some(header) = &exchange.request.authorization {
        return Err(Box::new(header_refused(header)));
    }
    if by_assertion {
        return authenticate_by_assertion(exchange, assertion);
    }
    authenticate_by_certificate(exchange)
}

fn secrets_refused() -> Failure {
    Failure::invalid_client("client secrets are not accepted").hint(SUPPORTED)
}

fn header_refused(header: &str) -> Failure {
    let scheme = header.split(' ').next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("basic") {
        // RFC 6749, section 5.2 wants the challenge of the scheme that was used.
        return secrets_refused().header("www-authenticate", "Basic realm=\"oauth\"");
    }
    Failure::invalid_client("the Authorization header is not used here").hint(SUPPORTED)
}

fn authenticate_by_assertion<'a>(
    exchange: &Exchange<'a>,
    assertion: Option<&str>,
) -> Result<Caller<'a>, Box<Failure>> {
    if exchange.form.one("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Failure::invalid_client("`client_assertion_type` is missing or not known")
            .hint(format!("set it to `{ASSERTION_TYPE}`"))
            .into());
    }
    let jwt = assertion.ok_or_else(|| {
        Failure::invalid_client("`client_assertion` is missing").hint("send the signed JWT in it")
    })?;
    let assertion = Assertion::parse(jwt).map_err(|error| failure_of(&error))?;
    let name = assertion.subject().map_err(|error| failure_of(&error))?;
    if exchange.form.one("client_id").is_some_and(|client_id| client_id != name) {
        return Err(Failure::invalid_client("`client_id` is not the assertion's `sub`")
            .hint("leave `client_id` out, or set both to the client's name")
            .into());
    }
    let standing = exchange.state.standing(name);
    let verified = verify(exchange, &assertion, name, standing.as_ref())?;
    let Some(standing) = standing else { return Err(Failure::authentication_failed().into()) };
    take(exchange, &standing, &verified)?;
    let Some(term) = term_of(exchange, &standing, &verified.key.to_string(), KeyForm::Jwk) else {
        return Err(Failure::authentication_failed().into());
    };
    Ok(Caller { standing, key: verified.key, term, by: Authentication::PrivateKeyJwt })
}

/// The signature first with either audience, and only then with the one that the client has chosen:
/// otherwise the refusal of an audience would tell which clients exist.
fn verify(
    exchange: &Exchange<'_>,
    assertion: &Assertion<'_>,
    client_id: &str,
    standing: Option<&Standing<'_>>,
) -> Result<VerifiedAssertion, Box<Failure>> {
    let server = exchange.server;
    let here = server.here(exchange.request);
    let endpoint_here = url(&here, TOKEN_PATH);
    // By a door of an integration's own, the address there is as good as the common one.
    let issuers = [server.issuer.as_str(), &*here];
    let endpoints = [server.token_endpoint.as_str(), endpoint_here.as_str()];
    let registered =
        standing.map(|standing| server.client_keys.of(exchange.state, standing)).unwrap_or_default();
    // A client without keys costs a signature check like any other.
    let keys: &[RegisteredKey] = if registered.is_empty() { &server.decoy } else { &registered };
    let expected = ExpectedAssertion {
        client_id,
        audiences: &[issuers, endpoints].concat(),
        now: exchange.now.as_second(),
        lifetime_seconds_max: LIFETIME_SECONDS_MAX,
        leeway_seconds: LEEWAY_SECONDS,
    };
    let verified = assertion.verify(keys, &expected).map_err(|error| failure_of(&error))?;
    let chosen = standing.map(|standing| standing.client_spec.assertion_audience).unwrap_or_default();
    let narrowed = match chosen {
        AssertionAudience::Issuer => verified.check_audience(&issuers),
        AssertionAudience::TokenEndpoint if exchange.request.path == TOKEN_PATH => {
            verified.check_audience(&endpoints)
        }
        AssertionAudience::TokenEndpoint => Ok(()),
    };
    narrowed.map_err(|error| failure_of(&error))?;
    Ok(verified)
}

/// Takes the assertion, which nobody can use a second time.
fn take(
    exchange: &Exchange<'_>,
    standing: &Standing<'_>,
    assertion: &VerifiedAssertion,
) -> Result<(), Box<Failure>> {
    let now = exchange.now.as_second();
    check_age(assertion, exchange.server.started_seconds, now)?;
    let used = &exchange.server.used_assertions;
    let (vendor, client) = (standing.vendor_id(), standing.client_id());
    match used.take(vendor, client, &assertion.token_id, assertion.expires_at, now) {
        Taken::Yes => Ok(()),
        Taken::Before => Err(Failure::invalid_client("the client assertion was used before")
            .hint("make a new one, with a new `jti`, for each request")
            .into()),
        Taken::Full => Err(Failure::unavailable("too many client assertions to remember")
            .reasons(vec![Reason::ReplayStoreFull])
            .into()),
    }
}

/// What was used is remembered in memory only. An assertion that an earlier process may have taken is
/// refused, so that nothing replays over a restart.
fn check_age(assertion: &VerifiedAssertion, started_seconds: i64, now: i64) -> Result<(), Box<Failure>> {
    match assertion.issued_at {
        Some(issued_at) if issued_at >= started_seconds => Ok(()),
        Some(_) => {
            Err(Failure::invalid_client("the client assertion is older than this server's last start")
                .hint("make a new one for each request, and set the clock")
                .into())
        }
        None if assertion.expires_at.saturating_sub(now) > LIFETIME_WITHOUT_ISSUED_AT_SECONDS_MAX => {
            Err(Failure::invalid_client("the client assertion has no `iat`, and lives too long for that")
                .hint(format!(
                    "add `iat`, or let `exp` be at most {LIFETIME_WITHOUT_ISSUED_AT_SECONDS_MAX} s ahead"
                ))
                .into())
        }
        None if now < started_seconds.saturating_add(LIFETIME_WITHOUT_ISSUED_AT_SECONDS_MAX) => {
            Err(Failure::invalid_client(
                "the client assertion has no `iat`, and may be older than this server's last start",
            )
            .hint("add `iat`")
            .into())
        }
        None => Ok(()),
    }
}

/// What depends on a registered key is answered alike for every client, and for none.
fn failure_of(error: &AssertionError) -> Box<Failure> {
    Box::new(match error {
        AssertionError::KeyUnknown { .. }
        | AssertionError::AlgorithmMismatch { .. }
        | AssertionError::Signature => Failure::authentication_failed(),
        explainable => Failure::invalid_client("").explained(&explainable.to_string()),
    })
}

fn authenticate_by_certificate<'a>(exchange: &Exchange<'a>) -> Result<Caller<'a>, Box<Failure>> {
    let Some((leaf, intermediates)) = exchange.request.certificates.split_first() else {
        return Err(Failure::invalid_client("the client does not authenticate").hint(SUPPORTED).into());
    };
    let Some(client_id) = exchange.form.one("client_id") else {
        return Err(Failure::invalid_client("`client_id` is missing")
            .hint("with a client certificate, name the client in `client_id`")
            .into());
    };
    let Some(standing) = exchange.state.standing(client_id) else {
        return Err(Failure::authentication_failed().into());
    };
    let key = Thumbprint::of_certificate(leaf);
    if let Some(term) = term_of(exchange, &standing, &key.to_string(), KeyForm::Certificate) {
        return Ok(Caller { standing, key, term, by: Authentication::SelfSignedTlsClientAuth });
    }
    if let Some(subject) = &standing.client_spec.subject
        && certificate::is_of(subject, leaf, intermediates, exchange.now)
    {
        // Its authority has said how long it is good.
        let until = certificate::not_after(leaf).unwrap_or(Timestamp::MIN);
        let term = KeyTerm { until, lapses: true, warn_from: Timestamp::MAX };
        return Ok(Caller { standing, key, term, by: Authentication::TlsClientAuth });
    }
    Err(Failure::authentication_failed().into())
}

/// The term of a key that the client has, or had until lately; whether it is over is looked at with all
/// else that may stand against the client.
pub(super) fn term_of(
    exchange: &Exchange<'_>,
    standing: &Standing<'_>,
    thumbprint: &str,
    form: KeyForm,
) -> Option<KeyTerm> {
    let mut keys = exchange.state.key_terms(standing);
    let known = keys.find(|(key, _)| key.form == form && key.thumbprint == thumbprint);
    known.map(|(_, term)| term).filter(|term| term.until > Timestamp::MIN)
}
