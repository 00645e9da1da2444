//! What the gate decided about an exchange, and how the exchange ended.
//!
//! In JSON ids and times are texts. In the decision log, where every byte counts, a record is its
//! fields one after the other (postcard): ids as bytes, times as nanoseconds since the Unix epoch.
//! Such a payload can't be read by a record with other fields: whoever changes one raises
//! [`PAYLOAD_VERSION`], and keeps the old form for reading. Version 2 is version 1 with what the assessment of risk
//! came to behind it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use portcullis_risk::{OutcomeRisk, RiskDraft, RiskRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ClientId, IntegrationId, RouteId, VendorId};
use crate::reason::Reason;

/// The public name of one decision: 48 bits of milliseconds since the Unix epoch, then 80 bits
/// that the gate makes unique, written like a ULID (26 characters of Crockford's base 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DecisionId(pub [u8; 16]);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a letter, small or capital, stands for: 32 for none. Archives are read by the million.
const VALUES: [u8; 256] = {
    let mut values = [32; 256];
    let mut five = 0;
    while five < 32 {
        #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
        {
            let letter = ALPHABET[five];
            values[letter as usize] = five as u8;
            values[letter.to_ascii_lowercase() as usize] = five as u8;
        }
        five += 1;
    }
    values
};

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
        f.write_str(DecisionText::of(*self).as_str())
    }
}

/// A decision id as it is written.
#[derive(Clone, Copy, Debug)]
pub struct DecisionText([u8; 26]);

impl DecisionText {
    #[must_use]
    pub fn of(id: DecisionId) -> Self {
        let number = u128::from_be_bytes(id.0);
        // Two words of 64 bits: shifting one of 128 for each letter takes several times as long.
        let mut high = (number >> 65) as u64;
        let mut low = number as u64 & (u64::MAX >> 4);
        let middle = ((number >> 60) & 31) as usize;
        let mut text = [b'0'; 26];
        let letter = |five: usize| ALPHABET.get(five & 31).copied().unwrap_or(b'0');
        for (place, to) in text.iter_mut().enumerate().rev() {
            match place {
                14.. => {
                    *to = letter(low as usize);
                    low >>= 5;
                }
                13 => *to = letter(middle),
                _ => {
                    *to = letter(high as usize);
                    high >>= 5;
                }
            }
        }
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
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
            let five = VALUES.get(usize::from(letter)).filter(|five| **five < 32).ok_or_else(refused)?;
            number = number << 5 | u128::from(*five);
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
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

/// What was decided. Compared, the worse is greater; as they stand here is how payloads number them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Challenge,
    Deny,
    Sever,
    /// It passes with a tenth of the budget.
    Limit,
}

impl Verdict {
    /// The worst last.
    pub const ALL: [Self; 5] = [Self::Allow, Self::Limit, Self::Challenge, Self::Deny, Self::Sever];

    /// Whether the request goes upstream.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Limit)
    }

    /// Its place among [`Self::ALL`].
    #[must_use]
    pub fn rank(self) -> usize {
        match self {
            Self::Allow => 0,
            Self::Limit => 1,
            Self::Challenge => 2,
            Self::Deny => 3,
            Self::Sever => 4,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Limit => "limit",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
            Self::Sever => "sever",
        }
    }
}

impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Written before a deny is answered, and before the first byte of an allow goes upstream.
///
/// No query string, no header, no body: a route's template says what was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    pub id: DecisionId,
    #[serde(with = "instant")]
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
    /// None where nothing was scored, and in payloads of version 1. In JSON it is told apart, in words.
    #[serde(skip)]
    pub risk: Option<RiskRecord>,
}

/// A [`DecisionRecord`] as it is written: the same fields, lent by whoever knows them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DecisionDraft<'a> {
    pub id: DecisionId,
    #[serde(with = "instant")]
    pub time: Timestamp,
    pub verdict: Verdict,
    pub reason: Reason,
    pub gate: &'a str,
    pub snapshot: u64,
    pub vendor: Option<VendorId>,
    pub integration: Option<IntegrationId>,
    pub client: Option<ClientId>,
    pub route: Option<RouteId>,
    pub method: &'a str,
    pub path: &'a str,
    pub session: Option<&'a str>,
    pub client_key: Option<&'a str>,
    pub binding: Option<&'a str>,
    pub peer: &'a str,
    pub ja4: Option<&'a str>,
    pub ja4_context: Option<&'a str>,
    pub protocol: &'a str,
    pub scope: &'a [String],
    #[serde(skip)]
    pub risk: Option<RiskDraft<'a>>,
}

/// The first fields of a [`DecisionRecord`], read from its payload without copying anything: all that
/// counting needs.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct DecisionGlance<'a> {
    pub id: DecisionId,
    #[serde(with = "instant")]
    pub time: Timestamp,
    pub verdict: Verdict,
    pub reason: Reason,
    pub gate: &'a str,
    pub snapshot: u64,
    pub vendor: Option<VendorId>,
    pub integration: Option<IntegrationId>,
    pub client: Option<ClientId>,
    pub route: Option<RouteId>,
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
    #[serde(with = "instant")]
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub ending: Ending,
    pub reason: Reason,
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: u64,
    pub duration_us: u64,
    /// As [`DecisionRecord::risk`].
    #[serde(skip)]
    pub risk: Option<OutcomeRisk>,
}

/// Kind of a decision's frame in the decision log.
pub const DECISION_KIND: u8 = 1;
/// Kind of an outcome's frame in the decision log.
pub const OUTCOME_KIND: u8 = 2;
/// Version of the payloads that this code writes.
pub const PAYLOAD_VERSION: u8 = 2;
/// The last version without risk.
const WITHOUT_RISK: u8 = 1;

/// Whether this code reads payloads of `version`.
#[must_use]
pub fn is_payload_version(version: u8) -> bool {
    (WITHOUT_RISK..=PAYLOAD_VERSION).contains(&version)
}

/// A payload of the decision log that is none of its version.
#[derive(Debug, thiserror::Error)]
#[error("the {record} can't be {done} as a payload of the decision log")]
pub struct PayloadError {
    record: &'static str,
    done: &'static str,
    #[source]
    source: postcard::Error,
}

impl DecisionDraft<'_> {
    /// Writes the payload of a frame of [`DECISION_KIND`] behind what is in `to`.
    ///
    /// # Errors
    /// None that is known: every field has a form.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), PayloadError> {
        append("decision", self, to)?;
        append("decision", &self.risk, to)
    }
}

impl<'a> DecisionGlance<'a> {
    /// Reads as much of a payload of any version as it needs; what stands behind isn't looked at.
    ///
    /// # Errors
    /// The bytes don't begin like the payload of a decision.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let refused = |source| PayloadError { record: "decision", done: "read", source };
        postcard::take_from_bytes(bytes).map(|(glance, _)| glance).map_err(refused)
    }
}

impl DecisionRecord {
    /// The record as it is written.
    #[must_use]
    pub fn draft(&self) -> DecisionDraft<'_> {
        DecisionDraft {
            id: self.id,
            time: self.time,
            verdict: self.verdict,
            reason: self.reason,
            gate: &self.gate,
            snapshot: self.snapshot,
            vendor: self.vendor,
            integration: self.integration,
            client: self.client,
            route: self.route,
            method: &self.method,
            path: &self.path,
            session: self.session.as_deref(),
            client_key: self.client_key.as_deref(),
            binding: self.binding.as_deref(),
            peer: &self.peer,
            ja4: self.ja4.as_deref(),
            ja4_context: self.ja4_context.as_deref(),
            protocol: &self.protocol,
            scope: &self.scope,
            risk: self.risk.as_ref().map(RiskRecord::draft),
        }
    }

    /// The payload of a frame of [`DECISION_KIND`].
    ///
    /// # Errors
    /// None that is known: every field has a form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = Vec::new();
        self.draft().write(&mut bytes)?;
        Ok(bytes)
    }

    /// # Errors
    /// The bytes are not the payload of a decision of [`PAYLOAD_VERSION`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        Self::of_version(PAYLOAD_VERSION, bytes)
    }

    /// # Errors
    /// The bytes are not the payload of a decision of this version, or there is none such.
    pub fn of_version(version: u8, bytes: &[u8]) -> Result<Self, PayloadError> {
        let (record, risk) = read("decision", version, bytes)?;
        Ok(Self { risk, ..record })
    }
}

impl OutcomeRecord {
    /// The payload of a frame of [`OUTCOME_KIND`].
    ///
    /// # Errors
    /// None that is known: every field has a form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes the payload behind what is in `to`.
    ///
    /// # Errors
    /// As [`Self::to_bytes`].
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), PayloadError> {
        append("outcome", self, to)?;
        append("outcome", &self.risk, to)
    }

    /// # Errors
    /// The bytes are not the payload of an outcome of [`PAYLOAD_VERSION`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        Self::of_version(PAYLOAD_VERSION, bytes)
    }

    /// # Errors
    /// The bytes are not the payload of an outcome of this version, or there is none such.
    pub fn of_version(version: u8, bytes: &[u8]) -> Result<Self, PayloadError> {
        let (outcome, risk) = read("outcome", version, bytes)?;
        Ok(Self { risk, ..outcome })
    }
}

fn append<T: Serialize>(record: &'static str, value: &T, to: &mut Vec<u8>) -> Result<(), PayloadError> {
    let bytes = std::mem::take(to);
    *to = postcard::to_extend(value, bytes).map_err(|source| PayloadError {
        record,
        done: "written",
        source,
    })?;
    Ok(())
}

/// A record without its risk, and its risk. Bytes that are left over are refused too: they belong to some other version.
fn read<T, R>(record: &'static str, version: u8, bytes: &[u8]) -> Result<(T, Option<R>), PayloadError>
where
    T: serde::de::DeserializeOwned,
    R: serde::de::DeserializeOwned,
{
    let refused = |source| PayloadError { record, done: "read", source };
    if !is_payload_version(version) {
        return Err(refused(postcard::Error::DeserializeBadEncoding));
    }
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(refused)?;
    let (risk, rest) = match version {
        WITHOUT_RISK => (None, rest),
        _ => postcard::take_from_bytes(rest).map_err(refused)?,
    };
    match rest {
        [] => Ok((value, risk)),
        _ => Err(refused(postcard::Error::DeserializeBadEncoding)),
    }
}

/// A time as RFC 3339 text for people, and as nanoseconds since the Unix epoch elsewhere.
mod instant {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            time.serialize(serializer)
        } else {
            time.as_nanosecond().serialize(serializer)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            return Timestamp::deserialize(deserializer);
        }
        Timestamp::from_nanosecond(i128::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn decision() -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::new(1_795_000_000_123, [7; 10]),
            time: "2026-11-21T10:20:30.123456789Z".parse().unwrap(),
            verdict: Verdict::Deny,
            reason: Reason::RecordsLimit,
            gate: "local".into(),
            snapshot: 300,
            vendor: Some(VendorId(Uuid::from_u128(1))),
            integration: None,
            client: Some(ClientId(Uuid::from_u128(3))),
            route: None,
            method: "GET".into(),
            path: "/parcels/{id}".into(),
            session: Some("s".into()),
            client_key: Some("k".into()),
            binding: None,
            peer: "192.0.2.1:4711".into(),
            ja4: None,
            ja4_context: Some("c".into()),
            protocol: "h2".into(),
            scope: vec!["parcels:read".into()],
            risk: None,
        }
    }

    #[test]
    fn records_survive_the_decision_log_and_json() {
        let record = decision();
        let bytes = record.to_bytes().unwrap();
        assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
        // Ids and times are not texts in there.
        assert!(bytes.len() < 150, "{}", bytes.len());
        assert_eq!(bytes[..16], record.id.0);
        let mut drafted = vec![9];
        record.draft().write(&mut drafted).unwrap();
        assert_eq!(drafted[1..], bytes, "a draft is written as the record is read");
        let glance = DecisionGlance::from_bytes(&bytes).unwrap();
        assert_eq!(
            (glance.id, glance.time, glance.verdict, glance.reason, glance.gate, glance.snapshot),
            (record.id, record.time, record.verdict, record.reason, record.gate.as_str(), record.snapshot)
        );
        assert_eq!(
            (glance.vendor, glance.integration, glance.client, glance.route),
            (record.vendor, record.integration, record.client, record.route)
        );
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("2026-11-21T10:20:30.123456789Z") && json.contains(&record.id.to_string()));
        assert_eq!(serde_json::from_str::<DecisionRecord>(&json).unwrap(), record);
        let outcome = OutcomeRecord {
            id: record.id,
            time: "1969-12-31T23:59:59.5Z".parse().unwrap(),
            ending: Ending::Cut,
            reason: Reason::RecordsCut,
            status: 200,
            request_bytes: 0,
            response_bytes: u64::MAX,
            records: 50_000,
            duration_us: 1,
            risk: None,
        };
        assert_eq!(OutcomeRecord::from_bytes(&outcome.to_bytes().unwrap()).unwrap(), outcome);
    }

    #[test]
    fn what_was_assessed_survives_the_decision_log() {
        let risk = Some(portcullis_risk::example_record());
        let record = DecisionRecord { risk, ..decision() };
        let bytes = record.to_bytes().unwrap();
        assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
        assert!(bytes.len() < 320, "{}", bytes.len());
        assert_eq!(DecisionGlance::from_bytes(&bytes).unwrap().id, record.id);
        for cut in 0..bytes.len() {
            assert!(DecisionRecord::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        // In JSON it is told apart, in words.
        assert!(!serde_json::to_string(&record).unwrap().contains("risk"));
    }

    /// Written by the release before there was risk.
    #[test]
    fn payloads_of_version_1_stay_readable() {
        let record = decision();
        let old = postcard::to_stdvec(&record).unwrap();
        assert_eq!(DecisionRecord::of_version(1, &old).unwrap(), record);
        assert_eq!(DecisionGlance::from_bytes(&old).unwrap().verdict, Verdict::Deny);
        assert!(DecisionRecord::of_version(2, &old).is_err());
        // The verdicts' numbers are what they were.
        let numbers = [Verdict::Allow, Verdict::Challenge, Verdict::Deny, Verdict::Sever, Verdict::Limit];
        for (number, verdict) in (0_u8..).zip(numbers) {
            assert_eq!(postcard::to_stdvec(&verdict).unwrap(), [number]);
        }
        let mut sorted = numbers;
        sorted.sort_unstable();
        assert_eq!(sorted, Verdict::ALL, "the worst last");
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let whole = decision().to_bytes().unwrap();
        for cut in 0..whole.len() {
            assert!(DecisionRecord::from_bytes(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(DecisionRecord::from_bytes(&[whole.as_slice(), &[0]].concat()).is_err());
        assert!(DecisionRecord::of_version(3, &whole).is_err());
        assert!(DecisionRecord::of_version(1, &whole).is_err(), "a payload is of one version");
        assert!(OutcomeRecord::from_bytes(&[0xff; 200]).is_err());
    }

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
