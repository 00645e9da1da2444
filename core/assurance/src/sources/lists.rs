//! Lists of whoever is not to be dealt with: as OpenSanctions publishes them, and any table whose columns are named.

use super::SourceError;
use super::table::{Limits, Row, Table};
use crate::lei::Lei;
use crate::screening::identifier::{Identifier, IdentifierKind};
use crate::screening::index::ListEntry;

pub(super) const BYTES_MAX: u64 = 1 << 30;
pub(super) const ROWS_MAX: usize = 2_000_000;

/// Names and identifiers of one entry.
const VALUES_MAX: usize = 200;

#[derive(Clone, PartialEq, Default, Debug)]
pub struct List {
    pub entries: Vec<ListEntry>,
    /// Persons, vessels and the like.
    pub left_out: usize,
}

/// Which columns hold what. Several names or identifiers in one cell are separated by `separator`.
#[derive(Clone, PartialEq, Debug)]
pub struct Columns {
    pub id: String,
    pub name: String,
    pub aliases: Vec<String>,
    pub identifiers: Vec<(IdentifierKind, String)>,
    /// A column, and the words in it of rows that are left out.
    pub left_out: Option<(String, Vec<String>)>,
    pub separator: char,
}

/// A table of `targets.simple.csv`, as OpenSanctions publishes for each of its data sets.
///
/// # Errors
/// [`SourceError`], with the line.
pub fn open_sanctions(bytes: &[u8]) -> Result<List, SourceError> {
    let kinds = ["Person", "Vessel", "Airplane", "Security", "CryptoWallet", "Address"];
    let columns = Columns {
        id: "id".to_owned(),
        name: "name".to_owned(),
        aliases: vec!["aliases".to_owned()],
        identifiers: vec![
            (IdentifierKind::Number, "identifiers".to_owned()),
            (IdentifierKind::Address, "addresses".to_owned()),
            (IdentifierKind::Domain, "emails".to_owned()),
        ],
        left_out: Some(("schema".to_owned(), kinds.iter().map(|kind| (*kind).to_owned()).collect())),
        separator: ';',
    };
    read("OpenSanctions", bytes, &columns, &["id", "schema", "name", "aliases"])
}

/// Any table with a header.
///
/// # Errors
/// [`SourceError`], with the line, or the column that is missing.
pub fn table(bytes: &[u8], columns: &Columns) -> Result<List, SourceError> {
    let mut required = vec![columns.id.as_str(), columns.name.as_str()];
    required.extend(columns.aliases.iter().map(String::as_str));
    required.extend(columns.identifiers.iter().map(|(_, column)| column.as_str()));
    required.extend(columns.left_out.iter().map(|(column, _)| column.as_str()));
    read("list", bytes, columns, &required)
}

fn read(of: &'static str, bytes: &[u8], columns: &Columns, required: &[&str]) -> Result<List, SourceError> {
    if let Some(found) = super::other_format(bytes) {
        return Err(SourceError::Format { of, found, expected: "CSV" });
    }
    let mut table = Table::open(of, bytes, &Limits { bytes_max: BYTES_MAX, rows_max: ROWS_MAX }, None)?;
    table.require(required)?;
    let mut list = List::default();
    table.each(|row| {
        if let Some((column, words)) = &columns.left_out
            && words.iter().any(|word| row.text(column).is_ok_and(|found| found == word))
        {
            list.left_out += 1;
            return Ok(());
        }
        list.entries.push(entry(row, columns)?);
        Ok(())
    })?;
    Ok(list)
}

fn entry(row: &Row<'_>, columns: &Columns) -> Result<ListEntry, SourceError> {
    let (id, name) = (row.text(&columns.id)?, row.text(&columns.name)?);
    if id.is_empty() || name.is_empty() {
        return Err(row.wrong("an entry without an id or a name".to_owned()));
    }
    let mut names = vec![name.to_owned()];
    for column in &columns.aliases {
        names.extend(values(row.text(column)?, columns.separator).map(str::to_owned));
    }
    let mut identifiers = Vec::new();
    for (kind, column) in &columns.identifiers {
        let found = values(row.text(column)?, columns.separator).filter_map(|text| match kind {
            IdentifierKind::Number if Lei::parse(text).is_ok() => Identifier::of(IdentifierKind::Lei, text),
            // An address without a number would match a whole town.
            IdentifierKind::Address if !text.contains(|letter: char| letter.is_ascii_digit()) => None,
            kind => Identifier::of(*kind, text),
        });
        identifiers.extend(found);
    }
    names.truncate(VALUES_MAX);
    identifiers.truncate(VALUES_MAX);
    Ok(ListEntry { id: id.to_owned(), names, identifiers, officers: Vec::new() })
}

fn values(cell: &str, separator: char) -> impl Iterator<Item = &str> {
    cell.split(separator).map(|value| value.trim().trim_matches('"').trim()).filter(|value| !value.is_empty())
}
