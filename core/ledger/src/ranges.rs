//! Proof that leaves at many places stand in a tree (RFC 6962 §2.1): the roots of the largest subtrees that hold none of
//! them, from left to right.
//!
//! Whoever has the leaves computes the tree's root anew: a subtree that holds some of them is made of its two halves, one
//! that holds none is the next root of the proof. For one leaf these are the hashes of its inclusion proof, in the order of
//! their places.

use std::ops::Range;

use crate::tree::{self, node_hash, split};
use crate::{Hash, LedgerError};

/// The proof for the leaves in `ranges`, which are sorted, apart and not empty.
///
/// # Errors
/// [`LedgerError::Range`] for ranges that are none, or beyond the leaves.
pub fn prove(leaf_hashes: &[Hash], ranges: &[Range<u64>]) -> Result<Vec<Hash>, LedgerError> {
    check(ranges, leaf_hashes.len() as u64)?;
    let mut proof = Vec::new();
    gather(leaf_hashes, 0, ranges, &mut proof);
    Ok(proof)
}

/// The root of the tree of `size` leaves, from the hashes of those in `ranges`, one after the other, and the proof for the
/// others.
///
/// # Errors
/// [`LedgerError::Range`] for ranges that are none, [`LedgerError::Proof`] if leaves or proof are too few or too many, and
/// what `leaf` fails with.
pub fn root<E: From<LedgerError>>(
    size: u64,
    ranges: &[Range<u64>],
    proof: &[Hash],
    leaf: &mut dyn FnMut() -> Result<Hash, E>,
) -> Result<Hash, E> {
    check(ranges, size)?;
    if size == 0 {
        return if proof.is_empty() { Ok(tree::empty_root()) } else { Err(LedgerError::Proof.into()) };
    }
    let mut others = proof.iter();
    let root = rebuild(0..size, ranges, &mut others, leaf)?;
    if others.next().is_some() {
        return Err(LedgerError::Proof.into());
    }
    Ok(root)
}

fn check(ranges: &[Range<u64>], size: u64) -> Result<(), LedgerError> {
    let mut end = 0;
    for range in ranges {
        // Two that touch are one: a set of leaves has one form.
        let apart = range.start > end || end == 0;
        if !apart || range.start >= range.end || range.end > size {
            return Err(LedgerError::Range { from: range.start, size });
        }
        end = range.end;
    }
    Ok(())
}

/// Those that lie, at least with a part, in `within`.
fn touching<'a>(ranges: &'a [Range<u64>], within: &Range<u64>) -> &'a [Range<u64>] {
    let begin = ranges.partition_point(|range| range.end <= within.start);
    let end = ranges.partition_point(|range| range.start < within.end);
    ranges.get(begin..end).unwrap_or_default()
}

fn gather(leaf_hashes: &[Hash], start: u64, ranges: &[Range<u64>], proof: &mut Vec<Hash>) {
    let within = start..start + leaf_hashes.len() as u64;
    let ranges = touching(ranges, &within);
    if ranges.is_empty() {
        // The tree without leaves has no subtrees.
        if !leaf_hashes.is_empty() {
            proof.push(tree::root(leaf_hashes));
        }
        return;
    }
    let covered = ranges.first().is_some_and(|range| range.start <= within.start && within.end <= range.end);
    if covered || leaf_hashes.len() < 2 {
        return;
    }
    let half = split(leaf_hashes.len() as u64);
    let Some((left, right)) = usize::try_from(half).ok().and_then(|half| leaf_hashes.split_at_checked(half))
    else {
        return;
    };
    gather(left, start, ranges, proof);
    gather(right, start + half, ranges, proof);
}

/// At most 64 levels deep: each halves the leaves.
fn rebuild<E: From<LedgerError>>(
    within: Range<u64>,
    ranges: &[Range<u64>],
    others: &mut std::slice::Iter<'_, Hash>,
    leaf: &mut dyn FnMut() -> Result<Hash, E>,
) -> Result<Hash, E> {
    let ranges = touching(ranges, &within);
    if ranges.is_empty() {
        return others.next().copied().ok_or_else(|| LedgerError::Proof.into());
    }
    if within.end - within.start == 1 {
        return leaf();
    }
    let middle = within.start + split(within.end - within.start);
    let left = rebuild(within.start..middle, ranges, others, leaf)?;
    let right = rebuild(middle..within.end, ranges, others, leaf)?;
    Ok(node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf_hash;
    use proptest::prelude::*;

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    fn ranges_of(taken: &[bool]) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for at in taken.iter().enumerate().filter(|(_, taken)| **taken).map(|(at, _)| at as u64) {
            match ranges.last_mut().filter(|range| range.end == at) {
                Some(range) => range.end += 1,
                None => ranges.push(at..at + 1),
            }
        }
        ranges
    }

    fn rebuilt(
        size: u64,
        ranges: &[Range<u64>],
        proof: &[Hash],
        some: &mut dyn Iterator<Item = Hash>,
    ) -> Result<Hash, LedgerError> {
        root(size, ranges, proof, &mut || some.next().ok_or(LedgerError::Proof))
    }

    proptest! {
        #[test]
        fn any_leaves_lead_to_the_root_and_others_to_another(
            taken in proptest::collection::vec(any::<bool>(), 0..70),
            changed in any::<prop::sample::Index>(),
        ) {
            let all = leaves(taken.len() as u64);
            let ranges = ranges_of(&taken);
            let proof = prove(&all, &ranges).unwrap();
            let some: Vec<Hash> =
                all.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(hash, _)| *hash).collect();
            let size = all.len() as u64;
            prop_assert_eq!(rebuilt(size, &ranges, &proof, &mut some.iter().copied()).unwrap(), tree::root(&all));
            if some.is_empty() {
                return Ok(());
            }
            let mut other = some.clone();
            other[changed.index(some.len())][0] ^= 1;
            prop_assert_ne!(rebuilt(size, &ranges, &proof, &mut other.into_iter()).unwrap(), tree::root(&all));
            let longer = [proof.as_slice(), &[[0; 32]]].concat();
            prop_assert!(rebuilt(size, &ranges, &longer, &mut some.iter().copied()).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                prop_assert!(rebuilt(size, &ranges, shorter, &mut some.iter().copied()).is_err());
            }
        }
    }

    #[test]
    fn one_leaf_has_the_hashes_of_its_inclusion_proof() {
        let all = leaves(11);
        for index in 0..11 {
            let mut single = prove(&all, std::slice::from_ref(&(index..index + 1))).unwrap();
            let at = |at: u64| Ok::<_, LedgerError>(all[usize::try_from(at).unwrap()]);
            let mut path = tree::inclusion_proof(index, 11, at).unwrap();
            single.sort_unstable();
            path.sort_unstable();
            assert_eq!(single, path);
        }
    }

    #[test]
    fn a_set_of_leaves_has_one_form() {
        for bad in [vec![(0, 0)], vec![(3, 2)], vec![(0, 12)], vec![(0, 2), (1, 3)], vec![(0, 2), (2, 3)]] {
            let ranges: Vec<_> = bad.iter().map(|(start, end)| *start..*end).collect();
            assert!(matches!(prove(&leaves(11), &ranges), Err(LedgerError::Range { .. })), "{bad:?}");
        }
        assert_eq!(prove(&leaves(11), &[]).unwrap(), [tree::root(&leaves(11))]);
        assert!(prove(&leaves(11), std::slice::from_ref(&(0..11))).unwrap().is_empty());
    }
}
