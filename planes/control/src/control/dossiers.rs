//! Looking at dossiers, and changing them.

use portcullis_api::dossiers::{DossierAnswer, DossierView, OutlookView, VendorLine};
use portcullis_assurance::change::Change;
use portcullis_domain::access::Access;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::OperatorId;

use super::{APPLY_WAIT, Control};
use crate::dossiers;
use crate::error::ExecuteError;

impl Control {
    /// Vendors, the worst access first: `limit` of them behind `after`, and whether there are more. It looks a year ahead
    /// for each: call it from a thread that may.
    #[must_use]
    pub fn vendor_lines(&self, limit: usize, after: Option<(Access, &str)>) -> (Vec<VendorLine>, bool) {
        dossiers::lines(&self.state(), self.clock().now(), limit, after)
    }

    #[must_use]
    pub fn dossier(&self, vendor: &str) -> Option<DossierView> {
        dossiers::view(&self.state(), vendor, self.clock().now())
    }

    #[must_use]
    pub fn outlook(&self, vendor: &str, days: i64) -> Option<OutlookView> {
        dossiers::outlook(&self.state(), vendor, self.clock().now(), days)
    }

    /// Records what `by` says of a vendor, all of it or nothing; nothing where the dossier isn't at `version` any more.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn change_dossier(
        &self,
        vendor: &str,
        changes: Vec<Change>,
        by: OperatorId,
        version: Option<u64>,
        dry_run: bool,
    ) -> Result<DossierAnswer, ExecuteError> {
        let command = Command::ChangeDossier { vendor: vendor.to_owned(), changes, by, version };
        if dry_run {
            let mut state = (*self.state()).clone();
            let events = self.0.core.decide(&state, command)?;
            for event in &events {
                state.apply(event);
            }
            let size = state.size;
            let view = dossiers::view(&state, vendor, self.clock().now());
            return answer(vendor, &events, (size, Vec::new()), view, true);
        }
        let executed = self.execute(command).await?;
        let behind = self.0.gates.wait_for(executed.size, APPLY_WAIT).await;
        answer(vendor, &executed.events, (executed.size, behind), self.dossier(vendor), false)
    }
}

fn answer(
    vendor: &str,
    events: &[Event],
    (ledger_size, gates_behind): (u64, Vec<String>),
    view: Option<DossierView>,
    dry_run: bool,
) -> Result<DossierAnswer, ExecuteError> {
    let unknown = || Refusal::Unknown { kind: "vendor", name: vendor.to_owned() };
    let changes = events.iter().filter_map(|event| match event {
        Event::DossierChanged(change) => Some(dossiers::made(&change.entry.change)),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    let dossier = view.ok_or_else(unknown)?;
    Ok(DossierAnswer { changed: changes.len(), changes, dry_run, ledger_size, gates_behind, dossier })
}
