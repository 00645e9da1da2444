//! What tunnels did between two looks at them: when they went up or down, and what they carried.

use std::collections::BTreeMap;

use portcullis_ids::ids::TunnelId;

use crate::order::TunnelMeasure;

/// The greatest number that every reader of JSON reads whole (RFC 7493, section 2.2).
const COUNT_MAX: u64 = (1 << 53) - 1;

/// Every tunnel that was measured, or that somebody was told is up.
#[derive(Default, Debug)]
pub struct TunnelWatch {
    known: BTreeMap<TunnelId, Known>,
}

/// What is known of a tunnel. Times are seconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watched {
    pub tunnel: TunnelId,
    pub up: bool,
    /// When it was first seen so.
    pub since: i64,
    /// How often it went up or down since somebody was told.
    pub changes: u32,
    /// None while it wasn't seen up since somebody was told that it is down.
    pub carried: Option<Carried>,
}

/// What was counted, over all associations. The kernel begins anew with each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carried {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub last_handshake: Option<i64>,
}

#[derive(Debug)]
struct Known {
    watched: Watched,
    /// The kernel's counts at the last look, in and out.
    counted: (u64, u64),
}

impl TunnelWatch {
    /// Takes what was measured at `now`. Of `told_up` somebody was told that they are up: those that aren't measured any more
    /// have gone down.
    pub fn note(
        &mut self,
        measures: &[TunnelMeasure],
        told_up: impl IntoIterator<Item = TunnelId>,
        now: i64,
    ) {
        for tunnel in told_up {
            self.known.entry(tunnel).or_insert_with(|| Known::new(tunnel, true, now));
        }
        for known in self.known.values_mut() {
            if !measures.iter().any(|measure| measure.tunnel == known.watched.tunnel) {
                known.turn(false, now);
            }
        }
        for measure in measures {
            let known = self
                .known
                .entry(measure.tunnel)
                .or_insert_with(|| Known::new(measure.tunnel, measure.up, now));
            known.turn(measure.up, now);
            if measure.up {
                known.count(measure, now);
            }
        }
    }

    pub fn all(&self) -> impl Iterator<Item = Watched> {
        self.known.values().map(|known| known.watched)
    }

    /// Somebody was told that it is up, or down.
    pub fn told(&mut self, tunnel: TunnelId, up: bool) {
        let Some(known) = self.known.get_mut(&tunnel) else { return };
        known.watched.changes = u32::from(known.watched.up != up);
        if !up {
            known.watched.carried = None;
        }
        if !up && !known.watched.up {
            // It comes again with the next measure, if it is still there.
            self.known.remove(&tunnel);
        }
    }
}

impl Known {
    fn new(tunnel: TunnelId, up: bool, since: i64) -> Self {
        Self { watched: Watched { tunnel, up, since, changes: 0, carried: None }, counted: (0, 0) }
    }

    fn turn(&mut self, up: bool, now: i64) {
        let watched = &mut self.watched;
        if watched.up != up {
            (watched.up, watched.since) = (up, now);
            watched.changes = watched.changes.saturating_add(1);
        }
        if !up {
            self.counted = (0, 0);
        }
    }

    fn count(&mut self, measure: &TunnelMeasure, now: i64) {
        let (bytes_in, bytes_out) = (measure.bytes_in, measure.bytes_out);
        let (more_in, more_out) = match self.counted {
            (before_in, before_out) if before_in <= bytes_in && before_out <= bytes_out => {
                (bytes_in - before_in, bytes_out - before_out)
            }
            // Another association.
            _ => (bytes_in, bytes_out),
        };
        let carried = self.watched.carried.get_or_insert_default();
        let add = |sum: u64, more: u64| sum.saturating_add(more).min(COUNT_MAX);
        carried.bytes_in = add(carried.bytes_in, more_in);
        carried.bytes_out = add(carried.bytes_out, more_out);
        let handshake = measure.handshake_age_seconds.and_then(|age| now.checked_sub_unsigned(age));
        carried.last_handshake = handshake.or(carried.last_handshake);
        self.counted = (bytes_in, bytes_out);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> TunnelId {
        TunnelId(Uuid::from_u128(number))
    }

    fn measure(number: u128, up: bool, bytes: (u64, u64), age: Option<u64>) -> TunnelMeasure {
        TunnelMeasure {
            tunnel: id(number),
            up,
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            packets_in: 0,
            packets_out: 0,
            handshake_age_seconds: age,
            peer: None,
            associations: u32::from(up),
        }
    }

    fn only(watch: &TunnelWatch) -> Watched {
        let all: Vec<Watched> = watch.all().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0]
    }

    #[test]
    fn bytes_are_added_up_over_new_associations_until_the_tunnel_is_told_to_be_down() {
        let mut watch = TunnelWatch::default();
        watch.note(&[measure(1, false, (0, 0), None)], [], 100);
        assert_eq!((only(&watch).up, only(&watch).since, only(&watch).carried), (false, 100, None));
        watch.note(&[measure(1, true, (10, 20), Some(3))], [], 110);
        watch.note(&[measure(1, true, (15, 20), Some(13))], [], 120);
        // Another association: the kernel counts from nothing.
        watch.note(&[measure(1, true, (4, 50), Some(0))], [], 130);
        let carried = Carried { bytes_in: 19, bytes_out: 70, last_handshake: Some(130) };
        let watched = Watched { tunnel: id(1), up: true, since: 110, changes: 1, carried: Some(carried) };
        assert_eq!(only(&watch), watched);
        watch.told(id(1), true);
        assert_eq!(only(&watch), Watched { changes: 0, ..watched });
        // Down and up again, with as many bytes as before: they are others.
        watch.note(&[measure(1, false, (0, 0), None)], [], 140);
        watch.note(&[measure(1, true, (4, 50), None)], [], 150);
        watch.note(&[measure(1, false, (9, 99), None)], [], 160);
        let carried = Carried { bytes_in: 23, bytes_out: 120, last_handshake: Some(130) };
        let watched = Watched { tunnel: id(1), up: false, since: 160, changes: 3, carried: Some(carried) };
        assert_eq!(only(&watch), watched);
        watch.told(id(1), false);
        assert_eq!(watch.all().count(), 0);
        watch.note(&[measure(1, true, (1, 1), None)], [], 170);
        let carried = Carried { bytes_in: 1, bytes_out: 1, last_handshake: None };
        assert_eq!(only(&watch).carried, Some(carried));
    }

    #[test]
    fn what_is_told_to_be_up_and_not_measured_has_gone_down() {
        let mut watch = TunnelWatch::default();
        watch.note(&[], [id(1)], 100);
        let down = Watched { tunnel: id(1), up: false, since: 100, changes: 1, carried: None };
        assert_eq!(only(&watch), down);
        watch.told(id(1), false);
        assert_eq!(watch.all().count(), 0);
        // One that is as it was told has not changed.
        watch.note(&[measure(1, true, (5, 5), None)], [id(1)], 200);
        assert_eq!((only(&watch).up, only(&watch).changes), (true, 0));
        watch.note(&[], [id(1)], 210);
        let carried = Some(Carried { bytes_in: 5, bytes_out: 5, last_handshake: None });
        let down = Watched { tunnel: id(1), up: false, since: 210, changes: 1, carried };
        assert_eq!(only(&watch), down);
        // It may have come back before that was written down.
        watch.note(&[measure(1, true, (2, 0), None)], [id(1)], 220);
        watch.told(id(1), false);
        assert_eq!((only(&watch).up, only(&watch).changes), (true, 1));
    }

    #[test]
    fn no_count_and_no_age_is_too_large() {
        let mut watch = TunnelWatch::default();
        let endless = measure(1, true, (u64::MAX, 1), Some(u64::MAX));
        watch.note(std::slice::from_ref(&endless), [], 100);
        watch.note(&[measure(1, true, (u64::MAX - 1, 2), Some(50))], [], 110);
        watch.note(&[endless], [], 120);
        let carried = Carried { bytes_in: COUNT_MAX, bytes_out: 4, last_handshake: Some(60) };
        assert_eq!(only(&watch).carried, Some(carried));
    }
}
