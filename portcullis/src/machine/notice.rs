//! A notice of the vendor's own breach, signed and sent.

use portcullis_incident::notice::{Acknowledgement, Said};
use portcullis_tokens::notice::{self, LIFETIME_SECONDS_MAX, NewNotice};
use reqwest::{StatusCode, Url};

use super::{Machine, MachineError, unique};

impl Machine {
    /// Sends a signed notice.
    ///
    /// # Errors
    /// [`MachineError::Refused`] with what the gate said; others when it isn't reached.
    pub async fn tell(&self, signed: String) -> Result<Acknowledgement, MachineError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata.incident_endpoint.as_deref().and_then(|endpoint| Url::parse(endpoint).ok());
        let endpoint = endpoint.ok_or_else(|| self.misshapen("vendors can't tell of a breach there"))?;
        let request = self.http().post(endpoint.clone()).header("content-type", "application/jose");
        let sent = request.body(signed).send().await;
        let response =
            sent.map_err(|source| MachineError::Unreachable { url: endpoint.to_string(), source })?;
        if response.status() != StatusCode::CREATED {
            return Err(MachineError::Refused(Box::new(super::token::no_token(response).await)));
        }
        response.json().await.map_err(|error| self.misshapen(&error.to_string()))
    }

    /// A notice that is signed now, and good as long as any.
    ///
    /// # Errors
    /// [`MachineError::NothingToProve`] without a key; [`MachineError::Sign`].
    pub fn signed_notice(&self, said: &Said) -> Result<String, MachineError> {
        let Some(key) = &self.options.key else { return Err(MachineError::NothingToProve) };
        let said = serde_json::to_value(said).unwrap_or_default();
        let now = self.options.clock.now().as_second();
        let new = NewNotice {
            client_id: &self.options.client,
            audience: &self.options.issuer,
            token_id: &unique(),
            issued_at: now,
            expires_at: now.saturating_add(LIFETIME_SECONDS_MAX),
            said: &said.as_object().cloned().unwrap_or_default(),
        };
        notice::create(key, &new).map_err(MachineError::Sign)
    }
}
