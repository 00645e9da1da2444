//! `incident`: what went wrong, who does what about it, and the clocks that run.

mod clocks;
mod show;
mod tell;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use portcullis_api::incidents::{
    IncidentChangeRequest, IncidentLine, IncidentRequest, IncidentView, IncidentWord, MomentRequest,
    NoticeRequest, RegimesView,
};
use portcullis_domain::ids::TaskId;
use portcullis_incident::Severity;
use portcullis_incident::change::{ClockName, Role};
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::{Acknowledgement, Said};
use serde::de::DeserializeOwned;

use super::evidence::read;
use super::output::{Output, Watch};
use super::server::Server;
use super::time::Since;
use super::{Outcome, Place, examples};
use crate::clock::system_clock;

/// A signed notice is shorter.
const SIGNED_BYTES_MAX: u64 = 64 * 1024;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Open an incident; its clocks run from now, or from when we knew
    #[command(after_help = examples::INCIDENT_OPEN)]
    Open(OpenArguments),
    /// Take a vendor's notice of its breach that came by voice, letter or mail
    #[command(after_help = examples::INCIDENT_NOTICE)]
    Notice(NoticeArguments),
    /// List incidents, the newest first, with what is left of their next clock
    #[command(after_help = examples::INCIDENT_LIST)]
    List(ListArguments),
    /// Show an incident: clocks, what the vendor read, notices, roles, tasks, decisions and timeline
    #[command(after_help = examples::INCIDENT_SHOW)]
    Show(ShowArguments),
    /// Say who does what
    #[command(after_help = examples::INCIDENT_ROLE)]
    Role(RoleArguments),
    /// Add a line to the timeline
    #[command(after_help = examples::INCIDENT_NOTE)]
    Note(NoteArguments),
    /// Open a task, or say that one is done
    #[command(after_help = examples::INCIDENT_TASK)]
    Task(TaskArguments),
    /// Record a decision, with why
    #[command(after_help = examples::INCIDENT_DECIDE)]
    Decide(DecideArguments),
    /// Record a moment that clocks count from, or how bad it is
    #[command(after_help = examples::INCIDENT_CLASSIFY)]
    Classify(ClassifyArguments),
    /// Say that a clock is met, or that it doesn't bind us here; nothing pauses one
    #[command(after_help = examples::INCIDENT_CLOCK)]
    Clock(ClockArguments),
    /// List the laws and contracts whose clocks run, and what they rest on
    #[command(after_help = examples::INCIDENT_CLOCKS)]
    Clocks,
    /// Close an incident whose clocks are settled and whose tasks are done
    #[command(after_help = examples::INCIDENT_CLOSE)]
    Close(CloseArguments),
    /// Open a closed incident again
    #[command(after_help = examples::INCIDENT_REOPEN)]
    Reopen(ReopenArguments),
    /// Write the evidence pack of an incident: what the vendor read since a day before it began, its clocks, timeline and tasks
    #[command(after_help = examples::INCIDENT_EXPORT)]
    Export(ExportArguments),
    /// On the vendor's machine: sign a notice of your breach with your client's key, and send it
    #[command(after_help = examples::INCIDENT_TELL)]
    Tell(tell::Arguments),
}

#[derive(clap::Args)]
pub(super) struct ExportArguments {
    /// Number or id
    #[arg(value_name = "INCIDENT")]
    incident: String,
    #[command(flatten)]
    how: super::pack::How,
}

#[derive(clap::Args)]
pub(super) struct OpenArguments {
    /// Name of the vendor, if it is about one
    vendor: Option<String>,
    /// What happened, in a line
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// `low`, `medium`, `high` or `critical`; `high` without it
    #[arg(long, value_name = "SEVERITY", value_parser = named::<Severity>)]
    severity: Option<Severity>,
    /// When we knew: an instant in UTC, or how long ago, such as `2h`; now without it
    #[arg(long, value_name = "TIME")]
    aware: Option<Since>,
    /// When the vendor knew, if it is known
    #[arg(long, value_name = "TIME")]
    vendor_aware: Option<Since>,
    /// How that is known
    #[arg(long, value_name = "TEXT", default_value = "by whoever opened it", hide_default_value = true)]
    why: String,
    /// The exercise that it belongs to: nothing gets into a dossier
    #[arg(long, value_name = "NAME")]
    exercise: Option<String>,
    /// Only clocks of this text, such as `gdpr-33`; may be given many times
    #[arg(long = "text", value_name = "ID")]
    texts: Vec<String>,
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("way").required(true).args(["vendor", "signed"]))]
pub(super) struct NoticeArguments {
    /// Name of the vendor that told us
    #[arg(requires_all = ["reference", "aware", "what"])]
    vendor: Option<String>,
    /// The vendor's own name for its incident
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// When the vendor knew: an instant in UTC, or how long ago
    #[arg(long, value_name = "TIME")]
    aware: Option<Since>,
    /// What has happened
    #[arg(long, value_name = "TEXT")]
    what: Option<String>,
    /// Whom to call there
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// How many records of ours, as far as that is known
    #[arg(long, value_name = "COUNT")]
    records: Option<u64>,
    /// When it told us; now without it
    #[arg(long, value_name = "TIME")]
    received: Option<Since>,
    /// Number of the incident that it is about
    #[arg(long, value_name = "N", conflicts_with = "signed")]
    incident: Option<String>,
    /// A signed notice that came by mail, in place of all others
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// Only of this vendor
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
    /// Only open ones
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    watch: Watch,
}

#[derive(clap::Args)]
pub(super) struct ShowArguments {
    /// Number or id of the incident
    incident: String,
}

#[derive(clap::Args)]
pub(super) struct RoleArguments {
    /// Number or id of the incident
    incident: String,
    /// `commander`, `deputy`, `technical`, `communications`, `legal`, `privacy`, `scribe` or `vendor_contact`
    #[arg(value_parser = named::<Role>)]
    role: Role,
    /// Who has it
    person: String,
}

#[derive(clap::Args)]
pub(super) struct NoteArguments {
    /// Number or id of the incident
    incident: String,
    /// What is to be remembered
    text: String,
    /// When it was; now without it
    #[arg(long, value_name = "TIME")]
    at: Option<Since>,
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["title", "done"]))]
pub(super) struct TaskArguments {
    /// Number or id of the incident
    incident: String,
    /// What is to be done
    title: Option<String>,
    /// Who does it
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// By when, an instant in UTC
    #[arg(long, value_name = "TIME")]
    due: Option<Timestamp>,
    /// The task that is done
    #[arg(long, value_name = "ID")]
    done: Option<TaskId>,
}

#[derive(clap::Args)]
pub(super) struct DecideArguments {
    /// Number or id of the incident
    incident: String,
    /// What is decided
    what: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    why: String,
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["moment", "severity"]))]
pub(super) struct ClassifyArguments {
    /// Number or id of the incident
    incident: String,
    /// What has happened: `we_aware`, `vendor_aware`, `determined_material`, `determined_notifiable`, `classified_major`, …
    moment: Option<MomentName>,
    /// When: an instant in UTC, or how long ago; now without it
    #[arg(long, value_name = "TIME")]
    at: Option<Since>,
    /// How bad it is: `low`, `medium`, `high` or `critical`
    #[arg(long, value_name = "SEVERITY", value_parser = named::<Severity>)]
    severity: Option<Severity>,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// What is said of a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum ClockWord {
    /// Whom it is for was told; `--reference` says where that can be looked up
    Met,
    /// It doesn't bind us here; `--reason` says why. Its time goes on
    SetAside,
    /// It does bind us, from when it always did
    TakeUp,
    /// The clocks of another text run from now on: CLOCK is its id
    Add,
}

#[derive(clap::Args)]
pub(super) struct ClockArguments {
    /// Number or id of the incident
    incident: String,
    /// Name of the clock, such as `gdpr-33/authority`
    clock: String,
    /// What is said of it
    #[arg(value_enum)]
    word: ClockWord,
    /// When it was met: an instant in UTC, or how long ago; now without it
    #[arg(long, value_name = "TIME")]
    at: Option<Since>,
    /// The authority's number, a letter
    #[arg(long, value_name = "TEXT", required_if_eq("word", "met"))]
    reference: Option<String>,
    /// Why it binds us, or doesn't
    #[arg(long, value_name = "TEXT", required_if_eq_any([("word", "set-aside"), ("word", "take-up")]))]
    reason: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct CloseArguments {
    /// Number or id of the incident
    incident: String,
    /// What it was, and what came of it
    #[arg(long, value_name = "TEXT")]
    summary: String,
}

#[derive(clap::Args)]
pub(super) struct ReopenArguments {
    /// Number or id of the incident
    incident: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn incident(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let verb = match verb {
        Verb::Tell(arguments) => return tell::tell(place, out, arguments).await,
        Verb::Export(ExportArguments { incident, how }) => {
            return super::pack::export(place, out, incident, how).await;
        }
        verb => verb,
    };
    let server = Server::find(place)?;
    match verb {
        Verb::Open(arguments) => open(&server, out, arguments).await?,
        Verb::Notice(arguments) => notice(&server, out, arguments).await?,
        Verb::List(arguments) => list(&server, out, arguments).await?,
        Verb::Show(ShowArguments { incident }) => {
            let view: IncidentView = server.get(&["v1", "incidents", &incident]).await?;
            out.show(&view, |_| show::whole(out, &view))?;
        }
        Verb::Clocks => {
            let view: RegimesView = server.get(&["v1", "incidents", "clocks"]).await?;
            out.show(&view, |_| clocks::told(out, &view))?;
        }
        verb => {
            let (incident, words) = words(verb)?;
            let request = IncidentChangeRequest { version: None, changes: words };
            let path = ["v1", "incidents", &incident, "changes"];
            let (_, view): (_, IncidentView) = server.post(&path, &request).await?;
            out.show(&view, |_| show::after(out, &view))?;
        }
    }
    Ok(Outcome::Done)
}

/// What is said of which incident.
fn words(verb: Verb) -> Result<(String, Vec<IncidentWord>)> {
    Ok(match verb {
        Verb::Role(RoleArguments { incident, role, person }) => {
            (incident, vec![IncidentWord::Role { role, person }])
        }
        Verb::Note(NoteArguments { incident, text, at }) => {
            (incident, vec![IncidentWord::Note { text, at: moment(at) }])
        }
        Verb::Task(TaskArguments { incident, title, owner, due, done }) => {
            let opened = title.map(|title| IncidentWord::Task { title, owner, due });
            let done = done.map(|id| IncidentWord::TaskDone { id });
            (incident, opened.into_iter().chain(done).collect())
        }
        Verb::Decide(DecideArguments { incident, what, why }) => {
            (incident, vec![IncidentWord::Decide { what, why }])
        }
        Verb::Classify(ClassifyArguments { incident, moment: name, at, severity, why }) => {
            let recorded =
                name.map(|name| IncidentWord::Moment { moment: name, at: moment(at), why: why.clone() });
            let severity = severity.map(|severity| IncidentWord::Severity { severity, reason: why });
            (incident, recorded.into_iter().chain(severity).collect())
        }
        Verb::Clock(arguments) => clock_word(arguments)?,
        Verb::Close(CloseArguments { incident, summary }) => {
            (incident, vec![IncidentWord::Close { summary }])
        }
        Verb::Reopen(ReopenArguments { incident, reason }) => {
            (incident, vec![IncidentWord::Reopen { reason }])
        }
        _ => return Err(anyhow!("this verb says nothing of an incident")),
    })
}

fn clock_word(arguments: ClockArguments) -> Result<(String, Vec<IncidentWord>)> {
    let ClockArguments { incident, clock, word, at, reference, reason } = arguments;
    let name = |clock: &str| clock.parse::<ClockName>().map_err(|error| anyhow!("{error}"));
    let reason = reason.unwrap_or_default();
    let word = match word {
        ClockWord::Met => IncidentWord::ClockMet {
            clock: name(&clock)?,
            at: moment(at),
            reference: reference.unwrap_or_default(),
        },
        ClockWord::SetAside => IncidentWord::ClockSetAside { clock: name(&clock)?, reason },
        ClockWord::TakeUp => IncidentWord::ClockTakenUp { clock: name(&clock)?, reason },
        ClockWord::Add => IncidentWord::Regime { id: clock },
    };
    Ok((incident, vec![word]))
}

async fn open(server: &Server, out: &Output, arguments: OpenArguments) -> Result<()> {
    let OpenArguments { vendor, title, severity, aware, vendor_aware, why, exercise, texts } = arguments;
    let known = [(MomentName::we_aware(), aware), (MomentName::vendor_aware(), vendor_aware)];
    let moments = known.into_iter().filter_map(|(name, at)| {
        Some(MomentRequest { moment: name, at: Some(moment(Some(at?))?), why: why.clone() })
    });
    let request = IncidentRequest {
        vendor: vendor.map(|vendor| bare(&vendor).to_owned()),
        title,
        severity,
        exercise,
        moments: moments.collect(),
        regimes: texts,
    };
    let (_, view): (_, IncidentView) = server.post(&["v1", "incidents"], &request).await?;
    out.show(&view, |_| show::after(out, &view))
}

async fn notice(server: &Server, out: &Output, arguments: NoticeArguments) -> Result<()> {
    let NoticeArguments { vendor, reference, aware, what, contact, records, received, incident, signed } =
        arguments;
    let signed = match signed {
        Some(path) => {
            Some(String::from_utf8_lossy(&read(&path, SIGNED_BYTES_MAX as usize)?).trim().to_owned())
        }
        None => None,
    };
    let said = vendor.is_some().then(|| Said {
        reference: reference.unwrap_or_default(),
        aware: moment(aware).unwrap_or_default(),
        what: what.unwrap_or_default(),
        severity: None,
        contact,
        affected_records: records,
        data: Vec::new(),
    });
    let vendor = vendor.map(|vendor| bare(&vendor).to_owned());
    let request = NoticeRequest { vendor, notice: said, signed, received: moment(received), incident };
    let (_, answer): (_, Acknowledgement) = server.post(&["v1", "incidents", "notices"], &request).await?;
    out.show(&answer, |paint| show::acknowledged(paint, &answer))
}

async fn list(server: &Server, out: &Output, arguments: ListArguments) -> Result<()> {
    let ListArguments { vendor, open, watch } = arguments;
    let mut query = Vec::new();
    query.extend(vendor.map(|vendor| ("vendor", bare(&vendor).to_owned())));
    query.extend(open.then(|| ("open", "true".to_owned())));
    out.watch(watch.watch, async || {
        let lines: Vec<IncidentLine> = server.query(&["v1", "incidents"], &query).await?;
        out.rendered(&lines, |_| out.table(&show::list(&lines), "there is no incident"))
    })
    .await
}

fn moment(at: Option<Since>) -> Option<Timestamp> {
    at.map(|at| at.before(system_clock().now()))
}

fn bare(name: &str) -> &str {
    name.strip_prefix("vendor/").unwrap_or(name)
}

/// One of a few words, as the API names them.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error: serde_json::Error| error.to_string())
}
