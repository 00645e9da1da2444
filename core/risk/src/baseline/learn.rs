//! Learning, unlearning, fading and sealing.

use super::cells::{Cell, KINDS, Key, Kind, faded};
use super::counts::Sealed;
use super::{Baseline, ENDPOINTS_KEPT, Row, given_endpoint, network_keys};
use crate::buckets::NONE;
use crate::exchange::Exchange;
use crate::hash::pair;
use crate::small;

impl Baseline {
    /// Counts an exchange `times` times.
    pub(crate) fn learn(&mut self, exchange: &Exchange, ja4: u32, times: u16) {
        let from = self.place_of_fold(exchange.previous);
        let place = self.enter(exchange.endpoint);
        if self.count(place) > u16::MAX - times {
            self.halve_counts();
        }
        if let Some(row) = self.rows.get_mut(place) {
            row.count = row.count.saturating_add(times);
        }
        self.mass = self.rows.iter().map(|row| u32::from(row.count)).sum();
        // The endpoint before may have made room for this one.
        if let Some(from) =
            from.filter(|from| *from != place || self.place_of_fold(exchange.previous) == Some(place))
        {
            self.add(Kind::Next, from, place as u8, times);
        }
        for (kind, bucket) in given_endpoint(exchange) {
            self.add(kind, place, bucket, times);
        }
        self.margins(exchange, |counts, bucket| counts.add(bucket, times));
        let [country, network, prefix] = network_keys(exchange.country, exchange.asn, exchange.prefix);
        self.countries.add(country, times);
        self.networks.add(network, times);
        self.prefixes.add(prefix, times);
        self.ja4s.add(ja4, times);
        self.rates.learn(&exchange.closed, times);
    }

    /// Takes back what `learn` counted, as far as it is still there.
    pub(crate) fn unlearn(&mut self, exchange: &Exchange, ja4: u32, times: u16) {
        let place = self.place(exchange.endpoint).0;
        if let Some(row) = self.rows.get_mut(place) {
            row.count = row.count.saturating_sub(times);
            if let Some(from) = self.place_of_fold(exchange.previous) {
                self.take(Kind::Next, from, place as u8, times);
            }
            for (kind, bucket) in given_endpoint(exchange) {
                self.take(kind, place, bucket, times);
            }
            self.mass = self.rows.iter().map(|row| u32::from(row.count)).sum();
        }
        self.margins(exchange, |counts, bucket| counts.take(bucket, times));
        let [country, network, prefix] = network_keys(exchange.country, exchange.asn, exchange.prefix);
        self.countries.take(country, times);
        self.networks.take(network, times);
        self.prefixes.take(prefix, times);
        self.ja4s.take(ja4, times);
        self.rates.unlearn(&exchange.closed, times);
    }

    /// The turn of a day.
    pub(crate) fn fade(&mut self, client: u64, day: u32) {
        let salt = |table: u64| pair(client ^ table, u64::from(day)) << 16;
        let cells = salt(1);
        self.cells.each(|cell| cell.live = faded(cell.live, cells ^ u64::from(cell.key.number())));
        let rows = salt(2);
        for (hash, row) in self.hashes.iter().zip(&mut self.rows) {
            row.count = faded(row.count, rows ^ u64::from(*hash));
        }
        self.elsewhere = faded(self.elsewhere, rows);
        self.sizes.fade(salt(3));
        self.statuses.fade(salt(4));
        self.record_sizes.fade(salt(5));
        self.records.fade(salt(6));
        self.gaps.fade(salt(7));
        self.hours.fade(salt(8));
        self.countries.fade(salt(9));
        self.networks.fade(salt(10));
        self.prefixes.fade(salt(11));
        self.ja4s.fade(salt(12));
        self.rates.fade();
        self.sum();
    }

    /// What is known now becomes the reference.
    pub(crate) fn seal(&mut self) {
        self.cells.each(|cell| cell.anchor = small::byte(cell.live.into()));
        for row in &mut self.rows {
            row.anchor = row.count;
        }
        self.sealed_gaps = Sealed::of(self.gaps.iter().map(u32::from));
        let hours = &self.hours;
        self.sealed_hours =
            Sealed::of((0..24).map(|hour| (0..7).map(|day| hours.live(hour + 24 * day)).sum()));
        self.countries.seal();
        self.networks.seal();
        self.prefixes.seal();
        self.ja4s.seal();
        self.sum();
    }

    /// All totals anew from what they count.
    pub(crate) fn sum(&mut self) {
        for (hash, row) in self.hashes.iter_mut().zip(&mut self.rows) {
            (row.live, row.anchors) = ([0; KINDS], [0; KINDS]);
            if row.count == 0 && row.anchor == 0 {
                *hash = 0;
            }
        }
        let (rows, hashes) = (&mut self.rows, &self.hashes);
        self.cells.each(|cell| {
            let forgotten = |place: usize| hashes.get(place).is_none_or(|hash| *hash == 0);
            let next = cell.key.kind() == Kind::Next as usize;
            if forgotten(cell.key.endpoint()) || next && forgotten(cell.key.bucket()) {
                (cell.live, cell.anchor) = (0, 0);
                return;
            }
            let Some(row) = rows.get_mut(cell.key.endpoint()) else { return };
            if let Some(total) = row.live.get_mut(cell.key.kind()) {
                *total = total.saturating_add(cell.live);
            }
            if let Some(total) = row.anchors.get_mut(cell.key.kind()) {
                let sealed = small::from_byte(cell.anchor);
                *total = total.saturating_add(u16::try_from(sealed).unwrap_or(u16::MAX));
            }
        });
        self.mass = self.rows.iter().map(|row| u32::from(row.count)).sum();
        self.anchored = self.rows.iter().map(|row| u32::from(row.anchor)).sum();
    }

    /// The place of an endpoint; the least used makes room.
    fn enter(&mut self, endpoint: u32) -> usize {
        let known = self.place(endpoint).0;
        if known < ENDPOINTS_KEPT {
            return known;
        }
        let least = self.hashes.iter().zip(&self.rows).enumerate();
        let least = least.min_by_key(|(_, (hash, row))| (**hash != 0, row.count, row.anchor, **hash));
        let place = least.map_or(0, |(at, _)| at);
        let gone = self.hashes.get(place).is_some_and(|hash| *hash != 0);
        if let (true, Some(hash), Some(row)) = (gone, self.hashes.get_mut(place), self.rows.get_mut(place)) {
            self.elsewhere = self.elsewhere.saturating_add(row.count);
            (*hash, *row) = (0, Row::default());
            self.sum();
        }
        if let Some(hash) = self.hashes.get_mut(place) {
            *hash = endpoint;
        }
        place
    }

    fn count(&self, place: usize) -> u16 {
        self.rows.get(place).map_or(0, |row| row.count)
    }

    fn halve_counts(&mut self) {
        self.rows.iter_mut().for_each(|row| row.count /= 2);
        self.elsewhere /= 2;
    }

    fn add(&mut self, kind: Kind, place: usize, bucket: u8, times: u16) {
        let full = self.rows.get(place).and_then(|row| row.live.get(kind as usize));
        if full.is_some_and(|total| *total > u16::MAX - times) {
            self.cells.each(|cell| {
                if cell.key.kind() == kind as usize && cell.key.endpoint() == place {
                    cell.live /= 2;
                }
            });
            self.sum();
        }
        let gone = self.cells.add(Key::new(kind, place, bucket.into()), times);
        if let Some(total) = self.rows.get_mut(place).and_then(|row| row.live.get_mut(kind as usize)) {
            *total = total.saturating_add(times);
        }
        if let Some(gone) = gone {
            self.forget(gone);
        }
    }

    fn take(&mut self, kind: Kind, place: usize, bucket: u8, times: u16) {
        let taken = self.cells.take(Key::new(kind, place, bucket.into()), times);
        if let Some(total) = self.rows.get_mut(place).and_then(|row| row.live.get_mut(kind as usize)) {
            *total = total.saturating_sub(taken);
        }
    }

    fn forget(&mut self, gone: Cell) {
        let Some(row) = self.rows.get_mut(gone.key.endpoint()) else { return };
        if let Some(total) = row.live.get_mut(gone.key.kind()) {
            *total = total.saturating_sub(gone.live);
        }
        if let Some(total) = row.anchors.get_mut(gone.key.kind()) {
            let sealed = small::from_byte(gone.anchor);
            *total = total.saturating_sub(u16::try_from(sealed).unwrap_or(u16::MAX));
        }
    }

    fn margins(&mut self, exchange: &Exchange, change: impl Fn(&mut dyn Margin, usize)) {
        let all: [(&mut dyn Margin, u8); 6] = [
            (&mut self.sizes, exchange.size),
            (&mut self.statuses, exchange.status),
            (&mut self.record_sizes, exchange.record_size),
            (&mut self.records, exchange.records),
            (&mut self.gaps, exchange.gap),
            (&mut self.hours, exchange.hour),
        ];
        for (counts, bucket) in all.into_iter().filter(|(_, bucket)| *bucket != NONE) {
            change(counts, bucket.into());
        }
    }
}

/// Counts over any range.
trait Margin {
    fn add(&mut self, bucket: usize, times: u16);
    fn take(&mut self, bucket: usize, times: u16);
}

impl<const N: usize> Margin for super::Counts<N> {
    fn add(&mut self, bucket: usize, times: u16) {
        Self::add(self, bucket, times);
    }

    fn take(&mut self, bucket: usize, times: u16) {
        Self::take(self, bucket, times);
    }
}
