//! A public key made ready for verifying: the parsing is paid once.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};

use super::{Jwk, JwkError, Material};
use crate::jws::{Algorithm, SignatureError};
use crate::thumbprint::Thumbprint;

/// A public key that can verify. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    prepared: Prepared,
    thumbprint: Thumbprint,
    /// Set for an RSA key that is for one of its two algorithms only.
    only: Option<Algorithm>,
}

#[derive(Clone, Debug)]
enum Prepared {
    P256(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    Rsa { pss: ParsedPublicKey, pkcs1: ParsedPublicKey },
}

impl VerifyingKey {
    /// Prepares `key`. An Ed25519 point off its curve is found only when it verifies nothing.
    ///
    /// # Errors
    /// [`JwkError::PointNotOnCurve`], [`JwkError::PointOfSmallOrder`], [`JwkError::RsaWeak`].
    pub fn new(key: &Jwk) -> Result<Self, JwkError> {
        let prepared = match &key.material {
            Material::P256 { x, y } => Prepared::P256(p256(x, y)?),
            Material::Ed25519 { x } => Prepared::Ed25519(ed25519(x)?),
            Material::Rsa { modulus, exponent } => {
                let components = RsaPublicKeyComponents { n: modulus, e: exponent };
                let parsed =
                    |parameters| components.to_parsed_public_key(parameters).map_err(|_| JwkError::RsaWeak);
                Prepared::Rsa {
                    pss: parsed(&RSA_PSS_2048_8192_SHA256)?,
                    pkcs1: parsed(&RSA_PKCS1_2048_8192_SHA256)?,
                }
            }
        };
        Ok(Self { prepared, thumbprint: key.thumbprint(), only: key.algorithm() })
    }

    /// The thumbprint of the key (RFC 7638).
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whether signatures of this algorithm can be made with the key.
    pub fn accepts(&self, algorithm: Algorithm) -> bool {
        self.prepared_for(algorithm).is_some()
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`SignatureError`]: the algorithm isn't the key's, or the signature isn't good.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let Some(key) = self.prepared_for(algorithm) else {
            return Err(SignatureError::AlgorithmMismatch { algorithm });
        };
        key.verify_sig(message, signature).map_err(|_| SignatureError::Invalid)
    }

    fn prepared_for(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        if self.only.is_some_and(|only| only != algorithm) {
            return None;
        }
        match (&self.prepared, algorithm) {
            (Prepared::P256(key), Algorithm::ES256)
            | (Prepared::Ed25519(key), Algorithm::EdDSA)
            | (Prepared::Rsa { pss: key, .. }, Algorithm::PS256)
            | (Prepared::Rsa { pkcs1: key, .. }, Algorithm::RS256) => Some(key),
            _ => None,
        }
    }
}

fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<ParsedPublicKey, JwkError> {
    const UNCOMPRESSED: u8 = 4;
    let point = [&[UNCOMPRESSED][..], x, y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| JwkError::PointNotOnCurve)
}

fn ed25519(x: &[u8; 32]) -> Result<ParsedPublicKey, JwkError> {
    if has_small_order(x) {
        return Err(JwkError::PointOfSmallOrder);
    }
    if !is_canonical(x) {
        return Err(JwkError::PointNotOnCurve);
    }
    ParsedPublicKey::new(&ED25519, x).map_err(|_| JwkError::PointNotOnCurve)
}

/// The y coordinates of the eight points whose order divides 8; the sign bit doesn't matter.
/// Those of order 8 are as in libsodium's list.
fn has_small_order(x: &[u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let y = without_sign(x);
    let small = |low: u8, rest: u8, high: u8| {
        let [first, middle @ .., last] = &y;
        *first == low && middle.iter().all(|byte| *byte == rest) && *last == high
    };
    // y = 0 (order 4), y = 1 (the neutral point), y = p - 1 (order 2).
    small(0, 0, 0) || small(1, 0, 0) || small(0xec, 0xff, 0x7f) || ORDER_8.contains(&y)
}

/// y below p = 2^255 - 19 (RFC 8032, section 5.1.3).
fn is_canonical(x: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = without_sign(x);
    !(high == 0x7f && middle.iter().all(|byte| *byte == 0xff) && low >= 0xed)
}

fn without_sign(x: &[u8; 32]) -> [u8; 32] {
    let [rest @ .., high] = x;
    let mut y = [0; 32];
    y.iter_mut().zip(rest.iter().chain([&(high & 0x7f)])).for_each(|(to, from)| *to = *from);
    y
}
