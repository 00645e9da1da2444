//! A machine's own keys: the first by the code of an enrolment, each next one by proof of both.

use portcullis_tokens::next_key::{self, NewNextKey};
use portcullis_tokens::signing::SigningKey;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::{Machine, MachineError, unique};

const PROOF_SECONDS: i64 = 60;

/// What the gate says of a key that it has registered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registered {
    pub client_id: String,
    /// Thumbprint of the new key.
    pub key: String,
    pub key_expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces_until: Option<String>,
}

impl Machine {
    /// Puts `next` in the place of the machine's key. Whoever calls it has stored `next` before: a
    /// machine that loses it can't get another one in time.
    ///
    /// # Errors
    /// [`MachineError::Refused`] with what the gate said; others when it isn't reached.
    pub async fn rotate(&self, next: &SigningKey) -> Result<Registered, MachineError> {
        let Some(current) = &self.options.key else { return Err(MachineError::NothingToProve) };
        let metadata = self.metadata().await?;
        let endpoint = metadata.key_endpoint.as_deref();
        let mut form = vec![("client_id", self.options.client.clone())];
        self.authenticate(&mut form, &metadata.issuer)?;
        form.push(("next_key", self.key_proof(next, &metadata.issuer, Some(current.kid()))?));
        self.register(endpoint, &form).await
    }

    /// Registers the machine's key by the code of an enrolment.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub async fn enrol(&self, code: &str) -> Result<Registered, MachineError> {
        let Some(key) = &self.options.key else { return Err(MachineError::NothingToProve) };
        let metadata = self.metadata().await?;
        let proof = self.key_proof(key, &metadata.issuer, None)?;
        let form = [("client_id", self.options.client.clone()), ("code", code.to_owned()), ("proof", proof)];
        self.register(metadata.enrolment_endpoint.as_deref(), &form).await
    }

    fn key_proof(
        &self,
        key: &SigningKey,
        audience: &str,
        current: Option<&str>,
    ) -> Result<String, MachineError> {
        let issued_at = self.options.clock.now().as_second();
        let new = NewNextKey {
            client_id: &self.options.client,
            audience,
            token_id: &unique(),
            issued_at,
            expires_at: issued_at.saturating_add(PROOF_SECONDS),
            current,
        };
        next_key::create(key, &new).map_err(MachineError::Sign)
    }

    async fn register(
        &self,
        endpoint: Option<&str>,
        form: &[(&'static str, String)],
    ) -> Result<Registered, MachineError> {
        let endpoint = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
        let endpoint = endpoint.ok_or_else(|| self.misshapen("clients can't register keys there"))?;
        let sent = self.http().post(endpoint.clone()).form(form).send().await;
        let response =
            sent.map_err(|source| MachineError::Unreachable { url: endpoint.to_string(), source })?;
        if response.status() != StatusCode::OK {
            return Err(MachineError::Refused(Box::new(super::token::no_token(response).await)));
        }
        response.json().await.map_err(|error| self.misshapen(&error.to_string()))
    }
}
