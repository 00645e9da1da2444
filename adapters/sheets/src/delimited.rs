//! Text with separators: CSV as RFC 4180 has it, and as people have it.

use csv::{ReaderBuilder, StringRecord, Trim};
use portcullis_assurance::sheet::{CELL_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, Row, Sheet, Value};

use crate::encoding::decode;
use crate::{SheetError, TEXT_BYTES_MAX};

const SEPARATORS: [(u8, &str); 4] = [(b',', "`,`"), (b';', "`;`"), (b'\t', "tab"), (b'|', "`|`")];

pub fn read(bytes: &[u8]) -> Result<Sheet, SheetError> {
    let (text, encoding) = decode(bytes);
    let (separator, called, text) = separator(&text);
    let mut sheet = Sheet::default();
    sheet.notes.extend(encoding.map(|encoding| format!("the text is {encoding}")));
    sheet.notes.push(format!("cells are parted by {called}"));
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::None)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let (mut number, mut kept) = (0_u32, 0);
    let mut lines = Lines { text: text.as_bytes(), byte: 0, line: 1 };
    loop {
        let byte = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let at = lines.of(byte);
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(_) => return Err(SheetError::Row(at)),
        }
        number = u32::try_from(at).unwrap_or(u32::MAX);
        if record.len() > COLUMNS_MAX {
            return Err(SheetError::TooMany { what: "columns", max: COLUMNS_MAX });
        }
        if record.iter().any(|cell| cell.len() > CELL_CHARS_MAX) {
            return Err(SheetError::Quote(at));
        }
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        kept += record.as_slice().len();
        if kept > TEXT_BYTES_MAX {
            return Err(SheetError::TooLarge);
        }
        if sheet.rows.len() >= ROWS_MAX {
            return Err(SheetError::TooMany { what: "rows", max: ROWS_MAX });
        }
        sheet.rows.push(Row { number, values: record.iter().map(value).collect(), heading: false });
    }
    // What opens and never closes swallows every row behind it, in silence.
    let quotes = text.bytes().filter(|byte| *byte == b'"').count();
    if !quotes.is_multiple_of(2) && record_spans_lines(&sheet, number) {
        return Err(SheetError::Quote(u64::from(number)));
    }
    Ok(sheet)
}

/// Counts lines as people do: blank ones are passed over by whoever reads records, and count all the same.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first record at `byte` or behind it.
    fn of(&mut self, byte: usize) -> u64 {
        let behind = self.text.get(byte..).unwrap_or_default();
        let blank = behind.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let to = byte.saturating_add(blank).min(self.text.len());
        let passed = self.text.get(self.byte..to).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.byte = to;
        self.line
    }
}

fn record_spans_lines(sheet: &Sheet, number: u32) -> bool {
    let last = sheet.rows.last().filter(|row| row.number == number);
    last.is_some_and(|row| {
        row.values.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\n')))
    })
}

/// What was told to be text when it was written (a formula, a telephone number) is what it was.
fn value(cell: &str) -> Value {
    let told = cell.strip_prefix('\'').filter(|rest| {
        rest.trim_start().starts_with(['=', '+', '-', '@', '|', '%']) || rest.starts_with(['\t', '\r', '\n'])
    });
    Value::Text(told.unwrap_or(cell).to_owned())
}

/// The separator that parts most of the first lines into the same number of cells, and the text without a line that
/// only names it (`sep=;`).
fn separator(text: &str) -> (u8, &'static str, &str) {
    let first = text.lines().next().unwrap_or_default();
    if let Some(named) = first.trim_end().strip_prefix("sep=")
        && let Some((separator, called)) =
            SEPARATORS.into_iter().find(|(separator, _)| named.as_bytes() == [*separator])
    {
        let rest = text.get(first.len()..).unwrap_or_default();
        return (separator, called, rest);
    }
    let score = |separator: u8| {
        let counts: Vec<usize> = sample(text).map(|line| outside_quotes(line, separator)).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        let alike = counts.iter().filter(|count| **count == most && most > 0).count();
        (alike.min(3), most)
    };
    let best = SEPARATORS.into_iter().rev().max_by_key(|(separator, _)| score(*separator));
    let (separator, called) = best.unwrap_or((b',', "`,`"));
    (separator, called, text)
}

fn sample(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty()).take(50)
}

fn outside_quotes(line: &str, separator: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(byte == separator && !quoted);
    }
    count
}

#[cfg(test)]
mod tests {
    use portcullis_assurance::sheet::Sheet;

    use super::read;
    use crate::SheetError;

    fn cells(sheet: &Sheet) -> Vec<(u32, Vec<String>)> {
        let row = |row: &portcullis_assurance::sheet::Row| {
            (row.number, row.values.iter().map(portcullis_assurance::sheet::Value::shown).collect())
        };
        sheet.rows.iter().map(row).collect()
    }

    #[test]
    fn separators_are_found() {
        for (text, called) in [
            ("a,b,c\n1,2,3\n", "`,`"),
            ("a;b;c\n1,5;2;3\n4;5,5;6\n", "`;`"),
            ("a\tb\tc\nx, y\t2\t3\n", "tab"),
            ("a|b\n1|2\n", "`|`"),
            ("sep=;\na;b\n1,2;3\n", "`;`"),
            ("List of vendors, 2026\n\nname;country\nAcme;GB\nBolt;DE\n", "`;`"),
            ("\"a;b;c;d\",\"x\"\n\"1;2;3;4\",\"y\"\n", "`,`"),
            ("lonely\nrows\n", "`,`"),
        ] {
            let sheet = read(text.as_bytes()).unwrap();
            assert!(sheet.notes.iter().any(|note| note.ends_with(called)), "{text}: {:?}", sheet.notes);
        }
    }

    #[test]
    fn rows_have_the_numbers_of_their_lines() {
        let sheet = read(b"name,note\r\n\r\nAcme,\"two\r\nlines\"\r\n,\r\n'=1+1,x,y\r\n").unwrap();
        assert_eq!(
            cells(&sheet),
            [
                (1, vec!["name".to_owned(), "note".to_owned()]),
                (3, vec!["Acme".to_owned(), "two lines".to_owned()]),
                (6, vec!["=1+1".to_owned(), "x".to_owned(), "y".to_owned()]),
            ]
        );
    }

    #[test]
    fn a_quote_that_never_closes_loses_no_rows_in_silence() {
        let text = "name,note\nAcme,\"oops\nBolt,b\nCube,c\n";
        assert_eq!(read(text.as_bytes()), Err(SheetError::Quote(2)));
        // Inches within a cell open nothing.
        assert_eq!(read(b"name,size\nAcme,5\" disk\nBolt,b\n").unwrap().rows.len(), 3);
    }

    #[test]
    fn there_are_limits() {
        let many = "a,b\n".repeat(20_001);
        assert!(matches!(read(many.as_bytes()), Err(SheetError::TooMany { what: "rows", .. })));
        let wide = ",".repeat(300) + "x\n";
        assert!(matches!(read(wide.as_bytes()), Err(SheetError::TooMany { what: "columns", .. })));
    }
}
