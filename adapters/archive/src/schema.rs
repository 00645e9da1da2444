//! The columns of both kinds of files, and rows as columns.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use portcullis_domain::archive::Content;
use portcullis_domain::decision::{DecisionText, OutcomeRecord};
use uuid::Uuid;

use crate::risk;
use crate::row::{LateOutcome, Row, ending, stops_text};

/// Version of both schemas that are written; it stands in each file's metadata and in its event.
pub const SCHEMA_VERSION: u16 = 4;
/// The oldest one that is read: without risk, and otherwise as the second, which has not what observed stops would have done, as
/// the third has no tunnels.
const SCHEMA_OLDEST: u16 = 1;

const DECISIONS: &str = "message decisions {
  required binary id (STRING);
  required int64 time (TIMESTAMP(MICROS,true));
  optional fixed_len_byte_array(16) vendor (UUID);
  optional fixed_len_byte_array(16) integration (UUID);
  optional fixed_len_byte_array(16) client (UUID);
  optional fixed_len_byte_array(16) route (UUID);
  required binary verdict (STRING);
  required binary reason (STRING);
  required binary gate (STRING);
  required int64 snapshot;
  required binary method (STRING);
  required binary path (STRING);
  optional binary session (STRING);
  optional binary client_key (STRING);
  optional binary binding (STRING);
  required binary peer (STRING);
  optional binary ja4 (STRING);
  optional binary ja4_context (STRING);
  required binary protocol (STRING);
  required binary scope (STRING);
  optional int64 outcome_time (TIMESTAMP(MICROS,true));
  optional binary ending (STRING);
  optional binary outcome_reason (STRING);
  optional int32 status;
  optional int64 request_bytes;
  optional int64 response_bytes;
  optional int64 records;
  optional int64 duration_us;
  optional int64 score_milli;
  optional binary would (STRING);
  optional binary cause (STRING);
  optional binary top_signal (STRING);
  optional binary risk;
  optional binary outcome_risk;
  optional binary would_access (STRING);
  optional binary would_stops (STRING);
  optional fixed_len_byte_array(16) tunnel (UUID);
}";

const OUTCOMES: &str = "message outcomes {
  required binary id (STRING);
  optional fixed_len_byte_array(16) vendor (UUID);
  required int64 outcome_time (TIMESTAMP(MICROS,true));
  required binary ending (STRING);
  required binary outcome_reason (STRING);
  required int32 status;
  required int64 request_bytes;
  required int64 response_bytes;
  required int64 records;
  required int64 duration_us;
  optional binary outcome_risk;
}";

/// The schema in Parquet's own words.
#[must_use]
pub fn message(content: Content) -> &'static str {
    match content {
        Content::Decisions => DECISIONS,
        Content::Outcomes => OUTCOMES,
    }
}

/// As the file's metadata names it: `decisions/1`.
pub(crate) fn label(content: Content) -> String {
    format!("{}/{SCHEMA_VERSION}", content.as_str())
}

pub(crate) fn is_readable(version: u16) -> bool {
    (SCHEMA_OLDEST..=SCHEMA_VERSION).contains(&version)
}

/// The version that a label names, if it is one of ours for this content.
pub(crate) fn version_of(label: &str, content: Content) -> Option<u16> {
    let version = label.strip_prefix(content.as_str())?.strip_prefix('/')?.parse().ok()?;
    is_readable(version).then_some(version)
}

pub(crate) fn descriptor(content: Content) -> Result<SchemaDescriptor, ParquetError> {
    Ok(SchemaDescriptor::new(Arc::new(parse_message_type(message(content))?)))
}

/// The same for the arrays that are handed over.
pub(crate) fn arrow(content: Content) -> SchemaRef {
    static BOTH: LazyLock<[SchemaRef; 2]> =
        LazyLock::new(|| [arrow_of(message(Content::Decisions)), arrow_of(message(Content::Outcomes))]);
    let [decisions, outcomes] = &*BOTH;
    Arc::clone(match content {
        Content::Decisions => decisions,
        Content::Outcomes => outcomes,
    })
}

/// Reads the few forms that the messages above use.
fn arrow_of(message: &str) -> SchemaRef {
    let fields = message.lines().filter_map(|line| {
        let mut words = line.trim().trim_end_matches(';').split(' ');
        let (repetition, physical, name, logical) =
            (words.next()?, words.next()?, words.next()?, words.next());
        let sort = match (physical, logical) {
            ("binary", Some(_)) => DataType::Utf8,
            ("binary", None) => DataType::Binary,
            ("int32", _) => DataType::Int32,
            ("int64", None) => DataType::Int64,
            ("int64", Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ("fixed_len_byte_array(16)", _) => DataType::FixedSizeBinary(16),
            _ => return None,
        };
        Some(Field::new(name, sort, repetition == "optional"))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(crate) fn decisions(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let outcome = |row: &Row| row.outcome.clone();
    let ends: Vec<Option<OutcomeRecord>> = rows.iter().map(outcome).collect();
    let columns: Vec<ArrayRef> = vec![
        ids(rows.iter().map(|row| row.record.id)),
        times(rows.iter().map(|row| Some(row.record.time))),
        uuids(rows.iter().map(|row| row.record.vendor.map(|id| id.0)))?,
        uuids(rows.iter().map(|row| row.record.integration.map(|id| id.0)))?,
        uuids(rows.iter().map(|row| row.record.client.map(|id| id.0)))?,
        uuids(rows.iter().map(|row| row.record.route.map(|id| id.0)))?,
        texts(rows.iter().map(|row| Some(row.record.verdict.as_str()))),
        texts(rows.iter().map(|row| Some(row.record.reason.code()))),
        texts(rows.iter().map(|row| Some(row.record.gate.as_str()))),
        counts(rows.iter().map(|row| Some(row.record.snapshot))),
        texts(rows.iter().map(|row| Some(row.record.method.as_str()))),
        texts(rows.iter().map(|row| Some(row.record.path.as_str()))),
        texts(rows.iter().map(|row| row.record.session.as_deref())),
        texts(rows.iter().map(|row| row.record.client_key.as_deref())),
        texts(rows.iter().map(|row| row.record.binding.as_deref())),
        texts(rows.iter().map(|row| Some(row.record.peer.as_str()))),
        texts(rows.iter().map(|row| row.record.ja4.as_deref())),
        texts(rows.iter().map(|row| row.record.ja4_context.as_deref())),
        texts(rows.iter().map(|row| Some(row.record.protocol.as_str()))),
        texts(rows.iter().map(|row| Some(row.record.scope.join(" ")))),
    ];
    let risk = || rows.iter().map(|row| row.record.risk.as_ref());
    let risks: [ArrayRef; 5] = [
        Arc::new(Int64Array::from_iter(risk().map(|risk| Some(risk?.score.milli())))),
        texts(risk().map(|risk| Some(risk?.would.as_str()))),
        texts(risk().map(|risk| Some(risk?.cause.as_str()))),
        texts(risk().map(|risk| risk::top_signal(risk?))),
        binaries(risk().map(|risk| risk.map(risk::bytes_of))),
    ];
    let columns = columns.into_iter().chain(ending_columns(&ends)).chain(risks);
    let would = || rows.iter().map(|row| row.record.would_stop);
    let stops: [ArrayRef; 2] = [
        texts(would().map(|would| Some(would?.access.as_str()))),
        texts(would().map(|would| Some(stops_text(would?.stops)))),
    ];
    let tunnels = uuids(rows.iter().map(|row| row.record.tunnel.map(|id| id.0)))?;
    let columns = columns.chain([outcome_risks(&ends)]).chain(stops).chain([tunnels]).collect();
    RecordBatch::try_new(arrow(Content::Decisions), columns)
}

pub(crate) fn outcomes(rows: &[LateOutcome]) -> Result<RecordBatch, ArrowError> {
    let ends: Vec<_> = rows.iter().map(|row| Some(row.outcome.clone())).collect();
    let columns = [
        ids(rows.iter().map(|row| row.outcome.id)),
        uuids(rows.iter().map(|row| row.vendor.map(|id| id.0)))?,
    ];
    RecordBatch::try_new(
        arrow(Content::Outcomes),
        columns.into_iter().chain(ending_columns(&ends)).chain([outcome_risks(&ends)]).collect(),
    )
}

fn ending_columns(ends: &[Option<OutcomeRecord>]) -> [ArrayRef; 8] {
    let ends = || ends.iter().map(Option::as_ref);
    [
        times(ends().map(|end| end.map(|end| end.time))),
        texts(ends().map(|end| end.map(|end| ending(end.ending)))),
        texts(ends().map(|end| end.map(|end| end.reason.code()))),
        Arc::new(Int32Array::from_iter(ends().map(|end| end.map(|end| i32::from(end.status))))),
        counts(ends().map(|end| end.map(|end| end.request_bytes))),
        counts(ends().map(|end| end.map(|end| end.response_bytes))),
        counts(ends().map(|end| end.map(|end| end.records))),
        counts(ends().map(|end| end.map(|end| end.duration_us))),
    ]
}

fn outcome_risks(ends: &[Option<OutcomeRecord>]) -> ArrayRef {
    binaries(ends.iter().map(|end| end.as_ref()?.risk.as_ref().map(risk::bytes_of_outcome)))
}

fn binaries(all: impl Iterator<Item = Option<Vec<u8>>>) -> ArrayRef {
    let mut column = BinaryBuilder::new();
    all.for_each(|bytes| column.append_option(bytes));
    Arc::new(column.finish())
}

fn ids(ids: impl Iterator<Item = portcullis_domain::decision::DecisionId>) -> ArrayRef {
    let mut column = StringBuilder::new();
    ids.for_each(|id| column.append_value(DecisionText::of(id).as_str()));
    Arc::new(column.finish())
}

fn texts<T: AsRef<str>>(texts: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let mut column = StringBuilder::new();
    texts.for_each(|text| column.append_option(text));
    Arc::new(column.finish())
}

fn uuids(ids: impl Iterator<Item = Option<Uuid>>) -> Result<ArrayRef, ArrowError> {
    let mut column = FixedSizeBinaryBuilder::new(16);
    for id in ids {
        match id {
            Some(id) => column.append_value(id.as_bytes())?,
            None => column.append_null(),
        }
    }
    Ok(Arc::new(column.finish()))
}

fn times(times: impl Iterator<Item = Option<jiff::Timestamp>>) -> ArrayRef {
    let times = times.map(|time| time.map(jiff::Timestamp::as_microsecond));
    Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC"))
}

/// None is above 2^53.
fn counts(counts: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(
        counts.map(|count| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemas_are_what_parquet_reads() {
        for (content, columns) in [(Content::Decisions, 37), (Content::Outcomes, 11)] {
            let descriptor = descriptor(content).unwrap();
            assert_eq!(descriptor.num_columns(), columns);
            let names: Vec<_> = descriptor.columns().iter().map(|column| column.name().to_owned()).collect();
            let fields: Vec<_> = arrow(content).fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, fields);
        }
    }
}
