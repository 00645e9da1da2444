//! Writing an answer to a vendor's machine.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame};

use super::body::SharedWire;
use super::encode::{CHUNK_END, Frames, LAST_CHUNK, chunk_start, last_chunk, response_head};
use crate::body::{BoxError, GateBody};
use crate::connection::Connection;
use crate::core::Core;

/// How the writing ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    Whole,
    /// The connection is of no use any more: it broke, or the answer was cut.
    Broken,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// Writes `response`; `close` says that it is the last one.
pub async fn send(
    core: &Core,
    connection: &Rc<Connection>,
    wire: &SharedWire,
    response: Response<GateBody>,
    is_head: bool,
    close: bool,
) -> Sent {
    let (mut parts, mut body) = response.into_parts();
    let mut first = None;
    if !is_head && !body.is_end_stream() {
        // Before its head is gone, an answer that fails at once can still be a refusal.
        first = Some(poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await);
        if let Some(Poll::Ready(Some(Err(error)))) = &first {
            let Some(refusal) = body.refusal_instead(error) else { return Sent::Broken };
            (parts, body) = refusal.into_parts();
            first = None;
        }
    }
    let frames = frames_of(parts.status, &body, &first, is_head);
    // From here on an interim answer would stand inside this one.
    wire.borrow_mut().leave_owed = false;
    wire.borrow_mut().wire.queue(response_head(parts.status, &parts.headers, frames, close));
    let mut writing = Writing { core, connection, body, frames, sent_bytes: 0, ended: false };
    if matches!(frames, Frames::Nothing | Frames::AsTold) || first.is_none() && writing.body.is_end_stream() {
        writing.ended = true;
    }
    poll_fn(|context| writing.poll(&mut first, wire, context)).await
}

fn frames_of(status: StatusCode, body: &GateBody, first: &Option<Polled>, is_head: bool) -> Frames {
    if is_head || status == StatusCode::NOT_MODIFIED {
        return Frames::AsTold;
    }
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        return Frames::Nothing;
    }
    let taken = match first {
        Some(Poll::Ready(Some(Ok(frame)))) => frame.data_ref().map_or(0, Bytes::len) as u64,
        _ => 0,
    };
    body.size_hint().exact().map_or(Frames::Chunked, |rest| Frames::Length(taken + rest))
}

struct Writing<'a> {
    core: &'a Core,
    connection: &'a Rc<Connection>,
    body: GateBody,
    frames: Frames,
    sent_bytes: u64,
    ended: bool,
}

impl Writing<'_> {
    fn poll(
        &mut self,
        first: &mut Option<Polled>,
        wire: &SharedWire,
        context: &mut Context<'_>,
    ) -> Poll<Sent> {
        loop {
            if !matches!(first, Some(Poll::Ready(_))) {
                // Nothing more is asked of the body before the kernel has what it gave.
                if ready!(wire.borrow_mut().wire.poll_drain(context)).is_err() {
                    return Poll::Ready(Sent::Broken);
                }
                self.connection.settle(self.core);
            }
            if self.ended {
                return Poll::Ready(self.ending());
            }
            let polled = match first.take() {
                Some(Poll::Ready(frame)) => Poll::Ready(frame),
                _ => Pin::new(&mut self.body).poll_frame(context),
            };
            let Poll::Ready(frame) = polled else {
                // A client that goes while the upstream is silent ends the exchange.
                return wire.borrow_mut().poll_gone(context).map(|()| Sent::Broken);
            };
            match frame {
                Some(Ok(frame)) => self.pass(frame, wire),
                Some(Err(_)) => return Poll::Ready(Sent::Broken),
                None => self.end(wire, LAST_CHUNK),
            }
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>, wire: &SharedWire) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.sent_bytes += data.len() as u64;
                let wire = &mut wire.borrow_mut().wire;
                if self.frames == Frames::Chunked {
                    wire.queue(chunk_start(data.len()));
                    wire.queue(data);
                    wire.queue(CHUNK_END);
                } else {
                    wire.queue(data);
                }
                // The end of a short answer leaves with it, in one record and one write.
                if self.frames == Frames::Length(self.sent_bytes) && self.body.is_end_stream() {
                    self.ended = true;
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().map_or(LAST_CHUNK, |fields| last_chunk(&fields));
                self.end(wire, trailers);
            }
        }
    }

    fn end(&mut self, wire: &SharedWire, last: Bytes) {
        if self.frames == Frames::Chunked {
            wire.borrow_mut().wire.queue(last);
        }
        self.ended = true;
    }

    /// A body that is shorter or longer than what was said of it must not be taken for whole.
    fn ending(&self) -> Sent {
        match self.frames {
            Frames::Length(bytes) if bytes != self.sent_bytes => Sent::Broken,
            _ => Sent::Whole,
        }
    }
}
