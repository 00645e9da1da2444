/// How many frames of a kind may come: in the long run, and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// In an interval of `t` seconds, at most `burst + per_second · t` frames are granted, and what is
/// earned besides.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// In thousandths of a frame: so a millisecond adds `per_second` of them.
    level: u64,
    at_ms: u64,
}

const FRAME: u64 = 1_000;

impl Bucket {
    pub(super) fn full(rate: Rate) -> Self {
        Self { level: capacity(rate), at_ms: 0 }
    }

    pub(super) fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        self.add(rate, elapsed_ms.saturating_mul(u64::from(rate.per_second)));
        match self.level.checked_sub(FRAME) {
            Some(level) => {
                self.level = level;
                true
            }
            None => false,
        }
    }

    /// Another frame for each `bytes_per_frame` bytes.
    pub(super) fn earn(&mut self, rate: Rate, bytes: u64, bytes_per_frame: u32) {
        let earned = bytes.saturating_mul(FRAME) / u64::from(bytes_per_frame.max(1));
        self.add(rate, earned);
    }

    fn add(&mut self, rate: Rate, amount: u64) {
        self.level = self.level.saturating_add(amount).min(capacity(rate));
    }
}

fn capacity(rate: Rate) -> u64 {
    u64::from(rate.burst) * FRAME
}
