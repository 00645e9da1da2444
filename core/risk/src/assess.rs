//! One decision, before a request is forwarded.

use crate::action::{Action, Mode, Standing};
use crate::assessment::{Assessment, Cause, Parts, Ticket};
use crate::buckets;
use crate::client::{Answer, ClientRisk};
use crate::constants::{
    BASE_CHALLENGE, BASE_DENY, BASE_SEVER, CAP, CROSSING, LEARNT_A_DAY, LEARNT_BY_CONTEXT_A_DAY,
    LEARNT_BY_CONTEXT_SHARE, MILLI_PER_NAT, NEEDED_CHALLENGE, NEEDED_DENY, NEEDED_SEVER, PROBATION_US,
    SHIFT_MAX, STAKES_UNIT,
};
use crate::contexts::evidence::{ACTING, ALL, Evidence, plus};
use crate::contexts::question::{Asked, Wait};
use crate::contexts::{Id, Owner, SHARED};
use crate::exchange::Exchange;
use crate::hash::fold16;
use crate::input::{Answered, Before, Context, IssuedIn, Known, Posture, Stakes};
use crate::ln::ln;
use crate::origin::Listed;
use crate::peers::Peers;
use crate::points::Points;
use crate::rules::Rules;
use crate::score::{Score, lane_of, score};
use crate::signal::Signal;
use crate::signals::{self, Subject};

/// What a request comes to by one lane of evidence, or by facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) action: Action,
    pub(crate) cause: Cause,
}

impl Verdict {
    const ALLOW: Self = Self { action: Action::Allow, cause: Cause::Nothing };

    fn new(action: Action, cause: Cause) -> Self {
        Self { action, cause }
    }

    /// The worse of both; the first among equals.
    fn worse(self, other: Self) -> Self {
        if other.action > self.action { other } else { self }
    }
}

/// What evidence is held against.
#[derive(Clone, Copy, Debug)]
struct Limits {
    prior: i64,
    thresholds: [Points; 3],
    /// The request carries a proof of its own.
    proved: bool,
    /// The route wants one, and there is none.
    stale: bool,
}

impl ClientRisk {
    /// Judges a request before it is forwarded.
    pub fn before(&mut self, before: &Before, peers: &Peers, rules: &Rules) -> Assessment {
        self.step += 1;
        let thresholds = thresholds(&before.stakes);
        if rules.mode == Mode::Off {
            return self.unjudged(thresholds, Verdict::ALLOW, Parts::default());
        }
        let back_us = self.now_us.saturating_sub(before.at_us);
        let at_us = self.advance(before);
        let id = Id::of(&before.context);
        let owner = self.owner(id, before, at_us);
        if let Some(failed) = self.answer_first(owner, before, at_us) {
            return self.unjudged(thresholds, failed, Parts::default());
        }
        // A pass may have admitted it.
        let owner = self.contexts.find(&id).unwrap_or(owner);
        if let Some(verdict) = self.wait(owner, at_us, rules) {
            return self.waiting(owner, before, rules, thresholds, verdict);
        }
        let fact = self.fact(owner, before);
        let owner = self.contexts.find(&id).unwrap_or(owner);
        let proved = self.proved(owner) || before.fresh_nonce;
        let endpoint = before.endpoint.0.max(1);
        let (last_us, last_endpoint) = self.contexts.last(owner);
        let step = self.window(owner).request(at_us);
        let subject = Subject {
            client: self,
            before,
            peers: peers.compiled(),
            owner,
            at_us,
            endpoint,
            place: self.baseline.place(endpoint),
            previous: (last_endpoint != 0).then(|| self.baseline.place(last_endpoint)),
            likely: peers.compiled().likely(endpoint),
            gap_us: (last_endpoint != 0).then(|| at_us.saturating_sub(last_us)),
            step: &step,
        };
        let mut sum = Score::new(rules);
        signals::before(&subject, &mut sum);
        let (country, asn, prefix) = signals::words(before);
        let exchange = Exchange {
            endpoint,
            asn,
            previous: if last_endpoint == 0 { 0 } else { fold16(last_endpoint) },
            country,
            prefix,
            size: buckets::size(before.request_bytes),
            gap: subject.gap_us.map_or(buckets::NONE, buckets::gap),
            hour: buckets::hour(at_us),
            status: buckets::NONE,
            record_size: buckets::NONE,
            records: buckets::NONE,
            closed: step.closed,
            owner: owner.number(),
            learnt_by: 0,
        };
        if back_us > 0 {
            sum.fixed(Signal::ClockBack, 0, u32::try_from(back_us / 1_000_000).unwrap_or(u32::MAX), 0);
        }
        let assessed = self.weigh(owner, before, rules, (fact, proved), sum, exchange);
        if assessed.action <= Action::Limit {
            self.forward(owner, before, at_us, &assessed.ticket, &step);
        } else if (assessed.action, assessed.cause) == (Action::Deny, Cause::KeyEvidence) {
            self.refused(owner, at_us, &assessed.ticket);
        }
        assessed
    }

    /// Whether this request carries the proof that an answer gave.
    fn proved(&mut self, owner: Owner) -> bool {
        self.contexts.question_mut(owner).is_some_and(|question| std::mem::take(&mut question.proved))
    }

    /// Evidence against thresholds, and what follows.
    fn weigh(
        &mut self,
        owner: Owner,
        before: &Before,
        rules: &Rules,
        (fact, proved): (Verdict, bool),
        mut sum: Score<'_>,
        exchange: Exchange,
    ) -> Assessment {
        let thresholds = thresholds(&before.stakes);
        let held = self.contexts.slot(owner).map(|slot| slot.evidence).unwrap_or_default();
        let raw = sum.raw;
        let more = sum.capped([0; 2]);
        let after = Evidence {
            v: [ACTING, ALL].map(|lane| plus(lane_of(&held.v, lane), lane_of(&more, lane))),
            ..held
        };
        let w = sum.carried(held.w, more);
        let after = Evidence { w, ..after };
        let mut page = false;
        let [acting, would] = [ACTING, ALL].map(|lane| {
            let prior = lane_of(&sum.prior, lane);
            let limits =
                Limits { prior, thresholds, proved, stale: before.stakes.critical && !before.fresh_nonce };
            let verdict = self.by_evidence(&after, lane, &limits, rules);
            page |= lane == ACTING && verdict.action >= Action::Limit && verdict.cause == Cause::KeyEvidence;
            fact.worse(verdict)
        });
        let (acting, fact) = if rules.mode == Mode::Enforce { (acting, fact) } else { (fact, fact) };
        let acting = acting.worse(self.rehearsal(owner, rules, &after));
        let prior = lane_of(&sum.prior, ACTING);
        let total = score(prior, lane_of(&w, ACTING));
        self.cross(owner, total, lane_of(&w, ACTING));
        if acting.action == Action::Challenge {
            self.ask(owner, acting.cause, fact.cause);
        }
        let page = rules.mode == Mode::Enforce && page && self.page_once(owner);
        let denying = after.denying(ACTING);
        let severs =
            self.graduation.standing == Standing::Deny && reaches(denying, prior, thresholds, Action::Sever);
        Assessment {
            step: self.step,
            action: acting.action,
            would: would.action,
            cause: acting.cause,
            score: total,
            thresholds,
            evidence: [lane_of(&w, ACTING), lane_of(&after.v, ACTING), denying]
                .map(|held| Points(held.into())),
            standing: self.graduation.standing,
            probation: self.on_probation(owner),
            page,
            recommend_sever: severs && !rules.sever_by_evidence,
            parts: sum.parts,
            ticket: Ticket {
                live: acting.action <= Action::Limit,
                owner: owner.number(),
                id: Id::of(&before.context),
                learns: self.learns(owner, before.sample),
                passes: self.contexts.slot(owner).map_or(0, |slot| slot.passes),
                proved,
                endpoint: exchange.endpoint,
                exchange,
                raw,
                prior: sum.prior,
                thresholds: thresholds.map(Points::milli),
            },
        }
    }

    /// Where the context is kept; a new one gets a place, and one whose probation is over is admitted.
    fn owner(&mut self, id: Id, before: &Before, at_us: i64) -> Owner {
        self.rename(&before.context);
        let owner = self.contexts.find(&id).unwrap_or_else(|| {
            let (owner, replaced) = self.contexts.enter(id, at_us);
            if replaced {
                self.pending.drop_of(owner.number());
            }
            owner
        });
        let Owner::Other(place) = owner else { return owner };
        if before.posture == Known::Is(Posture::Attested) {
            return self.admit_now(id, at_us, true);
        }
        let elsewhere_us = self.contexts.elsewhere_us(&id);
        let known = self.contexts.knows_place(&id);
        let Some(pair) = self.contexts.pairs.get_mut(place) else { return owner };
        pair.issued_here = before.issued_in == IssuedIn::SameContext;
        if elsewhere_us > pair.since_us && pair.last_us >= pair.since_us {
            // At work beside an admitted one: its time begins again.
            pair.since_us = at_us;
        }
        let over = at_us.saturating_sub(pair.since_us) >= PROBATION_US;
        if over && (pair.passes > 0 || known) { self.admit_now(id, at_us, false) } else { owner }
    }

    /// Where data about networks have come since a context was admitted, it is known by its new name.
    pub(crate) fn rename(&mut self, context: &Context) {
        if let Some(replaced) = self.contexts.rename(context) {
            self.pending.drop_of(replaced.number());
        }
    }

    fn on_probation(&self, owner: Owner) -> bool {
        match owner {
            Owner::Admitted(_) => false,
            Owner::Other(place) => {
                self.contexts.pairs.get(place).is_some_and(|pair| self.contexts.is_on_probation(pair))
            }
        }
    }

    /// What the request says to an open question, before anything is judged.
    fn answer_first(&mut self, owner: Owner, before: &Before, at_us: i64) -> Option<Verdict> {
        let answer = match before.answer {
            Answered::No | Answered::Ahead => return None,
            Answered::Valid => Answer::Valid,
            Answered::Wrong => Answer::Wrong,
        };
        let severed = self.take_answer(owner, answer, at_us) == Action::Sever;
        severed.then_some(Verdict::new(Action::Sever, Cause::ChallengeFailed))
    }

    /// Whether a question is open, and nothing is forwarded meanwhile.
    fn wait(&mut self, owner: Owner, at_us: i64, rules: &Rules) -> Option<Verdict> {
        let observing = rules.mode == Mode::Observe;
        let question = self.contexts.question_mut(owner)?;
        let (_, asked) = question.open()?;
        if observing && !asked.is_fact() {
            // The policy was changed meanwhile: what evidence asked is asked no more.
            *question = Default::default();
            return None;
        }
        match question.wait(at_us) {
            Wait::Nothing | Wait::Lapsed => None,
            Wait::Pending => Some(Verdict::new(Action::Challenge, Cause::Pending)),
            Wait::Failed => {
                self.pending.drop_of(owner.number());
                Some(Verdict::new(Action::Sever, Cause::ChallengeFailed))
            }
        }
    }

    /// Layer 0: facts that are never learnt.
    fn fact(&mut self, owner: Owner, before: &Before) -> Verdict {
        let id = Id::of(&before.context);
        let passes = match owner {
            Owner::Admitted(_) => self.contexts.slot(owner).map_or(0, |slot| slot.passes),
            Owner::Other(place) => self.contexts.pairs.get(place).map_or(0, |pair| pair.passes.into()),
        };
        let known = matches!(owner, Owner::Admitted(_)) || self.contexts.knows_place(&id);
        let elsewhere = !matches!(before.issued_in, IssuedIn::SameContext | IssuedIn::Unknown);
        let bad = Listed::REPUTATION.and(Listed::TOR);
        let named = |lists: Known<Listed>, any: Listed| lists.value().is_some_and(|lists| lists.has(any));
        let listed = named(before.origin.listed, bad) || named(before.tls.listed, Listed(u8::MAX));
        let verdict = if passes == 0 && (!known || elsewhere) {
            Verdict::new(Action::Challenge, Cause::NewContext)
        } else if passes == 0 && listed {
            Verdict::new(Action::Challenge, Cause::Listed)
        } else {
            return Verdict::ALLOW;
        };
        if matches!(before.answer, Answered::Ahead | Answered::Valid) {
            // Asked and answered at once.
            self.pass(owner, false, self.now_us);
            return Verdict::ALLOW;
        }
        verdict
    }

    /// What one lane of evidence comes to; the client's standing limits what it may do.
    fn by_evidence(&self, held: &Evidence, lane: usize, limits: &Limits, rules: &Rules) -> Verdict {
        let Limits { prior, thresholds, proved, stale } = *limits;
        let mut verdict = Verdict::ALLOW;
        if stale {
            verdict = Verdict::new(Action::Challenge, Cause::NotFresh);
        }
        let (w, v, denying) = (lane_of(&held.w, lane), lane_of(&held.v, lane), held.denying(lane));
        let standing = self.graduation.standing;
        if standing >= Standing::Challenge {
            // Whoever has just proved it isn't asked again for the same request.
            if !proved && reaches(w, prior, thresholds, Action::Challenge) {
                verdict = verdict.worse(Verdict::new(Action::Challenge, Cause::Score));
            }
            if reaches(v, prior, thresholds, Action::Deny) {
                verdict = verdict.worse(Verdict::new(Action::Limit, Cause::KeyEvidence));
            }
        }
        if standing >= Standing::Deny {
            if reaches(denying, prior, thresholds, Action::Deny) {
                verdict = verdict.worse(Verdict::new(Action::Deny, Cause::KeyEvidence));
            }
            if rules.sever_by_evidence && reaches(denying, prior, thresholds, Action::Sever) {
                verdict = verdict.worse(Verdict::new(Action::Sever, Cause::KeyEvidence));
            }
        }
        verdict
    }

    fn rehearsal(&self, owner: Owner, rules: &Rules, held: &Evidence) -> Verdict {
        let quiet = matches!(owner, Owner::Admitted(_)) && lane_of(&held.w, ACTING) == 0;
        if rules.mode == Mode::Enforce && quiet && self.graduation.wants_rehearsal() {
            return Verdict::new(Action::Challenge, Cause::Rehearsal);
        }
        Verdict::ALLOW
    }

    fn ask(&mut self, owner: Owner, cause: Cause, fact: Cause) {
        let cause = if fact == Cause::Nothing { cause } else { fact };
        let now_us = self.now_us;
        if let (Some(asked), Some(question)) = (Asked::of(cause), self.contexts.question_mut(owner)) {
            question.ask(asked, now_us);
        }
    }

    fn cross(&mut self, owner: Owner, total: Points, w: i32) {
        let Owner::Admitted(_) = owner else { return };
        let Some(slot) = self.contexts.slot_mut(owner) else { return };
        let above = total.milli() >= CROSSING && i64::from(w) >= NEEDED_CHALLENGE;
        if above && !slot.crossed {
            slot.crossed = true;
            self.graduation.crossing();
        } else if i64::from(w) < NEEDED_CHALLENGE {
            slot.crossed = false;
        }
    }

    pub(crate) fn page_once(&mut self, owner: Owner) -> bool {
        let Some(slot) = self.contexts.slot_mut(owner) else { return false };
        !std::mem::replace(&mut slot.paged, true)
    }

    /// Of a busy day, an even share is learnt.
    fn learns(&self, owner: Owner, sample: u16) -> bool {
        let (Owner::Admitted(_), Some(slot)) = (owner, self.contexts.slot(owner)) else { return false };
        let bound = self.learnt_bound();
        let yesterday = slot.yesterday.max(1);
        u64::from(sample) * u64::from(yesterday) < u64::from(bound.min(LEARNT_A_DAY)) << 16
    }

    /// What one context may add in a day.
    pub(crate) fn learnt_bound(&self) -> u32 {
        let share = (f64::from(self.baseline.mass()) * LEARNT_BY_CONTEXT_SHARE) as u32;
        share.max(LEARNT_BY_CONTEXT_A_DAY)
    }

    /// It goes on: what it adds is kept.
    fn forward(
        &mut self,
        owner: Owner,
        before: &Before,
        at_us: i64,
        ticket: &Ticket,
        step: &crate::baseline::rates::Step,
    ) {
        let admitted = matches!(owner, Owner::Admitted(_));
        if let Some(slot) = self.contexts.slot_mut(owner) {
            let [acting, all] = ticket.raw;
            slot.evidence.add([acting.min(CAP), all.min(CAP)], !ticket.proved);
        }
        let [of_admitted, of_others] = &mut self.windows;
        *(if admitted { of_admitted } else { of_others }) = step.windows;
        self.untold.request(owner, step);
        self.contexts.touch(owner, at_us, ticket.endpoint);
        if let Known::Is(object) = before.object {
            let [of_admitted, of_others] = &mut self.objects;
            (if admitted { of_admitted } else { of_others }).add(object);
        }
        if !admitted {
            return;
        }
        if let Known::Is(place) = before.origin.place {
            if let Some(last) = self.place() {
                let apart_us = at_us.saturating_sub(last.at_us);
                self.moved_today |=
                    last.place != place && signals::impossible(last.place, place, apart_us).is_some();
            }
            self.been(place, at_us);
        }
        if let Known::Is(age) = before.identity.token_age_seconds {
            self.token_age = self.token_age.max(signals::age_bucket(age));
        }
    }

    fn window(&self, owner: Owner) -> crate::baseline::rates::Windows {
        let [of_admitted, of_others] = self.windows;
        if matches!(owner, Owner::Admitted(_)) { of_admitted } else { of_others }
    }

    /// A request that isn't judged, because its context has a question open.
    fn waiting(
        &self,
        owner: Owner,
        before: &Before,
        rules: &Rules,
        thresholds: [Points; 3],
        verdict: Verdict,
    ) -> Assessment {
        let mut sum = Score::new(rules);
        signals::vendor_alone(before, &mut sum);
        let held = self.contexts.slot(owner).map(|slot| slot.evidence).unwrap_or_default();
        sum.carried(held.w, [0; 2]);
        let evidence = [lane_of(&held.w, ACTING), lane_of(&held.v, ACTING), held.denying(ACTING)];
        Assessment {
            score: score(lane_of(&sum.prior, ACTING), lane_of(&held.w, ACTING)),
            evidence: evidence.map(|held| Points(held.into())),
            probation: self.on_probation(owner),
            ..self.unjudged(thresholds, verdict, sum.parts)
        }
    }

    fn unjudged(&self, thresholds: [Points; 3], verdict: Verdict, parts: Parts) -> Assessment {
        Assessment {
            step: self.step,
            action: verdict.action,
            would: verdict.action,
            cause: verdict.cause,
            score: Points::ZERO,
            thresholds,
            evidence: [Points::ZERO; 3],
            standing: self.graduation.standing,
            probation: false,
            page: false,
            recommend_sever: false,
            parts,
            ticket: Ticket::default(),
        }
    }

    /// Time goes on, and days turn.
    fn advance(&mut self, before: &Before) -> i64 {
        if self.seed == 0 {
            self.seed = before.context.key.max(1);
        }
        self.pass_time(before.at_us)
    }
}

/// Enough evidence, and enough with the prior.
pub(crate) fn reaches(evidence: i32, prior: i64, thresholds: [Points; 3], action: Action) -> bool {
    let [challenge, deny, sever] = thresholds;
    let (needed, threshold) = match action {
        Action::Allow | Action::Limit | Action::Challenge => (NEEDED_CHALLENGE, challenge),
        Action::Deny => (NEEDED_DENY, deny),
        Action::Sever => (NEEDED_SEVER, sever),
    };
    i64::from(evidence) >= needed && score(prior, evidence) >= threshold
}

/// At which score a challenge, a denial, a severance begins, by what could be lost.
pub(crate) fn thresholds(stakes: &Stakes) -> [Points; 3] {
    let ratio = stakes.money as f64 / STAKES_UNIT;
    let shift = if ratio > 1.0 { ((ln(ratio) * MILLI_PER_NAT + 0.5) as i64).min(SHIFT_MAX) } else { 0 };
    [(BASE_CHALLENGE, NEEDED_CHALLENGE), (BASE_DENY, NEEDED_DENY), (BASE_SEVER, NEEDED_SEVER)]
        .map(|(base, least)| Points((base - shift).max(least)))
}

const _: () = assert!(SHARED == 15, "fifteen slots and the one that all others share");

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the specification.
    #[test]
    fn thresholds_fall_with_what_could_be_lost() {
        for (money, expect) in [
            (0, [30, 60, 85]),
            (1_000, [30, 60, 85]),
            (10_000, [20, 50, 75]),
            (100_000, [10, 40, 65]),
            (1_000_000, [10, 40, 65]),
            (u64::MAX, [10, 40, 65]),
        ] {
            assert_eq!(thresholds(&Stakes { money, critical: false }), expect.map(Points::whole), "{money}");
        }
    }
}
