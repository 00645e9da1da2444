//! What gates tell each other of a client, at most every second: so that a thief who goes from gate to gate is seen as one,
//! and a client whose connections end at several gates is judged by all of it.

use serde::{Deserialize, Serialize};

use crate::baseline::rates::{Opened, SPANS, Step, Windows};
use crate::client::ClientRisk;
use crate::codec::fields;
use crate::constants::QUIET_EXCHANGES;
use crate::contexts::evidence::{ACTING, plus};
use crate::contexts::{ADMITTED, Id, Owner};
use crate::exchange::Exchange;
use crate::pending::{KEPT, Learnt};
use crate::score::lane_of;

const SLOTS: usize = ADMITTED + 1;

/// More than one message about a client ever holds.
pub const TOLD_MAX: usize = 2 + KEPT + SLOTS;

/// One thing that a gate tells the others. Apply what others tell in the order of (second, gate), and each gate's in its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told {
    Windows(OpenWindows),
    Exchange(ToldExchange),
    Context(Segment),
}

/// The evidence of one context since the last message, and what its next exchange is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Nothing for the slot that all contexts share that aren't admitted.
    context: Option<Id>,
    /// Sums of l for W, V and Vc, and how far each came from 0 over them.
    sums: [i32; 3],
    maxima: [i32; 3],
    /// A challenge was passed meanwhile: W counts from there.
    reset: bool,
    last_us: i64,
    last_endpoint: u32,
    /// How many were forwarded.
    exchanges: u8,
    /// Exchanges in a row that left no evidence.
    quiet: u8,
}

/// An exchange that is learnt, or will be once its context's evidence has gone back to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ToldExchange {
    at_us: i64,
    context: Id,
    exchange: Exchange,
    learnt: Learnt,
}

/// What was added to the windows of rates: of the admitted contexts, or of all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenWindows {
    admitted: bool,
    opened: Opened,
}

/// What other gates don't know yet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Untold {
    /// By set of windows, requests and records of each.
    requests: [[u16; SPANS]; 2],
    records: [[u32; SPANS]; 2],
    /// Which of the exchanges that are kept.
    pub(crate) exchanges: u32,
    /// By slot, how many were forwarded.
    forwarded: [u8; SLOTS],
    /// Somebody asks for it.
    pub(crate) on: bool,
}

fields!(Untold { requests, records, exchanges, forwarded, on });

const _: () = assert!(KEPT <= 32, "a bit for each");

impl Untold {
    pub(crate) fn request(&mut self, owner: Owner, step: &Step) {
        if !self.on {
            return;
        }
        if let Some(forwarded) = self.forwarded.get_mut(owner.slot()) {
            *forwarded = forwarded.saturating_add(1);
        }
        let which = usize::from(!matches!(owner, Owner::Admitted(_)));
        let (Some(requests), Some(records)) = (self.requests.get_mut(which), self.records.get_mut(which))
        else {
            return;
        };
        for ((requests, records), opened) in requests.iter_mut().zip(records).zip(step.opened) {
            if opened {
                (*requests, *records) = (0, 0);
            }
            *requests = requests.saturating_add(1);
        }
    }

    pub(crate) fn records(&mut self, admitted: bool, more: [u32; SPANS]) {
        if let (true, Some(records)) = (self.on, self.records.get_mut(usize::from(!admitted))) {
            records.iter_mut().zip(more).for_each(|(records, more)| *records = records.saturating_add(more));
        }
    }

    /// What was added to these windows; it isn't given again.
    fn windows(&mut self, which: usize, windows: &Windows) -> Option<Opened> {
        let requests = std::mem::take(self.requests.get_mut(which)?);
        let records = std::mem::take(self.records.get_mut(which)?);
        let nothing = requests == [0; SPANS] && records == [0; SPANS];
        (!nothing).then(|| windows.with(requests.map(u32::from), records))
    }
}

impl ClientRisk {
    /// Whether what waits to be told is half of what is kept for it: time for [`Self::tell`], though the next message is not due.
    #[must_use]
    pub fn is_half_untold(&self) -> bool {
        self.untold.exchanges.count_ones() as usize >= KEPT / 2
    }

    /// What is new since the last call; what it gives is not given again. From the first call on, what is learnt is kept until it
    /// was told: as many exchanges as wait to be learnt at most, and what goes beyond is known to this gate alone.
    pub fn tell(&mut self, mut each: impl FnMut(Told)) {
        let untold = &mut self.untold;
        untold.on = true;
        for (which, windows) in self.windows.iter().enumerate() {
            if let Some(opened) = untold.windows(which, windows) {
                each(Told::Windows(OpenWindows { admitted: which == 0, opened }));
            }
        }
        let (contexts, at_us) = (&self.contexts, self.now_us);
        self.pending.tell(&mut untold.exchanges, |exchange, learnt| {
            if let Some(context) = contexts.id_of(exchange.owner) {
                each(Told::Exchange(ToldExchange { at_us, context, exchange: *exchange, learnt }));
            }
        });
        for (at, (slot, forwarded)) in self.contexts.slots.iter_mut().zip(&mut untold.forwarded).enumerate() {
            let exchanges = std::mem::take(forwarded);
            let evidence = &mut slot.evidence;
            let (sums, maxima, reset) = (evidence.sums, evidence.maxima, evidence.reset);
            if (sums, maxima, reset, exchanges) == ([0; 3], [0; 3], false, 0) {
                continue;
            }
            (evidence.sums, evidence.maxima, evidence.reset) = ([0; 3], [0; 3], false);
            each(Told::Context(Segment {
                context: (at < ADMITTED).then_some(slot.id),
                sums,
                maxima,
                reset,
                last_us: slot.last_us,
                last_endpoint: slot.last_endpoint,
                exchanges,
                quiet: slot.quiet,
            }));
        }
    }

    /// Takes in what another gate has told. Gates that tell each other know the same exchanges: their states aren't to be merged.
    pub fn hear(&mut self, told: &Told) {
        self.step += 1;
        match told {
            Told::Windows(OpenWindows { admitted, opened }) => {
                let [of_admitted, of_others] = &mut self.windows;
                (if *admitted { of_admitted } else { of_others }).join(opened);
            }
            Told::Exchange(told) => self.hear_exchange(told),
            Told::Context(segment) => self.hear_segment(segment),
        }
    }

    /// It waits here as it does there, or is learnt as it was there.
    fn hear_exchange(&mut self, told: &ToldExchange) {
        self.pass_time(told.at_us);
        let Some(owner) = self.contexts.find(&told.context) else { return };
        let exchange = Exchange { owner: owner.number(), ..told.exchange };
        if matches!(owner, Owner::Admitted(_)) && told.learnt != Learnt::Not {
            self.learn_at_once(owner, &exchange);
        }
        let place = self.pending.push_told(exchange, told.learnt);
        self.untold.exchanges &= !(1 << place);
    }

    /// A context that isn't admitted here counts in the shared slot.
    fn hear_segment(&mut self, segment: &Segment) {
        self.pass_time(segment.last_us);
        let admitted = segment.context.and_then(|id| match self.contexts.find(&id) {
            Some(owner @ Owner::Admitted(_)) => Some(owner),
            _ => None,
        });
        let place = admitted.map_or(ADMITTED, Owner::slot);
        let Some(slot) = self.contexts.slots.get_mut(place) else { return };
        let evidence = &mut slot.evidence;
        if segment.reset {
            evidence.w = [0; 2];
            slot.passes = slot.passes.saturating_add(1);
            slot.crossed = false;
        }
        let [w_sum, v_sum, vc_sum] = segment.sums;
        let [w_most, v_most, vc_most] = segment.maxima;
        // What is only observed isn't told: both lanes move alike.
        for w in &mut evidence.w {
            *w = plus(*w, w_sum).max(plus(0, w_most));
        }
        for v in &mut evidence.v {
            *v = plus(*v, v_sum).max(plus(0, v_most));
        }
        evidence.vc = plus(evidence.vc, vc_sum).max(plus(0, vc_most));
        if segment.last_us > slot.last_us {
            (slot.last_us, slot.last_endpoint) = (segment.last_us, segment.last_endpoint);
        }
        slot.today = slot.today.saturating_add(segment.exchanges.into());
        slot.quiet = if lane_of(&slot.evidence.w, ACTING) == 0 { segment.quiet } else { 0 };
        let Some(owner) = admitted else { return };
        if segment.reset {
            self.commit(owner, true);
        } else if slot.quiet >= QUIET_EXCHANGES {
            self.commit(owner, false);
        }
    }
}
