//! Forwarding: what goes to the upstream, and what its answer must be to go on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::UpstreamProtocol;
use portcullis_policy::facts::UpstreamFacts;
use portcullis_policy::snapshot::Route;
use portcullis_wire::http_rules::{forwarded_or_hop_by_hop, named_by_connection};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::body::GateBody;
use crate::counting::{Rules, counting_of, unpacked_head};
use crate::exchange::Exchange;
use crate::filter::Filtered;
use crate::grpc::{is_grpc, timeout_of};
use crate::http1::{Frames, UpgradeWanted, request_head};
use crate::limit::Reservation;
use crate::refusal::Refusal;
use crate::request_body::RequestBody;
use crate::sending::in_time;
use crate::shared::Ready;
use crate::tunnel::Tunnel;
use crate::upstream::{Upstream, UpstreamBody, connect};
use crate::upstream_fields::UpstreamFields;
use crate::upstream_http2::over_http2;
use crate::vendor_body::{VendorBody, own_fault};

/// Sends the request on and gives the upstream's answer, filtered.
pub async fn forward(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    request: Request<VendorBody>,
    wishes: Wishes,
    reservation: Reservation,
) -> Result<Response<GateBody>, Refusal> {
    let Wishes { upgrade, grpc, timeout } = wishes;
    if let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
        exchange.end_by(deadline);
    }
    let (head, body) = request.into_parts();
    let body = (!body.is_end_stream()).then_some(body);
    let is_head = head.method == Method::HEAD;
    let response = match exchange.permit.route().upstream.protocol {
        UpstreamProtocol::Http1 => {
            in_time(exchange, grpc, over_http1(exchange, ready, &head, body, upgrade)).await?
        }
        UpstreamProtocol::Http2 => {
            in_time(exchange, grpc, Box::pin(over_http2(exchange, ready, &head, body))).await?
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switched(exchange, response, upgrade, reservation);
    }
    let mut response = answer(exchange, ready, response, is_head, reservation)?;
    if let GateBody::Filtered(filtered) = response.body_mut() {
        filtered.peek().await?;
    }
    Ok(response)
}

/// What a request wants beyond being answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wishes {
    /// To go on as a WebSocket connection.
    upgrade: bool,
    /// It is a gRPC call.
    pub grpc: bool,
    /// How long its client is ready to wait.
    timeout: Option<Duration>,
}

impl Wishes {
    /// # Errors
    /// It can't be granted, or is said in more than one way.
    pub fn of(request: &Request<VendorBody>, route: &Route) -> Result<Self, Refusal> {
        let grpc = is_grpc(request.headers());
        let timeout = if grpc { timeout_of(request.headers())? } else { None };
        Ok(Self { upgrade: wants_websocket(request, route)?, grpc, timeout })
    }
}

/// Whether the request asks for WebSocket, which the route must take: its client could do nothing with an
/// ordinary answer.
fn wants_websocket(request: &Request<VendorBody>, route: &Route) -> Result<bool, Refusal> {
    if request.extensions().get::<UpgradeWanted>().is_none() {
        return Ok(false);
    }
    if !route.facts.websocket || route.upstream.protocol != UpstreamProtocol::Http1 {
        return Err(Reason::WebsocketNotAllowed.into());
    }
    let single = |name: &HeaderName| {
        let mut values = request.headers().get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let known_version = single(&SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !known_version || single(&SEC_WEBSOCKET_KEY).is_none() {
        let what = "the handshake needs one `Sec-WebSocket-Key` and `Sec-WebSocket-Version: 13`";
        return Err(Refusal::with_detail(Reason::WebsocketMalformed, what));
    }
    Ok(true)
}

/// The upstream speaks another protocol from here on.
fn switched(
    exchange: &Rc<Exchange>,
    response: Response<UpstreamBody>,
    asked: bool,
    reservation: Reservation,
) -> Result<Response<GateBody>, Refusal> {
    exchange.check()?;
    let metered = exchange.permit.route().facts.metered;
    let (mut head, body) = response.into_parts();
    let websocket =
        head.headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let plain = !metered || !head.headers.contains_key(SEC_WEBSOCKET_EXTENSIONS);
    let UpstreamBody::Http1 { body, .. } = body else { return Err(Reason::UpstreamFailed.into()) };
    if !asked || !websocket || !plain {
        // Nobody asked for it: what would follow is nothing that can be counted.
        return Err(Reason::UpstreamFailed.into());
    }
    exchange.answered(head.status.as_u16());
    strip(&mut head.headers);
    let tunnel = Tunnel::new(Rc::clone(exchange), body.into_switched(), metered, reservation);
    Ok(Response::from_parts(head, GateBody::Tunnel(Box::new(tunnel))))
}

async fn over_http1(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    head: &Parts,
    body: Option<VendorBody>,
    upgrade: bool,
) -> Result<Response<UpstreamBody>, Refusal> {
    let route = exchange.permit.route();
    let frames = match &body {
        Some(body) => body.size_hint().exact().map_or(Frames::Chunked, Frames::Length),
        None if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) => Frames::Length(0),
        None => Frames::Nothing,
    };
    let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let fields = UpstreamFields::of(exchange, &head.headers, upgrade);
    let bytes = request_head(&head.method, target, authority(exchange), &fields, frames);
    let may_repeat = body.is_none() && is_idempotent(&head.method);
    let mut body = body.map(|body| RequestBody::new(Some(body), Rc::clone(exchange)));
    let mut again = false;
    loop {
        // A request that ends an upstream's worker must not be tried on all of them.
        let kept = if again { None } else { exchange.core.pool.take(&route.upstream) };
        let Upstream { wire, valve, reused } = match kept {
            Some(upstream) => upstream,
            None => Box::pin(connect(&route.upstream, upstream_tls(ready, &route.upstream)?)).await?,
        };
        exchange.connection.use_upstream(exchange.id, Rc::clone(&valve));
        exchange.check_admitted()?;
        match wire.send(bytes.clone(), body.take(), frames, head.method == Method::HEAD).await {
            Ok(answer) => {
                let mut response = Response::new(UpstreamBody::Http1 { body: answer.body, valve });
                *response.status_mut() = answer.status;
                *response.headers_mut() = answer.fields;
                return Ok(response);
            }
            // A connection that served before may have been closed by the upstream meanwhile. What can
            // be sent again without harm goes to a new one, once.
            Err(error) if reused && may_repeat && error.is_silent() => again = true,
            Err(error) => return Err(failed(exchange, &error)),
        }
    }
}

/// Host and port of the upstream, as its address says.
pub fn authority(exchange: &Exchange) -> &str {
    exchange.permit.route().upstream.url.split_once("://").map_or("", |(_, rest)| rest)
}

/// How to speak to an upstream: in plain words, or over TLS.
pub fn upstream_tls<'a>(
    ready: &'a Ready,
    upstream: &UpstreamFacts,
) -> Result<Option<&'a Arc<ClientConfig>>, Refusal> {
    match ready.upstream_tls.get(&upstream.id) {
        None => Ok(None),
        Some(Some(config)) => Ok(Some(config)),
        Some(None) => Err(Reason::UpstreamUnreachable.into()),
    }
}

pub fn failed(exchange: &Exchange, error: &(dyn std::error::Error + 'static)) -> Refusal {
    // Our own body broke it off when the caller's life ended or it sent too much.
    if let Err(reason) = exchange.check() {
        return reason.into();
    }
    if exchange.request_bytes() > exchange.permit.route().facts.request_bytes_max {
        return Reason::RequestTooLarge.into();
    }
    if let Some(refusal) = own_fault(error) {
        return refusal;
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(route = %exchange.permit.route().facts.name, %error, cause, "upstream failed");
    Reason::UpstreamFailed.into()
}

pub fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

fn answer(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    response: Response<UpstreamBody>,
    is_head: bool,
    reservation: Reservation,
) -> Result<Response<GateBody>, Refusal> {
    exchange.check()?;
    let (mut head, body) = response.into_parts();
    exchange.answered(head.status.as_u16());
    strip(&mut head.headers);
    let facts = &exchange.permit.route().facts;
    let has_body = !is_head && !body.is_end_stream();
    let mut counting = None;
    if facts.metered {
        let rules = Rules { pointer: ready.pointers.get(&facts.id), record_bytes: facts.record_bytes };
        counting = counting_of(&rules, head.status, &head.headers);
        if counting.as_ref().is_some_and(|counting| counting.gzip) {
            // Also of an answer to HEAD, which tells of the one to GET.
            unpacked_head(&mut head.headers);
        }
        if counting.is_none() && has_body {
            // What went wrong upstream may be told, but not in words that can't be counted.
            if head.status.as_u16() < 400 {
                return Err(Reason::BodyNotCountable.into());
            }
            for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
                head.headers.remove(name);
            }
            exchange.end(Ending::Complete, Reason::Allowed);
            return Ok(Response::from_parts(head, GateBody::empty()));
        }
    }
    head.version = Version::HTTP_11;
    let counting = counting.filter(|_| has_body);
    let is_stream = is_grpc(&head.headers) || is_event_stream(&head.headers);
    let filtered = Filtered::new(body, Rc::clone(exchange), counting, reservation, is_stream);
    Ok(Response::from_parts(head, GateBody::Filtered(Box::new(filtered))))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let name = b"text/event-stream";
    let start = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..name.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Takes out of a response what is only between the gate and the upstream, and our own names.
pub fn strip(headers: &mut HeaderMap) {
    let connection: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            forwarded_or_hop_by_hop(name.as_str())
                || connection.iter().any(|options| named_by_connection(options.as_bytes(), name.as_str()))
        })
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}
