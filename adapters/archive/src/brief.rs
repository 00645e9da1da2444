//! Rows for those who count: of each hour the few columns that are counted by.

use arrow_array::RecordBatch;
use portcullis_domain::archive::{Content, SealedFile, SealedFiles};
use portcullis_domain::decision::{DecisionId, OutcomeRecord, Verdict};
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::reason::Reason;

use crate::decode::{self, Columns, Ends, Fault};
use crate::query::of_hour;
use crate::row::LateOutcome;
use crate::{Archive, ArchiveError, Hour};

const COLUMNS: [&str; 14] = [
    "id",
    "vendor",
    "integration",
    "route",
    "verdict",
    "reason",
    "outcome_time",
    "ending",
    "outcome_reason",
    "status",
    "request_bytes",
    "response_bytes",
    "records",
    "duration_us",
];

/// What is counted of a sealed row.
#[derive(Clone, PartialEq, Debug)]
pub enum Brief {
    Decision {
        id: DecisionId,
        vendor: Option<VendorId>,
        integration: Option<IntegrationId>,
        route: Option<RouteId>,
        verdict: Verdict,
        reason: Reason,
        outcome: Option<OutcomeRecord>,
    },
    /// Of a decision that was sealed before.
    LateOutcome(LateOutcome),
}

impl Archive {
    /// Visits what the files of an hour hold, decisions before late outcomes. A decision that was sealed twice comes twice.
    /// In memory are some thousand rows at a time. Answers the files that can't be read, or not to their ends.
    pub fn briefs<'a>(
        &self,
        files: &'a SealedFiles,
        hour: Hour,
        visit: &mut dyn FnMut(Brief),
    ) -> Vec<(&'a SealedFile, ArchiveError)> {
        let of = |content| of_hour(files, hour).filter(move |sealed| sealed.content == content);
        let all = of(Content::Decisions).chain(of(Content::Outcomes));
        all.filter_map(|sealed| Some((sealed, self.briefs_in(sealed, None, visit).err()?))).collect()
    }

    /// The same of one vendor alone, without the files that hold nothing of it.
    pub fn briefs_of_vendor<'a>(
        &self,
        files: &'a SealedFiles,
        hour: Hour,
        vendor: VendorId,
        visit: &mut dyn FnMut(Brief),
    ) -> Vec<(&'a SealedFile, ArchiveError)> {
        let mut own = |brief: Brief| {
            let of = match &brief {
                Brief::Decision { vendor, .. } => *vendor,
                Brief::LateOutcome(late) => late.vendor,
            };
            if of == Some(vendor) {
                visit(brief);
            }
        };
        let mut look = |sealed: &SealedFile| match self.may_hold(sealed, vendor)? {
            true => self.briefs_in(sealed, Some(vendor), &mut own),
            false => Ok(()),
        };
        of_hour(files, hour).filter_map(|sealed| Some((sealed, look(sealed).err()?))).collect()
    }

    fn briefs_in(
        &self,
        sealed: &SealedFile,
        vendor: Option<VendorId>,
        visit: &mut dyn FnMut(Brief),
    ) -> Result<(), ArchiveError> {
        let opened = self.open(sealed)?;
        if sealed.content == Content::Outcomes {
            return opened.visit(None, None, &mut |_, batch| {
                let late = decode::late_outcomes(batch)?;
                late.into_iter().for_each(|late| visit(Brief::LateOutcome(late)));
                Ok(())
            });
        }
        // Decisions are sorted by vendor, outcomes by their decisions.
        let ranges = vendor.map(|vendor| opened.rows_of_vendors(&[vendor]));
        opened.visit(ranges.as_deref(), Some(&COLUMNS), &mut |_, batch| decisions(batch, visit))
    }
}

fn decisions(batch: &RecordBatch, visit: &mut dyn FnMut(Brief)) -> Result<(), Fault> {
    let columns = Columns(batch);
    let id = columns.texts("id")?;
    let (vendor, integration, route) =
        (columns.uuids("vendor")?, columns.uuids("integration")?, columns.uuids("route")?);
    let (verdict, reason) = (columns.texts("verdict")?, columns.texts("reason")?);
    let ends = Ends::of(&columns)?;
    for at in 0..batch.num_rows() {
        let id = decode::decision_id(decode::text(id, at)?)?;
        visit(Brief::Decision {
            id,
            vendor: decode::uuid(vendor, at)?.map(VendorId),
            integration: decode::uuid(integration, at)?.map(IntegrationId),
            route: decode::uuid(route, at)?.map(RouteId),
            verdict: decode::verdict_of(decode::text(verdict, at)?)?,
            reason: decode::reason_of(decode::text(reason, at)?)?,
            outcome: ends.at(id, at)?,
        });
    }
    Ok(())
}
