//! Files that programs before this one have written: by the first schema, which had no columns for risk, by the second, which
//! had none for what observed stops would have done, and by the third, which had none for tunnels.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use portcullis_archive::{Brief, FileName, Filter, Hour, LateOutcome, message};
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::decision::DecisionRecord;
use portcullis_domain::reason::Reason;
use portcullis_ledger::{Sha256, hex};

use crate::common::{World, decision, outcome, some, tunnel, vendor};

/// What the later schemas added.
const ADDED: [(u16, &str); 9] = [
    (2, "score_milli"),
    (2, "would"),
    (2, "cause"),
    (2, "top_signal"),
    (2, "risk"),
    (2, "outcome_risk"),
    (3, "would_access"),
    (3, "would_stops"),
    (4, "tunnel"),
];

fn is_added(name: &str, version: u16) -> bool {
    ADDED.iter().any(|(by, added)| *by > version && *added == name)
}

/// The schema that was, in Parquet's own words.
fn old_message(content: Content, version: u16) -> String {
    let is_old = |line: &&str| {
        let name = line.split_whitespace().nth(2).unwrap_or_default().trim_end_matches(';');
        !is_added(name, version)
    };
    message(content).lines().filter(is_old).collect::<Vec<_>>().join("\n")
}

/// Writes a file anew as it was before: the same rows, the columns and the label of that schema. Its digest lies beside it.
fn write_as_old(path: &Path, sealed: &SealedFile, version: u16) -> SealedFile {
    let content = sealed.content;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let said = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let columns: Vec<usize> = (0..reader.schema().fields().len())
        .filter(|at| !is_added(reader.schema().field(*at).name(), version))
        .collect();
    let schema = Arc::new(reader.schema().project(&columns).unwrap());
    let sorted = |name: &str| SortingColumn {
        column_idx: schema.index_of(name).unwrap() as i32,
        descending: false,
        nulls_first: true,
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![sorted("vendor"), sorted("id")]))
        .set_column_dictionary_enabled(ColumnPath::from("id"), false)
        .set_column_bloom_filter_enabled(ColumnPath::from("id"), true)
        .build();
    let descriptor =
        SchemaDescriptor::new(Arc::new(parse_message_type(&old_message(content, version)).unwrap()));
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(descriptor);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, Arc::clone(&schema), options).unwrap();
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap().project(&columns).unwrap()).unwrap();
    }
    for KeyValue { key, value } in said {
        let label = || Some(format!("{}/{version}", content.as_str()));
        let value = if key == "portcullis.schema" { label() } else { value };
        writer.append_key_value_metadata(KeyValue { key, value });
    }
    writer.close().unwrap();
    fs::remove_file(path).unwrap();
    File::create(path).unwrap().write_all(&bytes).unwrap();
    let mut digest = Sha256::default();
    digest.update(&bytes);
    let sha256 = hex(&digest.finish());
    let beside = path.with_added_extension("sha256");
    fs::write(beside, format!("{sha256}  {}\n", path.file_name().unwrap().display())).unwrap();
    SealedFile { schema: version, bytes: bytes.len() as u64, sha256, ..sealed.clone() }
}

#[test]
fn what_the_first_schema_holds_is_found_verified_proven_and_taken_over() {
    check(1, 28 + 2, |record| DecisionRecord { would_stop: None, tunnel: None, ..record });
}

#[test]
fn what_the_second_schema_holds_is_found_verified_proven_and_taken_over() {
    check(2, 34 + 2, |record| {
        let risk = record.client.map(|_| portcullis_risk::example_record());
        DecisionRecord { risk, would_stop: None, tunnel: None, ..record }
    });
}

#[test]
fn what_the_third_schema_holds_is_found_verified_proven_and_taken_over() {
    check(3, 36 + 2, |record| {
        let risk = record.client.map(|_| portcullis_risk::example_record());
        DecisionRecord { risk, tunnel: None, ..record }
    });
}

fn check(version: u16, lines: usize, as_it_was: impl Fn(DecisionRecord) -> DecisionRecord) {
    let mut world = World::new();
    let decided: Vec<_> = some(500, 2).into_iter().map(as_it_was).collect();
    let ended: Vec<_> = decided.iter().step_by(3).map(|record| outcome(record, Reason::Allowed)).collect();
    let late = outcome(&decision(crate::common::NINE_MS, 9_000, 1), Reason::RecordsCut);
    let new = world.seal(&decided, &[ended.clone(), vec![late.clone()]].concat());
    let old: Vec<_> = new.iter().map(|sealed| write_as_old(&world.path(sealed), sealed, version)).collect();
    assert!(old.iter().any(|sealed| sealed.content == Content::Outcomes));
    assert_eq!(old_message(Content::Decisions, version).lines().count(), lines);
    world.record(&old);
    world.forget();

    // `decisions` and `explain`.
    let found = world.archive.newest(&world.files, &Filter::default(), 1_000);
    assert_eq!((found.rows.len(), found.unreadable), (decided.len(), Vec::new()));
    for row in &found.rows {
        let whole = decided.iter().find(|record| record.id == row.record.id).unwrap();
        assert_eq!(&row.record, whole);
        assert_eq!(row.outcome, ended.iter().find(|end| end.id == row.record.id).cloned());
    }
    let filter =
        Filter { reason: Some(Reason::RecordsLimit), vendor: decided[3].vendor, ..Filter::default() };
    let some_found = world.archive.newest(&world.files, &filter, 1_000).rows;
    assert!(!some_found.is_empty() && some_found.iter().all(|row| row.record.reason == Reason::RecordsLimit));
    for record in decided.iter().step_by(41) {
        let row = world.archive.find(&world.files, record.id).unwrap().unwrap();
        assert_eq!(&row.record, record);
        assert!(world.archive.prove(&world.files, record.id).unwrap().is_some());
    }
    let observed = Filter { would_stop: true, ..Filter::default() };
    let observed = world.archive.newest(&world.files, &observed, 1_000);
    let would_stop = decided.iter().filter(|record| record.would_stop.is_some()).count();
    assert_eq!((observed.rows.len(), observed.unreadable), (would_stop, Vec::new()));
    assert_eq!(would_stop > 0, version >= 3);
    let through = Filter { tunnel: Some(tunnel(1)), ..Filter::default() };
    let through = world.archive.newest(&world.files, &through, 1_000);
    assert_eq!((through.rows.len(), through.unreadable), (0, Vec::new()));
    // What is counted of each hour.
    let mut briefs = Vec::new();
    for hour in old.iter().map(|sealed| sealed.hour).collect::<std::collections::BTreeSet<_>>() {
        let unreadable = world.archive.briefs(&world.files, Hour::of(hour), &mut |brief| briefs.push(brief));
        assert!(unreadable.is_empty(), "{:?}", unreadable.first());
    }
    assert_eq!(briefs.len(), decided.len() + 1);
    let ours = vendor(1);
    assert!(briefs.contains(&Brief::LateOutcome(LateOutcome::new(Some(ours), late))));
    // Of one vendor alone, late outcomes included.
    let is_ours = |brief: &Brief| match brief {
        Brief::Decision { vendor, .. } => *vendor == Some(ours),
        Brief::LateOutcome(late) => late.vendor == Some(ours),
    };
    briefs.retain(is_ours);
    assert!(briefs.len() > 1 && briefs.len() < decided.len());
    let mut own = Vec::new();
    for hour in old.iter().map(|sealed| sealed.hour).collect::<std::collections::BTreeSet<_>>() {
        let mut keep = |brief| own.push(brief);
        let unreadable = world.archive.briefs_of_vendor(&world.files, Hour::of(hour), ours, &mut keep);
        assert!(unreadable.is_empty(), "{:?}", unreadable.first());
    }
    assert_eq!(own, briefs);
    // `decisions verify`, and a start that finds files which the ledger has not.
    for sealed in &old {
        world.archive.check(sealed).unwrap();
        let adopted = world.archive.adopt(sealed.file.parse::<FileName>().unwrap()).unwrap();
        assert_eq!(&adopted, sealed);
    }
    // A label alone makes no older file.
    let lying = SealedFile { schema: 5, ..old[0].clone() };
    assert!(world.archive.check(&lying).is_err());
}
