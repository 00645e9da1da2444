//! The contexts of a client, for people to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::ClientRisk;
use crate::constants::PROBATION_US;
use crate::contexts::evidence::{ACTING, Evidence};
use crate::contexts::{Id, SHARED};
use crate::input::{Context, Known, Missing};
use crate::points::Points;
use crate::score::lane_of;

/// A pair of key and place that a client is seen in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContextReport {
    pub place: Place,
    /// The last one seen there; the shared slot has many.
    pub context: Context,
    /// Evidence since the last passed challenge, and whatever was passed.
    pub w: Points,
    pub v: Points,
    /// The same as `v`, by how often the client's own exchanges looked like that.
    pub calibrated: Points,
    /// In microseconds since the Unix epoch, as all times here.
    pub last_us: i64,
    /// When probation ends.
    pub until_us: Option<i64>,
    /// Since when a question is open.
    pub question_us: Option<i64>,
}

/// What a context is to its client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Judged on its own, and learnt from.
    Admitted,
    /// It passed once; a tenth of the budget, and nothing is learnt.
    Probation,
    /// Every other one.
    Shared,
}

impl ClientRisk {
    /// Its contexts: the admitted ones, those on probation, then the shared slot if anything was seen there.
    #[must_use]
    pub fn contexts(&self) -> Vec<ContextReport> {
        let report = |place, id: &Id, evidence: &Evidence| ContextReport {
            place,
            context: context(id),
            w: Points(lane_of(&evidence.w, ACTING).into()),
            v: Points(lane_of(&evidence.v, ACTING).into()),
            calibrated: Points(evidence.denying(ACTING).into()),
            last_us: 0,
            until_us: None,
            question_us: None,
        };
        let asked =
            |question: &crate::contexts::question::Question| question.open().map(|(asked_us, _)| asked_us);
        let admitted = self.contexts.admitted().map(|slot| ContextReport {
            last_us: slot.last_us,
            question_us: asked(&slot.question),
            ..report(Place::Admitted, &slot.id, &slot.evidence)
        });
        let mut all: Vec<_> = admitted.collect();
        let Some(shared) = self.contexts.slots.get(SHARED) else { return all };
        let pairs = || self.contexts.pairs.iter().filter(|pair| pair.taken);
        all.extend(pairs().filter(|pair| self.contexts.is_on_probation(pair)).map(|pair| ContextReport {
            last_us: pair.last_us,
            until_us: Some(pair.since_us.saturating_add(PROBATION_US)),
            question_us: asked(&pair.question),
            ..report(Place::Probation, &pair.id, &shared.evidence)
        }));
        if let Some(last) =
            pairs().filter(|pair| !self.contexts.is_on_probation(pair)).max_by_key(|pair| pair.last_us)
        {
            all.push(ContextReport {
                last_us: last.last_us,
                question_us: asked(&last.question),
                ..report(Place::Shared, &last.id, &shared.evidence)
            });
        }
        all
    }
}

/// As it came, but for the prefix, which a context may change.
fn context(id: &Id) -> Context {
    let ja4 = if id.ja4 == 0 { Known::NoData(Missing::BehindBalancer) } else { Known::Is(id.ja4) };
    Context { key: id.key, ja4, network: id.network, prefix: 0 }
}
