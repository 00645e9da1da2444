//! A set of public keys (RFC 7517, section 5).

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use super::{Jwk, JwkError, within};
use crate::json::{self, shown};

/// The longest text of a set that is read.
pub const SET_BYTES_MAX: usize = 64 * 1024;
/// The most keys in a set.
pub const SET_KEYS_MAX: usize = 16;

/// One to sixteen public keys, no two with the same `kid`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

impl JwkSet {
    /// The set of these keys.
    ///
    /// # Errors
    /// [`JwkError::SetSize`] and [`JwkError::DuplicateKid`].
    pub fn new(keys: Vec<Jwk>) -> Result<Self, JwkError> {
        check_size(keys.len())?;
        let mut kids = HashSet::new();
        for kid in keys.iter().filter_map(Jwk::kid) {
            if !kids.insert(kid) {
                return Err(JwkError::DuplicateKid { kid: shown(kid) });
            }
        }
        Ok(Self { keys })
    }

    /// Reads a set. One bad key refuses the whole: which of the others was meant, nobody knows.
    ///
    /// # Errors
    /// [`JwkError`]; what a single key fails with is inside [`JwkError::InSet`].
    pub fn parse(text: &str) -> Result<Self, JwkError> {
        within(text, SET_BYTES_MAX)?;
        let members = json::object(text.as_bytes()).map_err(JwkError::Json)?;
        let keys = match members.get("keys") {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(JwkError::MemberMalformed { name: "keys", wanted: "an array of keys" }),
            None => return Err(JwkError::MemberMissing { name: "keys" }),
        };
        check_size(keys.len())?;
        let keys = keys.iter().enumerate().map(|(index, key)| {
            read(key).map_err(|e| JwkError::InSet { position: index + 1, source: Box::new(e) })
        });
        Self::new(keys.collect::<Result<_, _>>()?)
    }

    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}

fn check_size(keys: usize) -> Result<(), JwkError> {
    if !(1..=SET_KEYS_MAX).contains(&keys) {
        return Err(JwkError::SetSize { keys, keys_max: SET_KEYS_MAX });
    }
    Ok(())
}

fn read(key: &Value) -> Result<Jwk, JwkError> {
    let wanted = "an array of objects";
    let members = key.as_object().ok_or(JwkError::MemberMalformed { name: "keys", wanted })?;
    let key = Jwk::of_members(members)?;
    key.prove_usable()?;
    Ok(key)
}
