//! `tls_client_auth` (RFC 8705, section 2.1): a chain to the client's own authority, and its subject.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::spec::CertificateSubject;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::distinguished_name::DistinguishedName;

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
