//! What analysts say, and taking it back.

use crate::baseline::Place;
use crate::client::{ClientRisk, Judgement};
use crate::constants::BENIGN_TIMES;
use crate::contexts::evidence::Evidence;
use crate::contexts::{Id, Owner};
use crate::hash::fold32;
use crate::input::Context;
use crate::learnt::{LEARNT, Learnt};
use crate::pending::VERDICTS;
use crate::verdicts::Done;

impl ClientRisk {
    /// An analyst's word on an exchange in `context`; `undo` takes the last such word on it back. `sequence` is the ledger's:
    /// what isn't newer than the last one is known already, changes nothing and says `false`.
    ///
    /// Taken back whole while it is among the last two of the client and its exchanges are still at hand; of what was learnt
    /// since, nothing is lost.
    pub fn judge(
        &mut self,
        sequence: u64,
        context: &Context,
        judgement: Judgement,
        undo: bool,
        at_us: i64,
    ) -> bool {
        if sequence <= self.sequence {
            return false;
        }
        self.step += 1;
        self.sequence = sequence;
        let at_us = self.pass_time(at_us);
        let id = Id::of(context);
        match (judgement, undo) {
            (Judgement::Benign, false) => self.benign(id, at_us),
            (Judgement::Malicious, false) => self.malicious(id),
            (_, true) => self.take_back(id, judgement == Judgement::Malicious),
        }
        true
    }

    /// It was right: what was unconfirmed is learnt, the context admitted, its evidence nothing.
    fn benign(&mut self, id: Id, at_us: i64) {
        let held =
            self.contexts.find(&id).and_then(|owner| self.contexts.slot(owner)).map(|slot| slot.evidence);
        let admitted = !matches!(self.contexts.find(&id), Some(Owner::Admitted(_)));
        let owner = self.admit_now(id, at_us, true);
        let number = self.number();
        let (baseline, ja4) = (&mut self.baseline, fold32(id.ja4));
        // Worth more than the day's bound, and than what was merely passed.
        self.pending
            .judge(owner.number(), number, true, |exchange| baseline.learn(exchange, ja4, BENIGN_TIMES));
        self.level();
        if let Some(slot) = self.contexts.slot_mut(owner) {
            slot.evidence = Evidence { reset: true, ..Evidence::default() };
            slot.question = Default::default();
            slot.passes = slot.passes.saturating_add(1);
            (slot.crossed, slot.paged) = (false, false);
        }
        self.graduation.forgive();
        self.reseal = true;
        self.remember(Done { id, number, malicious: false, admitted, ..done(held.unwrap_or_default()) });
    }

    /// It was a thief: what it did is dropped, counts among what thieves do, and the signals that saw it are trusted more.
    fn malicious(&mut self, id: Id) {
        let number = self.number();
        let Some(owner) = self.contexts.find(&id) else {
            return self.remember(Done { id, number, malicious: true, ..Done::default() });
        };
        let parts = self.parts_of(owner);
        let moved = self.shares.move_by(&parts);
        let thieves = &mut self.thieves;
        self.pending.judge(owner.number(), number, false, |exchange| thieves.add(exchange, number));
        self.level();
        self.remember(Done { id, number, malicious: true, moved, ..Done::default() });
    }

    fn take_back(&mut self, id: Id, malicious: bool) {
        let of = |done: &&mut Done| done.number != 0 && done.id == id && done.malicious == malicious;
        let Some(done) = self.verdicts.iter_mut().find(of) else { return };
        let undone = std::mem::take(done);
        let owner = self.contexts.find(&id);
        if malicious {
            self.shares.move_back(&undone.moved);
            self.thieves.take_back(undone.number);
            self.pending.take_back(undone.number, |_| ());
            return self.level();
        }
        let Some(owner @ Owner::Admitted(place)) = owner else { return };
        let (baseline, ja4) = (&mut self.baseline, fold32(id.ja4));
        self.pending.take_back(undone.number, |exchange| baseline.unlearn(exchange, ja4, BENIGN_TIMES));
        self.level();
        if let Some(slot) = self.contexts.slot_mut(owner) {
            slot.evidence = Evidence { w: undone.w, v: undone.v, vc: undone.vc, ..slot.evidence };
        }
        if undone.admitted {
            self.pending.drop_of(owner.number());
            if let Some(slot) = self.contexts.slots.get_mut(place) {
                *slot = Default::default();
            }
        }
        self.reseal = false;
    }

    /// How much of the positive evidence of a context's unconfirmed exchanges each signal has given.
    fn parts_of(&self, owner: Owner) -> [f64; LEARNT] {
        let mut parts = [0.0; LEARNT];
        let nobody = crate::peers::Compiled::default();
        for exchange in self.pending.of(owner.number()) {
            let place = self.baseline.place(exchange.endpoint);
            let (likely, base) = (nobody.likely(exchange.endpoint), &self.baseline);
            let previous = base.place_of_fold(exchange.previous).map(Place);
            let found = [
                (
                    Learnt::Network,
                    Some(base.network(exchange.country, exchange.asn, exchange.prefix, &nobody)),
                ),
                (Learnt::Endpoint, Some(base.endpoint(previous, place, likely))),
                (Learnt::RequestSize, Some(base.request_size(place, exchange.size, likely))),
                (Learnt::Gap, known(exchange.gap).map(|gap| base.gap(gap, &nobody))),
                (Learnt::Hour, Some(base.hour(exchange.hour, &nobody))),
                (Learnt::Status, known(exchange.status).map(|of| base.status(place, of, likely))),
                (
                    Learnt::RecordSize,
                    known(exchange.record_size).map(|of| base.record_size(place, of, likely)),
                ),
                (Learnt::Records, known(exchange.records).map(|of| base.records(place, of, likely))),
            ];
            for (signal, odds) in found {
                let nats = odds.map_or(0.0, |odds| signal.weight() * odds.nats(self.shares.of(signal)));
                if let Some(part) = parts.get_mut(signal as usize) {
                    *part += nats.max(0.0);
                }
            }
        }
        let all: f64 = parts.iter().sum();
        if all > 0.0 {
            parts.iter_mut().for_each(|part| *part /= all);
        }
        parts
    }

    /// Of a verdict, so that it can be taken back; never 0.
    fn number(&self) -> u8 {
        (self.sequence % u64::from(VERDICTS)) as u8 + 1
    }

    fn remember(&mut self, done: Done) {
        self.verdicts.rotate_right(1);
        let [first, ..] = &mut self.verdicts;
        *first = done;
    }
}

fn done(held: Evidence) -> Done {
    Done { w: held.w, v: held.v, vc: held.vc, ..Done::default() }
}

fn known(bucket: u8) -> Option<u8> {
    (bucket != crate::buckets::NONE).then_some(bucket)
}
