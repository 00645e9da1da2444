//! `/oauth/incident`: a vendor's notice of its own breach.
//!
//! As JSON by a client that authenticates as at the token endpoint, or as a form that a registered key has signed, which
//! proves itself whoever carries it; and a page where a person hands such a form in. A vendor that is severed, held or out of
//! contract may do this one thing still, with its registered keys, refused ones too: nothing is given out for it. What a key
//! says that was revoked or has ended opens an incident, and says nothing in the vendor's dossier.

mod page;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_domain::command::{Command, NewNotice, Refusal};
use portcullis_domain::ids::{NoticeId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::state::{KeyTerm, Standing, State};
use portcullis_domain::target::Target;
use portcullis_incident::notice::{self, BODY_BYTES_MAX, Notice, Said, Way};
use portcullis_policy::link::{RelayAbout, RelayRequest};
use portcullis_tokens::notice::{ExpectedNotice, NOTICE_BYTES_MAX, NoticeError, SignedNotice};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, Failure};
use super::authenticate::authenticate;
use super::form::{Form, shown};
use super::signed::{LEEWAY_SECONDS, signers, signers_term};
use super::{Exchange, NotDone, Server, token};
use crate::incidents::{acknowledged, digest_of, today};

/// A notice in JSON, with what authenticates its client.
const JSON_BYTES_MAX: usize = BODY_BYTES_MAX + 16 * 1024;

/// What came, in whichever form.
struct Sent {
    form: Form,
    notice: Option<Vec<u8>>,
    signed: Option<String>,
    /// A person waits for a page.
    page: bool,
}

/// A notice that is the word of a vendor's client.
struct Told {
    about: RelayAbout,
    said: Said,
    way: Way,
    sha256: String,
    signed: Option<String>,
}

impl Server {
    pub(super) async fn incident(&self, request: &RelayRequest) -> Answer {
        if let Err(failure) = super::check_method(request, &["GET", "HEAD", "POST"]) {
            return (*failure).into();
        }
        if request.method != "POST" {
            return Answer::html(200, page::form(&self.here(request)));
        }
        let sent = match sent(request) {
            Ok(sent) => sent,
            Err(failure) => return (*failure).into(),
        };
        let page = sent.page;
        match self.noticed(request, sent).await {
            Ok((answer, about)) if page => {
                Answer::html(201, super::page::said("Your notice is here", &page::told(&answer))).about(about)
            }
            Ok((answer, about)) => {
                let answer = serde_json::to_value(answer).unwrap_or_default();
                Answer::json(answer).status(201).about(about)
            }
            Err(failure) if page => {
                let said = super::page::said("That didn't work", &failure.description);
                Answer::html(failure.status, said).because(Reason::TokenRequest)
            }
            Err(failure) => (*failure).into(),
        }
    }

    async fn noticed(
        &self,
        request: &RelayRequest,
        sent: Sent,
    ) -> Result<(notice::Acknowledgement, RelayAbout), Box<Failure>> {
        let now = self.clock.now();
        let told = {
            let state = (self.state)();
            let Sent { form, notice, signed, .. } = sent;
            let exchange = Exchange { server: self, state: &state, request, form, now };
            match (signed, notice) {
                (Some(text), None) => by_signature(&exchange, text)?,
                (None, Some(body)) => by_client(&exchange, &body)?,
                (Some(_), Some(_)) => {
                    let failure = Failure::invalid_request("there is a notice, and a signed one");
                    return Err(failure.hint("send one of the two").into());
                }
                (None, None) => return Err(nothing().into()),
            }
        };
        let about = told.about.clone();
        self.recorded(told, now)
            .await
            .map(|answer| (answer, about.clone()))
            .map_err(|failure| Box::new(failure.about(about)))
    }

    async fn recorded(&self, told: Told, now: Timestamp) -> Result<notice::Acknowledgement, Box<Failure>> {
        let vendor = told.about.vendor;
        self.notices.take(vendor, self.now_ns()).map_err(Failure::too_many)?;
        let id = NoticeId((self.new_id)());
        let notice = notice_of(told, id, now)?;
        let (regimes, zone) = (self.regimes.chosen(today(now)), self.regimes.zone());
        let new = NewNotice { vendor, notice, incident: None, regimes, zone, by: None };
        let events = (self.execute)(Command::ReceiveNotice(Box::new(new))).await.map_err(not_done)?;
        let answer = acknowledged(&(self.state)(), &events, id);
        answer.ok_or_else(|| Box::new(Failure::server_error()))
    }
}

fn notice_of(told: Told, id: NoticeId, now: Timestamp) -> Result<Notice, Box<Failure>> {
    let Told { said, way, sha256, signed, .. } = told;
    said.received(id, now, way, sha256, signed).map_err(|error| refused(&error))
}

fn not_done(error: NotDone) -> Box<Failure> {
    Box::new(match error {
        NotDone::Refused(refusal @ Refusal::NoticeReplayed(_)) => {
            Failure::conflict().explained(&one_line(&refusal))
        }
        NotDone::Refused(refusal @ Refusal::IncidentsMany { .. }) => {
            tracing::warn!(%refusal, "a notice of a breach was refused");
            Failure::conflict()
                .said("too many incidents of yours are open")
                .hint("use the `reference` of one of them, and call us")
        }
        NotDone::Refused(refusal) => {
            tracing::warn!(%refusal, "a notice of a breach was refused");
            Failure::invalid_request("").explained(&one_line(&refusal))
        }
        NotDone::NotRecorded(error) => {
            tracing::error!(error, "a notice of a breach could not be recorded");
            Failure::unavailable("the notice could not be recorded")
        }
    })
}

/// As `explained` takes it apart.
fn one_line(refusal: &Refusal) -> String {
    refusal.to_string().replace("\nhint: ", ", hint: ")
}

fn refused(error: &notice::NoticeError) -> Box<Failure> {
    Failure::invalid_request("").explained(&error.to_string().replace("\nhint: ", ", hint: ")).into()
}

/// One answer for clients that don't exist and for signatures of nobody's key.
fn failure_of(error: &NoticeError) -> Box<Failure> {
    let failure = match error {
        NoticeError::Signature => Failure::invalid_client(""),
        _ => Failure::invalid_request(""),
    };
    Box::new(failure.explained(&error.to_string()))
}

fn nothing() -> Failure {
    Failure::invalid_request("there is no notice")
        .hint("send `notice` as JSON with your client's authentication, or `signed_notice`")
}

/// The client has authenticated, as for a token; its standing isn't asked for.
fn by_client(exchange: &Exchange<'_>, body: &[u8]) -> Result<Told, Box<Failure>> {
    let caller = authenticate(exchange)?;
    let about = token::about(&caller);
    let said = notice::read(body).map_err(|error| Box::new(refused(&error).about(about.clone())))?;
    let key = caller.key.to_string();
    let (severed, refused) = standing_of(exchange, &caller.standing, &key, Some(&caller.term));
    let way = Way::Client { client: about.client, key, severed, refused };
    Ok(Told { sha256: digest_of(&said), about, said, way, signed: None })
}

/// Signed by a registered key or certificate of the client.
fn by_signature(exchange: &Exchange<'_>, text: String) -> Result<Told, Box<Failure>> {
    let signed = SignedNotice::parse(&text).map_err(|error| failure_of(&error))?;
    let name = signed.subject().map_err(|error| failure_of(&error))?;
    let (standing, keys) = signers(exchange, &name);
    let expected = ExpectedNotice {
        client_id: &name,
        audience: &exchange.server.here(exchange.request),
        now: exchange.now.as_second(),
        leeway_seconds: LEEWAY_SECONDS,
    };
    let verified = signed.verify(&keys, &expected).map_err(|error| failure_of(&error))?;
    let Some(standing) = standing else { return Err(failure_of(&NoticeError::Signature)) };
    let body = Value::Object(verified.said).to_string();
    let said = notice::read(body.as_bytes()).map_err(|error| refused(&error))?;
    let key = verified.key.to_string();
    let term = signers_term(exchange, &standing, &key);
    let (severed, refused) = standing_of(exchange, &standing, &key, term.as_ref());
    let about = RelayAbout {
        vendor: VendorId(standing.vendor.id),
        integration: standing.integration_id(),
        client: standing.client_id(),
        client_key: key.clone(),
        scope: Vec::new(),
    };
    let way = Way::Signed { client: about.client, key, severed, refused };
    let sha256 = sha256_hex(text.as_bytes());
    Ok(Told { about, said, way, sha256, signed: Some(text) })
}

/// Whether something of the client is severed, and whether the key is one that the vendor may not hold alone any more.
fn standing_of(
    exchange: &Exchange<'_>,
    standing: &Standing<'_>,
    key: &str,
    term: Option<&KeyTerm>,
) -> (bool, bool) {
    let state: &State = exchange.state;
    let targets = [
        Target::Vendor { id: standing.vendor_id() },
        Target::Integration { id: standing.integration_id() },
        Target::Client { id: standing.client_id() },
    ];
    let closed_by = state.refused_keys.get(key);
    let severed = targets.iter().any(|target| state.severances_of(target).next().is_some());
    let over = term.is_none_or(|term| exchange.now >= term.until);
    // A severance that is over has left the key refused: there are others in its place.
    let for_good = closed_by.is_some_and(|severance| {
        state.severances.get(severance).is_none_or(|severance| severance.cause.is_for_good())
    });
    (severed || closed_by.is_some(), over || for_good)
}

fn sha256_hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sent(request: &RelayRequest) -> Result<Sent, Box<Failure>> {
    let media = request.content_type.as_deref().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/jose" => {
            check_length(&request.body, NOTICE_BYTES_MAX)?;
            let text = String::from_utf8(request.body.clone()).unwrap_or_default();
            let signed = Some(text.trim().to_owned());
            Ok(Sent { form: Form::default(), notice: None, signed, page: false })
        }
        "application/json" => from_json(&request.body),
        _ => {
            let form = Form::parse(request.content_type.as_deref(), &request.body)?;
            let notice = form.one("notice").map(|notice| notice.as_bytes().to_vec());
            let signed = form.one("signed_notice").map(|signed| signed.trim().to_owned());
            let page = form.one("page").is_some();
            Ok(Sent { notice, signed, page, form })
        }
    }
}

/// An object with the parameters of a form as members, and the notice as one more.
fn from_json(body: &[u8]) -> Result<Sent, Box<Failure>> {
    check_length(body, JSON_BYTES_MAX)?;
    let members: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
        let failure = Failure::invalid_request("the body is no JSON object");
        Box::new(failure.hint("send `notice` with your client's authentication beside it"))
    })?;
    let mut parameters = Vec::new();
    let (mut notice, mut signed) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("notice", value) => notice = Some(value.to_string().into_bytes()),
            ("signed_notice", Value::String(text)) => signed = Some(text),
            (_, Value::String(text)) => parameters.push((name, text)),
            _ => {
                let failure = Failure::invalid_request(format!("the member `{}` is no text", shown(&name)));
                return Err(failure.hint("beside `notice` there are texts only").into());
            }
        }
    }
    Ok(Sent { form: Form::of(parameters)?, notice, signed, page: false })
}

fn check_length(body: &[u8], most: usize) -> Result<(), Box<Failure>> {
    if body.len() <= most {
        return Ok(());
    }
    Err(Failure::too_long(body.len(), most).into())
}

/// Another id for each notice.
pub(super) type NewId = std::sync::Arc<dyn Fn() -> Uuid + Send + Sync>;

/// For whoever hands a notice in by hand: the same request as a gate would relay.
pub(crate) fn carried(signed: String, address: &str) -> RelayRequest {
    RelayRequest {
        relay: 0,
        method: "POST".to_owned(),
        path: super::INCIDENT_PATH.to_owned(),
        content_type: Some("application/json".to_owned()),
        authorization: None,
        body: json!({ "signed_notice": signed }).to_string().into_bytes(),
        certificates: Vec::new(),
        ja4_context: None,
        address: address.to_owned(),
        network: None,
        through: None,
        door: None,
        proof_key: None,
    }
}
