//! Registered keys of auditors: a public JWK under a name.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tokens::json;
use portcullis_tokens::jwk::{Jwk, JwkError, KEY_BYTES_MAX, KID_BYTES_MAX, VerifyingKey};
use serde_json::{Map, Value};

use crate::jws::Algorithm;

/// An auditor's public key. P-256, P-384, Ed25519 and RSA of 2,048 to 4,096 bits.
#[derive(Clone, Debug)]
pub struct AuditorKey {
    /// Whose it is: the signer that is told.
    pub name: String,
    kid: Option<String>,
    /// RFC 7638, as base64url.
    thumbprint: String,
    /// It is in the ledger under that name, and not only in somebody's file.
    pub(crate) is_registered: bool,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Known(Box<VerifyingKey>),
    P384(Box<ParsedPublicKey>),
}

/// Why a text isn't an auditor's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Jwk(#[from] JwkError),
    #[error("`{member}` of the key is malformed, hint: it must be {wanted}")]
    Member { member: &'static str, wanted: &'static str },
}

impl AuditorKey {
    /// Reads one public key.
    ///
    /// # Errors
    /// [`KeyError`], for anything but a public signing key.
    pub fn parse(name: &str, text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(JwkError::TooLong { bytes: text.len(), bytes_max: KEY_BYTES_MAX }.into());
        }
        let members = json::object(text.as_bytes()).map_err(JwkError::Json)?;
        if members.get("crv").is_some_and(|curve| curve == "P-384") {
            return Self::p384(name, &members);
        }
        let jwk = Jwk::parse(text)?;
        let thumbprint = jwk.thumbprint().to_string();
        let kid = jwk.kid().map(str::to_owned);
        let material = Material::Known(Box::new(VerifyingKey::new(&jwk)?));
        Ok(Self { name: name.to_owned(), kid, thumbprint, is_registered: false, material })
    }

    /// The same key: what it signs is signed by the registered auditor of its name.
    #[must_use]
    pub fn registered(self) -> Self {
        Self { is_registered: true, ..self }
    }

    /// RFC 7638, as base64url.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The `kid` of the key, or its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        self.kid.as_deref().unwrap_or(&self.thumbprint)
    }

    pub(crate) fn is_called(&self, kid: &str) -> bool {
        self.kid() == kid || self.thumbprint == kid
    }

    pub(crate) fn accepts(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Known(key) => algorithm.of_tokens().is_some_and(|algorithm| key.accepts(algorithm)),
            Material::P384(_) => algorithm == Algorithm::ES384,
        }
    }

    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Known(key) => algorithm
                .of_tokens()
                .is_some_and(|algorithm| key.verify(algorithm, message, signature).is_ok()),
            Material::P384(key) => {
                algorithm == Algorithm::ES384 && key.verify_sig(message, signature).is_ok()
            }
        }
    }

    /// As strict as the other kinds, which core/tokens reads.
    fn p384(name: &str, members: &Map<String, Value>) -> Result<Self, KeyError> {
        if members.contains_key("d") {
            return Err(JwkError::PrivateKey { member: "d" }.into());
        }
        let is = |member: &str, wanted: &str| members.get(member).is_none_or(|value| value == wanted);
        if members.get("kty").is_none_or(|kty| kty != "EC") {
            return Err(KeyError::Member { member: "kty", wanted: "`EC` with `P-384`" });
        }
        if !is("use", "sig") {
            return Err(KeyError::Member { member: "use", wanted: "`sig`" });
        }
        if !is("alg", "ES384") {
            return Err(KeyError::Member { member: "alg", wanted: "`ES384` with `P-384`" });
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => {}
            Some(_) => return Err(JwkError::KeyOperations.into()),
        }
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => Some(kid.clone()),
            Some(_) => {
                return Err(KeyError::Member { member: "kid", wanted: "a string of 1 to 256 bytes" });
            }
        };
        let (x, y) = (coordinate(members, "x")?, coordinate(members, "y")?);
        let encoded = [&x, &y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let [encoded_x, encoded_y] = &encoded;
        let canonical = format!(r#"{{"crv":"P-384","kty":"EC","x":"{encoded_x}","y":"{encoded_y}"}}"#);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        let point = [&[4][..], &x, &y].concat();
        let parsed =
            ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).map_err(|_| JwkError::PointNotOnCurve)?;
        Ok(Self {
            name: name.to_owned(),
            kid,
            thumbprint: URL_SAFE_NO_PAD.encode(hash),
            is_registered: false,
            material: Material::P384(Box::new(parsed)),
        })
    }
}

fn coordinate(members: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    let wanted = "48 bytes, which are 64 characters of base64url without padding";
    let text = members.get(member).and_then(Value::as_str).filter(|text| text.len() == 64);
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyError::Member { member, wanted })
}
