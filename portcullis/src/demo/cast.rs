//! The demo's vendors: their machines, with keys that only they hold.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::Result;
use jiff::{Timestamp, ToSpan};
use portcullis_api::apply::ManifestText;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::dossiers;
use crate::machine::{Identity, Machine, Options, authorities};
use crate::up::Installation;

const TRIAL: &str = include_str!("../../../examples/demo.yaml");
/// Not all eight steps are approved in a trial.
const TRIAL_ADMITTED: &str = r#"- { change: admitted_provisionally, until: "{{now+30d}}" }"#;
/// The client with a past.
pub const LARKHILL: &str = "larkhill-machine";
/// Where thieves sit: each in a network of its own.
pub const THIEF_OF_PROOFS: Ipv4Addr = Ipv4Addr::new(127, 0, 66, 6);
pub const THIEF_OF_KEY: Ipv4Addr = Ipv4Addr::new(127, 0, 77, 7);
/// How long the trial contract still runs when the demo begins.
const TRIAL_SECONDS: i64 = 6;

pub struct Cast {
    /// DPoP with EdDSA.
    pub northgale: Arc<Machine>,
    /// DPoP with ES256.
    pub harrowfield: Arc<Machine>,
    /// DPoP with EdDSA, over HTTP/1.1 and HTTP/2.
    pub quillmere: Arc<Machine>,
    pub quillmere_http1: Arc<Machine>,
    /// A certificate of its own.
    pub bluewick: Arc<Machine>,
    pub selwick: Arc<Machine>,
    /// DPoP with EdDSA; its ways are known.
    pub larkhill: Arc<Machine>,
    /// Whoever has stolen the key of larkhill's machine.
    pub larkhill_thief: Arc<Machine>,
    pub trial_ends: Timestamp,
}

impl Cast {
    /// Gives each machine its key. The vendors are declared and admitted, but for the one that comes for a trial.
    pub async fn gather(installation: &Installation, larkhill_key: Arc<SigningKey>) -> Result<Self> {
        let trial_ends = begin_trial(installation).await?;
        let mut text = String::new();
        let roots = authorities(&std::fs::read(&installation.endpoints.ca)?)?;
        let mut make = |client: &str, integration: &str, credential: Credential| {
            text.push_str(&credential.manifest(client, integration));
            text.push_str("\n---\n");
            machine(installation, client, credential, roots.clone(), Seat::HOME)
        };
        let northgale = make("northgale-machine", "northgale-payslips", Credential::key(Algorithm::EdDSA)?)?;
        let harrowfield =
            make("harrowfield-machine", "harrowfield-customers", Credential::key(Algorithm::ES256)?)?;
        let quillmere_key = Credential::key(Algorithm::EdDSA)?;
        let quillmere = make("quillmere-machine", "quillmere-parcels", quillmere_key.clone())?;
        let bluewick = make("bluewick-machine", "bluewick-payments", Credential::certificate()?)?;
        let selwick = make("selwick-machine", "selwick-delays", Credential::key(Algorithm::EdDSA)?)?;
        let again = |client: &str, credential: Credential, seat: Seat| {
            machine(installation, client, credential, roots.clone(), seat)
        };
        let quillmere_http1 =
            again("quillmere-machine", quillmere_key, Seat { from: None, http1_only: true })?;
        let larkhill_key = Credential::Key(larkhill_key);
        let larkhill = again(LARKHILL, larkhill_key.clone(), Seat::HOME)?;
        let elsewhere = Seat { from: Some(THIEF_OF_KEY), http1_only: false };
        let larkhill_thief = again(LARKHILL, larkhill_key, elsewhere)?;
        installation.apply(vec![ManifestText { file: "machines".to_owned(), text }]).await?;
        Ok(Self {
            northgale,
            harrowfield,
            quillmere,
            quillmere_http1,
            bluewick,
            selwick,
            larkhill,
            larkhill_thief,
            trial_ends,
        })
    }
}

/// The end of the trial.
async fn begin_trial(installation: &Installation) -> Result<Timestamp> {
    let now = installation.control.clock().now();
    let ends = now.checked_add(TRIAL_SECONDS.seconds())?;
    let text = dossiers::filled(TRIAL, now)?.replace("CONTRACT_END", &ends.to_string());
    installation.apply(vec![ManifestText { file: "examples/demo.yaml".to_owned(), text }]).await?;
    dossiers::record(installation, "selwick", TRIAL_ADMITTED, now).await?;
    Ok(ends)
}

/// What a machine proves itself with.
#[derive(Clone)]
pub enum Credential {
    Key(Arc<SigningKey>),
    Certificate { certificate: String, key: String },
}

impl Credential {
    fn key(algorithm: Algorithm) -> Result<Self> {
        Ok(Self::Key(Arc::new(SigningKey::generate(algorithm)?)))
    }

    fn certificate() -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["machine.bluewick.example".to_owned()])?.self_signed(&key)?;
        Ok(Self::Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Only public parts are registered.
    pub fn manifest(&self, client: &str, integration: &str) -> String {
        let spec = match self {
            Self::Key(key) => json!({ "integration": integration, "jwks": { "keys": [key.public_jwk()] } }),
            Self::Certificate { certificate, .. } => {
                json!({ "integration": integration, "certificates": [certificate] })
            }
        };
        json!({ "kind": "Client", "name": client, "spec": spec }).to_string()
    }
}

/// Where a machine calls from, and how: over HTTP/1.1 alone its TLS client looks like another one.
#[derive(Clone, Copy)]
pub struct Seat {
    pub from: Option<Ipv4Addr>,
    pub http1_only: bool,
}

impl Seat {
    pub const HOME: Self = Self { from: None, http1_only: false };
}

pub fn machine(
    installation: &Installation,
    client: &str,
    credential: Credential,
    authorities: Vec<reqwest::Certificate>,
    seat: Seat,
) -> Result<Arc<Machine>> {
    let (key, identity) = match credential {
        Credential::Key(key) => (Some(key), None),
        Credential::Certificate { certificate, key } => {
            (None, Some(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?))
        }
    };
    Ok(Arc::new(Machine::new(Options {
        issuer: installation.endpoints.issuer.clone(),
        client: client.to_owned(),
        key,
        identity,
        authorities,
        scope: Vec::new(),
        http1_only: seat.http1_only,
        local_address: seat.from.map(IpAddr::V4),
        through: None,
        clock: installation.control.clock().clone(),
    })?))
}
