//! What a manifest says of each kind of resource, and an event keeps: one type for both.

pub mod ceilings;
pub mod client;
pub mod contract;
pub mod feed;
pub mod integration;
pub mod issuer;
pub mod policy;
pub mod posture;
pub mod route;
pub mod trust_domain;
pub mod tunnel;
pub mod upstream;
pub mod vendor;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::personal::Personal;

pub use portcullis_exercise::spec::ExerciseSpec;

pub use ceilings::Ceilings;
pub use client::{AssertionAudience, Authentication, CertificateSubject, ClientSpec, ClientTls};
pub use contract::{Amendment, ContractSpec, ServiceLevels, Signer};
pub use feed::{FeedFormat, FeedSource, FeedSpec, Holds};
pub use integration::{Direction, IntegrationSpec, Limits, RateLimit, RecordLimit};
pub use issuer::{AllowUnbound, ClaimMapping, IssuerSpec, KeysFrom, ScopeClaim, TokenAlgorithm};
pub use policy::{MoneySpec, PolicySpec, StopModes};
pub use posture::PostureRules;
pub use route::{Impact, RouteSpec, UnboundTokens};
pub use trust_domain::{TrustDomainSpec, WorkloadMapping};
pub use tunnel::{IpsecSpec, TunnelAuthentication, TunnelSpec, WireguardSpec};
pub use upstream::{UpstreamProtocol, UpstreamSpec, UpstreamTls};
pub use vendor::{Contact, VendorSpec};

/// The kinds of resources that manifests declare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    Vendor,
    Contract,
    Upstream,
    Route,
    Integration,
    Client,
    Issuer,
    TrustDomain,
    Policy,
    Feed,
    Tunnel,
    Exercise,
}

impl Kind {
    /// In the order in which one may refer to those before it.
    pub const ALL: [Self; 12] = [
        Self::Vendor,
        Self::Contract,
        Self::Upstream,
        Self::Route,
        Self::Integration,
        Self::Client,
        Self::Issuer,
        Self::TrustDomain,
        Self::Policy,
        Self::Feed,
        Self::Tunnel,
        Self::Exercise,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "Vendor",
            Self::Contract => "Contract",
            Self::Upstream => "Upstream",
            Self::Route => "Route",
            Self::Integration => "Integration",
            Self::Client => "Client",
            Self::Issuer => "Issuer",
            Self::TrustDomain => "TrustDomain",
            Self::Policy => "Policy",
            Self::Feed => "Feed",
            Self::Tunnel => "Tunnel",
            Self::Exercise => "Exercise",
        }
    }

    /// `vendor`, `vendors` and `Vendor` all name the kind; `trust-domain` is `TrustDomain`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase().replace('-', "");
        Self::ALL.into_iter().find(|kind| {
            let name = kind.as_str().to_ascii_lowercase();
            let plural = name.strip_suffix('y').map_or(format!("{name}s"), |stem| format!("{stem}ies"));
            word == name || word == plural
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The spec of any kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "spec")]
pub enum Spec {
    Vendor(VendorSpec),
    Contract(ContractSpec),
    Upstream(UpstreamSpec),
    Route(RouteSpec),
    Integration(IntegrationSpec),
    Client(ClientSpec),
    Issuer(Box<IssuerSpec>),
    TrustDomain(Box<TrustDomainSpec>),
    Policy(Box<PolicySpec>),
    Feed(Box<FeedSpec>),
    Tunnel(Box<TunnelSpec>),
    Exercise(Box<ExerciseSpec>),
}

impl Spec {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Vendor(_) => Kind::Vendor,
            Self::Contract(_) => Kind::Contract,
            Self::Upstream(_) => Kind::Upstream,
            Self::Route(_) => Kind::Route,
            Self::Integration(_) => Kind::Integration,
            Self::Client(_) => Kind::Client,
            Self::Issuer(_) => Kind::Issuer,
            Self::TrustDomain(_) => Kind::TrustDomain,
            Self::Policy(_) => Kind::Policy,
            Self::Feed(_) => Kind::Feed,
            Self::Tunnel(_) => Kind::Tunnel,
            Self::Exercise(_) => Kind::Exercise,
        }
    }

    /// The personal texts in it, for sealing and erasing.
    pub fn personal_mut(&mut self) -> Vec<&mut Personal> {
        self.people_mut().into_iter().flatten().collect()
    }

    /// The personal texts in it, person by person: those of one person are erased together.
    pub fn people_mut(&mut self) -> Vec<Vec<&mut Personal>> {
        match self {
            Self::Vendor(vendor) => vendor
                .contacts
                .iter_mut()
                .map(|contact| {
                    let texts = [Some(&mut contact.name), contact.email.as_mut(), contact.phone.as_mut()];
                    texts.into_iter().flatten().collect()
                })
                .collect(),
            Self::Contract(contract) => {
                contract.signed_by.iter_mut().map(|signer| vec![&mut signer.name]).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A resource as a manifest declares it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Declaration {
    pub name: String,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    #[serde(flatten)]
    pub spec: Spec,
}

/// Names are lower-case DNS-like labels of at most 63 characters, so that they need no quoting anywhere.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}
