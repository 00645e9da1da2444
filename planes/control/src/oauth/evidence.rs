//! Evidence that vendors send by the link of a request, without an account: a page, an upload, or a refusal.
//!
//! The code in the link is all there is, so it stands in the path, which no log keeps. What comes is stored and filed as
//! what it is, a paper that nobody has read: it lifts no stop until somebody has made data of it.

mod multipart;
mod page;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use portcullis_assurance::change::Change;
use portcullis_assurance::dossier::{Asked, Dossier};
use portcullis_assurance::evidence::{Channel, Content, Document, Evidence};
use portcullis_assurance::order::Order;
use portcullis_assurance::request::RequestState;
use portcullis_documents::{Documents, Error};
use portcullis_domain::command::Command;
use portcullis_domain::ids::{EvidenceId, RequestId, TaskId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::state::State;
use portcullis_policy::link::RelayRequest;
use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, Failure};
use super::form::Form;
use super::{EVIDENCE_PATH, NotDone, Server, register};

/// A link is good for so long after the day on which the answer was due.
const DAYS_AFTER_DUE: i32 = 14;
const CODE_BYTES_MAX: usize = 128;
const REASON_CHARACTERS_MAX: usize = 1_000;
const NAME_CHARACTERS_MAX: usize = 200;
/// Kind of the parts of a long document, until it is whole.
pub(crate) const PART: &str = "part";
/// Before each part, so that none has the digest of a document.
const PART_MARK: &[u8] = b"portcullis part\n";
/// So many parts of less than 64 KiB: a list of their digests fits into a request.
const PARTS_MAX: usize = 900;

/// Where documents are kept, once that is known.
pub type Place = Arc<OnceLock<Arc<Documents>>>;

/// Requests that are being answered: a code is used once.
#[derive(Default)]
pub(super) struct Answering(Mutex<BTreeSet<RequestId>>);

/// A request that a code opens.
struct Open {
    vendor: VendorId,
    vendor_name: String,
    request: RequestId,
    wanted: String,
    issuer: String,
    contact_note: Option<String>,
    due: String,
}

/// What a vendor sends.
enum Sent {
    /// Of a document, which is put together by the digests of its parts.
    Part(Vec<u8>),
    File {
        name: String,
        bytes: Vec<u8>,
    },
    Parts {
        name: String,
        digests: Vec<String>,
    },
    Refusal(String),
}

/// Where a request's answer that nobody has read yet is marked.
pub(crate) fn answer_to(request: RequestId) -> String {
    format!("answer to request {request}")
}

/// What came for a request by its link.
pub(crate) fn sent_for(dossier: &Dossier, request: RequestId) -> Vec<EvidenceId> {
    let mark = answer_to(request);
    let filed = dossier.evidence.iter().filter(|(_, filed)| {
        filed.evidence.channel == Channel::Link && filed.evidence.scope.as_deref() == Some(mark.as_str())
    });
    filed.map(|(id, _)| *id).collect()
}

impl Server {
    /// `GET` and `POST` under [`EVIDENCE_PATH`].
    pub(super) async fn evidence(&self, request: &RelayRequest, code: &str) -> Answer {
        let plain = request.content_type.as_deref().is_some_and(|media| !media.starts_with("multipart/"));
        let told = self.evidence_told(request, code).await;
        match told {
            Ok(Told::Page(page)) => Answer::html(200, page),
            Ok(Told::Kept(sha256)) => Answer::json(json!({ "sha256": sha256 })),
            Ok(Told::Done(sentence)) if plain => Answer::json(json!({ "done": sentence })),
            Ok(Told::Done(sentence)) => Answer::html(200, super::page::said("Thank you", sentence)),
            Err(failure) if plain => (*failure).into(),
            Err(failure) => {
                let said = super::page::said("That didn't work", &failure.description);
                Answer::html(failure.status, said).because(Reason::TokenRequest)
            }
        }
    }

    async fn evidence_told(&self, request: &RelayRequest, code: &str) -> Result<Told, Box<Failure>> {
        super::check_method(request, &["GET", "HEAD", "POST"])?;
        let open = open(&(self.state)(), code, self.clock.now())?;
        self.answers.take(open.vendor, self.now_ns()).map_err(Failure::too_many)?;
        if request.method != "POST" {
            return Ok(Told::Page(page::form(&open)));
        }
        match sent(request)? {
            Sent::Part(bytes) => self.keep(&open, PART, [PART_MARK, &bytes].concat()).await.map(Told::Kept),
            Sent::Refusal(reason) => {
                let refused = Change::RequestRefused { request: open.request, reason };
                self.record(&open, vec![refused]).await?;
                Ok(Told::Done("Your refusal is recorded, with your reason."))
            }
            Sent::File { name, bytes } => self.file(&open, name, bytes).await,
            Sent::Parts { name, digests } => {
                let bytes = self.put_together(&open, digests).await?;
                self.file(&open, name, bytes).await
            }
        }
    }

    async fn file(&self, open: &Open, name: String, bytes: Vec<u8>) -> Result<Told, Box<Failure>> {
        if bytes.is_empty() {
            return Err(Failure::invalid_request("the file is empty").into());
        }
        // Held until the ledger has it: the same code sent twice at once files one answer.
        let _turn = self.answering.take(open.request).ok_or_else(|| Box::new(used()))?;
        let length = bytes.len() as u64;
        let sha256 = self.keep(open, &open.wanted, bytes).await?;
        let now = self.clock.now();
        let evidence = Evidence {
            id: EvidenceId(Uuid::nil()),
            title: format!("{} by link: {name}", open.wanted),
            issuer: open.issuer.clone(),
            scope: Some(answer_to(open.request)),
            covers: Vec::new(),
            period_from: None,
            period_to: None,
            issued: now.to_zoned(TimeZone::UTC).date(),
            expires: None,
            channel: Channel::Link,
            document: Some(Document {
                name,
                media_type: "application/octet-stream".to_owned(),
                bytes: length,
                sha256,
            }),
            proof: None,
            content: Content::Other { name: format!("{}, not read yet", open.wanted) },
            added_at: now,
        };
        let title = format!("read what came for the request for `{}`, and file it as such", open.wanted);
        let task = Change::TaskOpened { id: TaskId(Uuid::nil()), title, owner: None, due: None };
        self.record(open, vec![Change::EvidenceAdded { evidence: Box::new(evidence) }, task]).await?;
        Ok(Told::Done("Your answer is here. Somebody will read it, and may come back to you."))
    }

    async fn record(&self, open: &Open, changes: Vec<Change>) -> Result<(), Box<Failure>> {
        let orders = changes
            .into_iter()
            .map(|change| (open.vendor_name.clone(), Order { change, by: None }))
            .collect();
        match (self.execute)(Command::ChangeDossiers(orders)).await {
            Ok(_) => Ok(()),
            Err(NotDone::Refused(refusal)) => {
                tracing::warn!(%refusal, vendor = %open.vendor, "an answer by link was refused");
                Err(Failure::invalid_request("this answer can't be taken, or is here already").into())
            }
            Err(NotDone::NotRecorded(error)) => {
                tracing::error!(error, "an answer by link could not be recorded");
                Err(Failure::unavailable("the answer could not be recorded").into())
            }
        }
    }

    async fn keep(&self, open: &Open, kind: &str, bytes: Vec<u8>) -> Result<String, Box<Failure>> {
        let (documents, vendor) = (self.documents_place()?, open.vendor);
        let (kind, now) = (kind.to_owned(), self.clock.now());
        let put = move || documents.put(vendor, &kind, &bytes, now);
        let kept = tokio::task::spawn_blocking(put).await.map_err(|_| Box::new(Failure::server_error()))?;
        kept.map(|kept| kept.sha256).map_err(not_kept)
    }

    /// The parts in their order as one document; they are forgotten then.
    async fn put_together(&self, open: &Open, digests: Vec<String>) -> Result<Vec<u8>, Box<Failure>> {
        let (documents, vendor) = (self.documents_place()?, open.vendor);
        let join = move || {
            let parts: BTreeSet<String> = documents
                .list(vendor)?
                .into_iter()
                .filter(|listed| listed.kind == PART)
                .map(|listed| listed.sha256)
                .collect();
            let mut whole = Vec::new();
            for digest in &digests {
                // Only parts: nobody gets at another document by its digest.
                if !parts.contains(digest) {
                    return Err(Error::Missing { vendor, sha256: digest.clone() });
                }
                let part = documents.get(vendor, digest)?;
                whole.extend_from_slice(part.strip_prefix(PART_MARK).unwrap_or(&part));
            }
            for digest in digests.iter().collect::<BTreeSet<_>>() {
                documents.remove(vendor, digest)?;
            }
            Ok(whole)
        };
        let joined =
            tokio::task::spawn_blocking(join).await.map_err(|_| Box::new(Failure::server_error()))?;
        joined.map_err(not_kept)
    }

    fn documents_place(&self) -> Result<Arc<Documents>, Box<Failure>> {
        self.documents
            .get()
            .cloned()
            .ok_or_else(|| Failure::unavailable("documents can't be taken now").into())
    }
}

enum Told {
    Page(String),
    /// Digest of a part.
    Kept(String),
    Done(&'static str),
}

fn not_kept(error: Error) -> Box<Failure> {
    match error {
        Error::TooLong { .. } | Error::VendorFull { .. } | Error::TooMany { .. } => {
            Failure::invalid_request("there is no room for this document").into()
        }
        Error::Missing { .. } | Error::Name { .. } => {
            Failure::invalid_request("a part of the document isn't here").hint("send all of it again").into()
        }
        error => {
            tracing::error!(%error, "a document that came by link can't be kept");
            Failure::unavailable("the document could not be kept").into()
        }
    }
}

/// The request that a code opens, and its vendor. To the end of all: neither place nor sort of a code shows in time.
fn open(state: &State, code: &str, now: Timestamp) -> Result<Open, Box<Failure>> {
    if code.is_empty() || code.len() > CODE_BYTES_MAX {
        return Err(unknown().into());
    }
    let digest = register::code_digest(code);
    let equal = |asked: &&Asked| {
        verify_slices_are_equal(asked.request.code_sha256.as_bytes(), digest.as_bytes()).is_ok()
    };
    let found: Vec<(VendorId, &Arc<Dossier>, &Asked)> = state
        .dossiers
        .iter()
        .flat_map(|(vendor, dossier)| {
            dossier.requests.values().filter(equal).map(move |asked| (*vendor, dossier, asked))
        })
        .collect();
    let (vendor, dossier, asked) = found.first().copied().ok_or_else(|| Box::new(unknown()))?;
    let (_, name, _) = state.by_id(vendor.0).ok_or_else(|| Box::new(unknown()))?;
    if asked.state != RequestState::Open || !sent_for(dossier, asked.request.id).is_empty() {
        return Err(used().into());
    }
    if now.to_zoned(TimeZone::UTC).date() > good_until(asked.request.due) {
        return Err(unknown().into());
    }
    let known = state.known(vendor).ok_or_else(|| Box::new(unknown()))?;
    Ok(Open {
        vendor,
        vendor_name: name.to_owned(),
        request: asked.request.id,
        wanted: asked.request.wanted.clone(),
        issuer: known.legal_name,
        contact_note: asked.request.note.clone(),
        due: asked.request.due.to_string(),
    })
}

/// The last day of a link whose answer is due on `due`.
pub(crate) fn good_until(due: Date) -> Date {
    due.saturating_add(Span::new().days(DAYS_AFTER_DUE))
}

fn unknown() -> Failure {
    Failure::not_found(EVIDENCE_PATH)
        .said("this link isn't known, or isn't good any more; ask whoever sent it for another one")
}

fn used() -> Failure {
    Failure::conflict().said("this link was used already; what was sent is here")
}

fn sent(request: &RelayRequest) -> Result<Sent, Box<Failure>> {
    let media = request.content_type.as_deref().unwrap_or_default();
    if media == "application/octet-stream" {
        return Ok(Sent::Part(request.body.clone()));
    }
    if media.starts_with("multipart/form-data") {
        return from_page(multipart::parse(media, &request.body)?);
    }
    let form = Form::parse(Some(media), &request.body)?;
    if let Some(reason) = form.one("refuse") {
        return Ok(Sent::Refusal(bounded(reason, REASON_CHARACTERS_MAX)));
    }
    let parts = form.one("parts").unwrap_or_default();
    let digests: Vec<String> = parts.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if digests.is_empty() || digests.len() > PARTS_MAX {
        let failure = Failure::invalid_request("there are no parts, or too many");
        return Err(failure.hint("send `parts`, or `refuse` with a reason").into());
    }
    Ok(Sent::Parts { name: file_name(form.one("name").unwrap_or_default()), digests })
}

fn from_page(fields: Vec<multipart::Field>) -> Result<Sent, Box<Failure>> {
    let mut file = None;
    for field in fields {
        match field.name.as_str() {
            "refuse" if !field.bytes.trim_ascii().is_empty() => {
                let reason = String::from_utf8_lossy(&field.bytes).into_owned();
                return Ok(Sent::Refusal(bounded(&reason, REASON_CHARACTERS_MAX)));
            }
            "file" if !field.bytes.is_empty() => {
                file = Some(Sent::File { name: file_name(&field.file_name), bytes: field.bytes });
            }
            _ => {}
        }
    }
    file.ok_or_else(|| Failure::invalid_request("choose a file, or say why you refuse").into())
}

fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = bounded(last, NAME_CHARACTERS_MAX);
    if name.is_empty() { "document".to_owned() } else { name }
}

fn bounded(text: &str, characters_max: usize) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(characters_max).collect::<String>().trim().to_owned()
}

impl Answering {
    fn take(&self, request: RequestId) -> Option<Turn<'_>> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(request);
        new.then_some(Turn { answering: self, request })
    }
}

struct Turn<'a> {
    answering: &'a Answering,
    request: RequestId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.answering.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.request);
    }
}
