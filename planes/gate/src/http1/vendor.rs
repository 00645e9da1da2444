//! The vendor's side: reads requests off a connection one after the other, and writes their answers.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{Method, Request, Response};
use portcullis_wire::http_rules::HeadFault;
use portcullis_wire::http1::{BodyDecoder, HeadFinder, HeadLimits, RequestHead, parse_request};
use tokio::io::AsyncWrite as _;
use tokio_rustls::server::TlsStream;

use super::body::{Http1Body, SharedWire, VendorWire};
use super::head::{request_of, with_places};
use super::respond::{Sent, send};
use crate::body::GateBody;
use crate::connection::Connection;
use crate::core::Core;
use crate::io::ValvedIo;
use crate::pipeline::{handle, refuse_head};
use crate::vendor_body::VendorBody;

/// A client that was answered for the last time may take this long to read it.
const LINGER_MS_MAX: u64 = 2_000;
/// The client may take this long to read an answer of the gate's own.
const OWN_ANSWER_MS_MAX: u64 = 30_000;
/// What may be read ahead while a request is answered: pipelined requests wait here.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// Answers the requests of a connection until it ends.
pub async fn serve(core: &Rc<Core>, connection: &Rc<Connection>, stream: TlsStream<ValvedIo>) {
    let wire: SharedWire = Rc::new(RefCell::new(VendorWire::new(stream)));
    poll_fn(|context| {
        connection.keep_waker(context.waker());
        Poll::Ready(())
    })
    .await;
    loop {
        let (response, is_head, keep_alive) = match next(core, connection, &wire).await {
            Next::Request { request, keep_alive } => {
                // The head came in time; the exchange has limits of its own.
                connection.expect_never();
                let is_head = request.method() == Method::HEAD;
                let Some(response) = answer(core, connection, &wire, request).await else { return };
                (response, is_head, keep_alive)
            }
            Next::Fault(fault) => (refuse_head(core, connection, fault), false, false),
            Next::Over => {
                let _ = poll_fn(|context| wire.borrow_mut().poll_close(context)).await;
                return;
            }
            Next::Broken => return,
        };
        let close = !keep_alive
            || response.headers().contains_key(CONNECTION)
            || connection.is_leaving()
            || !wire.borrow().is_worth_keeping();
        if matches!(response.body(), GateBody::Tunnel(_)) {
            return tunnel(core, connection, &wire, response).await;
        }
        if matches!(response.body(), GateBody::Own(_)) {
            // No exchange ends it: a client that never reads would keep it for good.
            connection.expect_by(core.monotonic_ms() + OWN_ANSWER_MS_MAX);
        }
        let sent = send(core, connection, &wire, response, is_head, close).await;
        connection.expect_never();
        if wire.borrow_mut().end_turn() {
            // What still sends the rest of the body over HTTP/2 might wait for room without end.
            connection.drop_http2_upstreams();
        }
        match sent {
            Sent::Whole if !close => {
                let served = poll_fn(|context| wire.borrow_mut().poll_discard(context));
                connection.expect_by(core.monotonic_ms() + LINGER_MS_MAX);
                let waited = or_expired(connection, served).await;
                if waited != Some(true) {
                    return linger(core, connection, &wire).await;
                }
            }
            Sent::Whole => return linger(core, connection, &wire).await,
            Sent::Broken => return,
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "a request is the usual case, and is moved at once")]
enum Next {
    Request {
        request: Request<VendorBody>,
        keep_alive: bool,
    },
    /// It can't be answered but with a refusal.
    Fault(HeadFault),
    /// The client is done, or has waited too long.
    Over,
    Broken,
}

/// The next request of the connection.
async fn next(core: &Core, connection: &Connection, wire: &SharedWire) -> Next {
    let mut finder = HeadFinder::default();
    let mut begun = false;
    let (idle_ms, head_ms) = {
        let limits = core.shared.settings.load();
        (u64::from(limits.idle_seconds) * 1_000, u64::from(limits.head_seconds) * 1_000)
    };
    connection.expect_by(core.monotonic_ms() + idle_ms);
    let bytes = poll_fn(|context| {
        let wire = &mut wire.borrow_mut().wire;
        loop {
            if !wire.read.is_empty() && !begun {
                begun = true;
                connection.expect_by(core.monotonic_ms() + head_ms);
            }
            match finder.find(&wire.read, &HeadLimits::default()) {
                Err(fault) => return Poll::Ready(Err(Next::Fault(fault))),
                Ok(Some(length)) => return Poll::Ready(Ok(wire.read.split_to(length).freeze())),
                Ok(None) => {}
            }
            if connection.has_expired() || (connection.is_leaving() && !begun) {
                return Poll::Ready(Err(Next::Over));
            }
            wire.rest();
            match ready!(wire.poll_fill(0, context)) {
                Ok(0) if begun => return Poll::Ready(Err(Next::Broken)),
                Ok(0) => return Poll::Ready(Err(Next::Over)),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(Next::Broken)),
            }
        }
    })
    .await;
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(next) => return next,
    };
    match read_request(&bytes, wire) {
        Ok((request, keep_alive)) => Next::Request { request, keep_alive },
        Err(fault) => Next::Fault(fault),
    }
}

fn read_request(bytes: &Bytes, wire: &SharedWire) -> Result<(Request<VendorBody>, bool), HeadFault> {
    let (head, request) = with_places(|places| {
        let head: RequestHead = parse_request(bytes, &HeadLimits::default(), places)?;
        let request = request_of(bytes, &head, places).ok_or(HeadFault::TargetMalformed)?;
        Ok((head, request))
    })?;
    let decoder = BodyDecoder::from(head.framing);
    let empty = decoder.is_ended();
    wire.borrow_mut().expect_body(decoder, head.expect_continue && !empty);
    let body = if empty { VendorBody::Empty } else { VendorBody::Http1(Http1Body::new(wire)) };
    let mut request = request.map(|()| body);
    if head.upgrade_websocket {
        request.extensions_mut().insert(UpgradeWanted);
    }
    Ok((request, head.keep_alive))
}

/// The client asks for a WebSocket connection.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeWanted;

/// Lets the pipeline answer; nothing when the client went away meanwhile.
async fn answer(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    wire: &SharedWire,
    request: Request<VendorBody>,
) -> Option<Response<GateBody>> {
    // On the heap: an idle connection is as small as what it waits with.
    let mut answering = Box::pin(handle(Rc::clone(core), Rc::clone(connection), request));
    poll_fn(|context| {
        if let Poll::Ready(response) = answering.as_mut().poll(context) {
            return Poll::Ready(Some(response));
        }
        wire.borrow_mut().poll_gone(context).map(|()| None)
    })
    .await
}

/// Switches the connection to WebSocket, until it ends.
async fn tunnel(core: &Core, connection: &Rc<Connection>, wire: &SharedWire, response: Response<GateBody>) {
    let (head, body) = response.into_parts();
    let GateBody::Tunnel(mut tunnel) = body else { return };
    let head = Response::from_parts(head, GateBody::empty());
    if send(core, connection, wire, head, false, false).await == Sent::Whole {
        poll_fn(|context| tunnel.poll(&mut wire.borrow_mut().wire, context)).await;
        drop(tunnel);
        linger(core, connection, wire).await;
    }
}

/// Waits for `future`, until the connection's time is up.
async fn or_expired<F: Future>(connection: &Connection, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if connection.has_expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Closes after an answer: what still comes is read over, since the kernel would reset the
/// connection, and with it the answer, if it were closed with something unread.
async fn linger(core: &Core, connection: &Connection, wire: &SharedWire) {
    connection.expect_by(core.monotonic_ms() + LINGER_MS_MAX);
    let closed = poll_fn(|context| {
        let mut wire = wire.borrow_mut();
        ready!(wire.poll_close(context))?;
        loop {
            wire.wire.read.clear();
            if ready!(wire.wire.poll_fill(0, context))? == 0 {
                return Poll::Ready(io::Result::Ok(()));
            }
        }
    });
    let _ = or_expired(connection, closed).await;
}

impl VendorWire {
    /// Ready when the client has gone. Looked at only when nothing more of the request is to come:
    /// what comes then is a pipelined request, which waits.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.decoder.is_ended() {
            return Poll::Pending;
        }
        while self.wire.read.len() < AHEAD_BYTES_MAX {
            match ready!(self.wire.poll_fill(0, context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.wire.io()).poll_shutdown(context)
    }
}
