//! What control asks of the built-in authority, whose keys lie in this process's folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use portcullis_api::certificates::{CertificateKind, CertificateView};
use portcullis_api::problem::Problem;
use portcullis_control::process::{Authority, Order, Reloading, Signed};
use portcullis_domain::event::CertificateUse;
use portcullis_policy::clock::Clock;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::reload::{Reloader, problem};
use crate::pki::{Intermediate, Keys, SERVERS};
use crate::settings::write_whole;

pub struct BuiltIn {
    pub keys: Keys,
    pub reloader: Arc<Reloader>,
    pub identities: PathBuf,
    pub clock: Clock,
    pub days: u32,
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
