//! T7: a poisoner that takes 1 % more a day for 60 days, slowly enough that every day looks like the day before.

use portcullis_risk::{Known, Peers};

use crate::corpora::{Place, Request};
use crate::generated::{BEGIN_US, DAY_US};
use crate::model::{Driven, Sight};
use crate::random::{Random, mix};

const BEFORE_DAYS: i64 = 30;
const DAYS: i64 = 60;
const REQUESTS: i64 = 40;
const RECORDS: f64 = 100.0;

pub struct Drift {
    /// Standard deviation of ln(records of a day).
    pub sigma: f64,
    /// Share of the poisoners of whom the alarm was raised within 60 days, and the median day.
    pub found: f64,
    pub median_day: Option<i64>,
    /// Share of the honest of whom it was.
    pub false_alarms: f64,
}

pub fn measure(runs: usize) -> Vec<Drift> {
    [0.1, 0.3, 0.5, 0.7]
        .into_iter()
        .map(|sigma| {
            let days = |ramp: f64, salt: u64| -> Vec<Option<i64>> {
                (0..runs).map(|run| alarm(sigma, ramp, mix(run as u64 ^ salt))).collect()
            };
            let mut poisoned: Vec<i64> = days(0.01, 0xd).into_iter().flatten().collect();
            poisoned.sort_unstable();
            let honest = days(0.0, 0xe).into_iter().flatten().count();
            Drift {
                sigma,
                found: poisoned.len() as f64 / runs as f64,
                median_day: poisoned.get(poisoned.len() / 2).copied(),
                false_alarms: honest as f64 / runs as f64,
            }
        })
        .collect()
}

/// The day after the ramp began on which the alarm was raised.
fn alarm(sigma: f64, ramp: f64, seed: u64) -> Option<i64> {
    let mut random = Random::new(seed);
    let mut driven = Driven::new(Peers::default(), Sight::Places);
    for day in 0..BEFORE_DAYS + DAYS {
        let grown = (ramp * (day - BEFORE_DAYS).max(0) as f64).exp();
        // The middle of the day's records stays, whatever their spread.
        let records = RECORDS * grown * (sigma * normal(&mut random)).exp();
        for place in 0..REQUESTS {
            let request = Request {
                at_us: BEGIN_US + day * DAY_US + (6 * 60 + place * 20) * 60_000_000,
                endpoint: 1,
                object: None,
                request_bytes: 200,
                status: 200,
                place: Place { ja4: 1, asn: 1, prefix: 1 },
            };
            let (assessment, _) = driven.rightful(&request);
            let _ = driven.after_records(&request, &assessment, Known::Is(records.round().max(1.0) as u64));
        }
        if day >= BEFORE_DAYS && driven.risk.progress().drift_alarm {
            return Some(day - BEFORE_DAYS);
        }
    }
    None
}

/// Sum of twelve uniforms: near enough to normal, and the same bits everywhere.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}
