//! What gates tell each other of a client's contexts, at most every second: so that a thief who goes from gate to gate is
//! seen as one.

use serde::{Deserialize, Serialize};

use crate::client::ClientRisk;
use crate::contexts::evidence::plus;
use crate::contexts::{ADMITTED, Id};

/// As many as a client has slots.
pub const SEGMENTS_MAX: usize = ADMITTED + 1;

/// The evidence of one context since the last message. Apply those of others in the order of (second, gate).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Key, JA4 context key and network; nothing for the slot that all contexts share that aren't admitted.
    context: Option<(u64, u64, u64)>,
    /// Sums of l for W, V and Vc, and how far each came from 0 over them.
    sums: [i32; 3],
    maxima: [i32; 3],
    /// A challenge was passed meanwhile: W counts from there.
    reset: bool,
}

impl ClientRisk {
    /// What is new since the last call, into `out`; how many. What it gives is not given again.
    pub fn segments(&mut self, out: &mut [Segment; SEGMENTS_MAX]) -> usize {
        let mut given = 0;
        for (at, slot) in self.contexts.slots.iter_mut().enumerate() {
            let evidence = &mut slot.evidence;
            if (evidence.sums, evidence.maxima, evidence.reset) == ([0; 3], [0; 3], false) {
                continue;
            }
            let context = (at < ADMITTED).then_some((slot.id.key, slot.id.ja4, slot.id.network));
            let (sums, maxima, reset) = (evidence.sums, evidence.maxima, evidence.reset);
            (evidence.sums, evidence.maxima, evidence.reset) = ([0; 3], [0; 3], false);
            if let Some(place) = out.get_mut(given) {
                *place = Segment { context, sums, maxima, reset };
                given += 1;
            }
        }
        given
    }

    /// Takes in what another gate has seen. A context that isn't admitted here counts in the shared slot.
    pub fn apply_remote(&mut self, segment: &Segment) {
        self.step += 1;
        let id = segment.context.map(|(key, ja4, network)| Id { key, ja4, network });
        let admitted = id.and_then(|id| {
            self.contexts.slots.iter().take(ADMITTED).position(|slot| slot.taken && slot.id == id)
        });
        let Some(slot) = self.contexts.slots.get_mut(admitted.unwrap_or(ADMITTED)) else { return };
        let evidence = &mut slot.evidence;
        if segment.reset {
            evidence.w = [0; 2];
            slot.passes = slot.passes.saturating_add(1);
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
    }
}
