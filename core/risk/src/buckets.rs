//! Amounts in buckets of powers of two, and the hour of the week.

pub(crate) const SIZES: usize = 20;
pub(crate) const STATUSES: usize = 10;
pub(crate) const RECORDS: usize = 24;
pub(crate) const GAPS: usize = 32;
pub(crate) const HOURS: usize = 168;
/// Where there is nothing to count.
pub(crate) const NONE: u8 = u8::MAX;

/// Bytes, or bytes of a record: 0, 1, 2–3, 4–7 …
pub(crate) fn size(bytes: u64) -> u8 {
    power(bytes, SIZES)
}

pub(crate) fn records(records: u64) -> u8 {
    power(records, RECORDS)
}

/// Below a millisecond, then by powers of two up to 12 days.
pub(crate) fn gap(us: i64) -> u8 {
    power(us.max(0).unsigned_abs() >> 10, GAPS)
}

/// The largest amount of a bucket of sizes or records.
pub(crate) fn top(bucket: u8) -> u32 {
    if bucket == 0 { 0 } else { 1_u32.checked_shl(u32::from(bucket)).map_or(u32::MAX, |next| next - 1) }
}

pub(crate) fn status(status: u16) -> u8 {
    match status {
        0..=199 => 0,
        200 => 1,
        201..=299 => 2,
        300..=399 => 3,
        400 => 4,
        401 | 403 => 5,
        404 | 410 => 6,
        429 => 7,
        402..=499 => 8,
        _ => 9,
    }
}

/// Hour of the week in UTC, from Monday's first.
pub(crate) fn hour(at_us: i64) -> u8 {
    // The epoch was a Thursday.
    ((at_us.div_euclid(3_600_000_000) + 3 * 24).rem_euclid(168)) as u8
}

/// Days since the epoch.
pub(crate) fn day(at_us: i64) -> u32 {
    at_us.div_euclid(86_400_000_000).clamp(0, i64::from(u32::MAX)) as u32
}

/// From Monday, 0.
pub(crate) fn weekday(day: u32) -> usize {
    ((u64::from(day) + 3) % 7) as usize
}

fn power(amount: u64, buckets: usize) -> u8 {
    let bucket = u64::BITS - amount.leading_zeros();
    bucket.min(buckets as u32 - 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_fall_into_powers_of_two() {
        for (bytes, bucket) in
            [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1_023, 10), (1_024, 11), (u64::MAX, 19)]
        {
            assert_eq!(size(bytes), bucket, "{bytes}");
        }
        assert_eq!((top(0), top(1), top(2), top(10), top(40)), (0, 1, 3, 1_023, u32::MAX));
        // 1970-01-05 was a Monday.
        assert_eq!((hour(4 * 86_400_000_000), weekday(4), hour(0), weekday(0)), (0, 0, 72, 3));
    }
}
