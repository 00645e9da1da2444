//! Signatures inside of PDF (ISO 32000-2, 12.8): `adbe.pkcs7.detached` and `ETSI.CAdES.detached`.
//!
//! What a document shows is for its reader to know; what was signed is a matter of bytes. A document counts as
//! signed only if one signature covers every byte of it but its own value, and that value is one string of
//! hexadecimal digits exactly where the signature says. Then nothing can be wrapped, shadowed or added: whatever
//! a reader makes of these bytes, the signer has signed them. So it does no harm that signatures are looked for
//! without following the document's structure; what isn't found isn't proven.

mod lexer;
mod scan;

use jiff::Timestamp;

use crate::cms::{self, Signed, Unread};
use crate::{DOCUMENT_BYTES_MAX, Trust, Verdict};
use scan::Found;

/// The most signatures of a document that are looked at.
pub const SIGNATURES_MAX: usize = 32;

/// What the signatures of a document prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Of the document as it lies here.
    pub verdict: Verdict,
    /// Each signature, in the order in which they were made.
    pub signatures: Vec<Signature>,
}

/// One signature in a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Such as `ETSI.CAdES.detached`.
    pub form: String,
    /// The document's first bytes, which it covers but for its own value.
    pub covered_bytes: usize,
    /// Whether that is all of them.
    pub covers_whole: bool,
    /// Of the part that is covered.
    pub verdict: Verdict,
}

/// Why nothing was verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    #[error("the document has {bytes} bytes, hint: at most {DOCUMENT_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error("this is no PDF: it doesn't begin with `%PDF-`, hint: give the signature in a file of its own")]
    NotPdf,
    #[error("the PDF is encrypted, hint: ask for it without a password")]
    Encrypted,
    #[error("the PDF isn't signed, hint: ask the issuer for a signed one, or for a detached signature")]
    Unsigned,
    #[error(
        "the PDF has more than {SIGNATURES_MAX} signatures, hint: ask the issuer for the document itself"
    )]
    TooMany,
    #[error("the PDF is built so that reading it never ends, hint: ask the issuer to export it again")]
    TooComplex,
    #[error(
        "a signature of the PDF can't be verified here: {why}, hint: ask for one by SHA-256 and RSA or ECDSA"
    )]
    Unsupported { why: String },
}

/// Whether `document` is what somebody known has signed.
///
/// # Errors
/// [`PdfError`]: it isn't a PDF, or an encrypted or unsigned one, or its signature is of a kind that isn't read.
pub fn verify(document: &[u8], trust: &Trust<'_>) -> Result<Report, PdfError> {
    const HEADER_WITHIN: usize = 1024;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(PdfError::TooLong { bytes: document.len() });
    }
    let head = document.get(..document.len().min(HEADER_WITHIN)).unwrap_or_default();
    if memchr::memmem::find(head, b"%PDF-").is_none() {
        return Err(PdfError::NotPdf);
    }
    let scanned = scan::scan(document)?;
    if scanned.is_encrypted {
        return Err(PdfError::Encrypted);
    }
    let mut signatures = Vec::new();
    for found in &scanned.signatures {
        signatures.push(signature(document, found, trust)?);
    }
    signatures.sort_by_key(|signature| signature.covered_bytes);
    let verdict = together(document, &signatures)?;
    Ok(Report { verdict, signatures })
}

/// What all of them say of the document as it lies here.
fn together(document: &[u8], signatures: &[Signature]) -> Result<Verdict, PdfError> {
    let (last, earlier) = signatures.split_last().ok_or(PdfError::Unsigned)?;
    if let Some(broken) = signatures.iter().find(|one| matches!(one.verdict, Verdict::Invalid { .. })) {
        return Ok(broken.verdict.clone());
    }
    if !last.covers_whole {
        let added = document.len() - last.covered_bytes;
        let why = format!("{added} bytes were added to the document after it was signed");
        return Ok(Verdict::Invalid { why });
    }
    // Whether an addition changes what a reader shows can't be told from outside of every reader: an earlier
    // signature vouches for its part, and the one over the whole decides.
    let known = |one: &&Signature| matches!(one.verdict, Verdict::Valid(_));
    match (&last.verdict, earlier.iter().rev().find(known)) {
        (Verdict::Valid(_), None) => Ok(last.verdict.clone()),
        (Verdict::Valid(_), Some(before)) => {
            let also = before.verdict.signer().unwrap_or_default();
            Ok(noted(last, format!("`{also}` has signed its first {} bytes", before.covered_bytes)))
        }
        (_, Some(before)) => Ok(Verdict::UnknownSigner {
            signer: last.verdict.signer().map(str::to_owned),
            why: format!(
                "`{}` has signed only the first {} bytes, and who signed what was added isn't known here: {}",
                before.verdict.signer().unwrap_or_default(),
                before.covered_bytes,
                last.verdict.detail()
            ),
        }),
        (_, None) => Ok(last.verdict.clone()),
    }
}

fn noted(signature: &Signature, note: String) -> Verdict {
    match signature.verdict.clone() {
        Verdict::Valid(signer) => Verdict::Valid(crate::Signer { note: Some(note), ..signer }),
        Verdict::UnknownSigner { signer, why } => {
            Verdict::UnknownSigner { signer, why: format!("{why}; {note}") }
        }
        invalid @ Verdict::Invalid { .. } => invalid,
    }
}

fn signature(document: &[u8], found: &Found<'_>, trust: &Trust<'_>) -> Result<Signature, PdfError> {
    let form = String::from_utf8_lossy(&found.form).chars().take(64).collect::<String>();
    let broken = |covered_bytes: usize, why: String| Signature {
        form: form.clone(),
        covered_bytes,
        covers_whole: covered_bytes == document.len(),
        verdict: Verdict::Invalid { why },
    };
    let covered = match covered(document, found) {
        Ok(covered) => covered,
        Err(why) => return Ok(broken(document.len(), why.to_owned())),
    };
    let covered_bytes = covered.after.end;
    if !matches!(form.as_str(), "adbe.pkcs7.detached" | "ETSI.CAdES.detached") {
        return Err(PdfError::Unsupported {
            why: format!("its form is `{}`", portcullis_tokens::json::shown(&form)),
        });
    }
    let signed = match Signed::read(&covered.value) {
        Ok(signed) => signed,
        Err(Unread::Malformed(why)) => {
            return Ok(broken(covered_bytes, format!("the signature is broken: {why}")));
        }
        Err(Unread::Unsupported(why)) => return Err(PdfError::Unsupported { why: why.to_owned() }),
    };
    let parts = [
        document.get(covered.before.clone()).unwrap_or_default(),
        document.get(covered.after.clone()).unwrap_or_default(),
    ];
    Ok(Signature {
        form: form.clone(),
        covered_bytes,
        covers_whole: covered_bytes == document.len(),
        verdict: cms::verify(&signed, &parts, trust.roots, trust.at, found.time),
    })
}

/// What a signature covers, and its value.
struct Covered {
    before: std::ops::Range<usize>,
    after: std::ops::Range<usize>,
    value: Vec<u8>,
}

fn covered(document: &[u8], found: &Found<'_>) -> Result<Covered, &'static str> {
    if found.is_ambiguous {
        return Err("a signature says twice what it covers");
    }
    let Some([first, length, second, rest]) = found.byte_range else {
        return Err("a signature doesn't say in four numbers what it covers");
    };
    let gap = found.contents.clone().ok_or("a signature has no value")?;
    let end = second.checked_add(rest).filter(|end| *end <= document.len());
    let end = end.ok_or("a signature covers more than there is")?;
    if first != 0 {
        return Err("a signature doesn't cover the document's beginning");
    }
    if length != gap.start || second != gap.end {
        return Err("a signature leaves out more than its own value, or something else");
    }
    let digits = document.get(gap).and_then(|gap| gap.strip_prefix(b"<")?.strip_suffix(b">"));
    let value = digits.and_then(unhex).ok_or("the value of a signature isn't in hexadecimal digits")?;
    Ok(Covered { before: 0..length, after: second..end, value })
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// A date of PDF (ISO 32000-2, 7.9.4), such as `D:20261121120000+01'00'`.
fn date(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix("D:")?;
    let (moment, zone) = text.split_at_checked(14)?;
    if !moment.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let moment = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", moment).ok()?;
    let zone = zone.replace('\'', "");
    let offset = match zone.split_at_checked(1) {
        None | Some(("Z", _)) => jiff::tz::Offset::UTC,
        Some((sign @ ("+" | "-"), digits)) => {
            let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
            let seconds = part(0)? * 3_600 + part(2)? * 60;
            jiff::tz::Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()?
        }
        Some(_) => return None,
    };
    offset.to_timestamp(moment).ok()
}
