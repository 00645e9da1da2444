//! What came of an import, for people: columns, a line for each row, and what to do next.

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_assurance::days::date_of;
use portcullis_assurance::intake::{Judged, Verdict};

use super::super::output::{Paint, Style};
use super::super::table::{Cell, Table};
use super::Import;
use super::apply::Report;

/// Rows that are shown; the rest is counted, and in the JSON.
const ROWS_SHOWN: usize = 500;

pub(super) fn told(import: &Import, report: &Report<'_>, rejects: Option<&Path>, paint: Paint) -> String {
    let mut text = String::new();
    for note in &import.sheet.notes {
        text.push_str(&format!("{}\n", paint.paint(note, Style::Dim)));
    }
    text.push_str(&columns(import));
    text.push('\n');
    let mut table = Table::new(["ROW", "~NAME GIVEN", "VERDICT", "NAME", "~WHY"]);
    let rows = &import.judgement.rows;
    for judged in rows.iter().take(ROWS_SHOWN) {
        for (at, why) in lines(judged).into_iter().enumerate() {
            let first = at == 0;
            let when = |text: String| if first { text } else { String::new() };
            let style = style_of(&judged.verdict);
            let word = when(judged.verdict.word().to_owned());
            let cells = [
                when(judged.row.to_string()).into(),
                when(judged.given.clone()).into(),
                Cell::styled(word, style),
            ];
            let name = when(name_of(&judged.verdict).to_owned());
            table.cells(cells.into_iter().chain([name.into(), why.into()]).collect());
        }
    }
    text.push_str(&table.render(paint));
    if rows.len() > ROWS_SHOWN {
        text.push_str(&format!("and {} rows more: `-o json` has all\n", rows.len() - ROWS_SHOWN));
    }
    text.push('\n');
    text.push_str(&summary(import, report, rejects, paint));
    text
}

fn columns(import: &Import) -> String {
    let columns = &import.judgement.columns;
    let mut text = format!("row {} names the columns:\n", columns.header_row);
    for column in &columns.used {
        let order = column.order.map(|order| format!(" (dates are {}, it says)", order.word()));
        text.push_str(&format!(
            "  {:<18} {:<3} `{}`{}\n",
            column.field.word(),
            column.letter,
            column.header,
            order.unwrap_or_default()
        ));
    }
    if !columns.unused.is_empty() {
        text.push_str(&format!("  not used           {}\n", columns.unused.join(", ")));
    }
    text
}

fn lines(judged: &Judged) -> Vec<String> {
    let mut lines = judged.verdict.reasons();
    lines.extend(judged.notes.iter().cloned());
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn name_of(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::New { vendor } => &vendor.name,
        Verdict::There { vendor, .. } => vendor,
        _ => "",
    }
}

fn style_of(verdict: &Verdict) -> Style {
    match verdict {
        Verdict::New { .. } => Style::Good,
        Verdict::Wrong { .. } => Style::Bad,
        Verdict::Perhaps { .. } | Verdict::Repeated { .. } => Style::Warning,
        Verdict::There { .. } | Verdict::Skipped { .. } => Style::Dim,
    }
}

/// What the admission of an import stands for, and what ends with it.
fn covered(last: &jiff::civil::Date) -> String {
    format!(
        "until then the eight approvals and the clauses of contracts, which no spreadsheet knows, may be missing (stops 13 and 6);\nafter {last} whoever lacks them is blocked: `portcullis vendor assess NAME` goes through them, `vendor outlook NAME` says what ends when\n"
    )
}

fn summary(import: &Import, report: &Report<'_>, rejects: Option<&Path>, paint: Paint) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for judged in &import.judgement.rows {
        *counts.entry(judged.verdict.word()).or_default() += 1;
    }
    let count = |word: &str| counts.get(word).copied().unwrap_or(0);
    let mut text = format!(
        "{} rows: {} new, {} there already, {} repeated, {} to be decided, {} wrong, {} skipped\n",
        import.judgement.rows.len(),
        count("new"),
        count("there"),
        count("repeated"),
        count("decide"),
        count("wrong"),
        count("skipped")
    );
    let last = date_of(report.until - jiff::SignedDuration::from_micros(1));
    let contracts = super::good(import).filter(|vendor| vendor.term.is_some()).count();
    if report.applied {
        text.push_str(&format!(
            "made {} vendors and {contracts} contracts, and admitted {} provisionally until {last}\n",
            count("new"),
            report.admitted
        ));
        text.push_str(&covered(&last));
        let narrowed: Vec<String> = report
            .access
            .iter()
            .filter(|(access, _)| **access != "clear")
            .map(|(access, many)| format!("{many} {access}"))
            .collect();
        if !narrowed.is_empty() {
            text.push_str(&format!(
                "by what is known of them so far: {}; `portcullis vendor list` says why, and what opens them\n",
                narrowed.join(", ")
            ));
        }
    } else if count("new") > 0 {
        text.push_str(&format!(
            "would make {} vendors and {contracts} contracts, and admit them provisionally until {last}\n",
            count("new")
        ));
        text.push_str(&covered(&last));
        text.push_str("nothing was changed: `--apply` takes the good rows\n");
    }
    if !report.finished.is_empty() {
        let done = if report.applied { "finished" } else { "would finish" };
        text.push_str(&format!(
            "{done} what an earlier import began: {} vendors that nobody had admitted\n",
            report.finished.len()
        ));
    }
    for failed in &report.not_admitted {
        text.push_str(&format!("{} {failed}\n", paint.paint("not admitted:", Style::Bad)));
    }
    if report.failed() {
        text.push_str("import the file again: it goes on with those\n");
    }
    let left = count("repeated") + count("decide") + count("wrong");
    match rejects {
        Some(path) => text.push_str(&format!(
            "{left} rows are in `{}`: mend them, or write `new` or `skip` as decision, and import that file\n",
            path.display()
        )),
        None if left > 0 => {
            text.push_str(&format!("{left} rows are left: `--rejects FILE.csv` writes them with their reasons\n"));
        }
        None => {}
    }
    text
}
