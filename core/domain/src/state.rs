//! The state that events add up to: registry, operators, severances, epochs.
//!
//! It is a projection: folding the ledger from its first event gives the same value as the live
//! one, after erasures too (checked by `adapters` and `planes/control` tests).

pub mod access;
mod apply;
mod archive;
mod auditors;
mod break_glass;
pub mod certificates;
mod client_keys;
mod decide;
mod dossiers;
mod enrolment;
pub mod exercises;
pub mod incidents;
mod issuers;
pub mod judging;
pub mod network;
pub mod pages;
pub mod posture;
mod registry;
mod resources;
mod severing;
pub mod signing_keys;
pub mod stops;
pub mod telling;
pub mod tunnels;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_assurance::Dossier;
use portcullis_assurance::stops::StopMode;
use portcullis_incident::Incident;
use serde::Serialize;
use uuid::Uuid;

use self::certificates::KnownCertificate;
use self::exercises::Runs;
use self::judging::Judgements;
use crate::access::VendorHold;
use crate::archive::{LegalHold, SealedFiles};
use crate::auditor::Auditor;
use crate::break_glass::BreakGlass;
use crate::event::{FromBackup, RegisteredKey, RestoreProposal, Severance};
use crate::ids::{
    ClientId, IncidentId, IntegrationId, OperatorId, RestoreId, SeveranceId, SubjectId, VendorId,
};
use crate::personal::Personal;
use crate::spec::{
    ClientSpec, ContractSpec, Declaration, IntegrationSpec, Kind, RouteSpec, Spec, UpstreamSpec, VendorSpec,
};
use crate::target::{Target, TargetName};
pub use client_keys::{ClientKey, KeyEnd, KeySource, KeyTerm, Keyring, ROTATION_SECONDS};
pub use enrolment::{Enrolment, RECOVERIES_MAX};
pub use posture::KnownPosture;
pub use registry::{Place, Registry};
use signing_keys::{FormerKey, PublishedKey};

pub use issuers::{IssuerKeys, KeysOrigin};

/// Everything that is known, and in force.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct State {
    /// Number of events that it was folded from.
    pub size: u64,
    pub installation: Option<Installation>,
    /// Shared by all states until something is declared: what becomes known of a vendor leaves it as it is.
    pub resources: Arc<Registry>,
    pub operators: BTreeMap<OperatorId, Operator>,
    /// Those that tokens verify with.
    pub signing_keys: Vec<PublishedKey>,
    /// Those that none verifies with any more, by kid.
    pub former_signing_keys: BTreeMap<String, FormerKey>,
    /// Epochs of vendors, integrations and clients by id; absent means 1.
    pub epochs: BTreeMap<Uuid, u64>,
    /// When the epoch of a vendor, integration or client was raised last: what was issued elsewhere
    /// until then is dead.
    pub cut_offs: BTreeMap<Uuid, Timestamp>,
    /// Fetched keys of issuers and trust domains, by id.
    pub issuer_keys: BTreeMap<Uuid, IssuerKeys>,
    /// Open severances.
    pub severances: BTreeMap<SeveranceId, Severance>,
    /// Every severance there ever was.
    pub severances_known: BTreeSet<SeveranceId>,
    pub proposals: BTreeMap<RestoreId, RestoreProposal>,
    /// Thumbprints that no client may use, with the severance that closed them.
    pub refused_keys: BTreeMap<String, SeveranceId>,
    /// Thumbprints and sessions that were restored, with the size of the ledger after that.
    pub lifted: BTreeMap<String, u64>,
    /// Revoked tokens, expired ones too: id → expiry.
    pub revoked_tokens: BTreeMap<String, Timestamp>,
    /// Every key that a client has or had.
    pub keyrings: BTreeMap<ClientId, Keyring>,
    /// Thumbprints that were replaced, or left behind in a recovery: they never come back.
    pub spent_keys: BTreeMap<String, ClientId>,
    /// The newest enrolment of each client, by the digest of its code.
    pub enrolments: BTreeMap<String, ClientId>,
    /// Everybody whose texts some event holds, also where no resource names them any more.
    pub subjects: BTreeSet<SubjectId>,
    /// Sealed files of decisions, shared by all states until another one is sealed.
    pub sealed: Arc<SealedFiles>,
    /// Names of files whose rows went, all or some of them.
    pub expired: Arc<BTreeSet<String>>,
    /// Vendors whose decisions are kept whatever else says.
    pub holds: BTreeMap<VendorId, LegalHold>,
    /// Certificates of the built-in authority that may still be valid, by serial number.
    pub certificates: BTreeMap<String, KnownCertificate>,
    /// How many days the decisions of vendors are kept, of deleted ones too; without an entry as many as usual.
    pub decisions_days: BTreeMap<VendorId, u32>,
    /// The newest words of analysts on decisions.
    pub judgements: Judgements,
    /// What was said last of the machine of each client.
    pub postures: BTreeMap<ClientId, KnownPosture>,
    /// What is known of vendors, of deleted ones too.
    pub dossiers: BTreeMap<VendorId, Arc<Dossier>>,
    /// As they were declared last, without people: whoever comes back under another name is recognised by it.
    pub gone_vendors: BTreeMap<VendorId, Arc<VendorSpec>>,
    /// What operators have said that vendors may have.
    pub vendor_holds: BTreeMap<VendorId, VendorHold>,
    /// Whose signatures over documents count, by name.
    pub auditors: BTreeMap<String, Auditor>,
    /// Closed ones too.
    pub incidents: BTreeMap<IncidentId, Arc<Incident>>,
    /// Signed receipts of severances, the first one first.
    pub receipts: BTreeMap<SeveranceId, Vec<Arc<str>>>,
    /// Sealed credentials for when nobody can sign in. They are no operators.
    pub break_glass: BTreeMap<OperatorId, BreakGlass>,
    /// Credentials and people of tunnels, and what their peers are or were known by.
    pub tunnels: tunnels::Tunnels,
    /// The newest runs of each exercise, and of the kill drill.
    pub exercise_runs: Runs,
    /// Whether packets outside the network plan are dropped; none where nobody has ever said.
    pub segmentation: Option<network::Segmentation>,
    /// Who was called for what, and whether somebody has answered.
    pub pages: pages::Pages,
    /// What vendors' people are to be told, and who was.
    pub tellings: telling::Tellings,
    /// The backup that this ledger was brought back from last.
    pub from_backup: Option<FromBackup>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Installation {
    pub id: Uuid,
    pub issuer: String,
    /// What the hard stops do where no policy says so.
    pub stops: Option<StopMode>,
}

/// A declared resource.
#[derive(Clone, PartialEq, Debug)]
pub struct Resource {
    pub id: Uuid,
    pub declaration: Declaration,
    /// Of a client: what it may still prove itself by, or could until lately.
    pub keys: Vec<RegisteredKey>,
    /// Ledger size when it was last changed: its version.
    pub version: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Operator {
    pub id: OperatorId,
    pub name: Personal,
    #[serde(skip)]
    pub token_sha256: String,
}

/// A client with all that it hangs on.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub client: &'a Resource,
    pub client_spec: &'a ClientSpec,
    pub integration: &'a Resource,
    pub integration_spec: &'a IntegrationSpec,
    pub contract_spec: &'a ContractSpec,
    pub vendor: &'a Resource,
    pub vendor_spec: &'a VendorSpec,
}

impl Standing<'_> {
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        ClientId(self.client.id)
    }
    #[must_use]
    pub fn integration_id(&self) -> IntegrationId {
        IntegrationId(self.integration.id)
    }
    #[must_use]
    pub fn vendor_id(&self) -> VendorId {
        VendorId(self.vendor.id)
    }
}

impl State {
    #[must_use]
    pub fn resource(&self, kind: Kind, name: &str) -> Option<&Resource> {
        self.resources.get(kind, name)
    }

    /// Resources of one kind, by name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&str, &Resource)> {
        self.resources.of_kind(kind)
    }

    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<(Kind, &str, &Resource)> {
        self.resources.by_id(id)
    }

    /// The last moment whose tokens from elsewhere are dead, if there is one.
    #[must_use]
    pub fn cut_off(&self, id: Uuid) -> Option<Timestamp> {
        self.cut_offs.get(&id).copied()
    }

    #[must_use]
    pub fn epoch(&self, id: Uuid) -> u64 {
        self.epochs.get(&id).copied().unwrap_or(1)
    }

    /// The client called `name` with its integration, contract and vendor.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<Standing<'_>> {
        let client = self.resource(Kind::Client, name)?;
        let Spec::Client(client_spec) = &client.declaration.spec else { return None };
        let integration = self.resource(Kind::Integration, &client_spec.integration)?;
        let Spec::Integration(integration_spec) = &integration.declaration.spec else { return None };
        let contract = self.resource(Kind::Contract, &integration_spec.contract)?;
        let Spec::Contract(contract_spec) = &contract.declaration.spec else { return None };
        let vendor = self.resource(Kind::Vendor, &contract_spec.vendor)?;
        let Spec::Vendor(vendor_spec) = &vendor.declaration.spec else { return None };
        Some(Standing {
            client,
            client_spec,
            integration,
            integration_spec,
            contract_spec,
            vendor,
            vendor_spec,
        })
    }

    /// Every client with what it hangs on.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.of_kind(Kind::Client).filter_map(|(name, _)| self.standing(name))
    }

    /// The vendor behind an integration, by name.
    #[must_use]
    pub fn vendor_of_integration(&self, integration: &str) -> Option<&Resource> {
        let Spec::Integration(spec) = &self.resource(Kind::Integration, integration)?.declaration.spec else {
            return None;
        };
        let Spec::Contract(contract) = &self.resource(Kind::Contract, &spec.contract)?.declaration.spec
        else {
            return None;
        };
        self.resource(Kind::Vendor, &contract.vendor)
    }

    #[must_use]
    pub fn route(&self, name: &str) -> Option<(&Resource, &RouteSpec)> {
        let resource = self.resource(Kind::Route, name)?;
        match &resource.declaration.spec {
            Spec::Route(spec) => Some((resource, spec)),
            _ => None,
        }
    }

    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<(&Resource, &UpstreamSpec)> {
        let resource = self.resource(Kind::Upstream, name)?;
        match &resource.declaration.spec {
            Spec::Upstream(spec) => Some((resource, spec)),
            _ => None,
        }
    }

    /// The operator whose token has this digest (lower-case hex of SHA-256).
    #[must_use]
    pub fn operator_by_token(&self, token_sha256: &str) -> Option<&Operator> {
        self.operators.values().find(|operator| operator.token_sha256 == token_sha256)
    }

    #[must_use]
    pub fn operator_named(&self, name: &str) -> Option<&Operator> {
        self.operators.values().find(|operator| operator.name.text() == name)
    }

    /// The severances in force that close this very target (not those of what it belongs to).
    pub fn severances_of<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Severance> {
        self.severances.values().filter(move |severance| severance.target == *target)
    }

    /// How a person would write `target`; the id where the name is gone.
    #[must_use]
    pub fn name_of(&self, target: &Target) -> String {
        let named = |id: Uuid| self.by_id(id).map_or_else(|| id.to_string(), |(_, name, _)| name.to_owned());
        match target {
            Target::Vendor { id } => format!("vendor/{}", named(id.0)),
            Target::Integration { id } => format!("integration/{}", named(id.0)),
            Target::Client { id } => format!("client/{}", named(id.0)),
            Target::Key { thumbprint, .. } => format!("key/{thumbprint}"),
            Target::Session { session, .. } => format!("session/{session}"),
        }
    }

    /// The names of the routes that a target's integrations reach: what stops when it is severed.
    #[must_use]
    pub fn routes_reached(&self, target: &Target) -> BTreeSet<String> {
        let mut routes = BTreeSet::new();
        for (name, integration) in self.of_kind(Kind::Integration) {
            let Spec::Integration(spec) = &integration.declaration.spec else { continue };
            let hit = match target {
                Target::Vendor { id } => {
                    self.vendor_of_integration(name).is_some_and(|vendor| vendor.id == id.0)
                }
                Target::Integration { id } => integration.id == id.0,
                Target::Client { id }
                | Target::Key { client: id, .. }
                | Target::Session { client: id, .. } => self.by_id(id.0).is_some_and(|(_, client, _)| {
                    self.standing(client).is_some_and(|standing| standing.integration.id == integration.id)
                }),
            };
            if hit {
                routes.extend(spec.routes.iter().cloned());
            }
        }
        routes
    }

    /// Turns a name into the target it means now. Sessions and keys are looked for among severances,
    /// unless `client` of a live one is known from elsewhere.
    #[must_use]
    pub fn target(&self, name: &TargetName) -> Option<Target> {
        match name {
            TargetName::Vendor(name) => {
                let found = self.resource(Kind::Vendor, name);
                let found = found.map(|found| Target::Vendor { id: VendorId(found.id) });
                found.or_else(|| self.severed_nameless(name, |id| Target::Vendor { id: VendorId(id) }))
            }
            TargetName::Integration(name) => {
                let found = self.resource(Kind::Integration, name);
                let found = found.map(|found| Target::Integration { id: IntegrationId(found.id) });
                found.or_else(|| {
                    self.severed_nameless(name, |id| Target::Integration { id: IntegrationId(id) })
                })
            }
            TargetName::Client(name) => {
                self.resource(Kind::Client, name).map(|found| Target::Client { id: ClientId(found.id) })
            }
            TargetName::Key(thumbprint) => {
                // A record cut closes all keys of one exchange under the first one's name.
                let severed = self.severances.values().find(|severance| {
                    matches!(severance.target, Target::Key { .. }) && severance.keys.contains(thumbprint)
                });
                severed.map(|severance| severance.target.clone()).or_else(|| {
                    self.of_kind(Kind::Client)
                        .find(|(_, client)| client.keys.iter().any(|key| key.thumbprint == *thumbprint))
                        .map(|(_, client)| Target::Key {
                            client: ClientId(client.id),
                            thumbprint: thumbprint.clone(),
                        })
                })
            }
            TargetName::Session(session) => self
                .severances
                .values()
                .map(|severance| &severance.target)
                .find(|target| matches!(target, Target::Session { session: found, .. } if found == session))
                .cloned(),
        }
    }

    /// What is severed and has no name here, by its id: two people can restore that, too.
    fn severed_nameless(&self, name: &str, target: impl FnOnce(Uuid) -> Target) -> Option<Target> {
        let id = name.parse().ok()?;
        let target = target(id);
        (self.by_id(id).is_none() && self.severances_of(&target).next().is_some()).then_some(target)
    }
}
