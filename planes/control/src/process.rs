//! What the process that control runs in does for operators: things that no ledger knows.

use std::pin::Pin;
use std::sync::Arc;

use portcullis_api::checks::Check;
use portcullis_api::ledger::Posting;
use portcullis_api::problem::Problem;
use portcullis_api::reload::ReloadAnswer;
use portcullis_policy::facts::SnapshotFacts;

pub type Reloading = Pin<Box<dyn Future<Output = Result<ReloadAnswer, Box<Problem>>> + Send>>;

/// Handed to control once, when the process has started.
pub struct Process {
    /// Reads settings, certificates and identities anew.
    pub reload: Box<dyn Fn() -> Reloading + Send + Sync>,
    /// Adds to the metrics what is counted outside of control, as Prometheus' text format 0.0.4.
    pub metrics: Box<dyn Fn(&mut String) + Send + Sync>,
    /// How posting checkpoints to places outside goes.
    pub postings: Box<dyn Fn() -> Vec<Posting> + Send + Sync>,
    pub metrics_access: MetricsAccess,
    /// Looks at what a snapshot names, such as upstreams, from where the gate stands.
    pub checks: Box<dyn Fn(SnapshotFacts) -> Checking + Send + Sync>,
}

pub type Checking = Pin<Box<dyn Future<Output = Vec<Check>> + Send>>;

/// Who may read the metrics, which name vendors and their volumes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetricsAccess {
    /// Everybody who reaches control.
    Open,
    Operators,
    /// Operators, and who holds the token with this digest (lower-case hex of its SHA-256).
    Token {
        sha256: String,
    },
}

/// The process, once it has started.
pub(crate) type Started = std::sync::OnceLock<Arc<Process>>;
