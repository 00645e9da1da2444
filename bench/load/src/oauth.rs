//! Tokens, as any machine gets them: RFC 6749 client credentials, bound by certificate or DPoP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::keys::{Key, now_seconds, unique};
use crate::proofs::Prover;

const ASSERTION_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const ASSERTION_SECONDS: u64 = 60;

/// Where tokens come from.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `https://HOST:PORT`.
    pub url: String,
    pub address: SocketAddr,
}

impl Issuer {
    /// Of `https://ADDRESS:PORT`.
    pub fn new(url: &str) -> Result<Self> {
        let address = url.strip_prefix("https://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let address = address.with_context(|| format!("`{url}` is no `https://ADDRESS:PORT`"))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), address })
    }

    pub fn host(&self) -> &str {
        self.url.trim_start_matches("https://")
    }

    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth/token", self.url)
    }

    /// A token bound to the certificate of `config`, which is all the proof there is.
    pub fn token_by_certificate(&self, client: &str, config: &Arc<ClientConfig>) -> Result<String> {
        let body = format!("grant_type=client_credentials&client_id={client}");
        let answer = Exchange::open(self.address, config)?.ask(&self.token_request(&body, None))?;
        token_of(answer.status, &answer.body)
    }

    /// A token bound to `key`, by an assertion and a proof of it; and the nonce that came with it.
    pub fn token_by_key(
        &self,
        client: &str,
        key: &Key,
        config: &Arc<ClientConfig>,
    ) -> Result<(String, String)> {
        self.token_on(&mut Exchange::open(self.address, config)?, client, key, None)
    }

    /// The same on a connection that stands, with the nonce that came the last time.
    pub fn token_on(
        &self,
        exchange: &mut Exchange,
        client: &str,
        key: &Key,
        nonce: Option<String>,
    ) -> Result<(String, String)> {
        let mut prover = Prover::new(key.again()?, "POST", self.token_endpoint(), None);
        if let Some(nonce) = nonce {
            prover.take_nonce(nonce);
        }
        for _ in 0..3 {
            let body = self.assertion_form(client, key, ASSERTION_SECONDS)?;
            let proof = prover.sign()?;
            let answer = exchange.ask(&self.token_request(&body, Some(&proof)))?;
            let nonce = answer.field("dpop-nonce").map(str::to_owned);
            if answer.status == 200 {
                return Ok((token_of(200, &answer.body)?, nonce.unwrap_or_default()));
            }
            let Some(nonce) = nonce.filter(|_| answer.text().contains("use_dpop_nonce")) else {
                bail!("no token: {} {}", answer.status, answer.text());
            };
            prover.take_nonce(nonce);
        }
        bail!("no token: one nonce after the other is refused")
    }

    /// A nonce for `key`, from the token endpoint, which asks for one before anything else.
    pub fn nonce(&self, key: &Key, config: &Arc<ClientConfig>) -> Result<String> {
        let proof = Prover::new(key.again()?, "POST", self.token_endpoint(), None).sign()?;
        let body = "grant_type=client_credentials";
        let answer = Exchange::open(self.address, config)?.ask(&self.token_request(body, Some(&proof)))?;
        let nonce = answer.field("dpop-nonce").map(str::to_owned);
        nonce.with_context(|| format!("no nonce: {} {}", answer.status, answer.text()))
    }

    /// The form with a new assertion that is good for `seconds`.
    pub fn assertion_form(&self, client: &str, key: &Key, seconds: u64) -> Result<String> {
        let now = now_seconds();
        let claims = json!({
            "iss": client, "sub": client, "aud": self.url,
            "iat": now, "exp": now + seconds, "jti": unique(),
        });
        let assertion = key.jws(&json!({ "alg": key.name() }), claims.to_string().as_bytes())?;
        Ok(format!(
            "grant_type=client_credentials&client_id={client}&client_assertion_type={ASSERTION_TYPE}&client_assertion={assertion}"
        ))
    }

    /// The head of a request to the token endpoint, to which fields may be added.
    pub fn token_head(&self) -> String {
        format!(
            "POST /oauth/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n",
            self.host()
        )
    }

    fn token_request(&self, body: &str, proof: Option<&str>) -> Vec<u8> {
        let proof = proof.map(|proof| format!("dpop: {proof}\r\n")).unwrap_or_default();
        format!("{}{proof}content-length: {}\r\n\r\n{body}", self.token_head(), body.len()).into_bytes()
    }
}

fn token_of(status: u16, body: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let token = answer["access_token"].as_str().map(str::to_owned);
    token.with_context(|| format!("no token: {status} {}", String::from_utf8_lossy(body)))
}
