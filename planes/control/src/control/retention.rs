//! Stored documents that were kept long enough go, once a day, each with a line in its vendor's dossier.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::evidence::Content;
use portcullis_documents::{Documents, Listed};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::VendorId;
use serde::{Deserialize, Serialize};

use super::Control;
use super::documents::DocumentError;
use crate::error::ExecuteError;
use crate::oauth::evidence::PART;

/// Seven years: what most laws on records ask for at the longest.
const DAYS: u32 = 2_555;
const DAYS_MAX: u32 = 36_500;
const OTHERWISE: &str = "default";

/// How long documents are kept, counted from the day on which they came.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentRetention {
    /// By kind of evidence, or `default`; null is for ever.
    pub days: BTreeMap<String, Option<u32>>,
}

impl DocumentRetention {
    /// # Errors
    /// A kind that isn't one, or days that can't be; with a hint.
    pub fn check(&self) -> Result<(), String> {
        for (kind, days) in &self.days {
            if kind != OTHERWISE && !Content::KINDS.contains(&kind.as_str()) {
                let known = Content::KINDS.join(", ");
                return Err(format!(
                    "`documents.days` names `{kind}`, which is no kind of evidence\nhint: known: {OTHERWISE}, {known}"
                ));
            }
            if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
                return Err(format!(
                    "`documents.days.{kind}` can't be\nhint: it may be 1 to {DAYS_MAX}, or null for ever"
                ));
            }
        }
        Ok(())
    }

    /// None is for ever.
    #[must_use]
    pub fn days(&self, kind: &str) -> Option<u32> {
        let own = self.days.get(kind).or_else(|| self.days.get(OTHERWISE));
        own.copied().unwrap_or(Some(DAYS))
    }
}

impl Control {
    /// Removes what was kept long enough, and answers how many documents that were. What evidence in force rests on
    /// stays, and so does everything of a vendor under legal hold.
    ///
    /// # Errors
    /// The ledger doesn't take it, or the disk; the next run goes on.
    pub async fn expire_documents(&self, retention: &DocumentRetention) -> Result<usize, DocumentError> {
        let (documents, now) = (self.documents()?, self.clock().now());
        let all = {
            let (documents, retention) = (Arc::clone(&documents), retention.clone());
            tokio::task::spawn_blocking(move || over(&documents, &retention, now)).await??
        };
        let mut gone = 0;
        for (vendor, listed, days) in all {
            let state = self.state();
            let needed = state.dossier(vendor).needs_document(&listed.sha256, now).is_some();
            if needed || state.holds.contains_key(&vendor) {
                continue;
            }
            let command = Command::ExpireDocument {
                vendor,
                sha256: listed.sha256.clone(),
                document_kind: listed.kind.clone(),
                stored_at: listed.stored_at,
                reason: format!("documents of the kind `{}` are kept {days} days", listed.kind),
            };
            match self.execute(command).await {
                Ok(_) => {}
                // Something has come to rest on it meanwhile, or a hold.
                Err(ExecuteError::Refused(Refusal::Held { .. } | Refusal::Dossier { .. })) => continue,
                Err(error) => return Err(error.into()),
            }
            let (documents, sha256) = (Arc::clone(&documents), listed.sha256);
            tokio::task::spawn_blocking(move || documents.remove(vendor, &sha256)).await??;
            gone += 1;
        }
        Ok(gone)
    }
}

type Over = (VendorId, Listed, u32);

fn over(
    documents: &Documents,
    retention: &DocumentRetention,
    now: Timestamp,
) -> Result<Vec<Over>, portcullis_documents::Error> {
    let mut found = Vec::new();
    for vendor in documents.vendors()? {
        // Parts go within a day.
        for listed in documents.list(vendor)?.into_iter().filter(|listed| listed.kind != PART) {
            let days = retention.days(&listed.kind);
            let kept = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
            if let (Some(days), Some(kept)) = (days, kept)
                && now.duration_since(listed.stored_at) >= kept
            {
                found.push((vendor, listed, days));
            }
        }
    }
    Ok(found)
}
