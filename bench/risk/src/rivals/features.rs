//! A request as a point, for detectors that want numbers.

use std::collections::{HashMap, VecDeque};

use crate::corpora::Request;

pub const DIMENSIONS: usize = 5;
pub type Point = [f64; DIMENSIONS];

const MINUTE_US: i64 = 60_000_000;
const WINDOW_MAX: usize = 4_096;

/// Time since the request before, size, requests of the last minute (each as log2), and how rare endpoint and status were.
#[derive(Clone, Default)]
pub struct Features {
    endpoints: HashMap<u32, f64>,
    statuses: HashMap<(u32, u16), f64>,
    seen: f64,
    window: VecDeque<i64>,
}

impl Features {
    /// Each about between 0 and 1.
    pub fn point(&mut self, request: &Request) -> Point {
        let gap = self.window.back().map_or(0.0, |last| (request.at_us - last).max(0) as f64 / 1_000.0);
        let rare =
            |count: Option<&f64>, of: f64| -((count.copied().unwrap_or(0.0) + 0.5) / (of + 1.0)).log2();
        let at_endpoint = self.endpoints.get(&request.endpoint).copied().unwrap_or(0.0);
        [
            (1.0 + gap).log2() / 32.0,
            (1.0 + request.request_bytes as f64).log2() / 20.0,
            f64::from(self.in_minute(request.at_us) + 1).log2() / 12.0,
            rare(self.endpoints.get(&request.endpoint), self.seen) / 12.0,
            rare(self.statuses.get(&(request.endpoint, request.status)), at_endpoint) / 12.0,
        ]
    }

    pub fn learn(&mut self, request: &Request) {
        *self.endpoints.entry(request.endpoint).or_default() += 1.0;
        *self.statuses.entry((request.endpoint, request.status)).or_default() += 1.0;
        self.seen += 1.0;
        self.window.push_back(request.at_us);
        if self.window.len() > WINDOW_MAX {
            self.window.pop_front();
        }
    }

    /// Requests in the minute before.
    pub fn in_minute(&mut self, at_us: i64) -> u32 {
        while self.window.len() > 1 && self.window.front().is_some_and(|first| at_us - first > MINUTE_US) {
            self.window.pop_front();
        }
        self.window.iter().filter(|time| at_us - **time <= MINUTE_US).count() as u32
    }
}
