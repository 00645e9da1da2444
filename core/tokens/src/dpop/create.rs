//! Making proofs: for the command line, the demo and tests.

use serde_json::{Map, Value};

use super::{TYPE, token_hash_of};
use crate::signing::{SigningError, SigningKey};

/// What a new proof says.
#[derive(Clone, Debug)]
pub struct NewProof<'a> {
    pub method: &'a str,
    /// Without query and fragment.
    pub url: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    /// `jti`: another one for each proof.
    pub token_id: &'a str,
    pub access_token: Option<&'a str>,
    pub nonce: Option<&'a str>,
}

/// A proof signed by `key`, which carries its public half.
///
/// # Errors
/// [`SigningError::Library`].
pub fn create(key: &SigningKey, proof: &NewProof<'_>) -> Result<String, SigningError> {
    let header = Map::from_iter([
        ("typ".to_owned(), Value::from(TYPE)),
        ("jwk".to_owned(), Value::Object(key.public_jwk().bare())),
    ]);
    let mut claims = Map::from_iter([
        ("jti".to_owned(), Value::from(proof.token_id)),
        ("htm".to_owned(), Value::from(proof.method)),
        ("htu".to_owned(), Value::from(proof.url)),
        ("iat".to_owned(), Value::from(proof.issued_at)),
    ]);
    if let Some(access_token) = proof.access_token {
        claims.insert("ath".to_owned(), Value::from(token_hash_of(access_token)));
    }
    if let Some(nonce) = proof.nonce {
        claims.insert("nonce".to_owned(), Value::from(nonce));
    }
    key.sign(&header, Value::Object(claims).to_string().as_bytes())
}
