//! Why a machine can't do what it was asked.

use portcullis_tokens::signing::SigningError;

/// Whose words it is, ours or the gate's, each variant says.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error("the machine has nothing to prove itself with\nhint: give it a key, a certificate, or both")]
    NothingToProve,
    #[error("the machine's connections can't be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("can't sign")]
    Sign(#[source] SigningError),
    #[error(
        "`{0}` is no address that can be called\nhint: write a path such as `/parcels/7`, or a whole `https://…`"
    )]
    Address(String),
    #[error("`{url}` is not at the gate `{gate}`\nhint: a token is for one gate; write the path only")]
    OtherGate { url: String, gate: String },
    #[error("can't reach `{url}`")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error(
        "`{issuer}` answers with metadata that can't be used: {what}\nhint: is it the gate's public address?"
    )]
    Metadata { issuer: String, what: String },
    #[error("no token: {0}")]
    NoToken(Box<NoToken>),
    /// Anything else that was asked of the authorization server.
    #[error("refused: {0}")]
    Refused(Box<NoToken>),
}

/// What the authorization server said instead of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoToken {
    pub status: u16,
    /// A code of the OAuth registry, such as `invalid_client`.
    pub error: String,
    pub description: String,
    pub hint: Option<String>,
    /// Reason codes of the gate's table.
    pub reasons: Vec<String>,
    pub decision: Option<String>,
}

impl std::fmt::Display for NoToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.error)?;
        if !self.description.is_empty() {
            write!(f, ": {}", self.description)?;
        }
        if !self.reasons.is_empty() {
            write!(f, " ({})", self.reasons.join(", "))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl MachineError {
    pub(super) fn setup(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Setup(Box::new(source))
    }
}
