//! The built-in authority: a root that stays, and under it an intermediate of its own for each use, so that
//! what one of them signs is good for nothing else.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use jiff::{Timestamp, ToSpan};
use portcullis_control::process::{Order, Signed};
use portcullis_domain::event::CertificateUse;
use portcullis_tokens::thumbprint::Thumbprint;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};

use super::{Keys, alternative_name, read};
use crate::clock::entropy;
use crate::settings::write_whole;

const ROOT_DAYS: i64 = 3_650;
const INTERMEDIATE_DAYS: i64 = 1_825;
/// An intermediate with fewer days left signs nothing new: another takes its place.
const INTERMEDIATE_DAYS_LEFT_MIN: i64 = 400;
/// How long a list of revoked certificates may be relied on.
const CRL_HOURS: i64 = 24;
const CSR_BYTES_MAX: usize = 16 * 1024;

/// What an intermediate authority signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intermediate {
    /// The gate's and control's own certificates.
    Servers,
    Issues(CertificateUse),
}

impl Intermediate {
    pub const ALL: [Self; 4] = [
        Self::Servers,
        Self::Issues(CertificateUse::Clients),
        Self::Issues(CertificateUse::Upstreams),
        Self::Issues(CertificateUse::Tunnels),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Issues(CertificateUse::Clients) => "clients",
            Self::Issues(CertificateUse::Upstreams) => "upstreams",
            Self::Issues(CertificateUse::Tunnels) => "tunnels",
        }
    }

    fn purpose(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Servers => ExtendedKeyUsagePurpose::ServerAuth,
            // id-kp-ipsecIKE (RFC 4945, section 5.1.3.12): no server over TLS takes it for a client.
            Self::Issues(CertificateUse::Tunnels) => {
                ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 17])
            }
            Self::Issues(_) => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}

impl Keys {
    /// Makes the root and the intermediates that are missing, or will soon be over.
    pub(super) fn ensure_authorities(&self, now: Timestamp) -> Result<()> {
        if !self.path("ca.crt").exists() {
            let key = KeyPair::generate()?;
            let parameters = authority_parameters("Portcullis installation CA", ROOT_DAYS, 1, now)?;
            let certificate = parameters.self_signed(&key)?;
            // The key first: a certificate without its key would look finished.
            self.vault.write(&self.path("ca.key"), key.serialize_pem().as_bytes())?;
            write_whole(&self.path("ca.crt"), certificate.pem().as_bytes(), 0o644)?;
        }
        fs::create_dir_all(self.path("authorities"))
            .with_context(|| format!("can't make `{}`", self.path("authorities").display()))?;
        for intermediate in Intermediate::ALL {
            if self.needs_intermediate(intermediate, now) {
                self.make_intermediate(intermediate, now)?;
            }
        }
        Ok(())
    }

    /// A server's certificate, under its intermediate, good for `days`.
    pub(super) fn make_server(&self, name: &str, hosts: &[String], days: u32, now: Timestamp) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut parameters = leaf_parameters(&format!("Portcullis {name}"), days, now)?;
        parameters.subject_alt_names =
            hosts.iter().map(|host| alternative_name(host)).collect::<Result<_>>()?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (issuer, chain) = self.issuer(Intermediate::Servers)?;
        let certificate = parameters.signed_by(&key, &issuer)?;
        self.vault.write(&self.path(&format!("{name}.key")), key.serialize_pem().as_bytes())?;
        let chain = format!("{}{chain}", certificate.pem());
        write_whole(&self.path(&format!("{name}.crt")), chain.as_bytes(), 0o644)
    }

    /// Signs a machine's certificate: for the key of a request whose signature is good, or for a new
    /// key that is handed out with it. Of a request only the key counts.
    pub fn sign(&self, order: &Order, now: Timestamp) -> Result<Signed> {
        let Order { usage, name, request, days } = order;
        let mut parameters = leaf_parameters(name, *days, now)?;
        parameters.subject_alt_names = vec![subject(*usage, name)?];
        parameters.extended_key_usages = vec![Intermediate::Issues(*usage).purpose()];
        let mut serial = [0; 16];
        entropy()(&mut serial);
        // Positive (RFC 5280, section 4.1.2.2), and never of fewer bytes.
        serial[0] = serial[0] & 0x3f | 0x40;
        parameters.serial_number = Some(SerialNumber::from_slice(&serial));
        let not_after = Timestamp::from_second(parameters.not_after.unix_timestamp())?;
        let (issuer, chain) = self.issuer(Intermediate::Issues(*usage))?;
        let (certificate, key_pem) = match request {
            Some(request) => (parameters.signed_by(&asked(request)?, &issuer)?, None),
            None => {
                let key = KeyPair::generate()?;
                (parameters.signed_by(&key, &issuer)?, Some(key.serialize_pem()))
            }
        };
        Ok(Signed {
            serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
            thumbprint: Thumbprint::of_certificate(certificate.der()).to_string(),
            key_sha256: key_digest(certificate.der())?,
            not_after,
            chain_pem: format!("{}{chain}", certificate.pem()),
            key_pem,
        })
    }

    /// The list of revoked certificates of a use (RFC 5280, section 5), as PEM. `number` never falls.
    pub fn revoked(
        &self,
        usage: CertificateUse,
        number: u64,
        revoked: &[(String, Timestamp)],
        now: Timestamp,
    ) -> Result<String> {
        let time = |time: Timestamp| std::time::SystemTime::from(time).into();
        let one = |(serial, at): &(String, Timestamp)| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from(from_hex(serial)?),
                revocation_time: time(*at),
                reason_code: None,
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: time(now),
            next_update: time(now.checked_add(CRL_HOURS.hours())?),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect::<Result<_>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let (issuer, _) = self.issuer(Intermediate::Issues(usage))?;
        Ok(list.signed_by(&issuer)?.pem()?)
    }

    /// Where the certificate of an intermediate lies.
    pub fn intermediate_path(&self, intermediate: Intermediate) -> PathBuf {
        self.path("authorities").join(format!("{}.crt", intermediate.name()))
    }

    fn issuer(&self, intermediate: Intermediate) -> Result<(Issuer<'static, KeyPair>, String)> {
        let certificate = self.intermediate_path(intermediate);
        let pem = String::from_utf8(read(&certificate)?)?;
        let key = String::from_utf8(self.vault.read(&certificate.with_extension("key"))?)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(&key)?)
            .with_context(|| format!("`{}` can't be used", certificate.display()))?;
        Ok((issuer, pem))
    }

    fn needs_intermediate(&self, intermediate: Intermediate, now: Timestamp) -> bool {
        let certificate = self.intermediate_path(intermediate);
        if !certificate.with_extension("key").exists() {
            return true;
        }
        let Ok(pem) = fs::read(&certificate) else { return true };
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&pem) else { return true };
        let Ok(parsed) = pem.parse_x509() else { return true };
        let left = parsed.validity().not_after.timestamp() - now.as_second();
        left < INTERMEDIATE_DAYS_LEFT_MIN * 86_400
    }

    fn make_intermediate(&self, intermediate: Intermediate, now: Timestamp) -> Result<()> {
        let root_key = KeyPair::from_pem(&String::from_utf8(self.vault.read(&self.path("ca.key"))?)?)?;
        let root = Issuer::from_ca_cert_pem(&String::from_utf8(self.authority_pem()?)?, root_key)?;
        let key = KeyPair::generate()?;
        let common_name = format!("Portcullis installation CA for {}", intermediate.name());
        let mut parameters = authority_parameters(&common_name, INTERMEDIATE_DAYS, 0, now)?;
        parameters.extended_key_usages = vec![intermediate.purpose()];
        let certificate = parameters.signed_by(&key, &root)?;
        let path = self.intermediate_path(intermediate);
        self.vault.write(&path.with_extension("key"), key.serialize_pem().as_bytes())?;
        write_whole(&path, certificate.pem().as_bytes(), 0o644)
    }
}

/// A machine's name, or what a peer calls itself in IKE (RFC 4945, section 3.1): that has to stand in its certificate.
fn subject(usage: CertificateUse, name: &str) -> Result<SanType> {
    let wrong = || anyhow!("`{name}` can't stand in a certificate");
    if usage != CertificateUse::Tunnels {
        let uri = format!("urn:portcullis:{}:{name}", Intermediate::Issues(usage).name());
        return Ok(SanType::URI(uri.try_into().map_err(|_| wrong())?));
    }
    let text = name.try_into().map_err(|_| wrong())?;
    Ok(if name.contains('@') { SanType::Rfc822Name(text) } else { SanType::DnsName(text) })
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, in hex.
fn key_digest(der: &[u8]) -> Result<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.public_key().raw);
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key of a PKCS#10 request (RFC 2986), which its signature proves to be held.
fn asked(request: &str) -> Result<rcgen::PublicKey> {
    let hint = "make one with `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes`";
    if request.len() > CSR_BYTES_MAX {
        return Err(anyhow!("the request is longer than {CSR_BYTES_MAX} bytes\nhint: {hint}"));
    }
    let parsed = CertificateSigningRequestParams::from_pem(request)
        .map_err(|error| anyhow!("the request can't be used: {error}\nhint: {hint}"))?;
    Ok(parsed.public_key)
}

fn authority_parameters(
    common_name: &str,
    days: i64,
    below: u8,
    now: Timestamp,
) -> Result<CertificateParams> {
    let mut parameters = super::parameters(common_name, days, now)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn leaf_parameters(common_name: &str, days: u32, now: Timestamp) -> Result<CertificateParams> {
    let mut parameters = super::parameters(common_name, i64::from(days), now)?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect::<Result<_>>()
        .with_context(|| format!("`{text}` is no serial number"))
}
