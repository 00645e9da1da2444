//! What others would do: each scores a request by what it has learnt from all before, with no idea of a challenge.

mod features;
mod forest;
mod half_space;
mod rate;
mod smoothed;

use crate::corpora::Request;
use crate::detector::{Detector, Factory};

pub use forest::Forest;
pub use half_space::HalfSpaceTrees;
pub use rate::OwnRate;
pub use smoothed::Smoothed;

/// Gives a request a number that is greater the stranger it is.
pub trait Scorer: Clone + Send + Sync + 'static {
    fn score(&mut self, request: &Request) -> f64;
    fn learn(&mut self, request: &Request);
    fn trained(&mut self) {}
    /// A challenge was passed.
    fn forgive(&mut self) {}
}

/// A scorer with a threshold. It is treated leniently: after a pass nothing is asked again until a request has been below the
/// threshold, and it learns from everything.
#[derive(Clone)]
struct Alarmed<S> {
    scorer: S,
    score: f64,
    is_forgiven: bool,
}

pub fn factory<S: Scorer>(fresh: S) -> Factory {
    Box::new(move || Box::new(Alarmed { scorer: fresh.clone(), score: 0.0, is_forgiven: false }))
}

impl<S: Scorer> Detector for Alarmed<S> {
    fn stops(&mut self, request: &Request, threshold: f64) -> bool {
        self.score = self.scorer.score(request);
        let is_above = self.score >= threshold;
        self.is_forgiven &= is_above;
        is_above && !self.is_forgiven
    }

    fn passed(&mut self, _: &Request, _: f64) {
        self.is_forgiven = true;
        self.scorer.forgive();
    }

    fn finish(&mut self, request: &Request) {
        self.scorer.learn(request);
    }

    fn score(&self) -> f64 {
        self.score
    }

    fn trained(&mut self) {
        self.scorer.trained();
    }

    fn fork(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
