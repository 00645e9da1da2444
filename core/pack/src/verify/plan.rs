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
        let (mut parts, mut events) = (BTreeSet::new(), BTreeSet::new());
        for (number, sealed) in evidence.sources.sealed.iter().enumerate() {
            // Rows that are counted twice lead to the same root twice.
            if !parts.insert(part_of(&sealed.file)) || !events.insert(sealed.event) {
                return Err(VerifyError::Repeated(sealed.file.clone()));
            }
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

/// What a sealed file is called by its content, its hour and its number: one that lost rows since is the same part.
fn part_of(file: &str) -> &str {
    let name = file.strip_suffix(".parquet").unwrap_or(file);
    match name.rsplit_once("-r") {
        Some((part, revision)) if revision.bytes().all(|byte| byte.is_ascii_digit()) => part,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn a_part_stays_itself_when_it_loses_rows() {
        let folder = "date=2026-11-18";
        for (file, expect) in [
            ("decisions-2026-11-18T09-0001.parquet", "decisions-2026-11-18T09-0001"),
            ("decisions-2026-11-18T09-0001-r12.parquet", "decisions-2026-11-18T09-0001"),
            ("outcomes-2026-11-18T09-0001-r1.parquet", "outcomes-2026-11-18T09-0001"),
            ("decisions-2026-11-18T09-0002.parquet", "decisions-2026-11-18T09-0002"),
        ] {
            assert_eq!(part_of(&format!("{folder}/{file}")), format!("{folder}/{expect}"));
        }
    }
}
