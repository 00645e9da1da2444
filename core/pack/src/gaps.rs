//! What a pack says is missing from it.

use crate::evidence::{Evidence, Section, SeveranceLine};

/// What of its own evidence a pack says it is missing.
#[must_use]
pub fn gaps(evidence: &Evidence) -> Vec<String> {
    let sources = &evidence.sources;
    let mut gaps = Vec::new();
    if sources.unsealed_rows > 0 {
        gaps.push(format!(
            "{} decisions were read from the decision log, and from no sealed file: of them there is no proof but the pack's signature",
            sources.unsealed_rows
        ));
    }
    for unreadable in &sources.unreadable {
        gaps.push(format!("`{}` could not be read: {}", unreadable.file, unreadable.why));
    }
    for file in &sources.expired {
        gaps.push(format!("rows were taken out of `{file}`, because they had been kept long enough"));
    }
    for segment in &sources.missing_segments {
        gaps.push(format!("`{segment}` of the decision log vanished before it was sealed"));
    }
    gaps.extend(short_hours(evidence));
    gaps
}

/// How many of the 60 minutes before a severance lie in the window, and are counted.
pub(crate) fn minutes_before(evidence: &Evidence, severance: &SeveranceLine) -> u64 {
    let seconds = severance.time.duration_since(evidence.window.from).as_secs();
    u64::try_from(seconds / 60).unwrap_or(0).min(60)
}

/// Severances so near to the window's beginning that it doesn't hold all that was read before them.
fn short_hours(evidence: &Evidence) -> Option<String> {
    let lines = evidence.sections.iter().flat_map(|section| match section {
        Section::Severances { lines } => lines.as_slice(),
        _ => &[],
    });
    let mut short = lines.filter(|line| minutes_before(evidence, line) < 60);
    let (first, others) = (short.next()?, short.count());
    let minutes = minutes_before(evidence, first);
    let others = match others {
        0 => String::new(),
        others => format!("; {others} more severances have fewer than 60, too"),
    };
    Some(format!(
        "of the 60 minutes before `{}` was severed, the window holds {minutes}: what was read before, and by requests from before, is in no number{others}",
        first.target
    ))
}
