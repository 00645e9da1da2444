//! The real binary as an installation: started, loaded, killed, started again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures real time"
)]

#[path = "installation/backtest.rs"]
mod backtest;
#[path = "installation/backup.rs"]
mod backup;
#[path = "installation/certificates.rs"]
mod certificates;
#[path = "installation/contract.rs"]
mod contract;
#[path = "installation/crash.rs"]
mod crash;
#[path = "installation/disk.rs"]
mod disk;
#[path = "installation/dossiers.rs"]
mod dossiers;
#[path = "installation/evidence.rs"]
mod evidence;
#[path = "installation/exercises.rs"]
mod exercises;
#[path = "installation/feeds.rs"]
mod feeds;
#[path = "installation/https.rs"]
mod https;
#[path = "installation/import.rs"]
mod import;
#[path = "installation/incidents.rs"]
mod incidents;
#[path = "installation/keys.rs"]
mod keys;
#[path = "installation/ledger.rs"]
mod ledger;
#[path = "installation/mail.rs"]
mod mail;
#[path = "installation/on_call.rs"]
mod on_call;
#[path = "installation/posture.rs"]
mod posture;
#[path = "installation/reload.rs"]
mod reload;
#[path = "installation/segments.rs"]
mod segments;
#[path = "installation/service.rs"]
mod service;
#[path = "installation/sources.rs"]
mod sources;
#[path = "installation/start.rs"]
mod start;
#[path = "installation/stops.rs"]
mod stops;
#[path = "installation/support.rs"]
mod support;
#[path = "installation/telling.rs"]
mod telling;
#[path = "installation/tunnels.rs"]
mod tunnels;
#[path = "installation/upstreams.rs"]
mod upstreams;
#[path = "installation/vault.rs"]
mod vault;
#[path = "installation/webhooks.rs"]
mod webhooks;
