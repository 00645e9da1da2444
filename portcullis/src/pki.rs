//! The keys and certificates of an installation, made at its first start.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use jiff::{Timestamp, ToSpan};
use portcullis_gate::TlsMaterial;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::settings::write_whole;

mod signing;

pub use signing::SigningFiles;

const AUTHORITY_DAYS: i64 = 3_650;
const SERVER_DAYS: i64 = 397;
/// A certificate with fewer days left is replaced at the next start.
const RENEW_DAYS: i64 = 60;

/// The folder `keys` of a data directory.
#[derive(Clone)]
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Opens the folder, and makes what is missing in it. `hosts` are the names and addresses that
    /// the servers' certificates must hold.
    pub fn open(folder: PathBuf, hosts: &[String], now: Timestamp) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let keys = Self { folder };
        if !keys.path("ca.crt").exists() {
            keys.make_authority(now)?;
        }
        for server in ["gate", "control"] {
            if keys.needs_renewal(server, hosts, now) {
                keys.make_server(server, hosts, now)?;
            }
        }
        if !keys.path("checkpoint.pem").exists() {
            let pem = SigningKey::generate(Algorithm::EdDSA)?.to_pkcs8()?.to_pem();
            write_whole(&keys.path("checkpoint.pem"), pem.as_bytes(), 0o600)?;
        }
        Ok(keys)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn authority_pem(&self) -> Result<Vec<u8>> {
        read(&self.path("ca.crt"))
    }

    /// Certificate chain and key of `gate` or `control`.
    pub fn server(&self, name: &str) -> Result<TlsMaterial> {
        Ok(TlsMaterial {
            chain_pem: read(&self.path(&format!("{name}.crt")))?,
            key_pem: read(&self.path(&format!("{name}.key")))?,
        })
    }

    /// The keys that tokens are signed with.
    pub fn signing(&self) -> Result<SigningFiles> {
        SigningFiles::open(self.path("signing"), &self.path("signing.pem"))
    }

    /// The key that checkpoints are signed with, as PKCS#8.
    pub fn checkpoint_key(&self) -> Result<SigningKey> {
        read_signing_key(&self.path("checkpoint.pem"))
    }

    fn make_authority(&self, now: Timestamp) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut parameters = parameters("Portcullis installation CA", AUTHORITY_DAYS, now)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key)?;
        // The key first: a certificate without its key would look finished.
        write_whole(&self.path("ca.key"), key.serialize_pem().as_bytes(), 0o600)?;
        write_whole(&self.path("ca.crt"), certificate.pem().as_bytes(), 0o644)
    }

    fn make_server(&self, name: &str, hosts: &[String], now: Timestamp) -> Result<()> {
        let authority_key = KeyPair::from_pem(&String::from_utf8(read(&self.path("ca.key"))?)?)?;
        let authority = Issuer::from_ca_cert_pem(&String::from_utf8(self.authority_pem()?)?, authority_key)?;
        let key = KeyPair::generate()?;
        let mut parameters = parameters(&format!("Portcullis {name}"), SERVER_DAYS, now)?;
        parameters.subject_alt_names =
            hosts.iter().map(|host| alternative_name(host)).collect::<Result<_>>()?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &authority)?;
        write_whole(&self.path(&format!("{name}.key")), key.serialize_pem().as_bytes(), 0o600)?;
        write_whole(&self.path(&format!("{name}.crt")), certificate.pem().as_bytes(), 0o644)
    }

    /// Missing, soon over, or without one of the hosts.
    fn needs_renewal(&self, name: &str, hosts: &[String], now: Timestamp) -> bool {
        let Ok(pem) = fs::read(self.path(&format!("{name}.crt"))) else { return true };
        if !self.path(&format!("{name}.key")).exists() {
            return true;
        }
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&pem) else { return true };
        let Ok(certificate) = pem.parse_x509() else { return true };
        let left = certificate.validity().not_after.timestamp() - now.as_second();
        if left < RENEW_DAYS * 86_400 {
            return true;
        }
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return true };
        let held: Vec<String> = names.value.general_names.iter().filter_map(shown).collect();
        hosts.iter().any(|host| !held.contains(host))
    }
}

fn shown(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn parameters(common_name: &str, days: i64, now: Timestamp) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    // A day back, for peers whose clocks are late.
    let hours =
        |hours: i64| now.checked_add(hours.hours()).map(|time| std::time::SystemTime::from(time).into());
    parameters.not_before = hours(-24)?;
    parameters.not_after = hours(days * 24)?;
    Ok(parameters)
}

fn alternative_name(host: &str) -> Result<SanType> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(
            host.try_into().map_err(|_| anyhow!("`{host}` can't stand in a certificate"))?,
        )),
    }
}

fn read_signing_key(path: &Path) -> Result<SigningKey> {
    let pem = String::from_utf8(read(path)?)?;
    SigningKey::from_pkcs8_pem(&pem).with_context(|| format!("`{}` can't be used", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| {
        format!(
            "can't read `{}`\nhint: restore it from a backup; the data directory is not whole without it",
            path.display()
        )
    })
}
