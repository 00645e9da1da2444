//! Requests to upstreams over HTTP/2. Each vendor's connection has its own connections to them, so that
//! a cut stops them and nobody else's.

use std::error::Error;
use std::iter::successors;
use std::rc::Rc;
use std::sync::Arc;

use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use portcullis_domain::reason::Reason;
use portcullis_policy::facts::UpstreamFacts;
use rustls::ClientConfig;

use crate::exchange::Exchange;
use crate::forward::{authority, failed, is_idempotent, upstream_tls};
use crate::refusal::Refusal;
use crate::request_body::{RequestBody, Tries};
use crate::shared::Ready;
use crate::upstream::{Http2Upstream, UpstreamBody, connect_http2};
use crate::upstream_fields::UpstreamFields;
use crate::vendor_body::VendorBody;

/// Sends a request, once more if the upstream has not begun to work on it.
pub async fn over_http2(
    exchange: &Rc<Exchange>,
    ready: &Ready,
    head: &http::request::Parts,
    body: Option<VendorBody>,
) -> Result<Response<UpstreamBody>, Refusal> {
    let facts = &exchange.permit.route().upstream;
    let tls = upstream_tls(ready, facts)?;
    let harmless = body.is_none() && is_idempotent(&head.method);
    let tries = Tries::of(body, exchange);
    let request = request_of(exchange, head)?;
    let mut first = true;
    loop {
        let (mut upstream, reused) = upstream(exchange, facts, tls).await?;
        exchange.connection.use_upstream(exchange.id, Rc::clone(&upstream.valve));
        exchange.check_admitted()?;
        let Some(body) = tries.begin() else { return Err(Reason::UpstreamFailed.into()) };
        let error = match send(&mut upstream, request.clone(), body).await {
            Ok(response) => {
                tries.settle();
                return Ok(response.map(UpstreamBody::Http2));
            }
            Err(error) => error,
        };
        let untouched = is_untouched(&error) || (reused && harmless);
        if untouched {
            // Whatever else it still answers, nothing new begins there.
            exchange.connection.forget_http2_upstream(&upstream);
        }
        if !(first && untouched) {
            return Err(failed(exchange, &error));
        }
        first = false;
    }
}

fn request_of(exchange: &Exchange, head: &http::request::Parts) -> Result<Request<()>, Refusal> {
    let https = exchange.permit.route().upstream.url.starts_with("https:");
    let scheme = if https { Scheme::HTTPS } else { Scheme::HTTP };
    let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(scheme).authority(authority(exchange)).path_and_query(target).build();
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.map_err(|_| malformed_address())?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = UpstreamFields::of(exchange, &head.headers, false).to_map();
    Ok(request)
}

fn malformed_address() -> Refusal {
    Refusal::with_detail(Reason::UpstreamUnreachable, "the upstream's address is malformed")
}

/// The connection that stands, or a new one; and whether it has served before.
async fn upstream(
    exchange: &Exchange,
    facts: &Arc<UpstreamFacts>,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<(Http2Upstream, bool), Refusal> {
    let connection = &exchange.connection;
    if let Some(upstream) = connection.http2_upstream(facts) {
        return Ok((upstream, true));
    }
    // Requests that come together wait for one connection: each would keep its own.
    let gate = connection.http2_connecting(facts.id);
    let _first = gate.lock().await;
    if let Some(upstream) = connection.http2_upstream(facts) {
        return Ok((upstream, true));
    }
    let upstream = connect_http2(&exchange.core, facts, tls).await?;
    exchange.check()?;
    connection.keep_http2_upstream(upstream.clone());
    Ok((upstream, false))
}

async fn send(
    upstream: &mut Http2Upstream,
    request: Request<()>,
    body: RequestBody,
) -> Result<Response<hyper::body::Incoming>, hyper::Error> {
    upstream.sender.ready().await?;
    upstream.sender.send_request(request.map(|()| body)).await
}

/// Whether the upstream says that it has not looked at the request (RFC 9113, 8.7), or never got it.
fn is_untouched(error: &hyper::Error) -> bool {
    let from: &(dyn Error + 'static) = error;
    let cause = successors(Some(from), |&error| error.source()).find_map(|cause| cause.downcast_ref());
    let Some(cause): Option<&h2::Error> = cause else {
        return error.is_canceled() || error.is_closed();
    };
    // The library gives the reason of GOAWAY to streams above the last one that it names only.
    cause.is_remote()
        && (cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)
            || cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR))
}
