//! What judges requests, seen from the protocol.

use crate::corpora::{Account, Request};

/// Judges one client's requests, in order.
pub trait Detector: Send {
    /// Whether this request is stopped, with everything at `threshold`. Nothing is learnt from it yet.
    fn stops(&mut self, request: &Request, threshold: f64) -> bool;

    /// The challenge that followed was passed: the same request comes again, and is forwarded.
    fn passed(&mut self, request: &Request, threshold: f64);

    /// The request was forwarded and has ended.
    fn finish(&mut self, request: &Request);

    /// What the last request was compared with: thresholds are chosen among these.
    fn score(&self) -> f64;

    /// The time in which it only got to know the client is over.
    fn trained(&mut self) {}

    fn fork(&self) -> Box<dyn Detector>;
}

/// Makes detectors for clients that have the same peers.
pub type Factory = Box<dyn Fn() -> Box<dyn Detector> + Send + Sync>;

pub struct Kind {
    pub name: &'static str,
    pub thresholds: Thresholds,
    pub with_peers: fn(&[&Account]) -> Factory,
}

/// Where the thresholds come from that are tried.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Thresholds {
    /// Points: `from`, and so many steps.
    Steps { from: f64, step: f64, count: usize },
    /// The highest scores that honest traffic reaches in validation.
    Seen,
}
