//! What the servers log, for those who run them: to stderr, bounded in words, never a secret.
//!
//! Secrets and texts about people are types that print `****`; nothing here has to look for them.

use std::fmt;
use std::io::IsTerminal as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One object a line, for programs
    Json,
}

/// Starts logging. `PORTCULLIS_LOG` chooses how much, in the words of `tracing`; `usual` without it.
pub fn start(usual: &str, format: Format) {
    let filter = EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours && format == Format::Text)
        // A line that can't be written is lost, and nothing else: a full disk under the log must
        // not stop the gate.
        .log_internal_errors(false);
    match format {
        Format::Text => lines.init(),
        Format::Json => lines.event_format(JsonLines).init(),
    }
}

/// `time`, `level`, `target`, `message`, then the event's own fields.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let mut members = Members(Map::new());
        members.add("time", time.into());
        members.add("level", metadata.level().as_str().to_ascii_lowercase().into());
        members.add("target", metadata.target().into());
        // In its place, whatever order the event has its fields in.
        members.add("message", Value::Null);
        event.record(&mut members);
        writeln!(writer, "{}", Value::Object(members.0))
    }
}

struct Members(Map<String, Value>);

impl Members {
    fn add(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}").into());
    }
}
