//! Arithmetic of the protocol.

use crate::random::Random;

/// No client counts for more than this in a pooled rate.
pub const WEIGHT_MAX: f64 = 0.10;

/// A figure with its interval of 95 %.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Weights in proportion to `sizes`, none above `WEIGHT_MAX` of all (or an equal share, if there are too few), that sum to 1.
pub fn capped_weights(sizes: &[f64]) -> Vec<f64> {
    let limit = WEIGHT_MAX.max(1.0 / sizes.len().max(1) as f64);
    let total: f64 = sizes.iter().sum();
    let mut weights: Vec<f64> = sizes.iter().map(|size| size / total.max(f64::MIN_POSITIVE)).collect();
    // What is cut off goes to the others in proportion, which may bring some of them to the limit in turn.
    for _ in 0..sizes.len() {
        let capped: f64 = weights.iter().filter(|weight| **weight >= limit).map(|_| limit).sum();
        let free: f64 = weights.iter().filter(|weight| **weight < limit).sum();
        if free <= 0.0 {
            break;
        }
        let scale = (1.0 - capped) / free;
        for weight in &mut weights {
            *weight = if *weight >= limit { limit } else { *weight * scale };
        }
        if weights.iter().all(|weight| *weight <= limit + 1e-12) {
            break;
        }
    }
    weights
}

/// One client's part in a pooled rate.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Share {
    pub hits: f64,
    pub size: f64,
}

/// Σ w·hits/size with capped weights.
pub fn pooled(shares: &[Share]) -> f64 {
    let weights = capped_weights(&shares.iter().map(|share| share.size).collect::<Vec<_>>());
    let rate = |(share, weight): (&Share, f64)| {
        if share.size > 0.0 { weight * share.hits / share.size } else { 0.0 }
    };
    shares.iter().zip(weights).map(rate).sum()
}

/// Draws clients anew, with replacement, and takes the middle 95 % of what comes out.
pub fn bootstrap<T: Clone>(
    clients: &[T],
    rounds: usize,
    seed: u64,
    figure: impl Fn(&[T]) -> f64,
) -> Estimate {
    if clients.is_empty() {
        return Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    let mut random = Random::new(seed);
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let drawn: Vec<T> =
                (0..clients.len()).map(|_| clients[random.below(clients.len())].clone()).collect();
            figure(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures[((figures.len() - 1) as f64 * share).round() as usize];
    Estimate { value: figure(clients), low: at(0.025), high: at(0.975) }
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// χ²₀.₉₅(2x+2)/2: the mean at which a Poisson count is `x` or less once in twenty times.
pub fn poisson_upper(x: u64) -> f64 {
    let (mut low, mut high) = (0.0, x as f64 + 10.0 * (x as f64 + 1.0).sqrt() + 10.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if poisson_at_most(x, middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

fn poisson_at_most(x: u64, mean: f64) -> f64 {
    let mut log_term = -mean;
    let mut sum = log_term.exp();
    for count in 1..=x {
        log_term += (mean / count as f64).ln();
        sum += log_term.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_bounds_are_those_of_the_tables() {
        for (x, expect) in
            [(0, 2.9957), (1, 4.7439), (2, 6.2958), (5, 10.5130), (10, 16.9622), (100, 118.0791)]
        {
            assert!((poisson_upper(x) - expect).abs() < 2e-3, "{x}: {}", poisson_upper(x));
        }
    }

    #[test]
    fn no_client_weighs_more_than_a_tenth() {
        let sizes: Vec<f64> =
            [3000.0, 1800.0].into_iter().chain((0..25).map(|place| 60.0 + f64::from(place))).collect();
        let weights = capped_weights(&sizes);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(weights.iter().all(|weight| *weight <= WEIGHT_MAX + 1e-9), "{weights:?}");
        assert!((weights[0] - 0.1).abs() < 1e-9 && (weights[1] - 0.1).abs() < 1e-9);
        assert_eq!(capped_weights(&[1.0, 99.0]), vec![0.5, 0.5]);
    }

    #[test]
    fn a_pooled_rate_is_a_mean_of_clients() {
        let shares = [Share { hits: 1.0, size: 100.0 }, Share { hits: 0.0, size: 100.0 }];
        assert!((pooled(&shares) - 0.005).abs() < 1e-12);
        assert_eq!(pooled(&[]), 0.0);
    }

    #[test]
    fn the_bootstrap_covers_what_it_should() {
        // Of 40 clients of which each has a mean of its own: the interval holds the true mean in about 95 of 100 draws.
        let mut random = Random::new(7);
        let mut held = 0;
        for round in 0..200 {
            let clients: Vec<f64> = (0..40).map(|_| random.unit()).collect();
            let estimate = bootstrap(&clients, 300, round, mean);
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
            held += u32::from(estimate.low <= 0.5 && 0.5 <= estimate.high);
        }
        assert!((178..=199).contains(&held), "{held} of 200");
    }
}
