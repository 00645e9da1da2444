//! The keys and certificates of an installation, made at its first start.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::{Timestamp, ToSpan};
use portcullis_documents::RootKey;
use portcullis_gate::TlsMaterial;
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, SanType};
use uuid::Uuid;

use crate::clock::entropy;
use crate::settings::write_whole;
use crate::vault::{REPLACED, Replaced, Vault};

mod authority;
mod signing;
mod subjects;

pub use authority::Intermediate;
pub use signing::SigningFiles;
pub use subjects::SubjectKeysWrapper;

/// The servers of an installation.
pub const SERVERS: [&str; 2] = ["gate", "control"];
/// Below the folder of keys: credentials of tunnels.
pub const TUNNELS: &str = "tunnels";

/// The folder `keys` of a data directory.
#[derive(Clone)]
pub struct Keys {
    folder: PathBuf,
    vault: Vault,
}

impl Keys {
    /// Opens the folder, and makes what is missing in it. `hosts` are the names and addresses that
    /// the servers' certificates must hold, each for `days`.
    pub fn open(folder: PathBuf, vault: Vault, hosts: &[String], days: u32, now: Timestamp) -> Result<Self> {
        let keys = Self { folder, vault };
        keys.ensure_authorities(now)?;
        keys.renew_servers(hosts, days, now)?;
        if !keys.path("checkpoint.pem").exists() {
            let pem = SigningKey::generate(Algorithm::EdDSA)?.to_pkcs8()?.to_pem();
            keys.vault.write(&keys.path("checkpoint.pem"), pem.as_bytes())?;
        }
        let public = spki_pem(&keys.checkpoint_key()?)?;
        write_whole(&keys.path("checkpoint.pub"), public.as_bytes(), 0o644)?;
        if !keys.path("subjects.key").exists() {
            let mut bytes = [0; 32];
            entropy()(&mut bytes);
            keys.vault.write(&keys.path("subjects.key"), &bytes)?;
        }
        Ok(keys)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn authority_pem(&self) -> Result<Vec<u8>> {
        read(&self.path("ca.crt"))
    }

    /// Makes those of the servers' certificates anew that have less than a third of their life left, and
    /// tells which.
    pub fn renew_servers(&self, hosts: &[String], days: u32, now: Timestamp) -> Result<Vec<&'static str>> {
        let mut renewed = Vec::new();
        for server in SERVERS {
            if !self.is_external(server) && self.needs_renewal(server, hosts, now) {
                self.make_server(server, hosts, days, now)?;
                renewed.push(server);
            }
        }
        Ok(renewed)
    }

    /// Makes a server's certificate anew, however long it is still good.
    pub fn renew_server(&self, name: &str, hosts: &[String], days: u32, now: Timestamp) -> Result<()> {
        if !SERVERS.contains(&name) {
            bail!("there is no server `{name}`\nhint: it is `gate` or `control`");
        }
        if self.is_external(name) {
            let path = self.path(&format!("{name}.external.crt"));
            bail!(
                "`{}` was brought from outside\nhint: put the new one in its place, and `portcullis reload`",
                path.display()
            );
        }
        self.make_server(name, hosts, days, now)
    }

    /// Whether the owner has brought a certificate of another authority.
    pub fn is_external(&self, name: &str) -> bool {
        self.path(&format!("{name}.external.crt")).exists()
    }

    /// Where the certificate of a server lies that is in use.
    pub fn server_path(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}{}.crt", if self.is_external(name) { ".external" } else { "" }))
    }

    /// Certificate chain and key of `gate` or `control`.
    pub fn server(&self, name: &str) -> Result<TlsMaterial> {
        if self.is_external(name) {
            return Ok(TlsMaterial {
                chain_pem: read(&self.server_path(name))?,
                key_pem: self.vault.read(&self.path(&format!("{name}.external.key")))?,
            });
        }
        Ok(TlsMaterial {
            chain_pem: read(&self.path(&format!("{name}.crt")))?,
            key_pem: self.vault.read(&self.path(&format!("{name}.key")))?,
        })
    }

    /// The keys that tokens are signed with.
    pub fn signing(&self) -> Result<SigningFiles> {
        SigningFiles::open(self.path("signing"), self.vault.clone(), &self.path("signing.pem"))
    }

    /// What wraps the keys of people's texts.
    pub fn subjects(&self) -> Result<SubjectKeysWrapper> {
        let bytes = self.vault.read(&self.path("subjects.key"))?;
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        let key =
            key.map_err(|_| anyhow!("`{}` is no key of 32 bytes", self.path("subjects.key").display()))?;
        Ok(SubjectKeysWrapper::new(&key))
    }

    /// What documents of evidence are sealed under; made when it is needed first.
    pub fn documents(&self) -> Result<RootKey> {
        let path = self.path("documents.key");
        if !path.exists() {
            let mut bytes = [0; 32];
            entropy()(&mut bytes);
            self.vault.write(&path, &bytes)?;
        }
        let bytes = self.vault.read(&path)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        Ok(RootKey::new(key.map_err(|_| anyhow!("`{}` is no key of 32 bytes", path.display()))?))
    }

    /// Seals credentials of a tunnel.
    pub fn keep_tunnel(&self, id: Uuid, secret: &[u8]) -> Result<()> {
        let folder = self.path(TUNNELS);
        fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        self.vault.write(&folder.join(format!("{id}.key")), secret)
    }

    /// Credentials of a tunnel, if there are some.
    pub fn kept_tunnel(&self, id: Uuid) -> Result<Option<Vec<u8>>> {
        let path = self.path(TUNNELS).join(format!("{id}.key"));
        if path.exists() { self.vault.read(&path).map(Some) } else { Ok(None) }
    }

    pub fn forget_tunnel(&self, id: Uuid) -> Result<()> {
        let path = self.path(TUNNELS).join(format!("{id}.key"));
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("can't remove `{}`", path.display()))?;
        }
        Ok(())
    }

    /// The signer of checkpoints, whose verifier takes those of lost keys, too.
    pub fn checkpoint_signer(&self, origin: &str) -> Result<NoteSigner> {
        let signer = NoteSigner::from_pkcs8(origin, self.checkpoint_key()?.to_pkcs8()?.as_der())?;
        write_whole(&self.path("checkpoint.vkey"), format!("{}\n", signer.verifier()).as_bytes(), 0o644)?;
        let former = fs::read_to_string(self.path("checkpoint.former")).unwrap_or_default();
        let former: Vec<NoteVerifier> = former
            .lines()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("`{}` can't be read", self.path("checkpoint.former").display()))?;
        Ok(signer.after(former))
    }

    /// Files that were lost with a master key, and not recorded yet.
    pub fn lost(&self) -> Result<Vec<String>> {
        let path = self.path(REPLACED);
        match fs::read(&path) {
            Ok(bytes) => {
                let replaced: Replaced = serde_json::from_slice(&bytes)
                    .with_context(|| format!("`{}` can't be read", path.display()))?;
                Ok(replaced.lost)
            }
            Err(_) => Ok(Vec::new()),
        }
    }

    /// They are recorded.
    pub fn lost_is_told(&self) -> Result<()> {
        let path = self.path(REPLACED);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("can't remove `{}`", path.display()))?;
        }
        Ok(())
    }

    /// The key that checkpoints are signed with, as PKCS#8.
    pub fn checkpoint_key(&self) -> Result<SigningKey> {
        read_signing_key(&self.vault, &self.path("checkpoint.pem"))
    }

    /// Missing, with less than a third of its life left, or without one of the hosts.
    fn needs_renewal(&self, name: &str, hosts: &[String], now: Timestamp) -> bool {
        let Ok(pem) = fs::read(self.path(&format!("{name}.crt"))) else { return true };
        if !self.path(&format!("{name}.key")).exists() {
            return true;
        }
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&pem) else { return true };
        let Ok(certificate) = pem.parse_x509() else { return true };
        let validity = certificate.validity();
        let left = validity.not_after.timestamp().saturating_sub(now.as_second());
        if left.saturating_mul(3)
            < validity.not_after.timestamp().saturating_sub(validity.not_before.timestamp())
        {
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

fn read_signing_key(vault: &Vault, path: &Path) -> Result<SigningKey> {
    let pem = String::from_utf8(vault.read(path)?)?;
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

/// The public half of an Ed25519 key as `openssl` reads it (RFC 8410).
fn spki_pem(key: &SigningKey) -> Result<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let jwk = serde_json::to_value(key.public_jwk())?;
    let x = jwk.get("x").and_then(serde_json::Value::as_str).unwrap_or_default();
    let der = [ED25519.as_slice(), &URL_SAFE_NO_PAD.decode(x)?].concat();
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der)))
}
