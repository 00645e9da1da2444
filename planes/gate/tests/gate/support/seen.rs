//! The control end of the link: takes what the gate says, answers relays, and lets tests wait.

use std::sync::{Arc, Mutex};

use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::{ClientId, IssuerId};
use portcullis_domain::reason::Reason;
use portcullis_policy::link::{
    DoorFault, FromGate, Page, RelayAnswer, RelayRequest, RiskStanding, SeverReport, ToGate,
};
use tokio::sync::{mpsc, watch};

use super::soon;
use super::tap::Tap;

#[derive(Default)]
pub struct Seen {
    pub in_use: Option<u64>,
    pub severed: Vec<SeverReport>,
    pub relays: Vec<RelayRequest>,
    pub decided: Vec<DecisionRecord>,
    pub ended: Vec<OutcomeRecord>,
    pub keys_cut: Vec<(ClientId, Vec<String>, DecisionId)>,
    pub sessions_cut: Vec<(ClientId, String, DecisionId, Reason)>,
    pub certificates: Vec<(ClientId, String)>,
    pub standings: Vec<RiskStanding>,
    pub pages: Vec<Page>,
    pub keys_unknown: Vec<IssuerId>,
    /// As told last.
    pub doors_unopened: Option<Vec<DoorFault>>,
    /// Sockets to look at the moment an order's report comes in.
    watched: Vec<(u64, Watched)>,
}

/// The sockets of one target: those that are there when it is severed, and those that come after.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<WatchedState>>);

#[derive(Default)]
struct WatchedState {
    taps: Vec<Arc<Tap>>,
    severed: bool,
}

impl Watched {
    /// Watches one more socket; false if the target is severed already.
    pub fn add(&self, tap: &Arc<Tap>) -> bool {
        let mut state = self.0.lock().unwrap();
        state.taps.push(Arc::clone(tap));
        !state.severed
    }

    fn note(&self) {
        let mut state = self.0.lock().unwrap();
        for tap in &state.taps {
            tap.note();
        }
        state.severed = true;
    }
}

/// Shared with the thread that reads from the gate.
#[derive(Clone)]
pub struct ControlEnd {
    seen: Arc<Mutex<Seen>>,
    changes: watch::Sender<u64>,
}

impl ControlEnd {
    pub fn start(mut from_gate: mpsc::Receiver<FromGate>, to_gate: mpsc::WeakSender<ToGate>) -> Self {
        let this = Self { seen: Arc::default(), changes: watch::Sender::new(0) };
        let end = this.clone();
        std::thread::spawn(move || {
            while let Some(message) = from_gate.blocking_recv() {
                end.take(message, &to_gate);
                end.changes.send_modify(|count| *count += 1);
            }
        });
        this
    }

    fn take(&self, message: FromGate, to_gate: &mpsc::WeakSender<ToGate>) {
        let mut seen = self.seen.lock().unwrap();
        match message {
            FromGate::SnapshotInUse { version } => seen.in_use = Some(version),
            FromGate::Severed(report) => {
                for (_, watched) in seen.watched.iter().filter(|(order, _)| *order == report.order) {
                    watched.note();
                }
                seen.watched.retain(|(order, _)| *order != report.order);
                seen.severed.push(report);
            }
            FromGate::Relay(request) => {
                let answer = RelayAnswer {
                    relay: request.relay,
                    status: 200,
                    headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                    body: br#"{"answered":true}"#.to_vec(),
                    reason: Reason::Allowed,
                    about: None,
                };
                seen.relays.push(request);
                if let Some(to_gate) = to_gate.upgrade() {
                    to_gate.blocking_send(ToGate::RelayAnswer(answer)).unwrap();
                }
            }
            FromGate::Decisions(batch) => {
                let (decided, ended) = batch.records().unwrap();
                seen.decided.extend(decided);
                seen.ended.extend(ended);
            }
            FromGate::KeysCut { client, keys, decision } => seen.keys_cut.push((client, keys, decision)),
            FromGate::CertificateSeen { client, thumbprint } => seen.certificates.push((client, thumbprint)),
            FromGate::SessionCut { client, session, decision, reason } => {
                seen.sessions_cut.push((client, session, decision, reason));
            }
            FromGate::DoorsUnopened { faults } => seen.doors_unopened = Some(faults),
            FromGate::Remembered { .. } => {}
            FromGate::RiskStanding(standing) => seen.standings.push(*standing),
            FromGate::Paged(page) => seen.pages.push(page),
            FromGate::IssuerKeyUnknown { issuer } => seen.keys_unknown.push(issuer),
        }
    }

    pub fn watch(&self, order: u64, watched: &Watched) {
        self.seen.lock().unwrap().watched.push((order, watched.clone()));
    }

    /// Looks at what came in so far.
    pub fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap())
    }

    /// Waits until `find` finds.
    pub async fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = self.look(&mut find) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        soon(what, found).await
    }

    pub async fn decision(&self, id: DecisionId) -> DecisionRecord {
        self.wait("a decision", |seen| seen.decided.iter().find(|record| record.id == id).cloned()).await
    }

    pub async fn outcome(&self, id: DecisionId) -> OutcomeRecord {
        self.wait("an outcome", |seen| seen.ended.iter().find(|record| record.id == id).cloned()).await
    }
}
