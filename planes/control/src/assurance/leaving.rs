//! The way out of a vendor: a plan with an end, a certificate of deletion, and then nothing that passes or can be read.

use portcullis_api::leaving::{LeaveReport, LeaveRequest};
use portcullis_assurance::access::Access;
use portcullis_assurance::change::Change;
use portcullis_assurance::order::Order;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::{OperatorId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;

use crate::control::Control;
use crate::error::ExecuteError;

const REASON: &str = "off-boarded: the exit is finished";

/// Why an exit didn't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaveError {
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(
        "vendor `{0}` is under legal hold, and its documents stay as long as that lasts\nhint: `portcullis hold list` tells why; whoever placed it lifts it"
    )]
    Held(String),
    #[error(
        "the exit is recorded and access is blocked, but the key of the documents is not destroyed: {0}\nhint: mend that, and finish again"
    )]
    Shred(String),
}

impl Control {
    /// Where the exit of a vendor stands; nothing where there is no vendor of this name.
    pub(crate) fn leave_report(&self, vendor: &str) -> Option<LeaveReport> {
        let state = self.state();
        let id = vendor_id(&state, vendor)?;
        let (dossier, now) = (state.dossier(id), self.clock().now());
        let access = state.access(id, now).level;
        let leaving = dossier.offboarding.as_ref();
        let done = leaving.and_then(|leaving| leaving.done.as_ref());
        let next = match leaving {
            None => format!("`portcullis vendor offboard {vendor} --plan TEXT --ends DATE` begins its exit"),
            Some(leaving) if leaving.done.is_some() => "nothing: it has left".to_owned(),
            Some(leaving) if leaving.deletion.is_none() => {
                format!(
                    "file its certificate of deletion as evidence, then `portcullis vendor offboard {vendor} --deletion-certificate EVIDENCE`"
                )
            }
            Some(leaving) if now < leaving.ends => format!("its access ends at {}", leaving.ends),
            Some(_) => format!(
                "`portcullis vendor offboard {vendor} --finish`; it destroys its documents, the certificate too: `portcullis evidence get` brings out what is to stay"
            ),
        };
        Some(LeaveReport {
            vendor: vendor.to_owned(),
            plan: leaving.map(|leaving| leaving.plan.clone()),
            begun: leaving.map(|leaving| leaving.begun_at),
            ends: leaving.map(|leaving| leaving.ends),
            access,
            deletion: leaving.and_then(|leaving| leaving.deletion),
            done: done.map(|done| done.at),
            kept: done.map(|done| done.kept.clone()).unwrap_or_default(),
            shredded: done.map(|done| done.shredded.clone()).unwrap_or_default(),
            next,
        })
    }

    /// Takes one step of an exit.
    pub(crate) async fn leave(
        &self,
        vendor: &str,
        request: LeaveRequest,
        by: OperatorId,
    ) -> Result<(), LeaveError> {
        let change = match request {
            LeaveRequest::Begin { plan, ends } => Change::OffboardingBegun { plan, ends },
            LeaveRequest::Certify { evidence } => Change::DeletionCertified { evidence },
            LeaveRequest::Cancel { reason } => Change::OffboardingCancelled { reason },
            LeaveRequest::Finish {} => return self.finish_leaving(vendor, by).await,
        };
        self.change_one(vendor, change, by).await?;
        Ok(())
    }

    /// Recorded first: what it refuses shreds nothing. Whatever fails from there on, finishing again goes on with.
    async fn finish_leaving(&self, vendor: &str, by: OperatorId) -> Result<(), LeaveError> {
        let state = self.state();
        let unknown = || Refusal::Unknown { kind: "vendor", name: vendor.to_owned() };
        let id = vendor_id(&state, vendor).ok_or_else(|| ExecuteError::from(unknown()))?;
        if state.holds.contains_key(&id) {
            return Err(LeaveError::Held(vendor.to_owned()));
        }
        if is_back(&state, id) {
            return Ok(());
        }
        let (kept, shredded) = accounted(&state, id);
        self.change_one(vendor, Change::OffboardingEnded { kept, shredded }, by).await?;
        // Also where stops are only observed: who has left gets nothing.
        if self.state().held_by_hand(id).level < Access::Blocked {
            let (vendor, reason) = (vendor.to_owned(), REASON.to_owned());
            let hold = Command::HoldVendor { vendor, level: Access::Blocked, by, reason };
            self.execute_at_gates(hold).await?;
        }
        let Some(documents) = self.documents_kept() else { return Ok(()) };
        let shred = tokio::task::spawn_blocking(move || documents.shred(id)).await;
        match shred {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LeaveError::Shred(error.to_string())),
            Err(error) => Err(LeaveError::Shred(error.to_string())),
        }
    }

    async fn change_one(
        &self,
        vendor: &str,
        change: Change,
        by: OperatorId,
    ) -> Result<Vec<Event>, ExecuteError> {
        let order = Order { change, by: Some(by) };
        let command = Command::ChangeDossiers(vec![(vendor.to_owned(), order)]);
        Ok(self.execute(command).await?.events)
    }
}

/// It had left, and documents were filed since: those are of what comes after.
fn is_back(state: &State, vendor: VendorId) -> bool {
    let dossier = state.dossier(vendor);
    let left = dossier.offboarding.as_ref().is_some_and(|leaving| leaving.done.is_some());
    left && dossier
        .evidence
        .values()
        .any(|filed| filed.evidence.document.is_some() && filed.withdrawn.is_none())
}

fn vendor_id(state: &State, vendor: &str) -> Option<VendorId> {
    Some(VendorId(state.resource(Kind::Vendor, vendor)?.id))
}

/// What stays, with the reason, and what goes.
fn accounted(state: &State, vendor: VendorId) -> (Vec<String>, Vec<String>) {
    let dossier = state.dossier(vendor);
    let days = state.decisions_days(Some(vendor));
    let kept = vec![
        "the events of its dossier: the ledger is proof of what was known and decided, and names documents by digests only".to_owned(),
        format!("decisions about its requests, for {days} days: retention of this vendor"),
        "names, numbers, addresses, domains and keys: whoever comes back under another name is recognised".to_owned(),
    ];
    let documents = dossier.evidence.values().filter(|filed| filed.withdrawn.is_none()).filter_map(|filed| {
        let document = filed.evidence.document.as_ref()?;
        Some(format!(
            "{} `{}`, sha256 {}",
            filed.evidence.content.kind(),
            filed.evidence.title,
            document.sha256
        ))
    });
    let mut shredded = vec!["the key of its documents".to_owned()];
    shredded.extend(documents);
    (kept, shredded)
}
