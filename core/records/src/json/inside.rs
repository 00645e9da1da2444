//! The inside of containers in which nothing counts: elements of the counted array, and what lies
//! off the way of the pointer. Almost all bytes of a body are there.
//!
//! Only the place of the closing bracket matters, so that whole blocks are looked at. **Kept** of
//! the grammar is all that could move that place for any reader of JSON:
//! - strings: from quote to quote, with escapes as RFC 8259, section 7, has them, without control
//!   characters. A reader that guesses at `\u"` or at a raw line end would find another end;
//! - brackets: every closing one is of the kind that is open, no more than
//!   [`DEPTH_MAX`](super::DEPTH_MAX) are open;
//! - the alphabet: outside of strings only white space, `[ ] { } , :`, letters, digits and `+ - .`.
//!   So comments and other kinds of quotes, in which lenient readers hide brackets, are faults;
//! - a string stands alone: a quote that follows a letter, a digit or another string without
//!   anything between them would be part of a plain word to some reader.
//!
//! **Dropped** is the order of values, commas and colons, and how numbers and names are spelt:
//! neither contains a bracket or a quote, so that the closing bracket stays where it is, and what is
//! between the brackets is one record (or none, off the pointer's way) whatever it says. Around
//! these containers the grammar is checked byte by byte, as before.

use super::nesting::{Container, Passed};
use super::{Json, Place};
use crate::CountError;
use crate::blocks::{BLOCK_BYTES, Block, Carry, Classifier};
use crate::meter::{Halt, Meter};

impl Json {
    /// Reads up to the end of the innermost container in which nothing counts, through its next
    /// siblings if they are containers too, or to the end of the chunk.
    #[inline(always)]
    pub(crate) fn inside<C: Classifier>(
        &mut self,
        classifier: C,
        chunk: &[u8],
        mut at: usize,
        meter: &mut Meter,
    ) -> Result<usize, Halt> {
        let Place::Inside { floor, mut carry } = self.place else { return Ok(at) };
        let mut top = self.nesting.top(usize::from(floor));
        let mut padded = [b' '; BLOCK_BYTES];
        while let Some(block) = Block::at(chunk, at, &mut padded) {
            let (signs, after) = carry.read(classifier, &block);
            let mut left = signs.brackets;
            let mut next = at + block.length;
            carry = after;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let place = at + bit as usize;
                match top.pass(block.byte(bit), &mut self.nesting) {
                    Passed::Inside => continue,
                    Passed::AtFloor => {}
                    fault => return Err(fault_of(fault, place, meter)),
                }
                self.nesting.put_back(&top);
                self.close(place, meter);
                let Some(sibling) = self.sibling(chunk, place + 1) else { return Ok(place + 1) };
                self.begin_value(sibling.byte, sibling.at, meter)?;
                if !matches!(self.place, Place::Inside { .. }) {
                    return Ok(sibling.at + 1);
                }
                top = self.nesting.top(usize::from(floor));
                let passed = sibling.at - at;
                if passed >= BLOCK_BYTES {
                    next = sibling.at + 1;
                    carry = Carry::default();
                    break;
                }
                // Up to its bracket there was nothing that these signs would have to be read for.
                left &= (u64::MAX << passed) << 1;
            }
            if let Some(bit) = signs.fault() {
                return Err(fault_inside(block.byte(bit), at + bit as usize, meter));
            }
            at = next;
        }
        self.nesting.put_back(&top);
        self.place = Place::Inside { floor, carry };
        Ok(at)
    }

    /// The container that is the next element, if the chunk shows it: only white space and one
    /// comma lie before it.
    #[inline(always)]
    fn sibling(&self, chunk: &[u8], at: usize) -> Option<Sibling> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if self.nesting.innermost() != Some(Container::Array) {
            return None;
        }
        let comma = at + chunk.get(at..)?.iter().position(|byte| !is_space(byte))?;
        let (_, after) = chunk.get(comma..)?.split_first().filter(|(byte, _)| **byte == b',')?;
        let (skipped, byte) = after.iter().enumerate().find(|(_, byte)| !is_space(byte))?;
        matches!(byte, b'{' | b'[').then_some(Sibling { byte: *byte, at: comma + 1 + skipped })
    }
}

struct Sibling {
    byte: u8,
    at: usize,
}

fn fault_of(passed: Passed, at: usize, meter: &Meter) -> Halt {
    let offset = meter.offset_of(at);
    Halt::Failed(match passed {
        Passed::TooDeep => CountError::TooDeep { offset },
        _ => CountError::Mismatched { offset },
    })
}

fn fault_inside(byte: u8, at: usize, meter: &Meter) -> Halt {
    let offset = meter.offset_of(at);
    Halt::Failed(if byte < b' ' {
        CountError::ControlCharacter { offset, byte }
    } else {
        CountError::Unexpected { offset, byte }
    })
}
