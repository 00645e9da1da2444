//! When something that is fetched again and again is fetched next.

use jiff::{Timestamp, ToSpan};

/// How the last fetches of one thing went, and when the next one comes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Schedule {
    pub next: Option<Timestamp>,
    pub failures: u32,
    /// Why the last fetch failed.
    pub error: Option<String>,
}

/// Of an error that is kept: it may be a stranger's text.
const ERROR_CHARACTERS: usize = 400;

impl Schedule {
    /// Notes how a fetch went: after one that was good the next comes in `refresh_seconds`, after a first failure in
    /// `retry_seconds`, doubled from then on up to that. `jitter` is random.
    pub fn tried(
        &mut self,
        outcome: Result<(), String>,
        (refresh_seconds, retry_seconds): (i64, i64),
        now: Timestamp,
        jitter: u8,
    ) {
        let seconds = match outcome {
            Ok(()) => {
                self.failures = 0;
                self.error = None;
                refresh_seconds
            }
            Err(error) => {
                self.error = Some(error.chars().take(ERROR_CHARACTERS).collect());
                let doubled = retry_seconds << self.failures.min(16);
                self.failures = self.failures.saturating_add(1);
                doubled.min(refresh_seconds)
            }
        };
        // Up to a fifth sooner: many that began together don't stay together.
        let spread = seconds * i64::from(jitter) / (5 * 256);
        self.next = now.checked_add((seconds - spread).max(1).seconds()).ok();
    }
}
