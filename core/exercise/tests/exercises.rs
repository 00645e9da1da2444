//! Scenarios as data, walked through and driven with times that the tests give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "exercises/checking.rs"]
mod checking;
#[path = "exercises/driving.rs"]
mod driving;
#[path = "exercises/reporting.rs"]
mod reporting;
#[path = "exercises/walking.rs"]
mod walking;

use std::time::Duration;

use jiff::Timestamp;
use portcullis_exercise::spec::ExerciseSpec;
use serde_json::json;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Two injects, four expected actions, one mistake, and a live part.
pub fn scenario() -> ExerciseSpec {
    serde_json::from_value(json!({
        "title": "A test", "story": "It begins.", "scope": "All of it.",
        "roles": ["on-call", "legal"],
        "targets": {
            "live": { "detect": "5s", "decide": "5s", "sever": "250ms", "verify": "1s" },
            "paper": { "detect": "5m", "sever": "20m" },
        },
        "injects": [
            { "id": "page", "text": "The page." },
            { "id": "call", "at": "10m", "after": "sever", "to": "legal", "text": "The call." },
        ],
        "expect": [
            { "id": "see", "action": "Look.", "within": "5m", "recognise": ["look"], "milestone": "detect" },
            { "id": "sever", "action": "Sever.", "by": ["on-call"], "within": "10m", "points": 3,
              "recognise": ["portcullis sever", "cut vendor"], "milestone": "sever", "must": true },
            { "id": "tell", "action": "Tell.", "by": ["legal"], "after": "call", "within": "30m",
              "recognise": ["regulator"] },
        ],
        "wrong": [{ "recognise": ["delete"], "why": "It cuts nothing", "points": 2 }],
        "live": { "steps": [
            { "do": "work", "requests": 3 },
            { "do": "stream" },
            { "do": "pull", "records": 5000, "expect": "stopped", "detects": true },
            { "do": "sever" }, { "do": "verify" }, { "do": "restore" },
        ] },
    }))
    .unwrap()
}
