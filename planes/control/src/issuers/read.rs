//! From a published text to keys that gates can use. Root certificates are looked at here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_domain::event::ExternalKeys;
use portcullis_tokens::external_keys::{self, Form, PublishedError};
use x509_parser::certificate::X509Certificate;

/// What was read, and what was left out of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    pub keys: ExternalKeys,
    /// Lines that a person can read.
    pub left_out: Vec<String>,
}

/// Reads a key set or a bundle. With `now`, roots that are not in force are left out, too.
///
/// # Errors
/// Nothing of it can be used.
pub fn read(text: &[u8], form: Form, now: Option<Timestamp>) -> Result<Read, PublishedError> {
    let published = external_keys::read(text, form)?;
    let mut left_out = published.left_out;
    let jwks = published.keys.iter().filter_map(|key| serde_json::to_value(key).ok()).collect();
    let mut roots = Vec::new();
    for root in &published.roots {
        match check_root(root, now) {
            Ok(()) => roots.push(STANDARD.encode(root)),
            Err(why) => left_out.push(why),
        }
    }
    let keys = ExternalKeys { jwks, roots };
    if keys.jwks.is_empty() && keys.roots.is_empty() {
        let keys = published.roots.len();
        return Err(PublishedError::NothingUsable { keys, left_out });
    }
    Ok(Read { keys, left_out })
}

/// A root is a certificate of an authority, and in force.
fn check_root(der: &[u8], now: Option<Timestamp>) -> Result<(), String> {
    let Ok(([], certificate)) = x509_parser::parse_x509_certificate(der) else {
        return Err("a root isn't a certificate".to_owned());
    };
    let name: String =
        certificate.subject().to_string().chars().take(120).flat_map(char::escape_debug).collect();
    if !is_authority(&certificate) {
        return Err(format!("root `{name}` isn't a certificate of an authority"));
    }
    let Some(now) = now.map(Timestamp::as_second) else { return Ok(()) };
    let validity = certificate.validity();
    if now > validity.not_after.timestamp() {
        return Err(format!("root `{name}` has expired at {}", validity.not_after));
    }
    if now < validity.not_before.timestamp() {
        return Err(format!("root `{name}` isn't good before {}", validity.not_before));
    }
    Ok(())
}

fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca)
}
