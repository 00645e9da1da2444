//! The list of specially designated nationals of the US Office of Foreign Assets Control, as `SDN.CSV`: no header,
//! `-0-` for nothing, and aliases, numbers and websites as prose in the remarks.

use super::SourceError;
use super::lists::{BYTES_MAX, List, ROWS_MAX};
use super::table::{Limits, Table};
use crate::screening::identifier::{Identifier, IdentifierKind};
use crate::screening::index::ListEntry;

const OF: &str = "OFAC SDN";
const COLUMNS: [&str; 12] = [
    "ent_num",
    "name",
    "type",
    "program",
    "title",
    "call_sign",
    "vess_type",
    "tonnage",
    "grt",
    "flag",
    "owner",
    "remarks",
];

/// Organisations on the list; persons, vessels and aircraft are counted and left out.
///
/// # Errors
/// [`SourceError`], with the line.
pub fn entries(bytes: &[u8]) -> Result<List, SourceError> {
    if let Some(found) = super::other_format(bytes) {
        return Err(SourceError::Format { of: OF, found, expected: "CSV" });
    }
    if bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        return Err(SourceError::Line {
            of: OF,
            line: bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
            message: "a quote is not closed\nhint: it was cut off on its way; fetch it again".to_owned(),
        });
    }
    // The original ends with a sign of CP/M for the end of a file.
    let bytes = bytes.trim_ascii_end();
    let bytes = bytes.strip_suffix(&[0x1a]).unwrap_or(bytes);
    let limits = Limits { bytes_max: BYTES_MAX, rows_max: ROWS_MAX };
    let mut table = Table::open(OF, bytes, &limits, Some(&COLUMNS))?;
    let mut list = List::default();
    table.each(|row| {
        let id = row.text("ent_num")?;
        if id == "ent_num" {
            return Ok(());
        }
        if id.is_empty() || !id.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(row.wrong(format!("`{}` is no number of an entry", super::short(id))));
        }
        let name = row.text("name")?;
        if matches!(row.text("type")?, "individual" | "vessel" | "aircraft") {
            list.left_out += 1;
        } else if name.is_empty() || name == "-0-" {
            return Err(row.wrong("an entry without a name".to_owned()));
        } else {
            list.entries.push(entry(id, name, row.text("remarks")?));
        }
        Ok(())
    })?;
    Ok(list)
}

/// Words before a number in the remarks.
const NUMBERS: [&str; 10] = [
    "NIT #",
    "RIF #",
    "Tax ID No.",
    "Registration ID",
    "Registration Number",
    "National ID No.",
    "Commercial Registry Number",
    "Business Registration Number",
    "Identification Number",
    "D-U-N-S Number",
];

fn entry(id: &str, name: &str, remarks: &str) -> ListEntry {
    let mut names = vec![name.to_owned()];
    let mut identifiers = Vec::new();
    for part in remarks.split(';') {
        let part = part.trim().trim_end_matches('.');
        let part = part.strip_prefix("alt. ").unwrap_or(part);
        if let Some((_, alias)) = part.split_once("k.a. '") {
            names.extend(
                alias.split_once('\'').map(|(alias, _)| alias.to_owned()).filter(|alias| !alias.is_empty()),
            );
        } else if let Some(number) = NUMBERS.iter().find_map(|words| part.strip_prefix(words)) {
            let number = number.split(" (").next().unwrap_or_default();
            identifiers.extend(Identifier::of(IdentifierKind::Number, number));
        } else if let Some(place) =
            ["Website", "Email Address", "Email"].iter().find_map(|word| part.strip_prefix(word))
        {
            identifiers.extend(Identifier::of(IdentifierKind::Domain, place.trim_start_matches(':')));
        }
    }
    ListEntry { id: id.to_owned(), names, identifiers, officers: Vec::new() }
}
