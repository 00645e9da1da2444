//! Opening a file, which is done only with one that has the digest that was recorded.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};
use portcullis_domain::archive::SealedFile;
use portcullis_ledger::{Sha256, hex};

use crate::summary::{Counts, Summary};
use crate::{Archive, ArchiveError, schema};

const HASHED_AT_ONCE: usize = 1 << 18;

/// A file as it stood when it was verified: one that was put in its place, or written to, is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::of_metadata(&fs::metadata(path)?))
    }

    fn of_metadata(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A verified file with its metadata.
pub(crate) struct Opened {
    pub path: PathBuf,
    source: Source,
    pub metadata: ArrowReaderMetadata,
}

impl Opened {
    pub fn reader(&self) -> ParquetRecordBatchReaderBuilder<Source> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.source.clone(), self.metadata.clone())
    }

    pub fn failed<E: Into<ParquetError>>(&self) -> impl Fn(E) -> ArchiveError {
        ArchiveError::parquet("read", &self.path)
    }

    /// A text of the file's own metadata.
    pub fn said(&self, key: &str) -> Option<&str> {
        let said = self.metadata.metadata().file_metadata().key_value_metadata()?;
        said.iter().find(|said| said.key == key)?.value.as_deref()
    }
}

impl Archive {
    /// Opens a recorded file, after its digest was found to be the recorded one.
    pub(crate) fn open(&self, sealed: &SealedFile) -> Result<Opened, ArchiveError> {
        if !schema::is_readable(sealed.schema) {
            let schema = format!("{}/{}", sealed.content.as_str(), sealed.schema);
            return Err(ArchiveError::ForeignSchema { path: self.path(&sealed.file), schema });
        }
        let (path, file) = self.open_file(&sealed.file)?;
        let identity = Identity::of_metadata(&file.metadata().map_err(ArchiveError::io("look at", &path))?);
        let known = self.verified(&sealed.file, identity);
        if !known {
            let found = digest(&file, &path)?;
            if (found.0, found.1.as_str()) != (sealed.bytes, sealed.sha256.as_str()) {
                let why = format!(
                    "its digest is `{}` over `{}` bytes, and the ledger says `{}` over `{}`",
                    found.1, found.0, sealed.sha256, sealed.bytes
                );
                return Err(ArchiveError::damaged(&path, why));
            }
        }
        let opened = parse(path, file)?;
        if !known {
            let counts: Counts = opened
                .said("portcullis.counts")
                .and_then(|counts| serde_json::from_str(counts).ok())
                .ok_or_else(|| {
                    ArchiveError::damaged(&opened.path, "its metadata doesn't say what it holds")
                })?;
            self.remember(&sealed.file, identity, Summary::new(&counts));
        }
        Ok(opened)
    }

    /// What a file holds, from memory if it is known.
    pub(crate) fn summary(&self, sealed: &SealedFile) -> Result<Arc<Summary>, ArchiveError> {
        let path = self.path(&sealed.file);
        let identity = Identity::of(&path).map_err(|error| missing_or(&path, error))?;
        if let Some(summary) = self.known(&sealed.file, identity) {
            return Ok(summary);
        }
        self.open(sealed)?;
        self.known(&sealed.file, identity)
            .ok_or_else(|| ArchiveError::damaged(&path, "it was changed while it was read"))
    }

    pub(crate) fn open_file(&self, file: &str) -> Result<(PathBuf, File), ArchiveError> {
        let path = self.path(file);
        match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(missing_or(&path, error)),
        }
    }
}

fn missing_or(path: &Path, error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::NotFound => ArchiveError::Missing { path: path.to_owned() },
        _ => ArchiveError::io("open", path)(error),
    }
}

/// Reads what stands in a file that is known to be good.
pub(crate) fn parse(path: PathBuf, file: File) -> Result<Opened, ArchiveError> {
    let bytes = file.metadata().map_err(ArchiveError::io("look at", &path))?.len();
    let source = Source { file: Arc::new(file), bytes };
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata =
        ArrowReaderMetadata::load(&source, options).map_err(ArchiveError::parquet("read", &path))?;
    Ok(Opened { path, source, metadata })
}

/// Length and SHA-256 in hex.
pub(crate) fn digest(file: &File, path: &Path) -> Result<(u64, String), ArchiveError> {
    let mut digest = Sha256::default();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    let mut bytes = 0;
    loop {
        match file.read_at(&mut buffer, bytes) {
            Ok(0) => return Ok((bytes, hex(&digest.finish()))),
            Ok(count) => {
                digest.update(buffer.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::io("read", path)(error)),
        }
    }
}

/// Reads by position, so that readers of one file don't move each other's place.
#[derive(Clone)]
pub(crate) struct Source {
    file: Arc<File>,
    bytes: u64,
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Source {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // Checked here: a length from a file must not become an allocation of any size.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!(
                "`{length}` bytes at `{start}` are beyond the file's end"
            )));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

pub(crate) struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
