//! The world of a test: a gate between a client and an upstream, with a hand-made control end.

pub mod bystander;
pub mod client;
pub mod clock;
pub mod grpc;
pub mod identity;
pub mod seen;
pub mod tap;
pub mod upstream;
pub mod websocket;
pub mod world;

use std::time::Duration;

/// Longer than anything here takes on a busy machine: a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits `future`, or fails.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}"),
    }
}
