//! What the evidence about a client has been found good for: challenging, denying, or nothing yet.

use crate::action::Standing;
use crate::beta::upper_bound;
use crate::buckets::weekday;
use crate::codec::{Bytes, Field, fields};
use crate::constants::{
    DENY_DAYS, DENY_EVIDENCE, DENY_EXCHANGES, DENY_WEEKENDS, GRADUATION_CONFIDENCE, GRADUATION_CROSSINGS_PPM,
    GRADUATION_DAYS, PASSED_MAX, PASSED_WINDOW,
};
use crate::ln::ppm;
use crate::progress::{Broken, Lacks, Progress};

/// Counts are halved beyond this, so that what was long ago fades.
const COUNTED_MAX: u32 = 8_192;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Graduation {
    pub(crate) standing: Standing,
    exchanges: u64,
    days: u32,
    weekends: u32,
    counted: u32,
    crossings: u32,
    /// Exchanges, and score challenges passed in them.
    lately: u32,
    passed: u32,
    /// The last day with much calibrated evidence.
    high_day: u32,
    rehearsed: bool,
    seen_today: bool,
    /// The first day has ended.
    begun: bool,
}

fields!(Graduation {
    standing,
    exchanges,
    days,
    weekends,
    counted,
    crossings,
    lately,
    passed,
    high_day,
    rehearsed,
    seen_today,
    begun
});

impl Graduation {
    /// An exchange of an admitted context has ended.
    pub(crate) fn exchange(&mut self) {
        self.exchanges = self.exchanges.saturating_add(1);
        self.seen_today = true;
        self.counted = self.counted.saturating_add(1);
        if self.counted >= COUNTED_MAX {
            (self.counted, self.crossings) = (self.counted / 2, self.crossings / 2);
        }
        self.lately = self.lately.saturating_add(1);
        if self.lately >= PASSED_WINDOW {
            (self.lately, self.passed) = (0, 0);
        }
    }

    /// A context has gone beyond 30 points.
    pub(crate) fn crossing(&mut self) {
        self.crossings = self.crossings.saturating_add(1);
    }

    /// A challenge was passed; `score` says whether evidence had asked for it.
    pub(crate) fn pass(&mut self, score: bool) {
        self.rehearsed = true;
        if !score {
            return;
        }
        self.passed = self.passed.saturating_add(1);
        if self.passed > PASSED_MAX {
            // It can't be told apart from whoever it is taken for: from the beginning.
            *self = Self { exchanges: self.exchanges, rehearsed: true, seen_today: true, ..Self::default() };
        }
    }

    pub(crate) fn high(&mut self, calibrated: i32, day: u32) {
        if calibrated >= DENY_EVIDENCE {
            self.high_day = day;
        }
    }

    /// An analyst has said that it was right.
    pub(crate) fn forgive(&mut self) {
        self.high_day = 0;
    }

    /// `ended` is the day that is over.
    pub(crate) fn turn(&mut self, ended: u32) {
        if self.seen_today {
            (self.days, self.seen_today, self.begun) = (self.days.saturating_add(1), false, true);
        }
        if self.begun && weekday(ended) == 6 {
            self.weekends = self.weekends.saturating_add(1);
        }
    }

    /// Takes the next step if nothing lacks; whether it did.
    pub(crate) fn step(&mut self, today: u32, calibrated: u32) -> bool {
        let lacks = self.lacks(today, calibrated);
        let next = match self.standing {
            Standing::Observe => Standing::Challenge,
            Standing::Challenge => Standing::Deny,
            Standing::Deny => return false,
        };
        if lacks != Lacks::default() {
            return false;
        }
        self.standing = next;
        true
    }

    /// Everything is there but one passed challenge.
    pub(crate) fn wants_rehearsal(&self) -> bool {
        self.standing == Standing::Observe
            && !self.rehearsed
            && self.days >= GRADUATION_DAYS
            && self.bound_ppm() <= GRADUATION_CROSSINGS_PPM
    }

    pub(crate) fn progress(&self, today: u32, calibrated: u32) -> Progress {
        Progress {
            standing: self.standing,
            days: self.days,
            weekends: self.weekends,
            exchanges: self.exchanges,
            counted: self.counted,
            crossings: self.crossings,
            rehearsed: self.rehearsed,
            crossings_bound_ppm: self.bound_ppm(),
            calibrated,
            passed_lately: self.passed,
            lacks: self.lacks(today, calibrated),
            ..Progress::default()
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.standing = self.standing.min(other.standing);
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        self.days = self.days.max(other.days);
        self.weekends = self.weekends.max(other.weekends);
        self.counted = self.counted.saturating_add(other.counted).min(COUNTED_MAX - 1);
        self.crossings = self.crossings.saturating_add(other.crossings);
        self.lately = self.lately.max(other.lately);
        self.passed = self.passed.saturating_add(other.passed);
        self.high_day = self.high_day.max(other.high_day);
        self.rehearsed |= other.rehearsed;
        self.seen_today |= other.seen_today;
        self.begun |= other.begun;
    }

    fn bound_ppm(&self) -> u32 {
        ppm(upper_bound(self.crossings, self.counted, 1.0 - GRADUATION_CONFIDENCE, 1e-6))
    }

    fn lacks(&self, today: u32, calibrated: u32) -> Lacks {
        match self.standing {
            Standing::Observe => Lacks {
                days: self.days < GRADUATION_DAYS,
                quiet: self.bound_ppm() > GRADUATION_CROSSINGS_PPM,
                rehearsal: !self.rehearsed,
                ..Lacks::default()
            },
            Standing::Challenge => Lacks {
                days: self.days < DENY_DAYS,
                weekends: self.weekends < DENY_WEEKENDS,
                exchanges: self.exchanges < DENY_EXCHANGES,
                quiet: self.high_day > 0 && today.saturating_sub(self.high_day) < DENY_DAYS,
                calibration: calibrated == 0,
                ..Lacks::default()
            },
            Standing::Deny => Lacks::default(),
        }
    }
}

impl Field for Standing {
    fn write(&self, out: &mut Vec<u8>) {
        (*self as u8).write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        match u8::read(bytes)? {
            0 => Ok(Self::Observe),
            1 => Ok(Self::Challenge),
            2 => Ok(Self::Deny),
            _ => Err(Broken::Value("standing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that was there on so many days, with as many exchanges and crossings.
    fn client(days: u32, exchanges: u32, crossings: u32) -> Graduation {
        let mut graduation = Graduation::default();
        graduation.pass(false);
        for day in 0..days {
            graduation.exchange();
            graduation.turn(20_458 + day);
        }
        (0..exchanges - days).for_each(|_| graduation.exchange());
        (0..crossings).for_each(|_| graduation.crossing());
        graduation
    }

    /// 0 of 300, 1 of 474, 2 of 629, and no earlier.
    #[test]
    fn challenging_begins_where_crossings_are_rare_for_certain() {
        for (crossings, enough) in [(0, 299), (1, 473), (2, 628)] {
            for (exchanges, expect) in [(enough - 1, false), (enough + 1, true)] {
                let mut graduation = client(3, exchanges, crossings);
                assert_eq!(graduation.step(20_461, 0), expect, "{crossings} of {exchanges}");
            }
        }
        assert!(!client(2, 2_000, 0).step(20_460, 0), "three days");
        let unasked = Graduation { rehearsed: false, ..client(3, 2_000, 0) };
        assert!(unasked.wants_rehearsal() && !unasked.clone().step(20_461, 0), "one challenge passed");
    }

    #[test]
    fn denying_begins_after_two_weeks_with_two_weekends_and_nothing_of_note() {
        let graduated = |days: u32, exchanges: u32, calibrated: u32, high: Option<u32>| {
            let mut graduation = client(days, exchanges, 0);
            let today = 20_458 + days;
            assert!(graduation.step(today, calibrated));
            if let Some(days_ago) = high {
                graduation.high(50_000, today - days_ago);
                graduation.high(49_999, today);
            }
            graduation.step(today, calibrated)
        };
        assert!(graduated(14, 3_000, 2_000, None));
        assert!(!graduated(13, 3_000, 2_000, None));
        assert!(!graduated(14, 2_999, 2_000, None));
        assert!(!graduated(14, 3_000, 0, None), "the distribution isn't known");
        assert!(!graduated(20, 3_000, 2_000, Some(13)));
        assert!(graduated(20, 3_000, 2_000, Some(14)));
    }

    /// More than ten in a thousand, which are counted one thousand after the other: it can't be told apart, and isn't asked any more.
    #[test]
    fn who_is_asked_too_often_goes_back_to_observe() {
        for (passes, expect) in [(10, Standing::Challenge), (11, Standing::Observe)] {
            let mut graduation = client(3, 1_000, 0);
            assert!(graduation.step(20_461, 0));
            for at in 0..900 {
                graduation.exchange();
                if at % 80 == 0 && at / 80 < passes {
                    graduation.pass(true);
                }
            }
            assert_eq!(graduation.standing, expect, "{passes}");
        }
    }
}
