//! What the process that control runs in does for operators: things that no ledger knows.

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::certificates::CertificateView;
use portcullis_api::checks::Check;
use portcullis_api::ledger::Posting;
use portcullis_api::notify::{WebhookTestAnswer, WebhookView};
use portcullis_api::problem::Problem;
use portcullis_api::reload::ReloadAnswer;
use portcullis_domain::event::CertificateUse;
use portcullis_policy::facts::SnapshotFacts;
use uuid::Uuid;

use crate::assurance::calendar::CalendarKey;
use crate::feeds::Intel;

pub type Reloading = Pin<Box<dyn Future<Output = Result<ReloadAnswer, Box<Problem>>> + Send>>;

/// Handed to control once, when the process has started.
pub struct Process {
    /// Reads settings, certificates and identities anew.
    pub reload: Box<dyn Fn() -> Reloading + Send + Sync>,
    /// Adds to the metrics what is counted outside of control, as Prometheus' text format 0.0.4.
    pub metrics: Box<dyn Fn(&mut String) + Send + Sync>,
    /// How posting checkpoints to places outside goes.
    pub postings: Box<dyn Fn() -> Vec<Posting> + Send + Sync>,
    pub metrics_access: MetricsAccess,
    /// Looks at what a snapshot names, such as upstreams, from where the gate stands.
    pub checks: Box<dyn Fn(SnapshotFacts) -> Checking + Send + Sync>,
    /// Whoever reads feeds; none where the gate runs elsewhere.
    pub intel: Option<Arc<dyn Intel>>,
    /// None where certificates come from elsewhere.
    pub authority: Option<Arc<dyn Authority>>,
    pub webhooks: Arc<dyn Webhooks>,
    /// None where nobody reads calendars.
    pub calendar_key: Option<CalendarKey>,
}

/// Whoever tells places outside what happens.
pub trait Webhooks: Send + Sync {
    fn status(&self) -> Vec<WebhookView>;

    /// Sends a word that tells of nothing; none where there is no webhook of this name.
    fn test(&self, name: &str) -> Option<Testing>;
}

pub type Testing = Pin<Box<dyn Future<Output = WebhookTestAnswer> + Send>>;

/// The built-in authority, whose keys the process holds. Its calls take as long as a signature and a file.
pub trait Authority: Send + Sync {
    /// The authority's own certificates, and the servers'.
    ///
    /// # Errors
    /// A file can't be read.
    fn own(&self) -> Result<Vec<CertificateView>, Box<Problem>>;

    /// Signs; nobody has it before it is in the ledger.
    ///
    /// # Errors
    /// The request is none, or the authority's key can't be used.
    fn sign(&self, order: &Order) -> Result<Signed, Box<Problem>>;

    /// Lays an identity where gates take those from that they show to upstreams, and has it put to use.
    fn install(&self, name: &str, signed: &Signed) -> Reloading;

    /// Makes a server's certificate anew, and has it put to use.
    fn renew(&self, server: String) -> Reloading;

    /// The list of revoked certificates, as PEM; `number` never falls.
    ///
    /// # Errors
    /// The authority's key can't be used.
    fn crl(
        &self,
        usage: CertificateUse,
        number: u64,
        revoked: &[(String, Timestamp)],
    ) -> Result<String, Box<Problem>>;

    /// How long certificates are good, unless another time is asked for.
    fn days(&self) -> u32;

    /// Where credentials of tunnels are kept sealed; none where nobody keeps them.
    fn tunnel_vault(&self) -> Option<Arc<dyn TunnelVault>> {
        None
    }

    /// PEM of the authority that signs for tunnels, and for nothing else.
    ///
    /// # Errors
    /// It can't be read.
    fn tunnel_authority(&self) -> Result<String, Box<Problem>> {
        Err(Box::new(Problem::new(503, "no authority", "this process signs nothing for tunnels")))
    }
}

/// Credentials of tunnels, each under its id. What is put is sealed before it lies on a disk.
pub trait TunnelVault: Send + Sync {
    /// # Errors
    /// It can't be written.
    fn put(&self, id: Uuid, secret: &[u8]) -> Result<(), Box<Problem>>;

    /// None where there is none of this id.
    ///
    /// # Errors
    /// It can't be read.
    fn get(&self, id: Uuid) -> Result<Option<Arc<Vec<u8>>>, Box<Problem>>;

    /// Of what is gone nothing is left to read.
    ///
    /// # Errors
    /// It can't be removed.
    fn remove(&self, id: Uuid) -> Result<(), Box<Problem>>;
}

/// A certificate that is to be signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    pub usage: CertificateUse,
    /// Of the client, or of the identity.
    pub name: String,
    /// PKCS#10 as PEM, of which the key alone counts; without one a key is made.
    pub request: Option<String>,
    pub days: u32,
}

/// A certificate that was signed.
#[derive(Clone)]
pub struct Signed {
    /// Lower-case hex.
    pub serial: String,
    pub thumbprint: String,
    /// SHA-256 of its SubjectPublicKeyInfo, lower-case hex: the same for every certificate of one key.
    pub key_sha256: String,
    pub not_after: Timestamp,
    /// The certificate, then its intermediate.
    pub chain_pem: String,
    /// The key, if it was made here.
    pub key_pem: Option<String>,
}

pub type Checking = Pin<Box<dyn Future<Output = Vec<Check>> + Send>>;

/// Who may read the metrics, which name vendors and their volumes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetricsAccess {
    /// Everybody who reaches control.
    Open,
    Operators,
    /// Operators, and who holds the token with this digest (lower-case hex of its SHA-256).
    Token {
        sha256: String,
    },
}

/// The process, once it has started.
pub(crate) type Started = std::sync::OnceLock<Arc<Process>>;
