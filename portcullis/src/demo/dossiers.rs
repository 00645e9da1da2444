//! What is known of the demo's vendors: the dossiers of `examples/dossiers`, with their dates filled in.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::apply::ManifestText;
use portcullis_api::dossiers::{DossierAnswer, changes};

use crate::up::Installation;

/// One vendor's manifests, and what became known of it.
struct Example {
    vendor: &'static str,
    manifests: &'static str,
    changes: &'static str,
}

macro_rules! example {
    ($vendor:literal) => {
        Example {
            vendor: $vendor,
            manifests: include_str!(concat!("../../../examples/dossiers/", $vendor, ".yaml")),
            changes: include_str!(concat!("../../../examples/dossiers/", $vendor, ".changes.yaml")),
        }
    };
}

const EXAMPLES: [Example; 6] = [
    example!("northgale"),
    example!("harrowfield"),
    example!("quillmere"),
    example!("bluewick"),
    example!("tarn"),
    example!("oakspire"),
];
const SERVICE: &str = include_str!("../../../examples/dossiers/service.yaml");
/// Where the examples expect our service.
const SERVICE_URL: &str = "http://127.0.0.1:9000";
pub const HARROWFIELD_VEX: &str = include_str!("../../../examples/dossiers/harrowfield.vex.yaml");
pub const HARROWFIELD_CLOSED: &str = include_str!("../../../examples/dossiers/harrowfield.closed.yaml");

/// How old the exception of Harrowfield's auditor is in its example, and when the demo begins.
const EXCEPTION: SignedDuration = SignedDuration::from_hours(47 * 24);
const DAY_30: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What is left until its 30 days are over.
pub const LEFT: SignedDuration = SignedDuration::from_secs(60);

/// Declares the six vendors, and records what became known of each, so that they are admitted.
pub async fn gather(installation: &Installation, service: SocketAddr) -> Result<()> {
    let now = installation.control.clock().now();
    let mut text = SERVICE.replace(SERVICE_URL, &format!("http://{service}"));
    for example in &EXAMPLES {
        text.push_str("\n---\n");
        text.push_str(&filled(example.manifests, now)?);
    }
    installation.apply(vec![ManifestText { file: "examples/dossiers".to_owned(), text }]).await?;
    for example in &EXAMPLES {
        // Harrowfield's as it was before its exception was too old.
        let seen_from = if example.vendor == "harrowfield" { now + (EXCEPTION - DAY_30) + LEFT } else { now };
        record(installation, example.vendor, example.changes, seen_from).await?;
    }
    Ok(())
}

/// Records changes of a dossier as the first operator, dated as seen from a moment.
pub async fn record(
    installation: &Installation,
    vendor: &str,
    text: &str,
    seen_from: Timestamp,
) -> Result<DossierAnswer> {
    let control = &installation.control;
    let operator =
        control.operator_by_token(&installation.admin_token()?).context("the operator is known")?;
    let written = changes::parse(&filled(text, seen_from)?).map_err(|error| anyhow!("{vendor}: {error}"))?;
    let read = changes::read(written, operator.id, control.clock().now()).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{vendor}: {}", faults.join("; "))
    })?;
    control.change_dossier(vendor, read, operator.id, None, false).await.with_context(|| vendor.to_owned())
}

/// `{{today-47d}}` becomes a day (UTC) and `{{now-40h}}` a moment, both seen from `now`.
pub fn filled(text: &str, now: Timestamp) -> Result<String> {
    let mut written = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        let mut rest = line;
        // What is said of the form in a comment stays as it is.
        while !line.starts_with('#')
            && let Some((before, after)) = rest.split_once("{{")
        {
            let (inside, after) =
                after.split_once("}}").with_context(|| format!("line {}: no end", at + 1))?;
            written.push_str(before);
            written.push_str(&date(inside, now).with_context(|| format!("line {}: `{inside}`", at + 1))?);
            rest = after;
        }
        written.push_str(rest);
        written.push('\n');
    }
    Ok(written)
}

fn date(inside: &str, now: Timestamp) -> Result<String> {
    let (is_day, shift) = match (inside.strip_prefix("today"), inside.strip_prefix("now")) {
        (Some(shift), _) => (true, shift),
        (_, Some(shift)) => (false, shift),
        _ => bail!("it begins with neither `today` nor `now`"),
    };
    let shift = match (shift.strip_suffix('d'), shift.strip_suffix('h')) {
        _ if shift.is_empty() => SignedDuration::ZERO,
        (Some(days), _) => SignedDuration::from_hours(days.parse::<i64>()?.saturating_mul(24)),
        (_, Some(hours)) => SignedDuration::from_hours(hours.parse()?),
        _ => bail!("its span ends with neither `d` nor `h`"),
    };
    let at = now.checked_add(shift)?;
    Ok(if is_day { at.to_zoned(TimeZone::UTC).date().to_string() } else { at.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seen_from_a_moment() {
        let now: Timestamp = "2028-03-01T06:00:00Z".parse().unwrap();
        for (text, expect) in [
            ("at: \"{{today}}\"", "at: \"2028-03-01\"\n"),
            ("{{today-1d}} {{today+366d}}", "2028-02-29 2029-03-02\n"),
            ("{{now-7h}}", "2028-02-29T23:00:00Z\n"),
            ("# {{now-7h}}", "# {{now-7h}}\n"),
            ("{ lines: [1] }", "{ lines: [1] }\n"),
        ] {
            assert_eq!(filled(text, now).unwrap(), expect);
        }
        for wrong in ["{{tomorrow}}", "{{today-1}}", "{{today-d}}", "{{today", "{{now-1w}}"] {
            assert!(filled(wrong, now).is_err(), "{wrong}");
        }
    }

    /// Nothing of the examples is left open, and what they say can be said.
    #[test]
    fn the_examples_can_be_read() {
        let now: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
        let by = portcullis_domain::ids::OperatorId(uuid::Uuid::nil());
        for example in &EXAMPLES {
            for text in [example.manifests, example.changes, HARROWFIELD_VEX, HARROWFIELD_CLOSED] {
                let open = filled(text, now).unwrap();
                assert!(open.lines().filter(|line| !line.starts_with('#')).all(|line| !line.contains("{{")));
            }
            let written = changes::parse(&filled(example.changes, now).unwrap()).unwrap();
            assert!(written.len() >= 12, "{}", example.vendor);
            changes::read(written, by, now).unwrap();
        }
    }
}
