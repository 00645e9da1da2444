//! Sketches against the exact numbers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

use portcullis_metrics::sketch::{BUCKETS, LOWEST_US, RELATIVE_ERROR, Sketch};
use proptest::prelude::*;

fn sketch(values: &[u64]) -> Sketch {
    let mut sketch = Sketch::default();
    values.iter().for_each(|value| sketch.add(*value));
    sketch
}

/// Latencies of all orders of magnitude that a sketch tells apart.
fn latencies() -> impl Strategy<Value = Vec<u64>> {
    let wide = (3.0..23.0_f64).prop_map(|exponent| exponent.exp() as u64);
    let narrow = (1_000..1_100_u64).boxed();
    prop::collection::vec(prop_oneof![wide.boxed(), narrow], 1..400)
}

fn assert_close(found: f64, exact: u64) {
    let error = (found - exact as f64).abs();
    // Rounding of floats beside the promise.
    assert!(
        error <= exact as f64 * RELATIVE_ERROR * 1.000_001 || error <= LOWEST_US as f64,
        "{found} {exact}"
    );
}

proptest! {
    #[test]
    fn a_quantile_is_within_one_percent(mut values in latencies(), quantile in 0.0..=1.0_f64) {
        let sketch = sketch(&values);
        values.sort_unstable();
        let rank = (quantile * (values.len() - 1) as f64) as usize;
        assert_close(sketch.quantile(quantile).unwrap(), values[rank]);
        prop_assert_eq!(sketch.total(), values.len() as u64);
    }

    #[test]
    fn parts_add_up_to_the_whole(parts in prop::collection::vec(latencies(), 1..8)) {
        let whole = sketch(&parts.concat());
        let (mut merged, mut unpacked) = (Sketch::default(), Sketch::default());
        for part in &parts {
            merged.merge(&sketch(part));
            unpacked.merge_packed(&sketch(part).pack());
        }
        for quantile in [0.0, 0.5, 0.9, 0.99, 1.0] {
            prop_assert_eq!(merged.quantile(quantile), whole.quantile(quantile));
            prop_assert_eq!(unpacked.quantile(quantile), whole.quantile(quantile));
        }
        prop_assert_eq!(unpacked.total(), whole.total());
    }

    #[test]
    fn what_is_slow_is_counted(values in latencies(), limit in 100..1_000_000_u64) {
        let found = sketch(&values).above(limit);
        let far = |factor: f64| values.iter().filter(|value| **value as f64 > limit as f64 * factor).count() as u64;
        prop_assert!(far(1.0 + 2.1 * RELATIVE_ERROR) <= found && found <= far(1.0 - 1e-9), "{found}");
    }
}

#[test]
fn nothing_is_told_of_nothing() {
    assert_eq!(Sketch::default().quantile(0.5), None);
    assert_eq!(Sketch::default().pack().bytes(), 0);
}

#[test]
fn any_number_has_a_place_and_memory_is_bounded() {
    let mut sketch = Sketch::default();
    for shift in 0..64 {
        sketch.add(1 << shift);
        sketch.add(u64::MAX >> shift);
    }
    assert_eq!(sketch.total(), 128);
    assert!(sketch.pack().bytes() <= BUCKETS * 3, "{}", sketch.pack().bytes());
    assert!(sketch.quantile(1.0).unwrap() > 3.0 * 3.6e9);
    assert_eq!(sketch.quantile(0.0), Some(LOWEST_US as f64));
}
