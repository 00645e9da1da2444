//! What is sealed: a decision with its outcome, and its leaf.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_domain::decision::{DecisionRecord, Ending, OutcomeRecord, StopSet, WouldStop};
use portcullis_domain::ids::VendorId;
use portcullis_ledger::canonical::{self, INTEGER_MAX};
use serde_json::Value;
use uuid::Uuid;

use crate::{ArchiveError, risk};

/// A sealed decision. Its times are whole microseconds, and no count is above 2^53 - 1: what a file can't hold is
/// rounded before the leaf is hashed.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub record: DecisionRecord,
    pub outcome: Option<OutcomeRecord>,
}

/// An outcome that came after its decision had been sealed.
#[derive(Clone, PartialEq, Debug)]
pub struct LateOutcome {
    pub vendor: Option<VendorId>,
    pub outcome: OutcomeRecord,
}

impl Row {
    #[must_use]
    pub fn new(mut record: DecisionRecord, outcome: Option<OutcomeRecord>) -> Self {
        record.time = microseconds(record.time);
        record.snapshot = record.snapshot.min(INTEGER_MAX);
        if record.scope.iter().any(|scope| scope.is_empty() || scope.contains(' ')) {
            // The column is one text; no scope that was ever granted holds a space (RFC 6749, section 3.3).
            record.scope = scopes(&record.scope.join(" "));
        }
        Self { record, outcome: outcome.map(rounded) }
    }

    /// Canonical JSON (RFC 8785) of `{"decision": …, "outcome": …}`, each as the API shows it; a `risk` in either is base64url of
    /// the bytes of its column, and no member where there is none; nor is `would_stop` one where no observed stop would have done
    /// anything, or `tunnel` where it came through none.
    ///
    /// # Errors
    /// None that is known: every text and number has a form.
    pub fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let record = &self.record;
        to.extend_from_slice(b"{\"decision\":{\"binding\":");
        optional(to, record.binding.as_deref())?;
        member(to, "client");
        id(to, record.client.map(|id| id.0));
        member(to, "client_key");
        optional(to, record.client_key.as_deref())?;
        member(to, "gate");
        text(to, &record.gate)?;
        member(to, "id");
        plain(to, record.id);
        member(to, "integration");
        id(to, record.integration.map(|id| id.0));
        member(to, "ja4");
        optional(to, record.ja4.as_deref())?;
        member(to, "ja4_context");
        optional(to, record.ja4_context.as_deref())?;
        member(to, "method");
        text(to, &record.method)?;
        member(to, "path");
        text(to, &record.path)?;
        member(to, "peer");
        text(to, &record.peer)?;
        member(to, "protocol");
        text(to, &record.protocol)?;
        member(to, "reason");
        plain(to, record.reason.code());
        risk_member(to, record.risk.as_ref().map(risk::bytes_of));
        member(to, "route");
        id(to, record.route.map(|id| id.0));
        member(to, "scope");
        for (place, scope) in record.scope.iter().enumerate() {
            to.push(if place == 0 { b'[' } else { b',' });
            text(to, scope)?;
        }
        to.extend_from_slice(if record.scope.is_empty() { b"[]" } else { b"]" });
        member(to, "session");
        optional(to, record.session.as_deref())?;
        member(to, "snapshot");
        number(to, record.snapshot);
        member(to, "time");
        plain(to, record.time);
        if let Some(tunnel) = record.tunnel {
            // Rows of the first three schemas have none, and hash as they did.
            member(to, "tunnel");
            plain(to, tunnel);
        }
        member(to, "vendor");
        id(to, record.vendor.map(|id| id.0));
        member(to, "verdict");
        plain(to, record.verdict.as_str());
        would_stop_member(to, record.would_stop);
        to.extend_from_slice(b"},\"outcome\":");
        match &self.outcome {
            Some(outcome) => outcome_object(to, outcome),
            None => to.extend_from_slice(b"null"),
        }
        to.push(b'}');
        Ok(())
    }
}

impl LateOutcome {
    #[must_use]
    pub fn new(vendor: Option<VendorId>, outcome: OutcomeRecord) -> Self {
        Self { vendor, outcome: rounded(outcome) }
    }

    /// Canonical JSON of `{"outcome": …, "vendor": …}`.
    ///
    /// # Errors
    /// As [`Row::leaf`].
    pub fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        to.extend_from_slice(b"{\"outcome\":");
        outcome_object(to, &self.outcome);
        member(to, "vendor");
        id(to, self.vendor.map(|id| id.0));
        to.push(b'}');
        Ok(())
    }
}

pub(crate) fn scopes(text: &str) -> Vec<String> {
    text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// Names with a space between them, by their numbers.
pub(crate) fn stops_text(stops: StopSet) -> String {
    stops.iter().map(portcullis_domain::decision::Stop::name).collect::<Vec<_>>().join(" ")
}

pub(crate) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::Cut => "cut",
        Ending::ClientGone => "client_gone",
        Ending::UpstreamFailed => "upstream_failed",
    }
}

fn rounded(mut outcome: OutcomeRecord) -> OutcomeRecord {
    outcome.time = microseconds(outcome.time);
    for count in [
        &mut outcome.request_bytes,
        &mut outcome.response_bytes,
        &mut outcome.records,
        &mut outcome.duration_us,
    ] {
        *count = (*count).min(INTEGER_MAX);
    }
    outcome
}

/// Rounded down, before the epoch too.
fn microseconds(time: Timestamp) -> Timestamp {
    let microsecond = time.as_nanosecond().div_euclid(1_000);
    i64::try_from(microsecond).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(time)
}

fn outcome_object(to: &mut Vec<u8>, outcome: &OutcomeRecord) {
    to.extend_from_slice(b"{\"duration_us\":");
    number(to, outcome.duration_us);
    member(to, "ending");
    plain(to, ending(outcome.ending));
    member(to, "id");
    plain(to, outcome.id);
    member(to, "reason");
    plain(to, outcome.reason.code());
    member(to, "records");
    number(to, outcome.records);
    member(to, "request_bytes");
    number(to, outcome.request_bytes);
    member(to, "response_bytes");
    number(to, outcome.response_bytes);
    risk_member(to, outcome.risk.as_ref().map(risk::bytes_of_outcome));
    member(to, "status");
    number(to, u64::from(outcome.status));
    member(to, "time");
    plain(to, outcome.time);
    to.push(b'}');
}

/// Rows of the first schema have none, and hash as they did.
fn risk_member(to: &mut Vec<u8>, risk: Option<Vec<u8>>) {
    if let Some(risk) = risk {
        member(to, "risk");
        plain(to, URL_SAFE_NO_PAD.encode(risk));
    }
}

/// Rows of the first two schemas have none.
fn would_stop_member(to: &mut Vec<u8>, would_stop: Option<WouldStop>) {
    let Some(WouldStop { access, stops }) = would_stop else { return };
    member(to, "would_stop");
    to.extend_from_slice(b"{\"access\":");
    plain(to, access.as_str());
    to.extend_from_slice(b",\"stops\":[");
    for (place, stop) in stops.iter().enumerate() {
        if place > 0 {
            to.push(b',');
        }
        plain(to, stop.name());
    }
    to.extend_from_slice(b"]}");
}

fn member(to: &mut Vec<u8>, name: &str) {
    to.extend_from_slice(b",\"");
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b"\":");
}

fn number(to: &mut Vec<u8>, value: u64) {
    // Writing to a `Vec` can't fail.
    let _ = write!(to, "{value}");
}

/// What has nothing that JSON escapes.
fn plain(to: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(to, "\"{value}\"");
}

fn id(to: &mut Vec<u8>, id: Option<Uuid>) {
    match id {
        Some(id) => plain(to, id),
        None => to.extend_from_slice(b"null"),
    }
}

fn optional(to: &mut Vec<u8>, value: Option<&str>) -> Result<(), ArchiveError> {
    match value {
        Some(value) => text(to, value),
        None => {
            to.extend_from_slice(b"null");
            Ok(())
        }
    }
}

fn text(to: &mut Vec<u8>, value: &str) -> Result<(), ArchiveError> {
    if value.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        to.push(b'"');
        to.extend_from_slice(value.as_bytes());
        to.push(b'"');
    } else {
        to.extend_from_slice(&canonical::to_bytes(&Value::String(value.to_owned()))?);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use portcullis_domain::access::Access;
    use portcullis_domain::decision::{DecisionId, Stop, Verdict};
    use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, TunnelId};
    use portcullis_domain::reason::Reason;
    use proptest::prelude::*;
    use serde_json::json;

    fn instant() -> impl Strategy<Value = Timestamp> {
        (-1_000_000_i64..4_000_000_000, 0..1_000_000_000_i32)
            .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
    }

    fn uuid() -> impl Strategy<Value = Option<Uuid>> {
        proptest::option::of(any::<u128>().prop_map(Uuid::from_u128))
    }

    fn reason() -> impl Strategy<Value = Reason> {
        (0..Reason::ALL.len()).prop_map(|place| Reason::ALL[place])
    }

    pub(crate) fn outcome() -> impl Strategy<Value = OutcomeRecord> {
        let counts = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        (any::<[u8; 16]>(), instant(), 0..4_usize, reason(), any::<u16>(), counts).prop_map(
            |(id, time, ending, reason, status, (request_bytes, response_bytes, records, duration_us))| {
                OutcomeRecord {
                    id: DecisionId(id),
                    time,
                    ending: [Ending::Complete, Ending::Cut, Ending::ClientGone, Ending::UpstreamFailed]
                        [ending],
                    reason,
                    status,
                    request_bytes,
                    response_bytes,
                    records,
                    duration_us,
                    risk: status.is_multiple_of(2).then(portcullis_risk::example_outcome),
                }
            },
        )
    }

    /// Every level, and every set of stops.
    fn would_stop(number: u64) -> Option<WouldStop> {
        let access = Access::ALL[number as usize % 4];
        let stops = Stop::ALL.into_iter().filter(|stop| number & 1 << stop.number() != 0);
        (!number.is_multiple_of(3)).then(|| WouldStop { access, stops: stops.collect() })
    }

    pub(crate) fn decision() -> impl Strategy<Value = DecisionRecord> {
        let ids = (uuid(), uuid(), uuid(), uuid(), uuid());
        let texts = proptest::collection::vec(any::<String>(), 5);
        let optional = proptest::collection::vec(proptest::option::of(any::<String>()), 5);
        let scope = proptest::collection::vec("[ -~]{0,8}", 0..3);
        let head = (any::<[u8; 16]>(), instant(), 0..Verdict::ALL.len(), reason(), any::<u64>());
        (head, ids, texts, optional, scope).prop_map(|(head, ids, texts, optional, scope)| {
            let (id, time, verdict, reason, snapshot) = head;
            DecisionRecord {
                id: DecisionId(id),
                time,
                verdict: Verdict::ALL[verdict],
                reason,
                gate: texts[0].clone(),
                snapshot,
                vendor: ids.0.map(VendorId),
                integration: ids.1.map(IntegrationId),
                client: ids.2.map(ClientId),
                route: ids.3.map(RouteId),
                method: texts[1].clone(),
                path: texts[2].clone(),
                session: optional[0].clone(),
                client_key: optional[1].clone(),
                binding: optional[2].clone(),
                peer: texts[3].clone(),
                ja4: optional[3].clone(),
                ja4_context: optional[4].clone(),
                protocol: texts[4].clone(),
                scope,
                risk: snapshot.is_multiple_of(2).then(portcullis_risk::example_record),
                would_stop: would_stop(snapshot),
                tunnel: ids.4.map(TunnelId),
            }
        })
    }

    proptest! {
        /// The leaf is written by hand for its speed; what it must be, others say.
        #[test]
        fn a_leaf_is_the_canonical_json_of_its_row(
            record in decision(),
            end in proptest::option::of(outcome()),
            vendor in uuid(),
        ) {
            let row = Row::new(record, end.clone());
            let mut leaf = Vec::new();
            row.leaf(&mut leaf).unwrap();
            let mut expect = json!({ "decision": row.record, "outcome": row.outcome });
            if let Some(risk) = &row.record.risk {
                expect["decision"]["risk"] = json!(URL_SAFE_NO_PAD.encode(risk::bytes_of(risk)));
            }
            if let Some(would_stop) = &row.record.would_stop {
                expect["decision"]["would_stop"] = json!(would_stop);
            }
            if let Some(tunnel) = &row.record.tunnel {
                expect["decision"]["tunnel"] = json!(tunnel);
            }
            if let Some(risk) = row.outcome.as_ref().and_then(|outcome| outcome.risk.as_ref()) {
                expect["outcome"]["risk"] = json!(URL_SAFE_NO_PAD.encode(risk::bytes_of_outcome(risk)));
            }
            let expect = canonical::to_bytes(&expect).unwrap();
            prop_assert_eq!(String::from_utf8(leaf).unwrap(), String::from_utf8(expect).unwrap());
            if let Some(outcome) = end {
                let late = LateOutcome::new(vendor.map(VendorId), outcome);
                let mut leaf = Vec::new();
                late.leaf(&mut leaf).unwrap();
                let mut expect = json!({ "outcome": late.outcome, "vendor": late.vendor });
                if let Some(risk) = &late.outcome.risk {
                    expect["outcome"]["risk"] = json!(URL_SAFE_NO_PAD.encode(risk::bytes_of_outcome(risk)));
                }
                let expect = canonical::to_bytes(&expect).unwrap();
                prop_assert_eq!(leaf, expect);
            }
        }
    }
}
