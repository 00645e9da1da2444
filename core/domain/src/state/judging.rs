//! Analysts' words on decisions.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_risk::Judgement;

use crate::command::{Context, JudgedDecision, Refusal};
use crate::decision::DecisionId;
use crate::event::Event;
use crate::ids::OperatorId;
use crate::judgement::DecisionJudgement;
use crate::state::State;
use crate::state::decide::check_reason;

/// The newest that are kept, those taken back among them. Gates keep the last that they applied.
pub const JUDGEMENTS_MAX: usize = 4_096;

/// An analyst's word, and its place in the ledger.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    pub sequence: u64,
    pub word: DecisionJudgement,
}

impl State {
    /// The word that counts on a decision.
    #[must_use]
    pub fn judgement(&self, decision: DecisionId) -> Option<&DecisionJudgement> {
        let last = self.judgements.iter().rev().find(|judged| judged.word.decision == decision)?;
        (!last.word.undo).then_some(&last.word)
    }

    /// Saying the same again changes nothing; saying the opposite takes the earlier word back first.
    pub(super) fn decide_judge(
        &self,
        judged: JudgedDecision,
        judgement: Judgement,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let client = self.by_id(judged.client.0).is_some();
        if !client {
            return Err(Refusal::Unknown { kind: "client", name: judged.client.to_string() });
        }
        let known = self.judgement(judged.decision);
        if known.is_some_and(|known| known.judgement == judgement) {
            return Ok(Vec::new());
        }
        let word = |judgement, undo| {
            Event::DecisionJudged(word(&judged, judgement, undo, by, reason.clone(), context.now))
        };
        let back = known.map(|known| word(known.judgement, true));
        Ok(back.into_iter().chain([word(judgement, false)]).collect())
    }

    pub(super) fn decide_unjudge(
        &self,
        decision: DecisionId,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let known = self.judgement(decision).ok_or(Refusal::NotJudged(decision))?;
        let back = DecisionJudgement { undo: true, by, reason, time: context.now, ..known.clone() };
        Ok(vec![Event::DecisionJudged(back)])
    }

    pub(super) fn apply_judged(&mut self, word: &DecisionJudgement) {
        let judgements = Arc::make_mut(&mut self.judgements);
        if judgements.len() >= JUDGEMENTS_MAX {
            judgements.pop_front();
        }
        judgements.push_back(Judged { sequence: self.size.saturating_sub(1), word: word.clone() });
    }
}

/// Oldest first, shared by all states until another word is said.
pub type Judgements = Arc<VecDeque<Judged>>;

fn word(
    judged: &JudgedDecision,
    judgement: Judgement,
    undo: bool,
    by: OperatorId,
    reason: String,
    time: Timestamp,
) -> DecisionJudgement {
    let JudgedDecision { decision, client, context } = judged;
    DecisionJudgement {
        decision: *decision,
        client: *client,
        context: context.into(),
        judgement,
        undo,
        by,
        reason,
        time,
    }
}
