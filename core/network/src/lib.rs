//! What may flow between vendors' networks and ours, as a plan; how a target is cut out of it; and the
//! messages between control and the enforcer, which puts both into force.
//!
//! The plan is the whole of what is wanted, so that the enforcer can be told again at any time: what is not in it
//! is closed. A cut is the part of it that has to go at once.

pub mod cut;
pub mod holding;
pub mod order;
pub mod plan;
pub mod rendering;
pub mod ruleset;
pub mod secret;
pub mod setting;
pub mod swanctl;
pub mod watch;
