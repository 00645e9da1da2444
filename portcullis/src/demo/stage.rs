//! What the demo prints.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use portcullis_policy::clock::Clock;

use crate::clock::system_clock;

/// Prints a line. Nobody may be reading: that stops nothing.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($words)*);
    }};
}

/// How a line ended, for its colour and its mark.
#[derive(Clone, Copy)]
pub enum Mark {
    Passed,
    Refused,
    Cut,
    Fact,
}

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
        say!("   {}", self.paint("2", text));
    }

    /// One line of a table: who, what, and the decision behind it.
    pub fn line(&self, mark: Mark, who: &str, what: &str, decision: Option<&str>) {
        let sign = match mark {
            Mark::Passed => self.paint("32", "pass"),
            Mark::Refused => self.paint("33", "deny"),
            Mark::Cut => self.paint("31", " cut"),
            Mark::Fact => "    ".to_owned(),
        };
        let decision = decision.map_or_else(String::new, |id| self.paint("2", id));
        say!("   {sign}  {who:<12} {what:<62} {decision}");
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
            ("sever vendor/northgale --reason drill", "close another one"),
            ("ledger verify", "the book, event by event"),
        ] {
            say!("   {program} {command:<42} {}", self.paint("2", &format!("# {what}")));
        }
        say!("\n   Ctrl-C ends it.");
    }
}
