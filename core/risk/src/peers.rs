//! What a vendor's other clients do, and what all clients do.

use std::sync::Arc;

use crate::client::ClientRisk;

/// Counts over clients, at most 60 exchanges of each. Adding is commutative.
#[derive(Clone, Debug, Default)]
pub struct PeerCounts {
    clients: u32,
}

impl PeerCounts {
    pub fn add(&mut self, _client: &ClientRisk) {
        self.clients += 1;
    }
}

/// The prior of a client's baseline; made at the turn of a day, never changed, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    _compiled: Arc<()>,
}

impl Peers {
    /// Of one vendor's clients, and of all.
    #[must_use]
    pub fn of(_vendor: &PeerCounts, _all: &PeerCounts) -> Self {
        Self { _compiled: Arc::new(()) }
    }
}
