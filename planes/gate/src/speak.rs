//! Speaking HTTP on a vendor's connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_rustls::server::TlsStream;

use crate::connection::Connection;
use crate::core::Core;
use crate::frame_guard::GuardedIo;
use crate::http1;
use crate::io::ValvedIo;
use crate::pipeline::handle;
use crate::stream_task::Streams;
use crate::vendor_body::VendorBody;

/// Streams that the client reset before we took them up (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 64;
/// Streams that we had to reset for the client's faults (CVE-2025-8671).
const RESETS_FOR_FAULTS_MAX: usize = 64;

/// Answers the requests of a connection until it ends.
pub async fn speak(core: &Rc<Core>, connection: &Rc<Connection>, stream: TlsStream<ValvedIo>) {
    if connection.is_http2() {
        // On the heap: most connections are idle ones of the other protocol.
        Box::pin(speak_http2(core, connection, stream)).await;
    } else {
        http1::serve(core, connection, stream).await;
    }
}

async fn speak_http2(core: &Rc<Core>, connection: &Rc<Connection>, stream: TlsStream<ValvedIo>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (core, connection) = (Rc::clone(core), Rc::clone(connection));
        async move { Ok::<_, Infallible>(handle(core, connection, request.map(VendorBody::Http2)).await) }
    });
    let mut draining = core.draining.subscribe();
    let limits = core.shared.settings.load().http2;
    let guarded = GuardedIo::new(stream, core, connection);
    let ping = Duration::from_secs(limits.ping_seconds.into());
    let mut protocol = pin!(
        http2::Builder::new(Streams(Rc::clone(core)))
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.head_bytes_max)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .max_send_buf_size(limits.send_bytes_max as usize)
            .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
            .max_local_error_reset_streams(RESETS_FOR_FAULTS_MAX)
            .keep_alive_interval(Some(ping))
            .keep_alive_timeout(ping)
            .serve_connection(TokioIo::new(guarded), service)
    );
    tokio::select! {
        _ = settled(core, connection, protocol.as_mut()) => return,
        _ = draining.wait_for(|draining| *draining) => protocol.as_mut().graceful_shutdown(),
        () = connection.told_to_go() => protocol.as_mut().graceful_shutdown(),
    }
    let _ = settled(core, connection, protocol.as_mut()).await;
}

/// Drives a protocol. Whenever it has come to rest and the kernel has taken all of its bytes, the
/// records in them have departed.
async fn settled<P: Future>(
    core: &Core,
    connection: &Connection,
    mut protocol: std::pin::Pin<&mut P>,
) -> P::Output {
    poll_fn(|context| {
        let polled = protocol.as_mut().poll(context);
        if connection.valve.is_clear() {
            connection.settle(core);
            if connection.closing_by_ms().is_some()
                && connection.departures.is_empty()
                && connection.is_http2()
            {
                // The cut's own stream has been reset with its code; now the whole connection goes.
                connection.cut_when_clear(core.monotonic_ms() + 100);
            }
        }
        match polled {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs what belongs to an upstream's connection on the core's own thread.
#[derive(Clone)]
pub struct Local(pub Rc<Core>);

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        let core = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            core.timed(future).await;
        });
    }
}
