//! What the members of a pack are for.

use std::collections::{BTreeMap, BTreeSet};

use super::{FirstPass, VerifyError};
use crate::UNSEALED;
use crate::evidence::{Evidence, SealedLine, Section};

/// What each member is, as the evidence says.
pub(super) struct Plan<'a> {
    pub proofs: BTreeSet<&'a str>,
    pub ranges: BTreeMap<&'a str, usize>,
    pub rows: BTreeMap<&'a str, (usize, &'a SealedLine)>,
    pub unsealed: bool,
}

impl<'a> Plan<'a> {
    pub fn of(evidence: &'a Evidence, read: &FirstPass) -> Result<Self, VerifyError> {
        let mut plan = Self {
            proofs: BTreeSet::new(),
            ranges: BTreeMap::new(),
            rows: BTreeMap::new(),
            // Outcomes of sealed decisions may stand in it, and no decision.
            unsealed: evidence.rows_included
                && (evidence.sources.unsealed_rows > 0 || read.members.contains_key(UNSEALED)),
        };
        for (number, sealed) in evidence.sources.sealed.iter().enumerate() {
            plan.proofs.insert(&sealed.proof);
            if let Some(whole) = &sealed.whole {
                let digest = read.members.get(whole).ok_or_else(|| VerifyError::Missing(whole.clone()))?;
                if portcullis_ledger::hex(digest) != sealed.sha256 {
                    return Err(VerifyError::Changed(whole.clone()));
                }
            }
            if !evidence.rows_included {
                continue;
            }
            let (Some(member), Some(ranges)) = (&sealed.member, &sealed.ranges) else {
                return Err(VerifyError::Missing(format!("rows of {}", sealed.file)));
            };
            plan.rows.insert(member, (number, sealed));
            plan.ranges.insert(ranges, number);
        }
        for section in &evidence.sections {
            match section {
                Section::Severances { lines } => {
                    plan.proofs.extend(lines.iter().map(|line| line.proof.as_str()));
                    let restored = lines.iter().filter_map(|line| line.restored.as_ref());
                    plan.proofs.extend(restored.map(|line| line.proof.as_str()));
                }
                Section::Events { lines, .. } => {
                    plan.proofs.extend(lines.iter().map(|line| line.proof.as_str()));
                }
                _ => {}
            }
        }
        let unsealed = plan.unsealed.then_some(UNSEALED);
        let members = plan.proofs.iter().chain(plan.rows.keys()).chain(plan.ranges.keys()).chain(&unsealed);
        for name in members {
            if !read.members.contains_key(*name) {
                return Err(VerifyError::Missing((*name).to_owned()));
            }
        }
        Ok(plan)
    }
}
