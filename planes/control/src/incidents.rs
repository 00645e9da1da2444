//! Incidents: what opens them, whose clocks run in them, and what people are told of both.

mod reading;
mod regimes;
pub(crate) mod view;
pub(crate) mod watching;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::incidents::{
    IncidentChangeRequest, IncidentRequest, IncidentView, IncidentWord, RegimesView,
};
use portcullis_domain::command::{Command, IncidentChanges, NewIncident, NewNotice};
use portcullis_domain::event::Event;
use portcullis_domain::ids::{IncidentId, NoticeId, OperatorId, TaskId, VendorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_incident::Incident;
use portcullis_incident::change::{Change, Origin};
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::{Acknowledgement, NoticeError, Said, Way};
use portcullis_incident::order::IncidentRefusal;
use uuid::Uuid;

use crate::control::Control;
use crate::error::ExecuteError;
pub use regimes::{IncidentSettings, Regimes, UnknownRegime};

/// Words of one request.
const WORDS_MAX: usize = 100;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncidentError {
    #[error("there is no incident `{0}`")]
    Unknown(String),
    #[error(transparent)]
    Regime(#[from] UnknownRegime),
    #[error(transparent)]
    Notice(#[from] NoticeError),
    #[error("{0}")]
    Refused(IncidentRefusal),
    #[error("more than {WORDS_MAX} changes\nhint: send them in several requests")]
    Many,
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl Control {
    /// Reads the installation's own files of clocks from `folder`, now and at each reload. What is wrong with them is told
    /// as it stands; the others are used.
    pub fn use_clocks(&self, folder: PathBuf, settings: IncidentSettings) -> Vec<String> {
        self.regimes().place(folder, settings)
    }

    /// Reads the files of clocks anew. **Blocks** on a few small files.
    pub fn reload_clocks(&self) -> Vec<String> {
        self.regimes().reload()
    }

    pub(crate) fn regimes_view(&self) -> RegimesView {
        self.regimes().view(today(self.clock().now()))
    }

    /// Opens an incident as somebody asks for it.
    pub(crate) async fn open_incident_for(
        &self,
        request: IncidentRequest,
        by: OperatorId,
    ) -> Result<IncidentView, IncidentError> {
        let now = self.clock().now();
        let mut moments: Vec<(MomentName, Timestamp, String)> = request
            .moments
            .into_iter()
            .map(|moment| (moment.moment, moment.at.unwrap_or(now), moment.why))
            .collect();
        if moments.iter().all(|(moment, ..)| *moment != MomentName::we_aware()) {
            moments.push((MomentName::we_aware(), now, "opened by hand".to_owned()));
        }
        let new = NewIncident {
            vendor: request.vendor,
            title: request.title,
            severity: request.severity.unwrap_or_default(),
            origin: Origin::Hand,
            exercise: request.exercise,
            moments,
            regimes: self.regimes().taken(&request.regimes, today(now))?,
            zone: self.regimes().zone(),
            by: Some(by),
        };
        let id = self.open_incident(new).await?;
        let id = id.ok_or_else(|| IncidentError::Unknown("that was just opened".to_owned()))?;
        self.incident_view(&id.to_string()).await
    }

    /// Opens an incident with the texts that `new` names; none, where what opens it has opened one before.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn open_incident(&self, new: NewIncident) -> Result<Option<IncidentId>, ExecuteError> {
        let executed = self.execute(Command::OpenIncident(Box::new(new))).await?;
        Ok(opened_in(&executed.events))
    }

    /// An incident without a word about texts: those of the settings.
    pub(crate) fn new_incident(&self, vendor: Option<String>, title: String, origin: Origin) -> NewIncident {
        let now = self.clock().now();
        NewIncident {
            vendor,
            title,
            severity: portcullis_incident::Severity::High,
            origin,
            exercise: None,
            moments: Vec::new(),
            regimes: self.regimes().chosen(today(now)),
            zone: self.regimes().zone(),
            by: None,
        }
    }

    /// Closes the incident of an exercise: its clocks bind nobody.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn close_rehearsed(
        &self,
        incident: IncidentId,
        summary: String,
        by: Option<OperatorId>,
    ) -> Result<(), ExecuteError> {
        let state = self.state();
        let known = state.incidents.get(&incident).filter(|known| known.exercise.is_some());
        let running = known.into_iter().flat_map(|known| &known.clocks);
        let running = running.filter(|(_, clock)| clock.met.is_none() && clock.set_aside.is_none());
        let aside =
            running.map(|(clock, _)| Change::ClockSetAside { clock: clock.clone(), reason: summary.clone() });
        let changes = aside.chain([Change::Closed { summary: summary.clone() }]).collect();
        let zone = self.regimes().zone();
        let said = IncidentChanges { incident, changes, by, version: None, zone };
        self.execute(Command::ChangeIncident(Box::new(said))).await.map(|_| ())
    }

    pub(crate) async fn change_incident(
        &self,
        named: &str,
        request: IncidentChangeRequest,
        by: OperatorId,
    ) -> Result<IncidentView, IncidentError> {
        if request.changes.len() > WORDS_MAX {
            return Err(IncidentError::Many);
        }
        let now = self.clock().now();
        let incident = self.incident_named(named)?.id;
        let changes = request.changes.into_iter().map(|word| self.change_of(word, now));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let zone = self.regimes().zone();
        let said = IncidentChanges { incident, changes, by: Some(by), version: request.version, zone };
        self.execute(Command::ChangeIncident(Box::new(said))).await?;
        // What the vendor read is no other by a word of ours.
        let changed = self.incident_named(named)?;
        Ok(view::whole(&self.state(), &changed, self.clock().now()))
    }

    fn change_of(&self, word: IncidentWord, now: Timestamp) -> Result<Change, IncidentError> {
        Ok(match word {
            IncidentWord::Role { role, person } => {
                Change::RoleGiven { role, person: Personal::Plain(person) }
            }
            IncidentWord::Note { text, at } => Change::Noted { text, at: at.unwrap_or(now) },
            IncidentWord::Decide { what, why } => Change::Decided { what, why },
            IncidentWord::Task { title, owner, due } => {
                Change::TaskOpened { id: TaskId(Uuid::nil()), title, owner, due }
            }
            IncidentWord::TaskDone { id } => Change::TaskDone { id },
            IncidentWord::Severity { severity, reason } => Change::SeverityChanged { severity, reason },
            IncidentWord::Moment { moment, at, why } => {
                Change::MomentRecorded { moment, at: at.unwrap_or(now), why }
            }
            IncidentWord::Regime { id } => {
                let taken = self.regimes().taken(std::slice::from_ref(&id), today(now))?;
                let taken = taken.into_iter().next().ok_or(UnknownRegime(id))?;
                Change::RegimeTaken { taken: Box::new(taken) }
            }
            IncidentWord::ClockMet { clock, at, reference } => {
                Change::ClockMet { clock, at: at.unwrap_or(now), reference }
            }
            IncidentWord::ClockSetAside { clock, reason } => Change::ClockSetAside { clock, reason },
            IncidentWord::ClockTakenUp { clock, reason } => Change::ClockTakenUp { clock, reason },
            IncidentWord::Close { summary } => Change::Closed { summary },
            IncidentWord::Reopen { reason } => Change::Reopened { reason },
        })
    }

    /// What one of ours took down of a vendor's notice.
    pub(crate) async fn take_down_notice(
        &self,
        vendor: &str,
        said: Said,
        received: Option<Timestamp>,
        incident: Option<String>,
        by: OperatorId,
    ) -> Result<Acknowledgement, IncidentError> {
        portcullis_incident::notice::check(&said)?;
        let (state, now) = (self.state(), self.clock().now());
        let received = received.unwrap_or(now);
        if received > now {
            let hint = "`received` is when it reached us, in UTC";
            return Err(IncidentError::Refused(IncidentRefusal::Invalid(
                format!("`{received}` lies in the future"),
                hint,
            )));
        }
        let named = state.resource(Kind::Vendor, vendor).map(|found| VendorId(found.id));
        let unknown =
            || portcullis_domain::command::Refusal::Unknown { kind: "vendor", name: vendor.to_owned() };
        let vendor = named.ok_or_else(|| ExecuteError::Refused(unknown()))?;
        let sha256 = digest_of(&said);
        let id = NoticeId(self.new_id());
        let notice = said.received(id, received, Way::Hand, sha256.clone(), None)?;
        let regimes = self.regimes().chosen(today(now));
        let zone = self.regimes().zone();
        let new = NewNotice { vendor, notice, incident, regimes, zone, by: Some(by) };
        let executed = self.execute(Command::ReceiveNotice(Box::new(new))).await?;
        let acknowledged = acknowledged(&self.state(), &executed.events, id);
        acknowledged.ok_or_else(|| IncidentError::Unknown("of the notice".to_owned()))
    }

    fn incident_named(&self, named: &str) -> Result<Arc<Incident>, IncidentError> {
        let unknown = || IncidentError::Unknown(named.chars().take(60).collect());
        self.state().incident(named).cloned().ok_or_else(unknown)
    }

    /// All of an incident, with what its vendor read. That is read for one at a time: it takes seconds of a processor which
    /// the gate may need.
    pub(crate) async fn incident_view(&self, named: &str) -> Result<IncidentView, IncidentError> {
        let incident = self.incident_named(named)?;
        let (state, now) = (self.state(), self.clock().now());
        let mut view = view::whole(&state, &incident, now);
        let turn = self.reading_turn().acquire_owned().await;
        let control = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            // Whoever asked may have gone: the turn ends when the reading does.
            let _turn = turn;
            control.reading_of(&state, &incident, now)
        });
        let read = read.await;
        view.reading = read.unwrap_or_default();
        Ok(view)
    }
}

/// The day on which texts are in force or not: that of UTC, as everywhere where no zone is named.
pub(crate) fn today(now: Timestamp) -> jiff::civil::Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The incident that events open, or are about.
pub(crate) fn opened_in(events: &[Event]) -> Option<IncidentId> {
    events.iter().find_map(|event| match event {
        Event::IncidentOpened(opening) => Some(opening.id),
        Event::IncidentChanged(change) => Some(change.incident),
        _ => None,
    })
}

/// What the sender of a notice hears.
pub(crate) fn acknowledged(state: &State, events: &[Event], notice: NoticeId) -> Option<Acknowledgement> {
    let incident = state.incidents.get(&opened_in(events)?)?;
    let kept = incident.notices.iter().find(|kept| kept.id == notice)?;
    let vendor = incident.vendor?;
    let aware = incident.moments.get(&MomentName::vendor_aware()).copied().unwrap_or(kept.aware);
    let window_hours = portcullis_assurance::stops::window(state.notice_hours(vendor, aware));
    // Of one in doubt nothing was recorded: it is held against what it says itself.
    let within = SignedDuration::from_hours(i64::from(window_hours));
    let in_time = match kept.counts() {
        true => incident.late_notice(kept.received).is_none(),
        false => kept.received.duration_since(kept.aware) <= within,
    };
    Some(Acknowledgement {
        notice,
        incident: incident.id,
        received: kept.received,
        window_hours,
        in_time,
        doubtful: !kept.counts(),
        sha256: kept.sha256.clone(),
    })
}

/// Of what is said, however it was written: the same said twice is one notice.
pub(crate) fn digest_of(said: &Said) -> String {
    portcullis_proof::digest(&serde_json::to_vec(said).unwrap_or_default())
}
