//! SPIFFE: clients that a certificate alone identifies (X.509-SVID), and tokens of a workload (JWT-SVID).
//!
//! The handshake proved possession; whether the chain leads to a root of a vendor's trust domain is
//! looked at here, once for each connection and snapshot, and its times on each request.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portcullis_domain::reason::Reason;
use portcullis_domain::spec::trust_domain::is_workload;
use portcullis_policy::liveness::Mapping;
use portcullis_tokens::access_token::Confirmation;
use portcullis_tokens::external_token::{Expected, ExternalClaims, verify};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::external::{Vouched, Workload, audiences, client_of, refused, stale, token_of, vouched};
use super::{KnownToken, invalid_token};
use crate::connection::Connection;
use crate::core::Core;
use crate::external::TrustDomain;
use crate::refusal::Refusal;
use crate::shared::Ready;

/// Certificates that a chain may have between the workload's own and a root.
const INTERMEDIATES_MAX: usize = 8;
/// JWT-SVID, section 2.1, as far as they are spoken here.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::PS256, Algorithm::RS256];

/// An X.509-SVID whose chain was good.
#[derive(Clone)]
pub struct Svid {
    domain: Arc<TrustDomain>,
    spiffe_id: String,
    not_before: i64,
    /// The first end of anything that the chain may rest on.
    not_after: i64,
    /// Version of the snapshot whose roots it was verified by.
    version: u64,
    thumbprint: Thumbprint,
}

/// The trust domain that a SPIFFE ID names, if it is known here.
pub fn domain_of<'a>(ready: &'a Ready, spiffe_id: &str) -> Option<&'a Arc<TrustDomain>> {
    let (name, _) = spiffe_id.strip_prefix("spiffe://")?.split_once('/')?;
    ready.externals.trust_domain(name)
}

/// The client that the connection's certificate alone identifies; nothing if it is no X.509-SVID.
pub fn of_certificate(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
) -> Result<Option<Rc<KnownToken>>, Refusal> {
    let Some(svid) = shown(core, ready, connection)? else { return Ok(None) };
    let (client, scope) = mapped(core, ready, &svid.domain, &svid.spiffe_id)?;
    let claims = ExternalClaims::of_certificate(
        svid.spiffe_id.clone(),
        ready.snapshot.public_origins.clone(),
        [svid.not_before, svid.not_after],
        svid.thumbprint,
    );
    let issuer = format!("spiffe://{}", svid.domain.trust_domain);
    Ok(Some(Rc::new(token_of(ready, &svid.domain.source, client, claims, &issuer, scope, ""))))
}

/// A JWT-SVID. What binds it, if anything does, is for the connection to show.
pub fn of_token(
    core: &Core,
    ready: &Ready,
    domain: &TrustDomain,
    text: &str,
) -> Result<Rc<KnownToken>, Refusal> {
    let now_seconds = core.now_seconds();
    if !domain.source.is_good(now_seconds) {
        return Err(stale());
    }
    let expected = Expected {
        issuer: None,
        algorithms: &ALGORITHMS,
        types: &["JWT".to_owned(), "JOSE".to_owned()],
        audiences: audiences(ready, &domain.audiences),
        lifetime_seconds_max: domain.source.lifetime_seconds_max,
        now_seconds,
    };
    let claims = verify(text, &domain.source.keys.keys, &expected)
        .map_err(|error| refused(core, &domain.source, &error))?;
    let spiffe_id = claims.subject.clone();
    let (client, scope) = mapped(core, ready, domain, &spiffe_id)?;
    let issuer = format!("spiffe://{}", domain.trust_domain);
    let mut token = token_of(ready, &domain.source, client, claims, &issuer, scope, text);
    if let Some(external) = &mut token.external {
        external.workload = Some(Workload { spiffe_id, allow_unbound: domain.source.allow_unbound });
    }
    Ok(Rc::new(token))
}

/// A JWT-SVID on the connection of the same workload's X.509-SVID is bound to that certificate.
pub fn bound(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    token: Rc<KnownToken>,
) -> Result<Rc<KnownToken>, Refusal> {
    let workload = token.external.as_ref().filter(|external| external.unbound);
    let Some(workload) = workload.and_then(|external| external.workload.clone()) else { return Ok(token) };
    // A certificate of anybody else binds nothing.
    let svid = shown(core, ready, connection).ok().flatten();
    let Some(svid) = svid.filter(|svid| svid.spiffe_id == workload.spiffe_id) else {
        let refusal = || invalid_token(Reason::TokenUnbound, false);
        return if workload.allow_unbound { Ok(token) } else { Err(refusal()) };
    };
    let mut token = KnownToken::clone(&token);
    token.claims.confirmation = Confirmation { jkt: None, x5t_s256: Some(svid.thumbprint) };
    token.claims.lineage.client_key = svid.thumbprint;
    token.claims.expires_at = token.claims.expires_at.min(svid.not_after);
    token.client_key = svid.thumbprint.to_string();
    token.signed_by.clone_from(&token.client_key);
    token.keys = vec![token.client_key.clone()];
    if let Some(external) = &mut token.external {
        external.unbound = false;
    }
    Ok(Rc::new(token))
}

fn mapped<'a>(
    core: &Core,
    ready: &'a Ready,
    domain: &TrustDomain,
    spiffe_id: &str,
) -> Result<(Vouched<'a>, Vec<String>), Refusal> {
    let mapping = domain.clients.iter().find(|mapping| mapping.spiffe_id == spiffe_id);
    let client = client_of(ready, &domain.source, mapping.map(|mapping| mapping.client))?;
    let named = mapping.map(|mapping| mapping.scopes.as_slice()).unwrap_or_default();
    let granted = client.integration.scopes.iter();
    let scope = granted.filter(|scope| named.is_empty() || named.contains(scope)).cloned().collect();
    let mapping = mapping.map(|found| Mapping::of_workload(domain.source.id, &domain.trust_domain, found));
    Ok((Vouched { client, key: vouched(core, mapping)? }, scope))
}

/// What the connection has shown, verified once.
fn shown(core: &Core, ready: &Ready, connection: &Connection) -> Result<Option<Svid>, Refusal> {
    let Some(greeting) = connection.greeting() else { return Ok(None) };
    let Some(thumbprint) = greeting.certificate else { return Ok(None) };
    if !ready.externals.has_trust_domains() {
        return Ok(None);
    }
    let now = core.now_seconds();
    let known =
        connection.svid().filter(|svid| svid.version == ready.externals.version && now < svid.not_after);
    let svid = match known {
        Some(svid) => svid,
        None => match chain(ready, &greeting.certificates, thumbprint, now) {
            Ok(Some(svid)) => {
                connection.keep_svid(svid.clone());
                svid
            }
            Ok(None) => return Ok(None),
            Err(Fault::Stale) => return Err(stale()),
            Err(Fault::Untrusted(detail)) => {
                let refusal = invalid_token(Reason::CertificateUntrusted, false);
                return Err(Refusal { detail: Some(detail), ..refusal });
            }
        },
    };
    if svid.domain.source.is_good(now) { Ok(Some(svid)) } else { Err(stale()) }
}

enum Fault {
    Stale,
    Untrusted(String),
}

/// X.509-SVID, section 5; nothing for a certificate that has no SPIFFE ID.
fn chain(
    ready: &Ready,
    certificates: &[CertificateDer<'static>],
    thumbprint: Thumbprint,
    now: i64,
) -> Result<Option<Svid>, Fault> {
    let untrusted = |detail: &str| Err(Fault::Untrusted(detail.to_owned()));
    let Some((leaf, intermediates)) = certificates.split_first() else { return Ok(None) };
    let Ok(([], certificate)) = x509_parser::parse_x509_certificate(leaf) else { return Ok(None) };
    let uris = uris(&certificate);
    if !uris.iter().any(|uri| uri.starts_with("spiffe://")) {
        return Ok(None);
    }
    let [spiffe_id] = uris.as_slice() else {
        return untrusted("the certificate has more than one URI, and an X.509-SVID has exactly one");
    };
    let Some(domain) = domain_of(ready, spiffe_id) else {
        return untrusted("the certificate is of a trust domain that isn't known here");
    };
    if !is_workload(spiffe_id, &domain.trust_domain) {
        return untrusted("the certificate's SPIFFE ID isn't in canonical form");
    }
    if !is_leaf(&certificate) {
        return untrusted("the certificate may sign others, and a workload's may not");
    }
    if intermediates.len() > INTERMEDIATES_MAX {
        let found = certificates.len();
        let detail =
            format!("the chain has {found} certificates, and at most {} are read", INTERMEDIATES_MAX + 1);
        return Err(Fault::Untrusted(detail));
    }
    if !domain.source.is_good(now) {
        return Err(Fault::Stale);
    }
    let roots: Vec<_> = domain
        .source
        .keys
        .roots
        .iter()
        .filter(|root| root.not_before <= now && now <= root.not_after)
        .collect();
    if roots.is_empty() {
        return untrusted("none of the trust domain's roots is in force");
    }
    let ends =
        roots.iter().map(|root| root.not_after).chain(intermediates.iter().filter_map(|der| end_of(der)));
    let validity = certificate.validity();
    let not_after = ends.fold(validity.not_after.timestamp(), i64::min);
    let anchors: Vec<_> =
        roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(&root.der).ok()).collect();
    if let Err(error) = verify_chain(leaf, intermediates, &anchors, now) {
        return Err(Fault::Untrusted(format!("the certificate's chain isn't good: {error}")));
    }
    Ok(Some(Svid {
        domain: Arc::clone(domain),
        spiffe_id: (*spiffe_id).to_owned(),
        not_before: validity.not_before.timestamp(),
        not_after,
        version: ready.externals.version,
        thumbprint,
    }))
}

fn verify_chain(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &[rustls::pki_types::TrustAnchor<'_>],
    now: i64,
) -> Result<(), webpki::Error> {
    let seconds = Duration::from_secs(u64::try_from(now).unwrap_or(0));
    webpki::EndEntityCert::try_from(leaf)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            anchors,
            intermediates,
            UnixTime::since_unix_epoch(seconds),
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .map(drop)
}

fn uris<'a>(certificate: &X509Certificate<'a>) -> Vec<&'a str> {
    let mut uris = Vec::new();
    for extension in certificate.extensions() {
        if let x509_parser::extensions::ParsedExtension::SubjectAlternativeName(names) =
            extension.parsed_extension()
        {
            uris.extend(names.general_names.iter().filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            }));
        }
    }
    uris
}

/// X.509-SVID, sections 4.1 and 4.3.
fn is_leaf(certificate: &X509Certificate<'_>) -> bool {
    let Ok(constraints) = certificate.basic_constraints() else { return false };
    let Ok(usage) = certificate.key_usage() else { return false };
    let signs_others =
        usage.as_ref().is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    !constraints.is_some_and(|constraints| constraints.value.ca) && !signs_others
}

fn end_of(der: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
