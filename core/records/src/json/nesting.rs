//! The open arrays and objects, one bit for each.

/// How many arrays and objects may be open at once.
pub const DEPTH_MAX: usize = 1_024;

const WORD: usize = u64::BITS as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

#[derive(Clone)]
pub(super) struct Nesting {
    /// The innermost containers, the innermost of all in the lowest bit, set if it is an array.
    top: u64,
    /// All others, 64 to a word.
    below: [u64; DEPTH_MAX / WORD - 1],
    depth: usize,
}

/// What a bracket did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Inside,
    /// It closes the container above the floor, which is still open.
    AtFloor,
    Mismatched,
    TooDeep,
}

impl Nesting {
    pub(super) fn new() -> Self {
        Self { top: 0, below: [0; DEPTH_MAX / WORD - 1], depth: 0 }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// False if there is no room.
    #[must_use]
    pub(super) fn open(&mut self, container: Container) -> bool {
        if self.depth == DEPTH_MAX {
            return false;
        }
        if self.depth.is_multiple_of(WORD)
            && let Some(full) = (self.depth / WORD).checked_sub(1)
            && let Some(word) = self.below.get_mut(full)
        {
            *word = self.top;
        }
        self.top = self.top << 1 | u64::from(container == Container::Array);
        self.depth += 1;
        true
    }

    /// Closes the innermost container, whatever it is.
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.top >>= 1;
        if self.depth.is_multiple_of(WORD)
            && let Some(full) = (self.depth / WORD).checked_sub(1)
            && let Some(word) = self.below.get(full)
        {
            self.top = *word;
        }
    }

    pub(super) fn innermost(&self) -> Option<Container> {
        let is_array = self.top & 1 == 1;
        (self.depth > 0).then_some(if is_array { Container::Array } else { Container::Object })
    }

    /// To pass brackets above a floor with.
    #[inline(always)]
    pub(super) fn top(&self, floor: usize) -> Top {
        Top { kinds: self.top, depth: self.depth, floor }
    }

    #[inline(always)]
    pub(super) fn put_back(&mut self, top: &Top) {
        self.top = top.kinds;
        self.depth = top.depth;
    }
}

/// The innermost containers by themselves, so that the processor's registers can hold them.
pub(super) struct Top {
    kinds: u64,
    depth: usize,
    floor: usize,
}

impl Top {
    /// Opens or closes a container, as this bracket says.
    ///
    /// Nobody can foresee which kind of bracket comes next, the processor neither: there are only
    /// branches that are almost never taken.
    #[inline(always)]
    pub(super) fn pass(&mut self, bracket: u8, nesting: &mut Nesting) -> Passed {
        // `[` 0x5b, `{` 0x7b, `]` 0x5d, `}` 0x7d.
        let closes = u64::from(bracket >> 2 & 1);
        let is_array = u64::from(!bracket >> 5 & 1);
        if closes & (self.kinds ^ is_array) == 1 {
            return Passed::Mismatched;
        }
        let depth = self.depth + 1 - 2 * closes as usize;
        if depth == self.floor {
            return Passed::AtFloor;
        }
        if depth.min(self.depth).is_multiple_of(WORD) {
            return self.pass_edge(closes == 1, is_array == 1, nesting);
        }
        let opened = self.kinds << 1 | is_array;
        let closed = self.kinds >> 1;
        self.kinds = closed ^ (opened ^ closed) & closes.wrapping_sub(1);
        self.depth = depth;
        Passed::Inside
    }

    /// Where a word is full, or empty.
    #[cold]
    fn pass_edge(&mut self, closes: bool, is_array: bool, nesting: &mut Nesting) -> Passed {
        nesting.put_back(self);
        let has_room = if closes {
            nesting.close();
            true
        } else {
            nesting.open(if is_array { Container::Array } else { Container::Object })
        };
        *self = nesting.top(self.floor);
        if has_room { Passed::Inside } else { Passed::TooDeep }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use proptest::sample::select;

    use super::{Container, DEPTH_MAX, Nesting, Passed};

    /// Against a stack of brackets. Long runs of one kind go over the edges of the words.
    fn check(brackets: &[u8]) {
        let mut nesting = Nesting::new();
        assert!(nesting.open(Container::Array));
        let mut stack = vec![b'['];
        for &bracket in brackets {
            let opener = stack[stack.len() - 1];
            let expect = match bracket {
                b'[' | b'{' if stack.len() == DEPTH_MAX => Passed::TooDeep,
                b'[' | b'{' => Passed::Inside,
                _ if bracket.wrapping_sub(opener) != 2 => Passed::Mismatched,
                _ if stack.len() == 1 => Passed::AtFloor,
                _ => Passed::Inside,
            };
            let mut top = nesting.top(0);
            assert_eq!(top.pass(bracket, &mut nesting), expect, "{} at {}", bracket as char, stack.len());
            nesting.put_back(&top);
            match (expect, bracket) {
                (Passed::Inside, b'[' | b'{') => stack.push(bracket),
                (Passed::Inside, _) => drop(stack.pop()),
                _ => {}
            }
            assert_eq!(nesting.depth(), stack.len());
            let innermost = if stack.ends_with(b"[") { Container::Array } else { Container::Object };
            assert_eq!(nesting.innermost(), Some(innermost));
        }
    }

    proptest! {
        #[test]
        fn brackets(runs in vec((select(&b"[]{}"[..]), 1..200_usize), 0..60), ups in any::<bool>()) {
            let mut brackets: Vec<u8> = if ups { b"{[".repeat(500) } else { Vec::new() };
            runs.iter().for_each(|(bracket, times)| brackets.extend([*bracket].repeat(*times)));
            check(&brackets);
        }
    }

    #[test]
    fn all_the_way_up_and_down() {
        let up = b"{[[{".repeat(260);
        let down: Vec<u8> = up[..1_023].iter().rev().map(|bracket| bracket + 2).collect();
        check(&[up, down, b"]}".to_vec()].concat());
    }
}
