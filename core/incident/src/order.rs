//! What somebody wants to happen to an incident, and why it may be refused.

use jiff::Timestamp;
use portcullis_ids::ids::OperatorId;
use uuid::Uuid;

use crate::change::{Change, ClockName, Entry};
use crate::incident::{Clock, ClockState, Incident};
use crate::regime::Stage;

/// What is asked for: the change itself; an id that is nil is given here.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    pub change: Change,
    /// None where the program does it by itself, or a vendor by its notice.
    pub by: Option<OperatorId>,
}

/// What judging may not fetch by itself.
pub struct Moment<'a> {
    pub now: Timestamp,
    pub new_id: &'a mut dyn FnMut() -> Uuid,
    /// Where days are counted that no file names a zone for.
    pub zone: &'a str,
    /// Hours that the vendor's contract gives for its notice, where it says so.
    pub window_hours: Option<u32>,
}

/// Why nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IncidentRefusal {
    #[error("there is no {what} `{id}` in this incident")]
    Unknown { what: &'static str, id: String },
    #[error("{0}\nhint: {1}")]
    Conflict(String, &'static str),
    #[error("{0}\nhint: {1}")]
    Invalid(String, &'static str),
    #[error("somebody must answer for it\nhint: an operator does it, under a name")]
    NobodyAnswers,
    #[error(
        "there are {most} {what} in this incident, which is the most\nhint: close it, and open another one"
    )]
    TooMany { what: &'static str, most: usize },
}

/// What to do about a refusal, whatever it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    Unknown,
    Conflict,
    Invalid,
    NeedsOther,
}

impl IncidentRefusal {
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Unknown { .. } => RefusalKind::Unknown,
            Self::Conflict(..) | Self::TooMany { .. } => RefusalKind::Conflict,
            Self::Invalid(..) => RefusalKind::Invalid,
            Self::NobodyAnswers => RefusalKind::NeedsOther,
        }
    }
}

const TEXT_MAX: usize = 2_000;
const LINES_MAX: usize = 5_000;
const TASKS_MAX: usize = 500;
/// Of one incident: vendors send them.
pub const NOTICES_MAX: usize = 100;
const REGIMES_MAX: usize = 50;
const TOLD_MAX: usize = 2_000;

impl Incident {
    /// The changes that an order comes to, with the clocks that it starts or meets; none where all is so already.
    ///
    /// # Errors
    /// [`IncidentRefusal`], with a next step.
    pub fn decide(&self, order: Order, moment: &mut Moment<'_>) -> Result<Vec<Change>, IncidentRefusal> {
        let Order { mut change, by } = order;
        if let Change::TaskOpened { id, .. } = &mut change
            && id.0.is_nil()
        {
            id.0 = (moment.new_id)();
        }
        if needs_operator(&change) && by.is_none() {
            return Err(IncidentRefusal::NobodyAnswers);
        }
        if by.is_some() && self.timeline.len() >= LINES_MAX {
            return Err(IncidentRefusal::TooMany { what: "lines", most: LINES_MAX });
        }
        let case = Case { incident: self, now: moment.now };
        if !case.is_news(&change)? {
            return Ok(Vec::new());
        }
        let mut work = Work { incident: self.clone(), by, now: moment.now, changes: Vec::new() };
        if matches!(change, Change::Closed { .. }) {
            work.say_missed();
        }
        work.push(change);
        work.settle(moment);
        Ok(work.changes)
    }

    /// The clocks that start with what is known at the beginning.
    #[must_use]
    pub fn settled(&self, by: Option<OperatorId>, moment: &Moment<'_>) -> Vec<Change> {
        let mut work = Work { incident: self.clone(), by, now: moment.now, changes: Vec::new() };
        work.settle(moment);
        work.changes
    }
}

/// What an order has come to so far.
struct Work {
    incident: Incident,
    by: Option<OperatorId>,
    now: Timestamp,
    changes: Vec<Change>,
}

impl Work {
    fn push(&mut self, change: Change) {
        let entry = Entry { change, by: self.by, time: self.now };
        self.incident.apply(&entry);
        self.changes.push(entry.change);
    }

    /// What is closed is looked at no more: what was missed is said before.
    fn say_missed(&mut self) {
        let silent = self.incident.clocks.iter().filter(|(_, clock)| clock.is_missed_in_silence(self.now));
        let missed = silent.map(|(name, clock)| Change::ClockMissed { clock: name.clone(), due: clock.due });
        missed.collect::<Vec<_>>().into_iter().for_each(|change| self.push(change));
    }

    /// Starts and meets what follows from what is known, until nothing more follows: each pass starts a clock, makes one due
    /// earlier, or meets one, and there are only so many stages below each other.
    fn settle(&mut self, moment: &Moment<'_>) {
        for _ in 0..64 {
            let next = self.next(moment);
            if next.is_empty() {
                return;
            }
            next.into_iter().for_each(|change| self.push(change));
        }
    }

    fn next(&self, moment: &Moment<'_>) -> Vec<Change> {
        let incident = &self.incident;
        let mut next = Vec::new();
        for (regime, stage) in incident.stages() {
            let name = ClockName::of(&regime.id, &stage.id);
            let known = incident.clocks.get(&name);
            let start = incident.start_of(regime, stage, moment.zone, moment.window_hours);
            let earlier = |clock: &Clock, from: Timestamp, due: Timestamp| {
                due < clock.due || (from < clock.from && due <= clock.due)
            };
            match start {
                Some(start) if known.is_none_or(|known| earlier(known, start.from, start.due)) => {
                    next.push(Change::ClockStarted {
                        clock: start.clock,
                        from: start.from,
                        due: start.due,
                        zone: start.zone,
                        within: start.within,
                    });
                }
                _ => next.extend(known.and_then(|clock| met_by_moment(incident, stage, &name, clock))),
            }
        }
        next
    }
}

fn met_by_moment(incident: &Incident, stage: &Stage, name: &ClockName, clock: &Clock) -> Option<Change> {
    if clock.met.is_some() {
        return None;
    }
    let recorded = stage.met_by.iter().filter_map(|moment| Some((*incident.moments.get(moment)?, moment)));
    let (at, moment) = recorded.min()?;
    Some(Change::ClockMet { clock: name.clone(), at, reference: format!("`{moment}` recorded") })
}

/// What only a person may say.
fn needs_operator(change: &Change) -> bool {
    !matches!(
        change,
        Change::MomentRecorded { .. }
            | Change::ClockStarted { .. }
            | Change::ClockMet { .. }
            | Change::ClockMissed { .. }
            | Change::NoticeReceived { .. }
            | Change::SeveranceLinked { .. }
            | Change::Noted { .. }
            | Change::Told { .. }
    )
}

struct Case<'a> {
    incident: &'a Incident,
    now: Timestamp,
}

type News = Result<bool, IncidentRefusal>;

impl Case<'_> {
    /// Whether the change is news.
    fn is_news(&self, change: &Change) -> News {
        let incident = self.incident;
        if incident.closed.is_some()
            && !matches!(change, Change::Reopened { .. } | Change::Noted { .. } | Change::Told { .. })
        {
            let message = format!("incident {} is closed", incident.number);
            return conflict(message, "open it again first, and say why");
        }
        match change {
            Change::RoleGiven { role, person } => {
                check_text("person", person.text())?;
                Ok(incident.roles.get(role).is_none_or(|known| known.person.text() != person.text()))
            }
            Change::Noted { text, at } => {
                check_text("note", text)?;
                self.check_past("time", *at).map(|()| true)
            }
            Change::Decided { what, why } => {
                check_text("decision", what)?;
                check_text("reason", why).map(|()| true)
            }
            Change::SeverityChanged { severity, reason } => {
                check_text("reason", reason)?;
                Ok(incident.severity != *severity)
            }
            Change::TaskOpened { id, title, owner, .. } => {
                check_text("title", title)?;
                owner.as_ref().map_or(Ok(()), |owner| check_text("owner", owner))?;
                room("tasks", incident.tasks.len(), TASKS_MAX)?;
                if incident.tasks.contains_key(id) {
                    return conflict(
                        format!("task `{id}` is there already"),
                        "give the new one an id of its own",
                    );
                }
                Ok(true)
            }
            Change::TaskDone { id } => match incident.tasks.get(id) {
                Some(task) => Ok(task.done.is_none()),
                None => unknown("task", id),
            },
            Change::NoticeReceived { notice } => {
                room("notices", incident.notices.len(), NOTICES_MAX)?;
                self.check_past("notice", notice.received)?;
                if notice.aware > notice.received {
                    let hint = "`aware` is when the vendor knew, `received` when it told us";
                    return invalid("the vendor can't have told before it knew", hint);
                }
                Ok(incident.notices.iter().all(|known| known.id != notice.id))
            }
            Change::SeveranceLinked { severance, .. } => Ok(!incident.severances.contains(severance)),
            Change::Told { what } => {
                room("things told", incident.told.len(), TOLD_MAX)?;
                check_text("text", what).map(|()| !incident.told.contains(what))
            }
            Change::Closed { summary } => self.check_closing(summary).map(|()| true),
            Change::Reopened { reason } => {
                check_text("reason", reason)?;
                Ok(incident.closed.is_some())
            }
            _ => self.clocks(change),
        }
    }

    fn clocks(&self, change: &Change) -> News {
        match change {
            Change::MomentRecorded { moment, at, why } => {
                check_text("reason", why)?;
                self.check_past("moment", *at)?;
                match self.incident.moments.get(moment) {
                    Some(known) if known < at => conflict(
                        format!("`{moment}` is recorded as {known}, and a later one moves no clock"),
                        "note what is wrong about it; a clock that started stays started",
                    ),
                    Some(known) => Ok(at < known),
                    None => Ok(true),
                }
            }
            Change::RegimeTaken { taken } => {
                room("texts", self.incident.regimes.len(), REGIMES_MAX)?;
                Ok(!self.incident.regimes.contains_key(&taken.regime.id))
            }
            Change::ClockMet { clock: name, at, reference } => {
                check_text("reference", reference)?;
                self.check_past("time", *at)?;
                let clock = self.clock(name)?;
                if *at < clock.from {
                    let message =
                        format!("clock `{name}` counts from {}, and can't be met before", clock.from);
                    return invalid(message, "write when it was told, in UTC");
                }
                match &clock.met {
                    Some(met) if met.at == *at => Ok(false),
                    Some(met) => conflict(
                        format!("clock `{name}` was met at {}", met.at),
                        "note what is wrong about it",
                    ),
                    None => Ok(true),
                }
            }
            Change::ClockMissed { clock: name, .. } => {
                self.clock(name).map(|clock| clock.is_missed_in_silence(self.now))
            }
            Change::ClockSetAside { clock: name, reason } => {
                check_text("reason", reason)?;
                let clock = self.clock(name)?;
                if self.is_agreed_notice(name) && self.incident.exercise.is_none() {
                    let message =
                        format!("clock `{name}` is the vendor's word to us, and nobody here sets it aside");
                    return conflict(
                        message,
                        "record its notice; an exception of hard stop 8 takes two people: `portcullis vendor except`",
                    );
                }
                Ok(clock.set_aside.is_none())
            }
            Change::ClockTakenUp { clock, reason } => {
                check_text("reason", reason)?;
                self.clock(clock).map(|clock| clock.set_aside.is_some())
            }
            // Only what is known starts a clock; and every change has its judge.
            _ => conflict("nobody says this", "clocks start by the moments that they count from"),
        }
    }

    fn clock(&self, name: &ClockName) -> Result<&Clock, IncidentRefusal> {
        self.incident.clocks.get(name).map_or_else(|| unknown("running clock", name), Ok)
    }

    /// What is still to be told or done isn't closed away.
    fn check_closing(&self, summary: &str) -> Result<(), IncidentRefusal> {
        check_text("summary", summary)?;
        let running: Vec<_> = self.incident.running(self.now).map(|(name, _)| format!("`{name}`")).collect();
        if !running.is_empty() {
            let message = format!("clocks run: {}", running.join(", "));
            return conflict(message, "meet them, or set those aside that don't bind you, and say why");
        }
        let late: Vec<_> = self.untold().map(|name| format!("`{name}`")).collect();
        if !late.is_empty() {
            let message =
                format!("clocks were missed, and what they ask for isn't done: {}", late.join(", "));
            return conflict(
                message,
                "do it late and say so with `met`, or set those aside that don't bind you, and say why",
            );
        }
        if self.incident.tasks.values().any(|task| task.done.is_none()) {
            return conflict("there are open tasks", "do them first");
        }
        Ok(())
    }

    /// Clocks that were missed and are still to be met, by us: a vendor that never tells keeps no incident open.
    fn untold(&self) -> impl Iterator<Item = &ClockName> {
        let missed = self.incident.clocks.iter().filter(|(name, clock)| {
            clock.state(self.now) == ClockState::Missed && clock.met.is_none() && !self.is_agreed_notice(name)
        });
        missed.map(|(name, _)| name)
    }

    fn is_agreed_notice(&self, name: &ClockName) -> bool {
        self.incident.stages().any(|(regime, stage)| {
            *name == ClockName::of(&regime.id, &stage.id) && stage.is_agreed_notice(regime)
        })
    }

    fn check_past(&self, what: &str, at: Timestamp) -> Result<(), IncidentRefusal> {
        if at <= self.now {
            return Ok(());
        }
        invalid(format!("the {what} `{at}` lies in the future"), "write when it was, in UTC")
    }
}

fn check_text(what: &str, text: &str) -> Result<(), IncidentRefusal> {
    if text.trim().is_empty() {
        return invalid(format!("the {what} is empty"), "say it in a few words");
    }
    if text.chars().count() > TEXT_MAX {
        return invalid(format!("the {what} is longer than {TEXT_MAX} characters"), "say it in fewer words");
    }
    Ok(())
}

fn room(what: &'static str, count: usize, most: usize) -> Result<(), IncidentRefusal> {
    if count < most { Ok(()) } else { Err(IncidentRefusal::TooMany { what, most }) }
}

fn unknown<T>(what: &'static str, id: impl ToString) -> Result<T, IncidentRefusal> {
    Err(IncidentRefusal::Unknown { what, id: id.to_string() })
}

fn conflict<T>(message: impl Into<String>, hint: &'static str) -> Result<T, IncidentRefusal> {
    Err(IncidentRefusal::Conflict(message.into(), hint))
}

fn invalid<T>(message: impl Into<String>, hint: &'static str) -> Result<T, IncidentRefusal> {
    Err(IncidentRefusal::Invalid(message.into(), hint))
}

/// A title that people read in lists.
///
/// # Errors
/// [`IncidentRefusal::Invalid`].
pub fn check_title(title: &str) -> Result<(), IncidentRefusal> {
    check_text("title", title)?;
    if title.chars().count() > 200 || title.chars().any(char::is_control) {
        return invalid(
            "the title is longer than a line",
            "write up to 200 characters, and the rest as a note",
        );
    }
    Ok(())
}
