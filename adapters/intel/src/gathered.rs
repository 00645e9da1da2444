//! A list that is being read, whole or a piece of it.

use crate::address::is_reserved;
use crate::error::FeedError;
use crate::json::{Full, Sink};
use crate::list::{Limits, List};
use crate::networks::{Expected, Networks, Range};
use crate::report::Report;
use crate::text::Ja4;

/// Of a hundred entries, so many may be broken.
const BROKEN_PERCENT_MAX: u64 = 10;
/// Ranges of IPv6 that are neither single nor of whole /64 take twice the memory.
const ODD_WEIGHT: usize = 2;

/// What was read so far.
pub struct Gathered {
    pub list: List,
    pub report: Report,
    pub ranges: u64,
    pub is_full: bool,
    /// Lines that were read.
    pub lines: u64,
    limits: Limits,
    /// Against the limit of memory.
    weight: usize,
    said: Option<u64>,
}

impl Gathered {
    pub fn new(limits: Limits, expected: Expected) -> Self {
        let list = List { networks: Networks::expecting(expected), ..List::default() };
        let report = Report::default();
        Self { list, report, ranges: 0, is_full: false, lines: 0, limits, weight: 0, said: None }
    }

    /// Takes over the piece of the list that follows, and leaves it empty for the next one.
    pub fn absorb(&mut self, piece: &mut Self) -> Result<(), Full> {
        self.weigh(piece.weight)?;
        self.list.networks.absorb(&mut piece.list.networks);
        self.list.ja4.append(&mut piece.list.ja4);
        self.list.asns.append(&mut piece.list.asns);
        self.report.absorb(&mut piece.report, self.lines);
        self.ranges += piece.ranges;
        self.lines += piece.lines;
        piece.report = Report::default();
        (piece.ranges, piece.lines, piece.weight) = (0, 0, 0);
        Ok(())
    }

    pub fn finish(mut self) -> Result<(List, Report), FeedError> {
        let entries = self.ranges + (self.list.ja4.len() + self.list.asns.len()) as u64;
        let all = entries + self.report.reserved + self.report.broken;
        if let Some(said) = self.said
            && said != entries + self.report.reserved
        {
            return Err(FeedError::Cut { said, found: entries });
        }
        let good = entries + self.report.reserved > 0;
        match self.report.first_broken.first() {
            Some(first) if !good || self.report.broken * 100 > all * BROKEN_PERCENT_MAX => {
                return Err(FeedError::Broken {
                    broken: self.report.broken,
                    lines: all,
                    first: first.clone(),
                });
            }
            None if !good => return Err(FeedError::Empty),
            _ => {}
        }
        self.list.networks.settle();
        self.list.ja4.sort_unstable();
        self.list.ja4.dedup();
        self.list.asns.sort_unstable();
        self.list.asns.dedup();
        self.report.entries = entries;
        self.report.kept = self.list.kept() as u64;
        Ok((self.list, self.report))
    }

    fn weigh(&mut self, weight: usize) -> Result<(), Full> {
        self.weight += weight;
        self.is_full = self.weight > self.limits.entries_max;
        if self.is_full { Err(Full) } else { Ok(()) }
    }
}

impl Sink for Gathered {
    fn range(&mut self, range: Range) -> Result<(), Full> {
        if is_reserved(range) {
            self.report.reserved += 1;
            return Ok(());
        }
        let odd = matches!(range, Range::V6(first, last) if first != last && (first as u64 != 0 || last as u64 != u64::MAX));
        self.weigh(if odd { ODD_WEIGHT } else { 1 })?;
        self.ranges += 1;
        self.list.networks.add(range);
        Ok(())
    }

    fn ja4(&mut self, ja4: Ja4) -> Result<(), Full> {
        self.weigh(3)?;
        self.list.ja4.push(ja4);
        Ok(())
    }

    fn asn(&mut self, asn: u32) -> Result<(), Full> {
        self.weigh(1)?;
        self.list.asns.push(asn);
        Ok(())
    }

    fn broken(&mut self, value: u64, text: &str) {
        self.report.broken(value, text.as_bytes(), "is not what its name says");
    }

    fn said(&mut self, entries: u64) {
        self.said = Some(entries);
    }
}
