//! Server-sent events: every block of lines with a line that isn't a comment is a record.

use memchr::memchr2;

use crate::meter::{Halt, Meter};

#[derive(Clone, Default)]
pub(crate) struct Events {
    /// Past the first byte of a line.
    in_line: bool,
    /// The block has had a line that isn't a comment.
    in_event: bool,
    last: Last,
}

/// What the last byte was, as a `\n` after a `\r` belongs to the same line end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Return,
    /// A `\r` that was the blank line after an event.
    ReturnOfEvent,
}

impl Events {
    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && let Some(&byte) = rest.first()
        {
            if self.in_line {
                let Some(length) = memchr2(b'\n', b'\r', rest) else { return Ok(()) };
                at += length + 1;
                self.in_line = false;
                self.last = if rest.get(length) == Some(&b'\r') { Last::Return } else { Last::Other };
                continue;
            }
            self.line_start(byte, at, meter)?;
            at += 1;
        }
        Ok(())
    }

    fn line_start(&mut self, byte: u8, at: usize, meter: &mut Meter) -> Result<(), Halt> {
        match (byte, std::mem::take(&mut self.last)) {
            (b'\n', Last::Return) => {}
            (b'\n', Last::ReturnOfEvent) => meter.record_ended(at + 1),
            (b'\n' | b'\r', _) => {
                let ended = std::mem::take(&mut self.in_event);
                if ended {
                    meter.record_ended(at + 1);
                }
                self.last = match (byte, ended) {
                    (b'\r', true) => Last::ReturnOfEvent,
                    (b'\r', false) => Last::Return,
                    _ => Last::Other,
                };
            }
            (b':', _) => self.in_line = true,
            _ => {
                if !self.in_event {
                    meter.take()?;
                }
                self.in_event = true;
                self.in_line = true;
            }
        }
        Ok(())
    }
}
