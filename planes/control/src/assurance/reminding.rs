//! The task that says what is due, once each: as changes of the dossiers, so that a restart says nothing twice, and
//! whoever follows the ledger is told.

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::change::Change;
use portcullis_assurance::order::Order;
use portcullis_assurance::stops::StopMode;
use portcullis_assurance::work::{Reminder, reminders};
use portcullis_domain::command::Command;
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;

use crate::control::Control;

/// How often it is looked what time alone has changed.
const BY_TIME: SignedDuration = SignedDuration::from_secs(30);

impl Control {
    /// Says what is due from now on, until control is gone.
    pub fn keep_reminding(&self) {
        self.keep_looking(BY_TIME, |control| async move {
            let (state, now) = (control.state(), control.clock().now());
            let due = tokio::task::spawn_blocking(move || to_say(&state, now)).await;
            for (vendor, orders) in due.unwrap_or_default() {
                let orders = orders.into_iter().map(|order| (vendor.clone(), order)).collect();
                // It is tried again at the next look.
                if let Err(error) = control.execute(Command::ChangeDossiers(orders)).await {
                    tracing::warn!(vendor, %error, "what is due can't be recorded");
                }
            }
        });
    }
}

/// What is to be said of each vendor now.
pub(crate) fn to_say(state: &State, now: Timestamp) -> Vec<(String, Vec<Order>)> {
    let vendors = state.of_kind(Kind::Vendor).filter_map(|(name, vendor)| {
        let known = state.known(VendorId(vendor.id))?;
        // What is only observed narrows nobody: it begins and ends in silence.
        let enforced = |reminder: &Reminder| match reminder {
            Reminder::StopBegan { stop, .. } => known.rules.mode(*stop) == StopMode::Enforce,
            _ => true,
        };
        let said = reminders(&known.known(), now).into_iter().filter(enforced);
        let orders: Vec<Order> = said
            .map(|what| Order { change: Change::Reminded { what: what.to_string() }, by: None })
            .collect();
        (!orders.is_empty()).then(|| (name.to_owned(), orders))
    });
    vendors.collect()
}
