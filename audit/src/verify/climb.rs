//! Hashes the tree upward, tile by tile, and compares every hash tile with what it should be.

use proto::digest::{Digest, tree_head};

use super::findings::{Findings, rule};
use crate::tiles::{TILE_WIDTH, TileError, TilePath, TileReader, TileStore};
use crate::tree::{TreeHead, inclusion_proof, verify_inclusion};

/// Levels of tiles that a tree of fewer than 2^64 leaves can have.
const LEVELS: usize = 8;

/// The unfinished right end of each level. `None` stands for a hash that nothing tells.
#[derive(Debug)]
pub(super) struct Climb<'a> {
    store: &'a TileStore,
    /// What the checkpoint claims; tiles are judged by it when they disagree with entries.
    claimed: Option<(TreeHead, TileReader)>,
    /// Whether partial tiles must exist: not when the walk ends before the claimed size.
    wants_partials: bool,
    levels: [Vec<Option<Digest>>; LEVELS],
    done: [u64; LEVELS],
}

impl<'a> Climb<'a> {
    pub(super) fn new(
        store: &'a TileStore,
        claimed: Option<TreeHead>,
        wants_partials: bool,
    ) -> Self {
        let claimed = claimed.map(|head| (head, store.reader(head.size)));
        Self {
            store,
            claimed,
            wants_partials,
            levels: Default::default(),
            done: [0; LEVELS],
        }
    }

    /// The next leaf hash, if it is known.
    pub(super) fn push(&mut self, leaf: Option<Digest>, findings: &mut Findings) {
        let mut hash = leaf;
        for level in 0..LEVELS {
            self.levels[level].push(hash);
            if self.levels[level].len() < usize::from(TILE_WIDTH) {
                return;
            }
            let known = self.compare(level, findings);
            hash = known.map(|hashes| tree_head(&hashes));
            self.done[level] += 1;
        }
    }

    /// Compares the partial tiles at the right end; the head of the whole tree, if it is known.
    pub(super) fn finish(mut self, findings: &mut Findings) -> Option<Digest> {
        let mut heads = Vec::new();
        let mut known = true;
        for level in 0..LEVELS {
            if self.levels[level].is_empty() {
                continue;
            }
            let Some(hashes) = self.compare(level, findings) else {
                known = false;
                continue;
            };
            // The whole subtrees of this tile; those of higher levels stand left of them.
            let mut rest = &hashes[..];
            let mut here = Vec::new();
            while !rest.is_empty() {
                let (whole, after) = rest.split_at(1 << rest.len().ilog2());
                here.push(tree_head(whole));
                rest = after;
            }
            here.append(&mut heads);
            heads = here;
        }
        let fold = |right, left| proto::digest::node_hash(&left, &right);
        let root = heads
            .into_iter()
            .rev()
            .reduce(fold)
            .unwrap_or_else(|| Digest::of(&[]));
        known.then_some(root)
    }

    /// Compares the tile at the right end of `level` with its file and empties it. Gives its hashes,
    /// the file's where ours are unknown; `None` when some stay unknown.
    fn compare(&mut self, level: usize, findings: &mut Findings) -> Option<Vec<Digest>> {
        let ours = std::mem::take(&mut self.levels[level]);
        // Both fit: fewer than 8 levels, at most 256 hashes.
        let tile = TilePath::hashes(level as u8, self.done[level]).with_width(ours.len() as u16)?;
        let theirs = match self.store.read_hashes(tile) {
            Ok(hashes) => hashes,
            Err(error) => {
                if self.wants_partials || tile.is_full() || !error.is_missing() {
                    report(tile, &error, findings);
                }
                Vec::new()
            }
        };
        for (at, (our, their)) in ours.iter().zip(&theirs).enumerate() {
            if let Some(our) = our
                && our != their
            {
                self.disagree(tile, at as u64, our, their, findings);
            }
        }
        let told = |at: usize| theirs.get(at).copied();
        ours.into_iter()
            .enumerate()
            .map(|(at, our)| our.or_else(|| told(at)))
            .collect()
    }

    fn disagree(
        &self,
        tile: TilePath,
        at: u64,
        our: &Digest,
        their: &Digest,
        findings: &mut Findings,
    ) {
        let place = tile.index() * u64::from(TILE_WIDTH) + at;
        let index = (tile.level() == Some(0)).then_some(place);
        let mut detail = format!(
            "{} hash {at} is {their}, the entries make {our}",
            tile.to_path()
        );
        if let Some(index) = index
            && findings.has_room(rule::TILE_MISMATCH)
        {
            detail.push_str(self.judge(index, our, their));
        }
        findings.error(index, rule::TILE_MISMATCH, detail);
    }

    /// Which of two leaf hashes the claimed root covers, as far as the other tiles can tell.
    fn judge(&self, index: u64, our: &Digest, their: &Digest) -> &'static str {
        let Some((head, reader)) = &self.claimed else {
            return "";
        };
        let Ok(proof) = inclusion_proof(reader, index, head.size) else {
            return "";
        };
        let covers = |leaf| verify_inclusion(leaf, index, head.size, &proof, &head.root).is_ok();
        if covers(their) {
            "; the tile's is the one under the checkpoint: the entry was altered"
        } else if covers(our) {
            "; the entry's is the one under the checkpoint: the tile was altered"
        } else {
            ""
        }
    }
}

/// A tile or bundle that cannot be used.
pub(super) fn report(tile: TilePath, error: &TileError, findings: &mut Findings) {
    let bundle = tile.level().is_none();
    let rule = match error {
        _ if error.is_missing() && bundle => rule::BUNDLE_MISSING,
        _ if error.is_missing() => rule::TILE_MISSING,
        TileError::Malformed { .. } if bundle => rule::BUNDLE_MALFORMED,
        TileError::Malformed { .. } => rule::TILE_MALFORMED,
        _ => rule::UNREADABLE,
    };
    let index = (tile.level().unwrap_or(0) == 0).then(|| tile.index() * u64::from(TILE_WIDTH));
    let detail = if error.is_missing() {
        format!("{} is missing", tile.to_path())
    } else {
        error.to_string()
    };
    findings.error(index, rule, detail);
}
