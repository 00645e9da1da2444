//! The end of an exchange: what the response adds, and what is learnt.

use crate::action::{Action, Mode, Standing};
use crate::assess::reaches;
use crate::assessment::{Ended, Parts, Ticket};
use crate::client::ClientRisk;
use crate::constants::{NEEDED_CHALLENGE, QUIET_EXCHANGES};
use crate::contexts::Owner;
use crate::contexts::evidence::ACTING;
use crate::exchange::Exchange;
use crate::hash::fold32;
use crate::input::After;
use crate::peers::Peers;
use crate::points::Points;
use crate::rules::Rules;
use crate::score::{Score, lane_of};
use crate::signal::Signal;
use crate::signals;

impl ClientRisk {
    /// Takes in how an exchange that was forwarded has ended.
    pub fn after(&mut self, ticket: Ticket, after: &After, peers: &Peers, rules: &Rules) -> Ended {
        self.step += 1;
        // Switched off meanwhile, or its context has gone: then nobody asks.
        let owner = self.contexts.find(&ticket.id).filter(|_| ticket.live && rules.mode != Mode::Off);
        let Some(owner) = owner else { return self.nothing() };
        self.pass_time(after.at_us);
        let admitted = matches!(owner, Owner::Admitted(_));
        let mut windows = self.windows;
        let [of_admitted, of_others] = &mut windows;
        let mut sum = Score::new(rules);
        let open = if admitted { of_admitted } else { of_others };
        let [status, record_size, records] =
            signals::after(self, &ticket, after, peers.compiled(), open, &mut sum);
        for ((which, now), before) in [true, false].into_iter().zip(&windows).zip(&self.windows) {
            self.untold.records(which, now.records_since(before));
        }
        self.windows = windows;
        let more = sum.capped(ticket.raw);
        let held = self.contexts.slot(owner).map(|slot| slot.evidence).unwrap_or_default();
        let apart = |slot: &crate::contexts::Slot| ticket.proved || slot.passes != ticket.passes;
        let passed = self.contexts.slot(owner).is_none_or(apart);
        if passed {
            // It began before a pass, or was proved by itself: what it adds is kept apart from what the score begins with.
            sum.structural(Signal::Proved, more.map(|more| -more));
        }
        let now = sum.carried(held.w, if passed { [0; 2] } else { more });
        let [before, _] = ticket.raw.map(|raw| raw.min(crate::constants::CAP));
        let evidence = before + lane_of(&more, ACTING);
        let calibrated = self.calibration.points(evidence);
        if let Some(slot) = self.contexts.slot_mut(owner) {
            slot.evidence.add(more, !passed);
            slot.evidence.add_calibrated(calibrated);
        }
        if admitted {
            self.count(owner, evidence, after);
            let exchange =
                Exchange { status, record_size, records, owner: owner.number(), ..ticket.exchange };
            self.learn(owner, ticket.learns.then_some(exchange), passed);
        } else {
            // Nothing is learnt from it; what is kept is for an analyst's verdict.
            self.keep(Exchange { status, record_size, records, owner: owner.number(), ..ticket.exchange });
        }
        self.conclude(owner, &ticket, rules, sum.parts, lane_of(&now, ACTING))
    }

    fn count(&mut self, owner: Owner, evidence: i32, after: &After) {
        self.graduation.exchange();
        self.calibration.add(evidence);
        let denying = self.contexts.slot(owner).map_or(0, |slot| slot.evidence.denying(ACTING));
        self.graduation.high(denying, self.day);
        self.drift.exchange(after.records.value());
    }

    /// Unconfirmed until the evidence has gone back to nothing for a while.
    fn learn(&mut self, owner: Owner, exchange: Option<Exchange>, passed: bool) {
        if let Some(exchange) = exchange {
            self.keep(exchange);
        }
        let Some(slot) = self.contexts.slot_mut(owner) else { return };
        let quiet = lane_of(&slot.evidence.w, ACTING) == 0;
        slot.quiet = if quiet { slot.quiet.saturating_add(1) } else { 0 };
        if slot.quiet >= QUIET_EXCHANGES {
            self.commit(owner, passed);
        }
    }

    /// Until it is learnt, and other gates know of it.
    fn keep(&mut self, exchange: Exchange) {
        let place = self.pending.push(exchange);
        if self.untold.on {
            self.untold.exchanges |= 1 << place;
        }
    }

    /// As another gate has learnt it.
    pub(crate) fn learn_at_once(&mut self, owner: Owner, exchange: &Exchange) {
        let bound = self.learnt_bound();
        let Some(slot) = self.contexts.slot_mut(owner) else { return };
        if u32::from(slot.learnt_today) < bound {
            slot.learnt_today = slot.learnt_today.saturating_add(1);
            let ja4 = fold32(slot.id.ja4);
            self.baseline.learn(exchange, ja4, 1);
        }
    }

    /// Learns what was unconfirmed in an admitted context, within the day's bound; after a pass it is kept for an analyst.
    pub(crate) fn commit(&mut self, owner: Owner, passed: bool) {
        let bound = self.learnt_bound();
        let Some(slot) = self.contexts.slot_mut(owner) else { return };
        let (ja4, learnt) = (fold32(slot.id.ja4), &mut slot.learnt_today);
        let baseline = &mut self.baseline;
        let learn = |exchange: &Exchange| {
            if u32::from(*learnt) < bound {
                baseline.learn(exchange, ja4, 1);
                *learnt = learnt.saturating_add(1);
            }
        };
        if passed {
            self.pending.pass(owner.number(), learn)
        } else {
            self.pending.take(owner.number(), self.untold.exchanges, learn)
        }
    }

    fn conclude(&mut self, owner: Owner, ticket: &Ticket, rules: &Rules, parts: Parts, w: i32) -> Ended {
        let held = self.contexts.slot(owner).map(|slot| slot.evidence).unwrap_or_default();
        let (v, denying) = (lane_of(&held.v, ACTING), held.denying(ACTING));
        let prior = lane_of(&ticket.prior, ACTING);
        let thresholds = ticket.thresholds.map(Points);
        let enforced = rules.mode == Mode::Enforce;
        let limit = enforced
            && self.graduation.standing >= Standing::Challenge
            && reaches(v, prior, thresholds, Action::Deny);
        let severs = enforced
            && self.graduation.standing >= Standing::Deny
            && reaches(denying, prior, thresholds, Action::Sever);
        let page = (limit || severs) && self.page_once(owner);
        if let Some(slot) = self.contexts.slot_mut(owner).filter(|_| i64::from(v) < NEEDED_CHALLENGE) {
            slot.paged = false;
        }
        Ended {
            step: self.step,
            parts,
            score: Points(w.into()),
            limit,
            sever: severs && rules.sever_by_evidence,
            page,
            recommend_sever: severs && !rules.sever_by_evidence,
        }
    }

    fn nothing(&self) -> Ended {
        Ended {
            step: self.step,
            parts: Parts::default(),
            score: Points::ZERO,
            limit: false,
            sever: false,
            page: false,
            recommend_sever: false,
        }
    }
}
