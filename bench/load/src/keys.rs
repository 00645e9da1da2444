//! Keys of machines: they sign assertions and proofs.

use anyhow::{Result, anyhow};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Algorithm {
    Eddsa,
    Es256,
}

/// A private key.
pub enum Key {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let refused = |_| anyhow!("no key could be made");
        Ok(match algorithm {
            Algorithm::Eddsa => Self::Ed25519(Ed25519KeyPair::generate().map_err(refused)?),
            Algorithm::Es256 => {
                Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(refused)?)
            }
        })
    }

    /// Reads PKCS#8.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self::Ed25519(pair));
        }
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(Self::P256)
            .map_err(|_| anyhow!("not a PKCS#8 key for Ed25519 or P-256"))
    }

    /// Another handle on the same key, for another thread.
    pub fn again(&self) -> Result<Self> {
        match self {
            Self::Ed25519(pair) => {
                let der =
                    AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| anyhow!("the key can't be written"))?;
                Self::from_der(der.as_ref())
            }
            Self::P256(pair) => {
                Self::from_der(pair.to_pkcs8v1().map_err(|_| anyhow!("the key can't be written"))?.as_ref())
            }
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        match self {
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65]) })
            }
        }
    }

    /// A compact JWS of `header` (with its `alg`) and `payload`.
    pub fn jws(&self, header: &Value, payload: &[u8]) -> Result<String> {
        let mut text = encode(header.to_string().as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut text);
        self.sign(&mut text)?;
        Ok(text)
    }

    /// Adds the signature to `HEADER.PAYLOAD`.
    pub fn sign(&self, text: &mut String) -> Result<()> {
        let signature = match self {
            Self::Ed25519(pair) => pair.try_sign(text.as_bytes()),
            Self::P256(pair) => pair.sign(&SystemRandom::new(), text.as_bytes()),
        };
        let signature = signature.map_err(|_| anyhow!("no signature could be made"))?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), text);
        Ok(())
    }
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// 128 random bits.
pub fn unique() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has entropy");
    encode(&bytes)
}

/// Seconds since the Unix epoch.
pub fn now_seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
