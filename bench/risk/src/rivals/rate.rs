//! A rate limit of the client's own: the requests of the last minute against the most that any minute of the training had.

use super::Scorer;
use super::features::Features;
use crate::corpora::Request;

#[derive(Clone, Default)]
pub struct OwnRate {
    features: Features,
    most: u32,
    is_trained: bool,
}

impl Scorer for OwnRate {
    fn score(&mut self, request: &Request) -> f64 {
        f64::from(self.features.in_minute(request.at_us) + 1) / f64::from(self.most.max(1))
    }

    fn learn(&mut self, request: &Request) {
        self.features.learn(request);
        if !self.is_trained {
            self.most = self.most.max(self.features.in_minute(request.at_us));
        }
    }

    fn trained(&mut self) {
        self.is_trained = true;
    }
}
