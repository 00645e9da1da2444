//! One request through the gate, with a fresh proof.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use reqwest::{Response, StatusCode, Url};

use super::{Answer, Giver, Machine, MachineError, Token};

/// A nonce may go out of use, and a token be superseded, while a request is on its way.
const TRIES_MAX: usize = 4;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// A path with its query, or a whole address at the gate.
    pub target: String,
    pub headers: HeaderMap,
    /// Kept whole, for it may have to be sent again.
    pub body: Bytes,
}

impl Call {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl Machine {
    /// Sends one request: with a token (a new one, if the gate takes the old one no more, or asks who is there) and a fresh
    /// proof (again, if the gate asks for its nonce), over a new connection if the gate wants another handshake. A refusal
    /// is an answer too.
    ///
    /// # Errors
    /// [`MachineError`] if there is no token or no answer.
    pub async fn request(&self, call: &Call) -> Result<Answer, MachineError> {
        let url = self.url(&call.target)?;
        let mut tries = 1;
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let response = self.send(&url, call, &token).await?;
            let nonce_given = self.keep_nonce(Giver::Routes, &response);
            match wish(&response) {
                Wish::Nonce if nonce_given && tries < TRIES_MAX => {}
                Wish::Token if !renewed && tries < TRIES_MAX => {
                    renewed = true;
                    self.forget(&token).await;
                }
                Wish::Handshake if tries < TRIES_MAX => self.reconnect()?,
                _ => return Ok(Answer::new(response)),
            }
            tries += 1;
        }
    }

    /// A proof for a request that isn't sent from here: what a vendor's proxy or log may let out.
    ///
    /// # Errors
    /// [`MachineError`] if the address can't be called, or the proof not be signed.
    pub fn proof_for(&self, call: &Call, token: &Token) -> Result<Option<String>, MachineError> {
        self.proof(call.method.as_str(), &self.url(&call.target)?, Some(&token.access_token))
    }

    async fn send(&self, url: &Url, call: &Call, token: &Arc<Token>) -> Result<Response, MachineError> {
        let mut request = self.http().request(call.method.clone(), url.clone()).headers(call.headers.clone());
        if !call.body.is_empty() && !call.headers.contains_key(CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request = request.header(AUTHORIZATION, format!("{} {}", token.token_type, token.access_token));
        // A token that a certificate alone binds is sent as `Bearer`, without a proof.
        if token.token_type.eq_ignore_ascii_case("dpop")
            && let Some(proof) = self.proof(call.method.as_str(), url, Some(&token.access_token))?
        {
            request = request.header("dpop", proof);
        }
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        request.send().await.map_err(|source| MachineError::Unreachable { url: url.to_string(), source })
    }

    /// Only at the gate: a token is shown to nobody else.
    fn url(&self, target: &str) -> Result<Url, MachineError> {
        let gate = self.options.issuer.as_str();
        let base = Url::parse(gate).map_err(|_| MachineError::Address(gate.to_owned()))?;
        let malformed = || MachineError::Address(target.to_owned());
        let whole = target.starts_with("https://") || target.starts_with("http://");
        if !whole && !target.starts_with('/') {
            return Err(malformed());
        }
        let url = if whole {
            Url::parse(target)
        } else {
            // Not joined: `//host` would lead elsewhere.
            Url::parse(&format!("{}{target}", base.origin().ascii_serialization()))
        };
        let url = url.map_err(|_| malformed())?;
        if url.origin() != base.origin() {
            return Err(MachineError::OtherGate { url: target.to_owned(), gate: gate.to_owned() });
        }
        Ok(url)
    }
}

/// What a refusal asks for.
#[derive(PartialEq, Eq, Debug)]
enum Wish {
    Nothing,
    Nonce,
    Token,
    Handshake,
}

fn wish(response: &Response) -> Wish {
    if response.status() != StatusCode::UNAUTHORIZED {
        return Wish::Nothing;
    }
    let challenges = response.headers().get_all(WWW_AUTHENTICATE);
    let says = |words: &str| {
        challenges.iter().any(|challenge| challenge.to_str().is_ok_and(|text| text.contains(words)))
    };
    if says("error=\"use_dpop_nonce\"") {
        Wish::Nonce
    } else if says("error=\"invalid_token\"") {
        Wish::Token
    } else if says("error=\"insufficient_user_authentication\"") {
        // RFC 9470: who is there says so anew. A certificate does it in a handshake.
        if says("max_age") { Wish::Token } else { Wish::Handshake }
    } else {
        Wish::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;
    use crate::clock::system_clock;
    use portcullis_tokens::jws::Algorithm;
    use portcullis_tokens::signing::SigningKey;

    fn machine() -> Machine {
        let authority = rcgen::generate_simple_self_signed(vec!["gate.example".to_owned()]).unwrap();
        let options = Options {
            issuer: "https://gate.example:8443".into(),
            client: "c".into(),
            key: Some(Arc::new(SigningKey::generate(Algorithm::EdDSA).unwrap())),
            identity: None,
            authorities: crate::machine::authorities(authority.cert.pem().as_bytes()).unwrap(),
            scope: Vec::new(),
            http1_only: false,
            local_address: None,
            through: None,
            clock: system_clock(),
        };
        Machine::new(options).unwrap()
    }

    #[test]
    fn a_refusal_says_what_it_wishes() {
        let check = |status: u16, challenge: &str, expect: Wish| {
            let response = http::Response::builder().status(status).header(WWW_AUTHENTICATE, challenge);
            assert_eq!(wish(&response.body(String::new()).unwrap().into()), expect, "{challenge}");
        };
        check(401, r#"DPoP error="use_dpop_nonce", algs="ES256""#, Wish::Nonce);
        check(401, r#"Bearer error="invalid_token""#, Wish::Token);
        check(401, r#"Bearer error="insufficient_user_authentication", max_age="0""#, Wish::Token);
        check(401, r#"Bearer error="insufficient_user_authentication""#, Wish::Handshake);
        check(401, r#"Bearer error="insufficient_scope""#, Wish::Nothing);
        check(403, r#"Bearer error="insufficient_user_authentication""#, Wish::Nothing);
    }

    #[test]
    fn a_token_goes_to_its_gate_only() {
        let machine = machine();
        let check = |target: &str, expect: Option<&str>| {
            let url = machine.url(target).ok().map(|url| url.to_string());
            assert_eq!(url.as_deref(), expect, "{target}");
        };
        check("/a?b=c", Some("https://gate.example:8443/a?b=c"));
        check("https://gate.example:8443/a", Some("https://gate.example:8443/a"));
        check("//evil.example/a", Some("https://gate.example:8443//evil.example/a"));
        check("https://gate.example/a", None);
        check("http://gate.example:8443/a", None);
        check("https://gate.example:8443@evil.example/a", None);
        check("a", None);
        check("", None);
    }

    #[test]
    fn a_proof_names_the_address_without_its_query() {
        let machine = machine();
        let url = machine.url("/a?secret=1#x").unwrap();
        let proof = machine.proof("GET", &url, Some("token")).unwrap().unwrap();
        let expected = portcullis_tokens::dpop::ExpectedProof {
            method: "GET",
            urls: &["https://gate.example:8443/a".to_owned()],
            access_token: Some("token"),
            now: machine.options.clock.now().as_second(),
            leeway_seconds: 5,
        };
        let verified = portcullis_tokens::dpop::verify(&proof, &expected).unwrap();
        assert_eq!(verified.nonce, None);
        assert!(!proof.contains("secret"));
        let other = machine.proof("GET", &url, Some("token")).unwrap().unwrap();
        assert_ne!(portcullis_tokens::dpop::verify(&other, &expected).unwrap().jti, verified.jti);
    }
}
