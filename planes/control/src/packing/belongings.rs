//! What belongs to a vendor, as the ledger tells it from its first event on: also what is gone by now.

use std::collections::{HashMap, HashSet};

use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::target::Target;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// An event that tells of it, as far as it does: people's words in declarations stay under their keys.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told {
    ResourceDefined { id: Uuid, declaration: Declared },
    ResourceRemoved { kind: Kind, name: String },
    Severed { id: Uuid, target: Target },
}

#[derive(Deserialize)]
struct Declared {
    kind: Kind,
    name: String,
    spec: Value,
}

/// Knows of each moment what belongs to the vendor then: something may be declared anew below another one.
pub(super) struct Belongings {
    vendor: Uuid,
    /// Who has a name at this moment.
    named: HashMap<(Kind, String), Uuid>,
    /// What a resource hangs on. It stays when the resource goes: what was closed of it is told by its id.
    above: HashMap<Uuid, Uuid>,
    severances: HashSet<Uuid>,
}

impl Belongings {
    pub fn of(vendor: VendorId) -> Self {
        Self { vendor: vendor.0, named: HashMap::new(), above: HashMap::new(), severances: HashSet::new() }
    }

    /// Takes in the payload of an event, each in its turn. Those of other kinds say nothing of it.
    ///
    /// # Errors
    /// It is no payload of this kind.
    pub fn learn(&mut self, kind: &str, payload: &[u8]) -> Result<(), serde_json::Error> {
        if !matches!(kind, "resource_defined" | "resource_removed" | "severed") {
            return Ok(());
        }
        match serde_json::from_slice(payload)? {
            Told::ResourceDefined { id, declaration } => self.declared(id, declaration),
            Told::ResourceRemoved { kind, name } => {
                self.named.remove(&(kind, name));
            }
            Told::Severed { id, target } => {
                if self.holds(target.id()) {
                    self.severances.insert(id);
                }
            }
        }
        Ok(())
    }

    /// The vendor, what hangs on it, and its severances.
    pub fn holds(&self, id: Uuid) -> bool {
        // A client hangs on an integration, that on a contract, and that on a vendor.
        let (mut place, mut steps) = (Some(id), 0);
        while let Some(id) = place.filter(|_| steps < 4) {
            if id == self.vendor {
                return true;
            }
            (place, steps) = (self.above.get(&id).copied(), steps + 1);
        }
        self.severances.contains(&id)
    }

    /// The same of an id that is written as a text.
    pub fn holds_text(&self, text: &str) -> bool {
        text.len() == 36 && text.parse().is_ok_and(|id| self.holds(id))
    }

    fn declared(&mut self, id: Uuid, declared: Declared) {
        let Declared { kind, name, spec } = declared;
        let above = match kind {
            Kind::Vendor => None,
            Kind::Contract => Some((Kind::Vendor, "vendor")),
            Kind::Integration => Some((Kind::Contract, "contract")),
            Kind::Client => Some((Kind::Integration, "integration")),
            _ => return,
        };
        self.named.insert((kind, name), id);
        let above = above.and_then(|(kind, member)| Some((kind, spec.get(member)?.as_str()?.to_owned())));
        // What it hangs on was declared before it.
        match above.and_then(|above| self.named.get(&above)) {
            Some(above) => self.above.insert(id, *above),
            None => self.above.remove(&id),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_domain::event::Event;
    use serde_json::json;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn defined(number: u128, kind: &str, name: &str, spec: Value) -> Event {
        let declaration = json!({ "kind": kind, "name": name, "spec": spec });
        let declaration = serde_json::from_value(declaration).unwrap();
        Event::ResourceDefined { id: id(number), declaration, keys: Vec::new(), time: None }
    }

    fn vendor(number: u128, name: &str) -> Event {
        defined(number, "Vendor", name, json!({ "legal_name": name, "contacts": [] }))
    }

    fn contract(number: u128, name: &str, vendor: &str) -> Event {
        let spec =
            json!({ "vendor": vendor, "starts": "2026-01-01", "ends": "2027-12-31", "time_zone": "UTC" });
        defined(number, "Contract", name, spec)
    }

    fn integration(number: u128, contract: &str) -> Event {
        let spec = json!({ "contract": contract, "purpose": "x", "routes": [], "scopes": [] });
        defined(number, "Integration", "feed", spec)
    }

    fn client(number: u128, name: &str) -> Event {
        defined(number, "Client", name, json!({ "integration": "feed", "jwks": { "keys": [] } }))
    }

    fn removed(number: u128, kind: Kind, name: &str) -> Event {
        Event::ResourceRemoved { id: id(number), kind, name: name.to_owned() }
    }

    fn severed(severance: u128, client: u128) -> Event {
        let severance = json!({
            "event": "severed", "id": id(severance), "epoch": 2, "keys": ["key"],
            "target": { "kind": "key", "client": id(client), "thumbprint": "key" },
            "cause": { "by": "operator", "operator": id(90), "reason": "leak" },
            "time": "2026-11-18T09:00:00Z",
        });
        serde_json::from_value(severance).unwrap()
    }

    #[test]
    fn what_is_gone_belongs_to_whom_it_belonged_to() {
        let mut of_acme = Belongings::of(VendorId(id(1)));
        let mut of_next = Belongings::of(VendorId(id(11)));
        let mut learn = |events: &[Event], acme: &[u128], next: &[u128]| {
            for event in events {
                let payload = serde_json::to_vec(event).unwrap();
                of_acme.learn(event.kind(), &payload).unwrap();
                of_next.learn(event.kind(), &payload).unwrap();
            }
            for (belongings, expect) in [(&of_acme, acme), (&of_next, next)] {
                let found: Vec<_> = (1..40).filter(|number| belongings.holds(id(*number))).collect();
                assert_eq!(found, expect);
                for number in 1..40 {
                    let text = id(number).to_string();
                    assert_eq!(belongings.holds_text(&text), expect.contains(&number));
                }
            }
        };
        let first = [
            vendor(1, "acme"),
            contract(2, "c", "acme"),
            integration(3, "c"),
            client(4, "a"),
            client(5, "b"),
        ];
        learn(&first, &[1, 2, 3, 4, 5], &[11]);
        learn(&[severed(6, 4), removed(4, Kind::Client, "a")], &[1, 2, 3, 4, 5, 6], &[11]);
        // Everything goes, and somebody else comes by the same names.
        let gone = [
            removed(5, Kind::Client, "b"),
            removed(3, Kind::Integration, "feed"),
            removed(2, Kind::Contract, "c"),
            removed(1, Kind::Vendor, "acme"),
        ];
        learn(&gone, &[1, 2, 3, 4, 5, 6], &[11]);
        let second = [vendor(11, "acme"), contract(12, "c", "acme"), integration(13, "c"), client(14, "a")];
        learn(&second, &[1, 2, 3, 4, 5, 6], &[11, 12, 13, 14]);
        learn(&[severed(15, 14)], &[1, 2, 3, 4, 5, 6], &[11, 12, 13, 14, 15]);
        // A contract that goes on with somebody else takes along what hangs on it.
        learn(&[vendor(21, "third"), contract(12, "c", "third")], &[1, 2, 3, 4, 5, 6], &[11, 15]);
    }
}
