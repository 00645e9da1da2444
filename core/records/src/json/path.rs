//! Where the scanner is, compared with the route's pointer.

use super::nesting::Container;
use crate::JsonPointer;

/// Knows which of the open containers lie on the way of the pointer. The containers at depths
/// 1 to `matched` do; the one at depth `n` is reached by the first `n - 1` steps of the pointer.
#[derive(Clone)]
pub(super) struct Path {
    pointer: JsonPointer,
    matched: usize,
    /// The value that comes next in the container at depth `matched` is the pointer's next step.
    next_matches: bool,
    /// Elements that have begun in that container, if it is an array.
    elements: u64,
    key: Key,
}

/// The key that is being read, compared with the pointer's next step.
#[derive(Clone)]
struct Key {
    /// Bytes that were equal so far; `None` once one wasn't.
    equal: Option<usize>,
    /// The first half of a surrogate pair, waiting for the second.
    high: Option<u16>,
}

impl Path {
    pub(super) fn new(pointer: JsonPointer) -> Self {
        let key = Key { equal: None, high: None };
        Self { pointer, matched: 0, next_matches: true, elements: 0, key }
    }

    pub(super) fn is_root(&self) -> bool {
        self.pointer.is_root()
    }

    /// Whether the open container at `depth` lies on the way.
    pub(super) fn holds(&self, depth: usize) -> bool {
        depth <= self.matched
    }

    /// A new document begins.
    pub(super) fn restart(&mut self) {
        self.matched = 0;
        self.next_matches = true;
    }

    /// A container opens at `depth`. True if it is the one that the pointer points to.
    pub(super) fn open(&mut self, depth: usize) -> bool {
        if self.matched + 1 != depth || !self.next_matches {
            return false;
        }
        self.matched = depth;
        self.next_matches = false;
        self.elements = 0;
        depth == self.pointer.length() + 1
    }

    /// The container at `depth` closes, which lies in `outer`.
    pub(super) fn close(&mut self, depth: usize, outer: Option<Container>) {
        if self.matched != depth {
            return;
        }
        self.matched -= 1;
        self.next_matches = false;
        if outer == Some(Container::Array) {
            // It was entered at the step's index, so that many elements and one have begun.
            self.elements = self.step_index().map_or(0, |index| index.saturating_add(1));
        }
    }

    /// An element begins in the array at `depth`.
    pub(super) fn element(&mut self, depth: usize) {
        if self.matched == depth {
            self.next_matches = self.step_index() == Some(self.elements);
            self.elements = self.elements.saturating_add(1);
        }
    }

    /// A key begins in the object at `depth`. True if its bytes are to be shown.
    pub(super) fn key_begin(&mut self, depth: usize) -> bool {
        let is_watched = self.matched == depth && self.step_name().is_some();
        self.key = Key { equal: is_watched.then_some(0), high: None };
        if self.matched == depth {
            self.next_matches = false;
        }
        is_watched
    }

    /// Bytes of a watched key that were written as they are.
    pub(super) fn key_bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.key.high.take().is_some() {
            self.key.equal = None;
        }
        self.key_compare(bytes);
    }

    /// A UTF-16 code unit of a watched key that was written as `\uXXXX`.
    pub(super) fn key_unit(&mut self, unit: u16) {
        let units = self.key.high.take().into_iter().chain([unit]);
        if matches!(unit, 0xd800..=0xdbff) && units.clone().count() == 1 {
            self.key.high = Some(unit);
            return;
        }
        // A lone surrogate is no letter, and so no letter of the pointer.
        for letter in char::decode_utf16(units) {
            match letter {
                Ok(letter) => self.key_compare(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(_) => self.key.equal = None,
            }
        }
    }

    pub(super) fn key_end(&mut self) {
        let is_whole = self.key.high.is_none() && self.key.equal == self.step_name().map(<[u8]>::len);
        self.next_matches = self.key.equal.is_some() && is_whole;
    }

    fn key_compare(&mut self, bytes: &[u8]) {
        let Some(equal) = self.key.equal else { return };
        let expected = self.step_name().and_then(|name| name.get(equal..equal.checked_add(bytes.len())?));
        self.key.equal = (expected == Some(bytes)).then_some(equal + bytes.len());
    }

    fn step_name(&self) -> Option<&[u8]> {
        let token = self.pointer.token(self.matched.checked_sub(1)?)?;
        Some(token.name.as_bytes())
    }

    fn step_index(&self) -> Option<u64> {
        self.pointer.token(self.matched.checked_sub(1)?)?.index
    }
}
