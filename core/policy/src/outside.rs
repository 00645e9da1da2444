//! Whether packets of a vendor's networks were dropped lately, where every request looks: two loads, and decay by the gate's
//! own clock.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use portcullis_risk::{Known, Missing, Outside};
use serde::{Deserialize, Serialize};

/// What control knows of the packets of a vendor's networks. Times are microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct OutsideFacts {
    /// Somebody counts them: its contract names networks, and an enforcer answers.
    pub counted: bool,
    /// When the last one was counted.
    pub last_us: Option<i64>,
    /// When control came to know this.
    pub told_us: i64,
}

/// Of one vendor, for the life of the process.
#[derive(Debug)]
pub struct OutsideCell {
    counted: AtomicBool,
    /// `i64::MIN` where none was.
    last_us: AtomicI64,
    /// `told_us` of what is held; locked where something is written, never on the path of a request.
    told_us: Mutex<i64>,
}

impl Default for OutsideCell {
    fn default() -> Self {
        Self {
            counted: AtomicBool::new(false),
            last_us: AtomicI64::new(i64::MIN),
            told_us: Mutex::new(i64::MIN),
        }
    }
}

impl OutsideCell {
    /// Takes over what control says. Of who counts, what is older than what is held changes nothing; a packet that was counted
    /// once was there, whoever forgets it.
    pub fn take_over(&self, facts: &OutsideFacts) {
        let mut told_us = self.told_us.lock().unwrap_or_else(PoisonError::into_inner);
        self.last_us.fetch_max(facts.last_us.unwrap_or(i64::MIN), Ordering::SeqCst);
        if facts.told_us >= *told_us {
            *told_us = facts.told_us;
            self.counted.store(facts.counted, Ordering::SeqCst);
        }
    }

    /// What holds at this moment.
    #[must_use]
    pub fn read(&self, now_us: i64) -> Known<Outside> {
        let last_us = self.last_us.load(Ordering::Acquire);
        // A packet from what is ahead of this clock has just come.
        let elapsed_us = (last_us != i64::MIN).then(|| now_us.saturating_sub(last_us));
        match Outside::since(elapsed_us) {
            Outside::Quiet if !self.counted.load(Ordering::Acquire) => Known::NoData(Missing::NotAsked),
            known => Known::Is(known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn facts(counted: bool, last_us: Option<i64>, told_us: i64) -> OutsideFacts {
        OutsideFacts { counted, last_us, told_us }
    }

    #[test]
    fn it_decays_by_the_readers_clock_and_no_older_word_takes_it_back() {
        let cell = OutsideCell::default();
        assert_eq!(cell.read(0), Known::NoData(Missing::NotAsked));
        cell.take_over(&facts(true, None, 5));
        assert_eq!(cell.read(0), Known::Is(Outside::Quiet));
        cell.take_over(&facts(true, Some(MINUTE), 6));
        for (minutes, expect) in
            [(0, Outside::Lately), (10, Outside::Lately), (11, Outside::Waning), (61, Outside::Quiet)]
        {
            assert_eq!(cell.read(minutes * MINUTE), Known::Is(expect), "{minutes}");
        }
        // A snapshot that was made before, and is compiled only now.
        cell.take_over(&facts(false, None, 4));
        assert_eq!(cell.read(2 * MINUTE), Known::Is(Outside::Lately));
        assert_eq!(cell.read(90 * MINUTE), Known::Is(Outside::Quiet));
        // A control that began anew, and hasn't heard of an enforcer yet.
        cell.take_over(&facts(false, None, 7));
        assert_eq!(cell.read(2 * MINUTE), Known::Is(Outside::Lately), "it was there");
        assert_eq!(cell.read(90 * MINUTE), Known::NoData(Missing::NotAsked));
    }
}
