//! The control plane: it decides commands, keeps the ledger, and tells the gates.
//!
//! [`Control`] is the handle that everything else holds. What is known is one immutable
//! [`State`](portcullis_domain::state::State), swapped whole after each commit; a severance alone
//! is in force before it is committed.

mod apply;
pub mod arms;
pub mod assurance;
mod auditors;
mod book;
pub mod certificates;
mod clauses;
mod clock_watch;
pub mod control;
mod core;
mod decisions;
mod dossiers;
pub mod error;
mod execute;
pub mod exercises;
pub mod feeds;
pub mod findings;
pub mod http;
pub mod incidents;
pub mod issuers;
pub mod keys;
pub mod link;
pub mod metrics;
pub mod missing;
pub mod network;
pub mod oauth;
pub mod packing;
pub mod pages;
pub mod pem;
pub mod posture;
pub mod process;
pub mod projection;
pub mod receipts;
mod record;
mod restoring;
mod risk;
mod schedule;
pub mod sealing;
pub mod severing;
pub mod telling;
pub mod tunnels;

pub use arms::{EnforcerLink, EnforcerStanding};
pub use control::{Control, Entropy, Options};
pub use error::{DecisionsError, ExecuteError, FoldError, StartError};
pub use execute::Executed;
pub use link::{GateLink, GateStatus};
