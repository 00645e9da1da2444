//! Which formats show a number as a day (ECMA-376 part 1, 18.8.30 and 18.8.31).

use std::collections::BTreeMap;

use crate::SheetError;
use crate::xml::{Step, walk};

/// For each cell format, whether it shows days.
#[derive(Default)]
pub struct Styles(Vec<bool>);

impl Styles {
    pub fn read(part: &str, text: &str) -> Result<Self, SheetError> {
        let mut own: BTreeMap<u32, bool> = BTreeMap::new();
        let mut formats = Vec::new();
        let mut in_cells = false;
        walk(part, text, |step| {
            match step {
                Step::Open("numFmt", attributes) => {
                    let id = attributes.get("numFmtId").and_then(|id| id.parse().ok());
                    if let Some((id, code)) = id.zip(attributes.get("formatCode")) {
                        own.insert(id, is_day(&code));
                    }
                }
                Step::Open("cellXfs", _) => in_cells = true,
                Step::Close("cellXfs") => in_cells = false,
                Step::Open("xf", attributes) if in_cells => {
                    let id = attributes.get("numFmtId").and_then(|id| id.parse::<u32>().ok()).unwrap_or(0);
                    formats.push(own.get(&id).copied().unwrap_or_else(|| is_builtin_day(id)));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self(formats))
    }

    pub fn is_day(&self, format: usize) -> bool {
        self.0.get(format).copied().unwrap_or(false)
    }
}

fn is_builtin_day(id: u32) -> bool {
    matches!(id, 14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58)
}

/// A code with years or days outside of quotes and brackets; minutes alone are none.
fn is_day(code: &str) -> bool {
    let first_section = code.split(';').next().unwrap_or_default();
    let mut plain = String::new();
    let mut letters = first_section.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => while letters.next().is_some_and(|letter| letter != '"') {},
            '[' => while letters.next().is_some_and(|letter| letter != ']') {},
            '\\' | '_' | '*' => {
                letters.next();
            }
            letter => plain.push(letter.to_ascii_lowercase()),
        }
    }
    !plain.contains("general") && plain.contains(['y', 'd'])
}

#[cfg(test)]
mod tests {
    use super::is_day;

    #[test]
    fn formats_of_days() {
        for (code, expect) in [
            ("yyyy-mm-dd", true),
            ("[$-409]d\\-mmm\\-yy;@", true),
            ("[Red]0.00", false),
            ("#,##0.00\" days\"", false),
            ("General", false),
            ("hh:mm", false),
            ("[h]:mm:ss", false),
            ("mmm\\ yyyy", true),
        ] {
            assert_eq!(is_day(code), expect, "{code}");
        }
    }
}
