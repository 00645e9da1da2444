//! C2SP `tlog-tiles`: the tree cut into files that everybody can read.
//!
//! A tile holds up to 256 hashes of one level, a bundle as many leaves, each
//! behind its length in 16 big-endian bits. Source: <https://c2sp.org/tlog-tiles>.
//! Beside them lie our payloads, which the specification leaves to the log:
//! see [`payloads_path`].

use crate::tree::{self, empty_root, node_hash};
use crate::{Hash, LedgerError};

/// Hashes of a full tile, and leaves of a full bundle.
pub const TILE_WIDTH: usize = 256;

const LEVEL_BITS: u32 = 8;
/// Above this level a tree of 2^53 leaves has nothing.
const LEVEL_MAX: u8 = 6;

/// Where a tile stands, and how many hashes it holds: 1 to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileName {
    pub level: u8,
    pub index: u64,
    pub width: usize,
}

impl TileName {
    /// `tile/<L>/<N>`, with `.p/<W>` behind it while it isn't full.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }
}

/// A tile with its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub name: TileName,
    pub hashes: Vec<Hash>,
}

impl Tile {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }
}

/// The hashes in a tile's file.
///
/// # Errors
/// [`LedgerError::Tile`] when there aren't as many as `name` says.
pub fn read_tile(name: &TileName, bytes: &[u8]) -> Result<Vec<Hash>, LedgerError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() == name.width {
        Ok(hashes.to_vec())
    } else {
        Err(LedgerError::Tile { path: name.path(), bytes: bytes.len(), width: name.width })
    }
}

/// The bundle of the leaves from `256 · index` on.
#[must_use]
pub fn entries_path(index: u64, width: usize) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// The payloads of a bundle's leaves: one line for each, in their order. Canonical JSON has no line end in it.
#[must_use]
pub fn payloads_path(index: u64, width: usize) -> String {
    format!("payload/{}", numbered(index, width))
}

/// Adds a leaf to a bundle.
///
/// # Errors
/// [`LedgerError::LeafSize`] for more bytes than 16 bits count.
pub fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> Result<(), LedgerError> {
    let size = u16::try_from(leaf.len())
        .map_err(|_| LedgerError::LeafSize { bytes: leaf.len(), max: crate::leaf::LEAF_BYTES_MAX })?;
    bundle.extend_from_slice(&size.to_be_bytes());
    bundle.extend_from_slice(leaf);
    Ok(())
}

/// The tiles of a tree of `size` leaves that aren't full, the lowest first.
#[must_use]
pub fn partial_tiles(size: u64) -> Vec<TileName> {
    (0..=LEVEL_MAX)
        .filter_map(|level| {
            let hashes = size >> (LEVEL_BITS * u32::from(level));
            let width = usize::try_from(hashes % TILE_WIDTH as u64).unwrap_or(0);
            (width > 0).then_some(TileName { level, index: hashes >> LEVEL_BITS, width })
        })
        .collect()
}

/// The right edge of a growing tree, tile by tile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TileTree {
    size: u64,
    /// The hashes of the tile that grows at each level.
    growing: Vec<Vec<Hash>>,
}

impl TileTree {
    /// The tree of `size` leaves, a multiple of 256, with the hashes of each of its [`partial_tiles`].
    ///
    /// # Errors
    /// [`LedgerError::Frontier`] when these are not the tiles of such a tree.
    pub fn resume(size: u64, tiles: Vec<Tile>) -> Result<Self, LedgerError> {
        let names: Vec<_> = tiles.iter().map(|tile| tile.name).collect();
        let fits = tiles.iter().all(|tile| tile.hashes.len() == tile.name.width);
        if !size.is_multiple_of(TILE_WIDTH as u64) || names != partial_tiles(size) || !fits {
            return Err(LedgerError::Frontier);
        }
        let mut growing = Vec::new();
        for tile in tiles {
            growing.resize(usize::from(tile.name.level), Vec::new());
            growing.push(tile.hashes);
        }
        Ok(Self { size, growing })
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; gives the tiles that are full by it, the lowest first.
    pub fn append(&mut self, leaf_hash: Hash) -> Vec<Tile> {
        self.size += 1;
        let (mut full, mut hash) = (Vec::new(), leaf_hash);
        for level in 0..=LEVEL_MAX {
            let at = usize::from(level);
            if self.growing.len() <= at {
                self.growing.resize(at + 1, Vec::new());
            }
            let Some(growing) = self.growing.get_mut(at) else { break };
            growing.push(hash);
            if growing.len() < TILE_WIDTH {
                break;
            }
            let hashes = std::mem::take(growing);
            hash = tree::root(&hashes);
            let index = (self.size >> (LEVEL_BITS * (u32::from(level) + 1))) - 1;
            full.push(Tile { name: TileName { level, index, width: TILE_WIDTH }, hashes });
        }
        full
    }

    /// The tiles that aren't full.
    #[must_use]
    pub fn partial(&self) -> Vec<Tile> {
        let hashes_of = |name: &TileName| self.growing.get(usize::from(name.level)).cloned();
        let names = partial_tiles(self.size).into_iter();
        names.filter_map(|name| Some(Tile { name, hashes: hashes_of(&name)? })).collect()
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for hashes in &self.growing {
            let mut rest = hashes.as_slice();
            // Perfect subtrees, the smallest first: they stand on the right.
            while !rest.is_empty() {
                let (before, subtree) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let root = tree::root(subtree);
                right = Some(right.map_or(root, |right| node_hash(&root, &right)));
                rest = before;
            }
        }
        right.unwrap_or_else(empty_root)
    }
}

/// `x001/x234/067` for 1234067: groups of three digits, each but the last behind an `x`.
fn numbered(index: u64, width: usize) -> String {
    let (mut rest, mut path) = (index / 1_000, format!("{:03}", index % 1_000));
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf_hash;

    #[test]
    fn paths_are_those_of_the_specification() {
        let check = |level, index, width, expect: &str| {
            assert_eq!(TileName { level, index, width }.path(), expect);
        };
        check(0, 1_234_067, 256, "tile/0/x001/x234/067");
        check(1, 273, 112, "tile/1/273.p/112");
        check(2, 0, 1, "tile/2/000.p/1");
        assert_eq!(entries_path(1_000, 256), "tile/entries/x001/000");
        assert_eq!(payloads_path(7, 3), "payload/007.p/3");
        // The specification's example: a tree of 70,000 leaves.
        let names: Vec<_> = partial_tiles(70_000).iter().map(TileName::path).collect();
        assert_eq!(names, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert!(partial_tiles(0).is_empty());
    }

    #[test]
    fn an_entry_has_its_length_before_it() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"ab").unwrap();
        push_entry(&mut bundle, b"").unwrap();
        assert_eq!(bundle, b"\0\x02ab\0\0");
        assert!(push_entry(&mut bundle, &vec![0; 65_536]).is_err());
    }

    /// The tiles by definition: level `L` holds the roots of 256^L leaves each.
    fn naive(leaves: &[Hash]) -> Vec<Tile> {
        let (mut tiles, mut hashes, mut level) = (Vec::new(), leaves.to_vec(), 0);
        while !hashes.is_empty() {
            for (index, hashes) in hashes.chunks(TILE_WIDTH).enumerate() {
                let name = TileName { level, index: index as u64, width: hashes.len() };
                tiles.push(Tile { name, hashes: hashes.to_vec() });
            }
            hashes = hashes.chunks_exact(TILE_WIDTH).map(tree::root).collect();
            level += 1;
        }
        tiles
    }

    #[test]
    fn a_growing_tree_gives_the_tiles_of_the_model_and_goes_on_from_them() {
        let leaves: Vec<_> = (0..66_000_u32).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut whole = TileTree::default();
        let mut full = Vec::new();
        for (at, leaf) in leaves.iter().enumerate() {
            if [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792].contains(&at) {
                let mut tiles = full.clone();
                tiles.extend(whole.partial());
                let mut expect = naive(&leaves[..at]);
                let place = |tile: &Tile| (tile.name.level, tile.name.index);
                tiles.sort_by_key(place);
                expect.sort_by_key(place);
                assert_eq!(tiles, expect, "{at}");
                assert_eq!(whole.root(), tree::root(&leaves[..at]), "{at}");
                if at % TILE_WIDTH == 0 {
                    assert_eq!(TileTree::resume(at as u64, whole.partial()).unwrap().root(), whole.root());
                }
            }
            full.extend(whole.append(*leaf));
        }
        assert!(TileTree::resume(whole.size(), whole.partial()).is_err(), "not at the end of a bundle");
        assert!(TileTree::resume(512, Vec::new()).is_err());
    }

    #[test]
    fn a_tile_of_another_length_is_refused() {
        let name = TileName { level: 0, index: 0, width: 2 };
        assert_eq!(read_tile(&name, &[7; 64]).unwrap(), [[7; 32]; 2]);
        for bytes in [0, 32, 63, 65, 96] {
            assert!(matches!(read_tile(&name, &vec![7; bytes]), Err(LedgerError::Tile { .. })), "{bytes}");
        }
    }
}
