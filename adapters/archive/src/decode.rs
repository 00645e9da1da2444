//! Columns as rows again.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, BinaryArray, FixedSizeBinaryArray, RecordBatch, StringArray};
use jiff::Timestamp;
use portcullis_domain::access::Access;
use portcullis_domain::decision::{
    DecisionId, DecisionRecord, Ending, OutcomeRecord, Stop, StopSet, Verdict, WouldStop,
};
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use uuid::Uuid;

use crate::row::{LateOutcome, Row, scopes};

/// What is wrong with a batch; the caller knows the file.
pub(crate) type Fault = String;

/// A batch, by names of columns.
pub(crate) struct Columns<'a>(pub &'a RecordBatch);

/// Rows of a whole batch.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Row>, Fault> {
    let columns = Columns(batch);
    let id = columns.texts("id")?;
    let time = columns.numbers::<TimestampMicrosecondType>("time")?;
    let vendor = columns.uuids("vendor")?;
    let integration = columns.uuids("integration")?;
    let client = columns.uuids("client")?;
    let route = columns.uuids("route")?;
    let verdict = columns.texts("verdict")?;
    let reason = columns.texts("reason")?;
    let gate = columns.texts("gate")?;
    let snapshot = columns.numbers::<Int64Type>("snapshot")?;
    let method = columns.texts("method")?;
    let path = columns.texts("path")?;
    let session = columns.texts("session")?;
    let client_key = columns.texts("client_key")?;
    let binding = columns.texts("binding")?;
    let peer = columns.texts("peer")?;
    let ja4 = columns.texts("ja4")?;
    let ja4_context = columns.texts("ja4_context")?;
    let protocol = columns.texts("protocol")?;
    let scope = columns.texts("scope")?;
    let risk = columns.bytes("risk")?;
    let would_access = columns.later_texts("would_access")?;
    let would_stops = columns.later_texts("would_stops")?;
    let tunnel = columns.later_uuids("tunnel")?;
    let ends = Ends::of(&columns)?;
    (0..batch.num_rows())
        .map(|at| {
            let id = decision_id(text(id, at)?)?;
            let record = DecisionRecord {
                id,
                time: instant(number(time, at)?)?,
                verdict: verdict_of(text(verdict, at)?)?,
                reason: reason_of(text(reason, at)?)?,
                gate: text(gate, at)?.to_owned(),
                snapshot: count(number(snapshot, at)?)?,
                vendor: uuid(vendor, at)?.map(VendorId),
                integration: uuid(integration, at)?.map(IntegrationId),
                client: uuid(client, at)?.map(ClientId),
                route: uuid(route, at)?.map(RouteId),
                method: text(method, at)?.to_owned(),
                path: text(path, at)?.to_owned(),
                session: optional(session, at).map(str::to_owned),
                client_key: optional(client_key, at).map(str::to_owned),
                binding: optional(binding, at).map(str::to_owned),
                peer: text(peer, at)?.to_owned(),
                ja4: optional(ja4, at).map(str::to_owned),
                ja4_context: optional(ja4_context, at).map(str::to_owned),
                protocol: text(protocol, at)?.to_owned(),
                scope: scopes(text(scope, at)?),
                risk: bytes(risk, at).map(crate::risk::record).transpose()?,
                would_stop: would_stop(
                    would_access.and_then(|column| optional(column, at)),
                    would_stops.and_then(|column| optional(column, at)),
                )?,
                tunnel: later_uuid(tunnel, at)?.map(TunnelId),
            };
            Ok(Row { record, outcome: ends.at(id, at)? })
        })
        .collect()
}

pub(crate) fn late_outcomes(batch: &RecordBatch) -> Result<Vec<LateOutcome>, Fault> {
    let columns = Columns(batch);
    let (id, vendor, ends) = (columns.texts("id")?, columns.uuids("vendor")?, Ends::of(&columns)?);
    (0..batch.num_rows())
        .map(|at| {
            let outcome = ends.at(decision_id(text(id, at)?)?, at)?.ok_or("an outcome has no end")?;
            Ok(LateOutcome { vendor: uuid(vendor, at)?.map(VendorId), outcome })
        })
        .collect()
}

/// The columns of an outcome.
pub(crate) struct Ends<'a> {
    time: &'a arrow_array::PrimitiveArray<TimestampMicrosecondType>,
    ending: &'a StringArray,
    reason: &'a StringArray,
    status: &'a arrow_array::PrimitiveArray<Int32Type>,
    counts: [&'a arrow_array::PrimitiveArray<Int64Type>; 4],
    risk: Option<&'a BinaryArray>,
}

impl<'a> Ends<'a> {
    pub fn of(columns: &Columns<'a>) -> Result<Self, Fault> {
        Ok(Self {
            time: columns.numbers("outcome_time")?,
            ending: columns.texts("ending")?,
            reason: columns.texts("outcome_reason")?,
            status: columns.numbers("status")?,
            counts: [
                columns.numbers("request_bytes")?,
                columns.numbers("response_bytes")?,
                columns.numbers("records")?,
                columns.numbers("duration_us")?,
            ],
            risk: columns.bytes("outcome_risk")?,
        })
    }

    pub fn at(&self, id: DecisionId, at: usize) -> Result<Option<OutcomeRecord>, Fault> {
        if !self.time.is_valid(at) {
            return Ok(None);
        }
        let [request_bytes, response_bytes, records, duration_us] = self.counts;
        Ok(Some(OutcomeRecord {
            id,
            time: instant(number(self.time, at)?)?,
            ending: ending_of(text(self.ending, at)?)?,
            reason: reason_of(text(self.reason, at)?)?,
            status: u16::try_from(number(self.status, at)?).map_err(|_| "a status is none")?,
            request_bytes: count(number(request_bytes, at)?)?,
            response_bytes: count(number(response_bytes, at)?)?,
            records: count(number(records, at)?)?,
            duration_us: count(number(duration_us, at)?)?,
            risk: bytes(self.risk, at).map(crate::risk::outcome).transpose()?,
        }))
    }
}

impl<'a> Columns<'a> {
    pub fn texts(&self, name: &str) -> Result<&'a StringArray, Fault> {
        self.0.column_by_name(name).and_then(|column| column.as_string_opt()).ok_or_else(|| wrong(name))
    }

    /// None where the file is of a schema without it.
    pub fn later_texts(&self, name: &str) -> Result<Option<&'a StringArray>, Fault> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(None) };
        column.as_string_opt().map(Some).ok_or_else(|| wrong(name))
    }

    /// Likewise.
    pub fn later_uuids(&self, name: &str) -> Result<Option<&'a FixedSizeBinaryArray>, Fault> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(None) };
        column.as_fixed_size_binary_opt().map(Some).ok_or_else(|| wrong(name))
    }

    pub fn numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<&'a arrow_array::PrimitiveArray<T>, Fault> {
        self.0.column_by_name(name).and_then(|column| column.as_primitive_opt()).ok_or_else(|| wrong(name))
    }

    /// None where the file is of a schema without it, or nobody asked for it.
    pub fn bytes(&self, name: &str) -> Result<Option<&'a BinaryArray>, Fault> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(None) };
        column.as_binary_opt().map(Some).ok_or_else(|| wrong(name))
    }

    pub fn uuids(&self, name: &str) -> Result<&'a FixedSizeBinaryArray, Fault> {
        self.0
            .column_by_name(name)
            .and_then(|column| column.as_fixed_size_binary_opt())
            .ok_or_else(|| wrong(name))
    }
}

fn wrong(name: &str) -> Fault {
    format!("the column `{name}` is missing or of another sort")
}

pub(crate) fn text(column: &StringArray, at: usize) -> Result<&str, Fault> {
    optional(column, at).ok_or_else(|| "a text is missing".to_owned())
}

pub(crate) fn optional(column: &StringArray, at: usize) -> Option<&str> {
    (at < column.len() && column.is_valid(at)).then(|| column.value(at))
}

fn bytes(column: Option<&BinaryArray>, at: usize) -> Option<&[u8]> {
    let column = column?;
    (at < column.len() && column.is_valid(at)).then(|| column.value(at))
}

pub(crate) fn uuid(column: &FixedSizeBinaryArray, at: usize) -> Result<Option<Uuid>, Fault> {
    if at >= column.len() || !column.is_valid(at) {
        return Ok(None);
    }
    Uuid::from_slice(column.value(at)).map(Some).map_err(|_| "an id has not 16 bytes".to_owned())
}

pub(crate) fn later_uuid(column: Option<&FixedSizeBinaryArray>, at: usize) -> Result<Option<Uuid>, Fault> {
    column.map_or(Ok(None), |column| uuid(column, at))
}

pub(crate) fn number<T: ArrowPrimitiveType>(
    column: &arrow_array::PrimitiveArray<T>,
    at: usize,
) -> Result<T::Native, Fault> {
    if at < column.len() && column.is_valid(at) {
        Ok(column.value(at))
    } else {
        Err("a number is missing".to_owned())
    }
}

pub(crate) fn decision_id(text: &str) -> Result<DecisionId, Fault> {
    text.parse().map_err(|_| "an id is none".to_owned())
}

pub(crate) fn reason_of(code: &str) -> Result<Reason, Fault> {
    static CODES: LazyLock<HashMap<&'static str, Reason>> =
        LazyLock::new(|| Reason::ALL.iter().map(|reason| (reason.code(), *reason)).collect());
    CODES.get(code).copied().ok_or_else(|| "a reason is unknown".to_owned())
}

fn would_stop(access: Option<&str>, stops: Option<&str>) -> Result<Option<WouldStop>, Fault> {
    let (Some(access), Some(stops)) = (access, stops) else { return Ok(None) };
    let level = Access::ALL.into_iter().find(|level| level.as_str() == access);
    let stop = |name: &str| {
        let known = Stop::ALL.into_iter().find(|stop| stop.name() == name);
        known.ok_or_else(|| "a stop is unknown".to_owned())
    };
    let stops = stops.split_whitespace().map(stop).collect::<Result<StopSet, Fault>>()?;
    level.map(|access| Some(WouldStop { access, stops })).ok_or_else(|| "an access is unknown".to_owned())
}

pub(crate) fn instant(microsecond: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_microsecond(microsecond).map_err(|_| "a time is none".to_owned())
}

fn count(count: i64) -> Result<u64, Fault> {
    u64::try_from(count).map_err(|_| "a count is negative".to_owned())
}

pub(crate) fn verdict_of(word: &str) -> Result<Verdict, Fault> {
    Verdict::ALL
        .into_iter()
        .find(|verdict| verdict.as_str() == word)
        .ok_or_else(|| "a verdict is unknown".to_owned())
}

fn ending_of(word: &str) -> Result<Ending, Fault> {
    let all = [Ending::Complete, Ending::Cut, Ending::ClientGone, Ending::UpstreamFailed];
    all.into_iter()
        .find(|ending| crate::row::ending(*ending) == word)
        .ok_or_else(|| "an ending is unknown".to_owned())
}
