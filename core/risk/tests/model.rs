//! The model by its rules, each with a test.

#[path = "model/world.rs"]
mod world;

#[path = "model/contexts.rs"]
mod contexts;
#[path = "model/properties.rs"]
mod properties;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/scenarios.rs"]
mod scenarios;
