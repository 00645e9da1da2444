//! The open arrays and objects, one bit for each.

/// How many arrays and objects may be open at once.
pub const DEPTH_MAX: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

#[derive(Clone)]
pub(super) struct Nesting {
    /// Bit `depth - 1` is set if the container at that depth is an array.
    arrays: [u64; DEPTH_MAX / 64],
    depth: usize,
}

impl Nesting {
    pub(super) fn new() -> Self {
        Self { arrays: [0; DEPTH_MAX / 64], depth: 0 }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// False if there is no room.
    #[must_use]
    pub(super) fn open(&mut self, container: Container) -> bool {
        let Some(word) = self.arrays.get_mut(self.depth / 64) else { return false };
        let bit = 1 << (self.depth % 64);
        match container {
            Container::Array => *word |= bit,
            Container::Object => *word &= !bit,
        }
        self.depth += 1;
        true
    }

    /// Closes the innermost container, whatever it is.
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn innermost(&self) -> Option<Container> {
        let place = self.depth.checked_sub(1)?;
        let is_array = self.arrays.get(place / 64)? >> (place % 64) & 1 == 1;
        Some(if is_array { Container::Array } else { Container::Object })
    }
}
