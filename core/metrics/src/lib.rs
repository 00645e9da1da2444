//! What is counted of each vendor, integration and route: latencies in mergeable sketches, counts in
//! rolling windows of bounded memory, and what is left of the budgets that contracts promise.
//!
//! Pure: no I/O, no clock of its own. Time comes in as seconds since the Unix epoch.

pub mod counts;
mod hash;
pub mod registry;
pub mod rolling;
pub mod series;
pub mod service_level;
pub mod sketch;
