//! A connection to an upstream, owned by the exchange that uses it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use portcullis_wire::http_rules::HeadFault;
use portcullis_wire::http1::{
    BodyDecoder, BodyFault, HeadFinder, HeadLimits, ResponseFraming, parse_response,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::body::{is_end_stream, size_hint};
use super::encode::{CHUNK_END, Frames, LAST_CHUNK, chunk_start, last_chunk};
use super::head::{answer_of, trailers_of, with_places};
use super::wire::{Piece, Wire};
use crate::body::BoxError;
use crate::io::ValvedIo;
use crate::request_body::RequestBody;

/// Interim answers that are read over before the one that counts.
const INTERIM_MAX: u32 = 16;

/// In plain words, or over TLS.
pub enum UpstreamIo {
    Plain(ValvedIo),
    Tls(Box<TlsStream<ValvedIo>>),
}

/// A connection that serves one exchange at a time.
pub struct UpstreamWire {
    wire: Wire<UpstreamIo>,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request's own body broke off, or was broken off.
    #[error("the request's body broke off")]
    Body(#[source] BoxError),
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("the upstream closed the connection before it answered")]
    Closed,
    #[error("the answer is malformed")]
    Head(#[from] HeadFault),
    #[error("the answer can't be held")]
    Unusable,
    #[error("the upstream sends interim answers without end")]
    Interim,
}

impl SendError {
    /// Whether nothing of an answer was seen: a kept connection may just have been closed.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Closed)
    }
}

/// The head of an answer, and its body.
pub struct Answer {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: ResponseBody,
}

impl UpstreamWire {
    pub fn new(io: UpstreamIo) -> Self {
        Self { wire: Wire::new(io) }
    }

    /// Whether the connection is open and silent, as far as is known without waiting.
    pub fn is_fresh(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.wire.read.is_empty() && self.wire.poll_fill(0, &mut context).is_pending()
    }

    /// Sends a request and waits for the head of its answer; its body goes on being sent while the
    /// answer is read.
    pub async fn send(
        self,
        head: Bytes,
        body: Option<RequestBody>,
        frames: Frames,
        is_head: bool,
    ) -> Result<Answer, SendError> {
        let mut sending = Sending { body, frames, broken: false };
        let mut this = Some(self);
        if let Some(this) = &mut this {
            this.wire.queue(head);
        }
        let mut finder = HeadFinder::default();
        let mut interim = 0;
        std::future::poll_fn(move |context| {
            let Some(known) = &mut this else { return Poll::Pending };
            let _ = sending.poll(&mut known.wire, context)?;
            loop {
                if let Some(length) = finder.find(&known.wire.read, &HeadLimits::default())? {
                    let bytes = known.wire.read.split_to(length).freeze();
                    finder = HeadFinder::default();
                    let read = read_answer(&bytes, is_head)?;
                    if read.status.is_informational() && read.status != StatusCode::SWITCHING_PROTOCOLS {
                        interim += 1;
                        if interim > INTERIM_MAX {
                            return Poll::Ready(Err(SendError::Interim));
                        }
                        continue;
                    }
                    let Some(wire) = this.take() else { return Poll::Pending };
                    let Read { status, fields, decoder, keep_alive } = read;
                    let sending = std::mem::replace(&mut sending, Sending::nothing());
                    let body = ResponseBody { wire, decoder, sending, keep_alive };
                    return Poll::Ready(Ok(Answer { status, fields, body }));
                }
                match ready!(known.wire.poll_fill(0, context)) {
                    Ok(0) if known.wire.read.is_empty() => return Poll::Ready(Err(SendError::Closed)),
                    Ok(0) => {
                        return Poll::Ready(Err(SendError::Broken(io::ErrorKind::UnexpectedEof.into())));
                    }
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(Err(SendError::Broken(error))),
                }
            }
        })
        .await
    }
}

struct Read {
    status: StatusCode,
    fields: HeaderMap,
    decoder: BodyDecoder,
    keep_alive: bool,
}

fn read_answer(bytes: &Bytes, is_head: bool) -> Result<Read, SendError> {
    with_places(|places| {
        let head = parse_response(bytes, is_head, &HeadLimits::default(), places)?;
        let (status, fields) = answer_of(bytes, &head, places).ok_or(SendError::Unusable)?;
        let keep_alive = head.keep_alive && head.framing != ResponseFraming::UntilClose;
        Ok(Read { status, fields, decoder: BodyDecoder::from(head.framing), keep_alive })
    })
}

/// A request's body on its way out.
struct Sending {
    body: Option<RequestBody>,
    frames: Frames,
    /// The upstream takes no more; its answer may say why.
    broken: bool,
}

impl Sending {
    fn nothing() -> Self {
        Self { body: None, frames: Frames::Nothing, broken: false }
    }

    fn is_done(&self) -> bool {
        self.body.is_none() && !self.broken
    }

    /// Writes what there is to write. An error only if the body itself broke off.
    fn poll(
        &mut self,
        wire: &mut Wire<UpstreamIo>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !wire.is_drained() && ready!(wire.poll_drain(context)).is_err() {
                self.broken = true;
                return Poll::Ready(Ok(()));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let chunked = self.frames == Frames::Chunked;
            match ready!(Pin::new(body).poll_frame(context)) {
                None => {
                    self.body = None;
                    if chunked {
                        wire.queue(LAST_CHUNK);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(SendError::Body(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) if chunked => {
                        wire.queue(chunk_start(data.len()));
                        wire.queue(data);
                        wire.queue(CHUNK_END);
                    }
                    Ok(data) => wire.queue(data),
                    Err(frame) => {
                        self.body = None;
                        if chunked {
                            wire.queue(
                                frame.into_trailers().map_or(LAST_CHUNK, |fields| last_chunk(&fields)),
                            );
                        }
                    }
                },
            }
        }
    }
}

/// Why an answer's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("the upstream closed the connection inside its answer")]
    Closed,
    #[error(transparent)]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] BodyFault),
    #[error(transparent)]
    Request(#[from] SendError),
}

/// The body of an upstream's answer. It owns the connection, and gives it back when it was read to its end.
pub struct ResponseBody {
    wire: UpstreamWire,
    decoder: BodyDecoder,
    sending: Sending,
    keep_alive: bool,
}

impl ResponseBody {
    pub fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let _ = self.sending.poll(&mut self.wire.wire, context).map_err(AnswerError::from)?;
        Poll::Ready(match ready!(self.wire.wire.poll_piece(&mut self.decoder, context)) {
            Ok(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Piece::Ended) => trailers_of(&mut self.decoder).map(|fields| Ok(Frame::trailers(fields))),
            Ok(Piece::Closed) if self.decoder.may_end_at_close() => {
                self.decoder = BodyDecoder::empty();
                None
            }
            Ok(Piece::Closed) => Some(Err(AnswerError::Closed)),
            Err(error) => Some(Err(error)),
        })
    }

    pub fn is_end_stream(&self) -> bool {
        is_end_stream(&self.decoder)
    }

    pub fn size_hint(&self) -> SizeHint {
        size_hint(&self.decoder)
    }

    /// The connection, if another exchange may use it: everything was sent, the answer was read to its
    /// end, and nothing came after that.
    pub fn into_wire(self) -> Option<UpstreamWire> {
        let mut wire = self.wire;
        let idle = self.decoder.is_ended() && self.keep_alive && self.sending.is_done();
        let clean = idle && wire.wire.read.is_empty() && wire.wire.is_drained();
        wire.wire.rest();
        clean.then_some(wire)
    }

    /// The connection as it is, after it was switched to another protocol.
    pub fn into_switched(self) -> Wire<UpstreamIo> {
        self.wire.wire
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(context, slices),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Tls(io) => Pin::new(io.as_mut()).poll_shutdown(context),
        }
    }
}
