//! The entries and the tiles: each is fetched, hashed and compared, in order.

use std::collections::BTreeMap;

use domain::log::{
    BUNDLE_ENTRIES, Edge, Entry, Hash, LogPath, TreeHead, record_hash, tile_bytes, tile_hashes,
    tile_root, unpack,
};

use crate::finding::Finding;
use crate::memory::Memory;
use crate::reports::Reports;
use crate::tally::Tally;
use crate::{Answer, Flaw, at};

/// How many bundles are asked for at once.
const BUNDLES_AT_ONCE: usize = 16;
/// How many entries and tiles are named that are wrong: more say nothing new.
const NAMED_MAX: usize = 20;

/// Going through the entries of one tree.
pub(crate) struct Entries {
    head: TreeHead,
    known: Option<Memory>,
    edge: Edge,
    /// The hash over each 256 entries.
    roots: Vec<Hash>,
    /// The tree that witnesses have seen.
    witnessed: Option<TreeHead>,
    /// The roots at the sizes of the last time and of the witnesses, as far as these have been reached.
    then: BTreeMap<u64, Option<Hash>>,
    /// Tiles above the leaves that are to be fetched, with what they must be.
    tiles: Vec<(LogPath, Vec<u8>)>,
    /// Bundles of the present batch.
    batch: Vec<LogPath>,
    next: u64,
    /// Wrong entries and tiles so far.
    wrong: usize,
    /// Whether what is served is so wrong that going on says nothing.
    broken: bool,
    /// Whether the tiles of the edge, which are not full, were asked for.
    closed: bool,
}

impl Entries {
    pub(crate) fn new(head: TreeHead, known: Option<Memory>, witnessed: Option<TreeHead>) -> Self {
        let sizes = [known.as_ref().map(Memory::head), witnessed];
        let sizes = sizes.into_iter().flatten();
        Self {
            head,
            then: sizes.map(|head| (head.size, None)).collect(),
            known,
            edge: Edge::default(),
            roots: Vec::new(),
            witnessed,
            tiles: Vec::new(),
            batch: Vec::new(),
            next: 0,
            wrong: 0,
            broken: false,
            closed: false,
        }
    }

    /// The next bundles, the hashes of their entries, and higher tiles that can be compared by now.
    pub(crate) fn wants(&mut self) -> Vec<String> {
        if self.broken {
            return Vec::new();
        }
        let bundles = LogPath::bundles(self.next, self.head.size);
        self.batch = bundles.take(BUNDLES_AT_ONCE).collect();
        self.next += self.batch.len() as u64 * BUNDLE_ENTRIES;
        if self.batch.is_empty() && !self.closed {
            self.closed = true;
            self.close();
        }
        let leaves = self.batch.iter().filter_map(|path| leaf_tile(*path));
        let tiles = self.tiles.iter().map(|(path, _)| *path);
        let paths = self.batch.iter().copied().chain(leaves).chain(tiles);
        paths.map(at).collect()
    }

    /// The tiles at the edge above the leaves, which are not full.
    fn close(&mut self) {
        // Those of the leaves were compared bundle by bundle.
        let open = self.edge.open_tiles();
        let above = open.filter(|(path, _)| !is_of_leaves(*path));
        self.tiles
            .extend(above.map(|(path, hashes)| (path, tile_bytes(hashes))));
    }

    /// Takes what was asked for.
    pub(crate) fn take(
        &mut self,
        answers: &BTreeMap<String, Answer>,
        tally: &mut Tally,
        reports: &mut Reports,
        findings: &mut Vec<Finding>,
    ) {
        for (path, expected) in std::mem::take(&mut self.tiles) {
            self.compare(path, &expected, answers, findings);
        }
        for path in std::mem::take(&mut self.batch) {
            if self.broken {
                return;
            }
            let name = at(path);
            let Some(Answer::Body(bundle)) = answers.get(&name) else {
                findings.push(Finding::NotServed(name));
                self.broken = true;
                return;
            };
            self.bundle(path, bundle, answers, (tally, reports), findings);
        }
    }

    fn bundle(
        &mut self,
        path: LogPath,
        bundle: &[u8],
        answers: &BTreeMap<String, Answer>,
        (tally, reports): (&mut Tally, &mut Reports),
        findings: &mut Vec<Finding>,
    ) {
        let LogPath::Entries { index, width } = path else {
            return;
        };
        let first = index * BUNDLE_ENTRIES;
        let entries = match unpack(bundle) {
            Ok(entries) if entries.len() == usize::from(width) => entries,
            Ok(entries) => {
                return self.stop(findings, path, Flaw::Entries(entries.len()));
            }
            Err(why) => return self.stop(findings, path, Flaw::Bundle(why)),
        };
        let hashes: Vec<Hash> = entries.iter().map(|entry| record_hash(entry)).collect();
        // The tree's own hashes say which entry is another.
        self.leaves(path, first, &hashes, answers, findings);
        for (index, (entry, hash)) in (first..).zip(entries.iter().zip(hashes)) {
            match Entry::parse(entry) {
                Ok(entry) => tally.add(&entry),
                Err(why) => {
                    tally.skip();
                    self.wrong(
                        findings,
                        Finding::Entry {
                            index,
                            why: Flaw::entry(&why),
                        },
                    );
                }
            }
            self.push(hash);
            let size = self.edge.size();
            if let Some(root) = self.then.get_mut(&size) {
                *root = Some(self.edge.root());
            }
            if reports.stands_at(size) {
                reports.compare(size, self.edge.root(), tally, findings);
            }
        }
    }

    /// Whether the entries made that tree when they were as many.
    fn began_with(&self, head: TreeHead) -> bool {
        self.then.get(&head.size) == Some(&Some(head.root))
    }

    fn push(&mut self, hash: Hash) {
        let (tiles, roots) = (&mut self.tiles, &mut self.roots);
        self.edge.push(hash, |path, hashes| {
            if is_of_leaves(path) {
                roots.push(tile_root(hashes));
            } else {
                tiles.push((path, tile_bytes(hashes)));
            }
        });
    }

    /// Compares the hashes of a bundle's entries with the tile of the tree's leaves.
    fn leaves(
        &mut self,
        bundle: LogPath,
        first: u64,
        hashes: &[Hash],
        answers: &BTreeMap<String, Answer>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(path) = leaf_tile(bundle) else {
            return;
        };
        let Some(Answer::Body(tile)) = answers.get(&at(path)) else {
            return self.wrong(findings, Finding::NotServed(at(path)));
        };
        let Some(served) = tile_hashes(tile).filter(|served| served.len() == hashes.len()) else {
            return self.wrong(findings, Finding::Tile(at(path)));
        };
        for (index, (hash, served)) in (first..).zip(hashes.iter().zip(served)) {
            if *hash != served {
                self.wrong(findings, Finding::NotInTree { index });
            }
        }
    }

    fn compare(
        &mut self,
        path: LogPath,
        expected: &[u8],
        answers: &BTreeMap<String, Answer>,
        findings: &mut Vec<Finding>,
    ) {
        match answers.get(&at(path)) {
            Some(Answer::Body(tile)) if tile == expected => {}
            Some(Answer::Body(_)) => self.wrong(findings, Finding::Tile(at(path))),
            _ => self.wrong(findings, Finding::NotServed(at(path))),
        }
    }

    fn wrong(&mut self, findings: &mut Vec<Finding>, finding: Finding) {
        self.wrong += 1;
        if self.wrong <= NAMED_MAX {
            findings.push(finding);
        }
    }

    fn stop(&mut self, findings: &mut Vec<Finding>, path: LogPath, why: Flaw) {
        self.broken = true;
        findings.push(Finding::Unreadable {
            path: at(path),
            why,
        });
    }

    /// Compares the tree that the entries make with the signed one and with that of the last time.
    pub(crate) fn finish(self, origin: &str, findings: &mut Vec<Finding>) -> Option<Memory> {
        if self.broken {
            return None;
        }
        let made = TreeHead {
            size: self.edge.size(),
            root: self.edge.root(),
        };
        if made != self.head {
            findings.push(Finding::Root {
                signed: self.head,
                made,
            });
        }
        if let Some(known) = &self.known
            && known.size > 0
            && known.size < made.size
            && !self.began_with(known.head())
        {
            findings.push(Finding::Rewritten {
                known: known.head(),
                entries: first_difference(known, &self.roots),
            });
        }
        if let Some(head) = self.witnessed
            && head.size > 0
            && !self.began_with(head)
        {
            findings.push(Finding::WitnessedTree { head, now: made });
        }
        Some(Memory {
            origin: origin.to_owned(),
            size: made.size,
            root: made.root,
            tiles: self.roots,
        })
    }
}

/// Between which entries the first difference to the last time lies.
fn first_difference(known: &Memory, roots: &[Hash]) -> Option<(u64, u64)> {
    let mut pairs = known.tiles.iter().zip(roots);
    let index = pairs.position(|(then, now)| then != now)? as u64;
    Some((index * BUNDLE_ENTRIES, (index + 1) * BUNDLE_ENTRIES - 1))
}

/// The tile of the hashes of a bundle's entries.
const fn leaf_tile(bundle: LogPath) -> Option<LogPath> {
    match bundle {
        LogPath::Entries { index, width } => Some(LogPath::Tile {
            level: 0,
            index,
            width,
        }),
        _ => None,
    }
}

const fn is_of_leaves(tile: LogPath) -> bool {
    matches!(tile, LogPath::Tile { level: 0, .. })
}
