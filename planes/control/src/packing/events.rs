//! Events of the ledger that a pack names: severances and restorations, and whatever else names the vendor.

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{Cause, Event, Restoration, Severance};
use portcullis_domain::state::State;
use portcullis_ledger::leaf::Envelope;
use portcullis_pack::evidence::{EventLine, RestorationLine, SeveranceLine};
use portcullis_store::RawEvent;
use serde_json::Value;

use super::belongings::Belongings;
use super::{PackError, Packer, event_member};
use crate::severing::operator_name;

/// Events of one pack.
const EVENTS_MAX: usize = 5_000;
/// Events that are read at once: each may have a megabyte.
const PAGE: usize = 64;
/// How far behind the window receipts are looked for, and how far clocks may have jumped.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub severances: Vec<SeveranceLine>,
    pub lines: Vec<EventLine>,
    pub left_out: u64,
}

impl Packer<'_> {
    pub(super) fn find_events(&self) -> Result<Found, PackError> {
        let mut belongings = Belongings::of(self.window.vendor);
        let mut found = Found::default();
        let (from, to) = (self.window.from, self.window.to);
        let until = to.checked_add(SLACK).unwrap_or(to);
        let begin = self.first_since(from.checked_sub(SLACK).unwrap_or(from))?;
        let mut next = 0;
        loop {
            let page = self.read_raw(next, PAGE)?;
            if page.is_empty() {
                return Ok(found);
            }
            for raw in page {
                next = raw.sequence + 1;
                let envelope = envelope(&raw)?;
                // Whom something belongs to was said at any time before.
                let learnt = belongings.learn(&envelope.kind, &raw.payload);
                learnt.map_err(|error| PackError::Event(error.to_string()))?;
                if raw.sequence < begin {
                    continue;
                }
                if envelope.time >= until {
                    return Ok(found);
                }
                let within = from <= envelope.time && envelope.time < to;
                self.look(&raw, &envelope, within, &belongings, &mut found);
            }
        }
    }

    fn look(
        &self,
        raw: &RawEvent,
        envelope: &Envelope,
        within: bool,
        belongings: &Belongings,
        found: &mut Found,
    ) {
        let Ok(payload) = serde_json::from_slice::<Value>(&raw.payload) else { return };
        let mut named = |text: &str| belongings.holds_text(text);
        if !belongings.holds(envelope.aggregate) && !texts(&payload, &mut named) {
            return;
        }
        // A receipt may come when the window is over; other news then are none of it.
        let about = |line: &SeveranceLine| texts(&payload, &mut |text| text == line.id.to_string());
        let of_severance = found.severances.iter_mut().find(|line| about(line));
        let is_receipt = of_severance.is_some() && envelope.kind != "severed" && envelope.kind != "restored";
        if is_receipt && let Some(line) = of_severance {
            line.receipts.push(raw.sequence);
        }
        if !within && !is_receipt {
            return;
        }
        match serde_json::from_value::<Event>(payload) {
            Ok(Event::Severed(severance)) => {
                found.severances.push(self.severance(&severance, raw.sequence));
            }
            Ok(Event::Restored(restoration)) => {
                for line in &mut found.severances {
                    if restoration.severances.contains(&line.id) {
                        line.restored = Some(self.restoration(&restoration, raw.sequence));
                    }
                }
            }
            _ => {}
        }
        if found.lines.len() >= EVENTS_MAX {
            found.left_out += 1;
            return;
        }
        found.lines.push(EventLine {
            event: raw.sequence,
            kind: envelope.kind.clone(),
            time: envelope.time,
            proof: event_member(raw.sequence),
        });
    }

    fn severance(&self, severance: &Severance, event: u64) -> SeveranceLine {
        let (by, why, decision) = cause(&self.state, &severance.cause);
        SeveranceLine {
            id: severance.id,
            target: self.state.name_of(&severance.target),
            time: severance.time,
            by,
            why,
            decision,
            event,
            proof: event_member(event),
            receipts: Vec::new(),
            records_by_minute: Vec::new(),
            restored: None,
        }
    }

    fn restoration(&self, restoration: &Restoration, event: u64) -> RestorationLine {
        RestorationLine {
            id: restoration.id,
            time: restoration.time,
            proposed_by: operator_name(&self.state, restoration.proposed_by),
            confirmed_by: restoration.confirmed_by.map(|by| operator_name(&self.state, by)),
            event,
            proof: event_member(event),
        }
    }

    /// The first event that was decided at `time` or later, as long as clocks went forward.
    fn first_since(&self, time: Timestamp) -> Result<u64, PackError> {
        let head = self.control.handle().block_on(self.control.store().head())?;
        let (mut low, mut high) = (0, head.size);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.read_raw(middle, 1)?;
            let Some(raw) = found.first() else { break };
            if envelope(raw)?.time < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn read_raw(&self, from: u64, limit: usize) -> Result<Vec<RawEvent>, PackError> {
        Ok(self.control.handle().block_on(self.control.store().read_raw(from, limit))?)
    }
}

fn envelope(raw: &RawEvent) -> Result<Envelope, PackError> {
    Envelope::parse(&raw.envelope).map_err(|error| PackError::Event(error.to_string()))
}

/// Whether one of the texts in a value is a wanted one.
fn texts(value: &Value, wanted: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(values) => values.iter().any(|value| texts(value, wanted)),
        Value::Object(members) => members.values().any(|value| texts(value, wanted)),
        _ => false,
    }
}

/// Who or what severed, why, and for which decision.
fn cause(state: &State, cause: &Cause) -> (String, String, Option<DecisionId>) {
    let gate = || "the gate".to_owned();
    match cause {
        Cause::Operator { operator, reason, .. } | Cause::Revoked { operator, reason } => {
            (operator_name(state, *operator), reason.clone(), None)
        }
        Cause::RecordLimit { decision } => {
            (gate(), format!("a response passed the records limit, decision {decision}"), Some(*decision))
        }
        Cause::Risk { decision, reason } => {
            (gate(), format!("{}, decision {decision}", reason.title()), Some(*decision))
        }
        Cause::Exercise { run, reason, .. } => (format!("exercise {run}"), reason.clone(), None),
        Cause::KeyTheft { key, next_key } => {
            let why = format!("key {key} had been replaced, and tried to register {next_key}");
            ("the authorization server".to_owned(), why, None)
        }
        Cause::GateMemory { gate, .. } => {
            let why = "the gate remembered it, and the ledger did not".to_owned();
            (format!("gate {gate}"), why, None)
        }
    }
}
