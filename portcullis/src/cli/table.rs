//! Aligned tables that fit the terminal; what goes to a pipe or a file stays whole.

use super::output::{Paint, Style, plain, width_max};

/// Fewer characters would say nothing any more.
const FLEXIBLE_MIN: usize = 8;
const GAP: usize = 2;

/// A table in the making.
pub(super) struct Table {
    headings: Vec<Heading>,
    rows: Vec<Vec<Cell>>,
}

struct Heading {
    text: &'static str,
    /// May be cut to keep the line short; what must be copied whole may not.
    flexible: bool,
}

pub(super) struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::Plain }
    }
}

impl Cell {
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl Table {
    /// Headings that begin with `~` stand over columns that may be cut.
    pub(super) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        let heading = |text: &'static str| match text.strip_prefix('~') {
            Some(text) => Heading { text, flexible: true },
            None => Heading { text, flexible: false },
        };
        Self { headings: headings.into_iter().map(heading).collect(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The same, where the number of columns is only known later.
    pub(super) fn cells(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn render(&self, paint: Paint) -> String {
        self.render_within(paint, width_max())
    }

    /// With lines of at most `width_max` characters, as far as columns may be cut.
    pub(super) fn render_within(&self, paint: Paint, width_max: usize) -> String {
        let widths = self.widths(width_max);
        let mut text = String::new();
        let headings = self.headings.iter().map(|heading| (heading.text.to_owned(), Style::Dim));
        line(&mut text, headings, &widths, paint);
        for row in &self.rows {
            line(&mut text, row.iter().map(|cell| (plain(&cell.text), cell.style)), &widths, paint);
        }
        text
    }

    fn widths(&self, width_max: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            self.headings.iter().map(|heading| heading.text.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width_max);
        // The widest gives first, one character at a time.
        while over > 0 {
            let flexible = widths.iter_mut().zip(&self.headings).filter(|(_, heading)| heading.flexible);
            let widest = flexible.map(|(width, _)| width).max_by_key(|width| **width);
            let Some(width) = widest.filter(|width| **width > FLEXIBLE_MIN) else { break };
            *width -= 1;
            over -= 1;
        }
        widths
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = (String, Style)>, widths: &[usize], paint: Paint) {
    let mut pad = 0;
    for ((cell, style), width) in cells.zip(widths) {
        text.push_str(&" ".repeat(pad));
        let cell = cut(&cell, *width);
        text.push_str(&paint.paint(&cell, style));
        pad = width - cell.chars().count() + GAP;
    }
    text.push('\n');
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.row(["a".into(), "open".into()]);
        table.row(["long-name".into(), Cell::styled("é\nx", Style::Bad)]);
        let plain = table.render(Paint { on: false });
        assert_eq!(plain, "NAME       STATE\na          open\nlong-name  é x\n");
        let coloured = table.render(Paint { on: true });
        assert!(coloured.contains("\u{1b}[1;31mé x\u{1b}[0m\n"), "{coloured:?}");
    }

    #[test]
    fn flexible_columns_give_way() {
        let mut table = Table::new(["~A", "B", "~C"]);
        table.row(["a".repeat(90).into(), "b".repeat(40).into(), "c".repeat(30).into()]);
        for width in [100, 80] {
            let text = table.render_within(Paint { on: false }, width);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert_eq!(longest, Some(width));
            assert!(text.contains(&"b".repeat(40)) && text.contains('…'));
        }
        let whole = table.render_within(Paint { on: false }, usize::MAX);
        assert!(whole.contains(&"a".repeat(90)) && !whole.contains('…'));
        let mut table = Table::new(["~A", "B"]);
        table.row(["a".repeat(20).into(), "b".repeat(120).into()]);
        let text = table.render_within(Paint { on: false }, 100);
        assert!(text.contains(&format!("{}…  {}", "a".repeat(7), "b".repeat(120))));
    }

    #[test]
    fn a_cell_steers_no_terminal() {
        let mut table = Table::new(["A"]);
        table.row(["\u{1b}[31mred\r\u{9b}2J\u{202e}der\u{2066}".into()]);
        assert_eq!(table.render(Paint { on: false }), "A\n [31mred  2J der \n");
    }
}
