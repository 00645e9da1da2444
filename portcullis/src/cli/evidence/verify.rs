//! `evidence verify`: a document's signature, without a server.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;
use portcullis_assurance::evidence::{ProofForm, ProofOutcome};
use portcullis_proof::{AuditorKey, DOCUMENT_BYTES_MAX, Roots, Trust, Verdict, certificate, jws, pdf};
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::failure::Usage;
use crate::cli::output::{Output, Paint, Style};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(in crate::cli) struct VerifyArguments {
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its detached signature (JWS); without it, the signatures inside of a PDF count
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Public key of an auditor (JWK), named by the file; may be given many times
    #[arg(long, value_name = "FILE", requires = "signature")]
    key: Vec<PathBuf>,
    /// PEM of the authorities, or of the very certificates, that auditors are trusted by
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Moment at which the document became known: certificates must be valid then; default: now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub(super) fn verify(out: &Output, arguments: &VerifyArguments) -> Result<Outcome> {
    let document = read(&arguments.file, DOCUMENT_BYTES_MAX)?;
    let keys = arguments.key.iter().map(|path| key(path)).collect::<Result<Vec<_>>>()?;
    let roots = match &arguments.roots {
        Some(path) => Roots::parse(&read(path, certificate::ROOTS_BYTES_MAX)?)
            .map_err(|error| Usage(format!("`{}` can't be used: {error}", path.display())))?,
        None => Roots::default(),
    };
    let at = arguments.at.unwrap_or_else(|| system_clock().now());
    let trust = Trust { keys: &keys, roots: &roots, at };
    let (form, verified) = match &arguments.signature {
        Some(path) => {
            let signature = read(path, jws::SIGNATURE_BYTES_MAX)?;
            let verdict = jws::verify(&signature, &document, &trust).map_err(anyhow::Error::from);
            (ProofForm::DetachedJws, verdict.map(|verdict| (verdict, Vec::new())))
        }
        None => {
            let report = pdf::verify(&document, &trust).map_err(anyhow::Error::from);
            (ProofForm::Pdf, report.map(|report| (report.verdict, report.signatures)))
        }
    };
    // What has no signature to speak of isn't valid either: the error says why, and the process ends with 1.
    let (verdict, signatures) = verified?;
    let answer = answer(&document, form, &verdict, &signatures, at);
    out.show(&answer, |paint| table(&document, &verdict, &signatures, paint))?;
    Ok(if matches!(verdict, Verdict::Valid(_)) { Outcome::Done } else { Outcome::Refused })
}

/// What is printed as JSON or YAML.
#[derive(Serialize)]
struct Answer<'a> {
    document: DocumentPart,
    form: ProofForm,
    outcome: ProofOutcome,
    signer: Option<&'a str>,
    detail: String,
    at: Timestamp,
    /// By the signer's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    chain: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<SignaturePart<'a>>,
}

#[derive(Serialize)]
struct DocumentPart {
    sha256: String,
    bytes: usize,
}

#[derive(Serialize)]
struct SignaturePart<'a> {
    form: &'a str,
    covered_bytes: usize,
    covers_whole: bool,
    outcome: ProofOutcome,
    signer: Option<&'a str>,
    detail: String,
}

fn answer<'a>(
    document: &[u8],
    form: ProofForm,
    verdict: &'a Verdict,
    signatures: &'a [pdf::Signature],
    at: Timestamp,
) -> Answer<'a> {
    let (signed_at, chain) = match verdict {
        Verdict::Valid(signer) => (signer.signed_at, signer.chain.as_slice()),
        _ => (None, [].as_slice()),
    };
    let part = |signature: &'a pdf::Signature| SignaturePart {
        form: &signature.form,
        covered_bytes: signature.covered_bytes,
        covers_whole: signature.covers_whole,
        outcome: signature.verdict.outcome(),
        signer: signature.verdict.signer(),
        detail: signature.verdict.detail(),
    };
    Answer {
        document: DocumentPart { sha256: portcullis_proof::digest(document), bytes: document.len() },
        form,
        outcome: verdict.outcome(),
        signer: verdict.signer(),
        detail: verdict.detail(),
        at,
        signed_at,
        chain,
        signatures: signatures.iter().map(part).collect(),
    }
}

fn table(document: &[u8], verdict: &Verdict, signatures: &[pdf::Signature], paint: Paint) -> String {
    let (word, style) = match verdict {
        Verdict::Valid(_) => ("valid", Style::Good),
        Verdict::UnknownSigner { .. } => ("unknown signer", Style::Warning),
        Verdict::Invalid { .. } => ("invalid", Style::Bad),
    };
    let mut text = format!("{}: {}\n", paint.paint(word, style), verdict.detail());
    text.push_str(&format!(
        "document  sha256 {}, {} bytes\n",
        portcullis_proof::digest(document),
        document.len()
    ));
    for (number, signature) in signatures.iter().enumerate() {
        let covers = if signature.covers_whole { "covers all of it" } else { "covers its beginning" };
        text.push_str(&format!(
            "signature {}  {}, {covers} ({} bytes): {}\n",
            number + 1,
            signature.form,
            signature.covered_bytes,
            signature.verdict.detail()
        ));
    }
    text
}

fn key(path: &Path) -> Result<AuditorKey> {
    let text = String::from_utf8_lossy(&read(path, portcullis_tokens::jwk::KEY_BYTES_MAX)?).into_owned();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let key = AuditorKey::parse(&name, &text);
    Ok(key.map_err(|error| Usage(format!("`{}` can't be used: {error}", path.display())))?)
}

/// The file's bytes, or a usage error: nothing was asked about that could be answered.
pub(in crate::cli) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Usage(format!("can't read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    // One more than is allowed: what is too long is told as such by whoever reads it.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
