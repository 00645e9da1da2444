//! What came out, with every part of it.

use serde::{Deserialize, Serialize};

use crate::action::{Action, Standing};
use crate::contexts::Id;
use crate::exchange::Exchange;
use crate::points::Points;
use crate::signal::Signal;

/// More parts than any exchange has.
pub const PARTS_MAX: usize = 40;

/// One addend of a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    pub signal: Signal,
    /// Thousandths of a point.
    pub points: i32,
    /// What was seen, in the unit of [`Signal::unit`]; 0 where there is nothing to say.
    pub observed: u32,
    /// For amounts that stand out: the largest that would have added nothing. Else 0.
    pub usual: u32,
    /// Why there is no data: then it adds nothing, but for what counts as bad while it is unknown (a vendor's assessment,
    /// a posture that was asked for).
    pub missing: Option<crate::Missing>,
    /// Its family is only observed: it counts in what would have been, not in what is.
    pub observed_only: bool,
}

/// The parts of a score: they add up to it exactly.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    parts: [Part; PARTS_MAX],
    length: usize,
}

const NONE: Part = Part {
    signal: Signal::VendorPrior,
    points: 0,
    observed: 0,
    usual: 0,
    missing: None,
    observed_only: false,
};

impl Default for Parts {
    fn default() -> Self {
        Self { parts: [NONE; PARTS_MAX], length: 0 }
    }
}

impl Parts {
    /// Beyond [`PARTS_MAX`] nothing is taken; a test holds that it never comes to that.
    pub fn push(&mut self, part: Part) {
        if let Some(place) = self.parts.get_mut(self.length) {
            *place = part;
            self.length += 1;
        }
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Part] {
        self.parts.get(..self.length).unwrap_or_default()
    }

    /// Of all parts, or of those alone that act.
    #[must_use]
    pub fn sum(&self, acting_only: bool) -> Points {
        let counted = self.as_slice().iter().filter(|part| !(acting_only && part.observed_only));
        counted.map(|part| Points(i64::from(part.points))).sum()
    }
}

/// Why it isn't simply allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    Nothing,
    /// A pair of TLS client and network that isn't admitted for this client.
    NewContext,
    /// A list names it, in a context that was never challenged.
    Listed,
    /// A question is open here.
    Pending,
    /// The route wants a fresh nonce on every request.
    NotFresh,
    /// Evidence beyond the threshold.
    Score,
    /// A challenge was answered wrongly, or not at all, too often.
    ChallengeFailed,
    /// Evidence that no passed challenge takes away: whoever is here may hold the key too.
    KeyEvidence,
    /// All else is learnt, and nobody knows yet whether this client can answer: asked once.
    Rehearsal,
}

impl Cause {
    /// As interfaces, metrics and files call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NewContext => "new_context",
            Self::Listed => "listed",
            Self::Pending => "pending",
            Self::NotFresh => "not_fresh",
            Self::Score => "score",
            Self::ChallengeFailed => "challenge_failed",
            Self::KeyEvidence => "key_evidence",
            Self::Rehearsal => "rehearsal",
        }
    }
}

/// What a request comes to, before it is forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// Number of this call among all calls that changed this client's state: replays go by it.
    pub step: u64,
    /// What to do.
    pub action: Action,
    /// What enforcing everything would have done.
    pub would: Action,
    pub cause: Cause,
    /// Sum of all acting parts.
    pub score: Points,
    /// At which score a challenge, a denial, a severance begins.
    pub thresholds: [Points; 3],
    /// Acting evidence of the context, this request included: since the last pass; whatever was passed; the calibrated
    /// part of that, as it counts for denying and severing.
    pub evidence: [Points; 3],
    pub standing: Standing,
    /// A pair that passed its challenge and isn't admitted yet: a tenth of the budget.
    pub probation: bool,
    /// Somebody should look at this.
    pub page: bool,
    /// Evidence is beyond the threshold for severing, and the integration hasn't agreed to that: severing is recommended.
    pub recommend_sever: bool,
    pub parts: Parts,
    /// For [`ClientRisk::after`](crate::ClientRisk::after), if it is forwarded.
    pub ticket: Ticket,
}

/// What an exchange under way needs at its end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// It was forwarded, and is scored.
    pub(crate) live: bool,
    /// Which context, and that it is still the same.
    pub(crate) owner: u8,
    pub(crate) id: Id,
    /// It is among those that are learnt.
    pub(crate) learns: bool,
    /// Counts the passes of the slot: a response that began before one counts to V only.
    pub(crate) passes: u32,
    /// It carried a fresh proof of its own: nobody without the key has made it, so it counts to V only.
    pub(crate) proved: bool,
    /// Hash of the endpoint, never 0.
    pub(crate) endpoint: u32,
    /// What is known of the exchange so far.
    pub(crate) exchange: Exchange,
    /// Evidence before forwarding, not capped, by lane.
    pub(crate) raw: [i32; 2],
    pub(crate) prior: [i64; 2],
    pub(crate) thresholds: [i64; 3],
}

/// What an exchange came to in the end.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub step: u64,
    /// The evidence that was carried, and what the response added; their sum is `score`.
    pub parts: Parts,
    /// The evidence that the next request in this context begins with.
    pub score: Points,
    /// The context's budget is a tenth from now on.
    pub limit: bool,
    /// The context must be closed now.
    pub sever: bool,
    pub page: bool,
    /// As in [`Assessment`].
    pub recommend_sever: bool,
}
