//! Discovery (RFC 8414) and the token: asked for once, kept until it is about to expire.

use std::fmt;
use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_tokens::assertion::{self, NewAssertion};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::error::NoToken;
use super::{Giver, Machine, MachineError, unique};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ASSERTION_SECONDS: i64 = 60;
/// A token with less left is not used any more: the request may be on its way that long.
const LEFT_SECONDS_MIN: i64 = 5;
/// A nonce may just have gone out of use while the request was on its way.
const TRIES_MAX: usize = 3;

/// An access token that is bound to the machine's key or certificate.
#[derive(Clone)]
pub struct Token {
    pub access_token: String,
    /// `DPoP`, or `Bearer` where a certificate alone binds it.
    pub token_type: String,
    pub scope: String,
    pub expires_at: Timestamp,
    /// From then on a new one is asked for.
    pub renew_at: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.expires_at).field("access_token", &"****").finish()
    }
}

/// What of the issuer's metadata is used.
#[derive(Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    token_endpoint: String,
    mtls_endpoint_aliases: Option<Aliases>,
    #[serde(rename = "portcullis_key_endpoint")]
    pub(super) key_endpoint: Option<String>,
    #[serde(rename = "portcullis_enrolment_endpoint")]
    pub(super) enrolment_endpoint: Option<String>,
    #[serde(rename = "portcullis_posture_endpoint")]
    pub(super) posture_endpoint: Option<String>,
    #[serde(rename = "portcullis_incident_endpoint")]
    pub(super) incident_endpoint: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Aliases {
    token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    scope: String,
    expires_in: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
    hint: Option<String>,
    reasons: Vec<String>,
    /// Where the gate itself refused, in its own form.
    title: String,
    detail: String,
}

/// How long before its end a token is renewed. One that lives for a moment, as its contract ends, is used for half of it:
/// to ask for another with each request would be a flood.
fn margin(lifetime: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(LEFT_SECONDS_MIN).min(lifetime / 2)
}

impl Machine {
    /// The token in use, or a new one.
    ///
    /// # Errors
    /// [`MachineError::NoToken`] with what the token endpoint said; others when it isn't reached.
    pub async fn token(&self) -> Result<Arc<Token>, MachineError> {
        let mut kept = self.token.lock().await;
        let now = self.options.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| now < token.renew_at) {
            return Ok(Arc::clone(token));
        }
        *kept = None;
        let token = Arc::new(self.ask_token().await?);
        *kept = Some(Arc::clone(&token));
        Ok(token)
    }

    /// Goes on with the token and the nonce of another machine that has the same key.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub async fn adopt(&self, other: &Self) -> Result<(), MachineError> {
        *self.token.lock().await = Some(other.token().await?);
        let nonces = other.nonces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.nonces.lock().unwrap_or_else(PoisonError::into_inner) = nonces;
        Ok(())
    }

    /// Asks anew the next time, unless another task has done so already.
    pub async fn forget(&self, token: &Token) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.access_token == token.access_token) {
            *kept = None;
        }
    }

    async fn ask_token(&self) -> Result<Token, MachineError> {
        let metadata = self.metadata().await?;
        let endpoint = self.token_endpoint(metadata)?;
        let mut tries = 1;
        loop {
            let response = self.ask_token_once(&endpoint, &metadata.issuer).await?;
            let nonce_given = self.keep_nonce(Giver::TokenEndpoint, &response);
            if response.status() == StatusCode::OK {
                return self.granted(response).await;
            }
            let refused = no_token(response).await;
            if !nonce_given || refused.error != "use_dpop_nonce" || tries >= TRIES_MAX {
                return Err(MachineError::NoToken(Box::new(refused)));
            }
            tries += 1;
        }
    }

    pub(super) async fn metadata(&self) -> Result<&Metadata, MachineError> {
        self.metadata.get_or_try_init(|| self.discover()).await
    }

    /// Adds the assertion of a machine that has a key.
    pub(super) fn authenticate(
        &self,
        form: &mut Vec<(&'static str, String)>,
        issuer: &str,
    ) -> Result<(), MachineError> {
        let Some(key) = &self.options.key else { return Ok(()) };
        let now = self.options.clock.now().as_second();
        let new = NewAssertion {
            client_id: &self.options.client,
            audience: issuer,
            token_id: &unique(),
            issued_at: now,
            expires_at: now.saturating_add(ASSERTION_SECONDS),
        };
        form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
        form.push(("client_assertion", assertion::create(key, &new).map_err(MachineError::Sign)?));
        Ok(())
    }

    async fn ask_token_once(&self, endpoint: &Url, issuer: &str) -> Result<Response, MachineError> {
        let client = self.options.client.as_str();
        let mut form =
            vec![("grant_type", "client_credentials".to_owned()), ("client_id", client.to_owned())];
        if !self.options.scope.is_empty() {
            form.push(("scope", self.options.scope.join(" ")));
        }
        self.authenticate(&mut form, issuer)?;
        let mut request = self.http().post(endpoint.clone()).form(&form);
        if let Some(proof) = self.proof("POST", endpoint, None)? {
            request = request.header("dpop", proof);
        }
        request.send().await.map_err(|source| MachineError::Unreachable { url: endpoint.to_string(), source })
    }

    async fn granted(&self, response: Response) -> Result<Token, MachineError> {
        let granted: Granted = response.json().await.map_err(|error| self.misshapen(&error.to_string()))?;
        let lifetime = SignedDuration::from_secs(granted.expires_in.clamp(0, 86_400));
        let now = self.options.clock.now();
        let expires_at = now.checked_add(lifetime);
        let renew_at = now.checked_add(lifetime - margin(lifetime));
        Ok(Token {
            access_token: granted.access_token,
            token_type: granted.token_type,
            scope: granted.scope,
            expires_at: expires_at.unwrap_or(Timestamp::MAX),
            renew_at: renew_at.unwrap_or(Timestamp::MAX),
        })
    }

    async fn discover(&self) -> Result<Metadata, MachineError> {
        let url = metadata_url(&self.options.issuer)
            .ok_or_else(|| MachineError::Address(self.options.issuer.clone()))?;
        let response = self
            .http()
            .get(url.clone())
            .send()
            .await
            .map_err(|source| MachineError::Unreachable { url: url.to_string(), source })?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(self.misshapen(&format!("status {status}")));
        }
        let metadata: Metadata = response.json().await.map_err(|error| self.misshapen(&error.to_string()))?;
        // RFC 8414 §3.3: another issuer's metadata must not be used.
        if metadata.issuer != self.options.issuer {
            return Err(self.misshapen(&format!("its issuer is `{}`", metadata.issuer)));
        }
        Ok(metadata)
    }

    /// RFC 8705 §5: who shows a certificate uses the aliases.
    fn token_endpoint(&self, metadata: &Metadata) -> Result<Url, MachineError> {
        let alias =
            metadata.mtls_endpoint_aliases.as_ref().and_then(|aliases| aliases.token_endpoint.as_ref());
        let endpoint =
            alias.filter(|_| self.options.identity.is_some()).unwrap_or(&metadata.token_endpoint).as_str();
        Url::parse(endpoint).map_err(|_| self.misshapen("its token endpoint is no address"))
    }

    pub(super) fn misshapen(&self, what: &str) -> MachineError {
        MachineError::Metadata { issuer: self.options.issuer.clone(), what: what.to_owned() }
    }
}

/// RFC 8414 §3.1: the well-known part goes between host and path.
fn metadata_url(issuer: &str) -> Option<Url> {
    let mut url = Url::parse(issuer).ok()?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Some(url)
}

pub(super) async fn no_token(response: Response) -> NoToken {
    let status = response.status().as_u16();
    let decision = response.headers().get("portcullis-decision").and_then(|id| id.to_str().ok());
    let decision = decision.map(str::to_owned);
    let denied: Denied = response.json().await.unwrap_or_default();
    let either = |first: String, second: String| if first.is_empty() { second } else { first };
    NoToken {
        status,
        error: either(denied.error, denied.title),
        description: either(denied.error_description, denied.detail),
        hint: denied.hint,
        reasons: denied.reasons,
        decision,
    }
}

/// The claims of a token, to look at. Whether they hold only the gate can say.
#[must_use]
pub fn unverified_claims(access_token: &str) -> Option<Value> {
    let payload = access_token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_stands_between_host_and_path() {
        let check = |issuer: &str, expect: &str| {
            assert_eq!(metadata_url(issuer).map(|url| url.to_string()).as_deref(), Some(expect), "{issuer}");
        };
        check("https://gate.example", "https://gate.example/.well-known/oauth-authorization-server");
        check(
            "https://gate.example:8443/",
            "https://gate.example:8443/.well-known/oauth-authorization-server",
        );
        check("https://gate.example/a/b", "https://gate.example/.well-known/oauth-authorization-server/a/b");
        assert!(metadata_url("gate").is_none());
    }

    #[test]
    fn claims_are_read_from_the_middle() {
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#));
        assert_eq!(unverified_claims(&token), Some(serde_json::json!({ "sub": "a" })));
        for wrong in ["", "e30", "a.!.b", "e30.e3.x"] {
            assert_eq!(unverified_claims(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_one_of_a_moment_is_used_at_all() {
        let check = |lifetime: i64, expect: SignedDuration| {
            assert_eq!(margin(SignedDuration::from_secs(lifetime)), expect, "{lifetime}");
        };
        check(300, SignedDuration::from_secs(5));
        check(10, SignedDuration::from_secs(5));
        check(4, SignedDuration::from_secs(2));
        check(0, SignedDuration::ZERO);
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token {
            access_token: "geheim".into(),
            token_type: "DPoP".into(),
            scope: String::new(),
            expires_at: Timestamp::UNIX_EPOCH,
            renew_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{token:?}").contains("geheim"));
    }
}
