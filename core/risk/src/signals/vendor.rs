//! What the vendor's own assessment says.

use crate::constants::{VENDOR_MAX, VENDOR_UNKNOWN};
use crate::grade::Grade;
use crate::input::{Before, Known};
use crate::score::Score;
use crate::signal::Signal;

pub(super) fn prior(before: &Before, score: &mut Score<'_>) {
    match before.vendor {
        Known::Is(points) => {
            let grade = Grade::of(points).map_or(0, Grade::number);
            score.fixed(Signal::VendorPrior, points.milli().clamp(0, VENDOR_MAX) as i32, grade, 0)
        }
        Known::NoData(why) => score.unknown(Signal::VendorPrior, VENDOR_UNKNOWN, why),
    }
}
