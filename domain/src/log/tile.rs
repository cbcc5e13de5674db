//! Where tiles and bundles are found, and reading hashes out of tiles that are fetched one after the other.
//! <https://c2sp.org/tlog-tiles>

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use tlog_tiles::Tile;
use tlog_tiles::tlog::{self, Error, Hash, HashReader, RecordProof, TreeProof};

/// How many levels of the tree a tile holds.
pub(super) const HEIGHT: u8 = 8;
/// How many hashes a full tile holds.
pub(super) const TILE_WIDTH: usize = 1 << HEIGHT;
/// A tree of so many levels of tiles has more entries than can be counted.
const LEVELS: u8 = 8;

/// A resource of a log, below its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogPath {
    /// The signed tree head.
    Checkpoint,
    /// Hashes of one level.
    Tile {
        /// 0 are the leaves.
        level: u8,
        /// Which of its level.
        index: u64,
        /// How many hashes, up to 256.
        width: u16,
    },
    /// Entries.
    Entries {
        /// Which bundle.
        index: u64,
        /// How many entries, up to 256.
        width: u16,
    },
}

/// A text is no path of a tile or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such tile")]
pub struct PathError;

impl LogPath {
    /// The bundles of a tree of `size` entries from entry `from` on, in order.
    pub fn bundles(from: u64, size: u64) -> impl Iterator<Item = Self> {
        let width = TILE_WIDTH as u64;
        (from / width..size.div_ceil(width)).map(move |index| Self::Entries {
            index,
            width: u16::try_from((size - index * width).min(width)).unwrap_or_default(),
        })
    }

    /// The tiles of hashes of a tree of `size` entries, from the leaves up.
    pub fn tiles(size: u64) -> impl Iterator<Item = Self> {
        let width = TILE_WIDTH as u64;
        let levels = std::iter::successors((size > 0).then_some(size), move |hashes| {
            (*hashes >= width).then_some(hashes / width)
        });
        (0..LEVELS).zip(levels).flat_map(move |(level, hashes)| {
            (0..hashes.div_ceil(width)).map(move |index| Self::Tile {
                level,
                index,
                width: u16::try_from((hashes - index * width).min(width)).unwrap_or_default(),
            })
        })
    }

    /// A tile of so many hashes.
    pub(super) fn tile_of(level: u8, index: u64, width: usize) -> Self {
        Self::Tile {
            level,
            index,
            width: u16::try_from(width).unwrap_or(u16::MAX),
        }
    }

    fn parts(self) -> Option<(Option<u8>, u64, u16)> {
        match self {
            Self::Checkpoint => None,
            Self::Tile {
                level,
                index,
                width,
            } => Some((Some(level), index, width)),
            Self::Entries { index, width } => Some((None, index, width)),
        }
    }
}

impl fmt::Display for LogPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((level, index, width)) = self.parts() else {
            return f.write_str("checkpoint");
        };
        match level {
            Some(level) => write!(f, "tile/{level}")?,
            None => f.write_str("tile/entries")?,
        }
        let mut groups = vec![format!("{:03}", index % 1_000)];
        let mut rest = index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        for group in groups.iter().rev() {
            write!(f, "/{group}")?;
        }
        if usize::from(width) < TILE_WIDTH {
            write!(f, ".p/{width}")?;
        }
        Ok(())
    }
}

impl FromStr for LogPath {
    type Err = PathError;

    /// Each has one path only: what is written otherwise is none.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let rest = text.strip_prefix("tile/").ok_or(PathError)?;
        let (level, rest) = rest.split_once('/').ok_or(PathError)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| PathError)?),
            None => (rest, 256),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let group: u64 = digits.parse().map_err(|_| PathError)?;
            let higher = index.checked_mul(1_000).ok_or(PathError)?;
            index = higher.checked_add(group).ok_or(PathError)?;
        }
        let path = if level == "entries" {
            Self::Entries { index, width }
        } else {
            let level = level.parse().map_err(|_| PathError)?;
            Self::Tile {
                level,
                index,
                width,
            }
        };
        let exists = (1..=256).contains(&width)
            && !matches!(path, Self::Tile { level, .. } if level >= LEVELS)
            && path.to_string() == text;
        exists.then_some(path).ok_or(PathError)
    }
}

/// What is lacking for an answer: fetch it, add it, ask again.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// These tiles.
    #[error("tiles are needed")]
    Tiles(Vec<LogPath>),
    /// Nothing: a tile has not the form that it must have, or the question makes no sense.
    #[error("the tiles are not those of this tree: {0}")]
    Wrong(Error),
}

/// Tiles that have been fetched. It never fetches: who uses it is told what is needed. Nor does it believe
/// them: a proof that is made of wrong tiles does not hold, and whoever gets it checks it.
#[derive(Debug, Default)]
pub struct TileSet(HashMap<LogPath, Vec<u8>>);

impl TileSet {
    /// Adds a tile's bytes.
    pub fn add(&mut self, path: LogPath, bytes: Vec<u8>) {
        self.0.insert(path, bytes);
    }

    /// A tile's bytes, where they are known.
    pub fn bytes(&self, path: LogPath) -> Option<&[u8]> {
        self.0.get(&path).map(Vec::as_slice)
    }

    /// The hashes that prove that entry `index` is in the tree of `size` entries.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn inclusion(&self, size: u64, index: u64) -> Result<RecordProof, Missing> {
        self.ask(size, |tiles| tlog::prove_record(size, index, tiles))
    }

    /// The hashes that prove that the tree of `size` entries begins with that of `older` entries.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn consistency(&self, size: u64, older: u64) -> Result<TreeProof, Missing> {
        self.ask(size, |tiles| tlog::prove_tree(size, older, tiles))
    }

    fn ask<T>(
        &self,
        size: u64,
        question: impl FnOnce(&Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Missing> {
        let reader = Reader {
            tiles: self,
            size,
            wanted: RefCell::default(),
        };
        question(&reader).map_err(|error| {
            let wanted = reader.wanted.take();
            match wanted.is_empty() {
                true => Missing::Wrong(error),
                false => Missing::Tiles(wanted.into_iter().collect()),
            }
        })
    }
}

/// The hashes of a tree of `size` entries, as far as their tiles are known.
struct Reader<'a> {
    tiles: &'a TileSet,
    size: u64,
    wanted: RefCell<BTreeSet<LogPath>>,
}

impl HashReader for Reader<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let mut hashes = Vec::with_capacity(indexes.len());
        for index in indexes {
            // As wide as it is in this tree: that is the one which is served.
            let tile = Tile::from_index(HEIGHT, *index).parent(0, self.size);
            let tile = tile.ok_or(Error::IndexesNotInTree)?;
            let width = usize::try_from(tile.width()).unwrap_or(usize::MAX);
            let path = LogPath::tile_of(tile.level(), tile.level_index(), width);
            match self.tiles.0.get(&path) {
                Some(bytes) => hashes.push(tile.hash_at_index(bytes, *index)?),
                None => {
                    self.wanted.borrow_mut().insert(path);
                }
            }
        }
        match self.wanted.borrow().is_empty() {
            true => Ok(hashes),
            false => Err(Error::InvalidTile),
        }
    }
}
