//! From declarations to what `decide` takes: the thumbprints of clients' keys, computed here where
//! cryptography is. Private keys, shared secrets and certificates that can't serve are refused.

use jiff::Timestamp;
use portcullis_api::problem::split_hint;
use portcullis_domain::command::{Fault, Prepared};
use portcullis_domain::event::{KeyForm, RegisteredKey};
use portcullis_domain::spec::{CertificateSubject, ClientSpec, Declaration, Kind, Spec};
use portcullis_domain::state::State;
use portcullis_tokens::external_keys::Form;
use portcullis_tokens::jwk::{Jwk, JwkError, JwkSet};
use portcullis_tokens::thumbprint::Thumbprint;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde_json::Value;
use x509_parser::certificate::X509Certificate;

use crate::issuers::read::read;

/// The longest PEM text of one certificate that is read.
const PEM_BYTES_MAX: usize = 32 * 1024;

/// Every declaration with its keys.
///
/// # Errors
/// Every fault at once, each with the pointer of its place.
pub fn prepare(
    state: &State,
    declarations: Vec<Declaration>,
    now: Timestamp,
) -> Result<Vec<Prepared>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut prepared = Vec::with_capacity(declarations.len());
    for declaration in declarations {
        let kind = declaration.spec.kind();
        let mut found = Found { kind, name: &declaration.name, faults: &mut faults, keys: Vec::new() };
        match &declaration.spec {
            Spec::Client(spec) => found.client(spec, known_certificates(state, &declaration.name), now),
            Spec::Issuer(spec) => {
                found.authority(spec.certificate_authority.as_deref());
                found.published("/spec/jwks", spec.jwks.as_ref(), Form::KeySet, now);
            }
            Spec::TrustDomain(spec) => {
                found.authority(spec.certificate_authority.as_deref());
                found.published("/spec/bundle", spec.bundle.as_ref(), Form::Bundle, now);
            }
            Spec::Feed(spec) => found.authority(spec.certificate_authority.as_deref()),
            _ => {}
        }
        let keys = found.keys;
        prepared.push(Prepared { declaration, keys });
    }
    if faults.is_empty() { Ok(prepared) } else { Err(faults) }
}

/// Certificates that the client has registered already: they may expire where they are, without
/// standing in the way of everything that is declared together with them.
fn known_certificates<'a>(state: &'a State, name: &str) -> &'a [String] {
    match state.resource(Kind::Client, name).map(|known| &known.declaration.spec) {
        Some(Spec::Client(spec)) => &spec.certificates,
        _ => &[],
    }
}

/// What was found in one declaration.
struct Found<'a> {
    kind: Kind,
    name: &'a str,
    faults: &'a mut Vec<Fault>,
    keys: Vec<RegisteredKey>,
}

impl Found<'_> {
    fn client(&mut self, spec: &ClientSpec, known: &[String], now: Timestamp) {
        if let Some(jwks) = &spec.jwks {
            match JwkSet::parse(&jwks.to_string()) {
                Ok(set) => {
                    for key in set.keys() {
                        self.key("/spec/jwks", key.thumbprint(), KeyForm::Jwk);
                    }
                }
                Err(error) => self.jwk_error(jwks, &error),
            }
        }
        for (place, pem) in spec.certificates.iter().enumerate() {
            let pointer = format!("/spec/certificates/{place}");
            let now = (!known.contains(pem)).then_some(now);
            if let Some(der) = self.certificate(&pointer, pem, now) {
                self.key(&pointer, Thumbprint::of_certificate(&der), KeyForm::Certificate);
            }
        }
        if let Some(subject) = &spec.subject {
            self.subject(subject);
        }
    }

    fn authority(&mut self, pem: Option<&str>) {
        if let Some(pem) = pem {
            self.certificate("/spec/certificate_authority", pem, None);
        }
    }

    /// Keys that a manifest gives in place of an address.
    fn published(&mut self, pointer: &str, declared: Option<&Value>, form: Form, now: Timestamp) {
        let Some(declared) = declared else { return };
        let keys = declared.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_secret =
            |key: &Value| key.get("d").is_some() || key.get("kty").is_some_and(|kty| kty == "oct");
        if let Some(place) = keys.iter().position(is_secret) {
            let hint = "give the public key, and replace this one, for it was shown";
            return self.fault(&format!("{pointer}/keys/{place}"), "this is a secret".to_owned(), Some(hint));
        }
        if let Err(error) = read(declared.to_string().as_bytes(), form, Some(now)) {
            let (message, hint) = split_hint(&error.to_string());
            self.fault(pointer, message, hint.as_deref());
        }
    }

    fn key(&mut self, pointer: &str, thumbprint: Thumbprint, form: KeyForm) {
        let key = RegisteredKey { thumbprint: thumbprint.to_string(), form };
        if self.keys.contains(&key) {
            self.fault(pointer, format!("key `{}` is there twice", key.thumbprint), None);
        } else {
            self.keys.push(key);
        }
    }

    /// A single key in place of a set is the most usual mistake: it gets a hint of its own.
    fn jwk_error(&mut self, jwks: &Value, error: &JwkError) {
        if matches!(error, JwkError::MemberMissing { name: "keys" }) && Jwk::parse(&jwks.to_string()).is_ok()
        {
            let hint = "write `{\"keys\": [KEY]}`";
            return self.fault("/spec/jwks", "this is one key, and not a set of them".into(), Some(hint));
        }
        let pointer = match error {
            JwkError::InSet { position, .. } => format!("/spec/jwks/keys/{}", position.saturating_sub(1)),
            _ => "/spec/jwks".to_owned(),
        };
        let (message, hint) = split_hint(&error.to_string());
        self.fault(&pointer, message, hint.as_deref());
    }

    /// The DER of the one certificate in `pem`; `now` is left out where its time doesn't matter.
    fn certificate(&mut self, pointer: &str, pem: &str, now: Option<Timestamp>) -> Option<Vec<u8>> {
        let der = match one_certificate(pem) {
            Ok(der) => der,
            Err((message, hint)) => {
                self.fault(pointer, message.to_owned(), Some(hint));
                return None;
            }
        };
        let certificate = match x509_parser::parse_x509_certificate(&der) {
            Ok(([], certificate)) => certificate,
            _ => {
                let hint = "export the certificate again, as PEM";
                self.fault(pointer, "this is not an X.509 certificate".to_owned(), Some(hint));
                return None;
            }
        };
        if now.is_some_and(|now| is_over(&certificate, now)) {
            let over = shown(certificate.validity().not_after.timestamp());
            let hint = "register the certificate that replaces it";
            self.fault(pointer, format!("the certificate expired at {over}"), Some(hint));
            return None;
        }
        Some(der)
    }

    fn subject(&mut self, subject: &CertificateSubject) {
        let pointer = "/spec/subject/certificate_authority";
        if let Some(der) = self.certificate(pointer, &subject.certificate_authority, None)
            && let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der)
            && !certificate.is_ca()
        {
            let hint = "give the certificate of the authority that signs the client's certificates; a client's own goes to `certificates`";
            self.fault(pointer, "the certificate is not an authority's".to_owned(), Some(hint));
        }
        if let Some(address) = &subject.san_ip
            && address.parse::<std::net::IpAddr>().is_err()
        {
            self.fault("/spec/subject/san_ip", format!("`{address}` is not an IP address"), None);
        }
    }

    fn fault(&mut self, pointer: &str, message: String, hint: Option<&str>) {
        self.faults.push(Fault {
            kind: self.kind,
            name: self.name.to_owned(),
            pointer: pointer.to_owned(),
            message,
            hint: hint.map(str::to_owned),
        });
    }
}

fn one_certificate(pem: &str) -> Result<Vec<u8>, (&'static str, &'static str)> {
    const HINT: &str = "give the PEM text of one certificate, from `-----BEGIN CERTIFICATE-----` on";
    if pem.len() > PEM_BYTES_MAX {
        return Err(("the certificate is longer than 32768 bytes", HINT));
    }
    let mut found = None;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
        match section {
            Ok((SectionKind::Certificate, der)) if found.is_none() => found = Some(der),
            Ok((SectionKind::Certificate, _)) => {
                return Err(("there is more than one certificate", "give the client's own certificate only"));
            }
            Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => {
                return Err((
                    "this is a private key",
                    "give the certificate, and replace the key, for it was shown",
                ));
            }
            _ => return Err(("this is not PEM of a certificate", HINT)),
        }
    }
    found.ok_or(("this is not PEM of a certificate", HINT))
}

fn is_over(certificate: &X509Certificate<'_>, now: Timestamp) -> bool {
    certificate.validity().not_after.timestamp() < now.as_second()
}

fn shown(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
