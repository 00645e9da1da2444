//! The forms of a detached JWS, read strictly.
//!
//! Refused is whatever would bring a key of its own or change what is verified: `jku`, `x5u`, `jwk`, `zip`, `enc`,
//! a `crit` with anything but `b64`, and members that are there twice.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use portcullis_tokens::json::{self, shown};
use serde_json::{Map, Value};

use super::{Algorithm, JwsError, SIGNATURE_BYTES_MAX};
use crate::certificate::INTERMEDIATES_MAX;

/// A detached JWS, taken apart and not verified.
pub(super) struct Parsed {
    /// As it was encoded: it is signed.
    pub(super) protected: String,
    pub(super) header: Header,
    pub(super) signature: Vec<u8>,
}

pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// Whether the payload is signed as base64url (RFC 7797).
    pub(super) is_encoded: bool,
    /// `x5c`: the signer's certificate first.
    pub(super) chain: Vec<Vec<u8>>,
    /// `iat`, by the signer's own word.
    pub(super) issued_at: Option<Timestamp>,
}

pub(super) fn read(text: &[u8]) -> Result<Parsed, JwsError> {
    if text.len() > SIGNATURE_BYTES_MAX {
        return Err(JwsError::TooLong { bytes: text.len() });
    }
    // Files end with a line's end.
    let text = std::str::from_utf8(text).map_err(|_| JwsError::NotDetached)?.trim_ascii();
    let (protected, signature, kid) = if text.starts_with('{') { flattened(text)? } else { compact(text)? };
    let decoded = URL_SAFE_NO_PAD.decode(&protected);
    let decoded = decoded.map_err(|_| JwsError::Encoding { part: "protected header" })?;
    let members = json::object(&decoded)
        .map_err(|reason| JwsError::Json { part: "protected header", reason: reason.to_string() })?;
    let mut header = header(&members)?;
    match (&header.kid, kid) {
        (_, None) => {}
        (None, Some(kid)) => header.kid = Some(kid),
        (Some(_), Some(_)) => return Err(JwsError::HeaderRefused { name: "kid".to_owned() }),
    }
    let signature = URL_SAFE_NO_PAD.decode(&signature);
    let signature = signature.map_err(|_| JwsError::Encoding { part: "value" })?;
    Ok(Parsed { protected, header, signature })
}

fn compact(text: &str) -> Result<(String, String, Option<String>), JwsError> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(protected), Some(""), Some(signature), None) if !protected.is_empty() => {
            Ok((protected.to_owned(), signature.to_owned(), None))
        }
        (Some(_), Some(_), Some(_), None) => Err(JwsError::Payload),
        _ => Err(JwsError::NotDetached),
    }
}

fn flattened(text: &str) -> Result<(String, String, Option<String>), JwsError> {
    let members = json::object(text.as_bytes())
        .map_err(|reason| JwsError::Json { part: "JSON", reason: reason.to_string() })?;
    if members.contains_key("signatures") {
        return Err(JwsError::Many);
    }
    // Left out, or empty, as some libraries write it.
    if members.get("payload").is_some_and(|payload| payload != "") {
        return Err(JwsError::Payload);
    }
    let member =
        |name| members.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(JwsError::NotDetached);
    let kid = match members.get("header") {
        None => None,
        Some(Value::Object(unprotected)) => unprotected_kid(unprotected)?,
        Some(_) => return Err(JwsError::HeaderMalformed { name: "header", wanted: "an object" }),
    };
    Ok((member("protected")?, member("signature")?, kid))
}

/// Outside of what is signed, only the hint of which key it was may stand.
fn unprotected_kid(members: &Map<String, Value>) -> Result<Option<String>, JwsError> {
    if let Some(name) = members.keys().find(|name| *name != "kid") {
        return Err(JwsError::HeaderRefused { name: format!("{}` outside of `protected", shown(name)) });
    }
    text(members, "kid")
}

fn header(members: &Map<String, Value>) -> Result<Header, JwsError> {
    if let Some(name) =
        ["jku", "x5u", "jwk", "zip", "enc"].into_iter().find(|name| members.contains_key(*name))
    {
        return Err(JwsError::HeaderRefused { name: name.to_owned() });
    }
    let algorithm = match text(members, "alg")? {
        None => return Err(JwsError::AlgorithmMissing),
        Some(name) if name.eq_ignore_ascii_case("none") => return Err(JwsError::AlgorithmNone),
        Some(name) => {
            Algorithm::of_name(&name).ok_or_else(|| JwsError::Algorithm { algorithm: shown(&name) })?
        }
    };
    Ok(Header {
        algorithm,
        kid: text(members, "kid")?,
        is_encoded: is_encoded(members)?,
        chain: chain(members)?,
        issued_at: members
            .get("iat")
            .and_then(Value::as_i64)
            .and_then(|second| Timestamp::from_second(second).ok()),
    })
}

/// RFC 7797: `b64` counts only where `crit` names it, and must be named where it is used.
fn is_encoded(members: &Map<String, Value>) -> Result<bool, JwsError> {
    let named = match members.get("crit") {
        None => false,
        Some(Value::Array(names)) => match names.as_slice() {
            [Value::String(name)] if name == "b64" => true,
            [] => {
                return Err(JwsError::HeaderMalformed {
                    name: "crit",
                    wanted: "a list of names, not an empty one",
                });
            }
            names => {
                let other = names.iter().find(|name| *name != "b64").or(names.first());
                let other = other.map(|name| name.as_str().unwrap_or("?")).unwrap_or_default();
                return Err(JwsError::Critical { name: shown(other) });
            }
        },
        Some(_) => return Err(JwsError::HeaderMalformed { name: "crit", wanted: "a list of names" }),
    };
    match (members.get("b64"), named) {
        (None, false) => Ok(true),
        (Some(Value::Bool(is_encoded)), true) => Ok(*is_encoded),
        (Some(_), false) => Err(JwsError::HeaderMalformed { name: "b64", wanted: "named by `crit`" }),
        (_, true) => Err(JwsError::HeaderMalformed { name: "b64", wanted: "true or false" }),
    }
}

/// RFC 7515, section 4.1.6: standard base64, unlike everything else.
fn chain(members: &Map<String, Value>) -> Result<Vec<Vec<u8>>, JwsError> {
    let malformed = JwsError::HeaderMalformed {
        name: "x5c",
        wanted: "a list of one to 17 certificates in base64, the signer's first",
    };
    let certificates = match members.get("x5c") {
        None => return Ok(Vec::new()),
        Some(Value::Array(certificates)) if (1..=1 + INTERMEDIATES_MAX).contains(&certificates.len()) => {
            certificates
        }
        Some(_) => return Err(malformed),
    };
    let decoded = certificates.iter().map(|certificate| STANDARD.decode(certificate.as_str()?).ok());
    decoded.collect::<Option<Vec<_>>>().ok_or(malformed)
}

fn text(members: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JwsError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwsError::HeaderMalformed { name, wanted: "a string" }),
    }
}
