//! T7: a poisoner that takes 1 % more a day for 60 days, slowly enough that every day looks like the day before.

use portcullis_risk::{Known, Peers};

use crate::corpora::{Place, Request};
use crate::generated::{BEGIN_US, DAY_US};
use crate::model::{Driven, Sight};
use crate::random::{Random, mix};

const BEFORE_DAYS: i64 = 30;
const DAYS: i64 = 60;
const REQUESTS: i64 = 40;
/// Honest machines are simulated so many times as often: false alarms are rare.
const HONEST: usize = 3;
const RECORDS: f64 = 100.0;

/// Alarms among so many idealised poisoners and honest ones.
const IDEAL_RUNS: usize = 5_000;

#[derive(Debug)]
pub struct Drift {
    /// Standard deviation of ln(records of a day).
    pub sigma: f64,
    /// Share of the poisoners of whom the alarm was raised within 60 days, and the median day.
    pub found: f64,
    pub median_day: Option<i64>,
    /// Share of the honest of whom it was.
    pub false_alarms: f64,
    /// The same by the formula alone, with mean and σ known: found, and false alarms.
    pub ideal: [f64; 2],
}

pub fn measure(runs: usize) -> Vec<Drift> {
    [0.1, 0.3, 0.5, 0.7]
        .into_iter()
        .map(|sigma| {
            let days = |ramp: f64, salt: u64, runs: usize| -> Vec<Option<i64>> {
                (0..runs).map(|run| alarm(sigma, ramp, mix(run as u64 ^ salt))).collect()
            };
            let mut poisoned: Vec<i64> = days(0.01, 0xd, runs).into_iter().flatten().collect();
            poisoned.sort_unstable();
            let honest = days(0.0, 0xe, HONEST * runs).into_iter().flatten().count();
            Drift {
                sigma,
                found: poisoned.len() as f64 / runs as f64,
                median_day: poisoned.get(poisoned.len() / 2).copied(),
                false_alarms: honest as f64 / (HONEST * runs) as f64,
                ideal: [0.01, 0.0].map(|ramp| ideal(sigma, ramp)),
            }
        })
        .collect()
}

/// `D ← max(0, D + x/σ − .75)`, alarm at D > 5, as it is specified.
fn ideal(sigma: f64, ramp: f64) -> f64 {
    let alarms = (0..IDEAL_RUNS)
        .filter(|run| {
            let mut random = Random::new(mix(*run as u64 ^ 0x1dea));
            let mut sum: f64 = 0.0;
            (1..=DAYS).any(|day| {
                let x = (1.0 + ramp).ln() * day as f64 + sigma * normal(&mut random);
                sum = (sum + x / sigma - 0.75).max(0.0);
                sum > 5.0
            })
        })
        .count();
    alarms as f64 / IDEAL_RUNS as f64
}

/// The day after the ramp began on which the alarm was raised.
fn alarm(sigma: f64, ramp: f64, seed: u64) -> Option<i64> {
    let mut random = Random::new(seed);
    let mut driven = Driven::new(Peers::default(), Sight::Places);
    for day in 0..BEFORE_DAYS + DAYS {
        let grown = (1.0 + ramp).powi((day + 1 - BEFORE_DAYS).max(0) as i32);
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
