//! What vendors' people are to be told, and who was: of each severance and restoration, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::command::Context;
use crate::event::{Cause, Event, Restoration, Severance};
use crate::ids::{RestoreId, SeveranceId, SubjectId, VendorId};
use crate::personal::Personal;
use crate::spec::{Contact, Kind, Spec};
use crate::state::{Resource, State};
use crate::target::Target;
use crate::telling::{TellingOutcome, VendorTelling};

/// Severances and restorations that are remembered: of more, the oldest go.
const TELLINGS_MAX: usize = 1_000;
/// People who are told of one thing by mail: whoever comes after them is to be called.
const CONTACTS_MAX: usize = 20;
/// In a role: whoever runs the vendor's machines, or looks after their safety.
const AT_WORK: [&str; 14] = [
    "security",
    "technical",
    "technology",
    "tech",
    "operations",
    "ops",
    "engineering",
    "support",
    "incident",
    "incidents",
    "soc",
    "noc",
    "emergency",
    "all",
];

/// By the id of the severance or the restoration.
pub type Tellings = BTreeMap<Uuid, Arc<Telling>>;

/// Something that a vendor's people are to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    pub matter: Matter,
    pub vendor: VendorId,
    pub target: Target,
    /// People have done it, and not a machine by itself.
    pub by_hand: bool,
    pub time: Timestamp,
    /// How it went with whom, and when.
    pub words: BTreeMap<SubjectId, (TellingOutcome, Timestamp)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Matter {
    Severed {
        severance: SeveranceId,
    },
    Restored {
        restoration: RestoreId,
        severances: Vec<SeveranceId>,
        /// When the first of them was cut.
        closed_at: Timestamp,
        /// The keys from before are accepted again.
        keys_again: bool,
    },
}

/// Whether somebody is told by mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Yes,
    /// There is no address, or it was erased.
    NoAddress,
    /// Others look after it.
    OtherRole,
    /// Somebody else with the same address is told.
    SameAddress,
    /// So many others are told by mail already.
    Beyond,
}

/// One of a vendor's people, and whether they are told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Recipient<'a> {
    pub contact: &'a Contact,
    pub subject: SubjectId,
    pub asked: Asked,
}

impl<'a> Recipient<'a> {
    /// Where a letter would go.
    #[must_use]
    pub fn address(&self) -> Option<&'a str> {
        address(self.contact)
    }
}

impl State {
    /// The vendor that a target belongs to.
    #[must_use]
    pub fn vendor_of(&self, target: &Target) -> Option<&Resource> {
        match target {
            Target::Vendor { id } => {
                self.by_id(id.0).filter(|(kind, ..)| *kind == Kind::Vendor).map(|(.., vendor)| vendor)
            }
            Target::Integration { id } => {
                let integration = self.by_id(id.0).map(|(_, name, _)| name);
                integration.and_then(|name| self.vendor_of_integration(name))
            }
            Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
                self.standing_of(*id).map(|standing| standing.vendor)
            }
        }
    }

    /// A vendor's people as they are declared now, and who of them is told of what befalls `target`: of the whole vendor
    /// everybody with an address, of less those whose work it is, or everybody where it is nobody's.
    #[must_use]
    pub fn contacts_for(&self, vendor: VendorId, target: &Target) -> Vec<Recipient<'_>> {
        let Some((_, _, resource)) = self.by_id(vendor.0) else { return Vec::new() };
        let Spec::Vendor(spec) = &resource.declaration.spec else { return Vec::new() };
        let reached = |contact: &&Contact| address(contact).is_some() && is_at_work(contact);
        let everybody =
            matches!(target, Target::Vendor { .. }) || !spec.contacts.iter().any(|contact| reached(&contact));
        let mut addresses = BTreeSet::new();
        let people = spec.contacts.iter().filter_map(|contact| {
            let subject = contact.name.subject()?;
            let asked = match address(contact) {
                None => Asked::NoAddress,
                Some(_) if !everybody && !is_at_work(contact) => Asked::OtherRole,
                Some(address) if addresses.contains(&address.to_ascii_lowercase()) => Asked::SameAddress,
                Some(_) if addresses.len() >= CONTACTS_MAX => Asked::Beyond,
                Some(address) => {
                    addresses.insert(address.to_ascii_lowercase());
                    Asked::Yes
                }
            };
            Some(Recipient { contact, subject, asked })
        });
        people.collect()
    }

    /// When one of a vendor's people got a letter last.
    #[must_use]
    pub fn told_last(&self, vendor: VendorId, contact: SubjectId) -> Option<Timestamp> {
        let of_vendor = self.tellings.values().filter(|telling| telling.vendor == vendor);
        let told = of_vendor.filter_map(|telling| match telling.words.get(&contact) {
            Some((TellingOutcome::Told, at)) => Some(*at),
            _ => None,
        });
        told.max()
    }

    /// Whether the vendor's people are told that this was cut. Exercises are nobody's business outside; and what befalls a
    /// canary isn't, unless a person has cut it.
    #[must_use]
    pub fn is_told(&self, target: &Target, cause: &Cause) -> bool {
        match cause {
            Cause::Exercise { .. } => false,
            Cause::Operator { .. } | Cause::Revoked { .. } => true,
            _ => !self.is_canarys(target),
        }
    }

    pub(super) fn decide_told(
        &self,
        matter: Uuid,
        contact: SubjectId,
        outcome: TellingOutcome,
        context: &Context<'_>,
    ) -> Vec<Event> {
        let Some(telling) = self.tellings.get(&matter) else { return Vec::new() };
        // Whoever was told stays told, and is told once.
        let known = telling.words.get(&contact).map(|(known, _)| *known);
        if known == Some(TellingOutcome::Told) || known == Some(outcome) {
            return Vec::new();
        }
        let (vendor, time) = (telling.vendor, context.now);
        vec![Event::VendorTold(VendorTelling { matter, vendor, contact, outcome, time })]
    }

    pub(super) fn apply_vendor_told(&mut self, told: &VendorTelling) {
        let Some(telling) = self.tellings.get_mut(&told.matter) else { return };
        let words = &mut Arc::make_mut(telling).words;
        match words.get(&told.contact) {
            Some((TellingOutcome::Told, _)) => {}
            _ => {
                words.insert(told.contact, (told.outcome, told.time));
            }
        }
    }

    pub(super) fn note_severed(&mut self, severance: &Severance) {
        if !self.is_told(&severance.target, &severance.cause) {
            return;
        }
        let Some(vendor) = self.vendor_of(&severance.target).map(|vendor| VendorId(vendor.id)) else {
            return;
        };
        let telling = Telling {
            matter: Matter::Severed { severance: severance.id },
            vendor,
            target: severance.target.clone(),
            by_hand: matches!(severance.cause, Cause::Operator { .. } | Cause::Revoked { .. }),
            time: severance.time,
            words: BTreeMap::new(),
        };
        self.keep_telling(severance.id.0, telling);
    }

    /// Before the severances are lifted.
    pub(super) fn note_restored(&mut self, restoration: &Restoration) {
        let told = restoration.severances.iter().filter_map(|severance| self.tellings.get(&severance.0));
        let Some((vendor, closed_at)) =
            told.map(|telling| (telling.vendor, telling.time)).min_by_key(|(_, time)| *time)
        else {
            return;
        };
        let lifted = restoration.severances.iter().filter_map(|severance| self.severances.get(severance));
        let again = |key: &String| restoration.keys.contains(key);
        let keys_again =
            !restoration.target.needs_two() && lifted.flat_map(|severance| &severance.keys).all(again);
        let telling = Telling {
            matter: Matter::Restored {
                restoration: restoration.id,
                severances: restoration.severances.clone(),
                closed_at,
                keys_again,
            },
            vendor,
            target: restoration.target.clone(),
            by_hand: true,
            time: restoration.time,
            words: BTreeMap::new(),
        };
        self.keep_telling(restoration.id.0, telling);
    }

    fn keep_telling(&mut self, id: Uuid, telling: Telling) {
        self.tellings.entry(id).or_insert_with(|| Arc::new(telling));
        if self.tellings.len() > TELLINGS_MAX {
            let oldest = self.tellings.iter().min_by_key(|(id, telling)| (telling.time, **id));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.tellings.remove(&oldest);
            }
        }
    }
}

fn address(contact: &Contact) -> Option<&str> {
    match contact.email.as_ref()? {
        Personal::Erased { .. } => None,
        Personal::Plain(text) | Personal::Held { text, .. } => {
            Some(text.trim()).filter(|text| !text.is_empty())
        }
    }
}

/// A role is free text; whoever has none is there for everything.
fn is_at_work(contact: &Contact) -> bool {
    let Some(role) = &contact.role else { return true };
    let mut words = role.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    role.trim().is_empty() || words.any(|word| AT_WORK.contains(&word.to_lowercase().as_str()))
}
