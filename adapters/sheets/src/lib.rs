//! Rows of the spreadsheets that people have: CSV in the encodings and with the separators that they come in, and XLSX.
//!
//! Nothing is run: of a formula the value counts that was stored with it. Archives and markup are bounded before
//! anything of them is believed: entries, bytes packed and unpacked, their ratio, rows, columns, and bytes of text.

mod archive;
mod delimited;
mod encoding;
mod styles;
mod workbook;
mod xml;

use portcullis_assurance::sheet::Sheet;

/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 32 << 20;

/// Bytes of text that are kept of a file: one text may be shown in a million cells.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// Why a file could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SheetError {
    #[error("the file has more than {FILE_BYTES_MAX} bytes\nhint: leave out what isn't needed, or part it")]
    TooLarge,
    #[error("there is nothing in the file")]
    Empty,
    #[error("this is {found}, and no table\nhint: {hint}")]
    Format { found: &'static str, hint: &'static str },
    #[error(
        "the workbook is broken: {0}\nhint: open it, and save it again as `.xlsx`; or save the sheet as CSV"
    )]
    Broken(String),
    #[error("the workbook unpacks to too much: {0}\nhint: save the sheet that is meant as CSV")]
    Bomb(String),
    #[error(
        "the workbook's `{0}` declares its own entities, which no spreadsheet does\nhint: don't open it; ask who made it"
    )]
    Entities(String),
    #[error("there is no sheet `{asked}`\nhint: there are {there}")]
    NoSheet { asked: String, there: String },
    #[error("there are more than {max} {what}\nhint: leave out what isn't needed, or part the file")]
    TooMany { what: &'static str, max: usize },
    #[error(
        "a quote that opens in row {0} never closes, and takes the rest of the file with it\nhint: close it, or save the file again as CSV"
    )]
    Quote(u64),
    #[error("row {0} can't be read as CSV")]
    Row(u64),
}

/// Reads the one sheet that is meant: `sheet` by its name, or the first that is shown and holds anything.
///
/// # Errors
/// [`SheetError`], with what to do.
pub fn read(bytes: &[u8], sheet: Option<&str>) -> Result<Sheet, SheetError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(SheetError::TooLarge);
    }
    if bytes.trim_ascii().is_empty() {
        return Err(SheetError::Empty);
    }
    if bytes.starts_with(b"PK") {
        return workbook::read(bytes, sheet);
    }
    if let Some((found, hint)) = foreign(bytes) {
        return Err(SheetError::Format { found, hint });
    }
    if let Some(asked) = sheet {
        return Err(SheetError::NoSheet { asked: asked.to_owned(), there: "none: this is text".to_owned() });
    }
    delimited::read(bytes)
}

/// What it is rather, and what to do.
fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const SAVE: &str = "save it as `.xlsx` or as CSV";
    match bytes {
        [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            Some(("an old or encrypted Office file", "save it as `.xlsx` without a password"))
        }
        [b'%', b'P', b'D', b'F', ..] => Some(("a PDF", "ask for the table that it was made from")),
        [0x1f, 0x8b, ..] => Some(("a gzip file", "unpack it")),
        [b'<', ..] => Some(("XML or HTML", SAVE)),
        [b'{' | b'[', ..]
            if bytes.trim_ascii_end().ends_with(b"}") || bytes.trim_ascii_end().ends_with(b"]") =>
        {
            Some(("JSON", SAVE))
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => None,
        _ if bytes.contains(&0) => Some(("a binary file", SAVE)),
        _ => None,
    }
}
