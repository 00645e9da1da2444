//! A machine's word about itself: a JWT signed by the client's registered key, fresh when it comes.

use std::collections::BTreeMap;

use portcullis_domain::posture::{KeyStorage, Program, Statement};
use portcullis_domain::spec::posture::{NAMED_MAX, is_digest, is_fact_name, is_software_name};
use serde_json::{Map, Value};

use crate::assertion::RegisteredKey;
use crate::claims::{ClaimError, Mismatch};
use crate::json::shown;
use crate::jws::JwsError;
use crate::signing::{SigningError, SigningKey};
pub use crate::statement::Expected as ExpectedPosture;
use crate::statement::{self, Fault, Kind, Parties, Signed};
use crate::thumbprint::Thumbprint;

pub const TYPE: &str = "portcullis-posture+jwt";
/// The longest statement that is read: in a form, with its name, it fits in 64 KiB.
pub const STATEMENT_BYTES_MAX: usize = 63 * 1024;
/// How far `exp` may lie after `iat`.
pub const LIFETIME_SECONDS_MAX: i64 = 86_400;
/// How old a statement may be when it comes; its `jti` has to be remembered for as long.
pub const FRESH_SECONDS: i64 = 300;
/// The longest version, and the longest word on where a key is kept.
const WORD_BYTES_MAX: usize = 256;

const KIND: Kind = Kind {
    typ: TYPE,
    bytes_max: STATEMENT_BYTES_MAX,
    lifetime_seconds_max: LIFETIME_SECONDS_MAX,
    fresh_seconds: Some(FRESH_SECONDS),
};

/// A statement whose signature was good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedPosture {
    /// The registered key that signed.
    pub key: Thumbprint,
    /// `jti`: to be taken once, and remembered until [`FRESH_SECONDS`] after `issued_at`.
    pub token_id: String,
    pub issued_at: i64,
    pub expires_at: i64,
    pub statement: Statement,
}

/// Why a statement isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostureError {
    #[error("the statement: {0}")]
    Jws(#[from] JwsError),
    #[error("`typ` of the statement is `{found}`, hint: set `{TYPE}`")]
    Type { found: String },
    #[error("the statement carries a key, hint: leave `jwk` out, only registered keys count")]
    EmbeddedKey,
    #[error("the statement: {0}")]
    Claim(#[from] ClaimError),
    #[error("`{}` of the statement is `{}`, hint: set it to `{}`", .0.name, .0.found, .0.expected)]
    Mismatch(#[from] Mismatch),
    #[error("the statement expired {seconds} s ago, hint: make one when it is sent, and set the clock")]
    Expired { seconds: i64 },
    #[error(
        "the statement is {seconds} s old, hint: send it within {FRESH_SECONDS} s of `iat`, and set the clock"
    )]
    Old { seconds: i64 },
    #[error("`exp` of the statement is {seconds} s after `iat`, hint: at most {LIFETIME_SECONDS_MAX}")]
    LivesTooLong { seconds: i64 },
    #[error("`iat` of the statement is {seconds} s in the future, hint: set the clock")]
    IssuedInFuture { seconds: i64 },
    #[error("`{place}` of the statement is malformed, hint: it must be {wanted}")]
    Fact { place: String, wanted: &'static str },
    /// No registered key has signed it. Told to nobody in more detail, or it would say which clients exist.
    #[error("no registered key of the client has signed the statement, hint: sign with a registered key")]
    Signature,
}

impl From<Fault> for PostureError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Jws(error) => Self::Jws(error),
            Fault::Type { found } => Self::Type { found },
            Fault::EmbeddedKey => Self::EmbeddedKey,
            Fault::Claim(error) => Self::Claim(error),
            Fault::Mismatch(error) => Self::Mismatch(error),
            Fault::Expired { seconds } => Self::Expired { seconds },
            Fault::Old { seconds } => Self::Old { seconds },
            Fault::LivesTooLong { seconds } => Self::LivesTooLong { seconds },
            Fault::IssuedInFuture { seconds } => Self::IssuedInFuture { seconds },
            Fault::Signature => Self::Signature,
        }
    }
}

/// A statement that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub struct SignedPosture<'a>(Signed<'a>);

impl<'a> SignedPosture<'a> {
    /// Takes a statement apart, so that its client can be looked up. Time and memory are bounded.
    ///
    /// # Errors
    /// [`PostureError`]: not a JWS of this type.
    pub fn parse(text: &'a str) -> Result<Self, PostureError> {
        Ok(Self(Signed::parse(text, &KIND)?))
    }

    /// `sub`, to find the client by.
    ///
    /// # Errors
    /// [`PostureError::Claim`], or not strict JSON.
    pub fn subject(&self) -> Result<String, PostureError> {
        Ok(self.0.subject()?)
    }

    /// Checks that it is the client's word, for us, of now, signed by a key in `keys`; and reads it.
    ///
    /// # Errors
    /// [`PostureError`]: parties and times first, then the signature, and only then what it says.
    pub fn verify(
        &self,
        keys: &[RegisteredKey],
        expected: &ExpectedPosture<'_>,
    ) -> Result<VerifiedPosture, PostureError> {
        let verified = self.0.verify(keys, expected, &KIND)?;
        Ok(VerifiedPosture {
            statement: read(&verified.said)?,
            key: verified.key,
            token_id: verified.token_id,
            issued_at: verified.issued_at,
            expires_at: verified.expires_at,
        })
    }
}

/// What claims say of a machine: `software`, `hardening`, `patched_days` and `key`, each of which may be missing.
///
/// # Errors
/// [`PostureError::Fact`] with the place of what has another shape.
pub fn read(claims: &Map<String, Value>) -> Result<Statement, PostureError> {
    Ok(Statement {
        software: software(claims.get("software"))?,
        hardening: hardening(claims.get("hardening"))?,
        patched_days: patched_days(claims.get("patched_days"))?,
        key: key(claims.get("key"))?,
    })
}

fn malformed(place: impl Into<String>, wanted: &'static str) -> PostureError {
    PostureError::Fact { place: place.into(), wanted }
}

fn software(claim: Option<&Value>) -> Result<Vec<Program>, PostureError> {
    let list = match claim {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= NAMED_MAX => list,
        Some(_) => return Err(malformed("software", "a list of at most 128 programs")),
    };
    let program = |(place, value): (usize, &Value)| {
        let place = format!("software/{place}");
        let Value::Object(members) = value else {
            return Err(malformed(
                place,
                "an object with `name`, and `version` and `sha256` if they are known",
            ));
        };
        let name = members.get("name").and_then(Value::as_str).filter(|name| is_software_name(name));
        let name = name.ok_or_else(|| malformed(format!("{place}/name"), "1 to 128 visible characters"))?;
        let digest = word(members, "sha256", &place)?;
        if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return Err(malformed(format!("{place}/sha256"), "64 lower-case hex digits"));
        }
        Ok(Program { name: name.to_owned(), version: word(members, "version", &place)?, sha256: digest })
    };
    list.iter().enumerate().map(program).collect()
}

fn hardening(claim: Option<&Value>) -> Result<BTreeMap<String, Option<bool>>, PostureError> {
    let members = match claim {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(members)) if members.len() <= NAMED_MAX => members,
        Some(_) => return Err(malformed("hardening", "an object of at most 128 facts")),
    };
    let fact = |(name, value): (&String, &Value)| {
        if !is_fact_name(name) {
            return Err(malformed(format!("hardening/{}", shown(name)), "named in `lower_snake`"));
        }
        let known = match value {
            Value::Bool(known) => Some(*known),
            Value::String(unknown) if unknown == "unknown" => None,
            _ => return Err(malformed(format!("hardening/{name}"), "`true`, `false` or `\"unknown\"`")),
        };
        Ok((name.clone(), known))
    };
    members.iter().map(fact).collect()
}

fn patched_days(claim: Option<&Value>) -> Result<Option<u32>, PostureError> {
    match claim {
        None => Ok(None),
        Some(Value::String(unknown)) if unknown == "unknown" => Ok(None),
        Some(value) => {
            let days = value.as_u64().and_then(|days| u32::try_from(days).ok());
            days.map(Some)
                .ok_or_else(|| malformed("patched_days", "a whole number of days, or `\"unknown\"`"))
        }
    }
}

fn key(claim: Option<&Value>) -> Result<Option<KeyStorage>, PostureError> {
    let wanted = "an object with `exportable`, and `how` if it is known";
    let members = match claim {
        None => return Ok(None),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(malformed("key", wanted)),
    };
    let exportable = members.get("exportable").and_then(Value::as_bool);
    let exportable = exportable.ok_or_else(|| malformed("key/exportable", "`true` or `false`"))?;
    Ok(Some(KeyStorage { exportable, how: word(members, "how", "key")? }))
}

fn word(members: &Map<String, Value>, name: &str, place: &str) -> Result<Option<String>, PostureError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=WORD_BYTES_MAX).contains(&text.len()) => Ok(Some(text.clone())),
        Some(_) => Err(malformed(format!("{place}/{name}"), "a text that is neither empty nor long")),
    }
}

/// What a new statement says.
#[derive(Clone, Debug)]
pub struct NewPosture<'a> {
    pub client_id: &'a str,
    pub audience: &'a str,
    /// `jti`: another one for each statement.
    pub token_id: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    pub expires_at: i64,
    pub statement: &'a Statement,
}

/// A statement signed by `key`.
///
/// # Errors
/// [`SigningError::Library`].
pub fn create(key: &SigningKey, new: &NewPosture<'_>) -> Result<String, SigningError> {
    statement::sign(key, TYPE, claims_of(new))
}

/// The claims of a new statement, as they are signed.
#[must_use]
pub fn claims_of(new: &NewPosture<'_>) -> Map<String, Value> {
    let &NewPosture { client_id, audience, token_id, issued_at, expires_at, statement } = new;
    let Statement { software, hardening, patched_days, key } = statement;
    let programs = software.iter().map(|program| {
        let known = [("version", &program.version), ("sha256", &program.sha256)];
        let known =
            known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
        Value::Object(known.chain([("name".to_owned(), Value::from(program.name.as_str()))]).collect())
    });
    let unknown = || Value::from("unknown");
    let facts = hardening.iter().map(|(name, known)| (name.clone(), known.map_or_else(unknown, Value::from)));
    let parties = Parties { client_id, audience, token_id, issued_at, expires_at };
    let mut claims = Map::from_iter(parties.claims());
    claims.extend([
        ("software".to_owned(), programs.collect()),
        ("hardening".to_owned(), Value::Object(facts.collect())),
        ("patched_days".to_owned(), patched_days.map_or_else(unknown, Value::from)),
    ]);
    if let Some(KeyStorage { exportable, how }) = key {
        let mut storage = Map::from_iter([("exportable".to_owned(), Value::from(*exportable))]);
        storage.extend(how.as_ref().map(|how| ("how".to_owned(), Value::from(how.as_str()))));
        claims.insert("key".to_owned(), Value::Object(storage));
    }
    claims
}

#[cfg(test)]
mod tests;
