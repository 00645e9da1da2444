//! Hashes without a key: what they spread is hashed by the gate already, or its own.

/// The finisher of SplitMix64.
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

pub(crate) fn pair(a: u64, b: u64) -> u64 {
    mix(mix(a) ^ b)
}

/// Never 0, which means that a place is free.
pub(crate) fn fold32(x: u64) -> u32 {
    ((x >> 32) as u32 ^ x as u32).max(1)
}

/// Never 0.
pub(crate) fn fold16(x: u32) -> u16 {
    ((x >> 16) as u16 ^ x as u16).max(1)
}
