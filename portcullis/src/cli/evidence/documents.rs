//! Evidence of a vendor: filed, listed, taken back; its documents kept, given out and looked at.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use portcullis_api::documents::{
    DOCUMENT_BYTES_MAX, DocumentKept, DocumentNamed, DocumentsReport, EvidenceAnswer, EvidenceRequest,
};
use portcullis_api::dossiers::{DossierView, changes};
use portcullis_assurance::evidence::ProofOutcome;
use portcullis_domain::ids::{EvidenceId, RequestId};
use serde_json::{Value, json};

use super::verify::read;
use crate::cli::output::{Output, Paint, Style};
use crate::cli::server::Server;
use crate::cli::{Outcome, apply, vendor};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(in crate::cli) struct AddArguments {
    /// Name of the vendor
    vendor: String,
    /// What the document says, as YAML or JSON
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// The document itself; 64 MiB at most
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Digest of a document that is stored already, such as one that came by a link
    #[arg(long, value_name = "DIGEST", conflicts_with = "document")]
    sha256: Option<String>,
    /// Its detached signature (JWS), by a registered auditor; without it, signatures inside of a PDF are looked at
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The request that it answers
    #[arg(long, value_name = "ID")]
    answers: Option<RequestId>,
}

#[derive(clap::Args)]
pub(in crate::cli) struct ListArguments {
    /// Name of the vendor
    vendor: String,
}

#[derive(clap::Args)]
pub(in crate::cli) struct GetArguments {
    /// Name of the vendor
    vendor: String,
    /// Digest of the document, as `evidence list` shows it
    sha256: String,
    /// Where to put it; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(clap::Args)]
pub(in crate::cli) struct WithdrawArguments {
    /// Name of the vendor
    vendor: String,
    /// Id of the evidence
    id: EvidenceId,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

#[derive(clap::Args)]
pub(in crate::cli) struct CheckArguments {
    /// Name of a vendor; all of them without it
    vendor: Option<String>,
}

pub(super) async fn add(server: &Server, out: &Output, arguments: AddArguments) -> Result<Outcome> {
    let AddArguments { vendor, file, document, sha256, signature, answers } = arguments;
    let evidence = evidence_of(&file)?;
    let vendor = vendor::bare(&vendor);
    let kind = evidence.get("kind").and_then(Value::as_str).unwrap_or("other").to_owned();
    let mut named = sha256.map(|sha256| DocumentNamed { name: sha256.clone(), sha256, media_type: None });
    if let Some(path) = &document {
        let bytes = read(path, DOCUMENT_BYTES_MAX)?;
        let media_type = media_type(&bytes).to_owned();
        let kept: DocumentKept =
            server.post_bytes(&["v1", "vendors", vendor, "documents"], &[("kind", kind)], bytes).await?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        named = Some(DocumentNamed { sha256: kept.sha256, name, media_type: Some(media_type) });
    }
    let text = |path: &PathBuf| read(path, 1 << 20).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let signature = signature.as_ref().map(text).transpose()?;
    let request = EvidenceRequest { evidence, document: named, signature };
    let (_, answer): (_, EvidenceAnswer) =
        server.post(&["v1", "vendors", vendor, "evidence"], &request).await?;
    out.show(&answer, |paint| added(&answer, paint))?;
    if let Some(request) = answers {
        let change = json!({ "change": "request_answered", "request": request, "evidence": answer.id });
        return vendor::say(server, out, vendor, change).await;
    }
    let broken = answer.proof.as_ref().is_some_and(|proof| proof.outcome == ProofOutcome::Invalid);
    Ok(if broken { Outcome::Refused } else { Outcome::Done })
}

fn added(answer: &EvidenceAnswer, paint: Paint) -> String {
    let proof = match &answer.proof {
        None => paint.paint("no signature: it counts as it came", Style::Dim),
        Some(proof) => {
            let (word, style) = match proof.outcome {
                ProofOutcome::Valid => ("valid", Style::Good),
                ProofOutcome::UnknownSigner => ("unknown signer", Style::Warning),
                ProofOutcome::Invalid => ("invalid", Style::Bad),
            };
            let hint = match proof.outcome {
                ProofOutcome::UnknownSigner => {
                    "\n  hint: it counts as unsigned; `portcullis auditor add` registers whoever may sign, before the evidence is added"
                }
                ProofOutcome::Valid | ProofOutcome::Invalid => "",
            };
            format!("{}: {}{hint}", paint.paint(word, style), proof.detail)
        }
    };
    format!("{}  signature {proof}\n", vendor::told(&answer.answer, paint))
}

/// One piece of evidence, as an object.
fn evidence_of(file: &PathBuf) -> Result<Value> {
    let mut texts = apply::read_all(std::slice::from_ref(file))?;
    let (Some(text), true) = (texts.pop(), texts.is_empty()) else {
        bail!("one file describes one piece of evidence\nhint: `portcullis vendor record` takes many");
    };
    changes::parse_object(&text.text).map_err(|error| anyhow::anyhow!("{}: {error}", text.file))
}

/// By its first bytes; nothing depends on it but what people see.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [b'{' | b'[', ..] => "application/json",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        _ if std::str::from_utf8(bytes).is_ok() => "text/plain",
        _ => "application/octet-stream",
    }
}

pub(super) async fn list(server: &Server, out: &Output, arguments: ListArguments) -> Result<Outcome> {
    let view: DossierView = vendor::dossier(server, &arguments.vendor).await?;
    out.show(&view.evidence, |_| {
        let table = vendor::evidence_table(&view, system_clock().now());
        let mut text = out.table(&table, "there is no evidence of this vendor");
        for filed in &view.evidence {
            if let Some(document) = &filed.evidence.document {
                let gone = filed
                    .removed
                    .as_ref()
                    .map(|gone| format!(", removed on {}: {}", gone.at.strftime("%Y-%m-%d"), gone.why));
                text.push_str(&format!(
                    "{}  {}  {} bytes{}\n",
                    document.sha256,
                    document.name,
                    document.bytes,
                    gone.unwrap_or_default()
                ));
            }
        }
        text
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn get(server: &Server, out: &Output, arguments: GetArguments) -> Result<Outcome> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let GetArguments { vendor, sha256, out: path } = arguments;
    let bytes = server.bytes(&["v1", "vendors", vendor::bare(&vendor), "documents", &sha256]).await?;
    if portcullis_proof::digest(&bytes) != sha256 {
        bail!(
            "what the server sent isn't the document `{sha256}`\nhint: try again; `portcullis evidence check` looks at it"
        );
    }
    // Nobody else's to read: what a vendor shows us is confidential.
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    opened
        .and_then(|mut file| file.write_all(&bytes))
        .with_context(|| format!("can't write `{}`", path.display()))?;
    out.note(&format!("`{}`: {} bytes", path.display(), bytes.len()));
    Ok(Outcome::Done)
}

pub(super) async fn withdraw(server: &Server, out: &Output, arguments: WithdrawArguments) -> Result<Outcome> {
    let WithdrawArguments { vendor, id, reason } = arguments;
    let change = json!({ "change": "evidence_withdrawn", "evidence": id, "reason": reason });
    vendor::say(server, out, &vendor, change).await
}

pub(super) async fn check(server: &Server, out: &Output, arguments: CheckArguments) -> Result<Outcome> {
    let query: Vec<(&str, String)> =
        arguments.vendor.iter().map(|vendor| ("vendor", vendor::bare(vendor).to_owned())).collect();
    let report: DocumentsReport =
        server.post_bytes(&["v1", "documents", "check"], &query, Vec::new()).await?;
    out.show(&report, |paint| checked(&report, paint))?;
    let good = report.changed.is_empty() && report.unreadable.is_empty();
    Ok(if good { Outcome::Done } else { Outcome::Refused })
}

fn checked(report: &DocumentsReport, paint: Paint) -> String {
    let mut text = format!("{} documents were read\n", report.checked);
    let lists = [
        ("changed", Style::Bad, &report.changed),
        ("unreadable", Style::Bad, &report.unreadable),
        ("mended", Style::Good, &report.mended),
    ];
    for (word, style, list) in lists {
        for found in list {
            let word = paint.paint(&format!("{word:<10}"), style);
            text.push_str(&format!(
                "{word}  vendor/{}  evidence {}  {}\n",
                found.vendor, found.evidence, found.why
            ));
        }
    }
    text
}
