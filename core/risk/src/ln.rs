//! The one logarithm, and what is built on it. Pure Rust: the same bits on any machine.

use crate::constants::MILLI_PER_NAT;

/// Natural logarithm; of what isn't positive, that of the smallest number.
pub(crate) fn ln(x: f64) -> f64 {
    libm::log(if x > f64::MIN_POSITIVE { x } else { f64::MIN_POSITIVE })
}

/// Nats as thousandths of a point, rounded half away from zero.
pub(crate) fn milli(nats: f64) -> i32 {
    let milli = nats * MILLI_PER_NAT;
    // Casts saturate and cut: the same on any machine.
    if milli < 0.0 { (milli - 0.5) as i32 } else { (milli + 0.5) as i32 }
}

/// A share as parts per million.
pub(crate) fn ppm(share: f64) -> u32 {
    (share * 1_000_000.0 + 0.5) as u32
}
