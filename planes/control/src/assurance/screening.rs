//! Vendors beside lists, registers and catalogues: whenever one of them changes, when the vendor does, and once a day.
//!
//! Only what differs from what the dossier holds becomes an event. A match that isn't found any more stays until somebody
//! clears it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::change::Change;
use portcullis_assurance::order::Order;
use portcullis_assurance::screening::identifier::{Identifier, IdentifierKind};
use portcullis_assurance::screening::index::{Index, ListEntry, Subject};
use portcullis_assurance::screening::{OWN_LIST, Screening};
use portcullis_assurance::sources::gleif;
use portcullis_documents::Documents;
use portcullis_domain::command::Command;
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::VendorSpec;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_proof::digest;

use super::sources::{Content, Loaded, is_about};
use super::weaknesses;
use super::work::vendors;
use crate::control::Control;
use crate::error::ExecuteError;

/// Though nothing has changed.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What was looked at, and how it was then.
#[derive(Default)]
pub(crate) struct Screener {
    looked: Option<Looked>,
    own: Option<Own>,
    vendors: HashMap<VendorId, Seen>,
}

#[derive(Clone, PartialEq)]
struct Looked {
    size: u64,
    /// Digests of what is in use, by name.
    sources: BTreeMap<String, String>,
}

/// The list of vendors that we parted from.
struct Own {
    entries: Vec<ListEntry>,
    list: Option<(Arc<Index>, String)>,
}

struct Seen {
    subject: Subject,
    /// Digest and time of the last look, by list.
    lists: HashMap<String, (String, Timestamp)>,
}

/// Changes that are recorded at once; one that is refused holds up no other.
const ORDERS_AT_ONCE: usize = 200;
/// Stands for bills of materials among what was looked at.
const BILLS: &str = "/bills";

impl Control {
    /// Screens what is new, if anything is, and records what differs.
    pub(super) async fn screen_what_is_new(&self, mut screener: Screener) -> Screener {
        let (state, now) = (self.state(), self.clock().now());
        let loaded = self.sources().loaded();
        let sources = loaded.iter().map(|(name, loaded)| (name.clone(), loaded.sha256.clone())).collect();
        let looked = Looked { size: state.size, sources };
        if screener.looked.as_ref() == Some(&looked) && !screener.is_due(now) {
            return screener;
        }
        let (own_state, documents) = (Arc::clone(&state), self.documents_kept());
        let screened = tokio::task::spawn_blocking(move || {
            let changes = screener.screen(&own_state, &loaded, documents.as_deref(), now);
            (screener, changes)
        });
        let Ok((mut screener, changes)) = screened.await else { return Screener::default() };
        screener.looked = Some(looked);
        for some in changes.chunks(ORDERS_AT_ONCE) {
            let orders = some.iter().map(order).collect();
            if self.execute(Command::ChangeDossiers(orders)).await.is_ok() {
                continue;
            }
            for change in some {
                let Err(error) = self.execute(Command::ChangeDossiers(vec![order(change)])).await else {
                    continue;
                };
                tracing::warn!(vendor = change.vendor, %error, "what a source says can't be recorded");
                // What a dossier refuses it refuses again; anything else is tried at the next beat.
                if !matches!(error, ExecuteError::Refused(_)) {
                    screener.vendors.remove(&change.id);
                    screener.looked = None;
                }
            }
        }
        screener
    }
}

/// What a look at a vendor came to.
struct Found {
    vendor: String,
    id: VendorId,
    change: Change,
}

fn order(found: &Found) -> (String, Order) {
    (found.vendor.clone(), Order { change: found.change.clone(), by: None })
}

impl Screener {
    fn is_due(&self, now: Timestamp) -> bool {
        let old = |(_, at): &(String, Timestamp)| now.duration_since(*at) >= AGAIN;
        self.vendors.values().any(|seen| seen.lists.values().any(old))
    }

    /// **Blocks.**
    fn screen(
        &mut self,
        state: &State,
        loaded: &BTreeMap<String, Loaded>,
        documents: Option<&Documents>,
        now: Timestamp,
    ) -> Vec<Found> {
        let keys = Keys::of(state);
        self.own = Some(own(state, &keys, self.own.take()));
        let own = self.own.as_ref().and_then(|own| own.list.clone());
        let mut before = std::mem::take(&mut self.vendors);
        let mut found = Vec::new();
        for (name, vendor, spec) in vendors(state) {
            let subject = subject(state, &keys, vendor, spec);
            let known = before.remove(&vendor).filter(|seen| seen.subject == subject);
            let mut seen = known.unwrap_or_else(|| Seen { subject, lists: HashMap::new() });
            seen.lists.retain(|list, _| [OWN_LIST, BILLS].contains(&&**list) || loaded.contains_key(list));
            let dossier = state.dossier(vendor);
            let mut changes = Vec::new();
            for (list, Loaded { content, sha256, .. }) in loaded {
                match content {
                    Content::List(index) if seen.is_new(list, sha256, now) => {
                        let screening = index.screen(&seen.subject, list, sha256, now);
                        changes.push(Change::Screened { screening });
                    }
                    Content::Entities(records) if seen.is_new(list, sha256, now) => {
                        let about = records.iter().filter(|record| is_about(record, spec));
                        let newer = about.filter(|record| {
                            dossier.entity.get(&record.source).is_none_or(|known| known.at <= record.at)
                        });
                        changes.extend(newer.map(|record| {
                            let known = dossier.entity.get(&record.source);
                            let record = gleif::with_parents_of(record.clone(), known);
                            Change::EntityChecked { record: Box::new(record) }
                        }));
                    }
                    _ => {}
                }
            }
            if let Some((index, sha256)) = &own
                && seen.is_new(OWN_LIST, sha256, now)
            {
                let screening = beside_own(index, &seen.subject, vendor, sha256, now);
                if !screening.matches.is_empty() || dossier.screenings.contains_key(OWN_LIST) {
                    changes.push(Change::Screened { screening });
                }
            }
            if let Some(documents) = documents
                && let Some(digest) = weaknesses::digest_of(&dossier, loaded)
                && seen.is_new(BILLS, &digest, now)
            {
                changes.extend(weaknesses::changes(vendor, &dossier, loaded, documents));
            }
            found.extend(changes.into_iter().map(|change| Found {
                vendor: name.to_owned(),
                id: vendor,
                change,
            }));
            self.vendors.insert(vendor, seen);
        }
        found
    }
}

impl Seen {
    /// Whether a list is another one than at the last look, or that was a day ago; then it is looked at now.
    fn is_new(&mut self, list: &str, sha256: &str, now: Timestamp) -> bool {
        let known = self.lists.get(list);
        if known.is_some_and(|(known, at)| known == sha256 && now.duration_since(*at) < AGAIN) {
            return false;
        }
        self.lists.insert(list.to_owned(), (sha256.to_owned(), now));
        true
    }
}

/// Nobody is a relation of itself.
pub(crate) fn beside_own(
    index: &Index,
    subject: &Subject,
    vendor: VendorId,
    sha256: &str,
    now: Timestamp,
) -> Screening {
    let mut screening = index.screen(subject, OWN_LIST, sha256, now);
    let itself = vendor.to_string();
    screening.matches.retain(|found| found.entry != itself);
    screening
}

/// The list of vendors that were severed, off-boarded or breached, as it is now.
pub(crate) fn own_list(state: &State, keys: &Keys) -> Option<(Arc<Index>, String)> {
    own(state, keys, None).list
}

fn own(state: &State, keys: &Keys, before: Option<Own>) -> Own {
    let entries = parted(state, keys);
    if let Some(before) = before.filter(|before| before.entries == entries) {
        return before;
    }
    let sha256 = digest(format!("{entries:?}").as_bytes());
    let list = match Index::new(entries.clone()) {
        Ok(_) if entries.is_empty() => None,
        Ok(index) => Some((Arc::new(index), sha256)),
        Err(error) => {
            tracing::error!(%error, "vendors can't be compared with those that we parted from");
            None
        }
    };
    Own { entries, list }
}

fn parted(state: &State, keys: &Keys) -> Vec<ListEntry> {
    let severed = state.severances.values().filter_map(|severance| match severance.target {
        Target::Vendor { id } => Some(id),
        _ => None,
    });
    let of_dossiers = state.dossiers.iter().filter(|(_, dossier)| {
        let left = dossier.offboarding.as_ref().is_some_and(|leaving| leaving.done.is_some());
        left || !dossier.breaches.is_empty()
    });
    let parted: BTreeSet<VendorId> = severed.chain(of_dossiers.map(|(vendor, _)| *vendor)).collect();
    if parted.is_empty() {
        return Vec::new();
    }
    let declared: HashMap<VendorId, &VendorSpec> = vendors(state).map(|(_, id, spec)| (id, spec)).collect();
    let entry = |vendor: VendorId| {
        let spec =
            declared.get(&vendor).copied().or_else(|| state.gone_vendors.get(&vendor).map(|spec| &**spec));
        let Subject { names, identifiers, officers } = match spec {
            Some(spec) => subject(state, keys, vendor, spec),
            None => of_dossier(state, vendor),
        };
        let id = vendor.to_string();
        (!names.is_empty()).then_some(ListEntry { id, names, identifiers, officers })
    };
    parted.into_iter().filter_map(entry).collect()
}

/// Thumbprints of the keys of each vendor's machines.
pub(crate) struct Keys(HashMap<VendorId, Vec<Identifier>>);

impl Keys {
    pub fn of(state: &State) -> Self {
        let mut keys: HashMap<VendorId, Vec<Identifier>> = HashMap::new();
        for standing in state.standings() {
            let Some(ring) = state.keyrings.get(&standing.client_id()) else { continue };
            let thumbprints = ring.keys.iter().map(|key| key.thumbprint.as_str());
            let own = thumbprints.filter_map(|text| Identifier::of(IdentifierKind::Key, text));
            keys.entry(standing.vendor_id()).or_default().extend(own);
        }
        Self(keys)
    }
}

/// Who a vendor is, by all that is known of it.
pub(crate) fn subject(state: &State, keys: &Keys, vendor: VendorId, spec: &VendorSpec) -> Subject {
    let mut subject = of_dossier(state, vendor);
    subject.names.insert(0, spec.legal_name.clone());
    subject.names.extend(spec.aliases.iter().cloned());
    dedup(&mut subject.names);
    let given = [(IdentifierKind::Lei, &spec.lei), (IdentifierKind::Number, &spec.registry_number)];
    let given = given.into_iter().filter_map(|(kind, text)| Identifier::of(kind, text.as_deref()?));
    let domains = spec.domains.iter().filter_map(|domain| Identifier::of(IdentifierKind::Domain, domain));
    let keys = keys.0.get(&vendor).into_iter().flatten().cloned();
    subject.identifiers.extend(given.chain(domains).chain(keys));
    subject.identifiers.sort();
    subject.identifiers.dedup();
    subject
}

/// Of registers' records alone: of a vendor that isn't declared any more there is nothing else.
fn of_dossier(state: &State, vendor: VendorId) -> Subject {
    let dossier = state.dossier(vendor);
    let records = || dossier.entity.values();
    let mut names = records().map(|record| record.legal_name.clone()).collect();
    dedup(&mut names);
    let mut identifiers: Vec<Identifier> = records().flat_map(Identifier::of_record).collect();
    identifiers.sort();
    identifiers.dedup();
    let officers =
        records().flat_map(|record| &record.officers).map(|officer| officer.name.clone()).collect();
    Subject { names, identifiers, officers }
}

fn dedup(names: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}
