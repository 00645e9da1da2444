//! The TLS client: its fingerprint as usual, lists that name it, oddities of what it offers.

use super::Subject;
use crate::constants::{POINTS_ALPN, POINTS_JA4_LISTED, POINTS_JA4_MISFIT, POINTS_SNI};
use crate::hash::fold32;
use crate::input::{Known, Missing};
use crate::learnt::Learnt;
use crate::ln::milli;
use crate::origin::Listed;
use crate::score::Score;
use crate::signal::Signal;

pub(super) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    match subject.before.context.ja4 {
        // As with its network: that it is new was the challenge's question.
        Known::Is(_) if !subject.admitted() => {}
        Known::Is(ja4) => {
            let odds = subject.client.baseline().ja4(fold32(ja4), subject.peers);
            let points = milli(Learnt::Ja4.weight() * odds.nats(subject.client.shares.of(Learnt::Ja4)));
            score.learnt(Learnt::Ja4, points, 0, 0);
        }
        Known::NoData(why) => score.missing(Signal::Ja4, why),
    }
    let tls = &subject.before.tls;
    let listed = match tls.listed {
        Known::Is(lists) => Known::Is(lists != Listed::default()),
        Known::NoData(why) => Known::NoData(why),
    };
    score.fact(Signal::Ja4Listed, listed, POINTS_JA4_LISTED);
    // Nobody has to declare a kind of client: only what was declared can misfit.
    match tls.misfit {
        Known::NoData(Missing::NotAsked) => {}
        misfit => score.fact(Signal::Ja4Misfit, misfit, POINTS_JA4_MISFIT),
    }
    score.fact(Signal::AlpnOdd, tls.alpn_odd, POINTS_ALPN);
    score.fact(Signal::SniOdd, tls.sni_odd, POINTS_SNI);
}
