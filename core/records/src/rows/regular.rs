//! Blocks of 64 bytes of a table whose quotes are where RFC 4180 has them, one bit for each byte.
//!
//! What is regular, and what it counts, is the same as for the bytes one by one; a block that isn't,
//! or whose rows don't all fit, is left to them.

use super::{Place, Rows};
use crate::blocks::{BLOCK_BYTES, TableClassifier};
use crate::meter::Meter;

impl Rows {
    /// Passes whole blocks, up to the first that is left to be read byte by byte.
    #[inline(always)]
    pub(crate) fn regular<C: TableClassifier>(
        &mut self,
        classifier: C,
        chunk: &[u8],
        mut at: usize,
        meter: &mut Meter,
    ) -> usize {
        while let Some(block) = chunk.get(at..).and_then(|rest| rest.first_chunk())
            && self.block(classifier, block, at, meter)
        {
            at += BLOCK_BYTES;
        }
        at
    }

    /// True if the block was passed.
    #[inline(always)]
    fn block<C: TableClassifier>(
        &mut self,
        classifier: C,
        block: &[u8; BLOCK_BYTES],
        at: usize,
        meter: &mut Meter,
    ) -> bool {
        let masks = classifier.table_masks(block);
        let after_comma = matches!(self.place, Place::Plain { after_comma: true });
        let after_quote = matches!(self.place, Place::Quote);
        let at_line_start = matches!(self.place, Place::LineStart);
        let in_field = matches!(self.place, Place::Quoted);

        // From the quote that begins a field up to the one that ends it, without that one.
        let in_quotes = classifier.parities(masks.quotes) ^ u64::from(in_field).wrapping_neg();
        let begins = masks.quotes & in_quotes;
        let ends = masks.quotes & !in_quotes;
        let line_ends = masks.returns | masks.feeds;
        let around = masks.commas | line_ends | masks.quotes;
        let may_begin = around << 1 | u64::from(after_comma || after_quote || at_line_start);
        let after_fields = ends << 1 | u64::from(after_quote);
        if begins & !may_begin | after_fields & !around != 0 {
            return false;
        }

        let outer_ends = line_ends & !in_quotes;
        let after_ends = outer_ends << 1 | u64::from(at_line_start);
        let starts = after_ends & !outer_ends;
        let rows = u64::from(starts.count_ones()) - u64::from(self.header_next && starts != 0);
        if !meter.has_room(rows) {
            return false;
        }
        meter.take_some(rows);
        self.header_next &= starts == 0;

        let row_ends = outer_ends & !after_ends;
        let returns = row_ends & masks.returns;
        let feeds = (returns << 1 | u64::from(self.after_return)) & masks.feeds;
        if row_ends | feeds != 0 {
            meter.record_ended(at + BLOCK_BYTES - (row_ends | feeds).leading_zeros() as usize);
        }
        self.after_return = returns >> 63 == 1;
        self.place = if in_quotes >> 63 == 1 {
            Place::Quoted
        } else if ends >> 63 == 1 {
            Place::Quote
        } else if outer_ends >> 63 == 1 {
            Place::LineStart
        } else {
            Place::Plain { after_comma: masks.commas >> 63 == 1 }
        };
        true
    }
}
