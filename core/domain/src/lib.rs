//! Ids, commands, events and aggregates of Portcullis: what is known, and what may happen to it.
//!
//! Pure: time, randomness and ids come in as arguments. `decide` turns a command into events
//! or a refusal; `apply` folds an event into the state, and can't fail.

pub mod ids;
