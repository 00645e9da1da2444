//! Identifiers are types, so that a vendor can't be passed where a client is meant.
//!
//! Every id is generated once and never reused; names may be given again, ids not. That is why
//! severances, epochs and tokens refer to ids only.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A legal entity we connect to.
    VendorId,
    /// The agreement under which a vendor has integrations.
    ContractId,
    /// One purpose-bound connection under a contract.
    IntegrationId,
    /// One machine identity of an integration.
    ClientId,
    /// A place at our side that requests go to.
    RouteId,
    /// The server behind one or more routes.
    UpstreamId,
    /// A person who may command.
    OperatorId,
    /// One closing of every path of a target.
    SeveranceId,
    /// A person whose data the ledger may hold; the key of erasure.
    SubjectId,
    /// A proposal to restore, waiting for its second person.
    RestoreId,
    /// A vendor's own authorization server, or its trust domain.
    IssuerId,
    /// A document or fact that supports something said of a vendor.
    EvidenceId,
    /// Something that was asked of a vendor.
    RequestId,
    /// A hard stop that two people let pass for a while.
    ExceptionId,
    /// Something wrong or missing at a vendor.
    FindingId,
    /// Work that somebody has to do.
    TaskId,
    /// A firm whose signatures over documents count.
    AuditorId,
    /// An encrypted link to one vendor's network, or to one of its people's machines.
    TunnelId,
    /// Something that happened, and is being dealt with.
    IncidentId,
    /// A vendor's word on its own breach.
    NoticeId,
    /// A scenario that is rehearsed.
    ExerciseId,
    /// Somebody is called, until somebody answers.
    PageId,
}

impl IssuerId {
    /// The name here of a token that has this id at its issuer: two issuers may give the same one.
    #[must_use]
    pub fn token(self, id: &str) -> String {
        format!("{self}/{id}")
    }
}
