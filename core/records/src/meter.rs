//! What one call of `push` may take, and where in its chunk the last record ended.

use crate::CountError;

pub(crate) struct Meter {
    /// Offset of the chunk in the stream, in bytes.
    base: u64,
    records_max: u64,
    records: u64,
    /// Where in the chunk the last record ended.
    end: usize,
}

/// Why a format's scanner left the chunk before its end.
pub(crate) enum Halt {
    /// The next record would be one more than the call may take.
    Full,
    Failed(CountError),
}

impl Meter {
    pub(crate) fn new(base: u64, records_max: u64) -> Self {
        Self { base, records_max, records: 0, end: 0 }
    }

    /// Charges one record, before its first byte is passed.
    pub(crate) fn take(&mut self) -> Result<(), Halt> {
        if self.records >= self.records_max {
            return Err(Halt::Full);
        }
        self.records += 1;
        Ok(())
    }

    /// Whether so many records more could be charged.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_room(&self, records: u64) -> bool {
        records <= self.records_max.saturating_sub(self.records)
    }

    /// Charges up to so many records; gives how many.
    pub(crate) fn take_some(&mut self, records: u64) -> u64 {
        let taken = records.min(self.records_max.saturating_sub(self.records));
        self.records += taken;
        taken
    }

    /// A record ended just before `at`.
    pub(crate) fn record_ended(&mut self, at: usize) {
        self.end = at;
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    pub(crate) fn end(&self) -> usize {
        self.end
    }

    pub(crate) fn offset_of(&self, at: usize) -> u64 {
        self.base.saturating_add(at as u64)
    }
}
