//! The interface alone: manifests, API types, routes and errors.
//!
//! What the command line, the console and control have in common. Nothing here talks to anything.

pub mod access;
pub mod apply;
pub mod auditors;
pub mod break_glass;
pub mod certificates;
pub mod checks;
pub mod client_keys;
pub mod closing;
pub mod decisions;
pub mod documents;
pub mod dossiers;
pub mod enforcer;
pub mod enroll;
pub mod exercises;
pub mod feeds;
pub mod findings;
pub mod incidents;
pub mod keys;
pub mod leaving;
pub mod ledger;
pub mod manifest;
pub mod metrics;
pub mod network;
pub mod notify;
pub mod openapi;
pub mod operators;
pub mod packs;
pub mod page;
pub mod pages;
pub mod posture;
pub mod problem;
pub mod questionnaire;
pub mod reload;
pub mod render;
pub mod resource;
pub mod risk;
pub mod schema;
pub mod severing;
pub mod sources;
pub mod telling;
pub mod template;
pub mod tunnels;
pub mod work;
