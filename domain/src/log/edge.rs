//! The growing edge of the tree: what is needed of it to add an entry and to know the root, which is a few
//! rows of hashes however large the tree is.

use tlog_tiles::Tile;
use tlog_tiles::tlog::{EMPTY_HASH, HASH_SIZE, Hash, node_hash};

use super::tile::{HEIGHT, LogPath, TILE_WIDTH};

/// The hashes of each level's last tile, as far as it is filled; a full tile is one hash of the next level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    size: u64,
    /// From the leaves up; fewer than 256 hashes each.
    rows: Vec<Vec<Hash>>,
}

/// Rows do not belong to a tree of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rows are not those of a tree of {0} entries")]
pub struct EdgeError(u64);

impl Edge {
    /// The edge of a tree of `size` entries with these rows, from the leaves up.
    ///
    /// # Errors
    /// [`EdgeError`] where a row has another length than it must have.
    pub fn of_rows(size: u64, rows: Vec<Vec<Hash>>) -> Result<Self, EdgeError> {
        let wanted = Self::lengths(size);
        let fits = rows.iter().map(Vec::len).eq(wanted);
        fits.then_some(Self { size, rows }).ok_or(EdgeError(size))
    }

    /// How many hashes each row of a tree of `size` entries has, from the leaves up.
    pub fn lengths(size: u64) -> impl Iterator<Item = usize> {
        let level = |left: &u64| (*left >= TILE_WIDTH as u64).then_some(left / TILE_WIDTH as u64);
        std::iter::successors((size > 0).then_some(size), level)
            .map(|left| usize::try_from(left % TILE_WIDTH as u64).unwrap_or_default())
    }

    /// How many entries the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its rows, from the leaves up.
    pub fn rows(&self) -> &[Vec<Hash>] {
        &self.rows
    }

    /// The tiles at the edge, which are not full, from the leaves up.
    pub fn open_tiles(&self) -> impl Iterator<Item = (LogPath, &[Hash])> {
        let rows = (0_u8..).zip(&self.rows).filter(|(_, row)| !row.is_empty());
        rows.map(|(level, row)| {
            let index = self.size >> (u32::from(HEIGHT) * (u32::from(level) + 1));
            (LogPath::tile_of(level, index, row.len()), row.as_slice())
        })
    }

    /// Adds an entry by its hash. `filled` is told of each tile that is full by that.
    pub fn push(&mut self, leaf: Hash, mut filled: impl FnMut(LogPath, &[Hash])) {
        self.size += 1;
        let mut hash = leaf;
        let mut tiles = self.size;
        for level in 0.. {
            if self.rows.len() == level {
                self.rows.push(Vec::with_capacity(TILE_WIDTH));
            }
            let row = &mut self.rows[level];
            row.push(hash);
            if row.len() < TILE_WIDTH {
                return;
            }
            tiles /= TILE_WIDTH as u64;
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            filled(LogPath::tile_of(level, tiles - 1, TILE_WIDTH), row);
            hash = tile_root(row);
            row.clear();
        }
    }

    /// The root of the tree (RFC 6962, 2.1).
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for row in &self.rows {
            let mut right = row.len();
            // The perfect trees that a row is made of, from the smallest, which is the rightmost.
            for bit in 0..HEIGHT {
                let width = 1_usize << bit;
                if row.len() & width == 0 {
                    continue;
                }
                let perfect = tile_root(&row[right - width..right]);
                right -= width;
                root = Some(root.map_or(perfect, |root| node_hash(perfect, root)));
            }
        }
        root.unwrap_or(EMPTY_HASH)
    }
}

/// The hash over a perfect tree's hashes: of a full tile, one of the level above.
pub fn tile_root(hashes: &[Hash]) -> Hash {
    Tile::subtree_hash(&tile_bytes(hashes))
}

/// Hashes one after the other, as tiles have them.
pub fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile; `None` where it ends within one.
pub fn tile_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_SIZE>();
    rest.is_empty()
        .then(|| hashes.iter().copied().map(Hash).collect())
}
