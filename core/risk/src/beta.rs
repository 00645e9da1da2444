//! The incomplete beta function: tails of binomials and negative binomials.

use crate::ln::ln;

/// I_x(a, b), by Lentz's continued fraction.
pub(crate) fn incomplete(a: f64, b: f64, x: f64) -> f64 {
    incomplete_of(a, b, scale(a, b), x)
}

/// ln of 1 / B(a, b): the same for every x.
fn scale(a: f64, b: f64) -> f64 {
    libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
}

fn incomplete_of(a: f64, b: f64, scale: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = scale + a * ln(x) + b * ln(1.0 - x);
    if x < (a + 1.0) / (a + b + 2.0) {
        libm::exp(front - ln(a)) * fraction(a, b, x)
    } else {
        1.0 - libm::exp(front - ln(b)) * fraction(b, a, 1.0 - x)
    }
}

/// Clopper and Pearson's upper bound of a rate at `level`, after `seen` of `all`; too high by `precision` at most, as a
/// part of itself, and never too low.
pub(crate) fn upper_bound(seen: u32, all: u32, level: f64, precision: f64) -> f64 {
    if seen >= all {
        return 1.0;
    }
    let (a, b) = (f64::from(seen) + 1.0, f64::from(all - seen));
    let scale = scale(a, b);
    let below = |x: f64| incomplete_of(a, b, scale, x) < 1.0 - level;
    let (mut low, mut high) = (f64::from(seen) / f64::from(all), 1.0);
    // The bound lies within a few standard deviations: look there first.
    let near = low + 8.0 * libm::sqrt((low + 4.0 / f64::from(all)) / f64::from(all));
    if near < 1.0 && !below(near) {
        high = near;
    }
    while high - low > precision * high {
        let middle = low + (high - low) / 2.0;
        if below(middle) { low = middle } else { high = middle }
    }
    high
}

/// P(K ≥ c) of a negative binomial with this mean and size.
pub(crate) fn negative_binomial_tail(c: u32, mean: f64, size: f64) -> f64 {
    if c == 0 { 1.0 } else { incomplete(f64::from(c), size, mean / (mean + size)) }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value < TINY && value > -TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut result = d;
    for step in 1..=300_u32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let change = d * c;
        result *= change;
        if change > 1.0 - 1e-12 && change < 1.0 + 1e-12 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, expect: f64) {
        assert!((value - expect).abs() < 1e-6 * expect.abs().max(1e-3), "{value} {expect}");
    }

    #[test]
    fn known_values() {
        check(incomplete(2.0, 3.0, 0.5), 0.6875);
        check(incomplete(0.5, 0.5, 0.25), 1.0 / 3.0);
        check(incomplete(10.0, 1.0, 0.9), 0.9_f64.powi(10));
        // Geometric: P(K ≥ c) = (m / (m + 1))^c.
        check(negative_binomial_tail(5, 3.0, 1.0), 0.75_f64.powi(5));
        check(upper_bound(0, 300, 0.05, 1e-7), 1.0 - 0.05_f64.powf(1.0 / 300.0));
    }

    /// The numbers of the specification: 0 of 300, 1 of 474, 2 of 629 are the first that stay within 1 %.
    #[test]
    fn bounds_of_one_percent() {
        for (seen, all) in [(0, 299), (1, 473), (2, 628)] {
            assert!(upper_bound(seen, all - 1, 0.05, 1e-7) > 0.01, "{seen} of {}", all - 1);
            assert!(upper_bound(seen, all + 1, 0.05, 1e-7) <= 0.01, "{seen} of {}", all + 1);
        }
    }
}
