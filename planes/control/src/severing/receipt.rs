//! What came of closing, as it is told and signed.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_api::closing::TokensEnded;
use portcullis_api::severing::{
    AbsentArm, ArmReceipt, ArmVerdict, CutConnectionView, GateReceipt, PathReceipt, Receipt, Recorded,
    SeverAnswer, SharedAddress,
};
use portcullis_domain::event::{Cause, Event, Severance};
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_network::cut::{Cut, Shared};
use portcullis_network::order::{ArmOutcome, ArmReport, CutReport};
use portcullis_policy::clock::micros;

use super::{Closed, Held, clients_under, operator_name};
use crate::arms::{ABSENT, ArmsWord, ENFORCER, EnforcerStanding, failed_of};
use crate::execute::Executed;
use crate::link::Reports;

/// When a severance was asked for, and when the last word on it came.
pub(crate) struct Times {
    pub requested_at: jiff::Timestamp,
    pub finished_at: jiff::Timestamp,
    pub took: Duration,
    /// Until the last gate had done.
    pub gates_took: Duration,
    /// Until it was on the disk.
    pub recorded_took: Duration,
}

/// What everybody said who closes.
pub(crate) struct Everywhere {
    pub reports: Reports,
    pub held: Held,
    /// When the last gate had done, and when it was on the disk: by monotonic time.
    pub gates_done: Duration,
    pub recorded_at: Duration,
    pub arms: Option<ArmsWord>,
    pub enforcer: EnforcerStanding,
}

impl Everywhere {
    /// Whether a tunnel or a network may be open.
    pub fn is_open_at_arms(&self) -> bool {
        self.arms.as_ref().is_some_and(|word| match &word.report {
            Ok(report) => !failed_of(report).is_empty(),
            Err(_) => true,
        })
    }
}

pub(crate) fn receipt(state: &State, closed: Closed, done: Everywhere, times: &Times) -> Receipt {
    let Closed { severance, new } = closed;
    let open_at_arms = done.is_open_at_arms();
    let Everywhere { reports, held, arms, enforcer, .. } = done;
    let names: BTreeMap<_, _> = clients_under(state, &severance.target).into_iter().collect();
    let gates: Vec<_> = reports.reports.into_iter().map(|report| gate_receipt(report, &names)).collect();
    let connections = || gates.iter().flat_map(|gate| &gate.connections);
    let answer = match held {
        Held::Nothing => SeverAnswer::CutNotRecorded,
        _ if !reports.silent.is_empty() => SeverAnswer::RecordedNotConfirmed,
        _ if open_at_arms => SeverAnswer::NotEverywhere,
        Held::Ledger(_) => SeverAnswer::Severed,
        Held::Reserve => SeverAnswer::SeveredReserved,
    };
    let (by, reason) = cause_told(state, &severance);
    let not_kept = arms.as_ref().and_then(|word| word.report.as_ref().ok()?.not_kept.as_deref());
    let mut notes = notes(state, &severance, new, gates.len(), &reports.silent, held);
    notes.extend(not_kept.map(|why| {
        tracing::error!(severance = %severance.id, why, "a cut is not on the enforcer's disk yet");
        let why = why.lines().next().unwrap_or(why);
        format!("the cut is not on the enforcer's disk yet, and writing is tried on: {why}; until then, should it start again, control tells it")
    }));
    Receipt {
        severance: severance.id,
        target: state.name_of(&severance.target),
        answer,
        reason,
        by,
        requested_at: times.requested_at,
        finished_at: times.finished_at,
        took_us: micros(times.took),
        gates_took_us: micros(times.gates_took),
        recorded_took_us: micros(times.recorded_took),
        recorded: Recorded {
            ledger_sequence: match held {
                Held::Ledger(sequence) => sequence,
                Held::Reserve | Held::Nothing => None,
            },
            receipt_sequence: None,
        },
        connections_total: connections().count() as u64,
        exchanges_total: connections().map(|connection| connection.exchanges.len() as u64).sum(),
        notes,
        gates,
        gates_silent: reports.silent,
        keys_refused: severance.keys.clone(),
        arms: arms.as_ref().map(arm_receipts).unwrap_or_default(),
        shared_addresses: arms.as_ref().map(|word| shared_of(&word.cut)).unwrap_or_default(),
        shared_addresses_total: None,
        absent_arms: absent_in(arms.as_ref().and_then(|word| word.report.as_ref().ok()), &enforcer),
        single_operator: state.operators.len() == 1,
        told: None,
        target_id: severance.target,
    }
}

/// Of what an arm closed after the first receipt was handed out.
pub(crate) fn later_receipt(
    state: &State,
    severance: &Severance,
    report: CutReport,
    now: jiff::Timestamp,
) -> Receipt {
    let (by, reason) = cause_told(state, severance);
    Receipt {
        severance: severance.id,
        target: state.name_of(&severance.target),
        answer: SeverAnswer::ArmClosed,
        reason,
        by,
        requested_at: severance.time,
        finished_at: now,
        took_us: report.took_us,
        gates_took_us: 0,
        recorded_took_us: 0,
        recorded: Recorded::default(),
        gates: Vec::new(),
        gates_silent: Vec::new(),
        connections_total: 0,
        exchanges_total: 0,
        keys_refused: Vec::new(),
        absent_arms: absent_told(&report).collect(),
        arms: report.arms.into_iter().filter_map(arm_receipt).collect(),
        shared_addresses: Vec::new(),
        shared_addresses_total: None,
        single_operator: state.operators.len() == 1,
        notes: vec![
            "what an arm had failed to close is closed now; the first receipt has the rest".to_owned(),
        ],
        told: None,
        target_id: severance.target.clone(),
    }
}

fn arm_receipts(word: &ArmsWord) -> Vec<ArmReceipt> {
    match &word.report {
        Ok(report) => report.arms.iter().cloned().filter_map(arm_receipt).collect(),
        // Nobody knows which of them had something to close: each is open until it is verified.
        Err(why) => vec![ArmReceipt {
            arm: ENFORCER.to_owned(),
            outcome: ArmVerdict::Failed,
            why: Some(why.clone()),
            paths: Vec::new(),
            paths_total: None,
            attempts: 1,
            took_us: 0,
        }],
    }
}

/// Those that can't act here are told as absent.
fn arm_receipt(report: ArmReport) -> Option<ArmReceipt> {
    let ArmReport { arm, outcome, paths, attempts, took_us } = report;
    let (outcome, why) = match outcome {
        ArmOutcome::Closed => (ArmVerdict::Closed, None),
        ArmOutcome::Nothing => (ArmVerdict::Nothing, None),
        ArmOutcome::Failed { why } => (ArmVerdict::Failed, Some(why)),
        ArmOutcome::Absent { .. } => return None,
    };
    let paths = paths.into_iter().map(|path| PathReceipt {
        path: path.path,
        was_open: path.was_open,
        closed_us: path.closed_us,
        verified_us: path.verified_us,
        how: path.how,
    });
    let paths = paths.collect();
    Some(ArmReceipt { arm: arm.to_string(), outcome, why, paths, paths_total: None, attempts, took_us })
}

pub(super) fn shared_of(cut: &Cut) -> Vec<SharedAddress> {
    let shared = cut.shared.iter();
    let view =
        |shared: &Shared| SharedAddress { network: shared.network.to_string(), with: shared.with.clone() };
    shared.map(view).collect()
}

/// Who severed, and why.
fn cause_told(state: &State, severance: &Severance) -> (String, String) {
    match &severance.cause {
        Cause::Operator { operator, reason, .. } | Cause::Revoked { operator, reason } => {
            (operator_name(state, *operator), reason.clone())
        }
        Cause::KeyTheft { key, next_key } => (
            "the authorization server".to_owned(),
            format!("theft suspected: key {key} had been replaced, and tried to register {next_key}"),
        ),
        Cause::GateMemory { gate, .. } if gate == ENFORCER => {
            ("the enforcer".to_owned(), "it held the cut, and the ledger did not know it".to_owned())
        }
        Cause::GateMemory { gate, .. } => {
            (format!("gate `{gate}`"), "the gate remembered it, and the ledger did not".to_owned())
        }
        Cause::RecordLimit { decision } => {
            ("the gate".to_owned(), format!("a response passed the records limit, decision {decision}"))
        }
        Cause::Exercise { run, operator, reason } => {
            let by = operator.map(|operator| format!(" of {}", operator_name(state, operator)));
            (format!("exercise {run}{}", by.unwrap_or_default()), reason.clone())
        }
        Cause::Risk { decision, reason } => {
            ("the gate".to_owned(), format!("{}, decision {decision}", reason.title()))
        }
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
        took_us: micros(times.took),
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

pub(super) fn single_operator_note(state: &State, target: &Target) -> Option<String> {
    (target.needs_two() && state.operators.len() == 1)
        .then(|| "there is one operator only, who could restore it alone; add a second: `portcullis operator add NAME`".to_owned())
}

/// As the arms said when they were to cut; of those that said nothing, as they were when the enforcer was linked.
fn absent_in(report: Option<&CutReport>, enforcer: &EnforcerStanding) -> Vec<AbsentArm> {
    let Some(report) = report else { return absent_arms(enforcer) };
    let has_spoken = |absent: &AbsentArm| report.arms.iter().any(|arm| arm.arm.as_str() == absent.arm);
    let silent = absent_arms(enforcer).into_iter().filter(|absent| !has_spoken(absent));
    absent_told(report).chain(silent).collect()
}

fn absent_told(report: &CutReport) -> impl Iterator<Item = AbsentArm> {
    report.arms.iter().filter_map(|arm| match &arm.outcome {
        ArmOutcome::Absent { why } => Some(AbsentArm { arm: arm.arm.to_string(), why: why.clone() }),
        ArmOutcome::Closed | ArmOutcome::Nothing | ArmOutcome::Failed { .. } => None,
    })
}

/// Ways of closing that this installation doesn't have.
#[must_use]
pub fn absent_arms(enforcer: &EnforcerStanding) -> Vec<AbsentArm> {
    let arm = |arm: &str, why: &str| AbsentArm { arm: arm.to_owned(), why: why.to_owned() };
    if !enforcer.set_up {
        let why = ABSENT.lines().next().unwrap_or(ABSENT);
        return ["tunnels", "packets", "sockets"].map(|name| arm(name, why)).into();
    }
    let absent = enforcer
        .arms
        .iter()
        .filter_map(|standing| standing.absent.as_ref().map(|why| arm(standing.arm.as_str(), why)));
    absent.collect()
}
