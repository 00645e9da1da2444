//! What ends and what is due, as a calendar that others subscribe to (RFC 5545).

use std::fmt::Write as _;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::access::Access;
use portcullis_assurance::assessment::Admission;
use portcullis_assurance::stops::{OwnedKnown, outlook};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::Spec;
use portcullis_domain::state::{Operator, State};
use uuid::Uuid;

use super::work::{WorkFilter, vendors, work};

const TOKEN_PREFIX: &str = "pcc_";
/// Entries of one calendar: what is nearest.
const ENTRIES_MAX: usize = 5_000;
/// How far it looks for what ends by itself.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);
/// How long what is over is still shown.
const BEHIND: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Octets of a line without its end (section 3.1).
const LINE_OCTETS_MAX: usize = 75;

/// With what links are made and known again. Whoever replaces it makes all of them void.
pub struct CalendarKey(hmac::Key);

impl CalendarKey {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What reads the calendar and nothing else, as long as the operator who made it is one.
    #[must_use]
    pub fn token(&self, operator: &Operator) -> String {
        let mut bytes = operator.id.0.as_bytes().to_vec();
        bytes.extend_from_slice(hmac::sign(&self.0, &self.of(operator)).as_ref());
        format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Whether an operator has made it.
    #[must_use]
    pub fn knows(&self, state: &State, token: &str) -> bool {
        let known = || {
            let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(TOKEN_PREFIX)?).ok()?;
            let (id, tag) = bytes.split_at_checked(16)?;
            let operator = state.operators.get(&OperatorId(Uuid::from_slice(id).ok()?))?;
            let right = hmac::sign(&self.0, &self.of(operator));
            Some(constant_time::verify_slices_are_equal(right.as_ref(), tag).is_ok())
        };
        known().unwrap_or(false)
    }

    /// The operator's own token is part of it: a name that is given again doesn't bring old links back.
    fn of(&self, operator: &Operator) -> Vec<u8> {
        format!("portcullis calendar\n{}\n{}", operator.id, operator.token_sha256).into_bytes()
    }
}

/// Something in the calendar.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Dated {
    /// The same as long as it is the same thing.
    uid: String,
    when: When,
    summary: String,
    description: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Day(Date),
    Moment(Timestamp),
}

impl When {
    fn at(self) -> Timestamp {
        match self {
            Self::Day(day) => portcullis_assurance::days::starts(day),
            Self::Moment(at) => at,
        }
    }
}

/// The calendar of all vendors, or of one, or of what one owner answers for.
#[must_use]
pub fn calendar(
    state: &State,
    vendor: Option<&str>,
    owner: Option<&str>,
    (issuer, now): (&str, Timestamp),
) -> String {
    let mut entries = entries(state, vendor, owner, now);
    entries.retain(|entry| now.duration_since(entry.when.at()) <= BEHIND);
    entries.sort_by_key(|entry| entry.when.at());
    entries.truncate(ENTRIES_MAX);
    let host = issuer.trim_start_matches("https://");
    let mut text = String::new();
    line(&mut text, "BEGIN:VCALENDAR");
    line(&mut text, "VERSION:2.0");
    line(&mut text, concat!("PRODID:-//Portcullis//", env!("CARGO_PKG_VERSION"), "//EN"));
    line(&mut text, "CALSCALE:GREGORIAN");
    line(&mut text, "METHOD:PUBLISH");
    line(&mut text, "X-WR-CALNAME:Portcullis: what ends and what is due");
    line(&mut text, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    for entry in entries {
        line(&mut text, "BEGIN:VEVENT");
        line(&mut text, &format!("UID:{}", escaped(&format!("{}@{host}", entry.uid))));
        line(&mut text, &format!("DTSTAMP:{}", moment(now)));
        match entry.when {
            When::Day(day) => {
                line(&mut text, &format!("DTSTART;VALUE=DATE:{}", day.strftime("%Y%m%d")));
            }
            When::Moment(at) => line(&mut text, &format!("DTSTART:{}", moment(at))),
        }
        line(&mut text, &format!("SUMMARY:{}", escaped(&entry.summary)));
        line(&mut text, &format!("DESCRIPTION:{}", escaped(&entry.description)));
        line(&mut text, "TRANSP:TRANSPARENT");
        line(&mut text, "END:VEVENT");
    }
    line(&mut text, "END:VCALENDAR");
    text
}

fn entries(state: &State, vendor: Option<&str>, owner: Option<&str>, now: Timestamp) -> Vec<Dated> {
    let mut entries = Vec::new();
    for (name, id, spec) in vendors(state).filter(|(name, ..)| vendor.is_none_or(|wanted| wanted == *name)) {
        if owner.is_some_and(|owner| spec.owner.as_deref() != Some(owner)) {
            continue;
        }
        let Some(known) = state.known(id) else { continue };
        ends(name, &id.to_string(), &known, &mut entries);
        narrows(name, &id.to_string(), &known, now, &mut entries);
    }
    let filter = WorkFilter { vendor: vendor.map(str::to_owned), owner: owner.map(str::to_owned) };
    for work in work(state, &filter, now) {
        let Some(due) = work.due else { continue };
        let (kind, id) = (work.kind.name(), &work.id);
        let whose =
            state.resource(portcullis_domain::spec::Kind::Vendor, &work.vendor).map(|vendor| vendor.id);
        entries.push(Dated {
            uid: format!("{kind}-{id}-{}", whose.unwrap_or_default()),
            when: When::Day(due),
            summary: format!("{}: {}", work.vendor, work.title),
            description: format!("{kind} {id}, owner {}", work.owner.as_deref().unwrap_or("nobody")),
        });
    }
    clocks(state, vendor, owner, &mut entries);
    entries
}

/// The running clocks of open incidents; those of exercises aside.
fn clocks(state: &State, vendor: Option<&str>, owner: Option<&str>, entries: &mut Vec<Dated>) {
    let open = state.incidents.values().filter(|incident| incident.is_open() && incident.exercise.is_none());
    for incident in open {
        let found = incident.vendor.and_then(|vendor| state.by_id(vendor.0));
        let name = found.map(|(_, name, _)| name);
        let answers = found.and_then(|(_, _, resource)| match &resource.declaration.spec {
            Spec::Vendor(spec) => spec.owner.as_deref(),
            _ => None,
        });
        if vendor.is_some_and(|wanted| name != Some(wanted))
            || owner.is_some_and(|owner| answers != Some(owner))
        {
            continue;
        }
        for (clock, running) in
            incident.clocks.iter().filter(|(_, clock)| clock.met.is_none() && clock.set_aside.is_none())
        {
            let regime = incident.regime_of(clock);
            let stage = regime.and_then(|regime| regime.stage(clock.parts().1));
            let title = stage.map(|stage| stage.title.as_str()).unwrap_or_default();
            let citation = regime.map(|regime| regime.basis.citation.as_str()).unwrap_or_default();
            entries.push(Dated {
                uid: format!("incident-{}-{}", incident.id, clock.as_str().replace('/', "-")),
                when: When::Moment(running.due),
                summary: format!("incident {}: {title}", incident.number),
                description: format!("{clock}, {citation}: {}", incident.title),
            });
        }
    }
}

/// What ends by what papers say.
fn ends(name: &str, id: &str, known: &OwnedKnown, entries: &mut Vec<Dated>) {
    let mut add = |uid: String, at: Timestamp, summary: String, description: &str| {
        if at < Timestamp::MAX {
            let (summary, description) = (format!("{name}: {summary}"), description.to_owned());
            entries.push(Dated { uid: format!("{uid}-{id}"), when: When::Moment(at), summary, description });
        }
    };
    for contract in &known.contracts {
        let summary = format!("contract {} ends", contract.name);
        add(format!("contract-{}", contract.name), contract.ends, summary, "every grant ends with it");
    }
    for evidence in known.dossier.good_evidence() {
        let summary = format!("{} ({}) expires", evidence.title, evidence.content.kind());
        add(format!("evidence-{}", evidence.id), evidence.ends(), summary, "ask for a newer one before");
    }
    if let Admission::Provisional { until, .. } = known.dossier.admission {
        let description = "without a full admission it gets nothing from then on";
        add("admission".to_owned(), until, "provisional admission ends".to_owned(), description);
    }
    for (exception, known) in known.dossier.exceptions.iter().filter(|(_, known)| known.ended.is_none()) {
        let summary = format!("exception from stop {} ends", known.stop.name());
        add(format!("exception-{exception}"), known.until, summary, "the stop acts again");
    }
    if let Some(leaving) = known.dossier.offboarding.as_ref().filter(|leaving| leaving.done.is_none()) {
        add("exit".to_owned(), leaving.ends, "access ends, by its exit".to_owned(), "see the exit plan");
    }
}

/// Where access narrows by itself.
fn narrows(name: &str, id: &str, known: &OwnedKnown, now: Timestamp, entries: &mut Vec<Dated>) {
    let stretches = outlook(&known.known(), now, now.checked_add(AHEAD).unwrap_or(Timestamp::MAX));
    for (before, after) in stretches.iter().zip(stretches.iter().skip(1)) {
        if after.access <= before.access || after.access == Access::Clear {
            continue;
        }
        let why = after.held.iter().filter(|held| held.access == after.access).map(|held| held.fact.as_str());
        entries.push(Dated {
            uid: format!("access-{}-{id}", after.from.as_second()),
            when: When::Moment(after.from),
            summary: format!("{name}: access becomes {:?} if nobody does anything", after.access)
                .to_lowercase(),
            description: why.collect::<Vec<_>>().join("\n"),
        });
    }
}

/// Form 2 of section 3.3.5: UTC.
fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Section 3.3.11; what is no text is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\n' => escaped.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Folded before its 76th octet, between two characters (section 3.1).
fn line(text: &mut String, content: &str) {
    let mut octets = 0;
    for letter in content.chars() {
        if octets + letter.len_utf8() > LINE_OCTETS_MAX {
            text.push_str("\r\n ");
            octets = 1;
        }
        text.push(letter);
        octets += letter.len_utf8();
    }
    // Writing to a string can't fail.
    let _ = write!(text, "\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_folded_within_their_octets_and_unfold_to_what_they_were(content in "\\PC{0,300}") {
            let mut text = String::new();
            line(&mut text, &content);
            for line in text.split("\r\n") {
                prop_assert!(line.len() <= LINE_OCTETS_MAX, "{line}");
            }
            prop_assert_eq!(text.replace("\r\n ", ""), format!("{content}\r\n"));
        }
    }

    #[test]
    fn what_means_something_in_a_calendar_is_escaped() {
        assert_eq!(escaped("a;b,c\\d\ne\r\u{7}f"), "a\\;b\\,c\\\\d\\nef");
        assert_eq!(moment("2028-02-29T23:59:59.9Z".parse().unwrap()), "20280229T235959Z");
    }
}
