//! What a gate keeps beside its decision log, so that every call on a client's state can be made again: calls that belong to no
//! decision, and what clients were compared with from which moment on.
//!
//! In the gate's folder of states: `calls/DAY.jsonl`, a line for each [`Line`]; `peers/FROM_US.peers`, each a [`PeersFile`].
//! DAY counts UTC days, FROM_US microseconds, since the Unix epoch.

use std::collections::BTreeMap;

use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_risk::{Aside, PeerCounts, Peers};
use serde::{Deserialize, Serialize};

use crate::risks::UnderWay;

pub const CALLS_FOLDER: &str = "calls";
pub const CALLS_EXTENSION: &str = "jsonl";
pub const PEERS_FOLDER: &str = "peers";
pub const PEERS_EXTENSION: &str = "peers";

/// A line of `calls/DAY.jsonl`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The gate began, with these states by their numbers of calls; whoever isn't named began anew. After a crash these are
    /// smaller than those of the last calls.
    Started { at_us: i64, steps: BTreeMap<ClientId, u64> },
    /// A call that belongs to no decision.
    Called { at_us: i64, client: ClientId, step: u64, call: Aside },
    /// The copy of a day was made, while these exchanges were under way.
    Copied { at_us: i64, day: i64, under_way: Vec<(ClientId, UnderWay)> },
}

impl Line {
    #[must_use]
    pub fn at_us(&self) -> i64 {
        match self {
            Self::Started { at_us, .. } | Self::Called { at_us, .. } | Self::Copied { at_us, .. } => *at_us,
        }
    }
}

/// Counts over the clients of each vendor, and over all. No client is named.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PeersFile {
    pub all: PeerCounts,
    pub vendors: BTreeMap<VendorId, PeerCounts>,
}

impl PeersFile {
    /// The prior of each vendor's clients.
    #[must_use]
    pub fn compiled(&self) -> BTreeMap<VendorId, Peers> {
        self.vendors.iter().map(|(vendor, counts)| (*vendor, Peers::of(counts, &self.all))).collect()
    }
}
