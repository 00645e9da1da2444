//! A table as people keep them, whatever file it came from: rows with their numbers, and cells with what they hold.

use jiff::civil::Date;

/// Rows that hold anything. More is no list of vendors, and no questionnaire.
pub const ROWS_MAX: usize = 20_000;

/// Columns that are looked at.
pub const COLUMNS_MAX: usize = 256;

/// Characters of a cell; no spreadsheet takes more.
pub const CELL_CHARS_MAX: usize = 32_767;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sheet {
    /// Empty for a file without sheets.
    pub name: String,
    /// Those that hold anything, in their order.
    pub rows: Vec<Row>,
    /// Days are counted from 1904 on.
    pub from_1904: bool,
    /// What whoever brings it should know: encoding, separator, hidden rows, other sheets.
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Row {
    /// As people see it, from 1 on. A quoted line break makes lines of a file more than rows.
    pub number: u32,
    pub values: Vec<Value>,
    /// One text over several columns.
    pub heading: bool,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    #[default]
    Empty,
    Text(String),
    Number(f64),
    /// A number that is shown as a date.
    Day(Date),
    Flag(bool),
    /// `#N/A`, or a formula of which nothing is stored.
    Wrong(String),
}

impl Value {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// As a person would have typed it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Wrong(text) => tidy(text),
            Self::Number(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
            Self::Flag(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        }
    }
}

impl Row {
    #[must_use]
    pub fn value(&self, column: usize) -> &Value {
        self.values.get(column).unwrap_or(&Value::Empty)
    }

    #[must_use]
    pub fn filled(&self) -> usize {
        self.values.iter().filter(|value| !value.is_empty()).count()
    }
}

/// One space where there was any run of them, also those that look like nothing; nothing that steers a terminal.
#[must_use]
pub fn tidy(text: &str) -> String {
    let invisible = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}');
    let space = |letter: char| if letter.is_whitespace() || letter.is_control() { ' ' } else { letter };
    let plain: String = text.chars().filter(|letter| !invisible(*letter)).map(space).collect();
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The letters of a column, from 0 on: `A`, `Z`, `AA`.
#[must_use]
pub fn letters(column: usize) -> String {
    let mut left = column + 1;
    let mut letters = Vec::new();
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or_default();
        letters.push(char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::{letters, tidy};

    #[test]
    fn columns_have_letters() {
        for (column, expect) in [(0, "A"), (25, "Z"), (26, "AA"), (255, "IV"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), expect);
        }
    }

    #[test]
    fn what_nobody_sees_is_gone() {
        assert_eq!(tidy("\u{feff} Acme\u{a0}\u{a0}Ltd\r\n\u{200b}(UK)\u{1b} "), "Acme Ltd (UK)");
    }
}
