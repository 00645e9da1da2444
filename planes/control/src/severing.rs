//! Severing: every gate is told and the ledger written at the same time, and the answer waits for
//! both. A severance is in force here before either, and stays so whatever becomes of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_api::closing::TokensEnded;
use portcullis_api::severing::{
    AbsentArm, CauseView, CutConnectionView, GateReceipt, Receipt, Recorded, SeverAnswer, SeverPreview,
    SeveranceView,
};
use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{Cause, Event, Severance};
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use portcullis_domain::target::{Target, TargetName};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::core::Core;
use crate::execute::Executed;
use crate::link::{Gates, Reports};

/// How long the ledger may take before the reserve file is used.
const LEDGER_WAIT: Duration = Duration::from_secs(1);
/// Certificates remembered for each client.
const SEEN_MAX: usize = 16;
/// Characters of a reason that a slot of the reserve is given.
const RESERVED_REASON_MAX: usize = 1_000;

/// What holds a severance over a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// At this place, where it is known.
    Ledger(Option<u64>),
    Reserve,
    Nothing,
}

/// A severance that is in force, whether or not somebody else severed before.
pub(crate) struct Closed {
    pub severance: Severance,
    pub new: bool,
}

/// What the reserve file holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReserveEntry {
    pub severance: Severance,
    /// The keys didn't fit: they are those that the registry holds for the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keys_of_registry: bool,
}

/// Certificates that clients came with, beyond the registered ones.
#[derive(Debug, Default)]
pub(crate) struct SeenKeys(Mutex<BTreeMap<ClientId, VecDeque<String>>>);

impl SeenKeys {
    pub fn add(&self, client: ClientId, thumbprint: String) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = seen.entry(client).or_default();
        of_client.retain(|known| *known != thumbprint);
        of_client.push_back(thumbprint);
        if of_client.len() > SEEN_MAX {
            of_client.pop_front();
        }
    }

    /// Of all clients that a target closes.
    fn under(&self, state: &State, target: &Target) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = clients_under(state, target);
        clients.iter().filter_map(|(id, _)| seen.get(id)).flatten().cloned().collect()
    }
}

impl Core {
    /// Decides, and puts in force at once. Never waits for anybody.
    ///
    /// # Errors
    /// The target isn't known, or the reason is missing.
    pub fn close(&self, command: Command, seen: &SeenKeys) -> Result<Option<Closed>, Refusal> {
        let mut book = self.book();
        let command = match command {
            Command::Sever { target, by, reason, seen: Seen { keys: _, session_of } } => {
                let keys = book.tentative.target(&target).map(|target| match target {
                    Target::Key { .. } | Target::Session { .. } => Vec::new(),
                    target => seen.under(&book.tentative, &target),
                });
                let keys = keys.unwrap_or_default();
                Command::Sever { target, by, reason, seen: Seen { keys, session_of } }
            }
            Command::RevokeKeys { client, key, by, reason, seen: _ } => {
                let target = book.tentative.target(&TargetName::Client(client.clone()));
                let keys = target.map(|target| seen.under(&book.tentative, &target)).unwrap_or_default();
                Command::RevokeKeys { client, key, by, reason, seen: Seen { keys, session_of: None } }
            }
            other => other,
        };
        let severance = match self.decide(&book.tentative, command) {
            Ok(events) => events.into_iter().find_map(|event| match event {
                Event::Severed(severance) => Some(severance),
                _ => None,
            }),
            Err(Refusal::AlreadySevered { target, severance }) => {
                let known = book.tentative.severances.get(&severance).cloned();
                let known = known.ok_or(Refusal::AlreadySevered { target, severance })?;
                return Ok(Some(Closed { severance: known, new: false }));
            }
            Err(refusal) => return Err(refusal),
        };
        let Some(severance) = severance else { return Ok(None) };
        book.close(severance.clone());
        self.publish(&book);
        drop(book);
        self.severed.notify_one();
        Ok(Some(Closed { severance, new: true }))
    }

    /// Has the gates close, and what lasts take it down: both at the same time.
    ///
    /// `closed_by` is the decision for which a gate has closed it by itself.
    pub async fn enforce(
        self: &Arc<Self>,
        gates: &Gates,
        severance: &Severance,
        closed_by: Option<DecisionId>,
    ) -> (Reports, Held) {
        tokio::join!(gates.sever(severance, closed_by), self.hold(severance))
    }

    async fn hold(self: &Arc<Self>, severance: &Severance) -> Held {
        let Some(recorded) = self.book().wait_for(severance.id) else { return Held::Ledger(None) };
        self.severed.notify_one();
        match timeout(LEDGER_WAIT, recorded).await {
            Ok(Ok(Ok(sequence))) => return Held::Ledger(Some(sequence)),
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, severance = %severance.id, "the ledger can't take a severance")
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(severance = %severance.id, "the ledger is too slow for a severance")
            }
        }
        let core = Arc::clone(self);
        let severance = severance.clone();
        let reserved = self.runtime.spawn_blocking(move || core.reserve(&severance)).await;
        reserved.unwrap_or(Held::Nothing)
    }

    /// Blocks.
    fn reserve(&self, severance: &Severance) -> Held {
        match self.book().unrecorded_mut(severance.id) {
            None => return Held::Ledger(None),
            Some(open) if open.slot.is_some() => return Held::Reserve,
            Some(_) => {}
        }
        let put = reserve_entry(severance, self.reserve.entry_bytes_max());
        let slot = match put.map(|entry| self.reserve.put(&entry)) {
            Some(Ok(slot)) => slot,
            Some(Err(error)) => {
                tracing::error!(%error, severance = %severance.id, "a severance is not recorded anywhere");
                return Held::Nothing;
            }
            None => return Held::Nothing,
        };
        // The ledger may have taken it meanwhile; and another call may have written it too.
        let mut book = self.book();
        match book.unrecorded_mut(severance.id) {
            Some(open) if open.slot.is_none() => {
                open.slot = Some(slot);
                Held::Reserve
            }
            Some(_) => {
                drop(book);
                self.clear(vec![slot]);
                Held::Reserve
            }
            None => {
                drop(book);
                self.clear(vec![slot]);
                Held::Ledger(None)
            }
        }
    }
}

/// What fits into a slot: all of it, or else without the keys that the registry knows.
fn reserve_entry(severance: &Severance, bytes_max: usize) -> Option<Vec<u8>> {
    let whole = ReserveEntry { severance: severance.clone(), keys_of_registry: false };
    let mut short = whole.severance.clone();
    short.keys.clear();
    if let Cause::Operator { reason, .. } | Cause::Revoked { reason, .. } = &mut short.cause {
        *reason = reason.chars().take(RESERVED_REASON_MAX).collect();
    }
    let short = ReserveEntry { severance: short, keys_of_registry: true };
    let written = [&whole, &short].into_iter().filter_map(|entry| serde_json::to_vec(entry).ok());
    written.into_iter().find(|entry| entry.len() <= bytes_max)
}

/// Reads a slot's entry; `state` knows the keys that didn't fit.
pub(crate) fn read_reserve_entry(bytes: &[u8], state: &State) -> Result<Severance, serde_json::Error> {
    let ReserveEntry { mut severance, keys_of_registry } = serde_json::from_slice(bytes)?;
    if keys_of_registry {
        severance.keys = state.keys_of(&severance.target);
    }
    Ok(severance)
}

/// Ids and names of the clients whose paths a target's severance closes.
fn clients_under(state: &State, target: &Target) -> Vec<(ClientId, String)> {
    let under = state.standings().filter(|standing| match target {
        Target::Vendor { id } => standing.vendor_id() == *id,
        Target::Integration { id } => standing.integration_id() == *id,
        Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
            standing.client_id() == *id
        }
    });
    under.map(|standing| (standing.client_id(), standing.client.declaration.name.clone())).collect()
}

/// What severing a target would stop. `session_of` is the client of a session, where one is asked for.
pub(crate) fn preview(
    state: &State,
    name: &TargetName,
    session_of: Option<ClientId>,
) -> Result<SeverPreview, Refusal> {
    let target = match (name, session_of) {
        (TargetName::Session(session), Some(client)) => Target::Session { client, session: session.clone() },
        _ => state.known_target(name)?,
    };
    Ok(SeverPreview {
        target: state.name_of(&target),
        clients: clients_under(state, &target).into_iter().map(|(_, name)| name).collect(),
        routes: state.routes_reached(&target).into_iter().collect(),
        open: state.severances_of(&target).map(|severance| severance_view(state, severance)).collect(),
        absent_arms: absent_arms(),
        restore_needs_two: target.needs_two(),
        single_operator: state.operators.len() == 1,
        notes: single_operator_note(state, &target).into_iter().collect(),
        target_id: target,
    })
}

/// A severance as it is shown.
#[must_use]
pub fn severance_view(state: &State, severance: &Severance) -> SeveranceView {
    SeveranceView {
        id: severance.id,
        target: state.name_of(&severance.target),
        target_id: severance.target.clone(),
        epoch: severance.epoch,
        keys: severance.keys.clone(),
        cause: match &severance.cause {
            Cause::Operator { operator, reason } => {
                CauseView::Operator { operator: operator_name(state, *operator), reason: reason.clone() }
            }
            Cause::RecordLimit { decision } => CauseView::RecordLimit { decision: *decision },
            Cause::Risk { decision, reason } => {
                CauseView::Risk { decision: *decision, reason: reason.code().to_owned() }
            }
            Cause::Revoked { operator, reason } => {
                CauseView::Revoked { operator: operator_name(state, *operator), reason: reason.clone() }
            }
            Cause::KeyTheft { key, next_key } => {
                CauseView::KeyTheft { key: key.clone(), next_key: next_key.clone() }
            }
            Cause::GateMemory { gate, version } => {
                CauseView::GateMemory { gate: gate.clone(), version: *version }
            }
        },
        time: severance.time,
    }
}

/// The name of an operator; the id of one who is gone.
#[must_use]
pub fn operator_name(state: &State, id: portcullis_domain::ids::OperatorId) -> String {
    state.operators.get(&id).map_or_else(|| id.to_string(), |operator| operator.name.text().to_owned())
}

/// When a severance was asked for, and when the last word on it came.
pub(crate) struct Times {
    pub requested_at: jiff::Timestamp,
    pub finished_at: jiff::Timestamp,
    pub took: Duration,
}

pub(crate) fn receipt(state: &State, closed: Closed, reports: Reports, held: Held, times: &Times) -> Receipt {
    let Closed { severance, new } = closed;
    let names: BTreeMap<_, _> = clients_under(state, &severance.target).into_iter().collect();
    let gates: Vec<_> = reports.reports.into_iter().map(|report| gate_receipt(report, &names)).collect();
    let connections = || gates.iter().flat_map(|gate| &gate.connections);
    let answer = match held {
        Held::Nothing => SeverAnswer::CutNotRecorded,
        _ if !reports.silent.is_empty() => SeverAnswer::RecordedNotConfirmed,
        Held::Ledger(_) => SeverAnswer::Severed,
        Held::Reserve => SeverAnswer::SeveredReserved,
    };
    let (by, reason) = match &severance.cause {
        Cause::Operator { operator, reason } | Cause::Revoked { operator, reason } => {
            (operator_name(state, *operator), reason.clone())
        }
        Cause::KeyTheft { key, next_key } => (
            "the authorization server".to_owned(),
            format!("theft suspected: key {key} had been replaced, and tried to register {next_key}"),
        ),
        Cause::GateMemory { gate, .. } => {
            (format!("gate `{gate}`"), "the gate remembered it, and the ledger did not".to_owned())
        }
        Cause::RecordLimit { decision } => {
            ("the gate".to_owned(), format!("a response passed the records limit, decision {decision}"))
        }
        Cause::Risk { decision, reason } => {
            ("the gate".to_owned(), format!("{}, decision {decision}", reason.title()))
        }
    };
    Receipt {
        severance: severance.id,
        target: state.name_of(&severance.target),
        answer,
        reason,
        by,
        requested_at: times.requested_at,
        finished_at: times.finished_at,
        took_us: u64::try_from(times.took.as_micros()).unwrap_or(u64::MAX),
        recorded: Recorded {
            ledger_sequence: match held {
                Held::Ledger(sequence) => sequence,
                Held::Reserve | Held::Nothing => None,
            },
        },
        connections_total: connections().count() as u64,
        exchanges_total: connections().map(|connection| connection.exchanges.len() as u64).sum(),
        notes: notes(state, &severance, new, gates.len(), &reports.silent, held),
        gates,
        gates_silent: reports.silent,
        keys_refused: severance.keys.clone(),
        absent_arms: absent_arms(),
        single_operator: state.operators.len() == 1,
        target_id: severance.target,
    }
}

/// What came of ending tokens.
pub(crate) fn tokens_ended(
    state: &State,
    executed: &Executed,
    reports: Reports,
    times: &Times,
) -> TokensEnded {
    let of = executed.events.first();
    let (what, epoch) = match of {
        Some(Event::SignedOut { target, epoch, .. }) => (state.name_of(target), Some(*epoch)),
        Some(Event::TokenRevoked { token_id, .. }) => (format!("token/{token_id}"), None),
        _ => ("nothing: it was dead already".to_owned(), None),
    };
    let none = BTreeMap::new();
    TokensEnded {
        what,
        changed: of.is_some(),
        epoch,
        requested_at: times.requested_at,
        finished_at: times.finished_at,
        took_us: u64::try_from(times.took.as_micros()).unwrap_or(u64::MAX),
        ledger_size: executed.size,
        gates: reports.reports.into_iter().map(|report| gate_receipt(report, &none)).collect(),
        gates_silent: reports.silent,
    }
}

pub(crate) fn gate_receipt(
    report: portcullis_policy::link::SeverReport,
    names: &BTreeMap<ClientId, String>,
) -> GateReceipt {
    let connections = report.connections.into_iter().map(|cut| CutConnectionView {
        client_name: names.get(&cut.client).cloned().unwrap_or_else(|| cut.client.to_string()),
        client: cut.client,
        peer: cut.peer,
        protocol: cut.protocol,
        exchanges: cut.exchanges,
        after_us: cut.after_us,
    });
    GateReceipt {
        gate: report.gate,
        cores: report.cores,
        took_us: report.took_us,
        connections: connections.collect(),
    }
}

fn notes(
    state: &State,
    severance: &Severance,
    new: bool,
    gates: usize,
    silent: &[String],
    held: Held,
) -> Vec<String> {
    let mut notes = Vec::new();
    if !new {
        notes.push(format!("it was severed already at {}; every gate was told again", severance.time));
    }
    for gate in silent {
        notes.push(format!(
            "gate `{gate}` did not confirm within 5 seconds: what is open there may not be closed"
        ));
    }
    if gates == 0 && silent.is_empty() {
        notes.push("no gate is linked; each one learns of it with its first snapshot".to_owned());
    }
    match held {
        Held::Ledger(_) => {}
        Held::Reserve => notes.push(
            "the ledger can't be written; the reserve file holds it, and the ledger takes it as soon as it can"
                .to_owned(),
        ),
        Held::Nothing => notes.push(
            "neither the ledger nor the reserve file can be written: it holds until control stops, and recording is tried on"
                .to_owned(),
        ),
    }
    notes.extend(single_operator_note(state, &severance.target));
    notes
}

fn single_operator_note(state: &State, target: &Target) -> Option<String> {
    (target.needs_two() && state.operators.len() == 1)
        .then(|| "there is one operator only, who could restore it alone; add a second: `portcullis operator add NAME`".to_owned())
}

/// What this version has no way to close.
#[must_use]
pub fn absent_arms() -> Vec<AbsentArm> {
    let arm = |arm: &str, why: &str| AbsentArm { arm: arm.to_owned(), why: why.to_owned() };
    vec![
        arm("tunnels", "this version manages no tunnels"),
        arm("packets", "this version has no packet filter; everything goes through the gate"),
        arm("sockets", "this version destroys the gate's own sockets only"),
    ]
}
