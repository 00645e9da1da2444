//! Tables of comma-separated values (RFC 4180) from strangers: bounded in bytes, rows, and bytes of a row.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ReaderBuilder, StringRecord};

use super::{SourceError, TEXT_BYTES_MAX, short};

pub struct Limits {
    pub bytes_max: u64,
    pub rows_max: usize,
}

/// Bytes that one row may have: its reader holds it whole.
const ROW_BYTES_MAX: u64 = 256 << 10;

pub struct Table<R> {
    of: &'static str,
    reader: csv::Reader<Guard<R>>,
    guard: Rc<Guarded>,
    columns: Vec<String>,
    rows_max: usize,
    rows: usize,
}

/// One row, and where it is.
pub struct Row<'a> {
    of: &'static str,
    columns: &'a [String],
    record: &'a StringRecord,
    pub line: u64,
}

impl<R: Read> Table<R> {
    /// `columns` for a table without a header of its own.
    pub fn open(
        of: &'static str,
        source: R,
        limits: &Limits,
        columns: Option<&[&str]>,
    ) -> Result<Self, SourceError> {
        let guard = Rc::new(Guarded { total: Cell::new(0), row: Cell::new(0), bytes_max: limits.bytes_max });
        let guarded = Guard { inner: source, state: Rc::clone(&guard) };
        let mut reader = ReaderBuilder::new().has_headers(columns.is_none()).from_reader(guarded);
        let columns = match columns {
            Some(columns) => columns.iter().map(|column| (*column).to_owned()).collect(),
            None => {
                let header = reader.headers().map_err(|error| wrong(of, &guard, &error))?;
                header.iter().map(|column| short(column.trim().trim_start_matches('\u{feff}'))).collect()
            }
        };
        Ok(Self { of, reader, guard, columns, rows_max: limits.rows_max, rows: 0 })
    }

    /// That the columns are there, before anything is read.
    pub fn require(&self, columns: &[&str]) -> Result<(), SourceError> {
        match columns.iter().find(|column| !self.columns.iter().any(|found| found == **column)) {
            None => Ok(()),
            Some(missing) => Err(SourceError::Column {
                of: self.of,
                column: short(missing),
                found: short(
                    &self.columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                ),
            }),
        }
    }

    pub fn each(
        &mut self,
        mut each: impl FnMut(&Row<'_>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut record = StringRecord::new();
        loop {
            self.guard.row.set(0);
            let more =
                self.reader.read_record(&mut record).map_err(|error| wrong(self.of, &self.guard, &error))?;
            if !more {
                return Ok(());
            }
            self.rows += 1;
            if self.rows > self.rows_max {
                return Err(SourceError::TooMany { of: self.of, what: "rows", max: self.rows_max });
            }
            let line = record.position().map_or(0, csv::Position::line);
            each(&Row { of: self.of, columns: &self.columns, record: &record, line })?;
        }
    }
}

impl<'a> Row<'a> {
    /// Trimmed; empty where there is no such column.
    pub fn text(&self, column: &str) -> Result<&'a str, SourceError> {
        let at = self.columns.iter().position(|found| found == column);
        let text = at.and_then(|at| self.record.get(at)).unwrap_or_default().trim();
        if text.len() > TEXT_BYTES_MAX * 8 {
            return Err(self.wrong(format!("`{column}` has {} bytes", text.len())));
        }
        Ok(text)
    }

    pub fn some(&self, column: &str) -> Result<Option<String>, SourceError> {
        Ok(Some(self.text(column)?.to_owned()).filter(|text| !text.is_empty()))
    }

    pub fn wrong(&self, message: String) -> SourceError {
        SourceError::Line { of: self.of, line: self.line, message }
    }
}

struct Guarded {
    total: Cell<u64>,
    /// Bytes read since the last row was handed out.
    row: Cell<u64>,
    bytes_max: u64,
}

struct Guard<R> {
    inner: R,
    state: Rc<Guarded>,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &self.state;
        if state.total.get() > state.bytes_max || state.row.get() > ROW_BYTES_MAX {
            return Err(io::Error::other("too much"));
        }
        let read = self.inner.read(buffer)?;
        state.total.set(state.total.get() + read as u64);
        state.row.set(state.row.get() + read as u64);
        Ok(read)
    }
}

fn wrong(of: &'static str, guard: &Guarded, error: &csv::Error) -> SourceError {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(_) if guard.total.get() > guard.bytes_max => {
            SourceError::TooLarge { of, max: guard.bytes_max }
        }
        csv::ErrorKind::Io(_) if guard.row.get() > ROW_BYTES_MAX => {
            SourceError::TooLarge { of, max: ROW_BYTES_MAX }
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => SourceError::Line {
            of,
            line,
            message: format!(
                "{len} columns where {expected_len} are expected\nhint: a quote is missing, or the file was cut off; fetch it again"
            ),
        },
        csv::ErrorKind::Utf8 { .. } => {
            SourceError::Line { of, line, message: "this is not UTF-8".to_owned() }
        }
        _ => SourceError::Line { of, line, message: "this can't be read".to_owned() },
    }
}
