//! The authorization server at the gate's address: vendors never reach control, the gate relays.
//!
//! Nonces and replay are the gate's, so a proof is checked here, and control is told its key.

use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use portcullis_domain::access::Access;
use portcullis_domain::decision::{DecisionDraft, DecisionId, Ending, OutcomeRecord, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_policy::link::{FromGate, RelayAbout, RelayAnswer, RelayRequest};
use portcullis_tokens::dpop::NewHeader;
use portcullis_tokens::replay::ClientShare;
use portcullis_tokens::session::session_id;
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::json;

use crate::body::GateBody;
use crate::connection::Connection;
use crate::core::Core;
use crate::identify::{Expected, addresses, check_matching, single_proof};
use crate::record::{decision, method_kept};
use crate::refusal::{DECISION, DPOP_NONCE, Refusal, put};
use crate::shared::Ready;
use crate::vendor_body::VendorBody;

const BODY_BYTES_MAX: usize = 64 * 1024;
const BODY_SECONDS_MAX: u64 = 10;
const ANSWER_SECONDS_MAX: u64 = 10;

/// Whether a path is the authorization server's.
pub fn is_reserved(path: &str) -> bool {
    path.starts_with("/oauth/")
        || path.starts_with("/.well-known/")
        || path == "/oauth"
        || path == "/.well-known"
}

/// Relays one request to the authorization server.
pub async fn relay(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    id: DecisionId,
    request: Request<VendorBody>,
) -> Result<Response<GateBody>, Refusal> {
    let mut nonce = None;
    let (proof_key, new_header) = match check_token_proof(core, ready, connection, &request) {
        Ok(Some((key, new_header))) => (Some(key), new_header),
        Ok(None) => (None, None),
        Err(refusal) => {
            let told = Told { verdict: refusal.verdict(), reason: refusal.reason, about: None };
            told.record(core, ready, connection, id, request.method().as_str(), request.uri().path())?;
            return Ok(oauth_refusal(&refusal, id));
        }
    };
    if let Some(key) = &proof_key {
        // The next proof will need one; giving it now saves the client a round trip.
        nonce = Some(core.shared.nonces.issue(key, core.now_seconds()));
    }
    let (head, body) = request.into_parts();
    let collect = Limited::new(body, BODY_BYTES_MAX).collect();
    let body = match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), collect).await {
        Err(_) => return Err(Refusal::from(Reason::RequestTooSlow).and_close()),
        Ok(Err(_)) => return Err(Refusal::from(Reason::RequestTooLarge).and_close()),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let text = |name: HeaderName| {
        let mut values = head.headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Two of them can be read in two ways; control refuses what isn't a form.
        if values.next().is_some() { Some(String::new()) } else { first }
    };
    let greeting = connection.greeting();
    let network = greeting.map(|greeting| greeting.place.prefix.clone()).unwrap_or_default();
    let Some(mut expected) = core.shared.relays.expect(network) else {
        return Err(Refusal::from(Reason::ControlUnreachable).retry_after_ms(1_000));
    };
    let message = RelayRequest {
        relay: expected.number,
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        content_type: text(CONTENT_TYPE),
        authorization: text(AUTHORIZATION),
        body: body.to_vec(),
        certificates: greeting
            .map(|greeting| greeting.certificates.iter().map(|der| der.to_vec()).collect())
            .unwrap_or_default(),
        ja4_context: greeting.and_then(|greeting| greeting.ja4_context.clone()),
        address: connection.peer().ip().to_string(),
        network: greeting.map(|greeting| greeting.place.network.clone()),
        through: connection.through(&ready.snapshot).map(Box::new),
        door: connection.door,
        proof_key: proof_key.map(|key| key.to_string()),
    };
    let sent = core.shared.to_control.try_send(FromGate::Relay(message)).is_ok();
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    let answer =
        if sent { tokio::time::timeout(limit, expected.answer()).await.ok().flatten() } else { None };
    match answer {
        Some(mut answer) => {
            let verdict = match answer.reason {
                Reason::Allowed => Verdict::Allow,
                _ => Verdict::Deny,
            };
            let told = Told { verdict, reason: answer.reason, about: answer.about.take() };
            // Only now it is known whose the proof was: strangers fill nothing.
            if let (Some(about), Some(header)) = (&told.about, new_header) {
                core.proof_headers.borrow_mut().remember(about.client, header);
            }
            told.record(core, ready, connection, id, head.method.as_str(), head.uri.path())?;
            Ok(response_of(answer, nonce, id))
        }
        None => Err(Refusal::from(Reason::ControlUnreachable).retry_after_ms(1_000)),
    }
}

/// What the decision log keeps of an answer of the authorization server.
struct Told {
    verdict: Verdict,
    reason: Reason,
    about: Option<RelayAbout>,
}

impl Told {
    /// Records it before it is answered. What is public, and the same for everybody, is no decision.
    fn record(
        self,
        core: &Core,
        ready: &Ready,
        connection: &Connection,
        id: DecisionId,
        method: &str,
        path: &str,
    ) -> Result<(), Refusal> {
        if self.about.is_none() && self.reason == Reason::Allowed {
            return Ok(());
        }
        let session = self.session(connection);
        let record = self.decision(core, ready, connection, id, method, path, session.as_deref());
        let mut recorder = core.recorder.borrow_mut();
        let Some(about) = &self.about else {
            recorder.stranger(&record);
            return Ok(());
        };
        let time = record.time;
        recorder.decided(&record).map_err(|error| {
            tracing::error!(%error, "a decision can't be recorded");
            Refusal::from(Reason::DecisionLogUnavailable)
        })?;
        if self.reason == Reason::Allowed {
            let (request_bytes, response_bytes, records, duration_us) = (0, 0, 0, 0);
            let (ending, reason, status) = (Ending::Complete, self.reason, 200);
            let outcome = OutcomeRecord {
                id,
                time,
                ending,
                reason,
                status,
                request_bytes,
                response_bytes,
                records,
                duration_us,
                risk: None,
            };
            recorder.ended(about.vendor, &outcome);
        }
        Ok(())
    }

    fn session(&self, connection: &Connection) -> Option<String> {
        let about = self.about.as_ref()?;
        let greeting = connection.greeting()?;
        let context = greeting.ja4_context.as_deref();
        Some(session_id(about.client, &about.client_key, context, &greeting.place.network))
    }

    #[expect(clippy::too_many_arguments, reason = "a draft lends what others own")]
    fn decision<'a>(
        &'a self,
        core: &'a Core,
        ready: &Ready,
        connection: &'a Connection,
        id: DecisionId,
        method: &'a str,
        path: &str,
        session: Option<&'a str>,
    ) -> DecisionDraft<'a> {
        let about = self.about.as_ref();
        let base = decision(core, connection, id, ready.snapshot.version, self.verdict, self.reason);
        // Only names of our own: what strangers make up is not written down.
        let known = [
            "/oauth/token",
            "/oauth/introspect",
            "/oauth/revoke",
            "/oauth/jwks",
            "/oauth/keys",
            "/oauth/enroll",
            "/oauth/posture",
            "/oauth/incident",
        ];
        let path = known.into_iter().find(|known| *known == path).unwrap_or_default();
        // Of these stops narrow nothing: a tenth of the records is for requests.
        let observed = about.filter(|_| path == "/oauth/token").and_then(|about| {
            let client = ready.snapshot.client(about.client)?;
            client
                .integration
                .access
                .at(core.now_us())?
                .observed
                .filter(|observed| observed.level >= Access::Held)
        });
        DecisionDraft {
            vendor: about.map(|about| about.vendor),
            integration: about.map(|about| about.integration),
            client: about.map(|about| about.client),
            method: method_kept(method),
            path,
            session,
            client_key: about.map(|about| about.client_key.as_str()),
            scope: about.map(|about| about.scope.as_slice()).unwrap_or_default(),
            would_stop: observed.and_then(|observed| observed.would_stop().beyond(self.verdict)),
            ..base
        }
    }
}

/// The key of the request's proof, if it has one and it holds, and its header if that is a new one.
fn check_token_proof(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    request: &Request<VendorBody>,
) -> Result<Option<(Thumbprint, Option<NewHeader>)>, Refusal> {
    let Some(text) = single_proof(request.headers())? else { return Ok(None) };
    let proof = core.proof_headers.borrow().read(text);
    let proof = proof.map_err(|error| Refusal::with_detail(Reason::ProofMalformed, error.to_string()))?;
    let key = proof.jkt();
    let share = ClientShare::of_stranger(connection.greeting().map_or("", |greeting| &greeting.place.prefix));
    let path = request.uri().path();
    let urls = addresses(ready, connection.door, path);
    let expected = Expected {
        method: request.method().as_str(),
        urls: &urls,
        access_token: None,
        share,
        place: connection.greeting().map_or(0, |greeting| greeting.place.hash),
        single: false,
    };
    let nonces = &core.shared.nonces;
    let good = check_matching(core, proof, &expected, |refusal, jkt| {
        refusal.with_nonce(nonces.issue(jkt, core.now_seconds()))
    })?;
    Ok(Some((key, good.new_header)))
}

/// RFC 9449 wants the errors of proofs at the token endpoint in OAuth's own form.
fn oauth_refusal(refusal: &Refusal, id: DecisionId) -> Response<GateBody> {
    let (status, error) = match refusal.reason {
        Reason::ProofNonce | Reason::ProofReplayed => (StatusCode::BAD_REQUEST, "use_dpop_nonce"),
        Reason::ReplayStoreFull => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        _ => (StatusCode::BAD_REQUEST, "invalid_dpop_proof"),
    };
    let description = refusal.detail.clone().unwrap_or_else(|| refusal.reason.title().to_owned());
    // RFC 6749 §5.2 allows no quotes or line breaks in a description.
    let description: String = description
        .chars()
        .map(|letter| match letter {
            '"' | '`' | '\\' => '\'',
            letter if letter.is_ascii_graphic() => letter,
            _ => ' ',
        })
        .collect();
    let body = json!({
        "error": error,
        "error_description": description,
        "hint": refusal.reason.how(),
        "reasons": [refusal.reason.code()],
    });
    let mut response = Response::new(GateBody::of(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(headers, DECISION, &id.to_string());
    if let Some(nonce) = &refusal.nonce {
        put(headers, DPOP_NONCE, nonce);
    }
    response
}

fn response_of(answer: RelayAnswer, nonce: Option<String>, id: DecisionId) -> Response<GateBody> {
    let mut response = Response::new(GateBody::of(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        if let Ok(name) = HeaderName::try_from(name.as_str()) {
            put(headers, name, value);
        }
    }
    put(headers, DECISION, &id.to_string());
    if let Some(nonce) = nonce {
        put(headers, DPOP_NONCE, &nonce);
    }
    response
}
