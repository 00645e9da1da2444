//! What can go wrong in control, by who can put it right.

use portcullis_decision_log::LogError;
use portcullis_domain::command::Refusal;
use portcullis_domain::ids::SubjectId;
use portcullis_store::{ReserveError, StoreError};

/// Why control doesn't start. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the ledger can't be used")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error("the reserve of severances can't be read")]
    Reserve(#[from] ReserveError),
    /// Going on would reopen what somebody closed.
    #[error(
        "an entry of the reserve of severances is none of this version\nhint: start with the version that wrote it"
    )]
    ReserveEntry(#[source] serde_json::Error),
    #[error("the installation can't be founded")]
    Found(#[source] Box<ExecuteError>),
    #[error("the signing key can't be used")]
    Signing(#[from] portcullis_tokens::signing::SigningError),
    #[error("the signing key can't be published")]
    SigningKey(#[source] Box<ExecuteError>),
    #[error("the signing keys can't be read")]
    KeyRing(#[from] crate::keys::KeyRingError),
    /// Signing with another one without a word would void every token out there.
    #[error(
        "the private half of signing key `{kid}`, which signs, is not here\nhint: restore the folder `keys`; if it is lost, `portcullis keys replace-lost --confirm` founds a new one"
    )]
    SigningKeyLost { kid: String },
}

/// An event of the ledger that this code doesn't understand. What follows from it is unknown, so
/// nothing may be decided.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error("event {sequence} is of the unknown kind `{kind}`\nhint: start with the version that wrote it")]
    Kind { sequence: u64, kind: String },
    #[error(
        "event {sequence} (`{kind}`) has version {version}, and this program reads version {known}\nhint: start with the version that wrote it"
    )]
    Version { sequence: u64, kind: String, version: u16, known: u16 },
    #[error("the payload of event {sequence} (`{kind}`) can't be read")]
    Payload {
        sequence: u64,
        kind: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the payload of event {sequence} says `{payload}`, its envelope `{kind}`")]
    Contradiction { sequence: u64, kind: String, payload: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The asker's move. Nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing has changed, as far as the ledger can tell.
    #[error("the ledger did not take it")]
    Store(#[from] StoreError),
    /// Somebody else has written what can't be understood.
    #[error("the ledger can't be read on")]
    Fold(#[from] FoldError),
    /// Others kept writing to the same ledger.
    #[error("others kept changing the ledger meanwhile\nhint: try again")]
    Contended,
    /// The erasure is in the ledger and in force here; destroying the key is tried again.
    #[error("the erasure of subject `{subject}` is recorded, but the key is not destroyed yet")]
    Erasure {
        subject: SubjectId,
        #[source]
        source: StoreError,
    },
    /// Nothing has changed.
    #[error("the place of the signing keys can't be used")]
    KeyRing(#[from] crate::keys::KeyRingError),
    #[error("the event can't be written as JSON")]
    Serialise(#[source] serde_json::Error),
    #[error("control is stopping")]
    Stopping,
}

/// Why a decision can't be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("the ledger can't be read")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Decisions(#[from] DecisionsError),
    #[error("the sealed file `{0}` has no event in the ledger\nhint: run `portcullis decisions verify`")]
    NoEvent(String),
    #[error("the row of the decision is no text\nhint: run `portcullis decisions verify`")]
    NoText(#[from] std::string::FromUtf8Error),
    #[error("the look for it was ended")]
    Ended(#[from] tokio::task::JoinError),
}

/// Why decisions can't be looked up.
#[derive(Debug, thiserror::Error)]
pub enum DecisionsError {
    #[error("the decision log can't be read")]
    Log(#[from] LogError),
    #[error("a sealed file of the decision log can't be read")]
    Archive(#[from] portcullis_archive::ArchiveError),
    #[error("a record of the decision log can't be read")]
    Payload(#[from] portcullis_domain::decision::PayloadError),
    #[error("a record of the decision log has version {0}, which this program can't read")]
    Version(u8),
}
