//! Requests in a second, a minute, an hour: negative-binomial predictive, with levels fixed when a window opens.

const WINDOWS_US: [i64; 3] = [1_000_000, 60_000_000, 3_600_000_000];
const RARE: [f64; 3] = [1e-2, 1e-4, 1e-6];
const COUNT_MAX: u32 = 20_000;
/// What is assumed of windows before any was seen: mean and variance of the requests beyond the first.
const PRIOR: (f64, f64, f64) = (2.0, 4.0, 40.0);

#[derive(Clone, Copy, Default)]
struct Window {
    opened: i64,
    count: u32,
    /// Levels with what crossing them multiplies; the evidence so far.
    levels: [(u32, f64); 3],
    evidence: f64,
    // Of the requests beyond the first in closed windows.
    windows: f64,
    sum: f64,
    squares: f64,
}

#[derive(Clone, Default)]
pub struct Rates([Window; 3]);

impl Rates {
    /// ln of how the evidence of each window changes by a request.
    pub fn request(&mut self, at_us: i64, pi: f64) -> [f64; 3] {
        let mut changes = [0.0; 3];
        for ((window, length), change) in self.0.iter_mut().zip(WINDOWS_US).zip(&mut changes) {
            *change = window.request(at_us.div_euclid(length) + 1, pi);
        }
        changes
    }
}

impl Window {
    fn request(&mut self, number: i64, pi: f64) -> f64 {
        if self.opened != number {
            self.open(number, pi);
            return (1.0 - pi).ln();
        }
        self.count += 1;
        let old = self.evidence;
        for (level, gain) in self.levels {
            if level == self.count {
                self.evidence += gain;
            }
        }
        (self.evidence / old).ln()
    }

    fn open(&mut self, number: i64, pi: f64) {
        if self.opened != 0 {
            let beyond = f64::from(self.count.saturating_sub(1));
            self.windows += 1.0;
            self.sum += beyond;
            self.squares += beyond * beyond;
        }
        self.opened = number;
        self.count = 1;
        self.evidence = 1.0 - pi;
        self.levels = self.fix_levels(pi);
    }

    fn fix_levels(&self, pi: f64) -> [(u32, f64); 3] {
        let (weight, mean, variance) = PRIOR;
        let windows = self.windows + weight;
        let average = (self.sum + weight * mean) / windows;
        let second = (self.squares + weight * (variance + mean * mean)) / windows;
        let variance = (second - average * average).max(average * 1.01);
        // Number of failures and chance of one, by moments.
        let size = average * average / (variance - average);
        let p = average / variance;
        let mut log_mass = size * p.ln();
        let mut tail = 1.0 - log_mass.exp();
        let mut levels = [(COUNT_MAX, 0.0); 3];
        let mut next = 0;
        for beyond in 1..COUNT_MAX {
            while next < 3 && tail <= RARE[next] {
                levels[next] = (beyond + 1, (pi / 3.0) / tail.max(1e-9));
                next += 1;
            }
            if next == 3 {
                break;
            }
            log_mass += ((size + f64::from(beyond) - 1.0) / f64::from(beyond) * (1.0 - p)).ln();
            tail -= log_mass.exp();
        }
        levels
    }
}
