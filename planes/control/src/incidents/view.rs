//! Incidents as they are shown.

use jiff::Timestamp;
use portcullis_api::incidents::{
    ClockStanding, ClockView, ClosedView, IncidentDecision, IncidentLine, IncidentSeverance, IncidentTask,
    IncidentView, MomentView, NoticeView, RoleView, TimelineView,
};
use portcullis_domain::ids::{OperatorId, VendorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::state::State;
use portcullis_incident::Incident;
use portcullis_incident::change::{ClockName, Role};
use portcullis_incident::due::Within;
use portcullis_incident::incident::{Clock, ClockState};
use portcullis_incident::notice::{Notice, Way};

use crate::telling::told_count;

/// Incidents of one list.
const LISTED_MAX: usize = 500;

/// The newest first.
pub(crate) fn lines(state: &State, vendor: Option<&str>, open: bool, now: Timestamp) -> Vec<IncidentLine> {
    let mut lines: Vec<IncidentLine> = state
        .incidents
        .values()
        .filter(|incident| !open || incident.is_open())
        .map(|incident| line(state, incident, now))
        .filter(|line| vendor.is_none_or(|wanted| line.vendor.as_deref() == Some(wanted)))
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.number));
    lines.truncate(LISTED_MAX);
    lines
}

fn line(state: &State, incident: &Incident, now: Timestamp) -> IncidentLine {
    let clocks = clocks(incident, now);
    let count = |standing| clocks.iter().filter(|clock| clock.standing == standing).count();
    let (running, missed) = (count(ClockStanding::Running), count(ClockStanding::Missed));
    IncidentLine {
        id: incident.id,
        number: incident.number,
        vendor: vendor_name(state, incident.vendor),
        title: incident.title.clone(),
        severity: incident.severity,
        open: incident.is_open(),
        exercise: incident.exercise.clone(),
        opened_at: incident.opened_at,
        commander: incident.roles.get(&Role::Commander).map(|given| given.person.text().to_owned()),
        next_clock: clocks.into_iter().find(|clock| clock.standing == ClockStanding::Running),
        running,
        missed,
    }
}

/// All but what the vendor read.
pub(crate) fn whole(state: &State, incident: &Incident, now: Timestamp) -> IncidentView {
    let by = |by: Option<OperatorId>| by.map(|by| operator_name(state, by));
    let mut timeline: Vec<TimelineView> = incident
        .timeline
        .iter()
        .map(|line| TimelineView {
            at: line.at,
            recorded: line.recorded,
            by: by(line.by),
            text: line.text.clone(),
        })
        .collect();
    timeline.sort_by_key(|line| line.at);
    IncidentView {
        id: incident.id,
        number: incident.number,
        version: incident.version,
        vendor: vendor_name(state, incident.vendor),
        title: incident.title.clone(),
        severity: incident.severity,
        origin: incident.origin.clone(),
        exercise: incident.exercise.clone(),
        opened_at: incident.opened_at,
        opened_by: by(incident.opened_by),
        closed: incident.closed.as_ref().map(|closing| ClosedView {
            at: closing.at,
            by: by(closing.by),
            summary: closing.summary.clone(),
        }),
        roles: incident
            .roles
            .iter()
            .map(|(role, given)| RoleView {
                role: *role,
                person: given.person.text().to_owned(),
                at: given.at,
            })
            .collect(),
        clocks: clocks(incident, now),
        moments: incident
            .moments
            .iter()
            .map(|(moment, at)| MomentView {
                moment: moment.clone(),
                meaning: moment.meaning().to_owned(),
                at: *at,
            })
            .collect(),
        notices: incident.notices.iter().map(|notice| notice_view(state, notice)).collect(),
        severances: incident
            .severances
            .iter()
            .map(|id| {
                let severance = state.severances.get(id);
                IncidentSeverance {
                    severance: *id,
                    target: severance.map(|severance| state.name_of(&severance.target)),
                    time: severance.map(|severance| severance.time),
                    told: told_count(state, id.0),
                }
            })
            .collect(),
        decisions: incident
            .decisions
            .iter()
            .map(|decision| IncidentDecision {
                what: decision.what.clone(),
                why: decision.why.clone(),
                by: by(decision.by),
                at: decision.at,
            })
            .collect(),
        tasks: incident
            .tasks
            .iter()
            .map(|(id, task)| IncidentTask {
                id: *id,
                title: task.title.clone(),
                owner: task.owner.clone(),
                due: task.due,
                done_at: task.done.map(|(at, _)| at),
            })
            .collect(),
        timeline,
        reading: None,
    }
}

/// Those that run and were missed by when they are over, then those that are settled, then those that wait.
pub(crate) fn clocks(incident: &Incident, now: Timestamp) -> Vec<ClockView> {
    let mut clocks: Vec<ClockView> =
        incident.clocks.iter().map(|(name, clock)| clock_view(incident, name, clock, now)).collect();
    clocks.extend(incident.waiting().map(|waiting| {
        let stage = stage_of(incident, &waiting.clock);
        ClockView {
            within: stage.within.map(Within::in_words).unwrap_or_default(),
            waits_for: Some(waiting.on),
            ..blank(waiting.clock, stage, ClockStanding::Waiting)
        }
    }));
    let late = |standing| !matches!(standing, ClockStanding::Running | ClockStanding::Missed);
    clocks.sort_by_key(|clock| {
        let group = if late(clock.standing) { clock.standing } else { ClockStanding::Running };
        (group, clock.due.is_none(), clock.due, clock.clock.clone())
    });
    clocks
}

fn clock_view(incident: &Incident, name: &ClockName, clock: &Clock, now: Timestamp) -> ClockView {
    let standing = match clock.state(now) {
        ClockState::Running => ClockStanding::Running,
        ClockState::Met => ClockStanding::Met,
        ClockState::Missed => ClockStanding::Missed,
        ClockState::SetAside => ClockStanding::SetAside,
    };
    let running = standing == ClockStanding::Running || clock.met.is_none();
    ClockView {
        within: clock.within.in_words(),
        from: Some(clock.from),
        due: Some(clock.due),
        seconds_left: running.then(|| clock.due.duration_since(now).as_secs()),
        zone: Some(clock.zone.clone()),
        met_at: clock.met.as_ref().map(|met| met.at),
        reference: clock.met.as_ref().map(|met| met.reference.clone()),
        reason: clock.set_aside.as_ref().map(|(reason, ..)| reason.clone()),
        ..blank(name.clone(), stage_of(incident, name), standing)
    }
}

#[derive(Default)]
struct OfStage {
    title: String,
    recipient: String,
    citation: String,
    within: Option<Within>,
}

fn stage_of(incident: &Incident, name: &ClockName) -> OfStage {
    let Some(regime) = incident.regime_of(name) else { return OfStage::default() };
    let stage = regime.stage(name.parts().1);
    let of = |part: fn(&portcullis_incident::regime::Stage) -> &String| {
        stage.map(|stage| part(stage).clone()).unwrap_or_default()
    };
    OfStage {
        title: of(|stage| &stage.title),
        recipient: of(|stage| &stage.recipient),
        citation: regime.basis.citation.clone(),
        within: stage.map(|stage| stage.within),
    }
}

fn blank(clock: ClockName, stage: OfStage, standing: ClockStanding) -> ClockView {
    ClockView {
        clock,
        title: stage.title,
        recipient: stage.recipient,
        citation: stage.citation,
        standing,
        within: String::new(),
        from: None,
        due: None,
        seconds_left: None,
        zone: None,
        met_at: None,
        reference: None,
        reason: None,
        waits_for: None,
    }
}

fn notice_view(state: &State, notice: &Notice) -> NoticeView {
    let (way, key) = match &notice.way {
        Way::Client { key, .. } => ("client", Some(key.clone())),
        Way::Signed { key, .. } => ("signed", Some(key.clone())),
        Way::Hand => ("hand", None),
    };
    let client = notice.client().and_then(|client| state.by_id(client.0));
    NoticeView {
        id: notice.id,
        reference: notice.reference.clone(),
        aware: notice.aware,
        received: notice.received,
        what: notice.what.clone(),
        severity: notice.severity,
        contact: notice.contact.as_ref().map(|contact| contact.text().to_owned()),
        affected_records: notice.affected_records,
        data: notice.data.clone(),
        way: way.to_owned(),
        client: client.map(|(_, name, _)| name.to_owned()),
        key,
        doubtful: !notice.counts(),
        sha256: notice.sha256.clone(),
        signed: notice.signed.as_ref().map(|signed| signed.text().to_owned()),
    }
}

pub(crate) fn vendor_name(state: &State, vendor: Option<VendorId>) -> Option<String> {
    let vendor = vendor?;
    Some(state.by_id(vendor.0).map_or_else(|| vendor.to_string(), |(_, name, _)| name.to_owned()))
}

/// The id of one who was removed.
fn operator_name(state: &State, by: OperatorId) -> String {
    let known = state.operators.get(&by).map(|operator| &operator.name);
    known.map(Personal::text).map_or_else(|| by.to_string(), str::to_owned)
}
