//! What was left, as a table that can be mended and imported again.

use super::{Judged, Judgement, Verdict};
use crate::sheet::Sheet;

/// The header and the rows that were neither taken nor known nor skipped, with what is to be done about each. Cells that a
/// spreadsheet would run as a formula are told to be text.
#[must_use]
pub fn table(sheet: &Sheet, judgement: &Judgement) -> Vec<Vec<String>> {
    let own = |name: &&String| !name.starts_with("portcullis_");
    let width = judgement.columns.header().len();
    let header = judgement.columns.header();
    let kept: Vec<usize> =
        (0..width).filter(|place| header.get(*place).is_none_or(|name| own(&name))).collect();
    let named = kept.iter().map(|place| inert(header.get(*place).map_or("", String::as_str)));
    let ours = ["portcullis_row", "portcullis_reasons", "portcullis_decision"].map(str::to_owned);
    let mut table = vec![named.chain(ours).collect::<Vec<_>>()];
    for judged in judgement.rows.iter().filter(|judged| is_left(judged)) {
        let Some(row) = sheet.rows.iter().find(|row| row.number == judged.row) else { continue };
        let cells = kept.iter().map(|place| inert(&row.value(*place).shown()));
        let why = judged.verdict.reasons().join("; ");
        table.push(cells.chain([judged.row.to_string(), inert(&why), String::new()]).collect());
    }
    table
}

/// Whether somebody has something to do about it.
#[must_use]
pub fn is_left(judged: &Judged) -> bool {
    matches!(judged.verdict, Verdict::Wrong { .. } | Verdict::Perhaps { .. } | Verdict::Repeated { .. })
}

/// A text that no spreadsheet takes for a formula.
#[must_use]
pub fn inert(text: &str) -> String {
    let first = text.trim_start().chars().next();
    let steers =
        matches!(first, Some('=' | '+' | '-' | '@' | '|' | '%')) || text.starts_with(['\t', '\r', '\n']);
    // A negative number or a dash is what it seems to be.
    let harmless = text.len() == 1 || text.parse::<f64>().is_ok();
    if steers && !harmless { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn nothing_runs_when_it_is_opened() {
        for (text, expect) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("@SUM(1)", "'@SUM(1)"),
            ("-2+3", "'-2+3"),
            (" =1", "' =1"),
            ("-", "-"),
            ("-5", "-5"),
            ("+49", "+49"),
            ("+49 30 1234", "'+49 30 1234"),
            ("Acme", "Acme"),
        ] {
            assert_eq!(inert(text), expect);
        }
    }
}
