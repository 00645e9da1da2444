//! The families of signals, one file each.

mod behaviour;
mod identity;
mod origin;
mod posture;
mod tls;
mod vendor;

use crate::baseline::Place;
use crate::baseline::rates::Step;
use crate::client::ClientRisk;
use crate::contexts::Owner;
use crate::input::Before;
use crate::peers::{Compiled, Likely};
use crate::score::Score;

pub(crate) use behaviour::after;
pub(crate) use identity::age_bucket;
pub(crate) use origin::{impossible, words};

/// A request, with what was looked up for all signals.
pub(crate) struct Subject<'a> {
    pub(crate) client: &'a ClientRisk,
    pub(crate) before: &'a Before,
    pub(crate) peers: &'a Compiled,
    pub(crate) owner: Owner,
    pub(crate) at_us: i64,
    pub(crate) endpoint: u32,
    pub(crate) place: Place,
    pub(crate) previous: Option<Place>,
    /// What peers do with this endpoint.
    pub(crate) likely: &'a Likely,
    /// Microseconds since the exchange before in this context.
    pub(crate) gap_us: Option<i64>,
    pub(crate) step: &'a Step,
}

impl Subject<'_> {
    pub(crate) fn admitted(&self) -> bool {
        matches!(self.owner, Owner::Admitted(_))
    }
}

/// All that is known before forwarding.
pub(crate) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    vendor::prior(subject.before, score);
    identity::before(subject, score);
    origin::before(subject, score);
    tls::before(subject, score);
    posture::before(subject, score);
    behaviour::before(subject, score);
}

/// What is said of a request that isn't judged.
pub(crate) fn vendor_alone(before: &Before, score: &mut Score<'_>) {
    vendor::prior(before, score);
}

/// Points from which on a part says what would have been usual: looking for that costs more than the part itself.
pub(crate) const STANDS_OUT: i32 = 1_000;
