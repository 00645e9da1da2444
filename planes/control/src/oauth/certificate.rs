//! `tls_client_auth` (RFC 8705, section 2.1): a chain to the client's own authority, and its subject.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_domain::spec::CertificateSubject;
use portcullis_tokens::jwk::{Jwk, VerifyingKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;

use super::distinguished_name::DistinguishedName;
use crate::pem;

/// RFC 8410.
const ED25519: &str = "1.3.101.112";
/// Authorities in a registered PEM text, and intermediates of a connection, that are looked at.
const AUTHORITIES_MAX: usize = 4;
const INTERMEDIATES_MAX: usize = 8;

/// Whether `leaf` chains to the subject's authority at `now`, is for client authentication if it says
/// what it is for, and is of the one subject that was registered.
pub(super) fn is_of(
    subject: &CertificateSubject,
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    now: Timestamp,
) -> bool {
    // The subject first: comparing costs less than verifying.
    names(subject, leaf) && chains(&subject.certificate_authority, leaf, intermediates, now)
}

/// The key of a certificate that is valid at `now`, and its PEM.
pub(super) fn public_key(der: &[u8], now: Timestamp) -> Option<(VerifyingKey, String)> {
    let Ok(([], certificate)) = x509_parser::parse_x509_certificate(der) else { return None };
    let validity = certificate.validity();
    if !(validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.as_second()) {
        return None;
    }
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = certificate.public_key();
    let jwk = match public.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let whole = |number: &[u8]| {
                encode(
                    number
                        .iter()
                        .position(|byte| *byte != 0)
                        .and_then(|at| number.get(at..))
                        .unwrap_or(number),
                )
            };
            json!({ "kty": "RSA", "n": whole(rsa.modulus), "e": whole(rsa.exponent) })
        }
        // Uncompressed, and of 32 bytes each; a point of another curve of that size isn't on this one.
        PublicKey::EC(point) => match point.data().split_first()? {
            (4, halves) if halves.len() == 64 => {
                let (x, y) = halves.split_at_checked(32)?;
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            _ => return None,
        },
        PublicKey::Unknown(x) if public.algorithm.algorithm.to_id_string() == ED25519 => {
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) })
        }
        _ => return None,
    };
    let key = VerifyingKey::new(&Jwk::parse(&jwk.to_string()).ok()?).ok()?;
    Some((key, pem::certificate(der)))
}

/// The first second in which the certificate is no longer valid.
pub(super) fn not_after(leaf: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp().checked_add(1)?).ok()
}

fn chains(authorities_pem: &str, leaf: &[u8], intermediates: &[Vec<u8>], now: Timestamp) -> bool {
    let authorities: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(authorities_pem.as_bytes())
        .filter_map(Result::ok)
        .take(AUTHORITIES_MAX)
        .collect();
    let anchors: Vec<_> =
        authorities.iter().filter_map(|authority| webpki::anchor_from_trusted_cert(authority).ok()).collect();
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .take(INTERMEDIATES_MAX)
        .map(|certificate| CertificateDer::from(certificate.as_slice()))
        .collect();
    let leaf = CertificateDer::from(leaf);
    let (Ok(leaf), Ok(seconds)) = (webpki::EndEntityCert::try_from(&leaf), u64::try_from(now.as_second()))
    else {
        return false;
    };
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &intermediates,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        webpki::KeyUsage::client_auth(),
        None,
        None,
    )
    .is_ok()
}

fn names(subject: &CertificateSubject, leaf: &[u8]) -> bool {
    let Ok(([], certificate)) = x509_parser::parse_x509_certificate(leaf) else { return false };
    // Exactly one form is registered; should there be more, each must hold.
    let mut forms = 0;
    let mut holds = |form: &Option<String>, matches: &dyn Fn(&str) -> bool| {
        form.as_deref().is_none_or(|wanted| {
            forms += 1;
            matches(wanted)
        })
    };
    let all = holds(&subject.dn, &|wanted| is_called(&certificate, wanted))
        && holds(&subject.san_dns, &|wanted| {
            has_name(
                &certificate,
                |name| matches!(name, GeneralName::DNSName(found) if found.eq_ignore_ascii_case(wanted)),
            )
        })
        && holds(&subject.san_uri, &|wanted| {
            has_name(&certificate, |name| matches!(name, GeneralName::URI(found) if *found == wanted))
        })
        && holds(&subject.san_ip, &|wanted| has_address(&certificate, wanted))
        && holds(&subject.san_email, &|wanted| {
            has_name(
                &certificate,
                |name| matches!(name, GeneralName::RFC822Name(found) if same_mailbox(found, wanted)),
            )
        });
    all && forms > 0
}

fn is_called(certificate: &X509Certificate<'_>, wanted: &str) -> bool {
    match (DistinguishedName::parse(wanted), DistinguishedName::of_certificate(certificate.subject())) {
        (Some(wanted), Some(found)) => wanted.is_same(&found),
        _ => false,
    }
}

fn has_address(certificate: &X509Certificate<'_>, wanted: &str) -> bool {
    let octets = match wanted.parse() {
        Ok(IpAddr::V4(v4)) => v4.octets().to_vec(),
        Ok(IpAddr::V6(v6)) => v6.octets().to_vec(),
        Err(_) => return false,
    };
    has_name(certificate, |name| matches!(name, GeneralName::IPAddress(found) if *found == octets))
}

/// Domains are compared without regard to case, what is before the `@` as it stands.
fn same_mailbox(found: &str, wanted: &str) -> bool {
    match (found.rsplit_once('@'), wanted.rsplit_once('@')) {
        (Some((found_local, found_domain)), Some((local, domain))) => {
            found_local == local && found_domain.eq_ignore_ascii_case(domain)
        }
        _ => false,
    }
}

fn has_name(certificate: &X509Certificate<'_>, matches: impl Fn(&GeneralName<'_>) -> bool) -> bool {
    certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .is_some_and(|names| names.value.general_names.iter().any(matches))
}
