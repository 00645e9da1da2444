//! Ids, commands, events and aggregates of Portcullis: what is known, and what may happen to it.
//!
//! Pure: time, randomness and ids come in as arguments. [`State::decide`](state::State::decide)
//! turns a command into events or a refusal; [`State::apply`](state::State::apply) folds an event
//! into the state, and can't fail. Manifests and events share one type for each resource (its
//! spec), so that what an operator wrote is what the ledger keeps.

pub mod access;
pub mod archive;
pub mod auditor;
pub mod break_glass;
pub mod command;
pub mod decision;
pub mod event;
pub mod exercise;
pub mod ja4_pattern;
pub mod judgement;
pub mod moment;
pub mod network_pattern;
pub mod posture;
pub mod reason;
pub mod spec;
pub mod state;
pub mod target;
pub mod telling;
pub mod tunnel;

pub use portcullis_ids::{ids, personal};
