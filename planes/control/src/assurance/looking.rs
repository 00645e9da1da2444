//! Looks that somebody asks for: what a screening would find, and what a register's answer says of a vendor.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::sources::{
    CheckAnswer, CheckRequest, FoundMatch, ScreenReport, ScreenRequest, ScreenedList, SourceKind,
};
use portcullis_assurance::change::Change;
use portcullis_assurance::days::date_of;
use portcullis_assurance::lei::Lei;
use portcullis_assurance::order::Order;
use portcullis_assurance::screening::OWN_LIST;
use portcullis_assurance::shell;
use portcullis_assurance::sources::{SourceError, gleif};
use portcullis_domain::command::Command;
use portcullis_domain::ids::OperatorId;
use portcullis_domain::state::State;
use portcullis_proof::digest;

use super::screening::{Keys, beside_own, own_list, subject};
use super::sources::{Content, ReadError, gleif_records, is_about, list_of, registry_record};
use super::work::vendors;
use crate::control::Control;
use crate::error::ExecuteError;

/// Matches of one report.
const FOUND_MAX: usize = 5_000;
/// Answers about relationships in one request.
const RELATIONSHIPS_MAX: usize = 16;

/// Why nothing was looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("there is no vendor `{0}`")]
    Vendor(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("a vendor is checked with `gleif` or `registry`, and not with `{}`\nhint: lists are looked up by `portcullis screen`", .0.name())]
    Kind(SourceKind),
    #[error("no record in it is about vendor `{vendor}`: {why}\nhint: {hint}")]
    Nobody { vendor: String, why: String, hint: &'static str },
    #[error(
        "more than {RELATIONSHIPS_MAX} answers about relationships\nhint: give those of this vendor: about its parent, and about the last of them"
    )]
    Relationships,
    #[error("it was ended\nhint: try again")]
    Ended,
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl Control {
    /// What a screening would find now; nothing of it is recorded.
    pub(crate) async fn try_screening(&self, request: ScreenRequest) -> Result<ScreenReport, LookError> {
        let (state, now) = (self.state(), self.clock().now());
        if let Some(name) = &request.vendor
            && vendors(&state).all(|(known, ..)| known != name)
        {
            return Err(LookError::Vendor(name.clone()));
        }
        let loaded = self.sources().loaded();
        let look = move || -> Result<ScreenReport, LookError> {
            let (keys, mut lists) = (Keys::of(&state), Vec::new());
            let mut report = ScreenReport::default();
            if let Some(list) = &request.list {
                let index = list_of(list.kind, list.text.as_bytes())?;
                lists.push((list.name.clone(), Arc::new(index), digest(list.text.as_bytes()), None));
            } else {
                lists.extend(loaded.into_iter().filter_map(|(name, loaded)| match loaded.content {
                    Content::List(index) => Some((name, index, loaded.sha256, Some(loaded.as_of))),
                    _ => None,
                }));
                lists.extend(
                    own_list(&state, &keys).map(|(index, sha)| (OWN_LIST.to_owned(), index, sha, Some(now))),
                );
            }
            report.lists = lists
                .iter()
                .map(|(name, index, _, as_of)| ScreenedList {
                    name: name.clone(),
                    entries: index.entries().len(),
                    as_of: *as_of,
                })
                .collect();
            for (name, id, spec) in vendors(&state) {
                if request.vendor.as_deref().is_some_and(|wanted| wanted != name) {
                    continue;
                }
                report.vendors += 1;
                let (subject, dossier) = (subject(&state, &keys, id, spec), state.dossier(id));
                for (list, index, sha256, _) in &lists {
                    let screening = beside_own(index, &subject, id, sha256, now);
                    report.found.extend(screening.matches.into_iter().map(|found| {
                        let known = dossier.matches.get(&(list.clone(), found.entry.clone()));
                        FoundMatch {
                            vendor: name.to_owned(),
                            list: list.clone(),
                            known: known.is_some(),
                            word: known.and_then(|known| known.word.as_ref()).map(|judged| judged.word),
                            found,
                        }
                    }));
                }
            }
            report.found.sort_by_key(|found| std::cmp::Reverse(found.found.score));
            report.found.truncate(FOUND_MAX);
            Ok(report)
        };
        tokio::task::spawn_blocking(look).await.map_err(|_| LookError::Ended)?
    }

    /// Records what a register's answer says of a vendor, if it is about it.
    pub(crate) async fn check_vendor(
        &self,
        name: &str,
        request: CheckRequest,
        by: OperatorId,
    ) -> Result<CheckAnswer, LookError> {
        let (state, now) = (self.state(), self.clock().now());
        let found = vendors(&state).find(|(known, ..)| *known == name);
        let (_, id, spec) = found.ok_or_else(|| LookError::Vendor(name.to_owned()))?;
        let CheckRequest { kind, text, officers, relationships } = request;
        if relationships.len() > RELATIONSHIPS_MAX {
            return Err(LookError::Relationships);
        }
        let relationships = relationships.iter().map(|text| gleif::relationships(text.as_bytes()));
        let relationships = relationships.collect::<Result<Vec<_>, _>>()?.concat();
        let own: BTreeSet<Lei> =
            spec.lei.as_deref().and_then(|lei| Lei::parse(lei).ok()).into_iter().collect();
        let mut records = match kind {
            SourceKind::Gleif => gleif_records(text.as_bytes(), &own, now)?,
            SourceKind::Registry => {
                vec![registry_record(text.as_bytes(), officers.as_deref().map(str::as_bytes), now)?]
            }
            other => return Err(LookError::Kind(other)),
        };
        gleif::enter_parents(&mut records, &relationships);
        let said = records.first().map(|record| record.legal_name.clone());
        let Some(record) = records.into_iter().find(|record| is_about(record, spec)) else {
            return Err(nobody(name, kind, &spec.lei, &spec.registry_number, said));
        };
        let record = gleif::with_parents_of(record.clone(), state.dossier(id).entity.get(&record.source));
        let change = Change::EntityChecked { record: Box::new(record.clone()) };
        let order = Order { change, by: Some(by) };
        let executed = self.execute(Command::ChangeDossiers(vec![(name.to_owned(), order)])).await?;
        let contract = contract_name(&state, id).unwrap_or_else(|| spec.legal_name.clone());
        let signs = shell::signs(&record, Some(&contract), date_of(now));
        Ok(CheckAnswer {
            vendor: name.to_owned(),
            unchanged: executed.events.is_empty(),
            signs: signs.iter().map(ToString::to_string).collect(),
            circles: gleif::circles(&relationships).iter().map(|circle| round(circle)).collect(),
            record,
        })
    }
}

/// A circle of owners in a sentence.
fn round(circle: &[Lei]) -> String {
    let again = circle.iter().chain(circle.first()).map(Lei::as_str);
    format!("owned in a circle, and so by nobody: {}", again.collect::<Vec<_>>().join(" by "))
}

fn nobody(
    vendor: &str,
    kind: SourceKind,
    lei: &Option<String>,
    number: &Option<String>,
    said: Option<String>,
) -> LookError {
    let (member, known) = match kind {
        SourceKind::Gleif => ("lei", lei),
        _ => ("registry_number", number),
    };
    let (why, hint) = match known {
        None => (format!("its manifest has no `{member}`"), "declare it, and check again"),
        Some(known) => (
            format!("its `{member}` is `{known}`, and the first record is of `{}`", said.unwrap_or_default()),
            "ask the source for this vendor, or put the manifest right",
        ),
    };
    LookError::Nobody { vendor: vendor.to_owned(), why, hint }
}

fn contract_name(state: &State, vendor: portcullis_domain::ids::VendorId) -> Option<String> {
    let known = state.known(vendor)?;
    known.contracts.into_iter().find_map(|contract| contract.vendor_name)
}
