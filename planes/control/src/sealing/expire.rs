//! Retention: rows that were kept long enough leave their files, once a day, unless a legal hold keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_archive::Hour;
use portcullis_domain::archive::{Expiry, SealedFile};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::VendorId;
use portcullis_domain::state::State;
use uuid::Uuid;

use super::{SealError, Sealer};
use crate::error::ExecuteError;

impl Sealer {
    /// Answers how many rows went. A file that can't be read keeps all of its rows, and is told of.
    ///
    /// # Errors
    /// A file can't be written or removed, or the ledger not be written; the next run goes on.
    pub fn expire(&mut self) -> Result<u64, SealError> {
        let (state, now) = (self.control.state(), self.control.clock().now());
        let mut gone = 0;
        for sealed in state.sealed.values() {
            if self.stop.is_set() {
                break;
            }
            // What no vendor's days could end needs no look.
            if !is_over(sealed, shortest_days(&state), now) {
                continue;
            }
            let vendors = match self.archive.vendors(sealed) {
                Ok(vendors) => vendors,
                Err(error) => {
                    tracing::error!(
                        error = &error as &(dyn std::error::Error + 'static),
                        file = sealed.file,
                        "a sealed file can't be read: nothing of it expires"
                    );
                    continue;
                }
            };
            // As it is now: a hold may have been placed since.
            let state = self.control.state();
            let held =
                |vendor: &Option<VendorId>| vendor.is_some_and(|vendor| state.holds.contains_key(&vendor));
            let over: BTreeSet<_> = vendors
                .into_iter()
                .filter(|vendor| is_over(sealed, state.decisions_days(*vendor), now) && !held(vendor))
                .collect();
            if !over.is_empty() {
                gone += self.expire_from(sealed, &over, now)?;
            }
        }
        Ok(gone)
    }

    fn expire_from(
        &mut self,
        sealed: &SealedFile,
        vendors: &BTreeSet<Option<VendorId>>,
        now: Timestamp,
    ) -> Result<u64, SealError> {
        let archive = Arc::clone(&self.archive);
        (self.begun, self.paced_rows) = (self.control.clock().monotonic(), 0);
        let left = archive.without(sealed, vendors, &mut |rows| self.pace(rows, false))?;
        let rows = sealed.rows - left.as_ref().map_or(0, |left| left.rows);
        let expiry = Expiry {
            file: sealed.file.clone(),
            replaced_by: left.clone(),
            vendors: vendors.iter().map(|vendor| vendor.unwrap_or(VendorId(Uuid::nil()))).collect(),
            rows,
            time: now,
        };
        match self.execute(Command::RecordExpired(expiry)) {
            Ok(()) => {
                archive.remove(&sealed.file)?;
                Ok(rows)
            }
            Err(ExecuteError::Refused(Refusal::Held { .. })) => {
                left.map_or(Ok(()), |left| archive.remove(&left.file))?;
                Ok(0)
            }
            // Which of the two files counts, the ledger tells at the next start.
            Err(error) => Err(error.into()),
        }
    }
}

fn is_over(sealed: &SealedFile, days: u32, now: Timestamp) -> bool {
    let end_ms = Hour::of(sealed.hour).end_ms();
    let end = i64::try_from(end_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    end.and_then(|end| end.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok())
        .is_some_and(|until| until <= now)
}

fn shortest_days(state: &State) -> u32 {
    state.decisions_days.values().copied().chain([state.decisions_days(None)]).min().unwrap_or(u32::MAX)
}
