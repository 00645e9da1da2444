//! Certificates to enroll: pinned as they are if self-signed, else by subject through their authority.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_control::pem;
use portcullis_domain::spec::CertificateSubject;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

use super::server::read;

/// What is registered of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Registration {
    /// PEM of this very certificate (RFC 8705 §2.2).
    Pinned(String),
    /// Whatever the authority gives this subject (RFC 8705 §2.1).
    Subject(Box<CertificateSubject>),
}

/// Reads the client's certificate, and its chain if it comes with one.
pub(super) fn registration(path: &Path, authority: Option<&Path>) -> Result<Registration> {
    let mut chain = certificates(path)?.into_iter();
    let leaf_der = chain.next().ok_or_else(|| anyhow!("there is no certificate in `{}`", path.display()))?;
    let leaf = parse(&leaf_der, path)?;
    if leaf.subject() == leaf.issuer() {
        return Ok(Registration::Pinned(pem::certificate(&leaf_der)));
    }
    let candidates: Vec<Vec<u8>> = match authority {
        Some(authority) => certificates(authority)?,
        None => chain.collect(),
    };
    for candidate in &candidates {
        let found = parse(candidate, authority.unwrap_or(path))?;
        if found.subject() == leaf.issuer() && found.is_ca() {
            return Ok(Registration::Subject(Box::new(subject(&leaf, pem::certificate(candidate), path)?)));
        }
    }
    let issuer = leaf.issuer();
    let hint = "give the authority's certificate by `--cert-authority FILE`, or append it to the file";
    bail!("`{}` was issued by `{issuer}`, whose certificate is not there\nhint: {hint}", path.display())
}

/// The DNS name if there is just one, for it says most; else the distinguished name.
fn subject(
    leaf: &X509Certificate<'_>,
    certificate_authority: String,
    path: &Path,
) -> Result<CertificateSubject> {
    let mut subject = CertificateSubject {
        certificate_authority,
        dn: None,
        san_dns: None,
        san_uri: None,
        san_ip: None,
        san_email: None,
    };
    let extension = leaf.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let dns: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    if let [only] = dns.as_slice()
        && !only.contains('*')
    {
        subject.san_dns = Some((*only).to_owned());
        return Ok(subject);
    }
    let dn = distinguished_name(leaf.subject()).ok_or_else(|| {
        anyhow!(
            "the subject of `{}` can't be written as text\nhint: give a certificate with one DNS name",
            path.display()
        )
    })?;
    subject.dn = Some(dn);
    Ok(subject)
}

/// As RFC 4514 writes it: the last relative name first, what has no short name by its dotted number.
fn distinguished_name(name: &X509Name<'_>) -> Option<String> {
    let mut relative_names = Vec::new();
    for relative in name.iter_rdn() {
        let mut attributes = Vec::new();
        for attribute in relative.iter() {
            let kind = attribute.attr_type().to_id_string();
            attributes.push(format!("{}={}", short_name(&kind), escaped(attribute.as_str().ok()?)));
        }
        relative_names.push(attributes.join("+"));
    }
    relative_names.reverse();
    (!relative_names.is_empty()).then(|| relative_names.join(","))
}

fn short_name(kind: &str) -> &str {
    match kind {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        other => other,
    }
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (place, character) in value.chars().enumerate() {
        match character {
            '\0'..='\u{1f}' => text.push_str(&format!("\\{:02x}", u32::from(character))),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            '#' if place == 0 => text.push_str("\\#"),
            ' ' if place == 0 || place == last => text.push_str("\\ "),
            other => text.push(other),
        }
    }
    text
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = read(path)?;
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&text) {
        match section.with_context(|| format!("`{}` is not PEM", path.display()))? {
            (SectionKind::Certificate, der) => found.push(der),
            (SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _) => bail!(
                "`{}` holds a private key\nhint: give the certificate only; nothing was sent",
                path.display()
            ),
            _ => {}
        }
    }
    if found.is_empty() {
        bail!(
            "there is no certificate in `{}`\nhint: give PEM, from `-----BEGIN CERTIFICATE-----` on",
            path.display()
        );
    }
    Ok(found)
}

fn parse<'a>(der: &'a [u8], path: &Path) -> Result<X509Certificate<'a>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|_| anyhow!("`{}` holds what is no X.509 certificate", path.display()))?;
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    };

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn issued(by: &CertifiedIssuer<'static, KeyPair>, dns: &[&str]) -> String {
        let dns: Vec<String> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(dns).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme, Ltd");
        params.distinguished_name.push(DnType::CommonName, "machine");
        params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().pem()
    }

    #[test]
    fn what_is_registered_hangs_on_who_signed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.pem");
        let ca = authority("ca");
        let ca_path = folder.path().join("ca.pem");
        std::fs::write(&ca_path, ca.pem()).unwrap();
        let found = |text: String, authority: Option<&Path>| {
            std::fs::write(&path, text).unwrap();
            registration(&path, authority)
        };
        let own = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap().cert.pem();
        let Registration::Pinned(pinned) = found(own.clone(), None).unwrap() else { panic!("not pinned") };
        assert_eq!(pinned.replace("\r\n", "\n").trim(), own.replace("\r\n", "\n").trim());

        let leaf = issued(&ca, &["a.example"]);
        let with_chain = found(format!("{leaf}{}", ca.pem()), None).unwrap();
        let Registration::Subject(subject) = &with_chain else { panic!("no subject") };
        assert_eq!(subject.san_dns.as_deref(), Some("a.example"));
        assert_eq!(found(leaf.clone(), Some(&ca_path)).unwrap(), with_chain);

        let two_names = found(issued(&ca, &["a.example", "b.example"]), Some(&ca_path)).unwrap();
        let Registration::Subject(subject) = two_names else { panic!("no subject") };
        assert_eq!(subject.dn.as_deref(), Some("CN=machine,O=Acme\\, Ltd"));

        for (text, expect) in [
            (leaf.clone(), "was issued by `CN=ca`, whose certificate is not there\nhint: "),
            (format!("{leaf}{}", authority("other").pem()), "whose certificate is not there"),
            (KeyPair::generate().unwrap().serialize_pem(), "holds a private key\nhint: "),
            ("nothing".to_owned(), "there is no certificate in"),
        ] {
            let error = format!("{:#}", found(text, None).unwrap_err());
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn values_are_escaped_as_rfc_4514_wants() {
        for (value, expect) in [
            ("a", "a"),
            (" a ", "\\ a\\ "),
            ("#a#", "\\#a#"),
            ("a,b+c\"d\\", "a\\,b\\+c\\\"d\\\\"),
            ("a\nb", "a\\0ab"),
            ("é", "é"),
        ] {
            assert_eq!(escaped(value), expect);
        }
    }
}
