//! Counts in a byte or two: exact while small, then to a few percent.

/// A count in a byte: 4 bits of exponent, 4 of mantissa. Cut, never rounded up.
pub(crate) fn byte(count: u32) -> u8 {
    short_of(count, 4, 0xFF) as u8
}

pub(crate) fn from_byte(byte: u8) -> u32 {
    from_short_of(u32::from(byte), 4)
}

/// A count in two bytes: 5 bits of exponent, 11 of mantissa.
pub(crate) fn short(count: u32) -> u16 {
    short_of(count, 11, 0xFFFF) as u16
}

pub(crate) fn from_short(short: u16) -> u32 {
    from_short_of(u32::from(short), 11)
}

fn short_of(count: u32, bits: u32, most: u32) -> u32 {
    if count >> bits == 0 {
        return count;
    }
    let exponent = count.ilog2() - bits;
    let value = ((exponent + 1) << bits) | ((count >> exponent) & ((1 << bits) - 1));
    value.min(most)
}

fn from_short_of(value: u32, bits: u32) -> u32 {
    let (exponent, mantissa) = (value >> bits, value & ((1 << bits) - 1));
    if exponent == 0 {
        mantissa
    } else {
        ((1 << bits) | mantissa).checked_shl(exponent - 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_within_a_few_percent_and_never_larger() {
        for count in (0..5_000).chain([65_535, 100_000, 400_000]) {
            let back = from_byte(byte(count));
            assert!(back <= count && f64::from(count - back) <= f64::from(count) / 16.0, "{count} {back}");
        }
        for count in [0, 1, 2_047, 2_048, 1_000_003, 4_000_000_000] {
            let back = from_short(short(count));
            assert!(back <= count && f64::from(count - back) <= f64::from(count) / 1_000.0, "{count} {back}");
        }
        // What a byte can't hold is its greatest.
        assert_eq!(from_byte(byte(u32::MAX)), from_byte(255));
        for value in 0..=u8::MAX {
            assert_eq!(byte(from_byte(value)), value);
        }
    }
}
