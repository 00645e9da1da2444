//! Known vectors, and every proof against the recursive definitions of
//! RFC 6962 §2.1.

use proptest::prelude::*;

use super::*;
use crate::{from_hex, hex};

/// Leaves of the reference tree that Certificate Transparency's libraries share.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// Its roots after 1 to 8 leaves.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn reference_hashes() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect()
}

#[test]
fn roots_of_the_reference_tree() {
    assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let hashes = reference_hashes();
    for (size, expect) in (1..).zip(ROOTS) {
        assert_eq!(hex(&root(&hashes[..size])), expect, "size {size}");
    }
}

#[test]
fn proofs_of_the_reference_tree() {
    let check = |proof: Vec<Hash>, expect: &[&str]| {
        assert_eq!(proof.iter().map(hex).collect::<Vec<_>>(), expect);
    };
    let hashes = reference_hashes();
    let leaf_at = |index: u64| Ok::<_, LedgerError>(hashes[usize::try_from(index).unwrap()]);
    check(inclusion_proof(0, 1, leaf_at).unwrap(), &[]);
    check(
        inclusion_proof(0, 8, leaf_at).unwrap(),
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(consistency_proof(1, 1, leaf_at).unwrap(), &[]);
    check(
        consistency_proof(1, 8, leaf_at).unwrap(),
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
}

#[test]
fn ranges_outside_the_tree_are_refused() {
    assert_eq!(inclusion_ranges(3, 3), Err(LedgerError::Range { from: 3, size: 3 }));
    assert_eq!(inclusion_ranges(0, 0), Err(LedgerError::Range { from: 0, size: 0 }));
    assert_eq!(consistency_ranges(4, 3), Err(LedgerError::Range { from: 4, size: 3 }));
    assert_eq!(verify_inclusion(&[0; 32], 3, 3, &[], &[0; 32]), Err(LedgerError::Range { from: 3, size: 3 }));
    assert!(inclusion_ranges(u64::MAX - 1, u64::MAX).is_ok());
}

#[test]
fn malformed_frontiers_are_refused() {
    let mut frontier = Frontier::default();
    for hash in reference_hashes().into_iter().take(7) {
        frontier.append(hash);
    }
    let bytes = frontier.to_bytes();
    assert_eq!(Frontier::from_bytes(&bytes), Ok(frontier));
    for bad in [&bytes[..0], &bytes[..7], &bytes[..bytes.len() - 1], &bytes[..bytes.len() - 32]] {
        assert_eq!(Frontier::from_bytes(bad), Err(LedgerError::Frontier));
    }
}

/// MTH of RFC 6962 §2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let k = naive_split(leaves.len());
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

/// PATH of RFC 6962 §2.1.1.
fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (mut path, other) = if m < k {
        (naive_path(m, &leaves[..k]), naive_root(&leaves[k..]))
    } else {
        (naive_path(m - k, &leaves[k..]), naive_root(&leaves[..k]))
    };
    path.push(other);
    path
}

/// SUBPROOF of RFC 6962 §2.1.2.
fn naive_subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = naive_split(leaves.len());
    let (mut proof, other) = if m <= k {
        (naive_subproof(m, &leaves[..k], whole), naive_root(&leaves[k..]))
    } else {
        (naive_subproof(m - k, &leaves[k..], false), naive_root(&leaves[..k]))
    };
    proof.push(other);
    proof
}

fn naive_split(leaves: usize) -> usize {
    let mut k = 1;
    while k * 2 < leaves {
        k *= 2;
    }
    k
}

fn numbered(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// All trees of up to 33 leaves, all pairs: small enough to leave nothing out.
#[test]
fn all_small_trees_match_the_definition() {
    let hashes = numbered(33);
    let leaf_at = |index: u64| Ok::<_, LedgerError>(hashes[usize::try_from(index).unwrap()]);
    for size in 1..=hashes.len() {
        let whole = naive_root(&hashes[..size]);
        assert_eq!(root(&hashes[..size]), whole);
        for index in 0..size {
            let proof = inclusion_proof(index as u64, size as u64, leaf_at).unwrap();
            assert_eq!(proof, naive_path(index, &hashes[..size]));
            verify_inclusion(&hashes[index], index as u64, size as u64, &proof, &whole).unwrap();
        }
        for old in 1..=size {
            let proof = consistency_proof(old as u64, size as u64, leaf_at).unwrap();
            assert_eq!(proof, naive_subproof(old, &hashes[..size], true));
            let old_root = naive_root(&hashes[..old]);
            verify_consistency(old as u64, size as u64, &proof, &old_root, &whole).unwrap();
        }
        verify_consistency(0, size as u64, &[], &empty_root(), &whole).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_match_the_definition(size in 1..600_usize, a: prop::sample::Index, b: prop::sample::Index) {
        let hashes = numbered(size);
        let leaf_at = |index: u64| Ok::<_, LedgerError>(hashes[usize::try_from(index).unwrap()]);
        let (index, old) = (a.index(size), b.index(size) + 1);
        prop_assert_eq!(
            inclusion_proof(index as u64, size as u64, leaf_at).unwrap(), naive_path(index, &hashes)
        );
        prop_assert_eq!(
            consistency_proof(old as u64, size as u64, leaf_at).unwrap(), naive_subproof(old, &hashes, true)
        );
    }

    /// A changed hash, a missing or an extra step, another place: none verifies.
    #[test]
    fn changed_proofs_are_refused(
        size in 2..100_usize, a: prop::sample::Index, at: prop::sample::Index, bit in 0..256_usize,
    ) {
        let hashes = numbered(size);
        let leaf_at = |index: u64| Ok::<_, LedgerError>(hashes[usize::try_from(index).unwrap()]);
        let (index, old, whole) = (a.index(size), a.index(size - 1) + 1, naive_root(&hashes));
        let old_root = naive_root(&hashes[..old]);
        let included = |proof: &[Hash]| {
            verify_inclusion(&hashes[index], index as u64, size as u64, proof, &whole)
        };
        let consistent = |proof: &[Hash]| {
            verify_consistency(old as u64, size as u64, proof, &old_root, &whole)
        };
        let inclusion = inclusion_proof(index as u64, size as u64, leaf_at).unwrap();
        let consistency = consistency_proof(old as u64, size as u64, leaf_at).unwrap();
        for (proof, verify) in [
            (inclusion.clone(), &included as &dyn Fn(&[Hash]) -> Result<(), LedgerError>),
            (consistency, &consistent),
        ] {
            prop_assert_eq!(verify(&proof), Ok(()));
            let mut flipped = proof.clone();
            flipped[at.index(proof.len())][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify(&flipped), Err(LedgerError::Proof));
            prop_assert_eq!(verify(&proof[1..]), Err(LedgerError::Proof));
            let longer = [proof.as_slice(), &[[0; 32]]].concat();
            prop_assert_eq!(verify(&longer), Err(LedgerError::Proof));
        }
        let elsewhere = (index + 1) % size;
        prop_assert_eq!(
            verify_inclusion(&hashes[index], elsewhere as u64, size as u64, &inclusion, &whole),
            Err(LedgerError::Proof)
        );
        let wrong_old = verify_consistency(old as u64, size as u64, &[], &whole, &whole);
        prop_assert_eq!(wrong_old, Err(LedgerError::Proof));
    }

    #[test]
    fn a_frontier_survives_storage_at_any_moment(before in 0..300_usize, after in 0..40_usize) {
        let hashes = numbered(before + after);
        let mut frontier = Frontier::default();
        for hash in &hashes[..before] {
            frontier.append(*hash);
        }
        let mut restored = Frontier::from_bytes(&frontier.to_bytes()).unwrap();
        for hash in &hashes[before..] {
            restored.append(*hash);
        }
        prop_assert_eq!(restored.size(), hashes.len() as u64);
        prop_assert_eq!(restored.root(), naive_root(&hashes));
    }
}

#[test]
fn hex_reads_back_and_is_strict() {
    let hash = sha256(b"x");
    assert_eq!(from_hex(&hex(&hash)), Some(hash));
    for bad in ["", "00", &hex(&hash).to_uppercase(), &hex(&hash).replace('2', "g")] {
        assert_eq!(from_hex(bad), None);
    }
}
