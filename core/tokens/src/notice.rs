//! A vendor's signed notice of its own breach: a JWT signed by a registered key of one of its clients, which proves itself
//! wherever it is carried.

use serde_json::{Map, Value};

use crate::assertion::RegisteredKey;
use crate::claims::{ClaimError, Mismatch};
use crate::jws::JwsError;
use crate::signing::{SigningError, SigningKey};
pub use crate::statement::Expected as ExpectedNotice;
use crate::statement::{self, Fault, Kind, Parties, Signed};
use crate::thumbprint::Thumbprint;

pub const TYPE: &str = "portcullis-notice+jwt";
/// The longest notice that is read.
pub const NOTICE_BYTES_MAX: usize = 24 * 1024;
/// How far `exp` may lie after `iat`: it may travel by mail. When it came counts, not when it was made.
pub const LIFETIME_SECONDS_MAX: i64 = 7 * 86_400;

const KIND: Kind = Kind {
    typ: TYPE,
    bytes_max: NOTICE_BYTES_MAX,
    lifetime_seconds_max: LIFETIME_SECONDS_MAX,
    fresh_seconds: None,
};

/// A notice whose signature was good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedNotice {
    /// The registered key that signed.
    pub key: Thumbprint,
    pub issued_at: i64,
    /// What it says.
    pub said: Map<String, Value>,
}

/// Why a notice isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    #[error("the notice: {0}")]
    Jws(#[from] JwsError),
    #[error("`typ` of the notice is `{found}`, hint: set `{TYPE}`")]
    Type { found: String },
    #[error("the notice carries a key, hint: leave `jwk` out, only registered keys count")]
    EmbeddedKey,
    #[error("the notice: {0}")]
    Claim(#[from] ClaimError),
    #[error("`{}` of the notice is `{}`, hint: set it to `{}`", .0.name, .0.found, .0.expected)]
    Mismatch(#[from] Mismatch),
    #[error("the notice expired {seconds} s ago, hint: sign a new one, and set the clock")]
    Expired { seconds: i64 },
    #[error("`exp` of the notice is {seconds} s after `iat`, hint: at most {LIFETIME_SECONDS_MAX}")]
    LivesTooLong { seconds: i64 },
    #[error("`iat` of the notice is {seconds} s in the future, hint: set the clock")]
    IssuedInFuture { seconds: i64 },
    /// No registered key has signed it. Told to nobody in more detail, or it would say which clients exist.
    #[error("no registered key of the client has signed the notice, hint: sign with a registered key")]
    Signature,
}

impl From<Fault> for NoticeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Jws(error) => Self::Jws(error),
            Fault::Type { found } => Self::Type { found },
            Fault::EmbeddedKey => Self::EmbeddedKey,
            Fault::Claim(error) => Self::Claim(error),
            Fault::Mismatch(error) => Self::Mismatch(error),
            // It may come as late as it is good: no age is too old by itself.
            Fault::Expired { seconds } | Fault::Old { seconds } => Self::Expired { seconds },
            Fault::LivesTooLong { seconds } => Self::LivesTooLong { seconds },
            Fault::IssuedInFuture { seconds } => Self::IssuedInFuture { seconds },
            Fault::Signature => Self::Signature,
        }
    }
}

/// A notice that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub struct SignedNotice<'a>(Signed<'a>);

impl<'a> SignedNotice<'a> {
    /// Takes a notice apart, so that its client can be looked up. Time and memory are bounded.
    ///
    /// # Errors
    /// [`NoticeError`]: not a JWS of this type.
    pub fn parse(text: &'a str) -> Result<Self, NoticeError> {
        Ok(Self(Signed::parse(text, &KIND)?))
    }

    /// `sub`, to find the client by.
    ///
    /// # Errors
    /// [`NoticeError::Claim`], or not strict JSON.
    pub fn subject(&self) -> Result<String, NoticeError> {
        Ok(self.0.subject()?)
    }

    /// Checks that it is the client's word, for us, still good, signed by a key in `keys`; and reads it.
    ///
    /// # Errors
    /// [`NoticeError`]: parties and times first, then the signature.
    pub fn verify(
        &self,
        keys: &[RegisteredKey],
        expected: &ExpectedNotice<'_>,
    ) -> Result<VerifiedNotice, NoticeError> {
        let verified = self.0.verify(keys, expected, &KIND)?;
        Ok(VerifiedNotice { key: verified.key, issued_at: verified.issued_at, said: verified.said })
    }
}

/// A new notice.
#[derive(Clone, Debug)]
pub struct NewNotice<'a> {
    pub client_id: &'a str,
    pub audience: &'a str,
    /// `jti`: another one for each notice.
    pub token_id: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    pub expires_at: i64,
    /// What it says; registered claims in it are overwritten.
    pub said: &'a Map<String, Value>,
}

/// A notice signed by `key`.
///
/// # Errors
/// [`SigningError::Library`].
pub fn create(key: &SigningKey, new: &NewNotice<'_>) -> Result<String, SigningError> {
    let &NewNotice { client_id, audience, token_id, issued_at, expires_at, said } = new;
    let mut claims = said.clone();
    claims.extend(Parties { client_id, audience, token_id, issued_at, expires_at }.claims());
    statement::sign(key, TYPE, claims)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jws::Algorithm;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://gate.example";

    fn signed(key: &SigningKey, change: impl FnOnce(&mut NewNotice<'_>)) -> String {
        let said = json!({ "reference": "NG-7", "what": "x", "sub": "nobody" });
        let mut new = NewNotice {
            client_id: "batch",
            audience: ISSUER,
            token_id: "one",
            issued_at: NOW,
            expires_at: NOW + 3_600,
            said: said.as_object().unwrap(),
        };
        change(&mut new);
        create(key, &new).unwrap()
    }

    fn verified(text: &str, key: &SigningKey) -> Result<VerifiedNotice, NoticeError> {
        let thumbprint = key.public_jwk().thumbprint();
        let keys = [RegisteredKey { key: key.verifying_key().unwrap(), kid: None, thumbprint }];
        let expected = ExpectedNotice { client_id: "batch", audience: ISSUER, now: NOW, leeway_seconds: 5 };
        SignedNotice::parse(text)?.verify(&keys, &expected)
    }

    #[test]
    fn what_was_signed_is_read_back() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
            let key = SigningKey::generate(algorithm).unwrap();
            let text = signed(&key, |_| ());
            assert_eq!(SignedNotice::parse(&text).unwrap().subject().unwrap(), "batch");
            let notice = verified(&text, &key).unwrap();
            assert_eq!(notice.key, key.public_jwk().thumbprint());
            assert_eq!(Value::Object(notice.said), json!({ "reference": "NG-7", "what": "x" }));
        }
    }

    #[test]
    fn what_is_forged_foreign_or_old_is_refused() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let other = SigningKey::generate(Algorithm::ES256).unwrap();
        let check = |text: &str, expect: &str| {
            let error = verified(text, &key).unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains("hint: "), "{error}");
        };
        check(&signed(&other, |_| ()), "no registered key");
        check(&signed(&key, |new| new.client_id = "robot"), "`iss` of the notice is `robot`");
        check(&signed(&key, |new| new.audience = "https://other.example"), "`aud`");
        check(&signed(&key, |new| new.expires_at = NOW), "expired");
        check(&signed(&key, |new| new.issued_at = NOW + 6), "future");
        check(&signed(&key, |new| new.expires_at = NOW + LIFETIME_SECONDS_MAX + 1), "after `iat`");
        let good = signed(&key, |_| ());
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (_, others) = signed(&key, |new| new.token_id = "two")
            .rsplit_once('.')
            .map(|(h, s)| (h.to_owned(), s.to_owned()))
            .unwrap();
        assert_ne!(signature, others);
        check(&format!("{head}.{others}"), "no registered key");
        check("a.b", "not a compact JWS");
        check(&"x".repeat(NOTICE_BYTES_MAX + 1), "bytes");
        let posture = Map::from_iter([("typ".to_owned(), Value::from("portcullis-posture+jwt"))]);
        check(&key.sign(&posture, b"{}").unwrap(), "`typ` of the notice");
    }
}
