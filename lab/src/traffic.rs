//! Traffic of every kind at once, and when the last byte of each came.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{until, within};
use crate::host::Host;
use crate::machine::{Connection, Failure, Machine};
use crate::meter::{Meter, Reading};
use crate::websocket;

/// Between requests of the kind that sends one after the other.
const REQUEST_PACE: Duration = Duration::from_millis(5);
/// Reads after which a stream counts as busy.
const BUSY_READS: u64 = 20;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Http1Requests,
    Http1Download,
    Http2Download,
    WebSocket,
    EventStream,
    Grpc,
    RawTcp,
    Ipsec,
    IpsecEvents,
    WireGuard,
    WireGuardEvents,
}

impl Kind {
    /// What goes through the gate from outside.
    pub const GATE: [Self; 6] = [
        Self::Http1Requests,
        Self::Http1Download,
        Self::Http2Download,
        Self::WebSocket,
        Self::EventStream,
        Self::Grpc,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1Requests => "HTTP/1.1 requests",
            Self::Http1Download => "HTTP/1.1 slow download",
            Self::Http2Download => "HTTP/2 download",
            Self::WebSocket => "WebSocket",
            Self::EventStream => "SSE",
            Self::Grpc => "gRPC stream",
            Self::RawTcp => "raw TCP past the gate",
            Self::Ipsec => "TCP in the IPsec tunnel",
            Self::IpsecEvents => "SSE through the gate, by IPsec",
            Self::WireGuard => "TCP in the WireGuard tunnel",
            Self::WireGuardEvents => "SSE through the gate, by WireGuard",
        }
    }
}

/// Where bytes are counted that come in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    Vendor,
    Ours,
}

/// What comes to one end of one connection.
#[derive(Clone)]
pub struct Stream {
    pub kind: Kind,
    pub end: End,
    pub meter: Arc<Meter>,
}

impl Stream {
    #[must_use]
    pub fn new(kind: Kind, end: End) -> Self {
        Self { kind, end, meter: Meter::new() }
    }

    #[must_use]
    pub fn label(&self) -> String {
        match self.end {
            End::Vendor => self.kind.name().to_owned(),
            End::Ours => format!("{}, to us", self.kind.name()),
        }
    }
}

/// Starts all that goes through the gate on the vendor's host.
#[must_use]
pub fn through_gate(host: &Host, machine: &Arc<Machine>, token: &str) -> Vec<Stream> {
    Kind::GATE.map(|kind| start(kind, host, machine, token)).into()
}

/// Starts one kind of what the gate carries.
#[must_use]
pub fn start(kind: Kind, host: &Host, machine: &Arc<Machine>, token: &str) -> Stream {
    let stream = Stream::new(kind, End::Vendor);
    let (machine, token, meter) = (Arc::clone(machine), token.to_owned(), Arc::clone(&stream.meter));
    host.tasks().spawn(async move {
        if let Err(error) = run(kind, &machine, &token, &meter).await {
            meter.ended(&error.to_string());
        }
    });
    stream
}

async fn run(kind: Kind, machine: &Machine, token: &str, meter: &Arc<Meter>) -> Result<(), Failure> {
    match kind {
        Kind::Http1Requests => {
            let mut connection = machine.http1(meter).await?;
            let mut pace = interval(REQUEST_PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                pace.tick().await;
                let response = machine.get(&mut connection, "/records", token).await?;
                read(response).await?;
            }
        }
        Kind::Http1Download => {
            let mut connection = machine.http1(meter).await?;
            read(machine.get(&mut connection, "/slow", token).await?).await
        }
        Kind::Http2Download => {
            let mut connection = machine.http2(meter).await?;
            read(machine.get(&mut connection, "/download", token).await?).await
        }
        Kind::EventStream | Kind::IpsecEvents | Kind::WireGuardEvents => {
            let mut connection = machine.http1(meter).await?;
            read(machine.get(&mut connection, "/events", token).await?).await
        }
        Kind::WebSocket => websocket::listen(machine, "/socket", token, meter).await,
        Kind::Grpc => {
            let mut connection = machine.http2(meter).await?;
            read(call(machine, &mut connection, token).await?).await
        }
        Kind::RawTcp | Kind::Ipsec | Kind::WireGuard => Err("it doesn't go through the gate".into()),
    }
}

async fn call(
    machine: &Machine,
    connection: &mut Connection,
    token: &str,
) -> Result<http::Response<hyper::body::Incoming>, Failure> {
    let request = machine
        .request(Method::POST, "/lab.Stream/watch", connection)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(&[0, 0, 0, 0, 1, b'?'])))?;
    Ok(connection.send(request).await?)
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Result<(), Failure> {
    let status = response.status();
    if status != 200 {
        let body = response.into_body().collect().await?.to_bytes();
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// Waits until each of them has been read again and again, and none has ended.
///
/// # Panics
/// When one ends, or doesn't get there.
pub fn until_busy(streams: &[Stream]) {
    let before: Vec<Reading> = streams.iter().map(|stream| stream.meter.read()).collect();
    for (stream, before) in streams.iter().zip(before) {
        until(&stream.label(), || {
            if let Some(end) = stream.meter.end() {
                panic!("{} ended: {}", stream.label(), end.how);
            }
            (stream.meter.read().reads >= before.reads + BUSY_READS).then_some(())
        });
    }
}

/// How long a busy machine may take to read what came before.
const SETTLE: Duration = Duration::from_millis(500);

/// Those of which bytes still come, after those that were on their way have been read, and for as long as `watched`.
#[must_use]
pub fn growing<'a>(streams: impl IntoIterator<Item = &'a Stream>, watched: Duration) -> Vec<String> {
    let streams: Vec<&Stream> = streams.into_iter().collect();
    watch(SETTLE);
    let before: Vec<u64> = streams.iter().map(|stream| stream.meter.read().bytes).collect();
    watch(watched);
    let grown = streams.iter().zip(before).filter(|(stream, before)| stream.meter.read().bytes > *before);
    grown.map(|(stream, _)| stream.label()).collect()
}

/// Lets a while pass: a byte may come at its end.
pub fn watch(limit: Duration) {
    let _ = within(limit, || None::<()>);
}
