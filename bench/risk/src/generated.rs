//! Honest traffic of many days, made from the days and minutes that the logs hold.
//!
//! A source account's log is cut into blocks: hours of the day where it covers hours, else bursts of a few minutes that come
//! six times a day. Each day plays the blocks again with requests left out, doubled and shifted, other sizes, half of it
//! at weekends. Every 30 days on average the TLS stack changes, every 90 the network; where that is asked for, every 60 the client gets
//! the work of another source, all at once.

use crate::corpora::{Account, Corpus, Place, Request};
use crate::places;
use crate::random::Random;

pub const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
const BURSTS: usize = 6;
const BURST_MAX: usize = 600;
/// 2026-01-05, a Monday.
pub const BEGIN_US: i64 = 1_767_571_200_000_000;

pub struct Machine<'a> {
    sources: &'a [&'a Account],
    source: usize,
    pub place: Place,
    random: Random,
    changes: Changes,
}

/// What honest machines do beside their work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changes {
    Nothing,
    /// TLS stack and network.
    Place,
    /// And what they do: all of it becomes another source's.
    PlaceAndWork,
}

impl<'a> Machine<'a> {
    pub fn new(sources: &'a [&'a Account], source: usize, mut random: Random, changes: Changes) -> Self {
        Self { sources, source, place: places::draw(&mut random), random, changes }
    }

    /// The requests of a day, by time.
    pub fn day(&mut self, day: i64) -> Vec<Request> {
        self.change();
        let begin = BEGIN_US + day * DAY_US;
        let share = if day.rem_euclid(7) >= 5 { 0.5 } else { 1.0 };
        let requests = &self.sources[self.source].requests;
        let (Some(first), Some(last)) = (requests.first(), requests.last()) else { return Vec::new() };
        let mut made = Vec::new();
        if last.at_us - first.at_us > HOUR_US {
            let midnight = first.at_us.div_euclid(DAY_US) * DAY_US;
            for request in requests {
                // The same work, some minutes earlier or later than the day before.
                self.play(request, begin + request.at_us - midnight, share, &mut made);
            }
        } else {
            for burst in 0..BURSTS {
                let from = self.random.below(requests.len().saturating_sub(BURST_MAX) + 1);
                let at =
                    begin + (burst as i64 * 4 + 1) * HOUR_US + (self.random.unit() * HOUR_US as f64) as i64;
                if self.random.unit() > share {
                    continue;
                }
                for request in requests.iter().skip(from).take(BURST_MAX) {
                    self.play(request, at + request.at_us - requests[from].at_us, 1.0, &mut made);
                }
            }
        }
        made.sort_by_key(|request| request.at_us);
        made
    }

    fn play(&mut self, request: &Request, at_us: i64, share: f64, made: &mut Vec<Request>) {
        let draw = self.random.unit();
        let times = if draw < 0.1 {
            0
        } else if draw < 0.2 {
            2
        } else {
            1
        };
        for _ in 0..times {
            if self.random.unit() > share {
                continue;
            }
            let shift = ((self.random.unit() - 0.5) * 10_000_000.0) as i64;
            let size = request.request_bytes as f64 * (0.7 + 0.7 * self.random.unit());
            made.push(Request {
                at_us: at_us + shift,
                request_bytes: size as u64,
                place: self.place,
                ..*request
            });
        }
    }

    fn change(&mut self) {
        if self.changes == Changes::Nothing {
            return;
        }
        if self.random.unit() < 1.0 / 30.0 {
            self.place.ja4 = places::draw(&mut self.random).ja4;
        }
        if self.random.unit() < 1.0 / 90.0 {
            let drawn = places::draw(&mut self.random);
            self.place = Place { ja4: self.place.ja4, ..drawn };
        }
        if self.changes == Changes::PlaceAndWork && self.random.unit() < 1.0 / 60.0 {
            self.source = self.random.below(self.sources.len());
        }
    }
}

/// The accounts of a corpus, as sources.
pub fn sources(corpus: &Corpus) -> Vec<&Account> {
    corpus.accounts.iter().collect()
}
