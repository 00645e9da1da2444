//! Signatures by the key of a certificate.

use aws_lc_rs::digest::{self, Context};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA512_ASN1,
    ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPssSaltLength, VerificationAlgorithm,
};
use x509_parser::x509::SubjectPublicKeyInfo;

/// Digests that are accepted. SHA-1 isn't: two documents of one digest can be bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = Context::new(self.algorithm());
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scheme {
    RsaPkcs1(Hash),
    /// With a salt of so many bytes.
    RsaPss(Hash, u16),
    /// r and s in a SEQUENCE.
    Ecdsa(Hash),
    /// ES256 and ES384 of JOSE: r then s, each as long as the curve.
    EcdsaFixed(Hash),
    Ed25519,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Rsa,
    /// A key that may serve nothing but PSS (RFC 4055).
    RsaPss,
    P256,
    P384,
    P521,
    Ed25519,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mismatch {
    /// The key can't make such signatures.
    Key,
    Signature,
}

pub(crate) fn verify(
    key: &SubjectPublicKeyInfo<'_>,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Mismatch> {
    let kind = kind(key).ok_or(Mismatch::Key)?;
    let public = key.subject_public_key.data.as_ref();
    let verified = match (kind, scheme) {
        (Kind::Rsa | Kind::RsaPss, Scheme::RsaPss(hash, salt)) => pss(hash)
            .with_pss_salt_length(RsaPssSaltLength::Custom(salt))
            .verify_sig(public, message, signature),
        _ => algorithm(kind, scheme).ok_or(Mismatch::Key)?.verify_sig(public, message, signature),
    };
    verified.map_err(|_| Mismatch::Signature)
}

fn kind(key: &SubjectPublicKeyInfo<'_>) -> Option<Kind> {
    let algorithm = key.algorithm.algorithm.to_id_string();
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok().map(|curve| curve.to_id_string());
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" => Some(Kind::Rsa),
        "1.2.840.113549.1.1.10" => Some(Kind::RsaPss),
        "1.3.101.112" => Some(Kind::Ed25519),
        "1.2.840.10045.2.1" => match curve()?.as_str() {
            "1.2.840.10045.3.1.7" => Some(Kind::P256),
            "1.3.132.0.34" => Some(Kind::P384),
            "1.3.132.0.35" => Some(Kind::P521),
            _ => None,
        },
        _ => None,
    }
}

fn pss(hash: Hash) -> RsaParameters {
    match hash {
        Hash::Sha256 => RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => RSA_PSS_2048_8192_SHA512,
    }
}

fn algorithm(kind: Kind, scheme: Scheme) -> Option<&'static dyn VerificationAlgorithm> {
    use Hash::{Sha256, Sha384, Sha512};
    Some(match (kind, scheme) {
        (Kind::Rsa, Scheme::RsaPkcs1(Sha256)) => &RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa, Scheme::RsaPkcs1(Sha384)) => &RSA_PKCS1_2048_8192_SHA384,
        (Kind::Rsa, Scheme::RsaPkcs1(Sha512)) => &RSA_PKCS1_2048_8192_SHA512,
        (Kind::P256, Scheme::Ecdsa(Sha256)) => &ECDSA_P256_SHA256_ASN1,
        (Kind::P256, Scheme::Ecdsa(Sha384)) => &ECDSA_P256_SHA384_ASN1,
        (Kind::P256, Scheme::Ecdsa(Sha512)) => &ECDSA_P256_SHA512_ASN1,
        (Kind::P384, Scheme::Ecdsa(Sha256)) => &ECDSA_P384_SHA256_ASN1,
        (Kind::P384, Scheme::Ecdsa(Sha384)) => &ECDSA_P384_SHA384_ASN1,
        (Kind::P384, Scheme::Ecdsa(Sha512)) => &ECDSA_P384_SHA512_ASN1,
        (Kind::P521, Scheme::Ecdsa(Sha256)) => &ECDSA_P521_SHA256_ASN1,
        (Kind::P521, Scheme::Ecdsa(Sha384)) => &ECDSA_P521_SHA384_ASN1,
        (Kind::P521, Scheme::Ecdsa(Sha512)) => &ECDSA_P521_SHA512_ASN1,
        (Kind::P256, Scheme::EcdsaFixed(Sha256)) => &ECDSA_P256_SHA256_FIXED,
        (Kind::P384, Scheme::EcdsaFixed(Sha384)) => &ECDSA_P384_SHA384_FIXED,
        (Kind::Ed25519, Scheme::Ed25519) => &ED25519,
        _ => return None,
    })
}
