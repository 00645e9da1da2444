//! The counter of one body, whatever its format.

use std::num::NonZeroU64;

use crate::blocks::Engine;
use crate::events::Events;
use crate::json::Json;
use crate::lines::Lines;
use crate::messages::Messages;
use crate::meter::{Halt, Meter};
use crate::pieces::Pieces;
use crate::rows::Rows;
use crate::{CountError, Format, JsonPointer};

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Counts one body.
///
/// - **JSON** (RFC 8259): a record is an element of any outermost array (one that lies in no other
///   array), or of the array at the route's pointer. A top-level array counts its elements, none if
///   it is empty. Any other document counts its elements, but at least one: it is charged at its
///   first byte, and its first element uses that charge up. So a document in which the pointer
///   finds nothing, or only an empty array, is one record. Documents that follow each other count
///   one by one. The grammar is checked, except that `NaN` and `Infinity` are let through, that
///   bytes above 0x7f in strings need not be UTF-8, and that inside of a record the order of values,
///   commas and colons and the spelling of numbers and names are free (strings, brackets and the
///   alphabet are not): nothing of this changes a count.
/// - **NDJSON**: a record is a line with at least one byte that isn't a space or a tab; it ends
///   after its line end, which is `\n`, `\r\n` or `\r`.
/// - **CSV** (RFC 4180): a record is a line that isn't empty, less the header if there is one; a
///   line end between the quotes of a field belongs to the field. After a quote where the RFC allows
///   none, readers disagree: from there on every line is a record.
/// - **SSE** (WHATWG HTML, 9.2.6): a record is a block of lines up to and with a blank line, if one
///   of the lines isn't a comment. It is charged at the first byte of that line.
/// - **gRPC** (length-prefixed messages): a record is a message, charged at the first byte of its
///   prefix, compressed or not. Longer ones than [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX) are
///   refused.
/// - **By bytes**: a record is every so many bytes that have begun, of any body.
///
/// A byte order mark at the start of a text is skipped.
#[derive(Clone)]
pub struct Counter {
    scanner: Scanner,
    /// Bytes of the body that were consumed.
    offset: u64,
    mark: Mark,
    closed: Option<CountError>,
}

/// What one call of [`Counter::push`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that began in the consumed part.
    pub records: u64,
    /// Bytes of the chunk that may leave.
    pub consumed: usize,
}

impl Counter {
    #[must_use]
    pub fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::of_text(Scanner::Json(Json::new(None, Engine::detect()))),
            Format::NdJson => Self::of_text(Scanner::Lines(Lines::default())),
            Format::Csv { has_header } => {
                Self::of_text(Scanner::Rows(Rows::new(has_header, Engine::detect())))
            }
            Format::Sse => Self::of_text(Scanner::Events(Events::default())),
            Format::Grpc => Self::of_bytes(Scanner::Messages(Messages::default())),
        }
    }

    /// Counts only the elements of the array at `pointer` (RFC 6901). The pointer is for JSON; the
    /// other formats have no document to point into and ignore it.
    #[must_use]
    pub fn at_pointer(format: Format, pointer: JsonPointer) -> Self {
        match format {
            Format::Json => Self::of_text(Scanner::Json(Json::new(Some(pointer), Engine::detect()))),
            _ => Self::new(format),
        }
    }

    /// Counts every `record_bytes` bytes that have begun as one record, whatever the body is.
    #[must_use]
    pub fn by_bytes(record_bytes: NonZeroU64) -> Self {
        Self::of_bytes(Scanner::Pieces(Pieces::new(record_bytes)))
    }

    /// Does without the vector instructions of this machine: slower, with the same answers. For tests
    /// and measurements.
    #[must_use]
    pub fn portable(mut self) -> Self {
        match &mut self.scanner {
            Scanner::Json(json) => json.use_engine(Engine::Portable),
            Scanner::Rows(rows) => rows.use_engine(Engine::Portable),
            _ => {}
        }
        self
    }

    fn of_text(scanner: Scanner) -> Self {
        Self { scanner, offset: 0, mark: Mark::Seen(0), closed: None }
    }

    fn of_bytes(scanner: Scanner) -> Self {
        Self { mark: Mark::Passed, ..Self::of_text(scanner) }
    }

    /// Counts the records that begin in `chunk`, up to `records_max` of them.
    ///
    /// If they all fit, `consumed` is the length of the chunk. Otherwise it is the end of the last
    /// record that ended in this chunk before the one that doesn't fit (0 if none did), and the
    /// counter is closed: the response is cut there.
    ///
    /// # Errors
    /// The body can't be counted, or the counter is closed; nothing of the chunk may leave, and
    /// every later call is an error too.
    pub fn push(&mut self, chunk: &[u8], records_max: u64) -> Result<Progress, CountError> {
        if let Some(error) = self.closed {
            return Err(error);
        }
        let (marked, rest) = self.skip_mark(chunk)?;
        let mut meter = Meter::new(self.offset, records_max);
        let halt = match &mut self.scanner {
            Scanner::Json(json) => json.push(rest, &mut meter),
            Scanner::Lines(lines) => lines.push(rest, &mut meter),
            Scanner::Rows(rows) => rows.push(rest, &mut meter),
            Scanner::Events(events) => events.push(rest, &mut meter),
            Scanner::Messages(messages) => messages.push(rest, &mut meter),
            Scanner::Pieces(pieces) => pieces.push(rest, &mut meter),
        };
        let consumed = match halt {
            Ok(()) => rest.len(),
            Err(Halt::Full) => meter.end(),
            Err(Halt::Failed(error)) => return Err(self.close(error)),
        };
        self.offset = meter.offset_of(consumed);
        if halt.is_err() {
            self.close(CountError::Closed { offset: self.offset });
        }
        Ok(Progress { records: meter.records(), consumed: marked + consumed })
    }

    /// The end of the body: how many records only the end reveals. That is none so far, as every
    /// format charges a record at its first byte; callers add it all the same.
    ///
    /// # Errors
    /// The body ended inside a JSON document, a quoted field or a gRPC message, or the counter is
    /// closed.
    pub fn finish(&mut self) -> Result<u64, CountError> {
        if let Some(error) = self.closed {
            return Err(error);
        }
        let cut_mark = matches!(self.mark, Mark::Seen(1..));
        if cut_mark || !self.scanner.may_end() {
            return Err(self.close(CountError::Truncated { offset: self.offset }));
        }
        self.close(CountError::Closed { offset: self.offset });
        Ok(0)
    }

    fn close(&mut self, error: CountError) -> CountError {
        self.closed = Some(error);
        error
    }

    /// Passes the byte order mark at the start of the body; gives its bytes in this chunk, and the
    /// rest of the chunk.
    fn skip_mark<'chunk>(&mut self, chunk: &'chunk [u8]) -> Result<(usize, &'chunk [u8]), CountError> {
        let mut rest = chunk;
        while let (Mark::Seen(seen), Some((byte, after))) = (self.mark, rest.split_first()) {
            if BYTE_ORDER_MARK.get(usize::from(seen)) == Some(byte) {
                self.mark = if seen == 2 { Mark::Passed } else { Mark::Seen(seen + 1) };
                self.offset += 1;
                rest = after;
            } else if seen == 0 {
                self.mark = Mark::Passed;
            } else {
                // Half a mark may have left already, uncounted: no format needs such a start.
                return Err(self.close(CountError::Unexpected { offset: self.offset, byte: *byte }));
            }
        }
        Ok((chunk.len() - rest.len(), rest))
    }
}

/// How far the byte order mark was read.
#[derive(Clone, Copy)]
enum Mark {
    Seen(u8),
    Passed,
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "JSON is the usual case, and a box would make clones allocate")]
enum Scanner {
    Json(Json),
    Lines(Lines),
    Rows(Rows),
    Events(Events),
    Messages(Messages),
    Pieces(Pieces),
}

impl Scanner {
    fn may_end(&self) -> bool {
        match self {
            Self::Json(json) => json.may_end(),
            Self::Rows(rows) => rows.may_end(),
            Self::Messages(messages) => messages.may_end(),
            Self::Lines(_) | Self::Events(_) | Self::Pieces(_) => true,
        }
    }
}
