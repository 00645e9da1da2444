//! What gate and control agree on: the compiled snapshot, liveness, meters, and the messages
//! between the two planes, which meet nowhere else.
//!
//! Pure: no I/O, no clock of its own, no async. Counters and liveness are atomics, since the cores
//! of a gate share them.

pub mod access;
pub mod ceilings;
pub mod clock;
pub mod day;
pub mod doors;
pub mod evaluate;
pub mod facts;
pub mod link;
pub mod liveness;
pub mod meters;
pub mod outside;
pub mod policies;
pub mod posture;
pub mod rate;
pub mod risk_log;
pub mod risks;
pub mod snapshot;
pub mod tunnels;
pub mod window;
