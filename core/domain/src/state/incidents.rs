//! Incidents, as parts of the whole state: each is judged and folded in `portcullis-incident`. What of them concerns a
//! vendor's dossier is said here, in the same step: that it was breached, and that it told us late.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_assurance::change::Change as DossierWord;
use portcullis_assurance::contract::{ClauseKind, ContractKnown};
use portcullis_assurance::order::Order as DossierOrder;
use portcullis_incident::Incident;
use portcullis_incident::change::{Change, Entry, Opening, Origin};
use portcullis_incident::incident::Late;
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::Notice;
use portcullis_incident::order::{Moment, Order, check_title};
use portcullis_incident::regime::Taken;

use crate::command::{Context, IncidentChanges, NewIncident, NewNotice, Refusal};
use crate::event::{Event, IncidentChange};
use crate::ids::{FindingId, IncidentId, OperatorId, SubjectId, VendorId};
use crate::personal::Personal;
use crate::spec::Kind;
use crate::state::State;
use crate::target::Target;

/// Open incidents at a time.
const OPEN_MAX: usize = 1_000;
/// Open incidents at a time that notices of one vendor have opened: vendors send them.
const OPENED_BY_VENDOR_MAX: usize = 20;
/// Of what a vendor says, so much is said again in its dossier.
const WHAT_MAX: usize = 1_500;

impl State {
    /// By number, or by id.
    #[must_use]
    pub fn incident(&self, named: &str) -> Option<&Arc<Incident>> {
        if let Ok(number) = named.parse::<u32>() {
            return self.incidents.values().find(|incident| incident.number == number);
        }
        self.incidents.get(&named.parse::<IncidentId>().ok()?)
    }

    /// The open incidents of a vendor, the oldest first; those of exercises aside, but of a canary, which is there for them.
    pub fn open_incidents(&self, vendor: VendorId) -> impl Iterator<Item = &Arc<Incident>> {
        let canary = self.is_canarys(&Target::Vendor { id: vendor });
        let mut open: Vec<_> = self
            .incidents
            .values()
            .filter(|incident| {
                let real = incident.exercise.is_none() || canary;
                incident.vendor == Some(vendor) && incident.is_open() && real
            })
            .collect();
        open.sort_by_key(|incident| incident.number);
        open.into_iter()
    }

    /// Hours that the vendor's contract gives it for telling of a breach, where it says so.
    #[must_use]
    pub fn notice_hours(&self, vendor: VendorId, at: Timestamp) -> Option<u32> {
        let (_, name, _) = self.by_id(vendor.0)?;
        let contracts = self.contracts_known(name);
        let in_force = |contract: &&ContractKnown| contract.starts <= at && at < contract.ends;
        let clauses = contracts.iter().filter(in_force).flat_map(|contract| &contract.clauses);
        clauses
            .filter(|clause| clause.kind == ClauseKind::IncidentReporting)
            .filter_map(|clause| clause.report_hours)
            .min()
    }

    /// What the program opens by itself it opens once: for a severance, and for a client's drift. Where an incident of the
    /// vendor is open, a severance belongs to that.
    pub(super) fn decide_open_incident(
        &self,
        new: NewIncident,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let vendor = new.vendor.as_ref().map(|name| self.vendor_named(name)).transpose()?;
        match &new.origin {
            Origin::Severance { severance, at } => {
                let known = self.incidents.values().any(|incident| incident.severances.contains(severance));
                if known {
                    return Ok(Vec::new());
                }
                let mut open = vendor.into_iter().flat_map(|vendor| self.open_incidents(vendor));
                if let Some(open) = open.find(|open| open.exercise == new.exercise) {
                    let mut work = Work::on(self, open, new.by, &new.zone);
                    work.order(Change::SeveranceLinked { severance: *severance, at: *at }, context)?;
                    for (moment, at, why) in new.moments {
                        // What is known already isn't said again, and not later.
                        if work.incident.moments.get(&moment).is_none_or(|known| at < *known) {
                            work.order(Change::MomentRecorded { moment, at, why }, context)?;
                        }
                    }
                    return Ok(work.events);
                }
            }
            Origin::Drift { client } => {
                let same = |incident: &Arc<Incident>| incident.origin == Origin::Drift { client: *client };
                if self.incidents.values().any(|incident| same(incident) && incident.is_open()) {
                    return Ok(Vec::new());
                }
            }
            Origin::Hand | Origin::Notice => {}
        }
        let mut work = self.opened(&new, vendor, context)?;
        for (moment, at, why) in new.moments {
            work.order(Change::MomentRecorded { moment, at, why }, context)?;
        }
        work.settle(context);
        Ok(work.events)
    }

    pub(super) fn decide_change_incident(
        &self,
        said: IncidentChanges,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let unknown = || Refusal::Unknown { kind: "incident", name: said.incident.to_string() };
        let incident = self.incidents.get(&said.incident).ok_or_else(unknown)?;
        if said.version.is_some_and(|version| version != incident.version) {
            return Err(Refusal::IncidentMoved { number: incident.number, version: incident.version });
        }
        let mut work = Work::on(self, incident, said.by, &said.zone);
        for change in said.changes {
            work.order(change, context)?;
        }
        // What turns out to have been late, or isn't there in time, is said in the dossier once.
        let (before, after) = (incident.late_notice(context.now), work.incident.late_notice(context.now));
        let newly = |late: &Late| match late.noticed {
            None => late.recorded && before.as_ref().is_none_or(|before| !before.recorded),
            Some(_) => before.as_ref().is_none_or(|before| before.noticed.is_none() && !before.recorded),
        };
        if let Some(late) = after.filter(newly) {
            work.late(&late, context)?;
        }
        Ok(work.events)
    }

    pub(super) fn decide_notice(
        &self,
        new: NewNotice,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let NewNotice { vendor, notice, incident, regimes, zone, by } = new;
        let Some((Kind::Vendor, name, _)) = self.by_id(vendor.0) else {
            return Err(Refusal::Unknown { kind: "vendor", name: vendor.to_string() });
        };
        let known = self.incidents.values().filter(|incident| incident.vendor == Some(vendor));
        let same = known.flat_map(|incident| &incident.notices).find(|known| known.sha256 == notice.sha256);
        if let Some(same) = same {
            return Err(Refusal::NoticeReplayed(same.received));
        }
        let mut work = match self.incident_told_of(vendor, &notice, incident.as_deref())? {
            Some(open) => Work::on(self, open, by, &zone),
            None => self.opened_by_notice((vendor, name), &notice, regimes, (by, zone), context)?,
        };
        let first = !work.incident.notices.iter().any(Notice::counts);
        let known_aware = work.incident.moments.get(&MomentName::vendor_aware()).copied();
        let before = work.incident.late_notice(context.now);
        work.record_notice(&notice, context)?;
        let after = work.incident.late_notice(context.now);
        let tells_more = known_aware.is_none_or(|known| notice.aware < known);
        let first_late = after.is_some() && before.as_ref().is_none_or(|before| before.noticed.is_none());
        // Whoever holds a key that was taken from a vendor doesn't hold that vendor.
        if notice.counts() && (first || tells_more || first_late) {
            work.breached(&notice, context)?;
        }
        Ok(work.events)
    }

    /// The open incident that a notice is about: the one that is named, or one with a notice of the same reference, or else
    /// the only one that waits for the vendor's word.
    fn incident_told_of(
        &self,
        vendor: VendorId,
        notice: &Notice,
        named: Option<&str>,
    ) -> Result<Option<&Incident>, Refusal> {
        if let Some(named) = named {
            let known = self.incident(named).filter(|incident| incident.vendor == Some(vendor));
            let open = known.filter(|incident| incident.is_open()).map(|incident| &**incident);
            let unknown =
                || Refusal::Unknown { kind: "open incident of this vendor", name: named.to_owned() };
            return open.map(Some).ok_or_else(unknown);
        }
        let same = |incident: &&Arc<Incident>| {
            incident.notices.iter().any(|known| known.reference == notice.reference)
        };
        if let Some(same) = self.open_incidents(vendor).find(same) {
            return Ok(Some(same));
        }
        let mut waiting = self.open_incidents(vendor).filter(|incident| {
            let known = |moment: MomentName| incident.moments.contains_key(&moment);
            known(MomentName::vendor_aware()) && !known(MomentName::vendor_notified())
        });
        // Of several nobody knows which; and a word of doubt answers for none.
        let only = waiting.next().filter(|_| waiting.next().is_none() && notice.counts());
        Ok(only.map(|incident| &**incident))
    }

    fn opened_by_notice(
        &self,
        (vendor, name): (VendorId, &str),
        notice: &Notice,
        regimes: Vec<Taken>,
        (by, zone): (Option<OperatorId>, String),
        context: &mut Context<'_>,
    ) -> Result<Work<'_>, Refusal> {
        let by_notice = |incident: &&Arc<Incident>| incident.origin == Origin::Notice;
        if self.open_incidents(vendor).filter(by_notice).count() >= OPENED_BY_VENDOR_MAX {
            let what = "incidents that this vendor has told of";
            return Err(Refusal::IncidentsMany { what, most: OPENED_BY_VENDOR_MAX });
        }
        let new = NewIncident {
            vendor: Some(name.to_owned()),
            title: format!("breach at `{name}`: {}", line(&notice.reference, 100)),
            severity: notice.severity.unwrap_or_default(),
            origin: Origin::Notice,
            exercise: self.is_canarys(&Target::Vendor { id: vendor }).then(|| "canary".to_owned()),
            moments: Vec::new(),
            regimes,
            zone,
            by,
        };
        self.opened(&new, Some(vendor), context)
    }

    fn opened(
        &self,
        new: &NewIncident,
        vendor: Option<VendorId>,
        context: &mut Context<'_>,
    ) -> Result<Work<'_>, Refusal> {
        check_title(&new.title).map_err(Refusal::IncidentInvalid)?;
        if self.incidents.values().filter(|incident| incident.is_open()).count() >= OPEN_MAX {
            return Err(Refusal::IncidentsMany { what: "incidents", most: OPEN_MAX });
        }
        let last = self.incidents.values().map(|incident| incident.number).max();
        let opening = Opening {
            id: IncidentId((context.new_id)()),
            number: last.unwrap_or_default().saturating_add(1),
            vendor,
            title: new.title.clone(),
            severity: new.severity,
            origin: new.origin.clone(),
            exercise: new.exercise.clone(),
            regimes: new.regimes.clone(),
            by: new.by,
            time: context.now,
        };
        let incident = Incident::open(&opening);
        let events = vec![Event::IncidentOpened(Box::new(opening))];
        Ok(Work { state: self, incident, by: new.by, zone: new.zone.clone(), events })
    }

    pub(super) fn apply_incident_opened(&mut self, opening: &Opening) {
        self.incidents.insert(opening.id, Arc::new(Incident::open(opening)));
    }

    pub(super) fn apply_incident_changed(&mut self, change: &IncidentChange) {
        for personal in change.entry.change.clone().people_mut() {
            self.hold(personal);
        }
        if let Some(incident) = self.incidents.get_mut(&change.incident) {
            Arc::make_mut(incident).apply(&change.entry);
        }
    }

    pub(super) fn erase_in_incidents(&mut self, subject: SubjectId) {
        for incident in self.incidents.values_mut() {
            let about = incident.people().any(|person| person.subject() == Some(subject));
            if about {
                Arc::make_mut(incident).people_mut().for_each(|person| person.erase(subject));
            }
        }
    }
}

/// What an order has come to so far: later ones are judged on what those before them left.
struct Work<'a> {
    state: &'a State,
    incident: Incident,
    by: Option<OperatorId>,
    zone: String,
    events: Vec<Event>,
}

impl<'a> Work<'a> {
    fn on(state: &'a State, incident: &Incident, by: Option<OperatorId>, zone: &str) -> Self {
        Self { state, incident: incident.clone(), by, zone: zone.to_owned(), events: Vec::new() }
    }

    fn order(&mut self, change: Change, context: &mut Context<'_>) -> Result<(), Refusal> {
        let window_hours = self.window_hours(context.now);
        let mut moment =
            Moment { now: context.now, new_id: &mut *context.new_id, zone: &self.zone, window_hours };
        let order = Order { change, by: self.by };
        let number = self.incident.number;
        let changes = self.incident.decide(order, &mut moment);
        let changes = changes.map_err(|refused| Refusal::Incident { number, refused })?;
        changes.into_iter().for_each(|change| self.push(change, context));
        Ok(())
    }

    /// Clocks that start with what is known at the beginning.
    fn settle(&mut self, context: &mut Context<'_>) {
        let window_hours = self.window_hours(context.now);
        let moment =
            Moment { now: context.now, new_id: &mut *context.new_id, zone: &self.zone, window_hours };
        let changes = self.incident.settled(self.by, &moment);
        changes.into_iter().for_each(|change| self.push(change, context));
    }

    fn push(&mut self, mut change: Change, context: &mut Context<'_>) {
        hold_people(&self.incident, &mut change, context);
        let entry = Entry { change, by: self.by, time: context.now };
        self.incident.apply(&entry);
        let incident = self.incident.id;
        self.events.push(Event::IncidentChanged(Box::new(IncidentChange { incident, entry })));
    }

    /// By the contract that was in force when the vendor knew.
    fn window_hours(&self, now: Timestamp) -> Option<u32> {
        let aware = self.incident.moments.get(&MomentName::vendor_aware());
        self.state.notice_hours(self.incident.vendor?, aware.copied().unwrap_or(now))
    }

    /// What the notice says first, and what it says of earlier than was known.
    fn record_notice(&mut self, notice: &Notice, context: &mut Context<'_>) -> Result<(), Refusal> {
        self.order(Change::NoticeReceived { notice: Box::new(notice.clone()) }, context)?;
        let ours = [(MomentName::we_aware(), notice.received, "by the vendor's notice")];
        let theirs = [
            (MomentName::vendor_aware(), notice.aware, "as its notice says"),
            (MomentName::vendor_notified(), notice.received, "its notice"),
        ];
        // What may not be the vendor's word meets no clock of the vendor; ours run from when we heard of it.
        let theirs = theirs.into_iter().filter(|_| notice.counts());
        for (moment, at, why) in theirs.chain(ours) {
            if self.incident.moments.get(&moment).is_none_or(|known| at < *known) {
                self.order(Change::MomentRecorded { moment, at, why: why.to_owned() }, context)?;
            }
        }
        Ok(())
    }

    /// The vendor was breached: as its notice says, beside what is known of when it told us first.
    fn breached(&mut self, notice: &Notice, context: &mut Context<'_>) -> Result<(), Refusal> {
        let of = |moment: MomentName| self.incident.moments.get(&moment).copied();
        let aware = of(MomentName::vendor_aware()).unwrap_or(notice.aware);
        let noticed = of(MomentName::vendor_notified()).unwrap_or(notice.received);
        let what = format!("{}: {}", notice.reference, line(&notice.what, WHAT_MAX));
        self.file(FindingId(notice.id.0), (aware, noticed), what, context)
    }

    fn late(&mut self, late: &Late, context: &mut Context<'_>) -> Result<(), Refusal> {
        let told = if late.noticed.is_some() { "" } else { "not told by the vendor: " };
        let what = format!("{told}{}", self.incident.title);
        let id = FindingId((context.new_id)());
        self.file(id, (late.aware, late.noticed.unwrap_or(context.now)), what, context)
    }

    /// Into the vendor's dossier, where hard stop 8 looks. What is only exercised is no breach, but at the canary.
    fn file(
        &mut self,
        id: FindingId,
        (aware, noticed): (Timestamp, Timestamp),
        what: String,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let counts = |vendor: &VendorId| {
            self.incident.exercise.is_none() || self.state.is_canarys(&Target::Vendor { id: *vendor })
        };
        let vendor = self.incident.vendor.filter(counts);
        let Some((Kind::Vendor, name, _)) = vendor.and_then(|vendor| self.state.by_id(vendor.0)) else {
            return Ok(());
        };
        let hours = vendor.and_then(|vendor| self.state.notice_hours(vendor, aware));
        let window_hours = hours.filter(|hours| *hours < portcullis_assurance::stops::window(None));
        let change = DossierWord::BreachNoticed { id, aware, noticed, what, window_hours };
        let order = DossierOrder { change, by: self.by };
        self.events.extend(self.state.decide_dossiers(vec![(name.to_owned(), order)], context)?);
        Ok(())
    }
}

/// A text that the incident holds already stays with its subject; others get one, those of a notice the same.
fn hold_people(incident: &Incident, change: &mut Change, context: &mut Context<'_>) {
    let plain = |person: &&mut Personal| matches!(person, Personal::Plain(_));
    let mut given: Option<SubjectId> = None;
    for person in change.people_mut().into_iter().filter(plain) {
        let known = incident.people().find(|known| known.text() == person.text());
        let known = known.and_then(Personal::subject).or(given);
        let subject = known.unwrap_or_else(|| SubjectId((context.new_id)()));
        given = Some(subject);
        *person = person.clone().held_by(subject);
    }
}

/// At most so many characters of a text, on one line.
fn line(text: &str, most: usize) -> String {
    let plain = |shown: char| if shown.is_control() { ' ' } else { shown };
    text.chars().map(plain).take(most).collect()
}
