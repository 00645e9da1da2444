//! What is declared, found by its name, by its id, and by what it hangs on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::spec::{Kind, Spec};
use crate::state::Resource;

/// Where a resource stands.
pub type Place = (Kind, String);

/// Every declared resource. Those who look at one of ten thousand vendors look at no other.
#[derive(Clone, Default, Debug)]
pub struct Registry {
    named: BTreeMap<Place, Arc<Resource>>,
    places: HashMap<Uuid, Place>,
    /// Names of the contracts of a vendor, and of the integrations of a contract.
    under: BTreeMap<Place, BTreeSet<String>>,
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        // The rest follows from it.
        self.named == other.named
    }
}

impl Registry {
    #[must_use]
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Resource> {
        self.named.get(&(kind, name.to_owned())).map(AsRef::as_ref)
    }

    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<(Kind, &str, &Resource)> {
        let ((kind, name), resource) = self.named.get_key_value(self.places.get(&id)?)?;
        Some((*kind, name.as_str(), resource))
    }

    /// Names of what hangs on a vendor (contracts) or on a contract (integrations), in their order.
    pub fn under(&self, kind: Kind, name: &str) -> impl Iterator<Item = &str> {
        self.under.get(&(kind, name.to_owned())).into_iter().flatten().map(String::as_str)
    }

    /// By kind and name.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Resource)> {
        self.named.iter().map(|(place, resource)| (place, &**resource))
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&str, &Resource)> {
        self.named
            .range((kind, String::new())..)
            .take_while(move |((found, _), _)| *found == kind)
            .map(|((_, name), resource)| (name.as_str(), &**resource))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub(super) fn insert(&mut self, resource: Resource) {
        let declaration = &resource.declaration;
        let place = (declaration.spec.kind(), declaration.name.clone());
        self.remove(place.0, &place.1);
        if let Some(on) = hangs_on(&declaration.spec) {
            self.under.entry(on).or_default().insert(place.1.clone());
        }
        self.places.insert(resource.id, place.clone());
        self.named.insert(place, Arc::new(resource));
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) -> Option<Arc<Resource>> {
        let gone = self.named.remove(&(kind, name.to_owned()))?;
        self.places.remove(&gone.id);
        if let Some(on) = hangs_on(&gone.declaration.spec)
            && let Some(names) = self.under.get_mut(&on)
        {
            names.remove(name);
            if names.is_empty() {
                self.under.remove(&on);
            }
        }
        Some(gone)
    }

    /// To change what neither names it nor says what it hangs on.
    pub(super) fn get_mut(&mut self, place: &Place) -> Option<&mut Resource> {
        self.named.get_mut(place).map(Arc::make_mut)
    }

    /// Likewise.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.named.values_mut().map(Arc::make_mut)
    }
}

fn hangs_on(spec: &Spec) -> Option<Place> {
    match spec {
        Spec::Contract(spec) => Some((Kind::Vendor, spec.vendor.clone())),
        Spec::Integration(spec) => Some((Kind::Contract, spec.contract.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn resource(kind: Kind, name: u8, on: u8, id: u128) -> Resource {
        let spec: Value = match kind {
            Kind::Contract => {
                json!({ "vendor": format!("n{on}"), "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC" })
            }
            Kind::Integration => {
                json!({ "contract": format!("n{on}"), "purpose": "x", "routes": [], "scopes": [] })
            }
            _ => json!({ "legal_name": format!("Firm {on}") }),
        };
        let kind = match kind {
            Kind::Contract => "Contract",
            Kind::Integration => "Integration",
            _ => "Vendor",
        };
        let declaration = json!({ "kind": kind, "name": format!("n{name}"), "spec": spec });
        let declaration = serde_json::from_value(declaration).unwrap();
        Resource { id: Uuid::from_u128(id), declaration, keys: Vec::new(), version: 0 }
    }

    const KINDS: [Kind; 3] = [Kind::Vendor, Kind::Contract, Kind::Integration];

    proptest! {
        /// Declared, declared otherwise, removed, and declared anew under another id.
        #[test]
        fn every_way_finds_what_a_look_at_all_finds(
            steps in proptest::collection::vec((0..3_usize, 0..4_u8, 0..4_u8, 0..3_u8), 0..60),
        ) {
            let (mut registry, mut naive) = (Registry::default(), BTreeMap::<Place, Resource>::new());
            for (number, (kind, name, on, what)) in (1_u128..).zip(steps) {
                let kind = KINDS[kind];
                let place = (kind, format!("n{name}"));
                if what == 0 {
                    registry.remove(kind, &place.1);
                    naive.remove(&place);
                } else {
                    // A resource that is declared otherwise keeps its id.
                    let id = naive.get(&place).map_or(number, |known| known.id.as_u128());
                    registry.insert(resource(kind, name, on, id));
                    naive.insert(place, resource(kind, name, on, id));
                }
            }
            let all: Vec<_> = registry.iter().map(|(place, found)| (place.clone(), found.clone())).collect();
            prop_assert_eq!(&all, &naive.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(registry.places.len(), naive.len());
            for ((kind, name), found) in &naive {
                prop_assert_eq!(registry.by_id(found.id), Some((*kind, name.as_str(), found)));
                prop_assert_eq!(registry.get(*kind, name), Some(found));
            }
            for kind in KINDS {
                for name in 0..4 {
                    let name = format!("n{name}");
                    let hang = |found: &&Resource| hangs_on(&found.declaration.spec) == Some((kind, name.clone()));
                    let expect: Vec<&str> = naive.values().filter(hang).map(|found| found.declaration.name.as_str()).collect();
                    prop_assert_eq!(registry.under(kind, &name).collect::<Vec<_>>(), expect);
                }
            }
            prop_assert_eq!(registry.by_id(Uuid::from_u128(1_000)), None);
            prop_assert!(registry.under.values().all(|names| !names.is_empty()), "nothing is left behind");
        }
    }
}
