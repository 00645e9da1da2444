//! CSV (RFC 4180): every line outside of quoted fields is a record, less the header.

#[cfg(target_arch = "x86_64")]
mod regular;

use memchr::{memchr, memchr2, memchr3};

use crate::blocks::Engine;
use crate::meter::{Halt, Meter};

#[derive(Clone)]
pub(crate) struct Rows {
    place: Place,
    /// No line but blank ones has begun, and the first is the header.
    header_next: bool,
    /// The last byte was a `\r` that ended a line: a `\n` now belongs to it.
    after_return: bool,
    /// A quote stood where none may be. Some readers take it for a letter, some for the begin or end
    /// of a field, and each finds other lines: every line counts, as no reader finds more than that.
    quotes_mean_nothing: bool,
    engine: Engine,
}

#[derive(Clone, Copy)]
enum Place {
    LineStart,
    Plain {
        /// A field begins: this is the place for a quote.
        after_comma: bool,
    },
    Quoted,
    /// After a quote in a quoted field: it ends the field, or is the first of two that are a letter.
    Quote,
}

impl Rows {
    pub(crate) fn new(has_header: bool, engine: Engine) -> Self {
        Self {
            place: Place::LineStart,
            header_next: has_header,
            after_return: false,
            quotes_mean_nothing: false,
            engine,
        }
    }

    pub(crate) fn use_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let mut at = 0;
        loop {
            if !self.quotes_mean_nothing {
                at = self.engine.regular_rows(self, chunk, at, meter);
            }
            let rest = chunk.get(at..).unwrap_or_default();
            let Some(&byte) = rest.first() else { return Ok(()) };
            at += self.step(byte, rest, at, meter)?;
        }
    }

    /// Reads at least one byte; gives how many.
    fn step(&mut self, byte: u8, rest: &[u8], at: usize, meter: &mut Meter) -> Result<usize, Halt> {
        match self.place {
            Place::LineStart => self.line_start(byte, at, meter)?,
            Place::Plain { after_comma } => return Ok(self.plain(rest, after_comma, at, meter)),
            Place::Quoted => {
                let Some(length) = memchr(b'"', rest) else { return Ok(rest.len()) };
                self.place = Place::Quote;
                return Ok(length + 1);
            }
            Place::Quote => self.quote(byte, at, meter),
        }
        Ok(1)
    }

    /// Whether the body may end here.
    pub(crate) fn may_end(&self) -> bool {
        !matches!(self.place, Place::Quoted)
    }

    fn line_start(&mut self, byte: u8, at: usize, meter: &mut Meter) -> Result<(), Halt> {
        let after_return = std::mem::take(&mut self.after_return);
        match byte {
            b'\n' if after_return => meter.record_ended(at + 1),
            b'\n' | b'\r' => {}
            _ => {
                if !std::mem::take(&mut self.header_next) {
                    meter.take()?;
                }
                self.place = match byte {
                    b'"' if !self.quotes_mean_nothing => Place::Quoted,
                    _ => Place::Plain { after_comma: byte == b',' },
                };
            }
        }
        Ok(())
    }

    /// Reads outside of quotes; gives how far.
    fn plain(&mut self, rest: &[u8], after_comma: bool, at: usize, meter: &mut Meter) -> usize {
        let found = if self.quotes_mean_nothing {
            memchr2(b'\n', b'\r', rest)
        } else {
            memchr3(b'"', b'\n', b'\r', rest)
        };
        let Some(length) = found else {
            self.place = Place::Plain { after_comma: rest.last() == Some(&b',') };
            return rest.len();
        };
        match rest.get(length) {
            Some(b'"') => {
                let begins_field =
                    length.checked_sub(1).map_or(after_comma, |before| rest.get(before) == Some(&b','));
                self.quotes_mean_nothing = !begins_field;
                self.place = if begins_field { Place::Quoted } else { Place::Plain { after_comma: false } };
            }
            byte => self.line_end(byte == Some(&b'\r'), at + length, meter),
        }
        length + 1
    }

    fn quote(&mut self, byte: u8, at: usize, meter: &mut Meter) {
        match byte {
            b'"' => self.place = Place::Quoted,
            b',' => self.place = Place::Plain { after_comma: true },
            b'\n' | b'\r' => self.line_end(byte == b'\r', at, meter),
            _ => {
                self.quotes_mean_nothing = true;
                self.place = Place::Plain { after_comma: false };
            }
        }
    }

    fn line_end(&mut self, is_return: bool, at: usize, meter: &mut Meter) {
        self.place = Place::LineStart;
        self.after_return = is_return;
        meter.record_ended(at + 1);
    }
}
