//! The machine's clocks and randomness: the only place where they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use portcullis_control::control::Entropy;
use portcullis_policy::clock::Clock;

/// Wall and monotonic time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is where time enters the program")]
pub fn system_clock() -> Clock {
    let start = Instant::now();
    Clock::new(Timestamp::now, move || start.elapsed())
}

/// How far a clock that was made for it is ahead of this machine's.
#[derive(Clone, Default, Debug)]
pub struct Shift(Arc<AtomicI64>);

impl Shift {
    /// From now on by so much more.
    pub fn forward(&self, by: SignedDuration) {
        let by_us = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(by_us, Ordering::Relaxed);
    }

    fn ahead(&self) -> SignedDuration {
        SignedDuration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A clock for what shows the passing of days in seconds, and what sets it.
#[expect(clippy::disallowed_methods, reason = "this is where time enters the program")]
pub fn injected_clock() -> (Clock, Shift) {
    let start = Instant::now();
    let shift = Shift::default();
    let read = shift.clone();
    let wall = move || Timestamp::now().saturating_add(read.ahead()).unwrap_or(Timestamp::MAX);
    (Clock::new(wall, move || start.elapsed()), shift)
}

/// Random bytes of the operating system.
pub fn entropy() -> Entropy {
    let source = SystemRandom::new();
    Arc::new(move |bytes: &mut [u8]| {
        // Without randomness nothing that is made would be safe: better to stop than to go on.
        if source.fill(bytes).is_err() {
            std::process::abort();
        }
    })
}
