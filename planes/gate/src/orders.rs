//! What control says: snapshots, severances, revocations, answers of the authorization server.

use std::sync::Arc;

use portcullis_policy::clock::{Clock, micros};
use portcullis_policy::link::{CutConnection, FromGate, SeverOrder, SeverReport, ToGate};
use tokio::sync::{mpsc, oneshot, watch};

use crate::core::CoreMessage;
use crate::shared::Shared;
use crate::snapshots::{Newest, Reread, Snapshots};

/// What the link's thread works with.
pub struct Orders {
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
}

/// Works off what control says, until the gate stops or control is gone.
pub fn run(
    orders: Orders,
    snapshots: Snapshots,
    from_control: mpsc::Receiver<ToGate>,
    rereads: mpsc::Receiver<Reread>,
    mut stop: watch::Receiver<bool>,
) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async move {
            let newest = watch::Sender::new(None);
            let compiling = snapshots.compile_newest(newest.subscribe(), rereads);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = orders.obey(from_control, newest) => {}
                () = compiling => {}
            }
        }),
        Err(error) => tracing::error!(%error, "the gate's link can't start"),
    }
}

impl Orders {
    pub fn new(shared: Arc<Shared>, cores: Vec<mpsc::UnboundedSender<CoreMessage>>) -> Self {
        Self { shared, cores }
    }

    /// Nothing here takes long: a severance must not wait for a snapshot to be compiled.
    async fn obey(self, mut from_control: mpsc::Receiver<ToGate>, newest: Newest) {
        while let Some(message) = from_control.recv().await {
            match message {
                ToGate::Snapshot(facts) => {
                    newest.send_replace(Some(Arc::from(facts)));
                }
                ToGate::Sever(order) => self.sever(order),
                ToGate::RevokeToken { order, token_id, expires_at } => {
                    let arrived_us = monotonic_us(&self.shared.clock);
                    self.shared.liveness.revoke_token(&token_id, expires_at);
                    self.shared.memory.revoked(&token_id, expires_at, self.shared.now_seconds());
                    self.confirm(order, arrived_us, |confirm| CoreMessage::Confirm { confirm });
                }
                ToGate::SignOut { order, target, epoch, cut_off_seconds } => {
                    let arrived_us = monotonic_us(&self.shared.clock);
                    self.shared.liveness.sign_out(&target, epoch, cut_off_seconds);
                    self.confirm(order, arrived_us, |confirm| CoreMessage::Confirm { confirm });
                }
                ToGate::IssuerFresh { issuer, good_until_seconds } => {
                    self.shared.liveness.freshness(issuer).good_until(good_until_seconds);
                }
                ToGate::Posture { client, facts, attested } => {
                    self.shared.liveness.set_posture(client, &facts, attested.as_ref());
                }
                ToGate::PacketsOutside { vendors } => {
                    for (vendor, facts) in vendors {
                        self.shared.risks.outside(vendor).take_over(&facts);
                    }
                }
                ToGate::RelayAnswer(answer) => self.shared.relays.answer(answer),
            }
        }
        // Control is gone. What is severed stays severed; leases come with gates apart.
    }

    /// Liveness first, then every core; the report goes out when all have confirmed. Orders don't
    /// wait for each other.
    fn sever(&self, order: SeverOrder) {
        let arrived_us = monotonic_us(&self.shared.clock);
        self.shared.liveness.sever(&order.target, order.epoch, &order.keys);
        let number = order.order;
        let order = Arc::new(order);
        self.confirm(number, arrived_us, |confirm| CoreMessage::Sever {
            order: Arc::clone(&order),
            arrived_us,
            confirm,
        });
        // Written by another thread, behind the answer: nobody waits for the disk.
        self.shared.memory.severed(&order, self.shared.liveness.version());
    }

    /// Tells every core, and reports when all have confirmed.
    fn confirm(
        &self,
        order: u64,
        arrived_us: u64,
        message: impl Fn(oneshot::Sender<Vec<CutConnection>>) -> CoreMessage,
    ) {
        let mut confirmations = Vec::new();
        for core in &self.cores {
            let (confirm, confirmed) = oneshot::channel();
            if core.send(message(confirm)).is_ok() {
                confirmations.push(confirmed);
            }
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            let mut cores = 0;
            for confirmed in confirmations {
                // A core that ended meanwhile has no connections any more.
                connections.extend(confirmed.await.unwrap_or_default());
                cores += 1;
            }
            let took_us = monotonic_us(&shared.clock).saturating_sub(arrived_us);
            let report = SeverReport { order, gate: shared.name.clone(), cores, took_us, connections };
            let _ = shared.to_control.send(FromGate::Severed(report)).await;
        });
    }
}

fn monotonic_us(clock: &Clock) -> u64 {
    micros(clock.monotonic())
}
