//! Challenges: what an answer does.

use crate::action::Action;
use crate::client::{Answer, ClientRisk};
use crate::contexts::question::Asked;
use crate::contexts::{ADMITTED, Id, Owner};
use crate::input::{Context, IssuedIn};

/// What becomes of a request whose key isn't proved yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskedAhead {
    Nothing,
    /// A question is open.
    Open {
        asked_us: i64,
    },
    /// It was asked too often: what comes is no answer.
    Failed,
}

impl ClientRisk {
    /// Takes an answer to the question that is open in this context; `Sever` if the session must be closed. Without an open
    /// question nothing changes.
    pub fn answered(&mut self, context: &Context, answer: Answer, at_us: i64) -> Action {
        self.step += 1;
        let at_us = self.pass_time(at_us);
        match self.contexts.find(&Id::of(context)) {
            Some(owner) => self.take_answer(owner, answer, at_us),
            None => Action::Allow,
        }
    }

    /// A request came whose key isn't proved yet, as its nonce is missing or stale. If a question would be asked of it whatever
    /// it is, because its context is new, or because one is open, it is asked now, so that one answer says both. Nothing is
    /// learnt of such a request; and in a context that is admitted it counts for nothing, as anybody behind the same
    /// network may have sent it.
    pub fn ask_ahead(&mut self, context: &Context, issued_in: IssuedIn, at_us: i64) -> AskedAhead {
        let id = Id::of(context);
        if let Some(owner @ Owner::Admitted(_)) = self.contexts.find(&id)
            && self.contexts.question(owner).open().is_none()
        {
            // Nothing changes, so it is no call that a replay would have to know of: most of them are like this.
            return AskedAhead::Nothing;
        }
        self.step += 1;
        let at_us = self.pass_time(at_us);
        self.rename(context);
        let owner = self.contexts.find(&id).unwrap_or_else(|| {
            let (owner, replaced) = self.contexts.enter(id, at_us);
            if replaced {
                self.pending.drop_of(owner.number());
            }
            owner
        });
        let known = self.contexts.knows_place(&id);
        let mut due = false;
        if let Owner::Other(place) = owner
            && let Some(pair) = self.contexts.pairs.get_mut(place)
        {
            pair.issued_here = issued_in == IssuedIn::SameContext;
            let elsewhere = !matches!(issued_in, IssuedIn::SameContext | IssuedIn::Unknown);
            due = pair.passes == 0 && (!known || elsewhere);
        }
        let Some(question) = self.contexts.question_mut(owner) else { return AskedAhead::Nothing };
        if question.open().is_none() && due {
            question.ask(Asked::NewContext, at_us);
        }
        match question.wait_unproved(at_us, matches!(owner, Owner::Other(_))) {
            Some((asked_us, false)) => AskedAhead::Open { asked_us },
            Some((_, true)) => AskedAhead::Failed,
            None => AskedAhead::Nothing,
        }
    }

    pub(crate) fn take_answer(&mut self, owner: Owner, answer: Answer, at_us: i64) -> Action {
        let Some((_, asked)) = self.contexts.question(owner).open() else { return Action::Allow };
        if let Some(question) = self.contexts.question_mut(owner) {
            *question = Default::default();
        }
        match answer {
            Answer::Valid => {
                self.pass(owner, asked == Asked::Score, at_us);
                Action::Allow
            }
            Answer::Wrong => {
                self.pending.drop_of(owner.number());
                Action::Sever
            }
        }
    }

    /// A challenge was passed: possession of the key is proved, and nothing more.
    pub(crate) fn pass(&mut self, owner: Owner, score: bool, at_us: i64) {
        if let Some(question) = self.contexts.question_mut(owner) {
            question.proved = true;
        }
        if let Some(slot) = self.contexts.slot_mut(owner) {
            slot.evidence.pass();
            slot.crossed = false;
        }
        match owner {
            Owner::Admitted(_) => {
                self.commit(owner, true);
                if let Some(slot) = self.contexts.slot_mut(owner) {
                    slot.passes = slot.passes.saturating_add(1);
                }
            }
            Owner::Other(place) => {
                if let Some(shared) = self.contexts.slot_mut(owner) {
                    // A response that began in any of these contexts before this pass counts to V only.
                    shared.passes = shared.passes.saturating_add(1);
                }
                self.pass_elsewhere(place, at_us);
            }
        }
        self.graduation.pass(score);
        self.graduate();
    }

    /// A new pair is on probation from now on; the first of a client is admitted if its token was issued there.
    fn pass_elsewhere(&mut self, place: usize, at_us: i64) {
        let alone = self.contexts.admitted().next().is_none()
            && self
                .contexts
                .pairs
                .iter()
                .enumerate()
                .all(|(at, pair)| at == place || !pair.taken || pair.passes == 0);
        let Some(pair) = self.contexts.pairs.get_mut(place) else { return };
        if pair.passes == 0 {
            pair.since_us = at_us;
        }
        pair.passes = pair.passes.saturating_add(1);
        let (id, first) = (pair.id, alone && pair.issued_here);
        if first {
            self.admit_now(id, at_us, true);
        }
    }

    /// Admits a context without probation: it was declared, or a key that can't be exported has just been attested there.
    pub fn admit(&mut self, context: &Context, at_us: i64) {
        self.step += 1;
        let at_us = self.pass_time(at_us);
        self.admit_now(Id::of(context), at_us, true);
    }

    pub(crate) fn admit_now(&mut self, id: Id, at_us: i64, clean: bool) -> Owner {
        let before = self.contexts.find(&id);
        let (owner, replaced) = self.contexts.admit(id, at_us, clean);
        if let Some(replaced) = replaced {
            self.pending.drop_of(replaced.number());
        }
        if let Some(before) = before.filter(|before| before.number() >= ADMITTED as u8) {
            self.pending.rename(before.number(), owner.number());
        }
        owner
    }
}
