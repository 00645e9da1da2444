//! Reading a file of clocks, with the line of what is wrong in it.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{AtMost, Basis, Holidays, Obliged, Regime, Stage, Within};
use crate::moment::MomentName;

/// Largest file.
pub const BYTES_MAX: usize = 64 * 1024;
const STAGES_MAX: usize = 12;
const HOLIDAYS_MAX: usize = 400;
const TEXT_MAX: usize = 1_000;

/// Why a file isn't used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {message}\nhint: {hint}")]
pub struct RegimeError {
    pub file: String,
    pub line: u64,
    pub message: String,
    pub hint: String,
}

/// As it is written: places are kept until all is judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<String>,
    title: Spanned<String>,
    basis: Spanned<Basis>,
    in_force: Spanned<Date>,
    #[serde(default)]
    until: Option<Spanned<Date>>,
    applies_to: Spanned<String>,
    #[serde(default)]
    zone: Option<Spanned<String>>,
    #[serde(default)]
    holidays: Option<Spanned<Holidays>>,
    stages: Vec<Spanned<WrittenStage>>,
    #[serde(default)]
    notes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStage {
    id: String,
    title: String,
    recipient: String,
    #[serde(default)]
    starts: Option<MomentName>,
    #[serde(default)]
    follows: Option<String>,
    within: Within,
    #[serde(default)]
    by: Option<Time>,
    #[serde(default)]
    at_most: Option<AtMost>,
    #[serde(default)]
    met_by: Vec<MomentName>,
    #[serde(default)]
    contract_shortens: bool,
    #[serde(default)]
    obliged: Obliged,
}

/// Reads one file, YAML or JSON.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn read(file: &str, text: &str) -> Result<Regime, RegimeError> {
    let wrong = |line: u64, message: String, hint: &str| RegimeError {
        file: file.to_owned(),
        line: line.max(1),
        message,
        hint: hint.to_owned(),
    };
    if text.len() > BYTES_MAX {
        return Err(wrong(1, format!("the file has more than {BYTES_MAX} bytes"), "one regime to a file"));
    }
    let written: Written = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().map_or(1, line_of);
        wrong(line, sentence(&error), "see the table of clocks in the reference, and a file that is shipped")
    })?;
    judge(written).map_err(|Fault { line, message, hint }| wrong(line, message, hint))
}

struct Fault {
    line: u64,
    message: String,
    hint: &'static str,
}

fn fault<T>(at: Location, message: String, hint: &'static str) -> Result<T, Fault> {
    Err(Fault { line: line_of(at), message, hint })
}

fn judge(written: Written) -> Result<Regime, Fault> {
    slug(&written.id.value, written.id.referenced)?;
    for text in [&written.title, &written.applies_to].into_iter().chain(&written.notes) {
        words(&text.value, text.referenced)?;
    }
    let basis = &written.basis.value;
    words(&basis.citation, written.basis.referenced)?;
    words(&basis.source, written.basis.referenced)?;
    if let Some(until) = written.until.as_ref().filter(|until| until.value < written.in_force.value) {
        let message = format!("its last day `{}` lies before its first", until.value);
        return fault(until.referenced, message, "`in_force` is the first day, `until` the last");
    }
    if let Some(zone) = &written.zone
        && TimeZone::get(&zone.value).is_err()
    {
        let message = format!("`{}` is no time zone", shown(&zone.value));
        return fault(zone.referenced, message, "use a name of the IANA database, such as `Europe/Berlin`");
    }
    if let Some(holidays) = &written.holidays
        && holidays.value.days.len() > HOLIDAYS_MAX
    {
        let message = format!("there are more than {HOLIDAYS_MAX} holidays");
        return fault(holidays.referenced, message, "leave those out that are over");
    }
    judge_stages(&written)?;
    Ok(Regime {
        id: written.id.value,
        title: written.title.value,
        basis: written.basis.value,
        in_force: written.in_force.value,
        until: written.until.map(|until| until.value),
        applies_to: written.applies_to.value,
        zone: written.zone.map(|zone| zone.value),
        holidays: written.holidays.map(|holidays| holidays.value),
        stages: written.stages.into_iter().map(|stage| stage.value.into()).collect(),
        notes: written.notes.into_iter().map(|note| note.value).collect(),
    })
}

/// A stage follows one above it: so there is no circle, and everything that follows can start.
fn judge_stages(written: &Written) -> Result<(), Fault> {
    let whole = written.id.referenced;
    if written.stages.is_empty() || written.stages.len() > STAGES_MAX {
        let message = format!("a regime has 1 to {STAGES_MAX} stages");
        return fault(whole, message, "write what is to be told, by when and to whom, under `stages`");
    }
    let mut above: BTreeSet<&str> = BTreeSet::new();
    for stage in &written.stages {
        let (at, stage) = (stage.referenced, &stage.value);
        slug(&stage.id, at)?;
        words(&stage.title, at)?;
        words(&stage.recipient, at)?;
        if above.contains(stage.id.as_str()) {
            return fault(at, format!("stage `{}` is there twice", stage.id), "give each an id of its own");
        }
        match (&stage.starts, &stage.follows) {
            (Some(_), None) => {}
            (None, Some(follows)) if above.contains(follows.as_str()) => {}
            (None, Some(follows)) => {
                let message =
                    format!("stage `{}` follows `{}`, which isn't above it", stage.id, shown(follows));
                return fault(at, message, "write the stage that it follows first");
            }
            _ => {
                let message = format!("stage `{}` needs either `starts` or `follows`", stage.id);
                return fault(
                    at,
                    message,
                    "name the moment that it counts from, or the stage that it follows",
                );
            }
        }
        let spans = std::iter::once(stage.within).chain(stage.at_most.iter().map(|most| most.within));
        if let Some(span) = spans.into_iter().find(|span| !span.is_sound()) {
            let message = format!("stage `{}` can't take {}", stage.id, span.in_words());
            return fault(at, message, "use 1 to 8784 hours, 1830 days, 60 months or 250 business days");
        }
        let hours = matches!(stage.within, Within::Hours(_));
        if stage.by.is_some() && hours {
            let message = format!("stage `{}` counts hours, and no time of day ends those", stage.id);
            return fault(at, message, "leave `by` out, or count days");
        }
        if stage.contract_shortens && !hours {
            let message = format!("stage `{}` counts no hours, and contracts name hours", stage.id);
            return fault(at, message, "leave `contract_shortens` out, or count hours");
        }
        above.insert(&stage.id);
    }
    Ok(())
}

fn slug(id: &str, at: Location) -> Result<(), Fault> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = id.starts_with(|first: char| first.is_ascii_lowercase()) && !id.ends_with('-');
    if ends && id.len() <= 60 && id.bytes().all(plain) {
        return Ok(());
    }
    let hint = "write up to 60 small letters, digits and hyphens, such as `gdpr-33`";
    fault(at, format!("`{}` is no id", shown(id)), hint)
}

fn words(text: &str, at: Location) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return fault(at, "a text is empty".to_owned(), "say it in a few words");
    }
    if text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
        let message = format!("a text is longer than {TEXT_MAX} characters, or has control characters");
        return fault(at, message, "say it in a line");
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().filter(|shown| !shown.is_control()).take(60).collect()
}

fn line_of(at: Location) -> u64 {
    at.line()
}

/// What the parser found, without the place that stands before it here.
fn sentence(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text.split(" at line ").next().unwrap_or(text);
    text.trim_end_matches([',', '.', ' ']).chars().take(300).collect()
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 16,
            flow_nesting_limit: 16,
            max_events: 20_000,
            max_nodes: 10_000,
            max_anchors: 10,
            max_aliases: 10,
            max_merge_keys: 10,
            max_recorded_anchor_events: 1_000,
            max_total_scalar_bytes: 2 * BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 1_000,
            max_replay_stack_depth: 4,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

impl From<WrittenStage> for Stage {
    fn from(written: WrittenStage) -> Self {
        Self {
            id: written.id,
            title: written.title,
            recipient: written.recipient,
            starts: written.starts,
            follows: written.follows,
            within: written.within,
            by: written.by,
            at_most: written.at_most,
            met_by: written.met_by,
            contract_shortens: written.contract_shortens,
            obliged: written.obliged,
        }
    }
}
