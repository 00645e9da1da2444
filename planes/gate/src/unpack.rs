//! An upstream's body as it is counted: plain, or unpacked on the way.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use crate::body::BoxError;
use crate::gunzip::{Gunzip, GzipFault};
use crate::upstream::UpstreamBody;

/// How much is unpacked at once. What doesn't fit waits packed.
const PIECE_BYTES: usize = 32 * 1024;
/// Less room than this is not worth a piece.
const ROOM_BYTES_MIN: usize = 4 * 1024;

/// A body that is read piece by piece.
pub struct Source {
    body: UpstreamBody,
    packing: Option<Packing>,
}

/// Why there is no more of a body.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the upstream broke off")]
    Upstream(#[source] BoxError),
    #[error(transparent)]
    Packing(#[from] GzipFault),
}

struct Packing {
    gunzip: Gunzip,
    /// What was read and not yet unpacked.
    packed: Bytes,
    room: BytesMut,
    /// What was unpacked last filled its room: there may be more without reading.
    full: bool,
}

impl Source {
    pub fn new(body: UpstreamBody, gzip: bool) -> Self {
        let packing = gzip.then(|| Packing {
            gunzip: Gunzip::new(),
            packed: Bytes::new(),
            room: BytesMut::new(),
            full: false,
        });
        Self { body, packing }
    }

    pub fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        loop {
            if let Some(piece) = self.packing.as_mut().and_then(|packing| packing.next().transpose()) {
                return Poll::Ready(Some(piece.map(Frame::data).map_err(SourceError::from)));
            }
            let frame = ready!(self.body.poll_frame(context));
            let Some(packing) = &mut self.packing else {
                return Poll::Ready(frame.map(|frame| frame.map_err(SourceError::Upstream)));
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => packing.packed = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(packing.end().map(|()| other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(SourceError::Upstream(error)))),
                None => return Poll::Ready(packing.end().err().map(Err)),
            }
        }
    }

    /// Whether nothing more will come. What is packed says so only when it was asked.
    pub fn is_end_stream(&self) -> bool {
        self.packing.is_none() && self.body.is_end_stream()
    }

    pub fn size_hint(&self) -> SizeHint {
        if self.packing.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }

    pub fn into_body(self) -> UpstreamBody {
        self.body
    }
}

impl Packing {
    /// The next piece of what was read.
    fn next(&mut self) -> Result<Option<Bytes>, GzipFault> {
        if self.packed.is_empty() && !self.full {
            return Ok(None);
        }
        if self.room.len() < ROOM_BYTES_MIN {
            self.room = BytesMut::zeroed(PIECE_BYTES);
        }
        let done = self.gunzip.unpack(&self.packed, &mut self.room)?;
        self.packed = self.packed.split_off(done.read.min(self.packed.len()));
        self.full = done.written == self.room.len();
        Ok((done.written > 0).then(|| self.room.split_to(done.written).freeze()))
    }

    fn end(&self) -> Result<(), SourceError> {
        Ok(self.gunzip.finish()?)
    }
}
