//! Bills of materials among the evidence, beside catalogues of what is known to be weak: a match starts its clock.

use std::collections::BTreeMap;

use portcullis_assurance::Dossier;
use portcullis_assurance::change::Change;
use portcullis_assurance::evidence::{Content as Kind, Evidence};
use portcullis_assurance::sbom::{Sbom, match_known};
use portcullis_assurance::sources::cyclonedx;
use portcullis_assurance::sources::kev::Kev;
use portcullis_assurance::sources::osv::Osv;
use portcullis_documents::Documents;
use portcullis_domain::ids::VendorId;

use super::sources::{Content, Loaded};

/// Of one bill that are recorded: what is exploited and what is worst.
const RECORDED_MAX: usize = 500;

/// What differs if the bills, or what is known of weaknesses, do; nothing where there is none of either.
pub(super) fn digest_of(dossier: &Dossier, loaded: &BTreeMap<String, Loaded>) -> Option<String> {
    let bills: Vec<String> = bills(dossier).map(|(bill, sha256)| format!("{} {sha256}", bill.id)).collect();
    let catalogues =
        loaded.iter().filter(|(_, loaded)| matches!(loaded.content, Content::Kev(_) | Content::Osv(_)));
    let catalogues: Vec<String> =
        catalogues.map(|(name, loaded)| format!("{name} {}", loaded.sha256)).collect();
    (!bills.is_empty() && !catalogues.is_empty())
        .then(|| portcullis_proof::digest(format!("{bills:?} {catalogues:?}").as_bytes()))
}

/// The changes that the bills of a vendor come to. **Blocks.**
pub(super) fn changes(
    vendor: VendorId,
    dossier: &Dossier,
    loaded: &BTreeMap<String, Loaded>,
    documents: &Documents,
) -> Vec<Change> {
    let mut kev: Kev =
        Kev { version: String::new(), released: jiff::Timestamp::MIN, entries: BTreeMap::new() };
    let mut osv: Vec<Osv> = Vec::new();
    for Loaded { content, .. } in loaded.values() {
        match content {
            Content::Kev(known) => kev.entries.extend(known.entries.clone()),
            Content::Osv(known) => osv.extend(known.iter().cloned()),
            Content::List(_) | Content::Entities(_) => {}
        }
    }
    let mut changes = Vec::new();
    for (bill, sha256) in bills(dossier) {
        let evidence = bill.id;
        let read = documents.get(vendor, sha256).map_err(|error| error.to_string());
        match read.and_then(|bytes| cyclonedx::read(&bytes).map_err(|error| error.to_string())) {
            Ok(sbom) => changes.extend(of_bill(&sbom, (dossier, bill), &kev, &osv)),
            Err(error) => tracing::warn!(%vendor, %evidence, error, "a bill of materials can't be read"),
        }
    }
    changes
}

fn bills(dossier: &Dossier) -> impl Iterator<Item = (&Evidence, &str)> {
    let bills = dossier.good_evidence().filter(|evidence| matches!(evidence.content, Kind::Sbom { .. }));
    bills.filter_map(|evidence| Some((evidence, evidence.document.as_ref()?.sha256.as_str())))
}

/// The weaknesses, and then what the vendor says of them; a word that is younger than the bill stands.
fn of_bill(sbom: &Sbom, (dossier, bill): (&Dossier, &Evidence), kev: &Kev, osv: &[Osv]) -> Vec<Change> {
    let evidence = bill.id;
    let mut found = match_known(sbom, kev, osv);
    found.truncate(RECORDED_MAX);
    let stated = sbom.statements.iter().filter_map(|statement| {
        let justification = statement.justification.clone().filter(|text| !text.trim().is_empty())?;
        found.iter().any(|known| known.id == statement.id).then_some(())?;
        let said = dossier.vulnerabilities.get(&statement.id).and_then(|known| known.word.as_ref());
        said.is_none_or(|said| said.at <= bill.added_at).then_some(())?;
        Some(Change::ExploitabilityStated {
            vulnerability: statement.id.clone(),
            word: statement.word?,
            justification,
            evidence: Some(evidence),
        })
    });
    let stated: Vec<Change> = stated.collect();
    let found = found
        .into_iter()
        .map(|vulnerability| Change::VulnerabilityFound { vulnerability, evidence: Some(evidence) });
    found.chain(stated).collect()
}
