//! Any body, counted by its bytes: every so many that have begun are a record.

use std::num::NonZeroU64;

use crate::meter::{Halt, Meter};

#[derive(Clone, Copy)]
pub(crate) struct Pieces {
    record_bytes: NonZeroU64,
    /// Bytes that the record which began last still has.
    left: u64,
}

impl Pieces {
    pub(crate) fn new(record_bytes: NonZeroU64) -> Self {
        Self { record_bytes, left: 0 }
    }

    pub(crate) fn push(&mut self, chunk: &[u8], meter: &mut Meter) -> Result<(), Halt> {
        let length = chunk.len() as u64;
        let Some(beyond) = length.checked_sub(self.left) else {
            self.left -= length;
            return Ok(());
        };
        let wanted = beyond.div_ceil(self.record_bytes.get());
        let taken = meter.take_some(wanted);
        let paid = self.left.saturating_add(taken.saturating_mul(self.record_bytes.get()));
        if taken < wanted {
            // Less than the chunk's length, as more would have been needed for that.
            meter.record_ended(paid as usize);
            return Err(Halt::Full);
        }
        self.left = paid.saturating_sub(length);
        Ok(())
    }
}
