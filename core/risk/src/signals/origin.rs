//! Where it comes from: its network as usual, lists that name it, places that are too far apart.

use super::Subject;
use crate::constants::{
    MOVEMENT_DAYS, MOVEMENT_KM, MOVEMENT_KM_PER_HOUR, POINTS_HOSTING, POINTS_LISTED, POINTS_MOVEMENT,
    POINTS_OUTSIDE, POINTS_OUTSIDE_WANING, POINTS_TOR,
};
use crate::hash::{fold16, fold32};
use crate::input::{Before, Known, Missing, Outside};
use crate::learnt::Learnt;
use crate::ln::milli;
use crate::origin::Listed;
use crate::score::Score;
use crate::signal::Signal;

/// Country, network and prefix as they are counted; 0 where nothing is known.
pub(crate) fn words(before: &Before) -> (u16, u32, u16) {
    let country = before.origin.country.value().map_or(0, u16::from_be_bytes);
    (country, before.origin.asn.value().unwrap_or_default(), fold16(fold32(before.context.prefix)))
}

pub(super) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    let (country, asn, prefix) = words(subject.before);
    let odds = subject.client.baseline().network(country, asn, prefix, subject.peers);
    // That a context is new was the challenge's question. To add it again with every request would refuse honest failovers.
    if subject.admitted() {
        let points = milli(Learnt::Network.weight() * odds.nats(subject.client.shares.of(Learnt::Network)));
        score.learnt(Learnt::Network, points, asn, 0);
    }
    let listed = subject.before.origin.listed;
    let names = |kind: Listed| match listed {
        Known::Is(lists) => Known::Is(lists.has(kind)),
        Known::NoData(why) => Known::NoData(why),
    };
    score.fact(Signal::AddressListed, names(Listed::REPUTATION), POINTS_LISTED);
    score.fact(Signal::Tor, names(Listed::TOR), POINTS_TOR);
    // Most machines live in such networks: an admitted context may.
    if !subject.admitted() {
        score.fact(Signal::Hosting, names(Listed::HOSTING), POINTS_HOSTING);
    }
    movement(subject, score);
    outside(subject.before, score);
}

/// Anybody can forge a packet's source: so these points are a prior, and no evidence.
fn outside(before: &Before, score: &mut Score<'_>) {
    match before.outside {
        None | Some(Known::Is(Outside::Quiet)) => {}
        Some(Known::Is(Outside::Waning)) => score.fixed(Signal::Outside, POINTS_OUTSIDE_WANING, 1, 0),
        Some(Known::Is(Outside::Lately)) => score.fixed(Signal::Outside, POINTS_OUTSIDE, 2, 0),
        Some(Known::NoData(why)) => score.missing(Signal::Outside, why),
    }
}

fn movement(subject: &Subject<'_>, score: &mut Score<'_>) {
    let here = match subject.before.origin.place {
        Known::Is(place) => place,
        Known::NoData(why) => return score.missing(Signal::Movement, why),
    };
    let Some(last) = subject.client.place() else {
        return score.missing(Signal::Movement, Missing::TooEarly);
    };
    if last.place == here || subject.client.moves(MOVEMENT_DAYS) {
        return;
    }
    if let Some(km_per_hour) = impossible(last.place, here, subject.at_us.saturating_sub(last.at_us)) {
        score.fixed(Signal::Movement, POINTS_MOVEMENT, km_per_hour as u32, MOVEMENT_KM_PER_HOUR as u32);
    }
}

/// The speed, if nothing moves like that.
pub(crate) fn impossible(from: (i16, i16), to: (i16, i16), us: i64) -> Option<f64> {
    let km = haversine_km(from, to);
    let hours = us.max(1_000_000) as f64 / 3.6e9;
    (km > MOVEMENT_KM && km / hours > MOVEMENT_KM_PER_HOUR).then_some(km / hours)
}

fn haversine_km(from: (i16, i16), to: (i16, i16)) -> f64 {
    const EARTH_KM: f64 = 6_371.0;
    let radians = |hundredths: i16| f64::from(hundredths) / 100.0 * (core::f64::consts::PI / 180.0);
    let (from, to) = ((radians(from.0), radians(from.1)), (radians(to.0), radians(to.1)));
    let half_sine = |angle: f64| {
        let sine = libm::sin(angle / 2.0);
        sine * sine
    };
    let square = half_sine(to.0 - from.0) + libm::cos(from.0) * libm::cos(to.0) * half_sine(to.1 - from.1);
    2.0 * EARTH_KM * libm::asin(libm::sqrt(square.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_far_apart_as_maps_say() {
        // Berlin, New York, Sydney; places in hundredths of a degree.
        for (from, to, km) in [
            ((5252, 1340), (4071, -7401), 6_385.0),
            ((5252, 1340), (-3387, 15121), 16_100.0),
            ((0, 0), (0, 0), 0.0),
        ] {
            let found = haversine_km(from, to);
            assert!((found - km).abs() < 30.0, "{found} {km}");
        }
        assert!(impossible((5252, 1340), (4071, -7401), 3_600_000_000).is_some());
        assert!(impossible((5252, 1340), (4071, -7401), 8 * 3_600_000_000).is_none());
        assert!(impossible((5252, 1340), (4857, 935), 1).is_some());
        assert!(impossible((5252, 1340), (5255, 1345), 1).is_none());
    }
}
