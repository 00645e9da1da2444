//! The machine's clocks and randomness: the only place where they are read.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use portcullis_control::control::Entropy;
use portcullis_policy::clock::Clock;

/// Wall and monotonic time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is where time enters the program")]
pub fn system_clock() -> Clock {
    let start = Instant::now();
    Clock::new(Timestamp::now, move || start.elapsed())
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
