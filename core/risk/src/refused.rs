//! A request that evidence refuses is not forwarded, and is evidence all the same: else nothing would ever come beyond what refuses.

use crate::assessment::Ticket;
use crate::client::ClientRisk;
use crate::constants::{CAP, REFUSED_AGAIN_US, REFUSED_US};
use crate::contexts::Owner;
use crate::learnt::AT_THE_END;
use crate::ln::{ln, milli};

impl ClientRisk {
    /// What evidence refuses goes on being evidence: to V as it was judged. To Vc as the least that it would have come to, had it
    /// been forwarded and answered as usual, since that is what Vc knows the distribution of. A refused request that is sent
    /// again is hardly another observation.
    pub(crate) fn refused(&mut self, owner: Owner, at_us: i64, ticket: &Ticket) {
        let [acting, all] = ticket.raw;
        let (last_us, last_endpoint) = self.contexts.last(owner);
        let again = ticket.endpoint == last_endpoint && acting > 0;
        if at_us.saturating_sub(last_us) < if again { REFUSED_AGAIN_US } else { REFUSED_US } {
            return;
        }
        let least: f64 =
            AT_THE_END.iter().map(|signal| signal.weight() * ln(1.0 - self.shares.of(*signal))).sum();
        let calibrated = self.calibration.points(acting.saturating_add(milli(least)).min(CAP));
        if let Some(slot) = self.contexts.slot_mut(owner) {
            slot.evidence.add([acting.min(CAP), all.min(CAP)], false);
            slot.evidence.add_calibrated(calibrated);
        }
        self.contexts.tried(owner, at_us, ticket.endpoint);
    }
}
