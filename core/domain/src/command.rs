//! What somebody wants to happen, and why it may be refused.

use jiff::Timestamp;
use portcullis_assurance::change::Change;
use portcullis_assurance::order::{DossierRefusal, Order};
use portcullis_assurance::stops::StopMode;
use portcullis_incident::Severity as IncidentSeverity;
use portcullis_incident::change::Origin;
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::Notice;
use portcullis_incident::order::IncidentRefusal;
use portcullis_incident::regime::Taken;
use portcullis_risk::Judgement;
use serde_json::Value;
use uuid::Uuid;

use crate::access::{Access, VendorAccess};
use crate::archive::{Expiry, SealedFile};
use crate::auditor::AuditorRefusal;
use crate::break_glass::BreakGlassRefusal;
use crate::decision::DecisionId;
use crate::event::{ExternalKeys, IssuedCertificate, PublicKey, RegisteredKey};
use crate::exercise::{ExerciseRefusal, SeveredBy};
use crate::ids::{ClientId, IncidentId, OperatorId, RestoreId, SeveranceId, SubjectId, VendorId};
use crate::personal::Personal;
use crate::posture::{Judged, PushedWord};
use crate::reason::Reason;
use crate::spec::{ClientSpec, Declaration, Kind};
use crate::state::KeysOrigin;
use crate::state::tunnels::{NewCredentials, NewPerson};
use crate::target::{Target, TargetName};
use crate::telling::TellingOutcome;
use crate::tunnel::SeenTunnel;

/// A command with all that `decide` needs; what a person typed is parsed before.
#[derive(Clone, Debug)]
pub enum Command {
    Found {
        issuer: String,
        /// What the hard stops do where no policy says so; they observe without a word.
        stops: Option<StopMode>,
    },
    /// All of them or none. The keys of a client are computed at the edge, where cryptography is.
    Apply {
        resources: Vec<Prepared>,
    },
    Delete {
        kind: Kind,
        name: String,
    },
    AddOperator {
        name: Personal,
        token_sha256: String,
    },
    RemoveOperator {
        name: String,
    },
    PublishSigningKey {
        key: NewKey,
    },
    /// Private keys were lost, and are replaced.
    ReplaceKeys {
        /// Names of their files.
        lost: Vec<String>,
    },
    ActivateSigningKey {
        kid: String,
    },
    RetireSigningKey {
        kid: String,
    },
    WithdrawSigningKey {
        kid: String,
        /// None where the program does it by itself.
        by: Option<OperatorId>,
        reason: String,
        /// Signs from then on, if the withdrawn one signed.
        successor: Option<NewKey>,
    },
    /// One token by its id, of our own or of any issuer that speaks for the client: nobody else knows which.
    RevokeTokenOf {
        client: String,
        token_id: String,
    },
    RevokeToken {
        client: ClientId,
        token_id: String,
        expires_at: Timestamp,
    },
    Sever {
        target: TargetName,
        by: SeveredBy,
        reason: String,
        /// What the vendor is told of it, by an operator.
        tell: Option<String>,
        seen: Seen,
    },
    /// What a gate has closed by itself already: the client's registered key first, then those bound to its token.
    CutKey {
        client: ClientId,
        keys: Vec<String>,
        decision: DecisionId,
    },
    /// A context of a client that a gate has closed by itself already.
    CutSession {
        client: ClientId,
        session: String,
        decision: DecisionId,
        reason: Reason,
    },
    ProposeRestore {
        target: TargetName,
        by: OperatorId,
    },
    ConfirmRestore {
        proposal: RestoreId,
        target: TargetName,
        by: OperatorId,
    },
    /// Says no to a proposal, one's own too.
    RefuseRestore {
        proposal: RestoreId,
        target: TargetName,
        by: OperatorId,
        reason: String,
    },
    EraseSubject {
        subject: SubjectId,
    },
    /// A client that has proved both keys puts `next` in the place of `current`.
    RotateKey {
        client: ClientId,
        current: String,
        next: PublicKey,
    },
    /// What follows from [`KeyRefusal::Theft`].
    SuspectTheft {
        client: ClientId,
        key: String,
        next_key: String,
    },
    /// All keys of a client, or one, for good.
    RevokeKeys {
        client: String,
        key: Option<String>,
        by: OperatorId,
        reason: String,
        seen: Seen,
    },
    OpenEnrolment {
        name: String,
        /// What a new client is made of; without it, an enrolled one gets another way in.
        new: Option<Box<NewClient>>,
        code_sha256: String,
        expires_at: Timestamp,
        by: OperatorId,
    },
    UseEnrolment {
        /// Name of the client, as whoever has the code says it.
        name: String,
        code_sha256: String,
        key: PublicKey,
    },
    SignOut {
        target: TargetName,
        by: OperatorId,
        reason: String,
    },
    /// What was fetched from an issuer or a trust domain.
    ChangeIssuerKeys {
        issuer: Uuid,
        /// Where they were fetched.
        origin: KeysOrigin,
        keys: ExternalKeys,
    },
    /// A file of decisions is whole on the disk.
    RecordSealed(SealedFile),
    /// Rows are about to go, with what replaces their file already on the disk.
    RecordExpired(Expiry),
    /// The vendor's name; of one that is gone, its id.
    PlaceHold {
        vendor: String,
        by: OperatorId,
        reason: String,
    },
    LiftHold {
        vendor: String,
        by: OperatorId,
        reason: String,
    },
    /// What a gate remembers; nothing happens where the ledger has known it.
    Recall {
        gate: String,
        version: u64,
        severance: SeveranceId,
        target: Target,
        epoch: u64,
        keys: Vec<String>,
    },
    RecordRestored {
        backup_time: Timestamp,
        size: u64,
        root: String,
        known_later: Option<u64>,
    },
    /// The built-in authority has signed it already; it is handed out when this is recorded.
    IssueCertificate(IssuedCertificate),
    RevokeCertificate {
        serial: String,
        by: OperatorId,
        reason: String,
    },
    JudgeDecision {
        judged: JudgedDecision,
        judgement: Judgement,
        by: OperatorId,
        reason: String,
    },
    /// Takes the word on a decision back.
    UnjudgeDecision {
        decision: DecisionId,
        by: OperatorId,
        reason: String,
    },
    /// A statement of a client's machine, verified, beside the rules of its integration.
    StatePosture {
        client: ClientId,
        judged: Judged,
        signed_by: String,
        sha256: String,
        /// The one before had become stale.
        was_stale: bool,
    },
    PushPosture {
        client: String,
        word: PushedWord,
        by: OperatorId,
        reason: String,
    },
    /// What becomes known of vendors, by name, or is decided about them: all of it or nothing.
    ChangeDossiers(Vec<(String, Order)>),
    /// What one person says of one vendor: all of it or nothing, and nothing where the dossier isn't at `version` any more.
    ChangeDossier {
        vendor: String,
        changes: Vec<Change>,
        by: OperatorId,
        version: Option<u64>,
    },
    /// A vendor may have no more than this until it is released.
    HoldVendor {
        vendor: String,
        level: Access,
        by: OperatorId,
        reason: String,
    },
    ReleaseVendor {
        vendor: String,
        by: OperatorId,
        /// May be empty.
        reason: String,
    },
    /// Keys and certificates were parsed, and their thumbprints computed, where cryptography is.
    RegisterAuditor {
        name: String,
        keys: Vec<PublicKey>,
        by: OperatorId,
    },
    /// The time of a stored document's kind is over; its bytes go when this is recorded.
    ExpireDocument {
        vendor: VendorId,
        sha256: String,
        document_kind: String,
        stored_at: Timestamp,
        reason: String,
    },
    /// Whether packets of vendors' networks outside the network plan are dropped.
    SetSegmentation {
        on: bool,
        by: OperatorId,
    },
    RemoveAuditor {
        name: String,
        by: OperatorId,
        /// May be empty.
        reason: String,
    },
    /// Opens an incident, or finds that one is open already for the same.
    OpenIncident(Box<NewIncident>),
    /// All of it or nothing, and nothing where the incident isn't at `version` any more.
    ChangeIncident(Box<IncidentChanges>),
    /// A vendor's notice, verified where it came in: it opens an incident, or belongs to an open one.
    ReceiveNotice(Box<NewNotice>),
    /// It was signed already.
    RecordReceipt {
        severance: SeveranceId,
        note: String,
    },
    SealBreakGlass {
        name: String,
        token_sha256: String,
        by: OperatorId,
    },
    OpenBreakGlass {
        id: OperatorId,
    },
    RemoveBreakGlass {
        name: String,
        by: OperatorId,
    },
    /// They are made and kept already; they count when this is recorded.
    IssueTunnelCredentials {
        tunnel: String,
        credentials: NewCredentials,
        by: OperatorId,
    },
    /// The same for a tunnel of the canary's, by an exercise.
    IssueCanaryTunnel {
        tunnel: String,
        credentials: NewCredentials,
        run: Uuid,
        by: Option<OperatorId>,
    },
    AddTunnelPerson {
        tunnel: String,
        person: Box<NewPerson>,
        by: OperatorId,
    },
    /// The person's id or name.
    RevokeTunnelPerson {
        tunnel: String,
        person: String,
        by: OperatorId,
        reason: String,
    },
    /// What the enforcer has measured; what is no news is no event.
    ObserveTunnels {
        seen: Vec<SeenTunnel>,
    },
    /// What exercises have cut of the canary of this name, and nothing that a person has.
    RestoreCanary {
        vendor: String,
        run: Uuid,
        by: Option<OperatorId>,
    },
    /// The whole result of an exercise that was run.
    RecordRun {
        run: Box<portcullis_exercise::run::Run>,
        by: Option<OperatorId>,
    },
    /// Calls somebody, once for each cause. Its id is made outside, as somebody may be called before it can be recorded.
    RaisePage(Box<portcullis_incident::page::Page>),
    /// Nobody else is called.
    AcknowledgePage {
        /// Id or code.
        page: String,
        by: OperatorId,
    },
    /// One of a vendor's people was told, or is told no more.
    RecordTold {
        /// Of the severance or the restoration.
        matter: Uuid,
        contact: SubjectId,
        outcome: TellingOutcome,
    },
}

/// An incident as somebody, or the program, opens it.
#[derive(Clone, PartialEq, Debug)]
pub struct NewIncident {
    /// By name.
    pub vendor: Option<String>,
    pub title: String,
    pub severity: IncidentSeverity,
    pub origin: Origin,
    /// The exercise that it belongs to.
    pub exercise: Option<String>,
    /// What is known that clocks count from, with why.
    pub moments: Vec<(MomentName, Timestamp, String)>,
    /// The texts whose clocks are to run.
    pub regimes: Vec<Taken>,
    /// Where days are counted that no text names a zone for.
    pub zone: String,
    /// None where the program does it by itself.
    pub by: Option<OperatorId>,
}

/// What is said of an incident.
#[derive(Clone, PartialEq, Debug)]
pub struct IncidentChanges {
    pub incident: IncidentId,
    pub changes: Vec<portcullis_incident::change::Change>,
    pub by: Option<OperatorId>,
    pub version: Option<u64>,
    pub zone: String,
}

/// A notice with the vendor that it came from.
#[derive(Clone, PartialEq, Debug)]
pub struct NewNotice {
    pub vendor: VendorId,
    pub notice: Notice,
    /// The incident that it is about, by number or id, where somebody has said so.
    pub incident: Option<String>,
    pub regimes: Vec<Taken>,
    pub zone: String,
    /// Who took it down, where it came by voice or letter.
    pub by: Option<OperatorId>,
}

/// A decision, and what of it a word on it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JudgedDecision {
    pub decision: DecisionId,
    pub client: ClientId,
    pub context: portcullis_risk::Context,
}

/// A client that has no key yet.
#[derive(Clone, PartialEq, Debug)]
pub struct NewClient {
    pub spec: ClientSpec,
    pub labels: std::collections::BTreeMap<String, String>,
}

/// The public half of a key that tokens are to be signed with.
#[derive(Clone, PartialEq, Debug)]
pub struct NewKey {
    pub kid: String,
    pub jwk: Value,
}

/// What the gates have seen of a target, and the registry doesn't know.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Seen {
    /// Thumbprints of certificates that the target's clients came with, beyond the registered ones.
    pub keys: Vec<String>,
    /// The client that a session belongs to.
    pub session_of: Option<ClientId>,
}

/// A declaration with the thumbprints of its public keys.
#[derive(Clone, PartialEq, Debug)]
pub struct Prepared {
    pub declaration: Declaration,
    pub keys: Vec<RegisteredKey>,
}

/// What `decide` may not fetch by itself.
pub struct Context<'a> {
    pub now: Timestamp,
    /// Makes a new random id.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Something in a declaration that doesn't hold, with the JSON pointer of its place in the manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub kind: Kind,
    pub name: String,
    pub pointer: String,
    pub message: String,
    pub hint: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}` at `{}`: {}", self.kind, self.name, self.pointer, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Why a command was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Fault>),
    #[error("there is no {kind} `{name}`")]
    Unknown { kind: &'static str, name: String },
    #[error("{kind} `{name}` is still used by {used_by}\nhint: delete those first")]
    InUse { kind: Kind, name: String, used_by: String },
    #[error(
        "{kind} `{name}` is severed, by severance {severance}\nhint: it can be deleted when two people have restored it; until then it stays closed where it is"
    )]
    Severed { kind: Kind, name: String, severance: SeveranceId },
    #[error("`{0}` is already an operator\nhint: choose another name, or remove that one first")]
    OperatorExists(String),
    #[error("`{0}` is the last operator\nhint: add another one before removing this one")]
    LastOperator(String),
    #[error("`{target}` is severed already, by severance {severance}")]
    AlreadySevered { target: String, severance: SeveranceId },
    #[error(
        "`{0}` is not severed\nhint: `portcullis severances` lists what is; one of a vendor closes its clients too"
    )]
    NotSevered(String),
    #[error(
        "proposal {0} is not open\nhint: it may have expired, been confirmed, or been overtaken by a newer severance; propose again"
    )]
    ProposalNotOpen(RestoreId),
    #[error("proposal {proposal} is for `{proposed}`, not for `{asked}`")]
    ProposalOfOther { proposal: RestoreId, proposed: String, asked: String },
    #[error(
        "the person who proposed can't confirm\nhint: restoring `{0}` takes two people; another operator must confirm"
    )]
    SamePerson(String),
    #[error(
        "nobody has judged decision `{0}`, or the word on it was taken back\nhint: `portcullis explain {0}` says what was said"
    )]
    NotJudged(DecisionId),
    #[error("a reason is needed\nhint: say in a few words why, for those who read it at night")]
    ReasonMissing,
    #[error("the reason is longer than {most} bytes\nhint: say it in a line, and keep the rest elsewhere")]
    ReasonLong { most: usize },
    #[error(
        "vendor `{0}` can't be held at `clear`\nhint: `portcullis vendor release {0}` gives it back what it was granted"
    )]
    HoldClear(String),
    #[error("vendor `{0}` is not held\nhint: `portcullis get vendors` shows what each may have")]
    AccessNotHeld(String),
    #[error(
        "vendor `{vendor}` is {}, and gets no new clients: {}\nhint: `portcullis describe vendor {vendor}` says what it needs",
        access.level.as_str(),
        access.why()
    )]
    AccessHeld { vendor: String, access: Box<VendorAccess> },
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    #[error(transparent)]
    Enrolment(#[from] EnrolmentRefusal),
    #[error("`{0}` has no tokens of its own to sign out\nhint: name a vendor, an integration or a client")]
    NoTokens(String),
    #[error(
        "signing key `{kid}` waits already to be used\nhint: `portcullis keys list` says from when on; `portcullis keys rotate --now` uses it at once"
    )]
    KeyWaits { kid: String },
    #[error(
        "{most} signing keys verify tokens now, which is the most\nhint: those that were replaced are retired eleven minutes later; rotate again then"
    )]
    KeysMany { most: usize },
    #[error("signing key `{kid}` is gone since {time}\nhint: `portcullis keys list` lists those in use")]
    KeyGone { kid: String, time: Timestamp },
    #[error("signing key `{kid}` signs now, so it can't be retired\nhint: activate another one before")]
    KeySigns { kid: String },
    #[error("the installation was founded already")]
    AlreadyFounded,
    #[error(
        "vendor `{0}` is under legal hold already\nhint: `portcullis hold list` says since when, and why"
    )]
    AlreadyHeld(String),
    #[error("vendor `{0}` is not under legal hold\nhint: `portcullis hold list` lists those that are")]
    NotHeld(String),
    #[error("`{0}` can't be recorded: the ledger says something else about this file")]
    SealedOtherwise(String),
    #[error("`{file}` can't be changed: vendor `{vendor}` is under legal hold")]
    Held { file: String, vendor: String },
    #[error(
        "`{most}` certificates are valid already\nhint: wait until some have ended; issue them for fewer days"
    )]
    CertificatesMany { most: usize },
    #[error("vendor `{vendor}`: {refused}")]
    Dossier { vendor: String, refused: DossierRefusal },
    #[error(transparent)]
    Auditor(#[from] AuditorRefusal),
    #[error("incident {number}: {refused}")]
    Incident { number: u32, refused: IncidentRefusal },
    #[error("{0}")]
    IncidentInvalid(IncidentRefusal),
    #[error(
        "incident {number} has version {version}\nhint: somebody else has changed it meanwhile; look at it again with `portcullis incident show {number}`"
    )]
    IncidentMoved { number: u32, version: u64 },
    #[error("the notice was received already, at {0}\nhint: say what is new in a further notice")]
    NoticeReplayed(Timestamp),
    #[error(
        "{most} pages wait for an answer, which is the most\nhint: acknowledge them: `portcullis page list`"
    )]
    PagesMany { most: usize },
    #[error("{most} {what} are open, which is the most\nhint: close those that are over")]
    IncidentsMany { what: &'static str, most: usize },
    #[error(transparent)]
    BreakGlass(#[from] BreakGlassRefusal),
    #[error(transparent)]
    Exercise(#[from] ExerciseRefusal),
    #[error(
        "the dossier of vendor `{vendor}` has version {version}\nhint: somebody else has changed it meanwhile; look at it again with `portcullis vendor show {vendor}`"
    )]
    DossierMoved { vendor: String, version: u64 },
    #[error(
        "tunnel `{tunnel}` is severed, by severance {severance}\nhint: two people restore it first; credentials are issued after that, and open it"
    )]
    TunnelSevered { tunnel: String, severance: SeveranceId },
    #[error(
        "vendor `{vendor}` is {}, and gets no credentials: {}\nhint: `portcullis describe vendor {vendor}` says what it needs",
        access.level.as_str(),
        access.why()
    )]
    TunnelHeld { vendor: String, access: Box<VendorAccess> },
    #[error("tunnel `{0}` is for people\nhint: `portcullis tunnel person add {0}` gives each a certificate")]
    TunnelForPeople(String),
    #[error("tunnel `{0}` is for a gateway, not for people\nhint: declare one with `people: true`")]
    TunnelNotForPeople(String),
    #[error(
        "the {what} is or was another one's\nhint: each tunnel and each person has its own; make a new one"
    )]
    CredentialTaken { what: &'static str },
    #[error("a person needs a name of 1 to {most} bytes")]
    PersonUnnamed { most: usize },
    #[error(
        "tunnel `{tunnel}` has a person of this name already\nhint: `portcullis tunnel person revoke` takes the former certificate away"
    )]
    PersonKnown { tunnel: String },
    #[error("tunnel `{tunnel}` has had {most} people, which is all\nhint: declare another tunnel")]
    PeopleMany { tunnel: String, most: usize },
    #[error(
        "no address of tunnel `{0}` is free\nhint: nobody gets another one's; add a network to `remote_networks`"
    )]
    AddressesTaken(String),
}

/// Why a client can't put another key in the place of one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRefusal {
    #[error(
        "key `{0}` is not registered for the client\nhint: `portcullis client keys NAME` lists those that are"
    )]
    NotRegistered(String),
    #[error(
        "the key has ended\nhint: use the one that replaced it, or ask our operators for a new enrolment"
    )]
    Ended,
    #[error("the key has lapsed\nhint: ask our operators for a new enrolment")]
    Lapsed,
    #[error("the next key is the one in use\nhint: make a new key pair")]
    Same,
    #[error("the next key is or was registered already\nhint: make a new key pair")]
    Taken,
    #[error("two keys are live already, and there is no third{}\nhint: wait until one of them has ended", until(*.0))]
    TooMany(Option<Timestamp>),
    #[error("the client has put {most} new keys in place within a day\nhint: try again after {after}")]
    TooOften { most: usize, after: Timestamp },
    /// The caller severs the client.
    #[error(
        "the key was replaced, and can't register another one\nhint: somebody else may have your key: call our operators"
    )]
    Theft,
}

fn until(first_ends: Option<Timestamp>) -> String {
    first_ends.map(|ends| format!(" before {ends}")).unwrap_or_default()
}

/// Why nobody can enrol.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnrolmentRefusal {
    /// Unknown, expired, replaced by a newer one, or used long ago: all the same to whoever has it.
    #[error("the enrolment is not open\nhint: ask our operators for a new link")]
    NotOpen,
    #[error(
        "the enrolment was used by another key\nhint: somebody else may have had the link: call our operators"
    )]
    Reused,
    #[error(
        "client `{name}` was given {given} further enrolments, which is all\nhint: delete it and enroll a new client"
    )]
    Spent { name: String, given: u32 },
    #[error(
        "client `{0}` is trusted through its authority\nhint: its certificates are renewed there, not here"
    )]
    BySubject(String),
}
