//! What the cores of a gate share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_domain::ids::{RouteId, UpstreamId};
use portcullis_policy::clock::Clock;
use portcullis_policy::link::{FromGate, RelayAnswer};
use portcullis_policy::liveness::Liveness;
use portcullis_policy::meters::Meters;
use portcullis_policy::risks::Risks;
use portcullis_policy::snapshot::Snapshot;
use portcullis_records::JsonPointer;
use portcullis_risk::OriginSource;
use portcullis_tokens::access_token::TokenKeys;
use portcullis_tokens::nonce::NonceKey;
use portcullis_tokens::replay::ReplayTables;
use tokio::sync::{mpsc, oneshot};

use crate::days::DayFile;
use crate::external::Externals;
use crate::memory::Memory;
use crate::settings::GateSettings;
use crate::strangers::Strangers;
use crate::tls::VendorTls;

/// The snapshot with what only the gate can make of it.
#[derive(Debug)]
pub struct Ready {
    pub snapshot: Snapshot,
    pub token_keys: TokenKeys,
    /// Changes with the keys: tokens verified under another set are verified anew.
    pub token_keys_generation: u64,
    /// Who may vouch for clients beside ourselves.
    pub externals: Externals,
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
    pub settings: ArcSwap<GateSettings>,
    pub strangers: Arc<Strangers>,
    pub liveness: Liveness,
    pub meters: Meters,
    /// Where what is taken of a day is kept.
    pub days: Arc<DayFile>,
    pub risks: Risks,
    /// What is known of addresses and TLS clients.
    pub origin: ArcSwap<Arc<dyn OriginSource>>,
    pub nonces: NonceKey,
    pub replay: ReplayTables,
    pub to_control: mpsc::Sender<FromGate>,
    pub memory: Memory,
    pub relays: Relays,
}

impl Shared {
    pub fn now_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }
}

/// Requests to the authorization server that wait for their answer.
#[derive(Default, Debug)]
pub struct Relays {
    next: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Default, Debug)]
struct Waiting {
    by_number: HashMap<u64, (String, oneshot::Sender<RelayAnswer>)>,
    /// How many of them came from each network.
    of_network: HashMap<String, usize>,
}

/// More than these at once are refused: control answers thousands a second.
const RELAYS_MAX: usize = 1_024;
/// As many of one network: a flood of strangers leaves room for all others, here and in control,
/// which works at 256 at a time.
const RELAYS_OF_NETWORK_MAX: usize = 64;

impl Relays {
    /// A place for a new request from `network`; nothing when too many wait.
    pub fn expect(&self, network: String) -> Option<Expected<'_>> {
        let mut waiting = self.waiting();
        let of_network = waiting.of_network.get(&network).copied().unwrap_or_default();
        if waiting.by_number.len() >= RELAYS_MAX || of_network >= RELAYS_OF_NETWORK_MAX {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        waiting.of_network.insert(network.clone(), of_network + 1);
        waiting.by_number.insert(number, (network, sender));
        Some(Expected { relays: self, number, answer })
    }

    pub fn answer(&self, answer: RelayAnswer) {
        if let Some(waiting) = self.forget(answer.relay) {
            // The client may have gone; then nobody waits for the answer.
            let _ = waiting.send(answer);
        }
    }

    fn forget(&self, number: u64) -> Option<oneshot::Sender<RelayAnswer>> {
        let mut waiting = self.waiting();
        let (network, sender) = waiting.by_number.remove(&number)?;
        if let Some(count) = waiting.of_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                waiting.of_network.remove(&network);
            }
        }
        Some(sender)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits. Its place is free again when this is dropped, also with a client that went.
pub struct Expected<'a> {
    relays: &'a Relays,
    pub number: u64,
    answer: oneshot::Receiver<RelayAnswer>,
}

impl Expected<'_> {
    /// The answer; nothing if none will come.
    pub async fn answer(&mut self) -> Option<RelayAnswer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.relays.forget(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_room_for_others() {
        let relays = Relays::default();
        let expect = |network: &str| relays.expect(network.to_owned());
        let mut held: Vec<_> = (0..RELAYS_OF_NETWORK_MAX).map(|_| expect("flood").unwrap()).collect();
        assert!(expect("flood").is_none());
        assert!(expect("other").is_some());
        // A client that goes gives its place back, and so does an answer.
        held.pop();
        let last = expect("flood").unwrap();
        assert!(expect("flood").is_none());
        relays.answer(RelayAnswer {
            relay: last.number,
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            reason: portcullis_domain::reason::Reason::Allowed,
            about: None,
        });
        assert!(expect("flood").is_some());
        held.clear();
        drop(last);
        let waiting = relays.waiting();
        assert!(waiting.by_number.is_empty() && waiting.of_network.is_empty());
    }
}
