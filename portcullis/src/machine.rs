//! A vendor's machine: it finds the token endpoint from the issuer, authenticates by key or
//! certificate, binds its token, and calls routes with a fresh proof for each request.
//!
//! Each machine has connections of its own, as the gate wants it: a connection belongs to the first
//! client that identifies on it. Nothing here knows anything of an installation but its address.

mod answer;
mod error;
pub(crate) mod identity;
mod keys;
mod notice;
mod posture;
mod request;
mod token;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_policy::clock::Clock;
use portcullis_tokens::dpop::{self, NewProof};
use portcullis_tokens::signing::SigningKey;
use reqwest::Certificate;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

pub use answer::{Answer, BrokenOff};
pub use error::MachineError;
pub use identity::{Identity, authorities, http_builder};
pub use keys::Registered;
pub use posture::Stated;
pub use request::Call;
pub use token::{Token, unverified_claims};

use crate::clock::entropy;
use token::Metadata;

const CONNECT_SECONDS_MAX: u64 = 10;
/// How long nothing may come while an answer is awaited or read.
const SILENCE_SECONDS_MAX: u64 = 300;

/// What a machine is made of.
#[derive(Clone)]
pub struct Options {
    /// The gate's public address, which is also the issuer of tokens.
    pub issuer: String,
    /// The client's name.
    pub client: String,
    /// Signs assertions and proofs. Without one, the certificate is all there is.
    pub key: Option<Arc<SigningKey>>,
    pub identity: Option<Identity>,
    /// Authorities that the gate's certificate may come from; none means those of this system.
    pub authorities: Vec<Certificate>,
    /// Scopes to ask for; none means all that the integration has.
    pub scope: Vec<String>,
    /// HTTP/1.1 even where the gate would speak HTTP/2.
    pub http1_only: bool,
    /// The address to call from, where the machine has several.
    pub local_address: Option<IpAddr>,
    /// A socket on this machine behind which the gate is, instead of its address.
    pub through: Option<PathBuf>,
    pub clock: Clock,
}

/// Who gives nonces. A question of the gate's is answered by the nonce that came with it: one that comes with a new token
/// meanwhile must not take its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Giver {
    TokenEndpoint,
    Routes,
}

impl Giver {
    /// A proof that goes with an access token is for a route.
    fn of(access_token: Option<&str>) -> Self {
        if access_token.is_some() { Self::Routes } else { Self::TokenEndpoint }
    }
}

/// The newest nonce of each giver.
#[derive(Clone, Default)]
struct Nonces {
    token_endpoint: Option<String>,
    routes: Option<String>,
}

impl Nonces {
    /// The giver's own; the other's before it has given any, which saves a round.
    fn best(&self, giver: Giver) -> Option<&str> {
        let (own, other) = match giver {
            Giver::TokenEndpoint => (&self.token_endpoint, &self.routes),
            Giver::Routes => (&self.routes, &self.token_endpoint),
        };
        own.as_deref().or(other.as_deref())
    }

    fn keep(&mut self, giver: Giver, nonce: &str) {
        let kept = match giver {
            Giver::TokenEndpoint => &mut self.token_endpoint,
            Giver::Routes => &mut self.routes,
        };
        *kept = Some(nonce.to_owned());
    }
}

/// A machine at work. Can be used by many tasks at once.
pub struct Machine {
    options: Options,
    /// Replaced when the gate asks for another handshake.
    http: Mutex<reqwest::Client>,
    metadata: OnceCell<Metadata>,
    /// Held while a token is asked for, so that many requests ask for one token only.
    token: AsyncMutex<Option<Arc<Token>>>,
    nonces: Mutex<Nonces>,
}

impl Machine {
    /// # Errors
    /// [`MachineError::Setup`] if key, certificate or authorities can't be used.
    pub fn new(options: Options) -> Result<Self, MachineError> {
        if options.key.is_none() && options.identity.is_none() {
            return Err(MachineError::NothingToProve);
        }
        let http = Mutex::new(connections(&options)?);
        Ok(Self {
            options,
            http,
            metadata: OnceCell::new(),
            token: AsyncMutex::new(None),
            nonces: Mutex::default(),
        })
    }

    #[must_use]
    pub fn client(&self) -> &str {
        &self.options.client
    }

    fn http(&self) -> reqwest::Client {
        self.http.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What comes next comes over new connections, with full handshakes.
    fn reconnect(&self) -> Result<(), MachineError> {
        let http = connections(&self.options)?;
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = http;
        Ok(())
    }

    /// A proof for one request, if the machine has a key to sign it with.
    fn proof(
        &self,
        method: &str,
        url: &reqwest::Url,
        access_token: Option<&str>,
    ) -> Result<Option<String>, MachineError> {
        let Some(key) = &self.options.key else { return Ok(None) };
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let nonce = nonces.best(Giver::of(access_token));
        let proof = NewProof {
            method,
            url: bare.as_str(),
            issued_at: self.options.clock.now().as_second(),
            token_id: &unique(),
            access_token,
            nonce,
        };
        dpop::create(key, &proof).map(Some).map_err(MachineError::Sign)
    }

    /// Keeps the nonce of an answer for the next proof to the same giver; says whether there was one.
    fn keep_nonce(&self, giver: Giver, response: &reqwest::Response) -> bool {
        let nonce = response.headers().get("dpop-nonce").and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce else { return false };
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner).keep(giver, nonce);
        true
    }
}

/// Nothing is resumed over them that others have begun.
fn connections(options: &Options) -> Result<reqwest::Client, MachineError> {
    let mut builder = http_builder(&options.authorities, options.identity.as_ref())
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .read_timeout(Duration::from_secs(SILENCE_SECONDS_MAX))
        .local_address(options.local_address)
        // A redirect would carry the token to who knows where.
        .redirect(reqwest::redirect::Policy::none());
    if options.http1_only {
        builder = builder.http1_only();
    }
    if let Some(path) = &options.through {
        builder = builder.unix_socket(path.as_path());
    }
    builder.build().map_err(MachineError::setup)
}

/// 128 random bits, for `jti`.
fn unique() -> String {
    let mut bytes = [0; 16];
    entropy()(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_of_the_token_endpoint_takes_no_questions_place() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.best(Giver::Routes), None);
        nonces.keep(Giver::TokenEndpoint, "first");
        assert_eq!(nonces.best(Giver::Routes), Some("first"));
        nonces.keep(Giver::Routes, "question");
        nonces.keep(Giver::TokenEndpoint, "with the next token");
        assert_eq!(nonces.best(Giver::Routes), Some("question"));
        assert_eq!(nonces.best(Giver::TokenEndpoint), Some("with the next token"));
    }
}
