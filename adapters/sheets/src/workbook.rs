//! XLSX workbooks (ECMA-376 part 1): one sheet of them, as it was stored. No formula is reckoned, no link followed.

use std::collections::BTreeMap;

use portcullis_assurance::intake::of_serial;
use portcullis_assurance::sheet::{CELL_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, Row, Sheet, Value};

use crate::archive::Archive;
use crate::styles::Styles;
use crate::xml::{Attributes, Step, walk};
use crate::{SheetError, TEXT_BYTES_MAX};

const SHARED_MAX: usize = 1_000_000;
const SHEETS_MAX: usize = 500;
/// Cells that are looked at, empty ones too: a sheet may be formatted down to its last row.
const CELLS_MAX: usize = 20_000_000;
const MERGED_MAX: usize = 20_000;

pub fn read(bytes: &[u8], asked: Option<&str>) -> Result<Sheet, SheetError> {
    let mut archive = Archive::open(bytes)?;
    if !archive.has("xl/workbook.xml") {
        return Err(SheetError::Format {
            found: if archive.has("content.xml") { "an OpenDocument file" } else { "an archive" },
            hint: "save the table as `.xlsx` or as CSV",
        });
    }
    let book = Book::read(&mut archive)?;
    let styles = match archive.part("xl/styles.xml")? {
        Some(text) => Styles::read("xl/styles.xml", &text)?,
        None => Styles::default(),
    };
    let shared = match archive.part("xl/sharedStrings.xml")? {
        Some(text) => shared_strings(&text)?,
        None => Vec::new(),
    };
    for (named, part) in book.meant(asked)? {
        let Some(text) = archive.part(&part)? else {
            return Err(SheetError::Broken(format!("`{part}` is missing")));
        };
        let mut reading = Reading::new(&styles, &shared, book.from_1904);
        walk(&part, &text, |step| reading.step(step))?;
        let mut sheet = reading.finish();
        if sheet.rows.is_empty() && asked.is_none() {
            continue;
        }
        let others: Vec<String> = book
            .sheets
            .iter()
            .filter(|other| other.name != named)
            .map(|other| format!("`{}`", other.name))
            .collect();
        sheet.notes.insert(0, format!("sheet `{named}` is read"));
        if !others.is_empty() {
            sheet.notes.insert(1, format!("other sheets are left out: {}", others.join(", ")));
        }
        sheet.name = named;
        return Ok(sheet);
    }
    Err(SheetError::Empty)
}

struct Book {
    sheets: Vec<Named>,
    from_1904: bool,
}

struct Named {
    name: String,
    part: String,
    shown: bool,
}

impl Book {
    fn read(archive: &mut Archive<'_>) -> Result<Self, SheetError> {
        let missing = |part: &str| SheetError::Broken(format!("`{part}` is missing"));
        let relations_part = "xl/_rels/workbook.xml.rels";
        let relations = archive.part(relations_part)?.ok_or_else(|| missing(relations_part))?;
        let mut targets: BTreeMap<String, String> = BTreeMap::new();
        walk(relations_part, &relations, |step| {
            if let Step::Open("Relationship", attributes) = step
                && let Some((id, target)) = attributes.get("Id").zip(attributes.get("Target"))
            {
                let part = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
                targets.insert(id, part);
            }
            Ok(())
        })?;
        let text = archive.part("xl/workbook.xml")?.ok_or_else(|| missing("xl/workbook.xml"))?;
        let mut book = Self { sheets: Vec::new(), from_1904: false };
        walk("xl/workbook.xml", &text, |step| {
            match step {
                Step::Open("workbookPr", attributes) => {
                    book.from_1904 = matches!(attributes.get("date1904").as_deref(), Some("1" | "true"));
                }
                Step::Open("sheet", attributes) => {
                    let part = attributes.get("id").and_then(|id| targets.get(&id).cloned());
                    if let Some((name, part)) = attributes.get("name").zip(part) {
                        let shown =
                            !matches!(attributes.get("state").as_deref(), Some("hidden" | "veryHidden"));
                        book.sheets.push(Named { name: name.chars().take(100).collect(), part, shown });
                    }
                    if book.sheets.len() > SHEETS_MAX {
                        return Err(SheetError::TooMany { what: "sheets", max: SHEETS_MAX });
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(book)
    }

    /// The sheets that may be meant, in their order: those that are shown, unless one is asked for.
    fn meant(&self, asked: Option<&str>) -> Result<Vec<(String, String)>, SheetError> {
        let pair = |sheet: &Named| (sheet.name.clone(), sheet.part.clone());
        let Some(asked) = asked else {
            return Ok(self.sheets.iter().filter(|sheet| sheet.shown).map(pair).collect());
        };
        let alike = |sheet: &&Named| sheet.name.trim().eq_ignore_ascii_case(asked.trim());
        let exactly = self.sheets.iter().find(|sheet| sheet.name == asked);
        match exactly.or_else(|| self.sheets.iter().find(alike)) {
            Some(sheet) => Ok(vec![pair(sheet)]),
            None => {
                let there: Vec<String> =
                    self.sheets.iter().map(|sheet| format!("`{}`", sheet.name)).collect();
                Err(SheetError::NoSheet { asked: asked.to_owned(), there: there.join(", ") })
            }
        }
    }
}

/// Texts that cells refer to; phonetic hints beside them are left out.
fn shared_strings(text: &str) -> Result<Vec<String>, SheetError> {
    let mut shared = Vec::new();
    let mut current = String::new();
    let (mut in_text, mut in_hint) = (false, false);
    walk("xl/sharedStrings.xml", text, |step| {
        match step {
            Step::Open("si", _) => current.clear(),
            Step::Close("si") => {
                if shared.len() >= SHARED_MAX {
                    return Err(SheetError::TooMany { what: "texts", max: SHARED_MAX });
                }
                shared.push(std::mem::take(&mut current));
            }
            Step::Open("rPh", _) => in_hint = true,
            Step::Close("rPh") => in_hint = false,
            Step::Open("t", _) => in_text = true,
            Step::Close("t") => in_text = false,
            Step::Text(text) if in_text && !in_hint => current.push_str(text),
            _ => {}
        }
        Ok(())
    })?;
    Ok(shared)
}

/// One sheet, cell by cell.
struct Reading<'a> {
    styles: &'a Styles,
    shared: &'a [String],
    sheet: Sheet,
    row: Row,
    hidden_row: bool,
    hidden: usize,
    cells: usize,
    bytes: usize,
    cell: Cell,
    merged: Vec<Area>,
}

#[derive(Default)]
struct Cell {
    open: bool,
    column: usize,
    kind: String,
    format: usize,
    formula: bool,
    value: String,
    in_value: bool,
    in_hint: bool,
}

/// From and to, both within; columns from 0 on, rows from 1.
struct Area {
    columns: (usize, usize),
    rows: (u32, u32),
}

impl<'a> Reading<'a> {
    fn new(styles: &'a Styles, shared: &'a [String], from_1904: bool) -> Self {
        Self {
            styles,
            shared,
            sheet: Sheet { from_1904, ..Sheet::default() },
            row: Row::default(),
            hidden_row: false,
            hidden: 0,
            cells: 0,
            bytes: 0,
            cell: Cell::default(),
            merged: Vec::new(),
        }
    }

    fn step(&mut self, step: Step<'_>) -> Result<(), SheetError> {
        match step {
            Step::Open("row", attributes) => self.open_row(attributes),
            Step::Close("row") => return self.close_row(),
            Step::Open("c", attributes) => return self.open_cell(attributes),
            Step::Close("c") => return self.close_cell(),
            Step::Open("f", _) => self.cell.formula = true,
            Step::Open("rPh", _) => self.cell.in_hint = true,
            Step::Close("rPh") => self.cell.in_hint = false,
            Step::Open("v" | "t", _) => self.cell.in_value = true,
            Step::Close("v" | "t") => self.cell.in_value = false,
            Step::Text(text) if self.cell.open && self.cell.in_value && !self.cell.in_hint => {
                if self.cell.value.len() + text.len() > 4 * CELL_CHARS_MAX {
                    return Err(SheetError::TooMany { what: "characters in a cell", max: CELL_CHARS_MAX });
                }
                self.cell.value.push_str(text);
            }
            Step::Open("mergeCell", attributes) => self.merge(attributes)?,
            _ => {}
        }
        Ok(())
    }

    fn open_row(&mut self, attributes: &Attributes<'_>) {
        let number = attributes.get("r").and_then(|number| number.parse().ok());
        // Without a number it is the next one; one that goes back would be a second row of that number.
        let next = self.row.number.saturating_add(1);
        self.row = Row { number: number.map_or(next, |number: u32| number.max(next)), ..Row::default() };
        self.hidden_row = matches!(attributes.get("hidden").as_deref(), Some("1" | "true"));
        self.cell = Cell::default();
    }

    fn close_row(&mut self) -> Result<(), SheetError> {
        let number = self.row.number;
        let row = std::mem::replace(&mut self.row, Row { number, ..Row::default() });
        if row.filled() == 0 {
            return Ok(());
        }
        if self.sheet.rows.len() >= ROWS_MAX {
            return Err(SheetError::TooMany { what: "rows", max: ROWS_MAX });
        }
        self.hidden += usize::from(self.hidden_row);
        self.sheet.rows.push(row);
        Ok(())
    }

    fn open_cell(&mut self, attributes: &Attributes<'_>) -> Result<(), SheetError> {
        self.cells += 1;
        if self.cells > CELLS_MAX {
            return Err(SheetError::TooMany { what: "cells", max: CELLS_MAX });
        }
        let column = attributes.get("r").and_then(|place| place_of(&place)).map(|(column, _)| column);
        let next = self.cell.column + usize::from(self.cell.open || !self.row.values.is_empty());
        self.cell = Cell {
            open: true,
            column: column.unwrap_or(next),
            kind: attributes.get("t").unwrap_or_default(),
            format: attributes.get("s").and_then(|format| format.parse().ok()).unwrap_or(0),
            ..Cell::default()
        };
        Ok(())
    }

    fn close_cell(&mut self) -> Result<(), SheetError> {
        let cell = std::mem::take(&mut self.cell);
        self.cell.column = cell.column;
        let value = self.value(&cell)?;
        if value.is_empty() {
            return Ok(());
        }
        if cell.column >= COLUMNS_MAX {
            return Err(SheetError::TooMany { what: "columns", max: COLUMNS_MAX });
        }
        if let Value::Text(text) = &value {
            self.bytes += text.len();
            if self.bytes > TEXT_BYTES_MAX {
                return Err(SheetError::Bomb(format!("its texts have more than {TEXT_BYTES_MAX} bytes")));
            }
        }
        if self.row.values.len() <= cell.column {
            self.row.values.resize(cell.column + 1, Value::Empty);
        }
        if let Some(place) = self.row.values.get_mut(cell.column) {
            *place = value;
        }
        Ok(())
    }

    fn value(&self, cell: &Cell) -> Result<Value, SheetError> {
        let text = cell.value.as_str();
        if text.is_empty() && cell.formula {
            return Ok(Value::Wrong("a formula without a stored value".to_owned()));
        }
        Ok(match cell.kind.as_str() {
            _ if text.is_empty() => Value::Empty,
            "s" => {
                let place: Option<usize> = text.trim().parse().ok();
                let shared = place.and_then(|place| self.shared.get(place));
                let shared = shared
                    .ok_or_else(|| SheetError::Broken("a cell names a text that there isn't".to_owned()))?;
                Value::Text(shared.clone())
            }
            "b" => Value::Flag(text.trim() == "1"),
            "e" => Value::Wrong(text.to_owned()),
            "str" | "inlineStr" | "d" => Value::Text(text.to_owned()),
            _ => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    let day =
                        self.styles.is_day(cell.format).then(|| of_serial(number, self.sheet.from_1904));
                    day.and_then(Result::ok).map_or(Value::Number(number), Value::Day)
                }
                _ => Value::Text(text.to_owned()),
            },
        })
    }

    fn merge(&mut self, attributes: &Attributes<'_>) -> Result<(), SheetError> {
        let Some(reference) = attributes.get("ref") else { return Ok(()) };
        let Some((from, to)) = reference.split_once(':') else { return Ok(()) };
        if let (Some(from), Some(to)) = (place_of(from), place_of(to)) {
            self.merged.push(Area { columns: (from.0, to.0), rows: (from.1, to.1) });
        }
        if self.merged.len() > MERGED_MAX {
            return Err(SheetError::TooMany { what: "merged cells", max: MERGED_MAX });
        }
        Ok(())
    }

    /// What is merged down rows stands in each of them, as it is shown; what is merged over columns only is a heading where
    /// nothing stands beside it.
    fn finish(mut self) -> Sheet {
        let rows = &mut self.sheet.rows;
        for area in &self.merged {
            let first = rows.partition_point(|row| row.number < area.rows.0);
            let within = rows.partition_point(|row| row.number <= area.rows.1);
            let Some(found) = rows.get_mut(first..within) else { continue };
            let Some((top, below)) = found.split_first_mut() else { continue };
            if top.number != area.rows.0 {
                continue;
            }
            top.heading |= area.columns.1 > area.columns.0 && top.filled() == 1;
            let value = top.value(area.columns.0).clone();
            let short = value.shown().len() <= 500;
            // Down one column only, and of a value that a cell may repeat: a large area is decoration.
            if area.columns.0 == area.columns.1 && area.columns.0 < COLUMNS_MAX && short && !value.is_empty()
            {
                for row in below {
                    if row.values.len() <= area.columns.0 {
                        row.values.resize(area.columns.0 + 1, Value::Empty);
                    }
                    if let Some(place) = row.values.get_mut(area.columns.0).filter(|place| place.is_empty()) {
                        *place = value.clone();
                    }
                }
            }
        }
        if self.hidden > 0 {
            let note = format!("{} rows are hidden in it, and read all the same", self.hidden);
            self.sheet.notes.push(note);
        }
        self.sheet
    }
}

/// `AB12` is column 27, row 12.
fn place_of(reference: &str) -> Option<(usize, u32)> {
    let bare: String = reference.chars().filter(|letter| *letter != '$').take(20).collect();
    let digits = bare.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, number) = bare.split_at(digits);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters.bytes().try_fold(0, |sum: usize, letter| {
        letter.is_ascii_alphabetic().then(|| sum * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    })?;
    Some((column - 1, number.parse().ok()?))
}
