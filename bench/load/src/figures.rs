//! Rounds of measurements, their medians, and what of them is asked for.

use crate::report::Report;

/// All rounds of one job.
#[derive(Clone, Debug)]
pub struct Series {
    pub label: String,
    pub reports: Vec<Report>,
}

/// A median, with the least and the most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figure {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figure {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match (values.get(middle), middle.checked_sub(1).and_then(|before| values.get(before))) {
            (Some(upper), Some(lower)) if values.len().is_multiple_of(2) => (upper + lower) / 2.0,
            (Some(upper), _) => *upper,
            (None, _) => f64::NAN,
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, least: end(values.first()), most: end(values.last()) }
    }

    pub fn one(value: f64) -> Self {
        Self { median: value, least: value, most: value }
    }

    /// `12.0 (11.8–12.4)`
    pub fn text(&self, decimals: usize) -> String {
        if self.least == self.most {
            return format!("{:.decimals$}", self.median);
        }
        format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", self.median, self.least, self.most)
    }
}

impl Series {
    pub fn figure(&self, of: impl Fn(&Report) -> f64) -> Figure {
        Figure::of(self.reports.iter().map(of).collect())
    }

    /// Round by round: neighbours in time have had the same machine.
    pub fn against(&self, other: &Self, of: impl Fn(&Report, &Report) -> f64) -> Figure {
        Figure::of(self.reports.iter().zip(&other.reports).map(|(one, two)| of(one, two)).collect())
    }
}

pub fn cpu_us(report: &Report) -> f64 {
    report.cpu_us.unwrap_or(f64::NAN)
}

/// CPU time for a megabyte (10^6 bytes) of bodies.
pub fn cpu_us_per_megabyte(report: &Report) -> f64 {
    cpu_us(report) * report.answers as f64 / (report.bytes as f64 / 1e6)
}

pub fn cpu_ratio(one: &Report, two: &Report) -> f64 {
    cpu_us(one) / cpu_us(two)
}

/// A row that the project must show.
#[derive(Clone, Debug)]
pub struct Bar {
    pub name: String,
    pub bar: Option<f64>,
    pub goal: Option<f64>,
    pub figure: Figure,
    pub unit: &'static str,
    pub decimals: usize,
}

impl Bar {
    pub fn ratio(name: &str, bar: f64, figure: Figure) -> Self {
        Self { name: name.to_owned(), bar: Some(bar), goal: None, figure, unit: "×", decimals: 2 }
    }

    pub fn verdict(&self) -> &'static str {
        match self.bar {
            _ if self.figure.median.is_nan() => "not measured",
            Some(bar) if self.figure.median <= bar => "pass",
            Some(_) => "MISS",
            None => match self.goal {
                Some(goal) if self.figure.median <= goal => "goal met",
                Some(_) => "goal missed",
                None => "",
            },
        }
    }

    pub fn wanted(&self) -> String {
        let at_most = |value: f64| format!("≤ {value} {}", self.unit);
        match (self.bar, self.goal) {
            (Some(bar), Some(goal)) => format!("{} (goal {goal})", at_most(bar)),
            (Some(bar), None) => at_most(bar),
            (None, Some(goal)) => format!("goal {}", at_most(goal)),
            (None, None) => "—".to_owned(),
        }
    }
}

/// A table of the report: Markdown, which reads well in a terminal too.
pub struct Table {
    pub title: String,
    pub note: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
            cells.chain([self.head[column]]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().zip(&widths).map(|(cell, width)| {
                let room = width - cell.chars().count();
                format!("{cell}{}", " ".repeat(room))
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let mut text = format!("## {}\n\n", self.title);
        if !self.note.is_empty() {
            text.push_str(&format!("{}\n\n", self.note));
        }
        text.push_str(&line(self.head.clone()));
        text.push_str(&line(vec!["---"; self.head.len()]));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        text.push('\n');
        text
    }
}

pub fn bars_table(bars: &[Bar]) -> Table {
    let row = |bar: &Bar| {
        let figure = format!("{} {}", bar.figure.text(bar.decimals), bar.unit);
        vec![bar.name.clone(), bar.wanted(), figure, bar.verdict().to_owned()]
    };
    Table {
        title: "What was asked for".to_owned(),
        note: String::new(),
        head: vec!["what", "bar", "figure", ""],
        rows: bars.iter().map(row).collect(),
    }
}

pub fn series_table(title: &str, note: &str, all: &[Series], is_by_megabyte: bool) -> Table {
    let row = |series: &Series| {
        let cpu = if is_by_megabyte { series.figure(cpu_us_per_megabyte) } else { series.figure(cpu_us) };
        let errors: u64 = series.reports.iter().map(Report::errors).sum();
        vec![
            series.label.clone(),
            series.figure(|report| report.per_second).text(0),
            cpu.text(if is_by_megabyte { 0 } else { 1 }),
            series.figure(|report| report.p50_us).text(0),
            series.figure(|report| report.p99_us).text(0),
            series.figure(|report| report.p999_us).text(0),
            format!("{:.2}", series.figure(|report| report.own_cores).median),
            errors.to_string(),
        ]
    };
    let cpu = if is_by_megabyte { "CPU µs/MB" } else { "CPU µs each" };
    Table {
        title: title.to_owned(),
        note: note.to_owned(),
        head: vec!["", "a second", cpu, "p50 µs", "p99 µs", "p99.9 µs", "generator, cores", "errors"],
        rows: all.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        let check = |values: &[f64], expect: f64| assert_eq!(Figure::of(values.to_vec()).median, expect);
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
        assert!(Figure::of(vec![]).median.is_nan());
    }

    #[test]
    fn verdicts() {
        let check = |figure: f64, expect: &str| {
            assert_eq!(Bar::ratio("", 1.0, Figure::one(figure)).verdict(), expect);
        };
        check(1.0, "pass");
        check(1.01, "MISS");
        check(f64::NAN, "not measured");
    }
}
