//! Checking proofs without the tree: RFC 9162 §2.1.3.2 and §2.1.4.2, which
//! spell out the verification that RFC 6962 leaves to the reader.

use super::{empty_root, node_hash};
use crate::{Hash, LedgerError};

/// Checks that the leaf with this hash stands at `index` of the tree with
/// this `size` and `root`.
///
/// # Errors
/// [`LedgerError::Range`] for an index outside, else [`LedgerError::Proof`].
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), LedgerError> {
    if index >= size {
        return Err(LedgerError::Range { from: index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf_hash;
    for step in proof {
        if last == 0 {
            return Err(LedgerError::Proof); // Longer than the tree is high.
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            climb_past_missing_siblings(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(LedgerError::Proof) }
}

/// Checks that the tree of `old_size` leaves and root `old_root` is the
/// beginning of the tree of `size` leaves and root `root`.
///
/// # Errors
/// [`LedgerError::Range`] for sizes that shrink, else [`LedgerError::Proof`].
pub fn verify_consistency(
    old_size: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), LedgerError> {
    if old_size > size {
        return Err(LedgerError::Range { from: old_size, size });
    }
    let holds = if old_size == size {
        proof.is_empty() && old_root == root
    } else if old_size == 0 {
        proof.is_empty() && *old_root == empty_root()
    } else {
        grown(old_size, size, proof, old_root) == Some((*old_root, *root))
    };
    if holds { Ok(()) } else { Err(LedgerError::Proof) }
}

/// The old and the new root that the proof leads to, for `0 < old_size < size`.
fn grown(old_size: u64, size: u64, proof: &[Hash], old_root: &Hash) -> Option<(Hash, Hash)> {
    let (mut node, mut last) = (old_size - 1, size - 1);
    let complete = node.trailing_ones();
    node >>= complete;
    last >>= complete;
    // An old tree that is one perfect subtree is its own first step.
    let (start, steps) = if old_size.is_power_of_two() {
        (*old_root, proof)
    } else {
        proof.split_first().map(|(first, rest)| (*first, rest))?
    };
    let (mut old, mut new) = (start, start);
    for step in steps {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(step, &old);
            new = node_hash(step, &new);
            climb_past_missing_siblings(&mut node, &mut last);
        } else {
            new = node_hash(&new, step);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old, new))
}

/// A node on the right edge without a sibling is its own parent: go up until
/// it is a right child, or the root.
fn climb_past_missing_siblings(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}
