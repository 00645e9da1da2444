//! What goes to standard output, in the form that was asked for.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::table::Table;

const WATCH_INTERVAL: Duration = Duration::from_secs(1);
const CLEAR_SCREEN: &str = "\u{1b}[H\u{1b}[2J";

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

#[derive(clap::Args)]
pub(super) struct Watch {
    /// Look again every second, and print when something has changed
    #[arg(short, long)]
    pub(super) watch: bool,
}

/// Standard output.
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) paint: Paint,
    /// What was said last about an empty list: watching it says so once.
    said: RefCell<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Dim,
    Strong,
    Good,
    Warning,
    Bad,
}

/// Colours, if anybody sees them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) on: bool,
}

impl Paint {
    pub(super) fn paint(self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Dim => "2",
            Style::Strong => "1",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Bad => "1;31",
        };
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Only on a terminal, and never with `NO_COLOR` (no-color.org).
pub(super) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Words of others on one line: they steer no terminal, and turn no text around. Each character stays one.
pub(super) fn plain(text: &str) -> String {
    let steers = |character: char| {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { ' ' } else { character }).collect()
}

/// Characters that a line should not pass: what the terminal shows, and no limit where none is.
pub(super) fn width_max() -> usize {
    if cfg!(test) {
        return 100;
    }
    // A terminal of fewer columns is none that a table can be read on.
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { usize::MAX } else { columns.max(60) }
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format, paint: Paint { on: colours(&io::stdout()) }, said: RefCell::default() }
    }

    /// `value` as JSON or YAML, or else what `table` makes of it.
    pub(super) fn show(&self, value: &impl Serialize, table: impl FnOnce(Paint) -> String) -> Result<()> {
        self.text(&self.rendered(value, table)?)
    }

    pub(super) fn rendered(
        &self,
        value: &impl Serialize,
        table: impl FnOnce(Paint) -> String,
    ) -> Result<String> {
        match self.format {
            Format::Table => Ok(table(self.paint)),
            Format::Json => json(value),
            Format::Yaml => Ok(portcullis_api::render::yaml(value)?),
        }
    }

    pub(super) fn text(&self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// Something beside what was asked for: to standard error.
    pub(super) fn note(&self, text: &str) {
        // Nothing depends on it.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A table; that it is empty is said on standard error, so that it counts as no line.
    pub(super) fn table(&self, table: &Table, none: &str) -> String {
        if table.is_empty() {
            if self.said.replace(none.to_owned()) != none {
                self.note(none);
            }
            return String::new();
        }
        table.render(self.paint)
    }

    /// Prints what `look` finds: once, or with `watch` again whenever it has changed.
    pub(super) async fn watch<F>(&self, watch: bool, mut look: F) -> Result<()>
    where
        F: AsyncFnMut() -> Result<String>,
    {
        let mut seen = look().await?;
        if !watch {
            return self.text(&seen);
        }
        let whole_screen = self.paint.on && self.format == Format::Table;
        let show = |text: &str| {
            if whole_screen { self.text(&format!("{CLEAR_SCREEN}{text}")) } else { self.text(text) }
        };
        show(&seen)?;
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        loop {
            interval.tick().await;
            let now = look().await?;
            if now != seen {
                show(&now)?;
                seen = now;
            }
        }
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value).context("can't write JSON")?;
    text.push('\n');
    Ok(text)
}
