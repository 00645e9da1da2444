//! The model's evidence in plain floating point, with the rule of learning left open: for the rivals that differ from the
//! model by that rule alone, and as a check that the model's integers do what its formulas say.

mod counts;
mod rates;

use std::sync::Arc;

use crate::corpora::{Account, Request};
use crate::detector::{Detector, Factory};
use counts::{Counts, Exchange};
use rates::Rates;

/// What becomes part of the baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learns {
    /// Nothing after the training.
    Nothing,
    Everything,
    /// What was confirmed: three exchanges without evidence, or a challenge passed.
    Confirmed,
}

/// What is compared with the threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sums {
    /// The CUSUM of the context.
    Cusum,
    /// The evidence of one exchange alone.
    Single,
}

pub const POINTS_PER_NAT: f64 = 4.342_944_819_032_518;
const CAP: f64 = 5.0;
const PI: f64 = 0.5;

#[derive(Clone)]
pub struct Reference {
    learns: Learns,
    sums: Sums,
    peers: Arc<Counts>,
    live: Counts,
    anchor: Option<Arc<Counts>>,
    rates: Rates,
    previous: Option<Request>,
    evidence: f64,
    before: f64,
    score: f64,
    quiet: u32,
    unconfirmed: Vec<Exchange>,
    is_trained: bool,
}

pub fn factory(peers: &[&Account], learns: Learns, sums: Sums) -> Factory {
    let peers = Arc::new(Counts::of_peers(peers));
    Box::new(move || {
        Box::new(Reference {
            learns,
            sums,
            peers: Arc::clone(&peers),
            live: Counts::default(),
            anchor: None,
            rates: Rates::default(),
            previous: None,
            evidence: 0.0,
            before: 0.0,
            score: 0.0,
            quiet: 0,
            unconfirmed: Vec::new(),
            is_trained: false,
        })
    })
}

impl Reference {
    fn log_evidence(&self, p: impl Fn(&Counts) -> f64, q: f64) -> f64 {
        let live = p(&self.live);
        let p = self.anchor.as_ref().map_or(live, |anchor| 0.8 * live + 0.2 * p(anchor));
        ((1.0 - PI) + PI * q / p).ln()
    }

    fn before_forwarding(&mut self, exchange: &Exchange) -> f64 {
        let peers = Arc::clone(&self.peers);
        let endpoint = self.log_evidence(|own| own.endpoint(&peers, exchange), peers.peer_endpoint(exchange));
        let size = self.log_evidence(|own| own.size(&peers, exchange), peers.peer_size(exchange));
        let gap = self.log_evidence(|own| own.gap(&peers, exchange), peers.peer_gap(exchange));
        let hour = self.log_evidence(|own| own.hour(&peers, exchange), peers.peer_hour(exchange));
        let rates = self.rates.request(exchange.at_us, PI);
        let time = 0.4 * gap + 0.2 * hour + 0.1 * rates[0] + 0.15 * rates[1] + 0.15 * rates[2];
        endpoint + size + time
    }

    fn learn(&mut self, exchange: Exchange) {
        match self.learns {
            Learns::Nothing if self.is_trained => {}
            Learns::Nothing | Learns::Everything => self.live.add(&exchange),
            Learns::Confirmed => {
                self.unconfirmed.push(exchange);
                self.quiet = if self.evidence > 0.0 { 0 } else { self.quiet + 1 };
                if self.quiet >= 3 {
                    self.confirm();
                }
            }
        }
    }

    fn confirm(&mut self) {
        for exchange in std::mem::take(&mut self.unconfirmed) {
            self.live.add(&exchange);
        }
    }
}

impl Detector for Reference {
    fn stops(&mut self, request: &Request, threshold: f64) -> bool {
        let exchange = Exchange::of(request, self.previous.as_ref());
        self.before = self.before_forwarding(&exchange);
        self.score = match self.sums {
            Sums::Cusum => (self.evidence + self.before.min(CAP)).max(0.0),
            Sums::Single => self.before,
        } * POINTS_PER_NAT;
        self.score >= threshold
    }

    fn passed(&mut self, _: &Request, _: f64) {
        self.evidence = 0.0;
        self.confirm();
    }

    fn finish(&mut self, request: &Request) {
        let exchange = Exchange::of(request, self.previous.as_ref());
        let peers = Arc::clone(&self.peers);
        let status = self.log_evidence(|own| own.status(&peers, &exchange), peers.peer_status(&exchange));
        self.evidence = (self.evidence + (self.before + status).min(CAP)).max(0.0);
        self.learn(exchange);
        self.previous = Some(*request);
    }

    fn score(&self) -> f64 {
        self.score
    }

    fn trained(&mut self) {
        self.is_trained = true;
        self.evidence = 0.0;
        if self.learns == Learns::Confirmed {
            self.confirm();
            self.anchor = Some(Arc::new(self.live.clone()));
        }
    }

    fn fork(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
