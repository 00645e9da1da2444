//! A WebSocket connection after its handshake: frames pass both ways unchanged. On metered routes
//! each message that leaves is a record, and is counted before its first byte goes on.

use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_wire::websocket::{FrameMeter, Side, close_frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::exchange::Exchange;
use crate::http1::{UpstreamIo, Wire};
use crate::limit::Reservation;
use crate::outlet::{Admitted, CUT_GRACE_MS, Counted, Meter, Outlet};

/// Room for one read, either way.
const READ_BYTES: usize = 16 * 1024;

/// Codes of the gate's own close frames (RFC 6455, 7.4.1).
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const INTERNAL: u16 = 1011;

/// What is between a vendor's machine and an upstream that have agreed on WebSocket.
pub struct Tunnel {
    outlet: Outlet,
    upstream: Wire<UpstreamIo>,
    /// None on routes that aren't metered: there extensions are the ends' own affair.
    meters: Option<Meters>,
    deadline: Pin<Box<Sleep>>,
    ending: Option<End>,
}

struct Meters {
    from_client: Frames,
    from_server: Frames,
}

/// The frames of one side.
#[derive(Clone)]
struct Frames {
    meter: FrameMeter,
    /// A close frame has passed.
    closed: bool,
    /// How much of the last piece goes on: nothing follows a close frame.
    consumed: usize,
}

impl Frames {
    fn of(side: Side) -> Self {
        Self { meter: FrameMeter::new(side), closed: false, consumed: 0 }
    }
}

impl Meter for Frames {
    fn push(&mut self, data: &[u8], records_max: u64) -> Result<Counted, Reason> {
        let seen = self.meter.push(data, records_max).map_err(|_| Reason::UpstreamFailed)?;
        self.closed |= seen.closed;
        self.consumed = seen.consumed;
        Ok(Counted { records: seen.messages, bytes: seen.consumed })
    }
}

/// How it ends, once what was handed over has left.
#[derive(Clone, Copy)]
struct End(Ending, Reason);

impl Tunnel {
    pub fn new(
        exchange: Rc<Exchange>,
        upstream: Wire<UpstreamIo>,
        metered: bool,
        reservation: Reservation,
    ) -> Self {
        let seconds = exchange.permit.client().integration.limits.stream_seconds_max;
        let now_ms = exchange.core.monotonic_ms();
        exchange.connection.end_exchange_by(exchange.id, now_ms + u64::from(seconds) * 1_000 + CUT_GRACE_MS);
        let meters = metered.then(|| Meters {
            from_client: Frames::of(Side::FromClient),
            from_server: Frames::of(Side::FromServer),
        });
        Self {
            outlet: Outlet::new(exchange, reservation),
            upstream,
            meters,
            deadline: Box::pin(tokio::time::sleep(Duration::from_secs(u64::from(seconds)))),
            ending: None,
        }
    }

    /// Passes frames until one side is done, or may not go on.
    pub fn poll<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        vendor: &mut Wire<T>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.ending.is_none() && self.deadline.as_mut().poll(context).is_ready() {
            self.close(
                vendor,
                GOING_AWAY,
                "the stream's time is over",
                End(Ending::Cut, Reason::RequestTooSlow),
            );
        }
        if self.ending.is_none() && self.outlet.exchange.connection.is_leaving() {
            let end = End(Ending::Cut, Reason::GateStopping);
            self.close(vendor, GOING_AWAY, "the gate is being stopped", end);
        }
        if self.ending.is_none()
            && let Some(reason) = self.outlet.exchange.stopped_by_risk(true)
        {
            let said = match reason {
                Reason::RiskDenied => "this is far from what this client does",
                _ => "show again that you hold your key",
            };
            self.close(vendor, POLICY, said, End(Ending::Cut, reason));
        }
        let End(ending, reason) = match self.poll_out(vendor, context) {
            Poll::Ready(end) => end,
            Poll::Pending => ready!(self.poll_in(vendor, context)),
        };
        self.outlet.exchange.end(ending, reason);
        Poll::Ready(())
    }

    /// From the upstream to the vendor.
    fn poll_out<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        vendor: &mut Wire<T>,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        loop {
            if ready!(vendor.poll_drain(context)).is_err() {
                return Poll::Ready(self.gone(End(Ending::ClientGone, Reason::ClientGone)));
            }
            let exchange = &self.outlet.exchange;
            exchange.connection.settle(&exchange.core);
            self.outlet.follow();
            if let Some(end) = self.ending {
                return Poll::Ready(end);
            }
            if self.upstream.read.is_empty() {
                self.upstream.rest();
                match ready!(self.upstream.poll_fill(READ_BYTES, context)) {
                    Ok(0) | Err(_) => {
                        if let Err(end) = self.check() {
                            return Poll::Ready(end);
                        }
                        let end = self.gone(End(Ending::UpstreamFailed, Reason::UpstreamFailed));
                        if end.0 == Ending::Complete {
                            return Poll::Ready(end);
                        }
                        self.close(vendor, INTERNAL, "the service behind the gate broke off", end);
                        continue;
                    }
                    Ok(_) => {}
                }
            }
            if let Err(end) = self.check() {
                return Poll::Ready(end);
            }
            let data = self.upstream.read.split().freeze();
            self.pass_out(vendor, data);
        }
    }

    fn pass_out<T: AsyncRead + AsyncWrite + Unpin>(&mut self, vendor: &mut Wire<T>, data: Bytes) {
        let Some(meters) = &mut self.meters else {
            self.outlet.pass(data.len());
            return vendor.queue(data);
        };
        match self.outlet.admit(&mut meters.from_server, &data) {
            Ok(Admitted::All) => vendor.queue(data.slice(..meters.from_server.consumed)),
            Ok(Admitted::Part(bytes)) => {
                vendor.queue(data.slice(..bytes));
                let reason = self.outlet.exchange.end_reason().unwrap_or(Reason::RecordsCut);
                let end = End(Ending::Cut, reason);
                self.close(vendor, POLICY, "the records limit was passed", end);
            }
            Err(reason) => {
                let end = End(Ending::UpstreamFailed, reason);
                self.close(vendor, INTERNAL, "the service behind the gate broke the protocol", end);
            }
        }
    }

    /// From the vendor to the upstream.
    fn poll_in<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        vendor: &mut Wire<T>,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        loop {
            if ready!(self.upstream.poll_drain(context)).is_err() {
                return Poll::Ready(self.gone(End(Ending::UpstreamFailed, Reason::UpstreamFailed)));
            }
            if self.ending.is_some() {
                // Only what goes out is waited for.
                return Poll::Pending;
            }
            if vendor.read.is_empty() {
                vendor.rest();
                match ready!(vendor.poll_fill(READ_BYTES, context)) {
                    Ok(0) | Err(_) => {
                        return Poll::Ready(self.gone(End(Ending::ClientGone, Reason::ClientGone)));
                    }
                    Ok(_) => {}
                }
            }
            if let Err(end) = self.check() {
                return Poll::Ready(end);
            }
            let mut data = vendor.read.split().freeze();
            self.outlet.exchange.add_request_bytes(data.len() as u64);
            if let Some(meters) = &mut self.meters {
                match meters.from_client.meter.push(&data, u64::MAX) {
                    Ok(progress) => {
                        meters.from_client.closed |= progress.closed;
                        data.truncate(progress.consumed);
                    }
                    Err(fault) => {
                        let end = End(Ending::Cut, Reason::WebsocketMalformed);
                        self.close(vendor, fault.close_code(), "the frame breaks the protocol", end);
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            self.upstream.queue(data);
        }
    }

    /// Is the caller still alive?
    fn check(&self) -> Result<(), End> {
        let exchange = &self.outlet.exchange;
        exchange.check().map_err(|reason| {
            let core = &exchange.core;
            core.registry.cut(&exchange.connection, reason, core.monotonic_ms());
            End(Ending::Cut, reason)
        })
    }

    /// Says to the vendor why it ends; inside a frame that can't be said.
    fn close<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        vendor: &mut Wire<T>,
        code: u16,
        why: &str,
        end: End,
    ) {
        if self.meters.as_ref().is_some_and(|meters| meters.from_server.meter.between_frames()) {
            vendor.queue(close_frame(code, why).into());
        }
        self.ending = Some(end);
    }

    /// One side has gone: in order, if a close frame has passed, or if nobody looked.
    fn gone(&self, otherwise: End) -> End {
        match &self.meters {
            Some(meters) if !meters.from_client.closed && !meters.from_server.closed => {
                self.ending.unwrap_or(otherwise)
            }
            _ => self.ending.unwrap_or(End(Ending::Complete, Reason::Allowed)),
        }
    }
}
