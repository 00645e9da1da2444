//! What the demo prints.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use portcullis_policy::clock::Clock;

use crate::clock::system_clock;
use crate::fold::folded;

/// Prints a line. Nobody may be reading: that stops nothing.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($words)*);
    }};
}

/// How a line ended, for its colour and its mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Passed,
    /// It passes, with a tenth of the budget.
    Narrowed,
    /// It must first prove again that it holds its key.
    Asked,
    Refused,
    Cut,
    Fact,
}

/// Of a terminal; no line is longer.
const COLUMNS: usize = 100;
/// Of a line's words, between who did it and the decision.
const WORDS: usize = COLUMNS - 22 - 26;
/// Of a bar, and how many points fill it.
const BAR_CELLS: usize = 16;
const BAR_POINTS: i64 = 240;

pub struct Stage {
    clock: Clock,
    colour: bool,
}

impl Stage {
    pub fn open() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { clock: system_clock(), colour }
    }

    pub fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub fn title(&self, text: &str) {
        say!("\n{}\n", self.paint("1", text));
    }

    pub fn scene(&self, number: u8, text: &str) {
        let seconds = self.elapsed().as_secs_f32();
        say!(
            "\n{}  {}",
            self.paint("1", &format!("{number}  {text}")),
            self.paint("2", &format!("({seconds:.1} s)"))
        );
    }

    pub fn note(&self, text: &str) {
        for line in folded(text, COLUMNS - 3) {
            say!("   {}", self.paint("2", &line));
        }
    }

    /// One line of a table: who, what, and the decision behind it.
    pub fn line(&self, mark: Mark, who: &str, what: &str, decision: Option<&str>) {
        let sign = match mark {
            Mark::Passed => self.paint("32", " pass"),
            Mark::Narrowed => self.paint("36", "limit"),
            Mark::Asked => self.paint("36", "  ask"),
            Mark::Refused => self.paint("33", " deny"),
            Mark::Cut => self.paint("31", "  cut"),
            Mark::Fact => "     ".to_owned(),
        };
        let width = if decision.is_some() { WORDS } else { WORDS + 26 };
        let mut lines = folded(what, width).into_iter();
        let first = lines.next().unwrap_or_default();
        match decision {
            Some(id) => say!("  {sign}  {who:<11} {first:<WORDS$} {}", self.paint("2", id)),
            None => say!("  {sign}  {who:<11} {first}"),
        }
        for line in lines {
            say!("  {:<18} {line}", "");
        }
    }

    /// Evidence in thousandths of a point, as it grows.
    pub fn bar(&self, milli: i64) -> String {
        let eighths = milli.clamp(0, BAR_POINTS * 1_000) * BAR_CELLS as i64 * 8 / (BAR_POINTS * 1_000);
        let (whole, rest) = ((eighths / 8) as usize, eighths % 8);
        let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(rest as usize).copied().unwrap_or_default();
        let filled = format!("{}{part}", "█".repeat(whole));
        let empty = "·".repeat(BAR_CELLS - filled.chars().count());
        format!("{filled}{empty}")
    }

    /// Commands that say more of what was just shown.
    pub fn try_it(&self, commands: &[(&str, &str)]) {
        for (command, what) in commands {
            say!(
                "   {} portcullis {command:<69} {}",
                self.paint("2", "›"),
                self.paint("2", &format!("# {what}"))
            );
        }
    }

    pub fn what_next(&self, folder: &Path) {
        let program = std::env::args().next().unwrap_or_else(|| "portcullis".to_owned());
        say!("\n{}", self.paint("1", "It stays up, and the other vendors go on. In another terminal:"));
        say!("\n   export PORTCULLIS_DIR={}", folder.display());
        for (command, what) in [
            ("decisions --follow", "every decision as it is made"),
            ("explain ID", "any of the ids above"),
            ("severances", "what is closed, since when, by whom"),
            ("get vendors", "the registry; also clients, routes, contracts"),
            ("vendor list", "what each vendor's dossier leaves it, and why"),
            ("vendor show oakspire", "all that is known of one, and what to do next"),
            ("sever vendor/northgale --reason drill", "close another one"),
            ("ledger verify", "the book, event by event"),
        ] {
            say!("   {program} {command:<42} {}", self.paint("2", &format!("# {what}")));
        }
        say!("\n   Ctrl-C ends it.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_with_its_evidence_and_keeps_its_width() {
        let stage = Stage { clock: system_clock(), colour: false };
        let bars: Vec<String> = (-1..=250).map(|points| stage.bar(points * 1_000)).collect();
        assert!(bars.iter().all(|bar| bar.chars().count() == BAR_CELLS), "{bars:?}");
        assert_eq!(stage.bar(120_000), "████████········");
        assert_eq!((bars.first(), bars.last()), (Some(&"·".repeat(16)), Some(&"█".repeat(16))));
    }
}
