//! z-scores, smoothed: mean and variance of each feature by exponential weighting, and an EWMA of the mean square z.

use super::Scorer;
use super::features::{DIMENSIONS, Features, Point};
use crate::corpora::Request;

/// How fast mean and variance follow, and how fast the alarm does.
const FOLLOW: f64 = 0.02;
const SMOOTH: f64 = 0.2;
/// In a feature's own scale: one that never varied must not make everything else infinitely strange.
const DEVIATION_MIN: f64 = 0.02;

#[derive(Clone, Default)]
pub struct Smoothed {
    features: Features,
    mean: Point,
    variance: Point,
    learnt: f64,
    smooth: f64,
    strangeness: f64,
}

impl Scorer for Smoothed {
    fn score(&mut self, request: &Request) -> f64 {
        let point = self.features.point(request);
        let square: f64 = (0..DIMENSIONS)
            .map(|at| {
                let deviation = self.variance[at].sqrt().max(DEVIATION_MIN);
                ((point[at] - self.mean[at]) / deviation).powi(2)
            })
            .sum();
        self.strangeness = (1.0 - SMOOTH) * self.smooth + SMOOTH * square / DIMENSIONS as f64;
        self.strangeness
    }

    fn learn(&mut self, request: &Request) {
        let point = self.features.point(request);
        self.smooth = self.strangeness;
        self.learnt += 1.0;
        // A plain mean until there is enough for the weighting.
        let follow = FOLLOW.max(1.0 / self.learnt);
        for (at, value) in point.into_iter().enumerate() {
            let off = value - self.mean[at];
            self.mean[at] += follow * off;
            self.variance[at] = (1.0 - follow) * (self.variance[at] + follow * off * off);
        }
        self.features.learn(request);
    }

    fn trained(&mut self) {
        self.smooth = 0.0;
    }

    fn forgive(&mut self) {
        self.smooth = 0.0;
        self.strangeness = 0.0;
    }
}
