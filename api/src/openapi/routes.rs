//! The table of control's routes. The router serves exactly these; a test of control compares them.

use portcullis_incident::notice::Acknowledgement;
use schemars::{Schema, SchemaGenerator};

use crate::access::{HoldVendorRequest, ReleaseVendorRequest, VendorAccessAnswer};
use crate::apply::{ApplyReport, ApplyRequest};
use crate::auditors::{AuditorAdded, AuditorRemoved, AuditorRequest, AuditorView};
use crate::break_glass::{BreakGlassRemoved, BreakGlassRequest, BreakGlassSealed, BreakGlassView};
use crate::certificates::{
    CertificatesView, IssueAnswer, IssueRequest, RenewRequest, RevokeCertificateAnswer,
    RevokeCertificateRequest,
};
use crate::checks::Check;
use crate::client_keys::{ClientKeysView, EnrolmentAnswer, EnrolmentRequest};
use crate::closing::{
    GlobalTokenRevocationRequest, RevokeKeysRequest, RevokeTokenRequest, SignOutRequest, TokensEnded,
};
use crate::decisions::{
    DecisionPage, DecisionView, FilesReport, HoldRequest, HoldView, MissingSegment, ReasonView, SealAnswer,
    SealedFileView,
};
use crate::documents::{
    DocumentKept, DocumentsReport, EvidenceAnswer, EvidenceAsked, EvidenceRequest, RequestMade,
};
use crate::dossiers::{DossierAnswer, DossierRequest, DossierView, OutlookView, StopView, VendorLine};
use crate::enforcer::EnforcerView;
use crate::enroll::{EnrollAnswer, EnrollRequest};
use crate::exercises::{
    CanaryRequest, ExerciseLine, LiveOutcome, LiveRequest, PaperRequest, ProgressLine, RunView,
};
use crate::feeds::{FeedView, OriginView, RefreshRequest};
use crate::findings::Finding;
use crate::incidents::{
    IncidentChangeRequest, IncidentLine, IncidentRequest, IncidentView, NoticeRequest, RegimesView,
};
use crate::keys::{KeysView, RotateAnswer, RotateRequest, WithdrawAnswer, WithdrawRequest};
use crate::leaving::{LeaveReport, LeaveRequest};
use crate::ledger::{EventView, LedgerConsistency, LedgerEntries, LedgerHead, LedgerProof, LedgerReport};
use crate::metrics::VendorMetrics;
use crate::network::{DifferencesView, NetworkView, RulesView, SegmentationAnswer, SegmentationRequest};
use crate::notify::{WebhookTestAnswer, WebhookTestRequest, WebhookView};
use crate::operators::{
    EraseAnswer, EraseRequest, OperatorAdded, OperatorRemoved, OperatorRequest, OperatorView,
};
use crate::packs::PackRequest;
use crate::page::Page;
use crate::pages::{PageAckRequest, PageAnswer, PageTryRequest, PageView};
use crate::posture::{PostureAnswer, PostureRequest, PostureView};
use crate::reload::ReloadAnswer;
use crate::resource::ResourceView;
use crate::risk::{ClientRiskView, InForceView, JudgeRequest, JudgementView};
use crate::severing::{
    Receipt, ReceiptsView, RestoreAnswer, RestoreRequest, SeverOutcome, SeverRequest, SeverancesView,
};
use crate::sources::{
    CheckAnswer, CheckRequest, ScreenReport, ScreenRequest, SourceRefreshRequest, SourceView,
};
use crate::tunnels::{
    TunnelCredentialsRequest, TunnelPersonRequest, TunnelPersonRevokeRequest, TunnelRenderAnswer,
    TunnelRenderRequest, TunnelView, TunnelsView,
};
use crate::work::{CalendarLink, TaskAnswer, TaskDoneRequest, TaskRequest, WorkView};

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One operation.
pub struct Route {
    /// `get`, `post`, `put` or `delete`.
    pub method: &'static str,
    pub path: &'static str,
    /// Its name in generated clients.
    pub id: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// Whether it answers without an operator's token.
    pub public: bool,
    /// Name, description and sort of each query parameter.
    pub query: &'static [(&'static str, &'static str, &'static str)],
    pub headers: Vec<(&'static str, &'static str)>,
    pub request: Option<SchemaOf>,
    pub answers: Vec<Answer>,
}

/// What it answers when it doesn't refuse.
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub media: &'static str,
    pub schema: Option<SchemaOf>,
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const PAGE: [(&str, &str, &str); 2] = [
    ("limit", "How many items at most; 100 without a word.", "limit"),
    ("cursor", "The `next` of the page before.", "text"),
];
const DRY_RUN: &[(&str, &str, &str)] =
    &[("dry_run", "Say what would change, and change nothing.", "boolean")];
const VENDOR: (&str, &str, &str) = ("vendor", "Name of a vendor.", "text");
const CLIENT: (&str, &str, &str) = ("client", "Name of a client.", "text");
const VERDICT: (&str, &str, &str) = ("verdict", "What was decided.", "verdict");
const REASON: (&str, &str, &str) = ("reason", "Reason code of the decision or of its outcome.", "text");
const WOULD: (&str, &str, &str) = (
    "would",
    "`stop`: only those that hard stops in mode `observe` would have refused or narrowed.",
    "would",
);
const TUNNEL: (&str, &str, &str) = ("tunnel", "Name of the tunnel that it came through.", "text");
const SINCE: (&str, &str, &str) = ("since", "Not older than this instant.", "instant");
const UNTIL: (&str, &str, &str) = ("until", "Older than this instant.", "instant");
const FILTERS: &[(&str, &str, &str)] =
    &[VENDOR, CLIENT, VERDICT, REASON, WOULD, TUNNEL, SINCE, UNTIL, PAGE[0], PAGE[1]];
const WINDOW: &[(&str, &str, &str)] =
    &[("window", "`1m`, `5m`, `1h`, `6h`, `24h` or `30d`; `1h` without a word.", "text")];
const INCIDENTS: &[(&str, &str, &str)] =
    &[("vendor", "Only of this vendor.", "text"), ("open", "`true`: only open ones.", "text")];
const WORK: &[(&str, &str, &str)] = &[
    ("vendor", "Only of this vendor.", "text"),
    ("owner", "Only what is this one's, or of vendors that it answers for.", "text"),
];
const CALENDAR: &[(&str, &str, &str)] = &[
    ("token", "From the address that was made.", "text"),
    ("vendor", "Only of this vendor.", "text"),
    ("owner", "Only of vendors that this one answers for.", "text"),
];
const RISK_POLICIES: &[(&str, &str, &str)] = &[
    ("vendor", "Only of this vendor.", "text"),
    ("integration", "Only of this integration.", "text"),
    ("route", "Only on this route.", "text"),
];
const STREAM_FILTERS: &[(&str, &str, &str)] = &[VENDOR, CLIENT, VERDICT, REASON, WOULD];
const ENTRIES: &[(&str, &str, &str)] = &[
    ("from", "Number of the first event; 0 without a word.", "number"),
    ("limit", "How many events at most; 100 without a word.", "limit"),
];
const DOCUMENT: &[(&str, &str, &str)] =
    &[("kind", "Kind of evidence, by which it is retained; `other` without a word.", "text")];
const PAGES: &[(&str, &str, &str)] = &[("all", "Those that were answered, too.", "boolean")];
const CHECKED: &[(&str, &str, &str)] = &[("vendor", "Only of this vendor.", "text")];
const STOPS: &[(&str, &str, &str)] =
    &[("vendor", "Their modes for this vendor; without it, for those that no policy names.", "text")];
const OUTLOOK: &[(&str, &str, &str)] =
    &[("days", "How many days ahead, 1 to 3650; 365 without a word.", "number")];
const RUNS: &[(&str, &str, &str)] = &[
    ("exercise", "Only of this exercise.", "text"),
    ("limit", "How many at most; 100 without a word.", "limit"),
];
const CONSISTENCY: &[(&str, &str, &str)] = &[("from", "Number of events of the older ledger.", "number")];
const STREAM: &str = "Server-sent events as they happen, with a comment every 15 seconds while nothing does. `Last-Event-ID` is ignored: what was missed while away is in the list. A reader that is too slow gets an event `missed` with how many it did not get.";

/// Every route.
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = resources();
    routes.extend(people());
    routes.extend(dossiers());
    routes.extend(certificates());
    routes.extend(tunnels());
    routes.extend(keys());
    routes.extend(observing());
    routes.extend(exercises());
    routes.extend(public());
    routes
}

fn resources() -> Vec<Route> {
    vec![
        command("/v1/apply", "apply", "Declare resources, all of them or none")
            .takes::<ApplyRequest>()
            .answers::<ApplyReport>(200, "What has changed, once the gates decide by it."),
        read("/v1/diff", "diff", "Say what applying would change")
            .by("post")
            .takes::<ApplyRequest>()
            .answers::<ApplyReport>(200, "What would change."),
        read("/v1/resources/{kind}", "list_resources", "Resources of one kind, by name")
            .query(&PAGE)
            .answers::<Page<ResourceView>>(200, "A page of them."),
        read("/v1/resources/{kind}/{name}", "get_resource", "One resource")
            .answers::<ResourceView>(200, "The resource; its version is the `ETag`."),
        command("/v1/resources/{kind}/{name}", "delete_resource", "Delete a resource that nothing refers to")
            .by("delete")
            .query(DRY_RUN)
            .header("If-Match", "Only if the version is still this one.")
            .answers::<ApplyReport>(200, "What was deleted."),
        command("/v1/clients", "enroll_client", "Enroll a client by its public keys or certificates")
            .takes::<EnrollRequest>()
            .answers::<EnrollAnswer>(201, "What the vendor's developer needs to know."),
        command("/v1/enrolments", "open_enrolment", "Make a code by which a client registers its own key")
            .takes::<EnrolmentRequest>()
            .answers::<EnrolmentAnswer>(201, "The link, said once."),
        read("/v1/clients/{name}/keys", "client_keys", "Every key that a client has or had")
            .answers::<ClientKeysView>(200, "The keys, and the newest enrolment."),
        read("/v1/clients/{name}/posture", "client_posture", "What is held of a client's machine")
            .answers::<PostureView>(200, "What is held, and the machine's newest statement."),
        read("/v1/clients/{name}/posture", "push_posture", "Say how a client's machine is, at once")
            .by("put")
            .takes::<PostureRequest>()
            .answers::<PostureAnswer>(
                200,
                "What is held from now on, at every gate but those that are named.",
            ),
        command("/v1/clients/{name}/revoke", "revoke_client_keys", "Refuse keys of a client, for good")
            .takes::<RevokeKeysRequest>()
            .answers::<Receipt>(200, "Refused at every gate, and held by ledger or reserve.")
            .answers::<Receipt>(202, "Refused, but not confirmed or not recorded everywhere."),
    ]
}

fn people() -> Vec<Route> {
    vec![
        command("/v1/sever", "sever", "Close every path of a target, or say what would stop")
            .takes::<SeverRequest>()
            .answers::<SeverOutcome>(
                200,
                "Closed, and held by ledger or reserve; with `dry_run`, what would stop.",
            )
            .answers::<Receipt>(
                202,
                "`cut, not recorded`: closed, but nothing holds it over a restart yet; it is tried again.",
            ),
        command("/v1/tokens/revoke", "revoke_token", "End one token")
            .takes::<RevokeTokenRequest>()
            .answers::<TokensEnded>(200, "Dead, as each gate has confirmed."),
        command("/v1/sign-out", "sign_out", "End every token of a vendor, an integration or a client")
            .takes::<SignOutRequest>()
            .answers::<TokensEnded>(200, "Dead, as each gate has confirmed; new ones may be had."),
        command("/v1/global-token-revocation", "global_token_revocation", "The same, by draft-parecki-oauth-global-token-revocation")
            .takes::<GlobalTokenRevocationRequest>()
            .answers_nothing(204, "Dead, as each gate has confirmed."),
        read("/v1/severances", "list_severances", "What is closed, and what is proposed to be opened")
            .answers::<SeverancesView>(200, "All of them."),
        read("/v1/severances/{id}/receipts", "show_receipts", "The signed receipts of a severance")
            .about("C2SP signed notes of the ledger's key: whoever has its verifier key can verify them.")
            .answers::<ReceiptsView>(200, "The first one, and those of what was closed later."),
        read("/v1/enforcer", "show_enforcer", "How the enforcer stands, and what its arms can't do")
            .answers::<EnforcerView>(200, "As it is now."),
        read("/v1/break-glass", "list_break_glass", "Sealed credentials for when nobody can sign in")
            .answers::<Vec<BreakGlassView>>(200, "All of them."),
        command("/v1/break-glass", "seal_break_glass", "Make a credential to be sealed away: it severs and looks, and does nothing else")
            .takes::<BreakGlassRequest>()
            .answers::<BreakGlassSealed>(201, "The credential, said once."),
        command("/v1/break-glass/{name}", "remove_break_glass", "Remove a sealed credential; it is dead at once")
            .by("delete")
            .answers::<BreakGlassRemoved>(200, "Removed."),
        command("/v1/restore", "restore", "Propose to open a target again, or confirm a proposal")
            .takes::<RestoreRequest>()
            .answers::<RestoreAnswer>(200, "Proposed, or restored."),
        command("/v1/vendors/{name}/hold", "hold_vendor", "Give a vendor less than it was granted, until it is released")
            .takes::<HoldVendorRequest>()
            .answers::<VendorAccessAnswer>(200, "Recorded, and in force at every gate but those that are named."),
        command("/v1/vendors/{name}/release", "release_vendor", "Give a vendor back what it was granted")
            .takes::<ReleaseVendorRequest>()
            .answers::<VendorAccessAnswer>(200, "Recorded, and in force at every gate but those that are named."),
        read("/v1/holds", "list_holds", "Vendors under legal hold")
            .answers::<Vec<HoldView>>(200, "All of them."),
        command("/v1/holds", "place_hold", "Keep all decisions of a vendor, whatever its retention says")
            .takes::<HoldRequest>()
            .answers::<HoldView>(201, "Placed."),
        command("/v1/holds/lift", "lift_hold", "End a legal hold")
            .takes::<HoldRequest>()
            .answers::<HoldView>(200, "The hold that was lifted."),
        read("/v1/operators", "list_operators", "The people who may command")
            .answers::<Vec<OperatorView>>(200, "All of them."),
        command("/v1/operators", "add_operator", "Add an operator")
            .takes::<OperatorRequest>()
            .answers::<OperatorAdded>(201, "The token, said once."),
        command("/v1/operators/{name}", "remove_operator", "Remove an operator; the token is dead at once")
            .by("delete")
            .answers::<OperatorRemoved>(200, "Removed."),
        read("/v1/auditors", "list_auditors", "Auditors whose signatures over documents count")
            .answers::<Vec<AuditorView>>(200, "All of them, by name."),
        command("/v1/auditors", "add_auditor", "Register keys and roots of an auditor")
            .about("Whoever a root vouches for signs as this auditor: take no root that vouches for others, too.")
            .takes::<AuditorRequest>()
            .answers::<AuditorAdded>(200, "All were registered already.")
            .answers::<AuditorAdded>(201, "The auditor, with how many are new."),
        command("/v1/auditors/{name}", "remove_auditor", "Remove an auditor with its keys and roots")
            .about("Its signatures count as those of an unknown signer from now on; what was verified before stays.")
            .by("delete")
            .query(&[("reason", "Why, for those who read it later.", "text")])
            .answers::<AuditorRemoved>(200, "Removed."),
        read("/v1/network", "get_network", "What vendors' networks may reach, whether that is enforced, and what was dropped")
            .answers::<NetworkView>(200, "How it stands."),
        read("/v1/network/rules", "get_network_rules", "The packet filter's rules, as the enforcer loads them")
            .answers::<RulesView>(200, "As text that `nft -f` reads, and table by table."),
        read("/v1/network/differences", "get_network_differences", "What differs between plan and kernel, and what passes by the gate")
            .about("The enforcer looks at the host: rules of others, listeners, forwarding, and tunnels that nobody declared.")
            .answers::<DifferencesView>(200, "What was found; nothing where the plan is in force and nothing passes by it."),
        command("/v1/network/segmentation", "segment_network", "Keep vendors' networks to the gate's doors, or no longer")
            .about("What is closed stays closed either way.")
            .takes::<SegmentationRequest>()
            .answers::<SegmentationAnswer>(200, "Whether it is in force."),
        command("/v1/erase", "erase", "Forget a person: destroy the key of the subject's data")
            .takes::<EraseRequest>()
            .answers::<EraseAnswer>(200, "Erased; the ledger's proofs still verify."),
        command("/v1/reload", "reload", "Read settings, certificates and identities anew")
            .about("Holds for connections from now on; those that stand are not touched. When anything can't be used, all stays as it was.")
            .answers::<ReloadAnswer>(200, "What has changed."),
    ]
}

fn dossiers() -> Vec<Route> {
    vec![
        read(
            "/v1/dossiers",
            "list_dossiers",
            "Every vendor with its access, and where its assessment stands",
        )
        .about("A vendor whose access changes between two pages may come twice, or not at all.")
        .query(&PAGE)
        .answers::<Page<VendorLine>>(200, "One line each, the worst access first."),
        read("/v1/stops", "list_stops", "The hard stops, and what each does")
            .query(STOPS)
            .answers::<Vec<StopView>>(200, "All fifteen, with their modes."),
        read(
            "/v1/vendors/{name}/dossier",
            "get_dossier",
            "All that is known of a vendor, and what to do next",
        )
        .answers::<DossierView>(200, "The dossier; its version is the `ETag`."),
        command(
            "/v1/vendors/{name}/dossier",
            "change_dossier",
            "Say what became known of a vendor, or decide about it",
        )
        .header("If-Match", "Only if the version is still this one.")
        .takes::<DossierRequest>()
        .answers::<DossierAnswer>(
            200,
            "The dossier with it, in force at every gate but those that are named.",
        ),
        command("/v1/vendors/{name}/documents", "put_document", "Keep a document of a vendor, encrypted")
            .about("The body is the document, of any media type and 64 MiB at most. The same document again changes nothing; no `Idempotency-Key` is needed.")
            .query(DOCUMENT)
            .answers::<DocumentKept>(201, "Its digest, by which evidence names it."),
        read("/v1/vendors/{name}/documents/{sha256}", "get_document", "A document, byte for byte")
            .about("The log notes who asked for it.")
            .answers_as_text(200, "The document.", "application/octet-stream"),
        command("/v1/vendors/{name}/evidence", "add_evidence", "File evidence, and verify the signature of its document")
            .about("A signature that is broken is filed as such, and stops the vendor.")
            .takes::<EvidenceRequest>()
            .answers::<EvidenceAnswer>(201, "Its id, what was found of the signature, and the dossier with it."),
        command("/v1/vendors/{name}/requests", "ask_for_evidence", "Ask a vendor for evidence, to be answered by a link without an account")
            .takes::<EvidenceAsked>()
            .answers::<RequestMade>(201, "The link, said once."),
        command("/v1/documents/check", "check_documents", "Read every document that evidence rests on, and record those that were changed")
            .query(CHECKED)
            .answers::<DocumentsReport>(200, "What was found."),
        read(
            "/v1/vendors/{name}/outlook",
            "vendor_outlook",
            "What becomes of a vendor's access if nobody does anything",
        )
        .query(OUTLOOK)
        .answers::<OutlookView>(200, "From now on."),
    ]
}

fn tunnels() -> Vec<Route> {
    vec![
        read("/v1/tunnels", "list_tunnels", "Every tunnel: whether it is open, its credentials, what flows")
            .answers::<TunnelsView>(200, "By name."),
        read("/v1/tunnels/{name}", "tunnel", "One tunnel, with its people")
            .answers::<TunnelView>(200, "Those who were shut out, too."),
        command(
            "/v1/tunnels/{name}/credentials",
            "issue_tunnel_credentials",
            "Issue a tunnel's credentials anew",
        )
        .about("Those before are void from that moment on. The answer names them; `render` shows them, once.")
        .takes::<TunnelCredentialsRequest>()
        .answers::<TunnelView>(201, "The tunnel with them."),
        command("/v1/tunnels/{name}/people", "add_tunnel_person", "Let one of a vendor's people in")
            .takes::<TunnelPersonRequest>()
            .answers::<TunnelView>(201, "The tunnel with its people."),
        command(
            "/v1/tunnels/{name}/people/revoke",
            "revoke_tunnel_person",
            "Shut one of a vendor's people out",
        )
        .takes::<TunnelPersonRevokeRequest>()
        .answers::<TunnelView>(200, "The tunnel with its people; again changes nothing."),
        command("/v1/tunnels/{name}/render", "render_tunnel", "The configuration of both sides")
            .about("With secrets it is answered once for each credentials.")
            .takes::<TunnelRenderRequest>()
            .answers::<TunnelRenderAnswer>(200, "Files of strongSwan or WireGuard."),
    ]
}

fn certificates() -> Vec<Route> {
    vec![
        read(
            "/v1/certificates",
            "list_certificates",
            "Certificates of the built-in authority, and the servers'",
        )
        .answers::<CertificatesView>(200, "Those that have not ended."),
        command(
            "/v1/certificates",
            "issue_certificate",
            "Issue a certificate to a client, or to the gate towards upstreams",
        )
        .takes::<IssueRequest>()
        .answers::<IssueAnswer>(201, "The certificate, which the ledger holds."),
        command(
            "/v1/certificates/renew",
            "renew_certificate",
            "Make a server's certificate anew, and put it to use",
        )
        .takes::<RenewRequest>()
        .answers::<ReloadAnswer>(200, "What has changed; connections that stand are not touched."),
        command("/v1/certificates/revoke", "revoke_certificate", "Refuse a certificate that was issued")
            .takes::<RevokeCertificateRequest>()
            .answers::<RevokeCertificateAnswer>(200, "It is refused, and in the list of revoked ones."),
        read(
            "/v1/certificates/crl/{use}",
            "certificate_revocation_list",
            "The list of revoked certificates (RFC 5280), as PEM",
        )
        .answers_as_text(200, "The list, good for a day.", "application/x-pem-file"),
    ]
}

fn keys() -> Vec<Route> {
    vec![
        read("/v1/keys", "list_keys", "The keys that tokens are signed with, and when the next one comes")
            .answers::<KeysView>(200, "The one that signs first."),
        command("/v1/keys/rotate", "rotate_key", "Publish a new signing key, which signs later or now")
            .takes::<RotateRequest>()
            .answers::<RotateAnswer>(200, "The new key, and when the old one is refused."),
        command(
            "/v1/keys/withdraw",
            "withdraw_key",
            "Refuse a signing key at once, and every token under it",
        )
        .takes::<WithdrawRequest>()
        .answers::<WithdrawAnswer>(200, "Every gate refuses it, and the ledger holds it.")
        .answers::<WithdrawAnswer>(
            202,
            "`cut, not recorded` or `recorded, not confirmed`: something is still to be done.",
        ),
    ]
}

fn observing() -> Vec<Route> {
    vec![
        read("/v1/decisions", "list_decisions", "Decisions, the newest first")
            .query(FILTERS)
            .answers::<DecisionPage>(200, "A page of them."),
        read("/v1/decisions/files", "list_sealed_files", "Sealed files of decisions, the newest first")
            .query(&PAGE)
            .answers::<Page<SealedFileView>>(200, "A page of them."),
        read(
            "/v1/decisions/verify",
            "verify_sealed_files",
            "Check every sealed file against the ledger, row by row",
        )
        .by("post")
        .answers::<FilesReport>(200, "What was found."),
        command(
            "/v1/decisions/seal",
            "seal_decisions",
            "Seal all decisions that are made, without waiting for the hour",
        )
        .answers::<SealAnswer>(200, "What was sealed."),
        read("/v1/pages", "list_pages", "Who is called, and for what")
            .query(PAGES)
            .answers::<Vec<PageView>>(200, "Those that nobody has answered, the oldest first; with `all` the newest first."),
        command("/v1/pages", "try_page", "Call whoever is on call, to see whether calls arrive")
            .takes::<PageTryRequest>()
            .answers::<Vec<PageView>>(201, "The page."),
        command("/v1/pages/ack", "acknowledge_page", "Answer a page: nobody else is called")
            .takes::<PageAckRequest>()
            .answers::<PageAnswer>(200, "The page, and who has answered it."),
        command("/v1/packs", "make_pack", "Make an evidence pack: what a vendor read in a window, as one signed archive")
            .about("It comes while it is made, one at a time; no `Idempotency-Key` is needed. A pack that can't be finished ends with a member `FAILED.txt`, and verifies as nothing.")
            .takes::<PackRequest>()
            .answers_as_text(200, "The archive: see `docs/reference/evidence-pack.md`.", "application/x-tar"),
        command(
            "/v1/decisions/missing/acknowledge",
            "acknowledge_missing_segments",
            "Say that missing segments of the decision log are known: they are named no more",
        )
        .answers::<Vec<MissingSegment>>(200, "Those that were named until now."),
        read("/v1/decisions/{id}", "explain_decision", "One decision, in words")
            .answers::<DecisionView>(200, "The decision, with its outcome once there is one."),
        command("/v1/decisions/{id}/judgement", "judge_decision", "Say what a decision was about, or take that back")
            .about("Without `judgement` the word on the decision is taken back. Gates learn of it with the next snapshot.")
            .takes::<JudgeRequest>()
            .answers::<JudgementView>(200, "The word that counts, or the one that was taken back (`undone`)."),
        read("/v1/clients/{name}/risk", "client_risk", "Where a client stands, and why")
            .answers::<ClientRiskView>(200, "As a gate told it last."),
        read("/v1/risk/policies", "risk_policies", "Which policies of risk are in force")
            .query(RISK_POLICIES)
            .answers::<Vec<InForceView>>(200, "For each route that is granted to an integration."),
        read("/v1/decisions/stream", "follow_decisions", "Decisions as they are made")
            .about(STREAM)
            .query(STREAM_FILTERS)
            .answers_as::<DecisionView>(200, "Events `decision`, each a decision as JSON.", EVENTS),
        read("/v1/events/stream", "follow_events", "Events of the ledger as they are appended")
            .about(STREAM)
            .answers_as::<EventView>(200, "Events `event`, each with sequence and kind.", EVENTS),
        read("/v1/ledger/head", "ledger_head", "Size and root of the ledger")
            .answers::<LedgerHead>(200, "The head."),
        read("/v1/ledger/verify", "verify_ledger", "Check every stored event against the ledger's tree")
            .by("post")
            .answers::<LedgerReport>(200, "What was found."),
        read("/metrics", "metrics", "Counters in the Prometheus text format")
            .about("Takes the token of `metrics.token` too; none where the settings say `open`.")
            .answers_as_text(200, "The counters.", "text/plain; version=0.0.4"),
        read("/v1/ledger/entries", "ledger_entries", "Stored events of the ledger, byte for byte")
            .about("A page ends after `limit` events or 4 MiB; go on behind its last one.")
            .query(ENTRIES)
            .answers::<LedgerEntries>(200, "Events in their order; none at the end of the ledger."),
        read("/v1/ledger/proofs/{what}", "prove", "Prove that an event or a decision stands in the ledger")
            .about("`what` is the number of an event, or the id of a decision; 409 while that isn't sealed yet, with the time.")
            .answers::<LedgerProof>(200, "A proof that is checked without the server."),
        read(
            "/v1/ledger/consistency",
            "prove_consistency",
            "Prove that an older ledger is the beginning of this one",
        )
        .query(CONSISTENCY)
        .answers::<LedgerConsistency>(200, "The proof, up to the newest checkpoint."),
        read("/v1/reasons", "list_reasons", "The table of reason codes")
            .answers::<Vec<ReasonView>>(200, "All of them."),
        read("/v1/vendors/{name}/metrics", "vendor_metrics", "What is counted of a vendor")
            .about("Of the vendor called so, or of this id: its integrations, their routes, and where its service levels stand.")
            .query(WINDOW)
            .answers::<VendorMetrics>(200, "What is in the window."),
        read("/v1/checks", "list_checks", "What the server sees of its gates and upstreams")
            .about("Each upstream is tried from where the gate stands: address, TLS and identity, and no request.")
            .answers::<Vec<Check>>(200, "All of them."),
        read("/v1/findings", "list_findings", "What is wrong, or about to be, the most pressing first")
            .answers::<Vec<Finding>>(200, "All of them; none where all is well."),
        read("/v1/tasks", "list_work", "What is to be done about vendors, the most pressing first")
            .about("Tasks, steps of assessments, evidence that was asked for, findings and audits that are open.")
            .query(WORK)
            .answers::<Vec<WorkView>>(200, "All of it."),
        command("/v1/tasks", "add_task", "Open a task about a vendor")
            .takes::<TaskRequest>()
            .answers::<TaskAnswer>(200, "It is in the ledger."),
        command("/v1/tasks/{id}/done", "finish_task", "Say that a task is done")
            .takes::<TaskDoneRequest>()
            .answers::<TaskAnswer>(200, "It is in the ledger."),
        command("/v1/calendar/link", "link_calendar", "Make an address of the calendar for programs without an account")
            .about("Its token reads the calendar and nothing else, as long as the operator who made it is one.")
            .answers::<CalendarLink>(200, "The address, under control's own."),
        read("/v1/webhooks", "list_webhooks", "Who is told of what, and whether it arrives")
            .answers::<Vec<WebhookView>>(200, "All of them."),
        command("/v1/webhooks/{name}/test", "test_webhook", "Send a word that tells of nothing, once")
            .takes::<WebhookTestRequest>()
            .answers::<WebhookTestAnswer>(200, "Whether it was taken."),
        read("/v1/incidents", "list_incidents", "Incidents, the newest first, each with its next clock")
            .query(INCIDENTS)
            .answers::<Vec<IncidentLine>>(200, "At most 500."),
        command("/v1/incidents", "open_incident", "Open an incident")
            .about("Its clocks run from the moments that are given; `we_aware` is now unless it is said otherwise.")
            .takes::<IncidentRequest>()
            .answers::<IncidentView>(201, "It is in the ledger."),
        read("/v1/incidents/clocks", "list_clocks", "The laws and contracts whose clocks run, and what is wrong with files of them")
            .answers::<RegimesView>(200, "As they are in use now; an incident keeps those of its opening."),
        command("/v1/incidents/notices", "take_notice", "Take a vendor's notice of its breach that came by voice, letter or mail")
            .about("A signed one proves itself, whoever carries it.")
            .takes::<NoticeRequest>()
            .answers::<Acknowledgement>(201, "It is in the ledger, and belongs to that incident."),
        read("/v1/incidents/{id}", "get_incident", "One incident, by number or id")
            .about("With its clocks, and with what its vendor read, minute by minute, until it was cut.")
            .answers::<IncidentView>(200, "It, as it stands now."),
        command("/v1/incidents/{id}/changes", "change_incident", "Say something of an incident: roles, notes, decisions, tasks, moments, clocks")
            .about("All of it or nothing. Nothing pauses a clock; one that doesn't bind us is set aside, and goes on.")
            .takes::<IncidentChangeRequest>()
            .answers::<IncidentView>(200, "It, as it stands then."),
        read("/v1/vendors/{name}/leaving", "get_leaving", "Where a vendor's exit stands, and what comes next")
            .answers::<LeaveReport>(200, "How far it is; without a plan it hasn't begun."),
        command("/v1/vendors/{name}/leaving", "leave", "Take the next step of a vendor's exit")
            .takes::<LeaveRequest>()
            .answers::<LeaveReport>(200, "Where it stands then."),
        command("/v1/vendors/{name}/check", "check_vendor", "Look a vendor up in a register's answer, and record what it says")
            .takes::<CheckRequest>()
            .answers::<CheckAnswer>(200, "What it says of this vendor."),
        read("/v1/sources", "list_sources", "Registers, lists and catalogues: age, entries, errors")
            .answers::<Vec<SourceView>>(200, "All of them."),
        command("/v1/sources/{name}/refresh", "refresh_source", "Have a source anew, now")
            .takes::<SourceRefreshRequest>()
            .answers::<SourceView>(200, "How it stands with it; `error` says what failed."),
        read("/v1/screen", "screen", "Say what a screening would find, and record nothing")
            .by("post")
            .takes::<ScreenRequest>()
            .answers::<ScreenReport>(200, "The closest matches first."),
        read("/v1/feeds", "list_feeds", "Feeds and installed databases: age, entries, errors")
            .answers::<Vec<FeedView>>(200, "All of them."),
        command("/v1/feeds/{name}/refresh", "refresh_feed", "Fetch a feed and read it, now")
            .takes::<RefreshRequest>()
            .answers::<FeedView>(200, "How it stands with it; `error` and `fetch_error` say what failed."),
        read("/v1/origins/{address}", "get_origin", "What is known of an address, and by which feeds")
            .answers::<OriginView>(200, "What is known; `no_data` says what isn't, and why."),
    ]
}

fn exercises() -> Vec<Route> {
    vec![
        read("/v1/exercises", "list_exercises", "What can be rehearsed, and how it went last").answers::<Vec<
            ExerciseLine,
        >>(
            200,
            "All that are declared, and the kill drill once it has run.",
        ),
        read("/v1/exercise-runs", "list_exercise_runs", "Runs of exercises, the newest first")
            .about("The newest hundred of each exercise; the ledger keeps them all.")
            .query(RUNS)
            .answers::<Vec<RunView>>(200, "Each with its whole result."),
        command(
            "/v1/exercises/{name}/paper",
            "run_paper_exercise",
            "Grade and record a walk through an exercise",
        )
        .about("The server walks through the scenario with the answers, and grades them itself.")
        .takes::<PaperRequest>()
        .answers::<RunView>(201, "It is in the ledger."),
        command("/v1/exercises/{name}/live", "run_live_exercise", "Run an exercise live, on the canary")
            .about("It answers when it is over; `exercise_progress` tells how far it is.")
            .takes::<LiveRequest>()
            .answers::<LiveOutcome>(200, "The whole result, which is in the ledger; or what would be done."),
        command("/v1/kill-drill", "run_kill_drill", "Run the kill drill now")
            .takes::<LiveRequest>()
            .answers::<LiveOutcome>(200, "The whole result, which is in the ledger; or what would be done."),
        read(
            "/v1/exercise-progress",
            "exercise_progress",
            "How far the live run is that is under way, or was the last one",
        )
        .answers::<Vec<ProgressLine>>(200, "A line or two for each step."),
        command("/v1/canary", "make_canary", "Make the canary, or give it new keys")
            .takes::<CanaryRequest>()
            .answers::<ApplyReport>(200, "What was declared."),
    ]
}

fn public() -> Vec<Route> {
    vec![
        read("/healthz", "healthz", "Whether the process answers").open("The process answers.", "text/plain"),
        read("/readyz", "readyz", "Whether control is founded and reads its ledger")
            .open("It is ready.", "text/plain"),
        read("/schemas/{kind}.json", "manifest_schema", "JSON Schema of manifests of a kind")
            .open("The schema.", "application/schema+json"),
        read("/calendar.ics", "calendar", "What ends and what is due, as a calendar (RFC 5545)")
            .about("For whoever has the address that `link_calendar` made.")
            .query(CALENDAR)
            .open("The calendar.", "text/calendar"),
        read("/openapi.json", "openapi", "This document").open("The document.", JSON),
    ]
}

fn read(path: &'static str, id: &'static str, summary: &'static str) -> Route {
    Route {
        method: "get",
        path,
        id,
        summary,
        description: "",
        public: false,
        query: &[],
        headers: Vec::new(),
        request: None,
        answers: Vec::new(),
    }
}

/// What changes something: by POST, and not twice under the same key.
fn command(path: &'static str, id: &'static str, summary: &'static str) -> Route {
    read(path, id, summary).by("post").header(
        "Idempotency-Key",
        "Up to 255 visible characters; the same request under the same key is answered from memory for 24 hours, another one is refused.",
    )
}

impl Route {
    fn by(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    fn query(mut self, query: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push((name, description));
        self
    }

    fn takes<T: schemars::JsonSchema>(mut self) -> Self {
        self.request = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    fn answers<T: schemars::JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answers_as::<T>(status, description, JSON)
    }

    fn answers_as<T: schemars::JsonSchema>(
        mut self,
        status: u16,
        description: &'static str,
        media: &'static str,
    ) -> Self {
        let schema: SchemaOf = SchemaGenerator::subschema_for::<T>;
        self.answers.push(Answer { status, description, media, schema: Some(schema) });
        self
    }

    fn answers_as_text(mut self, status: u16, description: &'static str, media: &'static str) -> Self {
        self.answers.push(Answer { status, description, media, schema: None });
        self
    }

    fn answers_nothing(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, media: "", schema: None });
        self
    }

    fn open(mut self, description: &'static str, media: &'static str) -> Self {
        self.public = true;
        self.answers.push(Answer { status: 200, description, media, schema: None });
        self
    }
}
