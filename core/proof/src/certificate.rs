//! Chains of certificates (RFC 5280), from a signer to a root that we were given.
//!
//! webpki builds and checks the path. What it leaves to its caller is here: what the signer's key is for, and a
//! signer's own certificate among the roots. Whether a certificate was revoked isn't looked up.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use portcullis_tokens::json::shown;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error as ChainError, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};
use x509_parser::certificate::X509Certificate;

/// The most certificates that roots have, or that come with a signature.
pub const ROOTS_MAX: usize = 64;
pub(crate) const INTERMEDIATES_MAX: usize = 16;
/// The longest PEM of roots that is read.
pub const ROOTS_BYTES_MAX: usize = 512 * 1024;

/// Where chains must end: authorities, or the very certificate of a signer.
#[derive(Clone, Default, Debug)]
pub struct Roots(Vec<Root>);

#[derive(Clone, Debug)]
struct Root {
    certificate: CertificateDer<'static>,
    /// The registered auditor whose signers it vouches for.
    auditor: Option<String>,
}

/// A certificate among roots, for people and for telling it from others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootFacts {
    /// Base64url of the SHA-256 of its DER, as RFC 8705 has it.
    pub thumbprint: String,
    pub subject: String,
    pub not_after: Option<Timestamp>,
    pub pem: String,
}

/// Why a text doesn't hold roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    #[error("the text has {bytes} bytes, hint: at most {ROOTS_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error("there is no certificate in it, hint: give PEM with `BEGIN CERTIFICATE`")]
    Empty,
    #[error("certificate {position} can't be read, hint: export it again as PEM")]
    Malformed { position: usize },
    #[error("there are more than {ROOTS_MAX} certificates, hint: give only those that you trust auditors by")]
    TooMany,
}

impl Roots {
    /// Reads PEM.
    ///
    /// # Errors
    /// [`RootsError`]. One bad certificate refuses the whole.
    pub fn parse(pem: &[u8]) -> Result<Self, RootsError> {
        if pem.len() > ROOTS_BYTES_MAX {
            return Err(RootsError::TooLong { bytes: pem.len() });
        }
        let mut roots = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let malformed = RootsError::Malformed { position: index + 1 };
            let Ok(certificate) = certificate else { return Err(malformed) };
            if parse(&certificate).is_none() {
                return Err(malformed);
            }
            if index == ROOTS_MAX {
                return Err(RootsError::TooMany);
            }
            roots.push(Root { certificate, auditor: None });
        }
        if roots.is_empty() { Err(RootsError::Empty) } else { Ok(Self(roots)) }
    }

    /// The same roots: whoever they vouch for signs as the auditor of this name.
    #[must_use]
    pub fn of_auditor(mut self, name: &str) -> Self {
        for root in &mut self.0 {
            root.auditor = Some(name.to_owned());
        }
        self
    }

    /// Takes those of `other` in, too.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each certificate, in its order.
    pub fn facts(&self) -> Vec<RootFacts> {
        self.0.iter().map(|root| facts(&root.certificate)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Who stands behind a signer's certificate.
#[derive(Debug)]
pub(crate) struct Vouched {
    /// Subjects from the certificate above the signer's up to the root.
    pub names: Vec<String>,
    pub auditor: Option<String>,
}

/// The chain above the signer, or why there is none.
pub(crate) type Chain = Result<Vouched, String>;

/// Whether `leaf` may sign documents at `at` by the word of one of `roots`.
pub(crate) fn chain(leaf: &[u8], others: &[CertificateDer<'_>], roots: &Roots, at: Timestamp) -> Chain {
    let Some(certificate) = parse(leaf) else {
        return Err("the signer's certificate can't be read".to_owned());
    };
    let name = subject(&certificate);
    if !may_sign(&certificate) {
        return Err(format!("the certificate of `{name}` isn't for signing documents"));
    }
    if let Some(root) = roots.0.iter().find(|root| root.certificate.as_ref() == leaf) {
        within(&certificate, at).map_err(|why| format!("the certificate of `{name}` {why}"))?;
        return Ok(Vouched { names: Vec::new(), auditor: root.auditor.clone() });
    }
    let unknown = || format!("the certificate of `{name}` can't be read");
    let seconds = u64::try_from(at.as_second()).map_err(|_| unknown())?;
    let anchors: Vec<_> =
        roots.0.iter().filter_map(|root| webpki::anchor_from_trusted_cert(&root.certificate).ok()).collect();
    let leaf = CertificateDer::from(leaf);
    let end_entity = EndEntityCert::try_from(&leaf)
        .map_err(|error| format!("the certificate of `{name}` {}", words(&error)))?;
    let others = others.get(..others.len().min(INTERMEDIATES_MAX)).unwrap_or_default();
    let path = end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            others,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            ForDocuments,
            None,
            None,
        )
        .map_err(|error| format!("the certificate of `{name}` {}", words(&error)))?;
    let mut names: Vec<String> = path
        .intermediate_certificates()
        .filter_map(|between| parse(&between.der()).map(|certificate| subject(&certificate)))
        .collect();
    let anchor = path.anchor();
    let is_anchor = |root: &&Root| {
        webpki::anchor_from_trusted_cert(&root.certificate).is_ok_and(|root| {
            root.subject == anchor.subject && root.subject_public_key_info == anchor.subject_public_key_info
        })
    };
    let root = roots.0.iter().find(is_anchor);
    names.extend(root.and_then(|root| parse(&root.certificate)).map(|root| subject(&root)));
    Ok(Vouched { names, auditor: root.and_then(|root| root.auditor.clone()) })
}

fn facts(certificate: &CertificateDer<'_>) -> RootFacts {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let parsed = parse(certificate);
    let not_after = parsed
        .as_ref()
        .and_then(|parsed| Timestamp::from_second(parsed.validity().not_after.timestamp()).ok());
    RootFacts {
        thumbprint: URL_SAFE_NO_PAD.encode(hash),
        subject: parsed.as_ref().map(subject).unwrap_or_default(),
        not_after,
        pem: pem(certificate),
    }
}

/// RFC 7468: lines of 64 characters.
fn pem(certificate: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, letter) in STANDARD.encode(certificate).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

/// The certificate, if the bytes are one and nothing else.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

pub(crate) fn subject(certificate: &X509Certificate<'_>) -> String {
    shown(&certificate.subject().to_string())
}

/// In words, if it wasn't valid at `at`.
pub(crate) fn within(certificate: &X509Certificate<'_>, at: Timestamp) -> Result<(), String> {
    let validity = certificate.validity();
    let day = |second: i64| {
        Timestamp::from_second(second).map_or_else(|_| "another time".to_owned(), |time| time.to_string())
    };
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if at.as_second() < from {
        return Err(format!("isn't valid before {}", day(from)));
    }
    if at.as_second() > until {
        return Err(format!("has expired at {}", day(until)));
    }
    Ok(())
}

/// RFC 5280, section 4.2.1.3: signatures that shall bind their signer have either bit.
fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    match certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.digital_signature() || usage.value.non_repudiation(),
        Err(_) => false,
    }
}

fn words(error: &ChainError) -> String {
    let day = |time: &UnixTime| {
        let second =
            i64::try_from(time.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
        second.map_or_else(|| "another time".to_owned(), |time| time.to_string())
    };
    match error {
        ChainError::CertExpired { not_after, .. } => {
            format!("or one above it has expired at {}", day(not_after))
        }
        ChainError::CertNotValidYet { not_before, .. } => {
            format!("or one above it isn't valid before {}", day(not_before))
        }
        ChainError::UnknownIssuer => "doesn't lead to a known root".to_owned(),
        ChainError::CaUsedAsEndEntity => "is an authority's that isn't among the known roots".to_owned(),
        ChainError::RequiredEkuNotFoundContext(_) | ChainError::EmptyEkuExtension => {
            "isn't for signing documents".to_owned()
        }
        other => format!("doesn't lead to a known root: {other:?}"),
    }
}

/// Purposes that signers of documents have; a certificate that names none may serve any.
struct ForDocuments;

/// anyExtendedKeyUsage, emailProtection, documentSigning (RFC 9336), and those that Microsoft and Adobe had before it.
const PURPOSES: [&[u8]; 5] = [
    &[0x55, 0x1d, 0x25, 0x00],
    &[0x2b, 6, 1, 5, 5, 7, 3, 4],
    &[0x2b, 6, 1, 5, 5, 7, 3, 36],
    &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 12],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x2f, 1, 1, 5],
];

impl ExtendedKeyUsageValidator for ForDocuments {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), ChainError> {
        let mut names_any = false;
        for purpose in purposes {
            let purpose = purpose?;
            names_any = true;
            if PURPOSES.iter().any(|known| KeyPurposeId::new(known) == purpose) {
                return Ok(());
            }
        }
        if names_any { Err(ChainError::EmptyEkuExtension) } else { Ok(()) }
    }
}
