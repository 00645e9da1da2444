//! What a vendor's other clients do, and what all clients do.

use crate::client::ClientRisk;

/// The prior of a client's baseline; made anew at the turn of a day.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    clients: u32,
}

impl Peers {
    /// Adds at most 60 exchanges of a client.
    pub fn add(&mut self, _client: &ClientRisk) {
        self.clients += 1;
    }
}
