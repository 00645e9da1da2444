//! What control asks of the built-in authority, whose keys lie in this process's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use portcullis_api::certificates::{CertificateKind, CertificateView};
use portcullis_api::problem::Problem;
use portcullis_control::process::{Authority, Order, Reloading, Signed, TunnelVault};
use portcullis_domain::event::CertificateUse;
use portcullis_policy::clock::Clock;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use uuid::Uuid;

use super::reload::{Reloader, problem};
use crate::pki::{Intermediate, Keys, SERVERS};
use crate::settings::write_whole;

pub struct BuiltIn {
    pub keys: Keys,
    pub reloader: Arc<Reloader>,
    pub identities: PathBuf,
    pub clock: Clock,
    pub days: u32,
    pub tunnels: Arc<TunnelFiles>,
}

impl BuiltIn {
    fn views(&self) -> Result<Vec<CertificateView>> {
        let mut views = vec![view(CertificateKind::Root, "ca", &self.keys.path("ca.crt"), false)?];
        for intermediate in Intermediate::ALL {
            let path = self.keys.intermediate_path(intermediate);
            views.push(view(CertificateKind::Intermediate, intermediate.name(), &path, false)?);
        }
        for server in SERVERS {
            let path = self.keys.server_path(server);
            views.push(view(CertificateKind::Server, server, &path, self.keys.is_external(server))?);
        }
        Ok(views)
    }
}

impl Authority for BuiltIn {
    fn own(&self) -> Result<Vec<CertificateView>, Box<Problem>> {
        self.views().map_err(|error| Box::new(problem("a certificate can't be read", &error)))
    }

    fn sign(&self, order: &Order) -> Result<Signed, Box<Problem>> {
        let signed = self.keys.sign(order, self.clock.now());
        signed.map_err(|error| Box::new(problem("nothing was issued", &error)))
    }

    fn install(&self, name: &str, signed: &Signed) -> Reloading {
        let laid = lay(&self.identities, name, signed);
        let reloader = Arc::clone(&self.reloader);
        Box::pin(async move {
            let reloaded = match laid {
                Ok(()) => reloader.reload().await,
                Err(error) => Err(error),
            };
            reloaded.map_err(|error| Box::new(problem("the identity was issued, and is not in use", &error)))
        })
    }

    fn renew(&self, server: String) -> Reloading {
        let reloader = Arc::clone(&self.reloader);
        let now = self.clock.now();
        Box::pin(async move {
            let renewed = reloader.renew(&server, now).await;
            renewed.map_err(|error| Box::new(problem("nothing was renewed", &error)))
        })
    }

    fn crl(
        &self,
        usage: CertificateUse,
        number: u64,
        revoked: &[(String, Timestamp)],
    ) -> Result<String, Box<Problem>> {
        let list = self.keys.revoked(usage, number, revoked, self.clock.now());
        list.map_err(|error| Box::new(problem("the list can't be signed", &error)))
    }

    fn days(&self) -> u32 {
        self.days
    }

    fn tunnel_vault(&self) -> Option<Arc<dyn TunnelVault>> {
        Some(Arc::clone(&self.tunnels) as Arc<dyn TunnelVault>)
    }

    fn tunnel_authority(&self) -> Result<String, Box<Problem>> {
        let path = self.keys.intermediate_path(Intermediate::Issues(CertificateUse::Tunnels));
        let read = std::fs::read_to_string(&path).with_context(|| format!("can't read `{}`", path.display()));
        read.map_err(|error| Box::new(problem("the authority of tunnels can't be read", &error)))
    }
}

/// Credentials of tunnels: sealed files of the folder `keys/tunnels`, read once.
pub struct TunnelFiles {
    keys: Keys,
    /// Those that were read: the plan is made again at each change.
    read: Mutex<BTreeMap<Uuid, Arc<Vec<u8>>>>,
}

impl TunnelFiles {
    pub fn new(keys: Keys) -> Self {
        Self { keys, read: Mutex::default() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, Arc<Vec<u8>>>> {
        self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl TunnelVault for TunnelFiles {
    fn put(&self, id: Uuid, secret: &[u8]) -> Result<(), Box<Problem>> {
        let kept = self.keys.keep_tunnel(id, secret);
        kept.map_err(|error| Box::new(problem("the credentials can't be kept", &error)))?;
        self.known().insert(id, Arc::new(secret.to_vec()));
        Ok(())
    }

    fn get(&self, id: Uuid) -> Result<Option<Arc<Vec<u8>>>, Box<Problem>> {
        if let Some(known) = self.known().get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let read = self
            .keys
            .kept_tunnel(id)
            .map_err(|error| Box::new(problem("credentials can't be read", &error)))?;
        let read = read.map(Arc::new);
        if let Some(read) = &read {
            self.known().insert(id, Arc::clone(read));
        }
        Ok(read)
    }

    fn remove(&self, id: Uuid) -> Result<(), Box<Problem>> {
        self.known().remove(&id);
        let removed = self.keys.forget_tunnel(id);
        removed.map_err(|error| Box::new(problem("credentials can't be removed", &error)))
    }
}

/// Where the gate looks for what it shows to upstreams. The key first: a certificate without its key
/// would look finished.
fn lay(identities: &Path, name: &str, signed: &Signed) -> Result<()> {
    std::fs::create_dir_all(identities).with_context(|| format!("can't make `{}`", identities.display()))?;
    let key = signed.key_pem.as_deref().context("an identity needs its key")?;
    write_whole(&identities.join(format!("{name}.key")), key.as_bytes(), 0o600)?;
    write_whole(&identities.join(format!("{name}.crt")), signed.chain_pem.as_bytes(), 0o644)
}

fn view(kind: CertificateKind, name: &str, path: &Path, external: bool) -> Result<CertificateView> {
    let read = || -> Result<CertificateView> {
        let der = CertificateDer::from_pem_file(path)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der)?;
        Ok(CertificateView {
            kind,
            name: name.to_owned(),
            serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            thumbprint: Thumbprint::of_certificate(&der).to_string(),
            not_after: Timestamp::from_second(certificate.validity().not_after.timestamp())?,
            external,
            revoked_at: None,
        })
    };
    read().with_context(|| format!("`{}` can't be read as a certificate", path.display()))
}
