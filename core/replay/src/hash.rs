//! Hashes that are the same on every machine: what was seen is told apart by them, and nothing is kept secret.

/// FNV-1a, then mixed so that every bit counts.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mixed(hash)
}

/// As short as the arithmetic takes it.
pub(crate) fn short(bytes: &[u8]) -> u32 {
    (of(bytes) >> 32) as u32
}

/// The finalizer of splitmix64.
pub(crate) fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
