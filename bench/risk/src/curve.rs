//! What each threshold comes to over all victims, and which one validation allows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::detector::Kind;
use crate::protocol::{self, CAUGHT_WITHIN, Cases, Caught, Outcome};
use crate::statistics::{Estimate, Share, bootstrap, mean, pooled};

const ROUNDS: usize = 1_000;

/// One threshold.
pub struct Point {
    pub threshold: f64,
    /// Challenges of honest requests.
    pub validation: f64,
    pub test: Estimate,
    /// Share of thieves caught within 5, 20, 60 requests.
    pub any: [Estimate; 3],
    pub same: [Estimate; 3],
    /// Requests that a thief got through, at most sixty.
    pub leaked: Estimate,
    pub victims: Vec<Outcome>,
}

pub struct Curve {
    pub name: &'static str,
    pub points: Vec<Point>,
}

pub fn measure(kind: &Kind, cases: &Cases) -> Curve {
    let thresholds = protocol::thresholds(kind, cases);
    let factories: Vec<_> = cases.groups.iter().map(|peers| (kind.with_peers)(peers)).collect();
    let next = AtomicUsize::new(0);
    let mut points: Vec<Point> = std::thread::scope(|scope| {
        let work = || {
            let mut points = Vec::new();
            while let Some(&threshold) = thresholds.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcomes: Vec<Outcome> = cases
                    .cases
                    .iter()
                    .map(|case| protocol::run(case, factories[case.group](), threshold))
                    .collect();
                points.push(point(threshold, &outcomes));
            }
            points
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    points.sort_by(|left, right| left.threshold.total_cmp(&right.threshold));
    Curve { name: kind.name, points }
}

fn point(threshold: f64, outcomes: &[Outcome]) -> Point {
    let victims = by_victim(outcomes);
    let caught = |of: fn(&Outcome) -> &Caught, which: usize| {
        let rates: Vec<f64> = victims.iter().filter_map(|victim| of(victim).rate(which)).collect();
        bootstrap(&rates, ROUNDS, 11, mean)
    };
    let rates = |of: fn(&Outcome) -> &Caught| [0, 1, 2].map(|which| caught(of, which));
    let leaked: Vec<f64> = victims
        .iter()
        .filter(|victim| victim.any.thieves > 0)
        .map(|victim| victim.any.leaked / victim.any.thieves as f64)
        .collect();
    let test: Vec<Share> = victims.iter().map(|victim| victim.test).collect();
    let validation: Vec<Share> = victims.iter().map(|victim| victim.validation).collect();
    Point {
        threshold,
        validation: pooled(&validation),
        test: bootstrap(&test, ROUNDS, 11, pooled),
        any: rates(|victim| &victim.any),
        same: rates(|victim| &victim.same),
        leaked: bootstrap(&leaked, ROUNDS, 11, mean),
        victims,
    }
}

/// The seeds of a victim, put together: drawing them apart would make intervals too narrow.
fn by_victim(outcomes: &[Outcome]) -> Vec<Outcome> {
    let mut victims = BTreeMap::<(&str, &str), Outcome>::new();
    for outcome in outcomes {
        let victim = victims.entry((outcome.corpus, &outcome.victim)).or_insert_with(|| Outcome {
            corpus: outcome.corpus,
            victim: outcome.victim.clone(),
            ..Outcome::default()
        });
        for (sum, share) in [(&mut victim.validation, outcome.validation), (&mut victim.test, outcome.test)] {
            sum.hits += share.hits;
            sum.size += share.size;
        }
        for (sum, caught) in [(&mut victim.any, outcome.any), (&mut victim.same, outcome.same)] {
            sum.thieves += caught.thieves;
            sum.leaked += caught.leaked;
            for which in 0..CAUGHT_WITHIN.len() {
                sum.within[which] += caught.within[which];
            }
        }
    }
    victims.into_values().collect()
}

impl Curve {
    /// The lowest threshold from which on validation never costs more than `limit` challenges a request.
    pub fn frozen(&self, limit: f64) -> Option<&Point> {
        self.points.iter().rev().take_while(|point| point.validation <= limit).last()
    }

    /// As [`Curve::frozen`], by what was seen on the test part: how figures were read that others have published.
    pub fn seen(&self, limit: f64) -> Option<&Point> {
        self.points.iter().rev().take_while(|point| point.test.value <= limit).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(rates: &[f64]) -> Curve {
        let point = |(place, rate): (usize, &f64)| Point {
            threshold: place as f64,
            validation: *rate,
            test: Estimate { value: *rate, low: 0.0, high: 1.0 },
            any: [Estimate::default(); 3],
            same: [Estimate::default(); 3],
            leaked: Estimate::default(),
            victims: Vec::new(),
        };
        Curve { name: "made", points: rates.iter().enumerate().map(point).collect() }
    }

    #[test]
    fn the_lowest_threshold_counts_from_which_on_all_is_below() {
        // One that dips below by chance, and rises again, isn't taken.
        let curve = curve(&[0.02, 0.001, 0.003, 0.002, 0.001]);
        assert_eq!(curve.frozen(0.002).map(|point| point.threshold), Some(3.0));
        assert_eq!(curve.frozen(0.0005).map(|point| point.threshold), None);
        assert_eq!(curve.seen(1.0).map(|point| point.threshold), Some(0.0));
    }

    #[test]
    fn seeds_of_a_victim_are_one_client() {
        let outcome = |hits: f64| Outcome {
            corpus: "made",
            victim: "one".to_owned(),
            test: Share { hits, size: 10.0 },
            ..Outcome::default()
        };
        let victims = by_victim(&[outcome(1.0), outcome(0.0), outcome(2.0)]);
        assert_eq!(victims.len(), 1);
        assert_eq!(victims[0].test, Share { hits: 3.0, size: 30.0 });
    }
}
