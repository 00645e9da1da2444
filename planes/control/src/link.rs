//! Control's end of its links to gates: snapshots and orders go out, reports, relays and
//! decisions come in. One gate that hangs holds up no other.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::Severance;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::facts::SnapshotFacts;
use portcullis_policy::link::{
    DoorFault, FromGate, RelayAnswer, RelayRequest, SeverOrder, SeverReport, ToGate,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a gate may take to say what it has cut.
const REPORT_WAIT: Duration = Duration::from_secs(5);
/// How long a message that nobody waits for may wait for room.
const SEND_WAIT: Duration = Duration::from_secs(5);
/// Requests to the authorization server under way for one gate.
const RELAYS_MAX: usize = 256;

/// Control's end of the link to one gate: bounded channels in `portcullis up`, a stream elsewhere.
#[derive(Debug)]
pub struct GateLink {
    pub name: String,
    pub to_gate: mpsc::Sender<ToGate>,
    pub from_gate: mpsc::Receiver<FromGate>,
}

/// What answers a relayed request.
pub(crate) type Relay =
    Arc<dyn Fn(RelayRequest) -> Pin<Box<dyn Future<Output = RelayAnswer> + Send>> + Send + Sync>;

/// The gates that are linked now.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    linked: Mutex<Vec<Arc<Gate>>>,
    orders: AtomicU64,
}

/// A linked gate.
#[derive(Debug)]
pub(crate) struct Gate {
    pub name: String,
    to_gate: mpsc::Sender<ToGate>,
    /// Version of the snapshot that it decides by.
    in_use: watch::Sender<Option<u64>>,
    /// What it can't open.
    doors_unopened: Mutex<Vec<DoorFault>>,
    reports: Mutex<HashMap<u64, oneshot::Sender<SeverReport>>>,
    relays: Arc<Semaphore>,
}

/// A gate with the version of the snapshot that it decides by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateStatus {
    pub name: String,
    /// None before its first.
    pub snapshot: Option<u64>,
    /// Doors that it can't open.
    pub doors_unopened: Vec<DoorFault>,
}

/// What the gates said to an order.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Reports {
    pub reports: Vec<SeverReport>,
    /// Names of those that said nothing in time.
    pub silent: Vec<String>,
}

impl Reports {
    /// Of two orders that belong together: each gate's later word, and who missed either.
    pub fn and(mut self, other: Self) -> Self {
        for report in other.reports {
            match self.reports.iter_mut().find(|known| known.gate == report.gate) {
                Some(known) => known.took_us = known.took_us.max(report.took_us),
                None => self.reports.push(report),
            }
        }
        self.silent.extend(other.silent);
        self.silent.sort_unstable();
        self.silent.dedup();
        self.reports.retain(|report| !self.silent.contains(&report.gate));
        self
    }
}

impl Gates {
    pub fn add(&self, name: String, to_gate: mpsc::Sender<ToGate>) -> Arc<Gate> {
        let gate = Arc::new(Gate {
            name,
            to_gate,
            in_use: watch::Sender::new(None),
            doors_unopened: Mutex::default(),
            reports: Mutex::default(),
            relays: Arc::new(Semaphore::new(RELAYS_MAX)),
        });
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&gate));
        gate
    }

    pub fn remove(&self, gate: &Arc<Gate>) {
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked.retain(|other| !Arc::ptr_eq(other, gate));
        drop(linked);
        // Whoever waits for a report learns that none will come.
        gate.reports.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn all(&self) -> Vec<Arc<Gate>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn status(&self) -> Vec<GateStatus> {
        let status = |gate: Arc<Gate>| GateStatus {
            name: gate.name.clone(),
            snapshot: *gate.in_use.borrow(),
            doors_unopened: gate.doors_unopened.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        self.all().into_iter().map(status).collect()
    }

    /// Has every gate close what a severance names, and waits for each one's word. One of them may have closed it by itself,
    /// for the decision `closed_by`.
    pub async fn sever(&self, severance: &Severance, closed_by: Option<DecisionId>) -> Reports {
        self.order(|order| {
            ToGate::Sever(SeverOrder {
                order,
                severance: severance.id,
                target: severance.target.clone(),
                epoch: severance.epoch,
                keys: severance.keys.clone(),
                closed_by,
            })
        })
        .await
    }

    /// Tells every gate of a token that is dead from now on; the next snapshot says so too.
    pub async fn revoke(&self, token_id: &str, expires_at: i64) -> Reports {
        self.order(|order| ToGate::RevokeToken { order, token_id: token_id.to_owned(), expires_at }).await
    }

    /// Tells every gate that tokens of an older epoch are dead; the next snapshot says so too.
    pub async fn sign_out(&self, target: &Target, epoch: u64, cut_off_seconds: i64) -> Reports {
        self.order(|order| ToGate::SignOut { order, target: target.clone(), epoch, cut_off_seconds }).await
    }

    async fn order(&self, message: impl Fn(u64) -> ToGate) -> Reports {
        let asked = self.all().into_iter().map(|gate| {
            let order = self.orders.fetch_add(1, Ordering::Relaxed);
            let message = message(order);
            async move { gate.obey(order, message).await.ok_or_else(|| gate.name.clone()) }
        });
        let mut all = Reports::default();
        for answered in join_all(asked).await {
            match answered {
                Ok(report) => all.reports.push(report),
                Err(name) => all.silent.push(name),
            }
        }
        all
    }

    /// Tells every gate what the next snapshot would say too.
    pub async fn tell(&self, message: &ToGate) {
        join_all(self.all().into_iter().map(|gate| async move {
            if gate.to_gate.send_timeout(message.clone(), SEND_WAIT).await.is_err() {
                tracing::warn!(gate = gate.name, "a gate can't be told something");
            }
        }))
        .await;
    }

    /// Waits until every gate decides by the snapshot of `version` or a later one. Answers the names
    /// of those that don't in time.
    pub async fn wait_for(&self, version: u64, wait: Duration) -> Vec<String> {
        let deadline = Instant::now() + wait;
        let behind = self.all().into_iter().map(|gate| async move {
            let mut in_use = gate.in_use.subscribe();
            let there = in_use.wait_for(|used| used.is_some_and(|used| used >= version));
            let there = timeout_at(deadline, there).await;
            (!matches!(there, Ok(Ok(_)))).then(|| gate.name.clone())
        });
        join_all(behind).await.into_iter().flatten().collect()
    }
}

impl Gate {
    async fn obey(&self, number: u64, message: ToGate) -> Option<SeverReport> {
        let (sender, report) = oneshot::channel();
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        let answered = timeout(REPORT_WAIT, async {
            self.to_gate.send(message).await.ok()?;
            report.await.ok()
        })
        .await;
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        answered.ok().flatten()
    }

    pub fn reported(&self, report: SeverReport) {
        let waiting = self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(&report.order);
        if let Some(waiting) = waiting {
            // It may have been given up a moment ago.
            let _ = waiting.send(report);
        }
    }

    pub fn uses(&self, version: u64) {
        self.in_use.send_replace(Some(version));
    }

    /// It can open all doors but these.
    pub fn lacks(&self, doors: Vec<DoorFault>) {
        *self.doors_unopened.lock().unwrap_or_else(PoisonError::into_inner) = doors;
    }

    /// Sends the newest snapshot whenever there is a newer one; those that a slow gate has no time
    /// for are left out.
    pub async fn keep_up<T>(&self, mut newest: watch::Receiver<T>, facts: impl Fn(&T) -> SnapshotFacts) {
        newest.mark_changed();
        while newest.changed().await.is_ok() {
            // Room first: what is sent is then the newest.
            let Ok(room) = self.to_gate.reserve().await else { return };
            let snapshot = facts(&newest.borrow_and_update());
            room.send(ToGate::Snapshot(Box::new(snapshot)));
        }
    }

    /// Answers a relayed request, if not too many are under way.
    pub fn relay(self: &Arc<Self>, request: RelayRequest, relay: Option<Relay>) {
        let number = request.relay;
        let gate = Arc::clone(self);
        let permit = Arc::clone(&self.relays).try_acquire_owned();
        tokio::spawn(async move {
            let mut answer = match (permit, relay) {
                (Ok(_permit), Some(relay)) => relay(request).await,
                _ => busy(),
            };
            answer.relay = number;
            if gate.to_gate.send_timeout(ToGate::RelayAnswer(answer), SEND_WAIT).await.is_err() {
                tracing::warn!(gate = gate.name, "an answer of the authorization server can't be sent");
            }
        });
    }
}

/// RFC 6749 §4.1.2.1's code, with RFC 9110's status.
fn busy() -> RelayAnswer {
    RelayAnswer {
        relay: 0,
        status: 503,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("cache-control".into(), "no-store".into()),
            ("retry-after".into(), "1".into()),
        ],
        body: br#"{"error":"temporarily_unavailable"}"#.to_vec(),
        reason: Reason::ControlUnreachable,
        about: None,
    }
}
