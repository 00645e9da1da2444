//! What has happened: the only way in which state changes.
//!
//! Events are versioned and never edited. [`Event::kind`] and [`Event::VERSION`] go into the
//! ledger's envelope; the golden file `tests/events_v1.json` holds one of each.

use jiff::Timestamp;
use portcullis_assurance::stops::StopMode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::{VendorHold, VendorRelease};
use crate::archive::{Expiry, HoldLift, LegalHold, SealedFile};
use crate::auditor::{AuditorRegistration, AuditorRemoval};
use crate::break_glass::{BreakGlassOpening, BreakGlassRemoval, BreakGlassSeal};
use crate::decision::DecisionId;
use crate::exercise::{CanaryRestoration, ExerciseRun};
use crate::ids::{ClientId, IncidentId, OperatorId, RestoreId, SeveranceId, SubjectId, VendorId};
use crate::judgement::DecisionJudgement;
use crate::personal::Personal;
use crate::posture::PushedWord;
use crate::reason::Reason;
use crate::spec::{Declaration, Kind};
use crate::target::Target;
use crate::telling::VendorTelling;
use crate::tunnel::{TunnelCredentials, TunnelObservation, TunnelPerson, TunnelPersonRevocation};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "declarations are large, and an event is moved a few times on no hot path"
)]
pub enum Event {
    /// The first event of a ledger.
    InstallationFounded {
        installation: Uuid,
        issuer: String,
        /// What the hard stops do where no policy says so; older ledgers observe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stops: Option<StopMode>,
    },
    /// A resource was declared, or declared anew.
    ResourceDefined {
        id: Uuid,
        declaration: Declaration,
        keys: Vec<RegisteredKey>,
        /// From when on keys that are new in it count; the ledger's own time where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
    },
    ResourceRemoved {
        id: Uuid,
        kind: Kind,
        name: String,
    },
    OperatorAdded {
        id: OperatorId,
        name: Personal,
        token_sha256: String,
    },
    OperatorRemoved {
        id: OperatorId,
    },
    /// A key that tokens are signed with was published.
    SigningKeyPublished {
        kid: String,
        jwk: Value,
        /// Earlier versions of this program wrote none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
    },
    TokenRevoked {
        client: ClientId,
        token_id: String,
        expires_at: Timestamp,
        /// Earlier versions of this program wrote none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
    },
    Severed(Severance),
    RestoreProposed(RestoreProposal),
    Restored(Restoration),
    /// The key of a person's data is destroyed; every projection forgets the texts.
    SubjectErased {
        subject: SubjectId,
    },
    /// A client has put a new key in the place of one of its own.
    ClientKeyRegistered {
        client: ClientId,
        key: PublicKey,
        /// Thumbprint of the key that it replaces, and the first moment in which that is refused.
        replaces: String,
        replaced_ends_at: Timestamp,
        time: Timestamp,
    },
    /// Whoever has the code may register the client's key, once.
    EnrolmentOpened {
        client: ClientId,
        /// Lower-case hex; the code itself is nowhere.
        code_sha256: String,
        expires_at: Timestamp,
        /// The keys that the client had are refused from now on.
        recovery: bool,
        by: OperatorId,
        time: Timestamp,
    },
    EnrolmentUsed {
        client: ClientId,
        key: PublicKey,
        time: Timestamp,
    },
    /// Somebody came with a code that another key had used: one of the two has stolen it.
    EnrolmentReused {
        client: ClientId,
        thumbprint: String,
        time: Timestamp,
    },
    /// Every token of a target is dead; new ones may be had at once.
    SignedOut {
        target: Target,
        /// Epoch of the target from now on.
        epoch: u64,
        by: OperatorId,
        reason: String,
        time: Timestamp,
    },
    /// Tokens are signed with this key from now on, and with no other.
    SigningKeyActivated {
        kid: String,
        time: Timestamp,
    },
    /// Nothing that the key has signed can still be valid.
    SigningKeyRetired {
        kid: String,
        time: Timestamp,
    },
    /// The key may be in other hands, or its private half is lost: whatever it has signed is void.
    SigningKeyWithdrawn {
        kid: String,
        /// None where the program did it by itself.
        by: Option<OperatorId>,
        reason: String,
        time: Timestamp,
    },
    /// An issuer, or a trust domain, has published other keys than those that were known.
    IssuerKeysChanged(IssuerKeysChange),
    /// A file of decisions is whole on the disk, and stays as it is.
    DecisionsSealed(SealedFile),
    /// Decisions were kept long enough, and are in no file any more.
    DecisionsExpired(Expiry),
    LegalHoldPlaced(LegalHold),
    LegalHoldLifted(HoldLift),
    /// Private keys were lost with the master key that sealed them, and others are in their place.
    KeysReplaced {
        /// Names of the files.
        lost: Vec<String>,
        time: Timestamp,
    },
    /// The ledger was brought back from a backup: what came after it is unknown here.
    RestoredFromBackup(FromBackup),
    /// The built-in authority has signed a machine's certificate.
    CertificateIssued(IssuedCertificate),
    /// The certificate is refused from now on, and stands in the list of revoked ones.
    CertificateRevoked(CertificateRevocation),
    /// An analyst has said what a decision was about, or taken that back.
    DecisionJudged(DecisionJudgement),
    /// What is held of a client's machine has changed.
    PostureChanged(PostureChange),
    /// Something became known of a vendor, or was decided about it.
    DossierChanged(DossierChange),
    /// A vendor may have less than it was granted, or nothing, until it is released.
    VendorHeld(VendorHold),
    VendorReleased(VendorRelease),
    /// Signatures by these keys, and under these roots, count from now on.
    AuditorRegistered(AuditorRegistration),
    AuditorRemoved(AuditorRemoval),
    /// Something went wrong, or may have: people look after it together, and clocks run.
    IncidentOpened(Box<portcullis_incident::change::Opening>),
    /// Something became known of an incident, was decided or done.
    IncidentChanged(Box<IncidentChange>),
    /// What was closed by a severance, and how that was verified, as a signed text.
    ReceiptSigned(SignedReceipt),
    BreakGlassSealed(BreakGlassSeal),
    BreakGlassOpened(BreakGlassOpening),
    BreakGlassRemoved(BreakGlassRemoval),
    /// Credentials of a tunnel were made anew.
    TunnelCredentialsIssued(TunnelCredentials),
    /// One of a vendor's people may come in through a tunnel.
    TunnelPersonAdded(TunnelPerson),
    TunnelPersonRevoked(TunnelPersonRevocation),
    /// An exercise, or the kill drill, was run to its end or broken off.
    ExerciseRun(Box<ExerciseRun>),
    /// What exercises had cut of the canary is open again, to new keys.
    CanaryRestored(CanaryRestoration),
    /// From now on, packets of vendors' networks outside the network plan are dropped, or no longer.
    SegmentationChanged {
        on: bool,
        by: OperatorId,
        time: Timestamp,
    },
    /// Somebody is called.
    PageRaised(Box<portcullis_incident::page::Page>),
    /// Somebody has answered a page.
    PageAcknowledged(portcullis_incident::page::Acknowledgement),
    /// A proposal to restore is over: somebody has looked at it, and said no.
    RestoreRefused(RestoreRefusal),
    /// One of a vendor's people was told of a severance or a restoration, or could not be.
    VendorTold(VendorTelling),
    /// A tunnel went up or down, or is still up; with what it has carried.
    TunnelObserved(TunnelObservation),
}

impl Event {
    /// Version of the payloads that this code writes.
    pub const VERSION: u16 = 1;

    /// Every kind that this code knows.
    pub const KINDS: [&'static str; 52] = [
        "installation_founded",
        "resource_defined",
        "resource_removed",
        "operator_added",
        "operator_removed",
        "signing_key_published",
        "token_revoked",
        "severed",
        "restore_proposed",
        "restored",
        "subject_erased",
        "client_key_registered",
        "enrolment_opened",
        "enrolment_used",
        "enrolment_reused",
        "signed_out",
        "signing_key_activated",
        "signing_key_retired",
        "signing_key_withdrawn",
        "issuer_keys_changed",
        "decisions_sealed",
        "decisions_expired",
        "legal_hold_placed",
        "legal_hold_lifted",
        "keys_replaced",
        "restored_from_backup",
        "certificate_issued",
        "certificate_revoked",
        "decision_judged",
        "posture_changed",
        "dossier_changed",
        "vendor_held",
        "vendor_released",
        "auditor_registered",
        "auditor_removed",
        "incident_opened",
        "incident_changed",
        "receipt_signed",
        "break_glass_sealed",
        "break_glass_opened",
        "break_glass_removed",
        "tunnel_credentials_issued",
        "tunnel_person_added",
        "tunnel_person_revoked",
        "exercise_run",
        "canary_restored",
        "segmentation_changed",
        "page_raised",
        "page_acknowledged",
        "restore_refused",
        "vendor_told",
        "tunnel_observed",
    ];

    /// Name of the kind, as the ledger's envelope holds it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InstallationFounded { .. } => "installation_founded",
            Self::ResourceDefined { .. } => "resource_defined",
            Self::ResourceRemoved { .. } => "resource_removed",
            Self::OperatorAdded { .. } => "operator_added",
            Self::OperatorRemoved { .. } => "operator_removed",
            Self::SigningKeyPublished { .. } => "signing_key_published",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::Severed(_) => "severed",
            Self::RestoreProposed(_) => "restore_proposed",
            Self::Restored(_) => "restored",
            Self::SubjectErased { .. } => "subject_erased",
            Self::ClientKeyRegistered { .. } => "client_key_registered",
            Self::EnrolmentOpened { .. } => "enrolment_opened",
            Self::EnrolmentUsed { .. } => "enrolment_used",
            Self::EnrolmentReused { .. } => "enrolment_reused",
            Self::SignedOut { .. } => "signed_out",
            Self::SigningKeyActivated { .. } => "signing_key_activated",
            Self::SigningKeyRetired { .. } => "signing_key_retired",
            Self::SigningKeyWithdrawn { .. } => "signing_key_withdrawn",
            Self::IssuerKeysChanged(_) => "issuer_keys_changed",
            Self::DecisionsSealed(_) => "decisions_sealed",
            Self::DecisionsExpired(_) => "decisions_expired",
            Self::LegalHoldPlaced(_) => "legal_hold_placed",
            Self::LegalHoldLifted(_) => "legal_hold_lifted",
            Self::KeysReplaced { .. } => "keys_replaced",
            Self::RestoredFromBackup(_) => "restored_from_backup",
            Self::CertificateIssued(_) => "certificate_issued",
            Self::CertificateRevoked(_) => "certificate_revoked",
            Self::DecisionJudged(_) => "decision_judged",
            Self::PostureChanged(_) => "posture_changed",
            Self::DossierChanged(_) => "dossier_changed",
            Self::VendorHeld(_) => "vendor_held",
            Self::VendorReleased(_) => "vendor_released",
            Self::AuditorRegistered(_) => "auditor_registered",
            Self::AuditorRemoved(_) => "auditor_removed",
            Self::IncidentOpened(_) => "incident_opened",
            Self::IncidentChanged(_) => "incident_changed",
            Self::ReceiptSigned(_) => "receipt_signed",
            Self::BreakGlassSealed(_) => "break_glass_sealed",
            Self::BreakGlassOpened(_) => "break_glass_opened",
            Self::BreakGlassRemoved(_) => "break_glass_removed",
            Self::TunnelCredentialsIssued(_) => "tunnel_credentials_issued",
            Self::TunnelPersonAdded(_) => "tunnel_person_added",
            Self::TunnelPersonRevoked(_) => "tunnel_person_revoked",
            Self::ExerciseRun(_) => "exercise_run",
            Self::CanaryRestored(_) => "canary_restored",
            Self::SegmentationChanged { .. } => "segmentation_changed",
            Self::PageRaised(_) => "page_raised",
            Self::PageAcknowledged(_) => "page_acknowledged",
            Self::RestoreRefused(_) => "restore_refused",
            Self::VendorTold(_) => "vendor_told",
            Self::TunnelObserved(_) => "tunnel_observed",
        }
    }

    /// The random id of the aggregate that the event belongs to.
    #[must_use]
    pub fn aggregate(&self) -> Uuid {
        match self {
            Self::InstallationFounded { installation, .. } => *installation,
            Self::ResourceDefined { id, .. } | Self::ResourceRemoved { id, .. } => *id,
            Self::OperatorAdded { id, .. } | Self::OperatorRemoved { id } => id.0,
            // Signing keys belong to the installation, which has no other id here.
            Self::SigningKeyPublished { .. }
            | Self::SigningKeyActivated { .. }
            | Self::SigningKeyRetired { .. }
            | Self::SigningKeyWithdrawn { .. }
            | Self::KeysReplaced { .. } => Uuid::nil(),
            Self::TokenRevoked { client, .. } => client.0,
            Self::Severed(severance) => severance.id.0,
            Self::RestoreProposed(proposal) => proposal.id.0,
            Self::Restored(restoration) => restoration.id.0,
            Self::SubjectErased { subject } => subject.0,
            Self::ClientKeyRegistered { client, .. }
            | Self::EnrolmentOpened { client, .. }
            | Self::EnrolmentUsed { client, .. }
            | Self::EnrolmentReused { client, .. } => client.0,
            Self::SignedOut { target, .. } => target.id(),
            Self::IssuerKeysChanged(change) => change.issuer,
            // Files belong to the installation too.
            Self::DecisionsSealed(_) | Self::DecisionsExpired(_) => Uuid::nil(),
            Self::LegalHoldPlaced(hold) => hold.vendor.0,
            Self::LegalHoldLifted(lift) => lift.vendor.0,
            // It is about the installation.
            Self::RestoredFromBackup(_) => Uuid::nil(),
            Self::DecisionJudged(word) => word.client.0,
            // The authority is the installation's.
            Self::CertificateIssued(_) | Self::CertificateRevoked(_) => Uuid::nil(),
            Self::PostureChanged(change) => change.client.0,
            Self::DossierChanged(change) => change.vendor.0,
            Self::VendorHeld(hold) => hold.vendor.0,
            Self::VendorReleased(release) => release.vendor.0,
            Self::AuditorRegistered(registration) => registration.id.0,
            Self::AuditorRemoved(removal) => removal.id.0,
            Self::IncidentOpened(opening) => opening.id.0,
            Self::IncidentChanged(change) => change.incident.0,
            Self::ReceiptSigned(receipt) => receipt.severance.0,
            Self::BreakGlassSealed(seal) => seal.id.0,
            Self::BreakGlassOpened(opening) => opening.id.0,
            Self::BreakGlassRemoved(removal) => removal.id.0,
            Self::TunnelCredentialsIssued(issued) => issued.tunnel.0,
            Self::TunnelPersonAdded(person) => person.tunnel.0,
            Self::TunnelPersonRevoked(revocation) => revocation.tunnel.0,
            Self::ExerciseRun(done) => done.run.id,
            Self::CanaryRestored(restoration) => restoration.vendor.0,
            // It is about the installation.
            Self::SegmentationChanged { .. } => Uuid::nil(),
            Self::PageRaised(page) => page.id.0,
            Self::PageAcknowledged(acknowledgement) => acknowledgement.page.0,
            Self::RestoreRefused(refusal) => refusal.id.0,
            Self::VendorTold(telling) => telling.matter,
            Self::TunnelObserved(observed) => observed.tunnel.0,
        }
    }
}

/// What happened to a vendor's dossier.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DossierChange {
    pub vendor: VendorId,
    #[serde(flatten)]
    pub entry: portcullis_assurance::change::Entry,
}

/// What happened to an incident.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentChange {
    pub incident: IncidentId,
    #[serde(flatten)]
    pub entry: portcullis_incident::change::Entry,
}

/// Somebody has said of a client's machine what nobody had said before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PostureChange {
    pub client: ClientId,
    pub word: PostureWord,
    pub time: Timestamp,
}

/// Whose word it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum PostureWord {
    /// The machine's own, in a signed statement, beside the rules of its integration.
    Statement {
        /// What isn't as it should be.
        failing: Vec<String>,
        /// The first moment in which this statement is stale; later ones of the same sense are no events.
        good_until: Timestamp,
        /// Thumbprint of the registered key that signed it, or the SPIFFE ID of the workload.
        signed_by: String,
        /// Lower-case hex, of the whole statement.
        sha256: String,
    },
    Operator {
        operator: OperatorId,
        #[serde(flatten)]
        word: PushedWord,
        reason: String,
    },
}

/// A certificate that the built-in authority has signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Lower-case hex.
    pub serial: String,
    #[serde(rename = "use")]
    pub usage: CertificateUse,
    /// Of the client, or of the identity that upstreams are shown.
    pub name: String,
    /// Base64url of the RFC 8705 SHA-256 thumbprint.
    pub thumbprint: String,
    pub not_after: Timestamp,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// What a certificate is for; each use has an intermediate authority of its own.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CertificateUse {
    /// Vendors' machines, towards the gate.
    Clients,
    /// The gate, towards upstreams.
    Upstreams,
    /// Both ends of a vendor's tunnel.
    Tunnels,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CertificateRevocation {
    pub serial: String,
    pub by: OperatorId,
    pub reason: String,
    pub time: Timestamp,
}

/// A public key or certificate of a client, by thumbprint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// Base64url of the RFC 7638 or RFC 8705 SHA-256 thumbprint.
    pub thumbprint: String,
    pub form: KeyForm,
}

/// A public key or certificate that a client has registered by itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PublicKey {
    pub thumbprint: String,
    pub form: KeyForm,
    /// The JSON Web Key, or the PEM of the certificate.
    pub public: Value,
}

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum KeyForm {
    Jwk,
    Certificate,
}

/// The closing of every path of a target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Severance {
    pub id: SeveranceId,
    pub target: Target,
    /// Epoch of the target from now on; tokens of an older one are dead.
    pub epoch: u64,
    /// Thumbprints that are refused from now on, wherever they turn up.
    pub keys: Vec<String>,
    pub cause: Cause,
    pub time: Timestamp,
}

/// Who or what severed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Cause {
    Operator {
        operator: OperatorId,
        reason: String,
        /// What the vendor may know of it, in the operator's words; nothing of the reason is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tell: Option<String>,
    },
    /// A response passed the records limit.
    RecordLimit { decision: DecisionId },
    /// An operator has revoked keys: no restoration opens them again.
    Revoked { operator: OperatorId, reason: String },
    /// A key that had been replaced tried to register another one: two hold it. The keys stay refused
    /// when the client is restored.
    KeyTheft {
        /// Thumbprint of the key that had been replaced.
        key: String,
        /// Thumbprint of the key that it was to register.
        next_key: String,
    },
    /// A gate remembered it, and the ledger did not: an older one was brought back. Who severed it, and why, is lost.
    GateMemory {
        gate: String,
        /// Size of the ledger that the gate had last heard of.
        version: u64,
    },
    /// A gate closed a context by itself, after a challenge that failed or on evidence alone.
    Risk { decision: DecisionId, reason: Reason },
    /// An exercise has cut the canary, by the call that operators make.
    Exercise {
        run: Uuid,
        /// None where the drill did it at its time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<OperatorId>,
        reason: String,
    },
}

impl Cause {
    /// Whether the keys stay refused whatever is restored.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::Revoked { .. } | Self::KeyTheft { .. } | Self::GateMemory { .. })
    }
}

/// The receipt of a severance, as it was handed out. What was closed only later has another one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedReceipt {
    pub severance: SeveranceId,
    /// A C2SP signed note of the ledger's key, whose text is the receipt.
    pub note: String,
    pub time: Timestamp,
}

/// Somebody wants a target open again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RestoreProposal {
    pub id: RestoreId,
    pub target: Target,
    /// The open severances that it would lift; another one since makes the proposal stale.
    pub severances: Vec<SeveranceId>,
    pub proposed_by: OperatorId,
    pub expires_at: Timestamp,
}

/// Somebody has said no to a proposal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RestoreRefusal {
    /// Of the proposal.
    pub id: RestoreId,
    pub target: Target,
    pub by: OperatorId,
    pub reason: String,
    pub time: Timestamp,
}

/// Severances were lifted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restoration {
    pub id: RestoreId,
    pub target: Target,
    pub severances: Vec<SeveranceId>,
    /// Epoch of the target from now on.
    pub epoch: u64,
    pub proposed_by: OperatorId,
    /// The second person; the same one only where the installation has no other operator.
    pub confirmed_by: Option<OperatorId>,
    /// Thumbprints that are accepted again: none for vendor and integration, which need new keys.
    pub keys: Vec<String>,
    pub time: Timestamp,
}

/// Where a ledger was brought back from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FromBackup {
    pub backup_time: Timestamp,
    /// Events of the ledger in the backup: those from this number on are unknown.
    pub size: u64,
    /// Base64 of its root.
    pub root: String,
    /// Events that the ledger which it replaced had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_later: Option<u64>,
    pub time: Timestamp,
}

/// The keys of an issuer or a trust domain, as they were fetched and read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IssuerKeysChange {
    /// Id of the `Issuer` or `TrustDomain`.
    pub issuer: Uuid,
    pub keys: ExternalKeys,
    pub time: Timestamp,
}

/// Public keys and roots from outside, in the one form that they were read to.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ExternalKeys {
    /// Public keys as JSON Web Keys, each with its `kid`.
    pub jwks: Vec<Value>,
    /// Base64 of the DER of root certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<String>,
}
