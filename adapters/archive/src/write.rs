//! Writing a file: whole under another name, on the disk, and only then under its own.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_ledger::tree::{Frontier, leaf_hash};
use portcullis_ledger::{Sha256, hex};

use crate::name::FileName;
use crate::open::Identity;
use crate::row::{LateOutcome, Row};
use crate::schema::{self, SCHEMA_VERSION};
use crate::summary::{Counting, Counts, Summary};
use crate::{Archive, ArchiveError, PART_ROWS_MAX};

/// Rows that are turned into columns at a time.
const BATCH_ROWS: usize = 4_096;
const GROUP_ROWS: usize = 1 << 16;
/// What a reader decodes at least; a vendor's rows of an hour are often fewer.
const PAGE_ROWS: usize = 4_096;
/// One in a hundred ids that aren't there costs a look into the column.
const BLOOM_FALSE: f64 = 0.01;
const ZSTD_LEVEL: i32 = 3;
pub(crate) const SUFFIX_NEW: &str = "new";
pub(crate) const SUFFIX_DIGEST: &str = "sha256";

/// What a file may be made of.
pub trait Sealable: Sized {
    const CONTENT: Content;
    #[doc(hidden)]
    fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError>;
    #[doc(hidden)]
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError>;
    #[doc(hidden)]
    fn count(&self, counting: &mut Count<'_>);
}

/// Where rows are counted.
pub struct Count<'a>(pub(crate) &'a mut Counting);

impl Sealable for Row {
    const CONTENT: Content = Content::Decisions;
    fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        Row::leaf(self, to)
    }
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        schema::decisions(rows)
    }
    fn count(&self, counting: &mut Count<'_>) {
        counting.0.row(self);
    }
}

impl Sealable for LateOutcome {
    const CONTENT: Content = Content::Outcomes;
    fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        LateOutcome::leaf(self, to)
    }
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        schema::outcomes(rows)
    }
    fn count(&self, counting: &mut Count<'_>) {
        counting.0.outcome(self.vendor, &self.outcome);
    }
}

impl Archive {
    /// Writes a file, and answers what its event must say. Rows come sorted by vendor and id. `pace` is called with the
    /// number of rows just written, and may wait. `None` when there are no rows: then there is no file.
    ///
    /// # Errors
    /// What `rows` fails with, [`ArchiveError::TooManyRows`], [`ArchiveError::Io`] or [`ArchiveError::Parquet`]; no file of
    /// this name is there then.
    pub fn write<R: Sealable>(
        &self,
        name: FileName,
        rows: impl IntoIterator<Item = Result<R, ArchiveError>>,
        pace: &mut dyn FnMut(usize),
    ) -> Result<Option<SealedFile>, ArchiveError> {
        let name = FileName { content: R::CONTENT, ..name };
        let path = self.path(&name.to_string());
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(None);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(ArchiveError::io("make", folder))?;
        sync_folder(self.folder())?;
        let path_new = path.with_added_extension(SUFFIX_NEW);
        let written = write_new(&path_new, name, rows, pace).and_then(|(sealed, counts)| {
            let digest = format!("{}  {}\n", sealed.sha256, path.file_name().unwrap_or_default().display());
            write_whole(&path.with_added_extension(SUFFIX_DIGEST), digest.as_bytes())?;
            fs::rename(&path_new, &path).map_err(ArchiveError::io("rename", &path_new))?;
            sync_folder(folder)?;
            Ok((sealed, counts))
        });
        match written {
            Ok((sealed, counts)) => {
                // What was written here and now needs no second look.
                if let Ok(identity) = Identity::of(&path) {
                    self.remember(&sealed.file, identity, Summary::new(&counts));
                }
                Ok(Some(sealed))
            }
            Err(error) => {
                // If it stays, the next start removes it.
                let _ = fs::remove_file(&path_new);
                Err(error)
            }
        }
    }
}

fn write_new<R: Sealable>(
    path: &Path,
    name: FileName,
    rows: impl Iterator<Item = Result<R, ArchiveError>>,
    pace: &mut dyn FnMut(usize),
) -> Result<(SealedFile, Counts), ArchiveError> {
    let failed = ArchiveError::parquet::<ParquetError>("write", path);
    let file = File::create(path).map_err(ArchiveError::io("make", path))?;
    let options = ArrowWriterOptions::new()
        .with_properties(properties(R::CONTENT)?)
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(schema::descriptor(R::CONTENT).map_err(&failed)?);
    let hashed = Hashed { to: BufWriter::with_capacity(1 << 18, file), digest: Sha256::default(), bytes: 0 };
    let mut writer =
        ArrowWriter::try_new_with_options(hashed, schema::arrow(R::CONTENT), options).map_err(&failed)?;
    let (mut tree, mut counting) = (Frontier::default(), Counting::default());
    let (mut batch, mut leaf) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(1_024));
    let mut flush = |writer: &mut ArrowWriter<Hashed>, batch: &mut Vec<R>| {
        let columns = R::batch(batch).map_err(ArchiveError::parquet("write", path))?;
        writer.write(&columns).map_err(&failed)?;
        pace(batch.len());
        batch.clear();
        Ok::<_, ArchiveError>(())
    };
    for row in rows {
        let row = row?;
        leaf.clear();
        row.leaf(&mut leaf)?;
        tree.append(leaf_hash(&leaf));
        row.count(&mut Count(&mut counting));
        batch.push(row);
        if tree.size() > PART_ROWS_MAX as u64 {
            return Err(ArchiveError::TooManyRows(PART_ROWS_MAX));
        }
        if batch.len() >= BATCH_ROWS {
            flush(&mut writer, &mut batch)?;
        }
    }
    flush(&mut writer, &mut batch)?;
    let (first, last) = counting.ids.unwrap_or_default();
    let counts = counting.finish();
    let rows_root = hex(&tree.root());
    for (key, value) in [
        ("portcullis.schema", schema::label(R::CONTENT)),
        ("portcullis.hour", name.hour.start().to_string()),
        ("portcullis.rows_root", rows_root.clone()),
        ("portcullis.counts", serde_json::to_string(&counts).unwrap_or_default()),
    ] {
        writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }
    writer.finish().map_err(&failed)?;
    let hashed = writer.inner_mut();
    hashed.flush().and_then(|()| hashed.to.get_ref().sync_all()).map_err(ArchiveError::io("write", path))?;
    let sealed = SealedFile {
        file: name.to_string(),
        content: R::CONTENT,
        schema: SCHEMA_VERSION,
        hour: name.hour.start(),
        rows: tree.size(),
        bytes: hashed.bytes,
        sha256: hex(&hashed.digest.clone().finish()),
        rows_root,
        first,
        last,
        event: None,
    };
    Ok((sealed, counts))
}

fn properties(content: Content) -> Result<WriterProperties, ArchiveError> {
    let failed = ArchiveError::parquet::<ParquetError>("write", Path::new(content.as_str()));
    let id = || ColumnPath::from("id");
    let place = |name: &str| {
        let place = schema::arrow(content).index_of(name).unwrap_or_default();
        SortingColumn {
            column_idx: i32::try_from(place).unwrap_or_default(),
            descending: false,
            nulls_first: true,
        }
    };
    Ok(WriterProperties::builder()
        .set_created_by(concat!("portcullis ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(failed)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![place("vendor"), place("id")]))
        // Every id is another one.
        .set_column_dictionary_enabled(id(), false)
        .set_column_bloom_filter_max_ndv(id(), GROUP_ROWS as u64)
        .set_column_bloom_filter_fpp(id(), BLOOM_FALSE)
        .build())
}

/// A file that is hashed as it is written.
struct Hashed {
    to: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let failed = ArchiveError::io("write", path);
    let mut file = File::create(path).map_err(&failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(&failed)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io("sync", folder))
}
