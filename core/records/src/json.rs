//! JSON: elements of the outermost arrays, or of the array at a pointer.
//!
//! Byte by byte where something may begin to count; by blocks of 64 bytes inside of containers in
//! which nothing does, see [`inside`].

mod inside;
mod nesting;
mod path;
mod plain;
mod scalar;

use crate::blocks::{Carry, Engine};
use crate::meter::{Halt, Meter};
use crate::{CountError, JsonPointer};
pub use nesting::DEPTH_MAX;
use nesting::{Container, Nesting};
use path::Path;
use plain::plain_until;
use scalar::Scalar;

#[derive(Clone)]
pub(crate) struct Json {
    place: Place,
    nesting: Nesting,
    /// The depth of the array whose elements are being counted, 0 outside of one.
    counted_depth: usize,
    /// The document was charged at its first byte, and no element has used the charge up yet.
    unspent: bool,
    /// The string being read is a key.
    in_key: bool,
    /// … and may be a step of the pointer.
    key_watched: bool,
    path: Option<Path>,
    engine: Engine,
}

/// What may come next.
#[derive(Clone, Copy)]
enum Place {
    /// A document, or the end.
    Document,
    /// The value of a member.
    Value,
    FirstElement,
    Element,
    FirstKey,
    Key,
    Colon,
    /// A comma or the closing bracket.
    Separator,
    Text,
    Escape,
    /// Hexadecimal digits of `\uXXXX`.
    Unicode {
        left: u8,
        unit: u16,
    },
    Scalar(Scalar),
    /// Inside of a container in which nothing counts.
    Inside {
        /// The depth of the container around it.
        floor: u16,
        carry: Carry,
    },
}

impl Json {
    pub(crate) fn new(pointer: Option<JsonPointer>, engine: Engine) -> Self {
        Self {
            place: Place::Document,
            nesting: Nesting::new(),
            counted_depth: 0,
            unspent: false,
            in_key: false,
            key_watched: false,
            path: pointer.map(Path::new),
            engine,
        }
    }

    pub(crate) fn use_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match self.place {
                Place::Text => at = self.text(chunk, at, meter)?,
                Place::Scalar(scalar) => at = self.scalar(scalar, chunk, at, meter)?,
                Place::Inside { .. } => at = self.engine.inside(self, chunk, at, meter)?,
                Place::Escape => {
                    self.escape(byte, at, meter)?;
                    at += 1;
                }
                Place::Unicode { left, unit } => {
                    self.unicode(left, unit, byte, at, meter)?;
                    at += 1;
                }
                place => {
                    if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                        self.structure(place, byte, at, meter)?;
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Whether the body may end here.
    pub(crate) fn may_end(&self) -> bool {
        match self.place {
            Place::Document => true,
            Place::Scalar(scalar) => self.nesting.depth() == 0 && scalar.is_complete(),
            _ => false,
        }
    }

    fn structure(&mut self, place: Place, byte: u8, at: usize, meter: &mut Meter) -> Result<(), Halt> {
        match (place, byte, self.nesting.innermost()) {
            (Place::Colon, b':', _) => self.place = Place::Value,
            (Place::Separator, b',', Some(Container::Array)) => self.place = Place::Element,
            (Place::Separator, b',', Some(Container::Object)) => self.place = Place::Key,
            (Place::FirstElement, b']', _)
            | (Place::FirstKey, b'}', _)
            | (Place::Separator, b']', Some(Container::Array))
            | (Place::Separator, b'}', Some(Container::Object)) => self.close(at, meter),
            (Place::FirstKey | Place::Key, b'"', _) => {
                let depth = self.nesting.depth();
                self.key_watched = self.path.as_mut().is_some_and(|path| path.key_begin(depth));
                self.in_key = true;
                self.place = Place::Text;
            }
            (Place::Document | Place::Value | Place::FirstElement | Place::Element, _, _) => {
                self.begin_value(byte, at, meter)?;
            }
            _ => return Err(self.fault(byte, at, meter)),
        }
        Ok(())
    }

    fn begin_value(&mut self, byte: u8, at: usize, meter: &mut Meter) -> Result<(), Halt> {
        let next = match byte {
            b'{' => Place::FirstKey,
            b'[' => Place::FirstElement,
            b'"' => Place::Text,
            _ => Place::Scalar(Scalar::begin(byte).ok_or_else(|| self.fault(byte, at, meter))?),
        };
        self.charge(byte, meter)?;
        match next {
            Place::FirstElement => self.open(Container::Array, at, meter)?,
            Place::FirstKey => self.open(Container::Object, at, meter)?,
            _ => self.in_key = false,
        }
        self.place = match next {
            Place::FirstElement | Place::FirstKey if self.nothing_counts() => {
                // The depth is at most `DEPTH_MAX`.
                Place::Inside { floor: (self.nesting.depth() - 1) as u16, carry: Carry::default() }
            }
            _ => next,
        };
        Ok(())
    }

    /// Whether no record can begin in the innermost container: it is part of one, or off the way of
    /// the pointer.
    fn nothing_counts(&self) -> bool {
        let depth = self.nesting.depth();
        match &self.path {
            Some(path) => !path.holds(depth),
            None => self.counted_depth != 0 && self.counted_depth != depth,
        }
    }

    /// Takes the record that begins with this value, if one does.
    fn charge(&mut self, byte: u8, meter: &mut Meter) -> Result<(), Halt> {
        let depth = self.nesting.depth();
        if depth == 0 {
            // The bracket of a counted array tells nothing: its elements pay for themselves. Any
            // other document may turn out to have no elements, and pays at once.
            let is_counted = byte == b'[' && self.path.as_ref().is_none_or(Path::is_root);
            if !is_counted {
                meter.take()?;
            }
            self.unspent = !is_counted;
            if let Some(path) = &mut self.path {
                path.restart();
            }
            return Ok(());
        }
        if self.counted_depth == depth && !std::mem::take(&mut self.unspent) {
            meter.take()?;
        }
        if let Some(path) = &mut self.path
            && self.nesting.innermost() == Some(Container::Array)
        {
            path.element(depth);
        }
        Ok(())
    }

    fn open(&mut self, container: Container, at: usize, meter: &Meter) -> Result<(), Halt> {
        if !self.nesting.open(container) {
            return Err(Halt::Failed(CountError::TooDeep { offset: meter.offset_of(at) }));
        }
        let depth = self.nesting.depth();
        let is_target = match &mut self.path {
            Some(path) => path.open(depth),
            None => self.counted_depth == 0,
        };
        if is_target && container == Container::Array {
            self.counted_depth = depth;
        }
        Ok(())
    }

    fn close(&mut self, at: usize, meter: &mut Meter) {
        let depth = self.nesting.depth();
        if self.counted_depth == depth {
            self.counted_depth = 0;
        }
        self.nesting.close();
        if let Some(path) = &mut self.path {
            path.close(depth, self.nesting.innermost());
        }
        self.end_value(at + 1, meter);
    }

    /// A value ended just before `at`.
    fn end_value(&mut self, at: usize, meter: &mut Meter) {
        let depth = self.nesting.depth();
        let is_record = if depth == 0 { self.unspent } else { self.counted_depth == depth };
        if is_record {
            meter.record_ended(at);
        }
        self.place = if depth == 0 { Place::Document } else { Place::Separator };
    }

    fn scalar(
        &mut self,
        mut scalar: Scalar,
        chunk: &[u8],
        mut at: usize,
        meter: &mut Meter,
    ) -> Result<usize, Halt> {
        while let Some(&byte) = chunk.get(at) {
            if !Scalar::may_hold(byte) {
                if !scalar.is_complete() {
                    return Err(self.fault(byte, at, meter));
                }
                self.end_value(at, meter);
                return Ok(at);
            }
            scalar = scalar.step(byte).ok_or_else(|| self.fault(byte, at, meter))?;
            at += 1;
        }
        self.place = Place::Scalar(scalar);
        Ok(at)
    }

    /// Reads a string up to its end, an escape or the end of the chunk.
    fn text(&mut self, chunk: &[u8], at: usize, meter: &mut Meter) -> Result<usize, Halt> {
        let special = plain_until(chunk, at);
        self.show_key(chunk.get(at..special).unwrap_or_default());
        match chunk.get(special) {
            None => return Ok(special),
            Some(b'\\') => self.place = Place::Escape,
            Some(b'"') if self.in_key => {
                if self.key_watched
                    && let Some(path) = &mut self.path
                {
                    path.key_end();
                }
                self.place = Place::Colon;
            }
            Some(b'"') => self.end_value(special + 1, meter),
            Some(&control) => return Err(self.fault(control, special, meter)),
        }
        Ok(special + 1)
    }

    fn escape(&mut self, byte: u8, at: usize, meter: &Meter) -> Result<(), Halt> {
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.place = Place::Unicode { left: 4, unit: 0 };
                return Ok(());
            }
            _ => return Err(self.fault(byte, at, meter)),
        };
        self.show_key(&[letter]);
        self.place = Place::Text;
        Ok(())
    }

    fn unicode(&mut self, left: u8, unit: u16, byte: u8, at: usize, meter: &Meter) -> Result<(), Halt> {
        let Some(digit) = char::from(byte).to_digit(16) else { return Err(self.fault(byte, at, meter)) };
        let unit = unit << 4 | digit as u16;
        if left > 1 {
            self.place = Place::Unicode { left: left - 1, unit };
            return Ok(());
        }
        if self.in_key
            && self.key_watched
            && let Some(path) = &mut self.path
        {
            path.key_unit(unit);
        }
        self.place = Place::Text;
        Ok(())
    }

    fn show_key(&mut self, bytes: &[u8]) {
        if self.in_key
            && self.key_watched
            && let Some(path) = &mut self.path
        {
            path.key_bytes(bytes);
        }
    }

    fn fault(&self, byte: u8, at: usize, meter: &Meter) -> Halt {
        let offset = meter.offset_of(at);
        let closes = match byte {
            b']' => Some(Container::Array),
            b'}' => Some(Container::Object),
            _ => None,
        };
        let in_text = matches!(self.place, Place::Text | Place::Escape | Place::Unicode { .. });
        Halt::Failed(match closes {
            _ if byte < b' ' && (in_text || !matches!(byte, b'\n' | b'\r' | b'\t')) => {
                CountError::ControlCharacter { offset, byte }
            }
            Some(_) if !in_text && closes != self.nesting.innermost() => CountError::Mismatched { offset },
            _ => CountError::Unexpected { offset, byte },
        })
    }
}
