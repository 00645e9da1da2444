//! Rows in a pack: that they stand in their sealed files, are of the vendor and the window, and what they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::VendorId;
use portcullis_ledger::tree::leaf_hash;
use portcullis_ledger::{Hash, LedgerError, from_hex, ranges};
use serde::Deserialize;

use super::{VerifyError, is_decisions};
use crate::evidence::{Evidence, Ranges, SealedLine, Section};
use crate::tally::{Counted, Names};
use crate::{Counter, UNSEALED, Window};

/// Of one row: some hundred bytes usually.
const LINE_BYTES_MAX: usize = 1 << 20;
const BUFFER_BYTES: usize = 1 << 18;

/// A decision as its leaf has it.
#[derive(Deserialize)]
struct Decided {
    decision: DecisionRecord,
    outcome: Option<OutcomeRecord>,
}

/// An outcome that stands apart from its decision.
#[derive(Deserialize)]
struct Ended {
    outcome: OutcomeRecord,
    vendor: Option<VendorId>,
}

pub(super) struct Rows<'a> {
    window: Window,
    evidence: &'a Evidence,
    counter: Counter,
    /// Of the files whose rows come next.
    ranges: BTreeMap<usize, Ranges>,
    seen: BTreeSet<usize>,
    proved: u64,
    unsealed: u64,
}

impl<'a> Rows<'a> {
    pub fn new(window: Window, evidence: &'a Evidence) -> Self {
        let wanted = evidence.sections.iter().flat_map(|section| match section {
            Section::Severances { lines } => lines.iter().filter_map(|line| line.decision).collect(),
            _ => Vec::new(),
        });
        Self {
            window,
            evidence,
            counter: Counter::new(window, wanted.collect()),
            ranges: BTreeMap::new(),
            seen: BTreeSet::new(),
            proved: 0,
            unsealed: 0,
        }
    }

    pub fn proved(&self) -> u64 {
        self.proved
    }

    pub fn unsealed(&self) -> u64 {
        self.unsealed
    }

    pub fn ranges(&mut self, number: usize, ranges: Ranges) {
        self.ranges.insert(number, ranges);
    }

    /// The rows of a sealed file, which lead to the root in the ledger.
    pub fn sealed(
        &mut self,
        name: &str,
        number: usize,
        sealed: &SealedLine,
        from: &mut impl Read,
    ) -> Result<(), VerifyError> {
        let fault = |why: &str| VerifyError::Rows { name: name.to_owned(), why: why.to_owned() };
        let written =
            self.ranges.remove(&number).ok_or_else(|| fault("nothing says which of its rows they are"))?;
        if (&written.file, written.rows, &written.rows_root) != (&sealed.file, sealed.rows, &sealed.rows_root)
        {
            return Err(fault("they are said to be those of another file"));
        }
        // Whoever counts them in another order might count something else.
        if self.seen.last().is_some_and(|last| *last >= number) {
            return Err(fault("they come in another order than the evidence names them"));
        }
        self.seen.insert(number);
        let runs: Vec<Range<u64>> = written.ranges.iter().map(|(start, end)| *start..*end).collect();
        let hashes = written.hashes.iter().map(|hash| Hash::try_from(STANDARD.decode(hash).ok()?).ok());
        let hashes: Option<Vec<Hash>> = hashes.collect();
        let hashes = hashes.ok_or_else(|| fault("a hash of their proof is none"))?;
        let expected = from_hex(&sealed.rows_root).ok_or_else(|| fault("the root of the file is no hash"))?;
        let mut lines = Lines::new(from);
        let (mut rows, mut last) = (0_u64, None);
        let root = ranges::root::<VerifyError>(sealed.rows, &runs, &hashes, &mut || {
            let line = lines.next()?.ok_or_else(|| fault("there are fewer than it says"))?;
            rows += 1;
            let id = take(&mut self.counter, self.window.vendor, line, is_decisions(sealed.content));
            let id = id.map_err(fault)?;
            // As they are written: of one vendor by their ids, and each once.
            if last.replace(id).is_some_and(|last| last >= id) {
                return Err(fault("their ids don't ascend: a row stands there twice, or out of its place"));
            }
            Ok(leaf_hash(line))
        })?;
        if lines.next()?.is_some() {
            return Err(fault("there are more than it says"));
        }
        if root != expected {
            return Err(fault("they don't lead to the root that the ledger holds"));
        }
        if rows != sealed.rows_counted {
            return Err(fault("there are more or fewer than the evidence says"));
        }
        self.proved += rows;
        Ok(())
    }

    /// The rows that no sealed file holds yet.
    pub fn unsealed_rows(&mut self, from: &mut impl Read) -> Result<(), VerifyError> {
        let fault = |why: &str| VerifyError::Rows { name: UNSEALED.to_owned(), why: why.to_owned() };
        let mut lines = Lines::new(from);
        let mut seen = 0;
        while let Some(line) = lines.next()? {
            let decided = line.starts_with(b"{\"decision\":");
            take(&mut self.counter, self.window.vendor, line, decided).map_err(fault)?;
            seen += u64::from(decided);
        }
        self.unsealed = seen;
        if seen != self.evidence.sources.unsealed_rows {
            return Err(fault("there are more or fewer than the evidence says"));
        }
        Ok(())
    }

    pub fn finish(self, names: &Names) -> Result<Counted, VerifyError> {
        if self.seen.len() != self.evidence.sources.sealed.len() {
            return Err(VerifyError::Count("rows"));
        }
        Ok(self.counter.finish(names))
    }
}

/// Counts a row, if it is one that belongs here, and says of which decision it is.
fn take(
    counter: &mut Counter,
    vendor: VendorId,
    line: &[u8],
    decided: bool,
) -> Result<DecisionId, &'static str> {
    if decided {
        let row: Decided = serde_json::from_slice(line).map_err(|_| "a row is no decision")?;
        if !counter.takes(&row.decision) {
            return Err("a row is of another vendor, or outside of the window");
        }
        let id = row.decision.id;
        counter.decision(row.decision, row.outcome);
        Ok(id)
    } else {
        let row: Ended = serde_json::from_slice(line).map_err(|_| "a row is no outcome")?;
        if row.vendor != Some(vendor) || !counter.may_take(row.outcome.id) {
            return Err("a row is of another vendor, or outside of the window");
        }
        let id = row.outcome.id;
        counter.outcome(row.outcome);
        Ok(id)
    }
}

/// Lines of bounded length.
struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(BUFFER_BYTES, from), line: Vec::new() }
    }

    /// Without the newline that ends it.
    fn next(&mut self) -> Result<Option<&[u8]>, VerifyError> {
        self.line.clear();
        let read = (&mut self.from).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        let fault = |why: &str| VerifyError::Rows { name: "a member".to_owned(), why: why.to_owned() };
        match self.line.split_last() {
            Some((b'\n', line)) => Ok(Some(line)),
            _ if read > LINE_BYTES_MAX => Err(fault("a row is too long")),
            _ => Err(fault("the last row is torn")),
        }
    }
}

impl From<LedgerError> for VerifyError {
    fn from(error: LedgerError) -> Self {
        Self::Rows { name: "a member".to_owned(), why: error.to_string() }
    }
}
