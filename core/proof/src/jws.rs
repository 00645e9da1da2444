//! Detached JWS (RFC 7515, appendix F; RFC 7797): a signature in a file of its own, over a document.
//!
//! Read are the compact form (`HEADER..SIGNATURE`) and the flattened JSON one. The key decides the algorithm: a
//! registered one by its type and `alg`, one of a chain (`x5c`) by its certificate.

mod parse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_tokens::json::shown;
use portcullis_tokens::jws::Algorithm as OfTokens;
use rustls_pki_types::CertificateDer;

use crate::certificate::Vouched;
use crate::signature::{self, Hash, Mismatch, Scheme};
use crate::{AuditorKey, DOCUMENT_BYTES_MAX, Signer, Trust, Verdict, certificate};
use parse::{Header, Parsed};

/// The longest signature that is read: a chain of large certificates, and some air.
pub const SIGNATURE_BYTES_MAX: usize = 128 * 1024;

/// Algorithms that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    ES256,
    ES384,
    EdDSA,
    PS256,
    RS256,
}

impl Algorithm {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        if name == "ES384" {
            return Some(Self::ES384);
        }
        OfTokens::of_name(name).map(|known| match known {
            OfTokens::ES256 => Self::ES256,
            OfTokens::EdDSA => Self::EdDSA,
            OfTokens::PS256 => Self::PS256,
            OfTokens::RS256 => Self::RS256,
        })
    }

    pub(crate) fn of_tokens(self) -> Option<OfTokens> {
        match self {
            Self::ES256 => Some(OfTokens::ES256),
            Self::ES384 => None,
            Self::EdDSA => Some(OfTokens::EdDSA),
            Self::PS256 => Some(OfTokens::PS256),
            Self::RS256 => Some(OfTokens::RS256),
        }
    }

    fn scheme(self) -> Scheme {
        match self {
            Self::ES256 => Scheme::EcdsaFixed(Hash::Sha256),
            Self::ES384 => Scheme::EcdsaFixed(Hash::Sha384),
            Self::EdDSA => Scheme::Ed25519,
            Self::PS256 => Scheme::RsaPss(Hash::Sha256, 32),
            Self::RS256 => Scheme::RsaPkcs1(Hash::Sha256),
        }
    }
}

/// Why a text isn't a detached JWS that is read here. Nothing was verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("the document has {bytes} bytes, hint: at most {DOCUMENT_BYTES_MAX} are read")]
    DocumentTooLong { bytes: usize },
    #[error("the signature has {bytes} bytes, hint: at most {SIGNATURE_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error(
        "this is no detached JWS, hint: give `HEADER..SIGNATURE`, or flattened JSON with `protected` and `signature`"
    )]
    NotDetached,
    #[error("the signature brings its own payload, hint: ask for a detached one (RFC 7515, appendix F)")]
    Payload,
    #[error("there are many signatures in it, hint: give each in a file of its own")]
    Many,
    #[error("the {part} of the signature isn't base64url without padding, hint: ask the signer for it again")]
    Encoding { part: &'static str },
    #[error("the {part} of the signature can't be read in one way only: {reason}")]
    Json { part: &'static str, reason: String },
    #[error("`alg` is missing, hint: the signer must name the algorithm in the protected header")]
    AlgorithmMissing,
    #[error("`alg` is `none`: nobody has signed this")]
    AlgorithmNone,
    #[error("`alg` `{algorithm}` isn't accepted, hint: sign with ES256, ES384, EdDSA, PS256 or RS256")]
    Algorithm { algorithm: String },
    #[error("the header `{name}` isn't accepted, hint: leave it out")]
    HeaderRefused { name: String },
    #[error("the header `{name}` is malformed, hint: it must be {wanted}")]
    HeaderMalformed { name: &'static str, wanted: &'static str },
    #[error("`crit` names `{name}`, which isn't understood here")]
    Critical { name: String },
    #[error(
        "the signature names no key, and none of the registered ones has made it over this document, hint: register its signer's key, or ask for a signature with `kid`"
    )]
    NoRegisteredKey,
}

/// Whether `text` is a signature over `document` by somebody known.
///
/// # Errors
/// [`JwsError`]: it isn't a detached JWS, or has an algorithm or a header that isn't read here.
pub fn verify(text: &[u8], document: &[u8], trust: &Trust<'_>) -> Result<Verdict, JwsError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(JwsError::DocumentTooLong { bytes: document.len() });
    }
    let parsed = parse::read(text)?;
    let input = signing_input(&parsed, document);
    let registered: Vec<&AuditorKey> = match &parsed.header.kid {
        Some(kid) => trust.keys.iter().filter(|key| key.is_called(kid)).collect(),
        // A chain says who it is; without either, each key is tried.
        None if !parsed.header.chain.is_empty() => Vec::new(),
        None => trust.keys.iter().collect(),
    };
    if !registered.is_empty() {
        let verdict = by_keys(&registered, &parsed, &input);
        // Tried with everybody's keys: that none fits says nothing of the document.
        let tried = parsed.header.kid.is_none() && registered.iter().any(|key| key.is_registered);
        return match verdict {
            Verdict::Invalid { .. } if tried => Err(JwsError::NoRegisteredKey),
            verdict => Ok(verdict),
        };
    }
    if parsed.header.chain.is_empty() {
        let why = match &parsed.header.kid {
            Some(kid) => format!("no key `{}` is registered, so the signature can't be checked", shown(kid)),
            None => "no key is registered, so the signature can't be checked".to_owned(),
        };
        return Ok(Verdict::UnknownSigner { signer: parsed.header.kid.as_deref().map(shown), why });
    }
    Ok(by_chain(&parsed, &input, trust))
}

fn signing_input(parsed: &Parsed, document: &[u8]) -> Vec<u8> {
    let Header { is_encoded, .. } = parsed.header;
    let mut input = Vec::with_capacity(parsed.protected.len() + 1 + document.len().div_ceil(3) * 4);
    input.extend_from_slice(parsed.protected.as_bytes());
    input.push(b'.');
    if is_encoded {
        input.extend_from_slice(URL_SAFE_NO_PAD.encode(document).as_bytes());
    } else {
        input.extend_from_slice(document);
    }
    input
}

fn by_keys(keys: &[&AuditorKey], parsed: &Parsed, input: &[u8]) -> Verdict {
    let algorithm = parsed.header.algorithm;
    let fitting: Vec<_> = keys.iter().filter(|key| key.accepts(algorithm)).collect();
    let signed_by = fitting.iter().find(|key| key.verifies(algorithm, input, &parsed.signature));
    if let Some(key) = signed_by {
        return Verdict::Valid(Signer {
            name: key.name.clone(),
            signed_at: parsed.header.issued_at,
            chain: Vec::new(),
            auditor: key.is_registered.then(|| key.name.clone()),
            with: format!("key `{}` ({algorithm:?})", shown(key.kid())),
            note: None,
        });
    }
    let why = match (keys, fitting.is_empty()) {
        ([key], true) => format!("the key of `{}` can't make `{algorithm:?}` signatures", key.name),
        (_, true) => format!("none of the registered keys can make `{algorithm:?}` signatures"),
        ([key], false) => format!("the document isn't what the key of `{}` has signed", key.name),
        (_, false) => "the document isn't what any of the registered keys has signed".to_owned(),
    };
    Verdict::Invalid { why }
}

fn by_chain(parsed: &Parsed, input: &[u8], trust: &Trust<'_>) -> Verdict {
    let invalid = |why: &str| Verdict::Invalid { why: why.to_owned() };
    let Some((leaf, others)) = parsed.header.chain.split_first() else {
        return invalid("the signature names no signer");
    };
    let Some(parsed_leaf) = certificate::parse(leaf) else {
        return invalid("the signer's certificate can't be read");
    };
    let name = certificate::subject(&parsed_leaf);
    let scheme = parsed.header.algorithm.scheme();
    match signature::verify(parsed_leaf.public_key(), scheme, input, &parsed.signature) {
        Ok(()) => {}
        Err(Mismatch::Key) => {
            return invalid("the signer's certificate has no key for the signature's `alg`");
        }
        Err(Mismatch::Signature) => {
            let why = format!("the document isn't what `{name}` has signed");
            return Verdict::Invalid { why };
        }
    }
    let others: Vec<_> = others.iter().map(|other| CertificateDer::from(other.as_slice())).collect();
    vouched(&name, certificate::chain(leaf, &others, trust.roots, trust.at), parsed.header.issued_at, || {
        parsed.header.issued_at.map_or(Ok(()), |at| certificate::within(&parsed_leaf, at))
    })
}

/// The signature holds: is somebody known behind it, and was it made while the certificate was valid?
pub(crate) fn vouched(
    name: &str,
    chain: certificate::Chain,
    signed_at: Option<Timestamp>,
    was_valid: impl Fn() -> Result<(), String>,
) -> Verdict {
    let chain = chain.and_then(|chain| match was_valid() {
        Ok(()) => Ok(chain),
        Err(why) => Err(format!(
            "when it was signed, by its own word, the certificate of `{name}` was not good: it {why}"
        )),
    });
    match chain {
        Ok(Vouched { names, auditor }) => Verdict::Valid(Signer {
            name: name.to_owned(),
            signed_at,
            chain: names,
            auditor,
            with: format!("the certificate of `{name}`"),
            note: None,
        }),
        Err(why) => Verdict::UnknownSigner {
            signer: Some(name.to_owned()),
            why: format!("the signature holds, but {why}"),
        },
    }
}
