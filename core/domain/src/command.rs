//! What somebody wants to happen, and why it may be refused.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::decision::DecisionId;
use crate::event::RegisteredKey;
use crate::ids::{ClientId, OperatorId, RestoreId, SeveranceId, SubjectId};
use crate::personal::Personal;
use crate::spec::{Declaration, Kind};
use crate::target::TargetName;

/// A command with all that `decide` needs; what a person typed is parsed before.
#[derive(Clone, Debug)]
pub enum Command {
    Found {
        issuer: String,
    },
    /// All of them or none. The keys of a client are computed at the edge, where cryptography is.
    Apply {
        resources: Vec<Prepared>,
    },
    Delete {
        kind: Kind,
        name: String,
    },
    AddOperator {
        name: Personal,
        token_sha256: String,
    },
    RemoveOperator {
        name: String,
    },
    PublishSigningKey {
        kid: String,
        jwk: Value,
    },
    RevokeToken {
        client: ClientId,
        token_id: String,
        expires_at: Timestamp,
    },
    Sever {
        target: TargetName,
        by: OperatorId,
        reason: String,
        seen: Seen,
    },
    /// What a gate has closed by itself already: the client's registered key first, then those bound to its token.
    CutKey {
        client: ClientId,
        keys: Vec<String>,
        decision: DecisionId,
    },
    ProposeRestore {
        target: TargetName,
        by: OperatorId,
    },
    ConfirmRestore {
        proposal: RestoreId,
        target: TargetName,
        by: OperatorId,
    },
    EraseSubject {
        subject: SubjectId,
    },
}

/// What the gates have seen of a target, and the registry doesn't know.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Seen {
    /// Thumbprints of certificates that the target's clients came with, beyond the registered ones.
    pub keys: Vec<String>,
    /// The client that a session belongs to.
    pub session_of: Option<ClientId>,
}

/// A declaration with the thumbprints of its public keys.
#[derive(Clone, PartialEq, Debug)]
pub struct Prepared {
    pub declaration: Declaration,
    pub keys: Vec<RegisteredKey>,
}

/// What `decide` may not fetch by itself.
pub struct Context<'a> {
    pub now: Timestamp,
    /// Makes a new random id.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Something in a declaration that doesn't hold, with the JSON pointer of its place in the manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub kind: Kind,
    pub name: String,
    pub pointer: String,
    pub message: String,
    pub hint: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}` at `{}`: {}", self.kind, self.name, self.pointer, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Why a command was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Fault>),
    #[error("there is no {kind} `{name}`")]
    Unknown { kind: &'static str, name: String },
    #[error("{kind} `{name}` is still used by {used_by}\nhint: delete those first")]
    InUse { kind: Kind, name: String, used_by: String },
    #[error(
        "{kind} `{name}` is severed, by severance {severance}\nhint: it can be deleted when two people have restored it; until then it stays closed where it is"
    )]
    Severed { kind: Kind, name: String, severance: SeveranceId },
    #[error("`{0}` is already an operator\nhint: choose another name, or remove that one first")]
    OperatorExists(String),
    #[error("`{0}` is the last operator\nhint: add another one before removing this one")]
    LastOperator(String),
    #[error("`{target}` is severed already, by severance {severance}")]
    AlreadySevered { target: String, severance: SeveranceId },
    #[error(
        "`{0}` is not severed\nhint: `portcullis severances` lists what is; one of a vendor closes its clients too"
    )]
    NotSevered(String),
    #[error(
        "proposal {0} is not open\nhint: it may have expired, been confirmed, or been overtaken by a newer severance; propose again"
    )]
    ProposalNotOpen(RestoreId),
    #[error("proposal {proposal} is for `{proposed}`, not for `{asked}`")]
    ProposalOfOther { proposal: RestoreId, proposed: String, asked: String },
    #[error(
        "the person who proposed can't confirm\nhint: restoring `{0}` takes two people; another operator must confirm"
    )]
    SamePerson(String),
    #[error("a reason is needed\nhint: say in a few words why, for those who read it at night")]
    ReasonMissing,
    #[error("the installation was founded already")]
    AlreadyFounded,
}
