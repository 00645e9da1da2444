//! What was said of clients' machines: an event only where it is another word than the one before.

use jiff::{SignedDuration, Timestamp};

use crate::command::{Context, Refusal};
use crate::event::{Event, PostureChange, PostureWord};
use crate::ids::{ClientId, OperatorId};
use crate::posture::{Held, Judged, Pushed, PushedWord, held};
use crate::state::decide::check_reason;
use crate::state::{Standing, State};

/// The longest that somebody else's word on a machine is good.
const PUSHED_SECONDS_MAX: i64 = 30 * 86_400;

/// The last words on a client's machine.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KnownPosture {
    /// As it was recorded: a newer statement of the same sense may have come since.
    pub stated: Option<Judged>,
    pub stated_at: Option<Timestamp>,
    pub pushed: Option<Pushed>,
}

impl State {
    /// What is held of a client's machine. `judged` is its newest statement beside the rules, where that is at hand; else
    /// what was recorded of one counts.
    #[must_use]
    pub fn held_posture(&self, standing: &Standing<'_>, judged: Option<&Judged>) -> Held {
        let known = self.postures.get(&standing.client_id());
        let stated = judged.or_else(|| known?.stated.as_ref());
        let pushed = known.and_then(|known| known.pushed.as_ref()).map(|pushed| pushed.word);
        held(standing.integration_spec.posture.as_ref(), stated, pushed)
    }

    pub(super) fn decide_stated_posture(
        &self,
        client: ClientId,
        judged: Judged,
        (signed_by, sha256): (String, String),
        was_stale: bool,
        context: &Context<'_>,
    ) -> Vec<Event> {
        let known = self.postures.get(&client).and_then(|known| known.stated.as_ref());
        let same = known.is_some_and(|known| known.failing == judged.failing) && !was_stale;
        // A client that was deleted meanwhile has nothing to be held.
        if same || self.standing_of(client).is_none() {
            return Vec::new();
        }
        let Judged { failing, good_until } = judged;
        let word = PostureWord::Statement { failing, good_until, signed_by, sha256 };
        vec![Event::PostureChanged(PostureChange { client, word, time: context.now })]
    }

    pub(super) fn decide_pushed_posture(
        &self,
        name: &str,
        word: PushedWord,
        (operator, reason): (OperatorId, String),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let unknown = || Refusal::Unknown { kind: "client", name: name.to_owned() };
        let client = self.standing(name).ok_or_else(unknown)?.client_id();
        let longest = context.now.checked_add(SignedDuration::from_secs(PUSHED_SECONDS_MAX));
        let word = match word {
            PushedWord::Good { until } => {
                PushedWord::Good { until: until.min(longest.unwrap_or(Timestamp::MAX)) }
            }
            other => other,
        };
        let known = self.postures.get(&client).and_then(|known| known.pushed.as_ref());
        let same = match known {
            Some(known) => known.word == word && known.reason == reason,
            None => word == PushedWord::Withdrawn,
        };
        if same {
            return Ok(Vec::new());
        }
        let word = PostureWord::Operator { operator, word, reason };
        Ok(vec![Event::PostureChanged(PostureChange { client, word, time: context.now })])
    }

    pub(super) fn apply_posture(&mut self, change: &PostureChange) {
        let known = self.postures.entry(change.client).or_default();
        match &change.word {
            PostureWord::Statement { failing, good_until, .. } => {
                known.stated = Some(Judged { failing: failing.clone(), good_until: *good_until });
                known.stated_at = Some(change.time);
            }
            PostureWord::Operator { operator, word, reason } => {
                known.pushed = (*word != PushedWord::Withdrawn).then(|| Pushed {
                    operator: *operator,
                    word: *word,
                    reason: reason.clone(),
                    time: change.time,
                });
            }
        }
    }
}
