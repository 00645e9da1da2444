//! Key sets that others publish (RFC 7517, section 5) and SPIFFE bundles: what can be used of them,
//! and by name what was left out.
//!
//! A client registers its own few keys, and one that is bad refuses them all ([`crate::jwk::JwkSet`]).
//! An issuer publishes for everybody: keys for encryption, curves that nobody here speaks, keys of
//! next year. What can't be used is left out, and said.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::json::{self, NotStrictJson, shown};
use crate::jwk::{Jwk, JwkError};

/// The longest text of a set or a bundle that is read.
pub const PUBLISHED_BYTES_MAX: usize = 512 * 1024;
/// The most keys in it, of all kinds.
pub const PUBLISHED_KEYS_MAX: usize = 64;
/// The longest DER of a root certificate.
const ROOT_BYTES_MAX: usize = 16 * 1024;

/// Why nothing of a published set can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    #[error("it has more than {PUBLISHED_BYTES_MAX} bytes\nhint: publish the keys that are in use")]
    TooLong,
    #[error("it isn't a JSON object that can be read in one way only: {0}")]
    Json(NotStrictJson),
    #[error("it has no list `keys`\nhint: publish a JSON Web Key Set (RFC 7517)")]
    NoKeys,
    #[error(
        "it has {keys} keys, and at most {PUBLISHED_KEYS_MAX} are read\nhint: publish those that are in use"
    )]
    TooMany { keys: usize },
    #[error("`kid` `{kid}` is there twice\nhint: give each key its own")]
    DuplicateKid { kid: String },
    #[error("none of its {keys} keys can be used{}", .left_out.first().map(|first| format!(": {first}")).unwrap_or_default())]
    NothingUsable { keys: usize, left_out: Vec<String> },
}

/// What can be used of a published set.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Published {
    /// Signature keys, each with a `kid` of its own.
    pub keys: Vec<Jwk>,
    /// DER of root certificates, of bundles only.
    pub roots: Vec<Vec<u8>>,
    /// What was left out, and why: at most a line for each key.
    pub left_out: Vec<String>,
}

/// What a set is published as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A JSON Web Key Set of an authorization server.
    KeySet,
    /// A SPIFFE bundle ("The SPIFFE Trust Domain and Bundle", section 4).
    Bundle,
}

/// Reads a published set.
///
/// # Errors
/// [`PublishedError`], also where nothing is left: an issuer without keys is a fault, and must not
/// take those away that were known.
pub fn read(text: &[u8], form: Form) -> Result<Published, PublishedError> {
    if text.len() > PUBLISHED_BYTES_MAX {
        return Err(PublishedError::TooLong);
    }
    let members = json::object(text).map_err(PublishedError::Json)?;
    let Some(Value::Array(keys)) = members.get("keys") else { return Err(PublishedError::NoKeys) };
    if keys.len() > PUBLISHED_KEYS_MAX {
        return Err(PublishedError::TooMany { keys: keys.len() });
    }
    let mut published = Published::default();
    let mut kids = HashSet::new();
    for (place, key) in keys.iter().enumerate() {
        match take(key, form) {
            Ok(Taken::Key(key)) => {
                let kid = key.kid().unwrap_or_default().to_owned();
                if !kids.insert(kid.clone()) {
                    return Err(PublishedError::DuplicateKid { kid: shown(&kid) });
                }
                published.keys.push(*key);
            }
            Ok(Taken::Root(root)) => published.roots.push(root),
            Err(why) => published.left_out.push(format!("key {}{}: {why}", place + 1, named(key))),
        }
    }
    if published.keys.is_empty() && published.roots.is_empty() {
        let left_out = published.left_out;
        return Err(PublishedError::NothingUsable { keys: keys.len(), left_out });
    }
    Ok(published)
}

enum Taken {
    Key(Box<Jwk>),
    Root(Vec<u8>),
}

fn take(key: &Value, form: Form) -> Result<Taken, String> {
    let members = key.as_object().ok_or("it isn't an object")?;
    let purpose = members.get("use").map(|purpose| purpose.as_str().unwrap_or("no text"));
    match (form, purpose) {
        (Form::KeySet, _) => signature_key(members).map(Taken::Key),
        (Form::Bundle, Some("jwt-svid")) => {
            // The purpose is SPIFFE's own: all else must hold as for any other key.
            let mut members = members.clone();
            members.remove("use");
            signature_key(&members).map(Taken::Key)
        }
        (Form::Bundle, Some("x509-svid")) => root(members).map(Taken::Root),
        (Form::Bundle, other) => Err(format!(
            "its `use` is `{}`, and neither `x509-svid` nor `jwt-svid`",
            shown(other.unwrap_or(""))
        )),
    }
}

fn signature_key(members: &Map<String, Value>) -> Result<Box<Jwk>, String> {
    let read = || {
        let key = Jwk::of_members(members)?;
        key.prove_usable()?;
        Ok(key)
    };
    // The hints are for those who register a key; this one is somebody else's.
    let said = |error: JwkError| error.to_string().split(", hint: ").next().unwrap_or_default().to_owned();
    let key = read().map_err(said)?;
    if key.kid().is_none() {
        return Err("it has no `kid`, and no token could name it".to_owned());
    }
    Ok(Box::new(key))
}

/// The one certificate of `x5c`; whether it is a good one, is for others to say.
fn root(members: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let Some(Value::Array(chain)) = members.get("x5c") else {
        return Err("it has no list `x5c`".to_owned());
    };
    let [Value::String(text)] = chain.as_slice() else {
        return Err(format!("its `x5c` has {} members, and must have one", chain.len()));
    };
    if text.len() > ROOT_BYTES_MAX {
        return Err(format!("its certificate has more than {ROOT_BYTES_MAX} bytes"));
    }
    STANDARD.decode(text).map_err(|_| "its certificate isn't base64".to_owned())
}

/// The `kid` in brackets, if there is one that can be shown.
fn named(key: &Value) -> String {
    let kid = key.get("kid").and_then(Value::as_str);
    kid.map(|kid| format!(" (`{}`)", shown(kid))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jws::Algorithm;
    use crate::signing::SigningKey;

    fn key(kid: &str) -> Value {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    }

    fn set(keys: &[Value]) -> Vec<u8> {
        json!({ "keys": keys }).to_string().into_bytes()
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    #[test]
    fn what_can_be_used_is_taken_and_the_rest_is_named() {
        let secret = json!({ "kty": "oct", "k": "AAAA", "kid": "s" });
        let encryption = with(key("enc"), "use", json!("enc"));
        let private = with(key("p"), "d", json!("AAAA"));
        let curve = with(key("c"), "crv", json!("P-384"));
        let nameless = {
            let mut key = key("x");
            key.as_object_mut().unwrap().remove("kid");
            key
        };
        let other = with(key("a"), "alg", json!("ES384"));
        let keys = [key("good"), secret, encryption, private, curve, nameless, other, json!(7)];
        let published = read(&set(&keys), Form::KeySet).unwrap();
        assert_eq!(published.keys.len(), 1);
        assert_eq!(published.keys[0].kid(), Some("good"));
        for (line, expect) in published.left_out.iter().zip([
            "key 2 (`s`): shared secrets",
            "key 3 (`enc`): `use` is `enc`",
            "key 4 (`p`): this is a private key",
            "key 5 (`c`): `crv` `P-384` isn't accepted",
            "key 6: it has no `kid`",
            "key 7 (`a`): `alg` `ES384` doesn't fit",
            "key 8: it isn't an object",
        ]) {
            assert!(line.starts_with(expect), "{line}");
        }
        assert_eq!(published.left_out.len(), 7);
    }

    #[test]
    fn what_can_be_read_in_two_ways_or_is_too_much_is_refused_whole() {
        let check = |text: Vec<u8>, expect: &str| {
            let error = read(&text, Form::KeySet).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(set(&[key("a"), key("a")]), "`a` is there twice");
        check(set(&vec![json!({}); 65]), "65 keys");
        check(set(&[]), "none of its 0 keys");
        check(set(&[json!({ "kty": "oct", "k": "AA" })]), "none of its 1 keys can be used: key 1: shared");
        check(b"{\"keys\":[],\"keys\":[]}".to_vec(), "there twice");
        check(b"{\"keys\":{}}".to_vec(), "no list `keys`");
        check(b"<html>".to_vec(), "JSON object");
        check(vec![b' '; PUBLISHED_BYTES_MAX + 1], "more than 524288 bytes");
    }

    #[test]
    fn a_bundle_has_keys_and_roots_by_their_use() {
        let jwt = with(key("j"), "use", json!("jwt-svid"));
        let x509 = with(key("x"), "use", json!("x509-svid"));
        let rooted = with(x509.clone(), "x5c", json!([STANDARD.encode(b"der")]));
        let two = with(x509.clone(), "x5c", json!(["AA==", "AA=="]));
        let plain = key("plain");
        let published = read(&set(&[jwt, rooted, x509, two, plain]), Form::Bundle).unwrap();
        assert_eq!((published.keys.len(), published.roots), (1, vec![b"der".to_vec()]));
        assert_eq!(published.left_out.len(), 3, "{:?}", published.left_out);
    }
}
