//! Severing: every gate is told and the ledger written at the same time, and the answer waits for
//! both. A severance is in force here before either, and stays so whatever becomes of them.

mod preview;
mod receipt;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_api::severing::{CauseView, SeveranceView};
use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::event::{Cause, Event, Severance};
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use portcullis_domain::target::{Target, TargetName};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::core::Core;
use crate::telling::told_count;

pub(crate) use preview::preview;
pub use receipt::absent_arms;
pub(crate) use receipt::{Everywhere, Times, gate_receipt, later_receipt, receipt, tokens_ended};

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
            Command::Sever { target, by, reason, tell, seen: Seen { keys: _, session_of } } => {
                let keys = book.tentative.target(&target).map(|target| match target {
                    Target::Key { .. } | Target::Session { .. } => Vec::new(),
                    target => seen.under(&book.tentative, &target),
                });
                let keys = keys.unwrap_or_default();
                Command::Sever { target, by, reason, tell, seen: Seen { keys, session_of } }
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

    /// Waits until something that lasts holds it: the ledger, or the reserve where the ledger can't.
    pub async fn hold(self: &Arc<Self>, severance: &Severance) -> Held {
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
    if let Cause::Operator { reason, .. } | Cause::Revoked { reason, .. } | Cause::Exercise { reason, .. } =
        &mut short.cause
    {
        *reason = reason.chars().take(RESERVED_REASON_MAX).collect();
    }
    if let Cause::Operator { tell: Some(tell), .. } = &mut short.cause {
        *tell = tell.chars().take(RESERVED_REASON_MAX).collect();
    }
    let mut shortest = short.clone();
    if let Cause::Operator { tell, .. } = &mut shortest.cause {
        *tell = None;
    }
    let short = ReserveEntry { severance: short, keys_of_registry: true };
    let shortest = ReserveEntry { severance: shortest, keys_of_registry: true };
    let written = [&whole, &short, &shortest].into_iter().filter_map(|entry| serde_json::to_vec(entry).ok());
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
pub(crate) fn clients_under(state: &State, target: &Target) -> Vec<(ClientId, String)> {
    let under = state.standings().filter(|standing| match target {
        Target::Vendor { id } => standing.vendor_id() == *id,
        Target::Integration { id } => standing.integration_id() == *id,
        Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
            standing.client_id() == *id
        }
    });
    under.map(|standing| (standing.client_id(), standing.client.declaration.name.clone())).collect()
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
            Cause::Operator { operator, reason, .. } => {
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
            Cause::Exercise { run, operator, reason } => CauseView::Exercise {
                run: *run,
                operator: operator.map(|operator| operator_name(state, operator)),
                reason: reason.clone(),
            },
            Cause::GateMemory { gate, version } => {
                CauseView::GateMemory { gate: gate.clone(), version: *version }
            }
        },
        time: severance.time,
        told: told_count(state, severance.id.0),
    }
}

/// The name of an operator; the id of one who is gone.
#[must_use]
pub fn operator_name(state: &State, id: portcullis_domain::ids::OperatorId) -> String {
    let operator = state.operators.get(&id).map(|operator| operator.name.text().to_owned());
    let sealed = || state.break_glass.get(&id).map(|known| format!("break-glass `{}`", known.seal.name));
    operator.or_else(sealed).unwrap_or_else(|| id.to_string())
}
