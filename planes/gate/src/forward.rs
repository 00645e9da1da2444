//! Forwarding: what goes to the upstream, and what its answer must be to go on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use portcullis_domain::decision::{Ending, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_policy::facts::UpstreamFacts;
use portcullis_records::{Counter, Format};
use portcullis_wire::http_rules::{forwarded_or_hop_by_hop, named_by_connection};
use rustls::ClientConfig;

use crate::body::GateBody;
use crate::exchange::Exchange;
use crate::filter::Filtered;
use crate::limit::Reservation;
use crate::refusal::{Refusal, put};
use crate::request_body::RequestBody;
use crate::shared::Ready;
use crate::upstream::{Upstream, connect};

/// Sends the request on and gives the upstream's answer, filtered.
pub async fn forward(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    request: Request<Incoming>,
    reservation: Reservation,
) -> Result<Response<GateBody>, Refusal> {
    let (head, body) = request.into_parts();
    let headers = upstream_headers(exchange, &head.headers);
    let body = (!body.is_end_stream()).then_some(body);
    let may_repeat = body.is_none() && is_idempotent(&head.method);
    let route = exchange.permit.route();
    let core = &exchange.core;
    let again = || upstream_request(exchange, &head.method, &head.uri, headers.clone(), None);
    let mut unsent = Some(upstream_request(exchange, &head.method, &head.uri, headers.clone(), body)?);
    loop {
        let mut upstream = match core.pool.take(&route.upstream) {
            Some(upstream) => upstream,
            None => connect(&route.upstream, upstream_tls(ready, &route.upstream)?).await?,
        };
        let request = unsent.take().map_or_else(again, Ok)?;
        exchange.connection.use_upstream(exchange.id, Rc::clone(&upstream.valve));
        exchange.check()?;
        let limit = Duration::from_secs(u64::from(route.facts.timeout_seconds.max(1)));
        match tokio::time::timeout(limit, upstream.sender.try_send_request(request)).await {
            Ok(Ok(response)) => {
                return answer(exchange, ready, upstream, response, &head.method, reservation);
            }
            // A connection that served before may have been closed by the upstream meanwhile. What
            // was not sent goes to another one, and so does what can be sent again without harm;
            // each failure uses up one kept connection, and a new one is not tried twice.
            Ok(Err(mut error)) if upstream.reused && (may_repeat || error.message().is_some()) => {
                unsent = error.take_message();
            }
            Ok(Err(error)) => return Err(failed(exchange, &error.into_error())),
            Err(_) => {
                upstream.valve.shut();
                return Err(Reason::UpstreamTimeout.into());
            }
        }
    }
}

/// How to speak to an upstream: in plain words, or over TLS.
fn upstream_tls<'a>(
    ready: &'a Ready,
    upstream: &UpstreamFacts,
) -> Result<Option<&'a Arc<ClientConfig>>, Refusal> {
    match ready.upstream_tls.get(&upstream.id) {
        None => Ok(None),
        Some(Some(config)) => Ok(Some(config)),
        Some(None) => Err(Reason::UpstreamUnreachable.into()),
    }
}

fn failed(exchange: &Exchange, error: &hyper::Error) -> Refusal {
    // Our own body broke it off when the caller's life ended or it sent too much.
    if let Err(reason) = exchange.check() {
        return reason.into();
    }
    if exchange.request_bytes() > exchange.permit.route().facts.request_bytes_max {
        return Reason::RequestTooLarge.into();
    }
    tracing::warn!(route = %exchange.permit.route().facts.name, %error, "upstream failed");
    Reason::UpstreamFailed.into()
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

/// The caller's header fields but for those that speak of the way, and our own words about it.
fn upstream_headers(exchange: &Exchange, from: &HeaderMap) -> HeaderMap {
    let connection: Vec<&[u8]> = from.get_all(CONNECTION).iter().map(HeaderValue::as_bytes).collect();
    let mut headers = HeaderMap::with_capacity(from.len() + 8);
    for (name, value) in from {
        let stays = forwarded_or_hop_by_hop(name.as_str())
            || *name == HOST
            || connection.iter().any(|options| named_by_connection(options, name.as_str()));
        if !stays {
            headers.append(name.clone(), value.clone());
        }
    }
    if exchange.permit.route().facts.metered {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let client = exchange.permit.client();
    let ours = [
        ("portcullis-decision", exchange.id.to_string()),
        ("portcullis-vendor", client.integration.vendor_name.clone()),
        ("portcullis-integration", client.integration.name.clone()),
        ("portcullis-client", client.name.clone()),
        ("portcullis-verdict", Verdict::Allow.as_str().to_owned()),
    ];
    for (name, value) in ours {
        put(&mut headers, HeaderName::from_static(name), &value);
    }
    headers
}

fn upstream_request(
    exchange: &Rc<Exchange>,
    method: &Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Option<Incoming>,
) -> Result<Request<RequestBody>, Refusal> {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let authority = exchange.permit.route().upstream.url.split_once("://").map_or("", |(_, rest)| rest);
    let host = HeaderValue::from_str(authority).map_err(|_| {
        Refusal::with_detail(Reason::UpstreamUnreachable, "the upstream's address is malformed")
    })?;
    headers.insert(HOST, host);
    let mut request = Request::new(RequestBody::new(body, Rc::clone(exchange)));
    *request.method_mut() = method.clone();
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

fn answer(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    upstream: Upstream,
    response: Response<Incoming>,
    method: &Method,
    reservation: Reservation,
) -> Result<Response<GateBody>, Refusal> {
    exchange.check()?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it: `Upgrade` stays here. What would follow is no body that can be counted.
        upstream.valve.shut();
        return Err(Reason::UpstreamFailed.into());
    }
    let (mut head, body) = response.into_parts();
    exchange.answered(head.status.as_u16());
    strip(&mut head.headers);
    let facts = &exchange.permit.route().facts;
    let has_body = *method != Method::HEAD && !body.is_end_stream();
    let mut counter = None;
    if facts.metered && has_body {
        match counter_of(exchange, ready, head.status, &head.headers) {
            Some(found) => counter = Some(found),
            // What went wrong upstream may be told, but not in words that can't be counted.
            None if head.status.as_u16() >= 400 => {
                for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
                    head.headers.remove(name);
                }
                exchange.end(Ending::Complete, Reason::Allowed);
                return Ok(Response::from_parts(head, GateBody::empty()));
            }
            None => return Err(Reason::BodyNotCountable.into()),
        }
    }
    head.version = Version::HTTP_11;
    let filtered = Filtered::new(body, Rc::clone(exchange), upstream, counter, reservation);
    Ok(Response::from_parts(head, GateBody::Filtered(Box::new(filtered))))
}

/// How to count the response; `None` if it can't be.
fn counter_of(
    exchange: &Exchange,
    ready: &Ready,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Counter> {
    let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|value| value.as_bytes() != b"identity");
    if encoded || status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE) {
        return None;
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let format = Format::from_content_type(types.next()?.to_str().ok()?)?;
    if types.next().is_some() {
        return None;
    }
    let pointer = ready.pointers.get(&exchange.permit.route().facts.id).cloned();
    Some(match pointer {
        Some(pointer) => Counter::at_pointer(format, pointer),
        None => Counter::new(format),
    })
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
