//! Tunnels: whose credentials are good, who may come in, and what was whose.

mod observing;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use uuid::Uuid;

use crate::access::Access;
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::exercise::ExerciseRefusal;
use crate::ids::{IntegrationId, OperatorId, SubjectId, TunnelId, VendorId};
use crate::personal::Personal;
use crate::spec::{IntegrationSpec, Kind, Spec, TunnelSpec};
use crate::state::decide::check_reason;
use crate::state::{Resource, State};
use crate::target::Target;
use crate::tunnel::{
    Fingerprint, TunnelCredentials, TunnelObservation, TunnelPerson, TunnelPersonRevocation,
};

/// People of one tunnel, with those that were shut out.
const PEOPLE_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 200;

/// What is known of tunnels beside their declarations.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Tunnels {
    /// The newest of each tunnel's gateway.
    pub credentials: BTreeMap<TunnelId, TunnelCredentials>,
    pub people: BTreeMap<TunnelId, BTreeMap<TunnelId, Person>>,
    /// What peers are or were known by, and whose: for good, so that nothing of one vendor's is ever another's.
    pub marks: BTreeMap<Mark, VendorId>,
    /// Fingerprints of credentials that there are or were, with the tunnel or the person that they were issued to.
    pub fingerprints: BTreeMap<Fingerprint, TunnelId>,
    /// Epochs of vendors and integrations after their last severance or restoration: older credentials are void.
    pub floors: BTreeMap<Uuid, u64>,
    /// The last of each gateway and person; of those that are gone while they were up.
    pub observed: BTreeMap<TunnelId, TunnelObservation>,
}

/// One of a vendor's people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    pub added: TunnelPerson,
    pub credentials: Option<TunnelCredentials>,
    pub revoked: Option<TunnelPersonRevocation>,
}

/// Something that a peer is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mark {
    Address(IpAddr),
    /// In lower case.
    Identity(String),
    PublicKey(String),
}

impl Mark {
    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Address(address) => format!("peer address `{address}`"),
            Self::Identity(identity) => format!("identity `{identity}`"),
            Self::PublicKey(key) => format!("public key `{key}`"),
        }
    }
}

/// Credentials that were made, before the ledger knows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCredentials {
    pub id: Uuid,
    pub fingerprints: Vec<Fingerprint>,
    pub not_after: Option<Timestamp>,
}

/// A person who is to come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPerson {
    pub id: TunnelId,
    pub name: Personal,
    pub credentials: NewCredentials,
}

/// A tunnel with all that it hangs on.
#[derive(Clone, Copy, Debug)]
pub struct TunnelStanding<'a> {
    pub name: &'a str,
    pub tunnel: &'a Resource,
    pub spec: &'a TunnelSpec,
    pub integration: &'a Resource,
    pub integration_spec: &'a IntegrationSpec,
    pub vendor: &'a Resource,
}

impl TunnelStanding<'_> {
    #[must_use]
    pub fn id(&self) -> TunnelId {
        TunnelId(self.tunnel.id)
    }

    #[must_use]
    pub fn vendor_id(&self) -> VendorId {
        VendorId(self.vendor.id)
    }

    #[must_use]
    pub fn integration_id(&self) -> IntegrationId {
        IntegrationId(self.integration.id)
    }
}

/// What a spec's peer is known by, each with the pointer of its place.
#[must_use]
pub fn marks(spec: &TunnelSpec) -> Vec<(Mark, String)> {
    let mut marks = Vec::new();
    if let Some(ipsec) = &spec.ipsec {
        if let Some(address) = ipsec.peer_address.as_ref().and_then(|text| text.parse().ok()) {
            marks.push((Mark::Address(address), "/spec/ipsec/peer_address".to_owned()));
        }
        if let Some(identity) = &ipsec.peer_identity {
            let mark = Mark::Identity(identity.to_ascii_lowercase());
            marks.push((mark, "/spec/ipsec/peer_identity".to_owned()));
        }
    }
    if let Some(wireguard) = &spec.wireguard {
        if let Some(endpoint) = wireguard.endpoint() {
            marks.push((Mark::Address(endpoint.ip()), "/spec/wireguard/endpoint".to_owned()));
        }
        let key = Mark::PublicKey(wireguard.peer_public_key.clone());
        marks.push((key, "/spec/wireguard/peer_public_key".to_owned()));
    }
    marks
}

impl State {
    /// The tunnel called `name` with its integration and vendor.
    #[must_use]
    pub fn tunnel(&self, name: &str) -> Option<TunnelStanding<'_>> {
        let (_, name, tunnel) = self.by_id(self.resource(Kind::Tunnel, name)?.id)?;
        let Spec::Tunnel(spec) = &tunnel.declaration.spec else { return None };
        let integration = self.resource(Kind::Integration, &spec.integration)?;
        let Spec::Integration(integration_spec) = &integration.declaration.spec else { return None };
        let vendor = self.vendor_of_integration(&spec.integration)?;
        Some(TunnelStanding { name, tunnel, spec, integration, integration_spec, vendor })
    }

    /// Every tunnel with what it hangs on.
    pub fn tunnel_standings(&self) -> impl Iterator<Item = TunnelStanding<'_>> {
        self.of_kind(Kind::Tunnel).filter_map(|(name, _)| self.tunnel(name))
    }

    /// Whether credentials are of after the last severance and restoration of vendor and integration, and haven't ended.
    #[must_use]
    pub fn credentials_hold(&self, credentials: &TunnelCredentials, now: Timestamp) -> bool {
        let floor = |id: Uuid| self.tunnels.floors.get(&id).copied().unwrap_or(0);
        credentials.vendor_epoch >= floor(credentials.vendor.0)
            && credentials.integration_epoch >= floor(credentials.integration.0)
            && credentials.not_after.is_none_or(|ends| now < ends)
    }

    /// People of a tunnel whose way in was not taken away, in the order of their addresses.
    pub fn people_of(&self, tunnel: TunnelId) -> impl Iterator<Item = &Person> {
        let people = self.tunnels.people.get(&tunnel);
        people.into_iter().flat_map(BTreeMap::values).filter(|person| person.revoked.is_none())
    }

    pub(super) fn decide_issue_tunnel_credentials(
        &self,
        name: &str,
        new: NewCredentials,
        by: OperatorId,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let standing = self.open_tunnel(name, context.now)?;
        if standing.spec.is_for_people() {
            return Err(Refusal::TunnelForPeople(name.to_owned()));
        }
        self.check_fingerprints(&new.fingerprints)?;
        Ok(vec![self.issued(&standing, None, new, (Some(by), None), context)])
    }

    /// By an exercise, which nobody has to be awake for: of the canary alone.
    pub(super) fn decide_issue_canary_tunnel(
        &self,
        name: &str,
        new: NewCredentials,
        (run, by): (Uuid, Option<OperatorId>),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let standing = self.open_tunnel(name, context.now)?;
        if !self.is_canarys(&Target::Vendor { id: standing.vendor_id() }) {
            return Err(ExerciseRefusal::NotCanary(format!("tunnel/{name}")).into());
        }
        if standing.spec.is_for_people() {
            return Err(Refusal::TunnelForPeople(name.to_owned()));
        }
        self.check_fingerprints(&new.fingerprints)?;
        Ok(vec![self.issued(&standing, None, new, (by, Some(run)), context)])
    }

    pub(super) fn decide_add_tunnel_person(
        &self,
        name: &str,
        new: NewPerson,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let standing = self.open_tunnel(name, context.now)?;
        if !standing.spec.is_for_people() {
            return Err(Refusal::TunnelNotForPeople(name.to_owned()));
        }
        // Somebody whom the vendor's state says to let nobody new in.
        self.check_may_grow(standing.vendor_id(), context.now)?;
        self.check_fingerprints(&new.credentials.fingerprints)?;
        let text = new.name.text().trim();
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(Refusal::PersonUnnamed { most: NAME_BYTES_MAX });
        }
        if self.people_of(standing.id()).any(|person| person.added.name.text() == text) {
            return Err(Refusal::PersonKnown { tunnel: name.to_owned() });
        }
        let known = self.tunnels.people.get(&standing.id()).map_or(0, BTreeMap::len);
        if known >= PEOPLE_MAX {
            return Err(Refusal::PeopleMany { tunnel: name.to_owned(), most: PEOPLE_MAX });
        }
        let address = self.free_address(&standing).ok_or_else(|| Refusal::AddressesTaken(name.to_owned()))?;
        let added = TunnelPerson {
            id: new.id,
            tunnel: standing.id(),
            name: new.name.held_by(SubjectId((context.new_id)())),
            address,
            by,
            time: context.now,
        };
        let issued = self.issued(&standing, Some(new.id), new.credentials, (Some(by), None), context);
        Ok(vec![Event::TunnelPersonAdded(added), issued])
    }

    /// Again changes nothing. `person` is the id, or the name where one has it.
    pub(super) fn decide_revoke_tunnel_person(
        &self,
        name: &str,
        person: &str,
        (by, reason): (OperatorId, String),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let tunnel = TunnelId(self.tunnel_named(name)?.id);
        let people = self.tunnels.people.get(&tunnel);
        let known = people.into_iter().flat_map(BTreeMap::values);
        let mut found: Vec<&Person> = known
            .filter(|known| known.added.id.to_string() == person || known.added.name.text() == person)
            .collect();
        // One of the name who was shut out before is another one.
        found.sort_by_key(|known| known.revoked.is_some());
        let unknown = || Refusal::Unknown { kind: "person", name: person.to_owned() };
        let found = found.first().ok_or_else(unknown)?;
        if found.revoked.is_some() {
            return Ok(Vec::new());
        }
        let person = found.added.id;
        let revocation = TunnelPersonRevocation { tunnel, person, by, reason, time: context.now };
        Ok(vec![Event::TunnelPersonRevoked(revocation)])
    }

    fn tunnel_named(&self, name: &str) -> Result<&Resource, Refusal> {
        let unknown = || Refusal::Unknown { kind: "Tunnel", name: name.to_owned() };
        self.resource(Kind::Tunnel, name).ok_or_else(unknown)
    }

    /// Credentials that were issued during a severance would be there when it is lifted, unseen by the second person.
    fn open_tunnel(&self, name: &str, now: Timestamp) -> Result<TunnelStanding<'_>, Refusal> {
        let unknown = || Refusal::Unknown { kind: "Tunnel", name: name.to_owned() };
        let standing = self.tunnel(name).ok_or_else(unknown)?;
        let targets = [
            Target::Vendor { id: standing.vendor_id() },
            Target::Integration { id: standing.integration_id() },
        ];
        let severance = targets.iter().find_map(|target| self.severances_of(target).next());
        if let Some(severance) = severance {
            return Err(Refusal::TunnelSevered { tunnel: name.to_owned(), severance: severance.id });
        }
        if self.access(standing.vendor_id(), now).level >= Access::Blocked {
            let vendor = standing.vendor.declaration.name.clone();
            let access = Box::new(self.access(standing.vendor_id(), now));
            return Err(Refusal::TunnelHeld { vendor, access });
        }
        Ok(standing)
    }

    fn check_fingerprints(&self, fingerprints: &[Fingerprint]) -> Result<(), Refusal> {
        let taken = fingerprints
            .iter()
            .find(|print| self.tunnels.fingerprints.keys().any(|known| known.sha256 == print.sha256));
        match taken {
            Some(print) => Err(Refusal::CredentialTaken { what: print.of.as_str() }),
            None => Ok(()),
        }
    }

    fn issued(
        &self,
        standing: &TunnelStanding<'_>,
        person: Option<TunnelId>,
        new: NewCredentials,
        (by, run): (Option<OperatorId>, Option<Uuid>),
        context: &Context<'_>,
    ) -> Event {
        Event::TunnelCredentialsIssued(TunnelCredentials {
            id: new.id,
            tunnel: standing.id(),
            person,
            vendor: standing.vendor_id(),
            integration: standing.integration_id(),
            vendor_epoch: self.epoch(standing.vendor.id),
            integration_epoch: self.epoch(standing.integration.id),
            fingerprints: new.fingerprints,
            not_after: new.not_after,
            by,
            run,
            time: context.now,
        })
    }

    /// The first address of the tunnel's networks that nobody has or had: a log that names it means one person.
    fn free_address(&self, standing: &TunnelStanding<'_>) -> Option<IpAddr> {
        let people = self.tunnels.people.get(&standing.id());
        let taken = |address: IpAddr| {
            people.is_some_and(|people| people.values().any(|person| person.added.address == address))
        };
        let networks = standing.spec.remote();
        let mut free =
            networks.iter().flat_map(IpNet::hosts).take(2 * PEOPLE_MAX).filter(|address| !taken(*address));
        free.next()
    }

    pub(super) fn apply_tunnel_declared(&mut self, spec: &TunnelSpec) {
        let Some(vendor) = self.vendor_of_integration(&spec.integration).map(|vendor| VendorId(vendor.id))
        else {
            return;
        };
        for (mark, _) in marks(spec) {
            self.tunnels.marks.entry(mark).or_insert(vendor);
        }
    }

    pub(super) fn apply_tunnel_removed(&mut self, id: TunnelId) {
        self.tunnels.credentials.remove(&id);
        self.tunnels.people.remove(&id);
        self.tunnels.observed.retain(|_, last| last.tunnel != id || last.up);
    }

    pub(super) fn apply_tunnel_credentials(&mut self, issued: &TunnelCredentials) {
        let whose = issued.person.unwrap_or(issued.tunnel);
        for print in &issued.fingerprints {
            self.tunnels.fingerprints.insert(print.clone(), whose);
        }
        match issued.person {
            None => {
                self.tunnels.credentials.insert(issued.tunnel, issued.clone());
            }
            Some(person) => {
                let people = self.tunnels.people.get_mut(&issued.tunnel);
                if let Some(person) = people.and_then(|people| people.get_mut(&person)) {
                    person.credentials = Some(issued.clone());
                }
            }
        }
    }

    pub(super) fn apply_tunnel_person(&mut self, added: &TunnelPerson) {
        self.hold(&added.name);
        let person = Person { added: added.clone(), credentials: None, revoked: None };
        self.tunnels.people.entry(added.tunnel).or_default().insert(added.id, person);
    }

    pub(super) fn apply_tunnel_person_revoked(&mut self, revocation: &TunnelPersonRevocation) {
        let people = self.tunnels.people.get_mut(&revocation.tunnel);
        if let Some(person) = people.and_then(|people| people.get_mut(&revocation.person)) {
            person.revoked = Some(revocation.clone());
        }
    }

    pub(super) fn erase_in_tunnels(&mut self, subject: SubjectId) {
        for person in self.tunnels.people.values_mut().flat_map(BTreeMap::values_mut) {
            person.added.name.erase(subject);
        }
    }

    /// Severed and restored, a tunnel needs other credentials: the former may be in other hands.
    pub(super) fn void_tunnel_credentials(&mut self, target: &Target) {
        let id = match target {
            Target::Vendor { id } => id.0,
            Target::Integration { id } => id.0,
            Target::Client { .. } | Target::Key { .. } | Target::Session { .. } => return,
        };
        let epoch = self.epoch(id);
        self.tunnels.floors.insert(id, epoch);
    }
}
