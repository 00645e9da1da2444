//! Which RSA keys are taken.

use super::JwkError;

const BITS_MIN: usize = 2_048;
const BITS_MAX: usize = 4_096;
/// NIST SP 800-56B, section 6.2: odd, and above 2^16. Larger ones than 32 bits only cost time.
const EXPONENT_MIN: u64 = 65_537;
const EXPONENT_MAX: u64 = u32::MAX as u64;

/// Checks what can be told from the lengths and the low bits. Both are without leading zeros.
pub(super) fn check_sizes(modulus: &[u8], exponent: &[u8]) -> Result<(), JwkError> {
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(unused);
    if !(BITS_MIN..=BITS_MAX).contains(&bits) {
        return Err(JwkError::RsaSize { bits });
    }
    let value = exponent.iter().try_fold(0_u64, |value, byte| {
        Some(value.checked_mul(256)? + u64::from(*byte)).filter(|value| *value <= EXPONENT_MAX)
    });
    match value {
        Some(value) if value >= EXPONENT_MIN && value % 2 == 1 => Ok(()),
        _ => Err(JwkError::RsaExponent),
    }
}

/// Even, divisible by a small prime, or made by the library of CVE-2017-15361 (ROCA).
///
/// That library's moduli are powers of 65537 modulo each small prime, which a random modulus is for
/// all of these primes with a chance of 2^-27 (Nemec et al., "The Return of Coppersmith's Attack").
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    if modulus.last().is_none_or(|low| low.is_multiple_of(2)) {
        return true;
    }
    let residues = PRIMES.map(|prime| (remainder(modulus, prime), prime));
    residues.iter().any(|(residue, _)| *residue == 0)
        || residues.iter().all(|(residue, prime)| is_power_of_65537(*residue, *prime))
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * (65_537 % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_exponents() {
        let modulus = |bytes: usize, first: u8| {
            let mut modulus = vec![0xff; bytes];
            modulus[0] = first;
            modulus
        };
        let check = |modulus: Vec<u8>, exponent: &[u8], expect: Result<(), JwkError>| {
            assert_eq!(check_sizes(&modulus, exponent), expect, "{} {exponent:?}", modulus.len());
        };
        check(modulus(256, 0x80), &[1, 0, 1], Ok(()));
        check(modulus(512, 0xff), &[1, 0, 1], Ok(()));
        check(modulus(256, 0x7f), &[1, 0, 1], Err(JwkError::RsaSize { bits: 2_047 }));
        check(modulus(513, 0x01), &[1, 0, 1], Err(JwkError::RsaSize { bits: 4_097 }));
        check(modulus(128, 0xff), &[1, 0, 1], Err(JwkError::RsaSize { bits: 1_024 }));
        check(modulus(256, 0x80), &[255, 255, 255, 255], Ok(()));
        for exponent in [&[1][..], &[3], &[1, 0, 0], &[1, 0, 2], &[1, 0, 0, 0, 1], &[255; 20]] {
            check(modulus(256, 0x80), exponent, Err(JwkError::RsaExponent));
        }
    }

    #[test]
    fn small_factors_are_found() {
        assert!(is_weak(&[]));
        assert!(is_weak(&[0xff, 0xfe]));
        assert!(is_weak(&501_u16.to_be_bytes()), "three times 167");
        assert!(is_weak(&65_537_u32.to_be_bytes()), "a power of 65537 itself");
        assert!(!is_weak(&[1, 0, 3]), "65539 is prime and not a power of 65537 everywhere");
    }
}
