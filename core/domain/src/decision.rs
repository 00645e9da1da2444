//! What the gate decided about an exchange, and how the exchange ended.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ClientId, IntegrationId, RouteId, VendorId};
use crate::reason::Reason;

/// The public name of one decision: 48 bits of milliseconds since the Unix epoch, then 80 bits
/// that the gate makes unique, written like a ULID (26 characters of Crockford's base 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(pub [u8; 16]);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl DecisionId {
    /// `unique` must differ between the decisions of one millisecond.
    #[must_use]
    pub fn new(time_ms: u64, unique: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let (head, tail) = bytes.split_at_mut(6);
        head.copy_from_slice(time_ms.to_be_bytes().get(2..).unwrap_or(&[0; 6]));
        tail.copy_from_slice(&unique);
        Self(bytes)
    }

    #[must_use]
    pub fn time_ms(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 80) as u64
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let mut text = [0_u8; 26];
        for (place, letter) in text.iter_mut().enumerate() {
            let five = (number >> (125 - 5 * place)) & 31;
            *letter = ALPHABET.get(five as usize).copied().unwrap_or(b'0');
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a decision id\nhint: it has 26 letters and digits, as in the Portcullis-Decision header"
)]
pub struct DecisionIdError(String);

impl FromStr for DecisionId {
    type Err = DecisionIdError;

    fn from_str(text: &str) -> Result<Self, DecisionIdError> {
        let refused = || DecisionIdError(text.chars().take(40).collect());
        if text.len() != 26 || text.as_bytes().first().is_none_or(|first| *first > b'7') {
            return Err(refused());
        }
        let mut number = 0_u128;
        for letter in text.bytes() {
            let five = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase());
            number = number << 5 | five.ok_or_else(refused)? as u128;
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DecisionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DecisionId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" })
    }
}

/// What was decided, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Challenge,
    Deny,
    Sever,
}

impl Verdict {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
            Self::Sever => "sever",
        }
    }
}

/// Written before a deny is answered, and before the first byte of an allow goes upstream.
///
/// No query string, no header, no body: a route's template says what was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    pub id: DecisionId,
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub verdict: Verdict,
    pub reason: Reason,
    /// Name of the gate.
    pub gate: String,
    /// Ledger size that the snapshot was compiled from.
    pub snapshot: u64,
    pub vendor: Option<VendorId>,
    pub integration: Option<IntegrationId>,
    pub client: Option<ClientId>,
    pub route: Option<RouteId>,
    pub method: String,
    /// The route's template; empty when no route was found.
    pub path: String,
    /// Key × JA4 context key × network.
    pub session: Option<String>,
    /// Thumbprint of the client's registered key or certificate.
    pub client_key: Option<String>,
    /// `dpop`, `certificate`, or both joined by `+`.
    pub binding: Option<String>,
    pub peer: String,
    pub ja4: Option<String>,
    pub ja4_context: Option<String>,
    /// `http/1.1` or `h2`.
    pub protocol: String,
    pub scope: Vec<String>,
}

/// How an exchange that was allowed came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Request and response went through to their ends.
    Complete,
    /// The gate ended the response, for the outcome's reason.
    Cut,
    /// The client went away.
    ClientGone,
    /// The upstream failed.
    UpstreamFailed,
}

/// Written at the end of an exchange, under the id of its decision.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRecord {
    pub id: DecisionId,
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub ending: Ending,
    pub reason: Reason,
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: u64,
    pub duration_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_keeps_its_time() {
        let id = DecisionId::new(1_795_000_000_123, [0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(id.to_string().parse::<DecisionId>().unwrap(), id);
        assert_eq!(id.to_string().to_lowercase().parse::<DecisionId>().unwrap(), id);
        assert_eq!(id.time_ms(), 1_795_000_000_123);
        for wrong in ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000U", "00"] {
            assert!(wrong.parse::<DecisionId>().is_err(), "{wrong}");
        }
    }
}
