//! What the machine says about itself, sent.

use portcullis_domain::posture::Statement;
use portcullis_tokens::posture::{self, NewPosture};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::{Machine, MachineError, unique};

/// What the gate makes of a statement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stated {
    pub client_id: String,
    /// `good`, `failing`, or `not_asked`.
    pub posture: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_until: Option<String>,
}

impl Machine {
    /// Signs a statement, and sends it.
    ///
    /// # Errors
    /// [`MachineError::Refused`] with what the gate said; others when it isn't reached.
    pub async fn state(&self, statement: &Statement, seconds: i64) -> Result<Stated, MachineError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata.posture_endpoint.as_deref().and_then(|endpoint| Url::parse(endpoint).ok());
        let endpoint =
            endpoint.ok_or_else(|| self.misshapen("machines can't say anything of themselves there"))?;
        let form = [("statement", self.signed_posture(statement, seconds)?)];
        let sent = self.http().post(endpoint.clone()).form(&form).send().await;
        let response =
            sent.map_err(|source| MachineError::Unreachable { url: endpoint.to_string(), source })?;
        if response.status() != StatusCode::OK {
            return Err(MachineError::Refused(Box::new(super::token::no_token(response).await)));
        }
        response.json().await.map_err(|error| self.misshapen(&error.to_string()))
    }

    /// A statement that is made now.
    ///
    /// # Errors
    /// [`MachineError::NothingToProve`] without a key; [`MachineError::Sign`].
    pub fn signed_posture(&self, statement: &Statement, seconds: i64) -> Result<String, MachineError> {
        let Some(key) = &self.options.key else { return Err(MachineError::NothingToProve) };
        let now = self.options.clock.now().as_second();
        let new = NewPosture {
            client_id: &self.options.client,
            audience: &self.options.issuer,
            token_id: &unique(),
            issued_at: now,
            expires_at: now.saturating_add(seconds),
            statement,
        };
        posture::create(key, &new).map_err(MachineError::Sign)
    }
}
