//! What the cores of a gate share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_domain::ids::{RouteId, UpstreamId};
use portcullis_policy::clock::Clock;
use portcullis_policy::link::{FromGate, RelayAnswer};
use portcullis_policy::liveness::Liveness;
use portcullis_policy::meters::Meters;
use portcullis_policy::snapshot::Snapshot;
use portcullis_records::JsonPointer;
use portcullis_tokens::access_token::TokenKeys;
use portcullis_tokens::nonce::NonceKey;
use portcullis_tokens::replay::ReplayTables;
use tokio::sync::{mpsc, oneshot};

use crate::tls::VendorTls;

/// The snapshot with what only the gate can make of it.
#[derive(Debug)]
pub struct Ready {
    pub snapshot: Snapshot,
    pub token_keys: TokenKeys,
    /// Changes with the keys: tokens verified under another set are verified anew.
    pub token_keys_generation: u64,
    pub pointers: HashMap<RouteId, JsonPointer>,
    /// How to speak TLS to each upstream; none where its settings can't be used, which closes that
    /// upstream only.
    pub upstream_tls: HashMap<UpstreamId, Option<Arc<rustls::ClientConfig>>>,
}

pub struct Shared {
    pub name: String,
    pub clock: Clock,
    pub ready: ArcSwapOption<Ready>,
    pub tls: ArcSwap<VendorTls>,
    pub liveness: Liveness,
    pub meters: Meters,
    pub nonces: NonceKey,
    pub replay: ReplayTables,
    pub to_control: mpsc::Sender<FromGate>,
    pub relays: Relays,
}

impl Shared {
    pub fn now_us(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    pub fn now_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    pub fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Requests to the authorization server that wait for their answer.
#[derive(Default, Debug)]
pub struct Relays {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<RelayAnswer>>>,
}

/// More than these at once are refused: control answers thousands a second.
const RELAYS_MAX: usize = 1_024;

impl Relays {
    /// A number for a new request, and where its answer arrives; nothing when too many wait.
    pub fn expect(&self) -> Option<(u64, oneshot::Receiver<RelayAnswer>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= RELAYS_MAX {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        waiting.insert(number, sender);
        Some((number, receiver))
    }

    pub fn answer(&self, answer: RelayAnswer) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.relay);
        if let Some(waiting) = waiting {
            // The client may have gone; then nobody waits for the answer.
            let _ = waiting.send(answer);
        }
    }

    pub fn forget(&self, number: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}
