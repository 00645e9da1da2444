//! Which rows of a batch a filter takes.

use arrow_array::RecordBatch;
use arrow_array::types::TimestampMicrosecondType;
use jiff::Timestamp;
use portcullis_domain::archive::SealedFile;
use portcullis_domain::decision::DecisionId;

use crate::decode::{self, Columns};
use crate::name::Hour;
use crate::query::{Filter, Late};

/// The columns that a filter looks into.
pub(crate) struct Looks<'a> {
    filter: &'a Filter,
    pub columns: Vec<&'static str>,
}

impl<'a> Looks<'a> {
    pub fn new(sealed: &SealedFile, filter: &'a Filter) -> Self {
        let hour = Hour::of(sealed.hour);
        // Files of older schemas have no such column, and hold no such decision.
        let mut columns = vec!["id"];
        // An hour that lies within needs no look at its times.
        let cut = |edge: Option<Timestamp>| edge.is_some_and(|edge| Hour::of(edge) == hour);
        for (wanted, column) in [
            (filter.vendor.is_some(), "vendor"),
            (filter.client.is_some(), "client"),
            (filter.verdict.is_some(), "verdict"),
            (filter.session.is_some(), "session"),
            (filter.reason.is_some(), "reason"),
            (filter.reason.is_some(), "outcome_reason"),
            (filter.would_stop, "would_stops"),
            (filter.tunnel.is_some(), "tunnel"),
            (cut(filter.since) || cut(filter.until), "time"),
        ] {
            if wanted {
                columns.push(column);
            }
        }
        Self { filter, columns }
    }

    pub fn look(
        &self,
        batch: &RecordBatch,
        late: &Late,
        take: &mut dyn FnMut(DecisionId, usize),
    ) -> Result<(), decode::Fault> {
        let (columns, filter) = (Columns(batch), self.filter);
        let mut fits = vec![true; batch.num_rows()];
        let mut keep = |fit: &mut dyn FnMut(usize) -> bool| {
            fits.iter_mut().enumerate().for_each(|(at, fits)| *fits = *fits && fit(at));
        };
        if let Some(vendor) = filter.vendor {
            let column = columns.uuids("vendor")?;
            keep(&mut |at| decode::uuid(column, at) == Ok(Some(vendor.0)));
        }
        if let Some(client) = filter.client {
            let column = columns.uuids("client")?;
            keep(&mut |at| decode::uuid(column, at) == Ok(Some(client.0)));
        }
        if let Some(verdict) = filter.verdict {
            let column = columns.texts("verdict")?;
            keep(&mut |at| decode::optional(column, at) == Some(verdict.as_str()));
        }
        if filter.would_stop {
            let column = columns.later_texts("would_stops")?;
            keep(&mut |at| column.is_some_and(|column| decode::optional(column, at).is_some()));
        }
        if let Some(tunnel) = filter.tunnel {
            let column = columns.later_uuids("tunnel")?;
            keep(&mut |at| decode::later_uuid(column, at) == Ok(Some(tunnel.0)));
        }
        if let Some(session) = &filter.session {
            let column = columns.texts("session")?;
            keep(&mut |at| decode::optional(column, at) == Some(session));
        }
        let ids = columns.texts("id")?;
        if let Some(reason) = filter.reason {
            let (decided, ended) = (columns.texts("reason")?, columns.texts("outcome_reason")?);
            let ended_late = |at| {
                let id = decode::optional(ids, at).and_then(|id| id.parse().ok());
                id.and_then(|id| late.get(&id)).is_some_and(|outcome| outcome.reason == reason)
            };
            keep(&mut |at| {
                decode::optional(decided, at) == Some(reason.code())
                    || decode::optional(ended, at) == Some(reason.code())
                    || !late.is_empty() && ended_late(at)
            });
        }
        if self.columns.contains(&"time") {
            let column = columns.numbers::<TimestampMicrosecondType>("time")?;
            let since = filter.since.map(Timestamp::as_microsecond);
            let until = filter.until.map(Timestamp::as_microsecond);
            keep(&mut |at| {
                decode::number(column, at).is_ok_and(|time| {
                    since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
                })
            });
        }
        for at in fits.iter().enumerate().filter(|(_, fits)| **fits).map(|(at, _)| at) {
            let id = decode::decision_id(decode::text(ids, at)?)?;
            if filter.below.is_none_or(|below| id < below) {
                take(id, at);
            }
        }
        Ok(())
    }
}
