//! Records as payloads of the decision log, where every byte counts: a record is its fields one after the other (postcard), ids as
//! bytes, times as nanoseconds since the Unix epoch.
//!
//! Such a payload can't be read by a record with other fields: whoever changes one raises
//! [`PAYLOAD_VERSION`], and keeps the old form for reading. Version 2 is version 1 with what the assessment of risk
//! came to behind it; version 3 is version 2 with what observed hard stops would have done behind a decision's risk; version 4
//! is version 3 with what was known of packets outside the network plan behind that; version 5 is version 4 with the tunnel that
//! it came through behind that.

use jiff::Timestamp;
use portcullis_risk::{Action, Cause, Known, Outside, RiskDraft, RiskRecord};
use serde::{Deserialize, Serialize};

use super::{DecisionId, DecisionRecord, OutcomeRecord, Verdict, WouldStop, instant};
use crate::ids::{ClientId, IntegrationId, RouteId, TunnelId, VendorId};
use crate::reason::Reason;

/// Kind of a decision's frame in the decision log.
pub const DECISION_KIND: u8 = 1;
/// Kind of an outcome's frame in the decision log.
pub const OUTCOME_KIND: u8 = 2;
/// Version of the payloads that this code writes.
pub const PAYLOAD_VERSION: u8 = 5;
/// The last version without risk.
const WITHOUT_RISK: u8 = 1;
/// The first version with what observed stops would have done.
const WITH_STOPS: u8 = 3;
/// The first version with packets outside the network plan.
const WITH_OUTSIDE: u8 = 4;
/// The first version with the tunnel that it came through.
const WITH_TUNNEL: u8 = 5;

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
    #[serde(skip)]
    pub would_stop: Option<WouldStop>,
    #[serde(skip)]
    pub tunnel: Option<TunnelId>,
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

/// What was done by score, and why: of a payload of [`PAYLOAD_VERSION`], read without copying anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct RiskGlance {
    pub step: u64,
    pub action: Action,
    pub would: Action,
    pub cause: Cause,
}

/// What stands between a decision's glance and its risk.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read past")]
struct Between<'a> {
    method: &'a [u8],
    path: &'a [u8],
    #[serde(borrow)]
    session: Option<&'a [u8]>,
    #[serde(borrow)]
    client_key: Option<&'a [u8]>,
    #[serde(borrow)]
    binding: Option<&'a [u8]>,
    peer: &'a [u8],
    #[serde(borrow)]
    ja4: Option<&'a [u8]>,
    #[serde(borrow)]
    ja4_context: Option<&'a [u8]>,
    protocol: &'a [u8],
    scope: ReadPast,
}

/// Texts one after the other.
struct ReadPast;

impl<'de> Deserialize<'de> for ReadPast {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> serde::de::Visitor<'de> for Each {
            type Value = ReadPast;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("texts")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut texts: A) -> Result<ReadPast, A::Error> {
                while texts.next_element::<&[u8]>()?.is_some() {}
                Ok(ReadPast)
            }
        }

        deserializer.deserialize_seq(Each)
    }
}

impl DecisionDraft<'_> {
    /// Writes the payload of a frame of [`DECISION_KIND`] behind what is in `to`.
    ///
    /// # Errors
    /// None that is known: every field has a form.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), PayloadError> {
        append("decision", self, to)?;
        append("decision", &self.risk, to)?;
        append("decision", &self.would_stop, to)?;
        append("decision", &self.risk.and_then(|risk| risk.before.outside), to)?;
        append("decision", &self.tunnel, to)
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

impl RiskGlance {
    /// Nothing where nothing was assessed.
    ///
    /// # Errors
    /// The bytes don't begin like the payload of a decision of [`PAYLOAD_VERSION`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, PayloadError> {
        let refused = |source| PayloadError { record: "decision", done: "read", source };
        let (_, rest) = postcard::take_from_bytes::<DecisionGlance<'_>>(bytes).map_err(refused)?;
        let (_, rest) = postcard::take_from_bytes::<Between<'_>>(rest).map_err(refused)?;
        postcard::take_from_bytes(rest).map(|(risk, _)| risk).map_err(refused)
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
            would_stop: self.would_stop,
            tunnel: self.tunnel,
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
        let (record, mut risk, rest) = read::<Self, RiskRecord>("decision", version, bytes)?;
        let (would_stop, rest) = match version {
            WITH_STOPS.. => postcard::take_from_bytes(rest).map_err(unreadable("decision"))?,
            _ => (None, rest),
        };
        let (outside, rest): (Option<Known<Outside>>, _) = match version {
            WITH_OUTSIDE.. => postcard::take_from_bytes(rest).map_err(unreadable("decision"))?,
            _ => (None, rest),
        };
        let (tunnel, rest) = match version {
            WITH_TUNNEL.. => postcard::take_from_bytes(rest).map_err(unreadable("decision"))?,
            _ => (None, rest),
        };
        nothing_left("decision", rest)?;
        match (&mut risk, outside) {
            (Some(risk), outside) => risk.before.outside = outside,
            (None, None) => {}
            (None, Some(_)) => return Err(unreadable("decision")(postcard::Error::DeserializeBadEncoding)),
        }
        Ok(Self { risk, would_stop, tunnel, ..record })
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

    /// All but the risk, of a payload of any version; what stands behind isn't looked at.
    ///
    /// # Errors
    /// The bytes don't begin like the payload of an outcome.
    pub fn glance(bytes: &[u8]) -> Result<Self, PayloadError> {
        let refused = |source| PayloadError { record: "outcome", done: "read", source };
        postcard::take_from_bytes(bytes).map(|(outcome, _)| outcome).map_err(refused)
    }

    /// # Errors
    /// The bytes are not the payload of an outcome of [`PAYLOAD_VERSION`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        Self::of_version(PAYLOAD_VERSION, bytes)
    }

    /// # Errors
    /// The bytes are not the payload of an outcome of this version, or there is none such.
    pub fn of_version(version: u8, bytes: &[u8]) -> Result<Self, PayloadError> {
        let (outcome, risk, rest) = read("outcome", version, bytes)?;
        nothing_left("outcome", rest)?;
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

/// A record without its risk, its risk, and what stands behind.
fn read<'a, T, R>(
    record: &'static str,
    version: u8,
    bytes: &'a [u8],
) -> Result<(T, Option<R>, &'a [u8]), PayloadError>
where
    T: serde::de::DeserializeOwned,
    R: serde::de::DeserializeOwned,
{
    let refused = unreadable(record);
    if !is_payload_version(version) {
        return Err(refused(postcard::Error::DeserializeBadEncoding));
    }
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(refused)?;
    let (risk, rest) = match version {
        WITHOUT_RISK => (None, rest),
        _ => postcard::take_from_bytes(rest).map_err(refused)?,
    };
    Ok((value, risk, rest))
}

/// Bytes that are left over belong to some other version.
fn nothing_left(record: &'static str, rest: &[u8]) -> Result<(), PayloadError> {
    match rest {
        [] => Ok(()),
        _ => Err(unreadable(record)(postcard::Error::DeserializeBadEncoding)),
    }
}

fn unreadable(record: &'static str) -> impl Fn(postcard::Error) -> PayloadError + Copy {
    move |source| PayloadError { record, done: "read", source }
}

#[cfg(test)]
mod tests {
    use super::super::Ending;
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
            would_stop: None,
            tunnel: None,
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
        assert_eq!(RiskGlance::from_bytes(&bytes).unwrap(), None);
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
        assert_eq!(OutcomeRecord::glance(&outcome.to_bytes().unwrap()).unwrap(), outcome);
    }

    #[test]
    fn what_was_assessed_survives_the_decision_log() {
        let risk = Some(portcullis_risk::example_record());
        let record = DecisionRecord { risk, ..decision() };
        let bytes = record.to_bytes().unwrap();
        assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
        assert!(bytes.len() < 320, "{}", bytes.len());
        assert_eq!(DecisionGlance::from_bytes(&bytes).unwrap().id, record.id);
        let risk = record.risk.as_ref().unwrap();
        let RiskRecord { step, action, would, cause, .. } = *risk;
        let glance = RiskGlance { step, action, would, cause };
        assert_eq!(RiskGlance::from_bytes(&bytes).unwrap(), Some(glance));
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

    /// Written by the release before observed stops were recorded.
    #[test]
    fn payloads_of_version_2_stay_readable() {
        for risk in [None, Some(portcullis_risk::example_record())] {
            let record = DecisionRecord { risk, ..decision() };
            let mut old = postcard::to_stdvec(&record).unwrap();
            old.extend(postcard::to_stdvec(&record.risk).unwrap());
            assert_eq!(DecisionRecord::of_version(2, &old).unwrap(), record);
            assert_eq!(DecisionGlance::from_bytes(&old).unwrap().verdict, Verdict::Deny);
            assert!(DecisionRecord::of_version(3, &old).is_err());
            assert!(DecisionRecord::of_version(2, &record.to_bytes().unwrap()).is_err());
        }
        // An outcome is what it was.
        let outcome = OutcomeRecord {
            id: decision().id,
            time: decision().time,
            ending: Ending::Complete,
            reason: Reason::Allowed,
            status: 200,
            request_bytes: 1,
            response_bytes: 2,
            records: 3,
            duration_us: 4,
            risk: Some(portcullis_risk::example_outcome()),
        };
        let bytes = outcome.to_bytes().unwrap();
        for version in [2, 3, 4, 5] {
            assert_eq!(OutcomeRecord::of_version(version, &bytes).unwrap(), outcome);
        }
    }

    /// Written by the release before packets outside the network plan were looked at.
    #[test]
    fn payloads_of_version_3_stay_readable() {
        for risk in [None, Some(portcullis_risk::example_record())] {
            let record = DecisionRecord { risk, ..decision() };
            let mut old = postcard::to_stdvec(&record).unwrap();
            old.extend(postcard::to_stdvec(&record.risk).unwrap());
            old.extend(postcard::to_stdvec(&record.would_stop).unwrap());
            assert_eq!(DecisionRecord::of_version(3, &old).unwrap(), record);
            assert!(DecisionRecord::of_version(4, &old).is_err());
            assert!(DecisionRecord::of_version(5, &old).is_err());
            assert!(DecisionRecord::of_version(3, &record.to_bytes().unwrap()).is_err());
        }
    }

    /// Written by the release before tunnels were recorded.
    #[test]
    fn payloads_of_version_4_stay_readable() {
        use portcullis_assurance::Access;
        use portcullis_assurance::stops::Stop;
        let stops = [Stop::Sanctions].into_iter().collect();
        for would_stop in [None, Some(WouldStop { access: Access::Blocked, stops })] {
            for outside in [None, Some(None), Some(Some(Known::Is(Outside::Lately)))] {
                let mut risk = outside.map(|_| portcullis_risk::example_record());
                if let Some(risk) = &mut risk {
                    risk.before.outside = outside.flatten();
                }
                let record = DecisionRecord { risk, would_stop, ..decision() };
                let mut old = postcard::to_stdvec(&record).unwrap();
                old.extend(postcard::to_stdvec(&record.risk).unwrap());
                old.extend(postcard::to_stdvec(&record.would_stop).unwrap());
                old.extend(postcard::to_stdvec(&outside.flatten()).unwrap());
                assert_eq!(DecisionRecord::of_version(4, &old).unwrap(), record);
                assert_eq!(DecisionGlance::from_bytes(&old).unwrap().verdict, Verdict::Deny);
                assert!(DecisionRecord::of_version(5, &old).is_err());
                assert!(DecisionRecord::of_version(4, &record.to_bytes().unwrap()).is_err());
                assert_eq!(record.to_bytes().unwrap().len(), old.len() + 1, "no tunnel costs a byte");
            }
        }
    }

    #[test]
    fn what_is_known_of_packets_outside_survives_the_decision_log() {
        let none = DecisionRecord { risk: Some(portcullis_risk::example_record()), ..decision() };
        let all = [
            Known::Is(Outside::Quiet),
            Known::Is(Outside::Lately),
            Known::NoData(portcullis_risk::Missing::NotAsked),
        ];
        for outside in all {
            let mut record = none.clone();
            record.risk.as_mut().unwrap().before.outside = Some(outside);
            let bytes = record.to_bytes().unwrap();
            assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
            assert_eq!(bytes.len(), none.to_bytes().unwrap().len() + 2);
            for cut in 0..bytes.len() {
                assert!(DecisionRecord::from_bytes(&bytes[..cut]).is_err(), "{cut}");
            }
        }
        // Facts of an assessment that there was none of.
        let mut bytes = decision().to_bytes().unwrap();
        bytes.truncate(bytes.len() - 2);
        bytes.extend(postcard::to_stdvec(&(Some(all[0]), None::<TunnelId>)).unwrap());
        assert!(DecisionRecord::from_bytes(&bytes).is_err());
    }

    #[test]
    fn the_tunnel_survives_the_decision_log() {
        let none = decision().to_bytes().unwrap().len();
        for risk in [None, Some(portcullis_risk::example_record())] {
            let tunnel = Some(TunnelId(Uuid::from_u128(0x7e55_0000_0000_4000_8000_0000_0000_0009)));
            let record = DecisionRecord { risk, tunnel, ..decision() };
            let bytes = record.to_bytes().unwrap();
            assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
            assert!(record.risk.is_some() || bytes.len() == none + 17, "{}", bytes.len() - none);
            for cut in 0..bytes.len() {
                assert!(DecisionRecord::from_bytes(&bytes[..cut]).is_err(), "{cut}");
            }
            // In JSON it is told apart.
            assert!(!serde_json::to_string(&record).unwrap().contains("tunnel"));
        }
    }

    #[test]
    fn what_observed_stops_would_have_done_survives_the_decision_log() {
        use portcullis_assurance::Access;
        use portcullis_assurance::stops::Stop;
        let none = decision().to_bytes().unwrap().len();
        for (access, stops) in [
            (Access::Limited, vec![Stop::Exit]),
            (Access::Blocked, vec![Stop::Sanctions, Stop::Admission, Stop::Relation]),
        ] {
            let would_stop = Some(WouldStop { access, stops: stops.into_iter().collect() });
            let record = DecisionRecord { would_stop, ..decision() };
            let bytes = record.to_bytes().unwrap();
            assert_eq!(DecisionRecord::from_bytes(&bytes).unwrap(), record);
            assert!(bytes.len() <= none + 4, "{}", bytes.len() - none);
            for cut in 0..bytes.len() {
                assert!(DecisionRecord::from_bytes(&bytes[..cut]).is_err(), "{cut}");
            }
            // In JSON it is told apart, in words.
            assert!(!serde_json::to_string(&record).unwrap().contains("would_stop"));
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let whole = decision().to_bytes().unwrap();
        for cut in 0..whole.len() {
            assert!(DecisionRecord::from_bytes(&whole[..cut]).is_err(), "{cut}");
            // The last bytes are about observed stops, packets outside and the tunnel, and behind what it looks at.
            assert_eq!(RiskGlance::from_bytes(&whole[..cut]).is_err(), cut + 3 < whole.len(), "{cut}");
        }
        assert!(DecisionRecord::from_bytes(&[whole.as_slice(), &[0]].concat()).is_err());
        assert!(DecisionRecord::of_version(6, &whole).is_err());
        assert!(DecisionRecord::of_version(4, &whole).is_err(), "a payload is of one version");
        assert!(DecisionRecord::of_version(3, &whole).is_err(), "a payload is of one version");
        assert!(DecisionRecord::of_version(2, &whole).is_err(), "a payload is of one version");
        assert!(DecisionRecord::of_version(1, &whole).is_err(), "a payload is of one version");
        assert!(OutcomeRecord::from_bytes(&[0xff; 200]).is_err());
    }
}
