//! What may flow between vendors' networks and ours, as it follows from the state.

mod drops;
mod observed;
pub(crate) mod protected;
pub mod segments;
pub mod terms;
pub mod tunnels;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use portcullis_domain::command::{Fault, Prepared};
use portcullis_domain::ids::VendorId;
use portcullis_domain::state::State;
use portcullis_network::order::{Arm, DropMeasure, FromEnforcer, Measures, ToEnforcer};
use portcullis_network::plan::NetworkPlan;
use portcullis_network::watch::TunnelWatch;
use portcullis_policy::link::ToGate;
use portcullis_policy::outside::OutsideFacts;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::arms::{ABSENT, Enforcer};
use crate::assurance::notice::Notice;
use crate::control::{Control, WeakControl};
use crate::process::TunnelVault;
pub use drops::Dropped;
use drops::Drops;
pub use segments::Site;

/// How often is asked what flows.
const MEASURE_AGAIN: Duration = Duration::from_secs(10);
/// How long is waited for a plan to be in force.
const ENFORCED_WAIT: Duration = Duration::from_secs(15);
/// How often is looked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What was measured last, and what the host is.
#[derive(Default)]
pub(crate) struct NetworkSeen {
    measures: ArcSwap<Measures>,
    drops: Drops,
    tunnels: Mutex<TunnelWatch>,
    site: OnceLock<Arc<Site>>,
}

impl NetworkSeen {
    /// What gates were told of a vendor's packets.
    pub fn outside(&self, vendor: VendorId) -> OutsideFacts {
        self.drops.outside(vendor)
    }
}

/// All that the enforcer keeps in force. Without `vault`, tunnels have no credentials, and are closed.
#[must_use]
pub fn plan(state: &State, site: &Site, vault: Option<&dyn TunnelVault>, now: Timestamp) -> NetworkPlan {
    let (own_doors, common_from_anywhere) = segments::own_doors(state);
    NetworkPlan {
        version: state.size,
        segmented: state.is_segmented(),
        doors: site.doors.clone(),
        own_doors,
        common_from_anywhere,
        balancers: site.balancers.clone(),
        // Those that are seen from here are added to what goes to the enforcer.
        protected: Vec::new(),
        segments: segments::segments(state),
        tunnels: tunnels::tunnels(state, vault, now),
        lifted: Vec::new(),
        held: Vec::new(),
    }
}

impl Control {
    /// Where vendors reach the gate. Once: a second word changes nothing.
    pub fn stand_at(&self, site: Arc<Site>) {
        let _ = self.network_seen().site.set(site);
    }

    /// Of declarations those whose door is one of our own listeners.
    pub(crate) fn taken_doors(&self, resources: &[Prepared]) -> Vec<Fault> {
        let site = self.network_seen().site.get();
        site.map(|site| segments::taken_doors(site, resources)).unwrap_or_default()
    }

    /// What is to be kept in force, whether or not there is an enforcer.
    #[must_use]
    pub fn network_plan_here(&self) -> Arc<NetworkPlan> {
        if let Some(plan) = self.network_plan() {
            return plan;
        }
        let site = self.network_seen().site.get().cloned().unwrap_or_default();
        // What is shown and compared needs no credentials, and whoever shows it should hold none.
        Arc::new(plan(&self.state(), &site, None, self.clock().now()))
    }

    /// Whoever speaks with the enforcer tells what flows.
    pub fn note_network_measures(&self, measures: Measures) {
        let seen = self.network_seen();
        let state = self.state();
        for vendor in seen.drops.note(&measures.dropped, self.clock().now()) {
            self.notify(Notice::of_packets(&state, vendor, self.clock().now()));
        }
        {
            let mut tunnels = seen.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
            tunnels.note(&measures.tunnels, state.tunnels_up(), self.clock().now().as_second());
        }
        self.tell_of_packets(&measures.dropped);
        seen.measures.store(Arc::new(measures));
    }

    /// Gates add what is dropped of a vendor's networks to the score of its requests.
    fn tell_of_packets(&self, dropped: &[DropMeasure]) {
        let vendors = self.network_seen().drops.news(dropped, self.clock().now());
        if vendors.is_empty() {
            return;
        }
        let control = self.clone();
        self.runtime_handle()
            .spawn(async move { control.tell_gates(ToGate::PacketsOutside { vendors }).await });
    }

    pub(crate) fn network_measures(&self) -> Arc<Measures> {
        self.network_seen().measures.load_full()
    }

    /// What was dropped of each vendor.
    #[must_use]
    pub fn dropped(&self) -> Vec<Dropped> {
        self.network_seen().drops.told(self.clock().now())
    }
}

impl Control {
    /// Until a plan of `size` events or more is in force, as far as packets go.
    ///
    /// # Errors
    /// Why it isn't, in words.
    pub(crate) async fn await_enforced(&self, size: u64) -> Result<(), String> {
        let enforced = async {
            let mut again = interval(LOOK_AGAIN);
            loop {
                again.tick().await;
                let standing = self.enforcer_standing();
                if !standing.set_up {
                    return Err(ABSENT.to_owned());
                }
                if let Some(why) = standing.why_lost {
                    return Err(format!("the enforcer is not linked: {why}"));
                }
                if standing.enforced.is_some_and(|enforced| enforced >= size) {
                    let fault = standing.faults.into_iter().find(|fault| fault.arm == Arm::Packets);
                    return fault.map_or(Ok(()), |fault| Err(fault.why));
                }
            }
        };
        let late = || format!("not within {} seconds; it is tried on", ENFORCED_WAIT.as_secs());
        timeout(ENFORCED_WAIT, enforced).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Asks the enforcer what flows, again and again, until control is gone.
pub(crate) async fn measure(control: WeakControl, enforcer: Arc<Enforcer>) {
    let mut again = interval(MEASURE_AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        again.tick().await;
        // Nothing holds control while the answer is waited for.
        let answer = enforcer.ask(|order| ToEnforcer::Measure { order }).await;
        let Some(control) = control.upgrade() else { return };
        match answer {
            Ok(FromEnforcer::Measured { measures, .. }) => {
                control.note_network_measures(measures);
                control.record_tunnels().await;
            }
            // Nobody counts now: that none comes says nothing.
            _ => control.tell_of_packets(&[]),
        }
    }
}
