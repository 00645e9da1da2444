//! NDJSON: every line that isn't blank is a record.

use memchr::memchr2;

use crate::meter::{Halt, Meter};

#[derive(Clone, Default)]
pub(crate) struct Lines {
    in_record: bool,
    /// The last byte was a `\r` that ended a record: a `\n` now belongs to it.
    after_return: bool,
}

impl Lines {
    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && let Some(&byte) = rest.first()
        {
            if self.in_record {
                let Some(length) = memchr2(b'\n', b'\r', rest) else { return Ok(()) };
                at += length + 1;
                self.in_record = false;
                self.after_return = rest.get(length) == Some(&b'\r');
                meter.record_ended(at);
                continue;
            }
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => meter.record_ended(at + 1),
                b'\n' | b'\r' | b' ' | b'\t' => {}
                _ => {
                    meter.take()?;
                    self.in_record = true;
                }
            }
            at += 1;
        }
        Ok(())
    }
}
