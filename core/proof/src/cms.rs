//! CMS SignedData (RFC 5652) over content that lies elsewhere, as PDF signatures and time stamps are.
//!
//! Read is one signer with signed attributes. A signature without them is refused: it could be shown as one over a
//! document that happens to be the encoding of attributes.

mod read;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::certificate;
use crate::signature::{self, Mismatch};
use crate::{Roots, Verdict};
pub(crate) use read::{Signed, Unread};

/// Whether the signature is over `content`, whose parts follow each other, and by whom. `claimed_at` is a time that was signed outside of CMS.
pub(crate) fn verify(
    signed: &Signed<'_>,
    content: &[&[u8]],
    roots: &Roots,
    at: Timestamp,
    claimed_at: Option<Timestamp>,
) -> Verdict {
    let invalid = |why: String| Verdict::Invalid { why };
    if signed.hash.of(content) != signed.message_digest {
        return invalid(
            "the document isn't what was signed: its digest differs from the signed one".to_owned(),
        );
    }
    let Some(leaf) = signed.signer_certificate() else {
        return invalid("the signer's certificate isn't in the signature".to_owned());
    };
    let Some(parsed) = certificate::parse(leaf) else {
        return invalid("the signer's certificate can't be read".to_owned());
    };
    if !signed.names_certificate(leaf) {
        return invalid("the certificate isn't the one that was signed with".to_owned());
    }
    let name = certificate::subject(&parsed);
    match signature::verify(parsed.public_key(), signed.scheme, &signed.attributes, signed.signature) {
        Ok(()) => {}
        Err(Mismatch::Key) => return invalid(format!("the key of `{name}` can't make such a signature")),
        Err(Mismatch::Signature) => return invalid(format!("the signature isn't by the key of `{name}`")),
    }
    let others: Vec<_> = signed
        .certificates
        .iter()
        .filter(|other| **other != leaf)
        .map(|other| CertificateDer::from(*other))
        .collect();
    let signed_at = signed.signing_time.or(claimed_at);
    crate::jws::vouched(&name, certificate::chain(leaf, &others, roots, at), signed_at, || {
        signed_at.map_or(Ok(()), |at| certificate::within(&parsed, at))
    })
}
