//! The servers' certificates: their ends, their chain to our authority, their names, and their keys.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use portcullis_api::checks::{Check, Health};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::cli::{server, time};

const DAYS_MIN: i64 = 21;
const DAY_SECONDS: i64 = 86_400;

/// A certificate in the folder `keys`; of a server also whether clients will take it for `host`.
pub(super) fn certificate(keys: &Path, name: &str, host: Option<&str>, now: Timestamp) -> Check {
    let looked = || -> Result<Check> {
        let chain = chain(&keys.join(name))?;
        let end = chain.first().context("the file holds no certificate").and_then(ends)?;
        let check = expires(name, end, now);
        let (Some(host), true) = (host, check.finding != Health::Bad) else { return Ok(check) };
        trusted(&chain, &chain_of_authority(keys)?, host, now)?;
        let key = if key_fits(keys, name, &chain)? { "its key fits" } else { "its key is sealed" };
        let detail = format!("{}, for `{host}`, {key}", check.detail);
        Ok(Check { detail, ..check })
    };
    looked().unwrap_or_else(|error| {
        let (detail, hint) = crate::cli::failure::chain(&error);
        let hint =
            hint.unwrap_or_else(|| "start `portcullis up` again: it makes what doesn't fit anew".to_owned());
        Check::new(name, Health::Bad, detail).hint(hint)
    })
}

pub(super) fn expires(name: &str, ends: i64, now: Timestamp) -> Check {
    let left = ends.saturating_sub(now.as_second());
    let span = time::span(left);
    let again = "start `portcullis up` again: it makes a new one";
    if left <= 0 {
        return Check::new(name, Health::Bad, format!("expired {span} ago")).hint(again);
    }
    if left < DAYS_MIN * DAY_SECONDS {
        return Check::new(name, Health::Warning, format!("{span} left")).hint(again);
    }
    Check::new(name, Health::Good, format!("{span} left"))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = server::read(path)?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("`{}` is not PEM", path.display()))
}

fn chain_of_authority(keys: &Path) -> Result<Vec<CertificateDer<'static>>> {
    chain(&keys.join("ca.crt"))
}

fn ends(certificate: &CertificateDer<'_>) -> Result<i64> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(certificate).context("it is no certificate")?;
    Ok(certificate.validity().not_after.timestamp())
}

/// As a client would look at it.
fn trusted(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'static>],
    host: &str,
    now: Timestamp,
) -> Result<()> {
    let (leaf, between) = chain.split_first().context("the file holds no certificate")?;
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).context("`ca.crt` can't be used")?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build()?;
    let name = ServerName::try_from(host.to_owned()).with_context(|| format!("`{host}` is no host"))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier
        .verify_server_cert(leaf, between, &name, &[], at)
        .map(|_| ())
        .map_err(|error| anyhow!("no client takes it for `{host}`: {error}"))
}

/// Whether the key could be looked at, and fits.
fn key_fits(keys: &Path, name: &str, chain: &[CertificateDer<'_>]) -> Result<bool> {
    let path = keys.join(name).with_extension("key");
    // A key that is kept elsewhere or sealed can't be compared from here; a start does it.
    let Ok(pem) = std::fs::read_to_string(&path) else { return Ok(false) };
    let Ok(key) = rcgen::KeyPair::from_pem(&pem) else { return Ok(false) };
    let leaf = chain.first().context("the file holds no certificate")?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).context("it is no certificate")?;
    let fits = leaf.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(&key).as_slice();
    if fits { Ok(true) } else { Err(anyhow!("`{}` is not the key of `{name}`", path.display())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_told_before_they_expire() {
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        for (days, expect) in [(22, Health::Good), (20, Health::Warning), (0, Health::Bad), (-3, Health::Bad)]
        {
            assert_eq!(
                expires("gate.crt", now.as_second() + days * DAY_SECONDS, now).finding,
                expect,
                "{days}"
            );
        }
    }

    #[test]
    fn a_certificate_that_no_client_takes_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let vault = crate::vault::Vault::open(folder.path(), None).unwrap();
        let made = crate::pki::Keys::open(folder.path().to_owned(), vault, &hosts, 30, now);
        made.map(|_| ()).unwrap();
        let look = |host| certificate(folder.path(), "gate.crt", Some(host), now);
        assert_eq!(look("127.0.0.1").finding, Health::Good, "{:?}", look("127.0.0.1"));
        let other = look("gate.example");
        assert!(other.finding == Health::Bad && other.detail.contains("gate.example"), "{other:?}");
        let another = rcgen::KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("gate.key"), another.serialize_pem()).unwrap();
        let swapped = look("127.0.0.1");
        assert!(
            swapped.finding == Health::Bad && swapped.detail.contains("is not the key of"),
            "{swapped:?}"
        );
        assert_eq!(certificate(folder.path(), "none.crt", None, now).finding, Health::Bad);
    }
}
