//! Entries of the decision log on their way to control, as they were written.

use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord, PayloadError, Verdict,
};
use serde::{Deserialize, Serialize};

/// Kind, length of the payload in four bytes, and the id: before each payload.
const ENTRY_HEAD_BYTES: usize = 1 + 4 + 16;

/// What a core has written, in the order in which it was written. Nobody reads the records on the
/// way: only who is asked about one does.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct LogBatch {
    bytes: Vec<u8>,
    entries: usize,
    /// Decisions by verdict, in the order of [`Verdict::ALL`].
    verdicts: [u64; Verdict::ALL.len()],
}

/// One entry of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEntry<'a> {
    pub kind: u8,
    pub id: DecisionId,
    pub payload: &'a [u8],
}

impl LogBatch {
    pub fn push_decision(&mut self, id: DecisionId, verdict: Verdict, payload: &[u8]) {
        if let Some(count) = self.verdicts.get_mut(verdict.rank()) {
            *count += 1;
        }
        self.push(DECISION_KIND, id, payload);
    }

    pub fn push_outcome(&mut self, id: DecisionId, payload: &[u8]) {
        self.push(OUTCOME_KIND, id, payload);
    }

    fn push(&mut self, kind: u8, id: DecisionId, payload: &[u8]) {
        let Ok(length) = u32::try_from(payload.len()) else { return };
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&id.0);
        self.bytes.extend_from_slice(payload);
        self.entries += 1;
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many decisions had each verdict.
    pub fn by_verdict(&self) -> impl Iterator<Item = (Verdict, u64)> {
        Verdict::ALL.into_iter().zip(self.verdicts)
    }

    /// The entries, in the order in which they were written.
    pub fn entries(&self) -> impl Iterator<Item = LogEntry<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_at_checked(ENTRY_HEAD_BYTES)?;
            let (kind, head) = head.split_first()?;
            let (length, id) = head.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (payload, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(LogEntry { kind: *kind, id: DecisionId(id.try_into().ok()?), payload })
        })
    }

    /// The records in it.
    ///
    /// # Errors
    /// A payload is not what its kind says.
    pub fn records(&self) -> Result<(Vec<DecisionRecord>, Vec<OutcomeRecord>), PayloadError> {
        let (mut decided, mut ended) = (Vec::new(), Vec::new());
        for entry in self.entries() {
            match entry.kind {
                DECISION_KIND => decided.push(DecisionRecord::from_bytes(entry.payload)?),
                OUTCOME_KIND => ended.push(OutcomeRecord::from_bytes(entry.payload)?),
                _ => {}
            }
        }
        Ok((decided, ended))
    }

    /// A batch of these records.
    ///
    /// # Errors
    /// A record can't be written.
    pub fn of(decided: &[DecisionRecord], ended: &[OutcomeRecord]) -> Result<Self, PayloadError> {
        let mut batch = Self::default();
        for record in decided {
            batch.push_decision(record.id, record.verdict, &record.to_bytes()?);
        }
        for record in ended {
            batch.push_outcome(record.id, &record.to_bytes()?);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_as_they_went_in() {
        let id = |time| DecisionId::new(time, [7; 10]);
        let mut batch = LogBatch::default();
        assert!(batch.is_empty() && batch.entries().next().is_none());
        batch.push_decision(id(1), Verdict::Deny, b"one");
        batch.push_decision(id(2), Verdict::Allow, b"");
        batch.push_outcome(id(1), b"end");
        let entries: Vec<_> = batch.entries().map(|entry| (entry.kind, entry.id, entry.payload)).collect();
        assert_eq!(
            entries,
            [
                (DECISION_KIND, id(1), b"one".as_slice()),
                (DECISION_KIND, id(2), b""),
                (OUTCOME_KIND, id(1), b"end")
            ]
        );
        assert_eq!(batch.len(), 3);
        let counts: Vec<u64> = batch.by_verdict().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 0, 0, 1, 0]);
        assert!(batch.records().is_err(), "no payloads of records");
    }
}
