//! Documents of evidence: taken in and verified, given out, and looked at again every day.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_api::documents::{
    DocumentFound, DocumentKept, DocumentNamed, DocumentsReport, EvidenceAnswer, EvidenceRequest,
};
use portcullis_assurance::change::Change;
use portcullis_assurance::evidence::{Proof, ProofForm, ProofOutcome};
use portcullis_assurance::order::Order;
use portcullis_documents::{Documents, Error, Stored};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::{EvidenceId, OperatorId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_proof::{AuditorKey, Roots, Trust, jws, pdf};
use serde_json::{Value, json};

use super::Control;
use super::retention::DocumentRetention;
use crate::auditors;
use crate::error::ExecuteError;
use crate::oauth::evidence::PART;

/// How often it is looked whether the day is over: clocks are set, and machines sleep.
const LOOK: Duration = Duration::from_secs(60);
const CHECK_EVERY: SignedDuration = SignedDuration::from_hours(24);
const NAME_CHARACTERS_MAX: usize = 255;

/// Why a document isn't taken in, given out or looked at.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("this installation keeps no documents\nhint: `portcullis up` keeps them in `DIR/documents`")]
    NotKept,
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("{0}\nhint: {1}")]
    Given(String, &'static str),
    #[error("what was sent can't be read")]
    Read(Vec<portcullis_api::problem::FaultView>),
    #[error("the look at it was ended")]
    Ended(#[from] tokio::task::JoinError),
}

/// A document of evidence, as the dossiers know it.
struct Expected {
    vendor: VendorId,
    name: String,
    evidence: EvidenceId,
    sha256: String,
    altered: bool,
}

impl Control {
    /// From now on documents are kept there for so long, and looked at now and once a day. Once: a second word changes
    /// nothing.
    pub fn keep_documents(&self, documents: Arc<Documents>, retention: DocumentRetention) {
        if self.0.documents.set(documents).is_err() {
            return;
        }
        let weak = self.weak();
        self.0.core.runtime.spawn(async move {
            let mut next: Option<Timestamp> = None;
            while let Some(control) = weak.upgrade() {
                let now = control.clock().now();
                if next.is_none_or(|next| next <= now) {
                    if let Err(error) = control.check_documents(None).await {
                        tracing::error!(%error, "documents can't be looked at");
                    }
                    control.forget_parts().await;
                    match control.expire_documents(&retention).await {
                        Ok(0) => {}
                        Ok(gone) => tracing::info!(gone, "documents were kept long enough, and are removed"),
                        Err(error) => tracing::error!(%error, "documents can't be removed"),
                    }
                    next = now.checked_add(CHECK_EVERY).ok();
                }
                drop(control);
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// Keeps a document of a vendor. The same one again changes nothing.
    ///
    /// # Errors
    /// It is too long, or there is no room.
    pub async fn put_document(
        &self,
        vendor: &str,
        kind: String,
        document: Vec<u8>,
    ) -> Result<DocumentKept, DocumentError> {
        let (documents, vendor) = (self.documents()?, self.vendor_of_documents(vendor)?);
        let now = self.clock().now();
        let put = move || documents.put(vendor, &kind, &document, now);
        let Stored { sha256, bytes, is_new } = tokio::task::spawn_blocking(put).await??;
        Ok(DocumentKept { sha256, bytes, is_new })
    }

    /// A document, for the operator whose id is noted in the log.
    ///
    /// # Errors
    /// It isn't there, or isn't what it was; then its vendor is stopped.
    pub async fn document(
        &self,
        vendor: &str,
        sha256: String,
        by: OperatorId,
    ) -> Result<Vec<u8>, DocumentError> {
        let (documents, id) = (self.documents()?, self.vendor_of_documents(vendor)?);
        tracing::info!(audit = "document_downloaded", operator = %by, vendor = %id, sha256, "a document was asked for");
        let read = tokio::task::spawn_blocking(move || documents.get(id, &sha256)).await?;
        if matches!(read, Err(Error::Changed { .. })) {
            self.check_documents(Some(vendor)).await?;
        }
        Ok(read?)
    }

    /// Files evidence with what was found of its document's signature: a broken one stops the vendor.
    ///
    /// # Errors
    /// The document isn't there, a key can't be read, or the dossier refuses it.
    pub async fn add_evidence(
        &self,
        vendor: &str,
        request: EvidenceRequest,
        by: OperatorId,
    ) -> Result<EvidenceAnswer, DocumentError> {
        let id = self.new_evidence_id();
        let EvidenceRequest { mut evidence, document, signature } = request;
        let mut proof = None;
        if let Some(named) = &document {
            let bytes = self.document(vendor, named.sha256.clone(), by).await?;
            let (at, length) = (self.clock().now(), bytes.len());
            let (keys, roots) = auditors::trusted(&self.state());
            let verify = move || verified(&bytes, signature.as_deref(), &keys, &roots, at);
            proof = tokio::task::spawn_blocking(verify).await??;
            if let Some(proof) = &mut proof {
                auditors::settle_issuer(&mut evidence, proof);
            }
            put(&mut evidence, "document", described(named, length));
        } else if signature.is_some() {
            let hint = "send the document first, and name it as `document`";
            return Err(DocumentError::Given(
                "a signature is over a document, and there is none".to_owned(),
                hint,
            ));
        }
        put(&mut evidence, "id", json!(id));
        let holds = proof.as_ref().is_some_and(|proof| proof.outcome == ProofOutcome::Valid);
        if evidence.get("channel").is_none() {
            put(&mut evidence, "channel", json!(if holds { "signed" } else { "email" }));
        }
        let added = json!({ "change": "evidence_added", "evidence": evidence });
        let now = self.clock().now();
        let mut changes =
            portcullis_api::dossiers::changes::read(vec![added], by, now).map_err(DocumentError::Read)?;
        changes.extend(proof.clone().map(|proof| Change::EvidenceProven { evidence: id, proof }));
        let answer = self.change_dossier(vendor, changes, by, None, false).await?;
        Ok(EvidenceAnswer { id, proof, answer })
    }

    /// Documents that are named by evidence must be here: what isn't could never be looked at again.
    ///
    /// # Errors
    /// The first that isn't.
    pub async fn check_documents_of(&self, vendor: &str, changes: &[Change]) -> Result<(), DocumentError> {
        for change in changes {
            let Change::EvidenceAdded { evidence } = change else { continue };
            let Some(document) = &evidence.document else { continue };
            let (documents, id) = (self.documents()?, self.vendor_of_documents(vendor)?);
            let sha256 = document.sha256.clone();
            tokio::task::spawn_blocking(move || documents.get(id, &sha256)).await??;
        }
        Ok(())
    }

    /// Reads every document that evidence rests on, of one vendor or of all, and records those that aren't what was
    /// taken in, and those that are whole again.
    ///
    /// # Errors
    /// The ledger doesn't take what was found.
    pub async fn check_documents(&self, vendor: Option<&str>) -> Result<DocumentsReport, DocumentError> {
        let documents = self.documents()?;
        let vendor = vendor.map(|vendor| self.vendor_of_documents(vendor)).transpose()?;
        let expected = expected(&self.state(), vendor);
        let look = move || {
            let looked = expected.into_iter().map(|expected| {
                let found = documents.get(expected.vendor, &expected.sha256).map(drop);
                (expected, found)
            });
            looked.collect::<Vec<_>>()
        };
        let mut report = DocumentsReport::default();
        for (expected, found) in tokio::task::spawn_blocking(look).await? {
            report.checked += 1;
            self.note_document(expected, found, &mut report).await?;
        }
        Ok(report)
    }

    /// Parts of documents that nobody has put together.
    async fn forget_parts(&self) {
        let Ok(documents) = self.documents() else { return };
        let now = self.clock().now();
        let forget =
            move || documents.expire(now, &|kind| (kind == PART).then_some(CHECK_EVERY), &|_, _| false);
        match tokio::task::spawn_blocking(forget).await {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => tracing::error!(%error, "parts of documents can't be forgotten"),
        }
    }

    async fn note_document(
        &self,
        expected: Expected,
        found: Result<(), Error>,
        report: &mut DocumentsReport,
    ) -> Result<(), DocumentError> {
        let Expected { name, evidence, sha256, altered, .. } = expected;
        let why =
            found.as_ref().err().map(ToString::to_string).unwrap_or_else(|| "it is whole again".to_owned());
        let told = DocumentFound { vendor: name.clone(), evidence, sha256: sha256.clone(), why };
        let (change, list) = match found {
            Ok(()) if !altered => return Ok(()),
            Ok(()) => {
                let reason = "the document that is stored is the one that was taken in".to_owned();
                (Change::DocumentMended { evidence, reason }, &mut report.mended)
            }
            Err(Error::Changed { found, .. }) => {
                (Change::DocumentChanged { evidence, expected: sha256, found }, &mut report.changed)
            }
            Err(Error::Missing { .. }) => {
                (Change::DocumentChanged { evidence, expected: sha256, found: None }, &mut report.changed)
            }
            Err(error) => {
                tracing::error!(%error, vendor = name, "a document can't be read");
                report.unreadable.push(told);
                return Ok(());
            }
        };
        list.push(told);
        self.execute(Command::ChangeDossiers(vec![(name, Order { change, by: None })])).await?;
        Ok(())
    }

    /// Where they are kept, if anywhere.
    pub(crate) fn documents_kept(&self) -> Option<Arc<Documents>> {
        self.0.documents.get().cloned()
    }

    pub(super) fn documents(&self) -> Result<Arc<Documents>, DocumentError> {
        self.documents_kept().ok_or(DocumentError::NotKept)
    }

    fn vendor_of_documents(&self, name: &str) -> Result<VendorId, DocumentError> {
        let state = self.state();
        let found = state.resource(Kind::Vendor, name).map(|vendor| VendorId(vendor.id));
        let unknown = || Refusal::Unknown { kind: "vendor", name: name.chars().take(200).collect() };
        Ok(found.ok_or_else(unknown).map_err(ExecuteError::from)?)
    }

    fn new_evidence_id(&self) -> EvidenceId {
        let mut bytes = [0; 16];
        (self.entropy())(&mut bytes);
        EvidenceId(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

fn expected(state: &State, only: Option<VendorId>) -> Vec<Expected> {
    let dossiers = state.dossiers.iter().filter(|(vendor, _)| only.is_none_or(|only| only == **vendor));
    let mut expected = Vec::new();
    for (vendor, dossier) in dossiers {
        let Some((_, name, _)) = state.by_id(vendor.0) else { continue };
        for (id, filed) in &dossier.evidence {
            if let (Some(document), None, None) = (&filed.evidence.document, &filed.withdrawn, &filed.expired)
            {
                expected.push(Expected {
                    vendor: *vendor,
                    name: name.to_owned(),
                    evidence: *id,
                    sha256: document.sha256.clone(),
                    altered: filed.altered.is_some(),
                });
            }
        }
    }
    expected
}

/// None where there is no signature to look at.
fn verified(
    document: &[u8],
    signature: Option<&str>,
    keys: &[AuditorKey],
    roots: &Roots,
    at: Timestamp,
) -> Result<Option<Proof>, DocumentError> {
    let given = |error: String| DocumentError::Given(error, "`portcullis evidence verify` looks at it alone");
    let trust = Trust { keys, roots, at };
    if let Some(signature) = signature {
        let verdict = jws::verify(signature.as_bytes(), document, &trust);
        let verdict = verdict.map_err(|error| given(error.to_string()))?;
        return Ok(Some(verdict.proof(ProofForm::DetachedJws, at)));
    }
    // A PDF without a signature is one like any other; what can't be read isn't proven by anything.
    Ok(pdf::verify(document, &trust).ok().map(|report| report.verdict.proof(ProofForm::Pdf, at)))
}

fn described(named: &DocumentNamed, length: usize) -> Value {
    let name: String =
        named.name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARACTERS_MAX).collect();
    let media = named.media_type.as_deref().unwrap_or("application/octet-stream");
    let media: String = media.chars().take(100).collect();
    json!({ "name": name, "media_type": media, "bytes": length, "sha256": named.sha256 })
}

fn put(evidence: &mut Value, name: &str, value: Value) {
    if let Some(members) = evidence.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
