//! The Merkle tree of RFC 6962 §2.1: hashes, a frontier that grows with each
//! leaf, and proofs.
//!
//! Proofs are made of the roots of a few leaf ranges. [`inclusion_ranges`] and
//! [`consistency_ranges`] name them, so that a store may compute them by
//! streaming leaf hashes through a [`Frontier`] in bounded memory;
//! [`inclusion_proof`] and [`consistency_proof`] do so from an accessor.

use std::ops::Range;

use crate::{Hash, LedgerError, sha256, sha256_of};

mod verify;

pub use verify::{verify_consistency, verify_inclusion};

/// `SHA-256(0x00 ‖ leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256_of(&[&[0x00], leaf])
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256_of(&[&[0x01], left, right])
}

/// The root of the tree without leaves, `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// The root over leaf hashes in their order.
#[must_use]
pub fn root(leaf_hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for hash in leaf_hashes {
        frontier.append(*hash);
    }
    frontier.root()
}

/// The right edge of a growing tree: the roots of its perfect subtrees, the
/// largest first — one for each bit that is set in the size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of the next leaf, in O(log n).
    pub fn append(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        // Like a carry in binary addition: each bit that is set merges two subtrees.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.subtrees.iter().rev();
        let Some(last) = smallest_first.next() else { return empty_root() };
        smallest_first.fold(*last, |right, left| node_hash(left, &right))
    }

    /// For storage: the size in 8 big-endian bytes, then the subtrees' roots.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend(self.subtrees.iter().flatten());
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`LedgerError::Frontier`] when the length doesn't fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LedgerError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(LedgerError::Frontier)?;
        let (subtrees, remainder) = rest.as_chunks::<32>();
        let size = u64::from_be_bytes(*size);
        if !remainder.is_empty() || u64::from(size.count_ones()) != subtrees.len() as u64 {
            return Err(LedgerError::Frontier);
        }
        Ok(Self { size, subtrees: subtrees.to_vec() })
    }
}

/// The leaf ranges whose roots prove that leaf `index` is in the tree of
/// `size` leaves, in the proof's order (RFC 6962 §2.1.1).
///
/// # Errors
/// [`LedgerError::Range`] unless `index < size`.
pub fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, LedgerError> {
    if index >= size {
        return Err(LedgerError::Range { from: index, size });
    }
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// The leaf ranges whose roots prove that the tree of `old_size` leaves is the
/// beginning of that of `size` leaves, in the proof's order (RFC 6962 §2.1.2).
/// Nothing needs proving when the old tree is empty or the same.
///
/// # Errors
/// [`LedgerError::Range`] unless `old_size <= size`.
pub fn consistency_ranges(old_size: u64, size: u64) -> Result<Vec<Range<u64>>, LedgerError> {
    if old_size > size {
        return Err(LedgerError::Range { from: old_size, size });
    }
    let mut ranges = Vec::new();
    if old_size == 0 {
        return Ok(ranges);
    }
    let (mut start, mut end) = (0, size);
    while old_size != end {
        let middle = start + split(end - start);
        if old_size <= middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    // The verifier knows the old root; only a part of the old tree is news.
    if start > 0 {
        ranges.push(start..end);
    }
    ranges.reverse();
    Ok(ranges)
}

/// The inclusion proof of leaf `index`, with leaf hashes from `leaf_at`.
///
/// # Errors
/// [`LedgerError::Range`], or what `leaf_at` fails with.
pub fn inclusion_proof<E: From<LedgerError>>(
    index: u64,
    size: u64,
    leaf_at: impl FnMut(u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    range_roots(inclusion_ranges(index, size)?, leaf_at)
}

/// The consistency proof between two sizes, with leaf hashes from `leaf_at`.
///
/// # Errors
/// [`LedgerError::Range`], or what `leaf_at` fails with.
pub fn consistency_proof<E: From<LedgerError>>(
    old_size: u64,
    size: u64,
    leaf_at: impl FnMut(u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    range_roots(consistency_ranges(old_size, size)?, leaf_at)
}

fn range_roots<E>(
    ranges: Vec<Range<u64>>,
    mut leaf_at: impl FnMut(u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    ranges
        .into_iter()
        .map(|range| {
            let mut frontier = Frontier::default();
            for index in range {
                frontier.append(leaf_at(index)?);
            }
            Ok(frontier.root())
        })
        .collect()
}

/// The largest power of two below `leaves`, which is at least 2.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
