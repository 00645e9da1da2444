//! What hard stops that are only observed would have made of a decision, in words.

use portcullis_assurance::stops::{Held, StopMode};
use portcullis_domain::access::Access;
use portcullis_domain::decision::{Stop, StopSet, Verdict, WouldStop};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What enforcing them would have come to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WouldStopView {
    /// `deny`, or `limit` for a tenth of the records.
    pub verdict: Verdict,
    /// What they would have left of the vendor's access.
    pub access: Access,
    /// All that would have narrowed or refused it.
    pub stops: StopSet,
    /// `would have been refused by stop 13, …: the fact`, for each of them. Only where one decision is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<String>,
}

impl From<WouldStop> for WouldStopView {
    fn from(would: WouldStop) -> Self {
        let WouldStop { access, stops } = would;
        Self { verdict: would.verdict(), access, stops, sentences: Vec::new() }
    }
}

impl WouldStopView {
    /// Adds the facts, as they are known now.
    pub fn tell(&mut self, held: &[Held]) {
        self.sentences = self
            .stops
            .iter()
            .map(|stop| {
                let what = self.what(stop, held);
                let fact = observed(stop, held).map_or(Self::FORGOTTEN, |held| held.fact.as_str());
                format!("{what}, `{}`: {fact}", stop.name())
            })
            .collect();
    }

    /// In place of a fact, where facts have changed since.
    pub const FORGOTTEN: &str = "what is known of the vendor now no longer says why";

    /// `would have been refused by stop 13`.
    #[must_use]
    pub fn what(&self, stop: Stop, held: &[Held]) -> String {
        let access = observed(stop, held).map_or(self.access, |held| held.access);
        let done = if access >= Access::Held { "refused" } else { "narrowed to a tenth" };
        format!("would have been {done} by stop {}", stop.number())
    }
}

/// The worst fact of a stop that is only observed.
fn observed(stop: Stop, held: &[Held]) -> Option<&Held> {
    held.iter().find(|held| held.stop == stop && held.mode == StopMode::Observe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stop_is_told_with_its_own_effect_and_its_fact() {
        let held = |stop, access, fact: &str| Held {
            stop,
            subject: None,
            access,
            mode: StopMode::Observe,
            fact: fact.to_owned(),
            remedy: String::new(),
            since: None,
            exception: None,
        };
        let stops = [Stop::Exit, Stop::Admission, Stop::Contract].into_iter().collect();
        let mut view = WouldStopView::from(WouldStop { access: Access::Blocked, stops });
        assert_eq!((view.verdict, view.sentences.len()), (Verdict::Deny, 0));
        view.tell(&[
            held(Stop::Admission, Access::Blocked, "the vendor isn't admitted"),
            held(Stop::Exit, Access::Limited, "no tested exit"),
        ]);
        assert_eq!(
            view.sentences,
            [
                "would have been refused by stop 5, `contract`: what is known of the vendor now no longer says why",
                "would have been narrowed to a tenth by stop 11, `exit`: no tested exit",
                "would have been refused by stop 13, `admission`: the vendor isn't admitted",
            ]
        );
    }
}
