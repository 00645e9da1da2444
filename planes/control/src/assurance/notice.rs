//! What others are told of: each event of the ledger that is somebody's business, as one notice.
//!
//! A notice is made of the ledger and of what is in force, and has the same id each time it is made: whoever is told
//! twice can know it. Texts about people stay here.

use std::fmt::Write as _;

use jiff::Timestamp;
use portcullis_assurance::change::{Change, Entry};
use portcullis_assurance::days::date_of;
use portcullis_assurance::stops::{self, Stop};
use portcullis_assurance::work::{Reminder, WorkKind, open};
use portcullis_domain::event::{DossierChange, Event, IncidentChange};
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Spec;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_exercise::run::Mode;
use portcullis_incident::change::{Change as IncidentWord, ClockName};
use portcullis_incident::due::shown;
use portcullis_policy::link::Page;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::Control;
use crate::incidents::watching::warned_of;
use crate::record::fold;

/// That somebody should look, which nobody answers. Whoever is on call gets pages, each a `page.raised` to the places of `on_call`.
const LOOK: &str = "page";
/// Before each type of an event.
const PREFIX: &str = "portcullis.";
/// Bytes of a text that others are sent.
const TEXT_BYTES_MAX: usize = 4_000;

/// What somebody may be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// The same whenever it is told.
    pub id: String,
    /// Such as `stop.began`.
    pub kind: String,
    pub time: Timestamp,
    /// Its name, if it is about one.
    pub vendor: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// In a few words.
    pub title: String,
    /// In a sentence or two, with what to do.
    pub text: String,
    /// Until when, as a day or a moment.
    pub due: Option<String>,
}

/// The names that templates may use.
pub const PLACEHOLDERS: [&str; 8] = ["id", "type", "time", "vendor", "owner", "title", "text", "due"];

/// What may be asked for, each by its whole name or by the word before its point.
pub const KINDS: [&str; 16] = [
    "incident.*",
    "dossier.*",
    "stop.began",
    "stop.ended",
    "stop.warning",
    "task.due",
    "task.overdue",
    "task.escalated",
    "request.overdue",
    LOOK,
    "severed",
    "restored",
    "vendor.held",
    "vendor.released",
    "packets.outside",
    "test",
];

impl Notice {
    /// CloudEvents 1.0, in the structured form of its JSON format.
    #[must_use]
    pub fn cloud_event(&self, source: &str) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": format!("{PREFIX}{}", self.kind),
            "time": self.time,
            "datacontenttype": "application/json",
            "data": {
                "vendor": self.vendor,
                "owner": self.owner,
                "title": self.title,
                "text": self.text,
                "due": self.due,
            },
        });
        if let (Some(event), Some(vendor)) = (event.as_object_mut(), &self.vendor) {
            event.insert("subject".to_owned(), format!("vendor/{vendor}").into());
        }
        event
    }

    /// What stands in a template's place of this name.
    #[must_use]
    pub fn placeholder(&self, name: &str) -> Option<String> {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(match name {
            "id" => self.id.clone(),
            "type" => format!("{PREFIX}{}", self.kind),
            "time" => self.time.to_string(),
            "vendor" => optional(&self.vendor),
            "owner" => optional(&self.owner),
            "title" => self.title.clone(),
            "text" => self.text.clone(),
            "due" => optional(&self.due),
            _ => return None,
        })
    }

    /// Whether one of `wanted` names it; nothing that is wanted stands for everything.
    #[must_use]
    pub fn is_wanted(&self, wanted: &[String]) -> bool {
        let named = |wanted: &String| {
            let wanted = wanted.strip_suffix(".*").unwrap_or(wanted);
            wanted == "*"
                || self.kind == wanted
                || self.kind.split_once('.').is_some_and(|(group, _)| group == wanted)
        };
        wanted.is_empty() || wanted.iter().any(named)
    }

    /// What tells of nothing.
    #[must_use]
    pub fn test(id: String, time: Timestamp) -> Self {
        Self {
            id,
            kind: "test".to_owned(),
            time,
            vendor: None,
            owner: None,
            title: "a test of this webhook".to_owned(),
            text: "somebody has asked whether this place takes what it is told; nothing has happened"
                .to_owned(),
            due: None,
        }
    }

    /// Packets of a vendor's networks have begun to be dropped.
    #[must_use]
    pub fn of_packets(state: &State, vendor: VendorId, now: Timestamp) -> Self {
        let about = About::of(state, Some(vendor));
        let name = about.name();
        let text = format!(
            "machines in networks of `{name}` send packets to what they may not reach, or while it is closed: they are dropped; see `portcullis network show`"
        );
        let id = format!("packets-{vendor}-{}", now.as_second());
        about.notice((id, now), "packets.outside", format!("packets of {name} are dropped"), text)
    }

    /// A gate has found so much evidence that somebody should look at it.
    #[must_use]
    pub fn of_risk(state: &State, page: &Page) -> Self {
        let client = state.by_id(page.client.0).map_or("unknown", |(_, name, _)| name).to_owned();
        let vendor = state.standing(&client).map(|standing| standing.vendor_id());
        let time = Timestamp::from_microsecond(page.at_us).unwrap_or_default();
        let text = format!(
            "client `{client}` has come to a score of {} by {}: see `portcullis explain {}`",
            page.score,
            page.cause.as_str(),
            page.decision
        );
        let title = format!("somebody should look at client {client}");
        About::of(state, vendor).notice((format!("page-{}", page.decision), time), LOOK, title, text)
    }
}

/// Notices of a stretch of the ledger.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Noticed {
    /// Each with the number of its event.
    pub notices: Vec<(u64, Notice)>,
    /// Where the ledger goes on.
    pub next: u64,
}

impl Control {
    /// What others may be told of events from number `from` on, of up to `limit` events.
    ///
    /// # Errors
    /// The ledger can't be read, in words.
    pub async fn notices(&self, from: u64, limit: usize) -> Result<Noticed, String> {
        let stored = self.store().read(from, limit).await.map_err(|error| error.to_string())?;
        let state = self.state();
        let now = self.clock().now();
        let mut noticed = Noticed { notices: Vec::new(), next: from };
        for event in stored {
            let sequence = event.sequence;
            noticed.next = sequence + 1;
            let event = fold(event).map_err(|error| error.to_string())?;
            let notice = of_event(&state, sequence, &event, now);
            noticed.notices.extend(notice.map(|notice| (sequence, notice)));
        }
        Ok(noticed)
    }
}

/// Nothing where it is nobody's business outside.
#[must_use]
pub fn of_event(state: &State, sequence: u64, event: &Event, now: Timestamp) -> Option<Notice> {
    let id = format!("ledger-{sequence}");
    Some(match event {
        Event::DossierChanged(change) => of_change(state, id, change, now),
        Event::Severed(severance) => {
            let about = About::of(state, vendor_of(state, &severance.target));
            let name = state.name_of(&severance.target);
            let text = format!("`{name}` is severed: nothing of it passes; see `portcullis severances`");
            about.notice((id, severance.time), "severed", format!("{name} is severed"), text)
        }
        Event::ExerciseRun(done) if done.run.mode == Mode::Drill && !done.run.passed => {
            let about = About::of(state, None);
            let why = done.run.failures.first().map_or("it did not pass", String::as_str);
            let text = format!("{why}; see `portcullis exercise report kill-drill`");
            about.notice((id, done.run.finished_at), LOOK, "the kill drill has failed".to_owned(), text)
        }
        Event::Restored(restoration) => {
            let about = About::of(state, vendor_of(state, &restoration.target));
            let name = state.name_of(&restoration.target);
            let text = format!("`{name}` is restored after a severance");
            about.notice((id, restoration.time), "restored", format!("{name} is restored"), text)
        }
        Event::VendorHeld(hold) => {
            let about = About::of(state, Some(hold.vendor));
            let name = about.name();
            let text = format!(
                "an operator has limited what vendor `{name}` may have; see `portcullis vendor show {name}`"
            );
            about.notice((id, hold.time), "vendor.held", format!("{name} is held"), text)
        }
        Event::IncidentOpened(opening) => {
            let about = About::of(state, opening.vendor);
            let (number, title) = (opening.number, &opening.title);
            let exercise = if opening.exercise.is_some() { "exercise: " } else { "" };
            let text = format!("{title}; see `portcullis incident show {number}`");
            about.notice(
                (id, opening.time),
                "incident.opened",
                format!("{exercise}incident {number}: {title}"),
                text,
            )
        }
        Event::IncidentChanged(change) => return of_incident(state, id, change),
        Event::VendorReleased(release) => {
            let about = About::of(state, Some(release.vendor));
            let name = about.name();
            let text = format!("vendor `{name}` has again what it was granted");
            about.notice((id, release.time), "vendor.released", format!("{name} is released"), text)
        }
        _ => return None,
    })
}

/// What becomes of an incident that others may have to act upon: notices, its clocks, its end.
fn of_incident(state: &State, id: String, change: &IncidentChange) -> Option<Notice> {
    let incident = state.incidents.get(&change.incident)?;
    let about = About::of(state, incident.vendor);
    let (number, title) = (incident.number, &incident.title);
    let see = format!("see `portcullis incident show {number}`");
    let clock = |name: &ClockName, kind: &str, word: &str| {
        let clock = incident.clocks.get(name)?;
        let stage = incident.regime_of(name)?.stage(name.parts().1)?;
        let due = shown(clock.due);
        let text = format!("{} {word} {due}: to {}; {see}", stage.title, stage.recipient);
        let head = format!("incident {number}: clock {name} {word} {due}");
        let notice = about.notice((id.clone(), change.entry.time), kind, head, text);
        Some(Notice { due: Some(due), ..notice })
    };
    let at = (id.clone(), change.entry.time);
    Some(match &change.entry.change {
        IncidentWord::NoticeReceived { notice } => {
            let text = format!(
                "`{}`, known to the vendor since {}: {}; {see}",
                notice.reference,
                shown(notice.aware),
                notice.what
            );
            about.notice(at, "incident.notice", format!("incident {number}: the vendor's notice"), text)
        }
        IncidentWord::Told { what } => {
            return clock(&warned_of(what)?, "incident.clock_warning", "is nearly over, at");
        }
        IncidentWord::ClockMissed { clock: name, .. } => {
            return clock(name, "incident.clock_missed", "was missed, at");
        }
        IncidentWord::Closed { summary } => about.notice(
            at,
            "incident.closed",
            format!("incident {number} is closed: {title}"),
            summary.clone(),
        ),
        IncidentWord::Reopened { reason } => about.notice(
            at,
            "incident.reopened",
            format!("incident {number} is open again: {title}"),
            reason.clone(),
        ),
        _ => return None,
    })
}

fn vendor_of(state: &State, target: &Target) -> Option<VendorId> {
    match target {
        Target::Vendor { id } => Some(*id),
        Target::Integration { id } => {
            let (_, name, _) = state.by_id(id.0)?;
            state.vendor_of_integration(name).map(|vendor| VendorId(vendor.id))
        }
        Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
            let (_, name, _) = state.by_id(id.0)?;
            Some(state.standing(name)?.vendor_id())
        }
    }
}

/// The vendor that a notice is about.
struct About {
    id: Option<VendorId>,
    name: Option<String>,
    owner: Option<String>,
}

impl About {
    fn of(state: &State, id: Option<VendorId>) -> Self {
        let found = id.and_then(|id| state.by_id(id.0));
        let name = found.map(|(_, name, _)| name.to_owned());
        let owner = found.and_then(|(_, _, resource)| match &resource.declaration.spec {
            Spec::Vendor(spec) => spec.owner.clone(),
            _ => None,
        });
        Self { id, name, owner }
    }

    fn name(&self) -> String {
        let id = || self.id.map(|id| id.to_string()).unwrap_or_default();
        self.name.clone().unwrap_or_else(id)
    }

    fn notice(&self, (id, time): (String, Timestamp), kind: &str, title: String, text: String) -> Notice {
        Notice {
            id,
            kind: kind.to_owned(),
            time,
            vendor: self.id.map(|_| self.name()),
            owner: self.owner.clone(),
            title: cut(title),
            text: cut(text),
            due: None,
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn of_change(state: &State, id: String, change: &DossierChange, now: Timestamp) -> Notice {
    let about = About::of(state, Some(change.vendor));
    let Entry { change: word, time, .. } = &change.entry;
    let at = (id, *time);
    if let Change::Reminded { what } = word
        && let Some(reminder) = Reminder::parse(what)
    {
        return of_reminder(state, (&about, change.vendor), at, &reminder, now);
    }
    let name = about.name();
    let kind = format!("dossier.{}", kind_of(word));
    let said = kind_of(word).replace('_', " ");
    let detail = detail(word);
    let text = format!("{said}{detail}; see `portcullis vendor show {name}`");
    about.notice(at, &kind, format!("{name}: {said}"), text)
}

/// As the ledger calls it.
fn kind_of(change: &Change) -> String {
    let written = serde_json::to_value(change).unwrap_or_default();
    written.get("change").and_then(Value::as_str).unwrap_or("changed").to_owned()
}

/// What it is about, without any word about a person.
fn detail(change: &Change) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = match change {
        Change::StepDecided { step, state, .. } => write!(text, ": `{}` {state:?}", step.name()),
        Change::StepAssigned { step, .. } => write!(text, ": `{}`", step.name()),
        Change::AdmittedProvisionally { until } => write!(text, " until {until}"),
        Change::EvidenceAdded { evidence } => {
            write!(text, ": {} `{}`", evidence.content.kind(), evidence.title)
        }
        Change::EvidenceProven { evidence, .. }
        | Change::DocumentChanged { evidence, .. }
        | Change::DocumentMended { evidence, .. }
        | Change::EvidenceWithdrawn { evidence, .. }
        | Change::DeletionCertified { evidence } => write!(text, ": evidence {evidence}"),
        Change::EvidenceRequested { request } => write!(text, ": {} by {}", request.wanted, request.due),
        Change::RequestAnswered { request, .. }
        | Change::RequestRefused { request, .. }
        | Change::RequestWithdrawn { request } => write!(text, ": request {request}"),
        Change::VulnerabilityFound { vulnerability, .. } => write!(text, ": {}", vulnerability.id),
        Change::ExploitabilityStated { vulnerability, .. }
        | Change::VulnerabilityClosed { vulnerability, .. } => write!(text, ": {vulnerability}"),
        Change::Screened { screening } => {
            write!(text, ": {} matches with list `{}`", screening.matches.len(), screening.list)
        }
        Change::MatchJudged { list, entry, word, .. } => write!(text, ": `{entry}` of `{list}` {word:?}"),
        Change::ExceptionProposed { stop, until, .. } => {
            write!(text, " from `{}` until {until}", stop.name())
        }
        Change::UndeclaredDataSeen { class, .. } | Change::UndeclaredDataSettled { class, .. } => {
            write!(text, ": {class}")
        }
        Change::FindingOpened { title, .. } | Change::TaskOpened { title, .. } => write!(text, ": {title}"),
        Change::OffboardingBegun { ends, .. } => write!(text, ": access ends at {ends}"),
        Change::AuditPlanned { due, .. } => write!(text, " for {due}"),
        _ => Ok(()),
    };
    text
}

fn of_reminder(
    state: &State,
    (about, vendor): (&About, VendorId),
    at: (String, Timestamp),
    reminder: &Reminder,
    now: Timestamp,
) -> Notice {
    let name = about.name();
    match reminder {
        Reminder::Warned { stop, subject, at: ends, days } => {
            let known = state.known(vendor);
            let warnings = known.map(|known| stops::warnings(&known.known(), now)).unwrap_or_default();
            let said = warnings.into_iter().find(|one| one.stop == *stop && one.subject == *subject);
            let plain = || format!("stop `{}` acts on {}", stop.name(), date_of(*ends));
            let text = said.map_or_else(plain, |said| said.sentence);
            let title = format!("{name}: stop `{}` within {}", stop.name(), in_days(*days));
            Notice { due: Some(ends.to_string()), ..about.notice(at, "stop.warning", title, text) }
        }
        Reminder::StopBegan { stop, subject, .. } => {
            let text = fact(state, vendor, *stop, subject.as_deref(), now);
            about.notice(at, "stop.began", format!("{name}: stop `{}` has begun", stop.name()), text)
        }
        Reminder::StopEnded { stop, .. } => {
            let text = format!("stop `{}` of vendor `{name}` holds no more", stop.name());
            about.notice(at, "stop.ended", format!("{name}: stop `{}` has ended", stop.name()), text)
        }
        Reminder::Due { kind, id, due, days } => {
            let title = title_of(state, vendor, *kind, id);
            let within = in_days(*days);
            let text = format!("{title}: due on {due}, within {within}; see `portcullis task list`");
            let notice = about.notice(at, "task.due", format!("{name}: {title} is due on {due}"), text);
            Notice { due: Some(due.to_string()), ..notice }
        }
        Reminder::Overdue { kind, id, due } => {
            let title = title_of(state, vendor, *kind, id);
            let word = if *kind == WorkKind::Request { "request.overdue" } else { "task.overdue" };
            let text = format!("{title}: it was due on {due}; see `portcullis task list`");
            let notice = about.notice(at, word, format!("{name}: {title} is overdue"), text);
            Notice { due: Some(due.to_string()), ..notice }
        }
        Reminder::Escalated { kind, id, due } => {
            let title = title_of(state, vendor, *kind, id);
            let text = format!("{title}: due on {due}, and nobody has done it for more than a week");
            let title = format!("{name}: {title} is overdue for more than a week");
            Notice { due: Some(due.to_string()), ..about.notice(at, "task.escalated", title, text) }
        }
    }
}

fn in_days(days: u8) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

/// The fact and its remedy, as they are now.
fn fact(state: &State, vendor: VendorId, stop: Stop, subject: Option<&str>, now: Timestamp) -> String {
    let held = state.known(vendor).map(|known| stops::at(&known.known(), now)).unwrap_or_default();
    let held = held.into_iter().find(|held| held.stop == stop && held.subject.as_deref() == subject);
    held.map_or_else(|| "it is over already".to_owned(), |held| format!("{}; {}", held.fact, held.remedy))
}

fn title_of(state: &State, vendor: VendorId, kind: WorkKind, id: &str) -> String {
    let open = open(&state.dossier(vendor));
    let found = open.into_iter().find(|work| work.kind == kind && work.id == id);
    found.map_or_else(|| format!("{} {id}", kind.name()), |work| work.title)
}
