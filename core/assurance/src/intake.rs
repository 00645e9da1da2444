//! Vendors from a spreadsheet: which column is what, what each row says, and whether it is somebody who is known.
//!
//! A row is taken only where nothing is wrong with it and nobody like it is known. What is doubtful is shown for a
//! decision; what is wrong is said with its row and column, everything at once. Nothing is guessed that would name
//! another firm or another day.

mod beside;
pub mod columns;
mod countries;
mod dates;
mod fields;
pub mod rejects;
mod slug;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use values::is_placeholder;

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Serialize;

use crate::exposure::DataClass;
use crate::sheet::{Row, Sheet, letters};
use columns::{Columns, Field};
pub use dates::{DayOrder, day_of_text, of_serial};

/// Vendors of one import: they are declared in one request, all of them or none.
pub const VENDORS_MAX: usize = 2_000;

/// What whoever imports has said.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `field=Header`
    pub mapped: Vec<(Field, String)>,
    pub header_row: Option<u32>,
    pub order: Option<DayOrder>,
    /// Rows that are new although they look like somebody.
    pub as_new: BTreeSet<u32>,
    pub today: Date,
}

/// A vendor that is there already.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Known {
    pub name: String,
    pub entity: Entity,
}

/// What tells one legal entity from another.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Entity {
    pub legal_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// ISO 3166.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lei: Option<String>,
}

/// A row that was understood.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Candidate {
    /// Of its resources; given once it is clear that it is new.
    pub name: String,
    #[serde(flatten)]
    pub entity: Entity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    #[serde(skip)]
    pub contacts: Vec<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub data: BTreeSet<DataClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// A person at the vendor; nothing of it is printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contact {
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact")
    }
}

/// First and last day of a contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Term {
    pub starts: Date,
    pub ends: Date,
}

/// What was made of a row.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judged {
    pub row: u32,
    /// As the file has it.
    pub given: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was made of what was written, where that isn't plain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody like it is known, and nothing is wrong.
    New {
        vendor: Box<Candidate>,
    },
    /// It is this vendor.
    There {
        vendor: String,
        why: String,
    },
    /// It is what an earlier row says.
    Repeated {
        of: u32,
        why: String,
    },
    /// It may be one of these; somebody has to say.
    Perhaps {
        like: Vec<String>,
    },
    Wrong {
        faults: Vec<Fault>,
    },
    /// No vendor's row.
    Skipped {
        why: String,
    },
}

/// What is wrong with one cell, or with the row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fault {
    /// `E`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.column, &self.header) {
            (Some(column), Some(header)) => write!(f, "{column} `{header}`: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl Verdict {
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::There { .. } => "there",
            Self::Repeated { .. } => "repeated",
            Self::Perhaps { .. } => "decide",
            Self::Wrong { .. } => "wrong",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// For people, one for each thing.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::New { .. } => Vec::new(),
            Self::There { vendor, why } => vec![format!("it is vendor `{vendor}`: {why}")],
            Self::Repeated { of, why } => vec![format!("row {of} says it already: {why}")],
            Self::Perhaps { like } => like.clone(),
            Self::Wrong { faults } => faults.iter().map(ToString::to_string).collect(),
            Self::Skipped { why } => vec![why.clone()],
        }
    }
}

/// Why nothing of a file can be judged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("the sheet is empty\nhint: name the sheet by `--sheet NAME`")]
    Empty,
    #[error(
        "no row names columns that are known\nhint: say which row does by `--header-row N`, and what its columns are by `--map legal_name=HEADER`"
    )]
    NoHeader,
    #[error(
        "row {0} is not there, or is empty\nhint: rows are counted from 1, as the spreadsheet shows them"
    )]
    NoHeaderRow(u32),
    #[error("no column is called `{asked}`\nhint: there are {there}")]
    NoColumn { asked: String, there: String },
    #[error(
        "no column holds the name of the vendor\nhint: say which one does by `--map legal_name=HEADER`; there are {0}"
    )]
    NoName(String),
    #[error(
        "the columns `{first}` and `{second}` may both be `{field}`\nhint: say which one is by `--map {field}={first}`"
    )]
    Twice { field: &'static str, first: String, second: String },
    #[error(
        "there are more than {VENDORS_MAX} new vendors in it\nhint: part the file; what was taken is known when the rest follows"
    )]
    TooMany,
    #[error("there are more names than can be compared\nhint: part the file")]
    Names,
}

/// What came of a file.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judgement {
    pub columns: Columns,
    pub rows: Vec<Judged>,
}

/// Judges every row beside the others and those who are known; `taken` are names of resources that can't be given.
///
/// # Errors
/// [`IntakeError`], where columns can't be told.
pub fn judge(
    sheet: &Sheet,
    known: &[Known],
    taken: &BTreeSet<String>,
    options: &Options,
) -> Result<Judgement, IntakeError> {
    let columns = Columns::find(sheet, options)?;
    let read: Vec<Read> = sheet
        .rows
        .iter()
        .filter(|row| row.number > columns.header_row)
        .map(|row| read(row, sheet, &columns, options))
        .collect();
    let mut rows = beside::judge(read, known)?;
    slug::give(&mut rows, taken);
    if rows.iter().filter(|row| matches!(row.verdict, Verdict::New { .. })).count() > VENDORS_MAX {
        return Err(IntakeError::TooMany);
    }
    Ok(Judgement { columns, rows })
}

/// A row by itself.
struct Read {
    row: u32,
    given: String,
    notes: Vec<String>,
    /// The person who mended it says that it is new.
    as_new: bool,
    outcome: Result<Candidate, Verdict>,
}

fn read(row: &Row, sheet: &Sheet, columns: &Columns, options: &Options) -> Read {
    let name = |field| columns.of(field).map(|column| row.value(column.place).shown()).unwrap_or_default();
    let (legal, short) = (name(Field::LegalName), name(Field::Name));
    let given = if legal.is_empty() { short } else { legal };
    let mut read =
        Read { row: row.number, given, notes: Vec::new(), as_new: false, outcome: Ok(Candidate::default()) };
    if let Some(why) = skipped(row, columns, &read.given) {
        read.outcome = Err(Verdict::Skipped { why });
        return read;
    }
    let decision = name(Field::Decision).to_lowercase();
    match decision.as_str() {
        "" => {}
        "new" => read.as_new = true,
        "skip" => {
            read.outcome = Err(Verdict::Skipped { why: "it says `skip`".to_owned() });
            return read;
        }
        _ => {
            let message = format!("`{decision}` is no decision: write `new` or `skip`, or leave it empty");
            read.outcome =
                Err(Verdict::Wrong { faults: vec![Fault { column: None, header: None, message }] });
            return read;
        }
    }
    read.as_new |= options.as_new.contains(&row.number);
    let mut reader = fields::Reader::new(row, sheet, columns, options);
    let candidate = reader.candidate();
    read.notes = reader.notes;
    read.outcome =
        if reader.faults.is_empty() { Ok(candidate) } else { Err(Verdict::Wrong { faults: reader.faults }) };
    read
}

/// Headings, totals and repeated headers between and below the rows.
fn skipped(row: &Row, columns: &Columns, given: &str) -> Option<String> {
    if row.heading && row.filled() == 1 {
        return Some("a heading over several columns".to_owned());
    }
    if columns.is_header(row) {
        return Some("the header again".to_owned());
    }
    let first = row.values.iter().find(|value| !value.is_empty())?.shown();
    let word = first.split([' ', ':']).next().unwrap_or_default().to_lowercase();
    let total = matches!(
        word.as_str(),
        "total" | "totals" | "sum" | "subtotal" | "summe" | "gesamt" | "gesamtsumme" | "grand"
    );
    let identified = [Field::Lei, Field::RegistryNumber, Field::Country, Field::ContactMail]
        .into_iter()
        .any(|field| columns.of(field).is_some_and(|column| !row.value(column.place).is_empty()));
    let numbers = row.values.iter().filter(|value| !value.is_empty()).skip(1).all(|value| {
        matches!(value, crate::sheet::Value::Number(_) | crate::sheet::Value::Wrong(_))
            || value.shown().chars().all(|letter| !letter.is_alphabetic())
    });
    if total && !identified && numbers {
        return Some("a total".to_owned());
    }
    let beyond = columns.used().all(|column| row.value(column.place).is_empty());
    if beyond && given.is_empty() {
        return Some("nothing in the columns that are used".to_owned());
    }
    None
}

/// Where a cell is, for people.
fn place(column: usize) -> String {
    letters(column)
}
