//! Keys that sign: the authorization server's own, and those of the command line's test clients.
//!
//! This is the one place of the core that uses randomness which doesn't come in as an argument:
//! aws-lc-rs draws its own for new keys and for each ECDSA signature, and lets nobody hand it in.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, Signature,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::base64url;
use crate::jwk::{Jwk, JwkError, VerifyingKey};
use crate::jws::Algorithm;

/// The longest PKCS#8 text that is read.
const PEM_BYTES_MAX: usize = 16 * 1024;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// A private key for ES256 or Ed25519. Prints `****`.
pub struct SigningKey {
    pair: Pair,
    public: Jwk,
    kid: String,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key as PKCS#8. Prints `****`; write it nowhere but to a file that only its owner reads.
#[derive(Clone, PartialEq, Eq)]
pub struct Pkcs8(Vec<u8>);

/// Why a private key can't be read, made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("not a PKCS#8 private key for P-256 or Ed25519, hint: `openssl genpkey -algorithm ed25519`")]
    NotPkcs8,
    #[error("not a PEM block `PRIVATE KEY`, hint: convert the key with `openssl pkcs8 -topk8 -nocrypt`")]
    NotPem,
    #[error("`{algorithm}` isn't used for signing here, hint: use `ES256` or `EdDSA`")]
    Algorithm { algorithm: Algorithm },
    #[error("the cryptographic library refused, hint: is the system out of memory or entropy?")]
    Library,
    #[error("the key's public half isn't usable: {0}")]
    Public(#[from] JwkError),
}

impl SigningKey {
    /// A new key, from the cryptographic library's own randomness.
    ///
    /// # Errors
    /// [`SigningError::Algorithm`] for RSA, [`SigningError::Library`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let pair = match algorithm {
            Algorithm::ES256 => Pair::P256(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .map_err(|_| SigningError::Library)?,
            ),
            Algorithm::EdDSA => Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| SigningError::Library)?),
            Algorithm::PS256 | Algorithm::RS256 => return Err(SigningError::Algorithm { algorithm }),
        };
        Self::of_pair(pair)
    }

    /// Reads an unencrypted PKCS#8 key.
    ///
    /// # Errors
    /// [`SigningError::NotPkcs8`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Self::of_pair(Pair::Ed25519(pair));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        Self::of_pair(Pair::P256(pair.map_err(|_| SigningError::NotPkcs8)?))
    }

    /// Reads a PEM block `PRIVATE KEY` (RFC 7468); text around it is ignored, a second one isn't read.
    ///
    /// # Errors
    /// [`SigningError::NotPem`], [`SigningError::NotPkcs8`].
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, SigningError> {
        if pem.len() > PEM_BYTES_MAX {
            return Err(SigningError::NotPem);
        }
        let (_, from_body) = pem.split_once(PEM_BEGIN).ok_or(SigningError::NotPem)?;
        let (body, _) = from_body.split_once(PEM_END).ok_or(SigningError::NotPem)?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_pkcs8_der(&STANDARD.decode(body).map_err(|_| SigningError::NotPem)?)
    }

    /// The key as PKCS#8, version 1, which every other program reads.
    ///
    /// # Errors
    /// [`SigningError::Library`].
    pub fn to_pkcs8(&self) -> Result<Pkcs8, SigningError> {
        let document = match &self.pair {
            Pair::P256(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Pair::Ed25519(pair) => {
                AsDer::<Pkcs8V1Der<'static>>::as_der(pair).map(|document| document.as_ref().to_vec())
            }
        };
        document.map(Pkcs8).map_err(|_| SigningError::Library)
    }

    /// The public half, with `kid` and `alg`.
    pub fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// The public half, ready for verifying.
    ///
    /// # Errors
    /// [`SigningError::Public`].
    pub fn verifying_key(&self) -> Result<VerifyingKey, SigningError> {
        Ok(VerifyingKey::new(&self.public)?)
    }

    /// The key's name in headers and key sets: its thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::P256(_) => Algorithm::ES256,
            Pair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// A compact JWS of `payload`. `alg` is put first into `header`, whatever was there.
    ///
    /// # Errors
    /// [`SigningError::Library`].
    pub fn sign(&self, header: &Map<String, Value>, payload: &[u8]) -> Result<String, SigningError> {
        let mut members = Map::from_iter([("alg".to_owned(), Value::from(self.algorithm().name()))]);
        members.extend(header.iter().filter(|(name, _)| *name != "alg").map(|(n, v)| (n.clone(), v.clone())));
        self.sign_text(&Value::Object(members).to_string(), payload)
    }

    /// The same with a header whose text the caller has made, its `alg` included.
    pub(crate) fn sign_text(&self, header: &str, payload: &[u8]) -> Result<String, SigningError> {
        const SIGNATURE_BYTES: usize = 64;
        let bytes = header.len() + payload.len() + SIGNATURE_BYTES;
        let mut token = String::with_capacity(bytes * 4 / 3 + 8);
        base64url::push(&mut token, header);
        token.push('.');
        base64url::push(&mut token, payload);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        base64url::push(&mut token, signature);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Signature, SigningError> {
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        };
        signature.map_err(|_| SigningError::Library)
    }

    fn of_pair(pair: Pair) -> Result<Self, SigningError> {
        let public = match &pair {
            Pair::P256(pair) => p256(pair.public_key().as_ref()),
            Pair::Ed25519(pair) => pair.public_key().as_ref().try_into().ok().map(Jwk::ed25519),
        };
        let public = public.ok_or(SigningError::NotPkcs8)?;
        let kid = public.thumbprint().to_string();
        Ok(Self { pair, public: public.with_kid(kid.clone()), kid })
    }
}

impl Pkcs8 {
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    pub fn to_pem(&self) -> String {
        const LINE_CHARACTERS: usize = 64;
        let body = STANDARD.encode(&self.0);
        let mut pem = format!("{PEM_BEGIN}\n");
        for (index, character) in body.chars().enumerate() {
            if index > 0 && index % LINE_CHARACTERS == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str(&format!("\n{PEM_END}\n"));
        pem
    }
}

/// The uncompressed point `4 ‖ x ‖ y`.
fn p256(point: &[u8]) -> Option<Jwk> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
    Some(Jwk::p256(x.try_into().ok()?, y.try_into().ok()?))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("private", &format_args!("****")).finish()
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(****)")
    }
}

#[cfg(test)]
mod tests;
