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
    /// Entries that the files hold, where the walk ends before them: then the last tiles are wider than what is climbed.
    files: Option<u64>,
    levels: [Vec<Option<Digest>>; LEVELS],
    done: [u64; LEVELS],
}

impl<'a> Climb<'a> {
    pub(super) fn new(
        store: &'a TileStore,
        claimed: Option<TreeHead>,
        wants_partials: bool,
        files: Option<u64>,
    ) -> Self {
        let claimed = claimed.map(|head| (head, store.reader(head.size)));
        Self {
            store,
            claimed,
            wants_partials,
            files,
            levels: Default::default(),
            done: [0; LEVELS],
        }
    }

    /// The leaf hashes of the next bundle, each if it is known, the hash tile that stands over them, and the head over a
    /// full bundle if that is known, too. Only the last bundle may be narrower than a tile.
    pub(super) fn push(
        &mut self,
        leaves: Vec<Option<Digest>>,
        theirs: Result<Vec<Digest>, TileError>,
        head: Option<Digest>,
        findings: &mut Findings,
    ) {
        let full = leaves.len() == usize::from(TILE_WIDTH);
        self.levels[0] = leaves;
        let known = self.compare(0, Some(theirs), findings);
        if !full {
            // Compared, and kept for the head of the whole tree.
            self.levels[0] = known;
            return;
        }
        self.done[0] += 1;
        let mut hash = head.or_else(|| all(known).map(|hashes| tree_head(&hashes)));
        for level in 1..LEVELS {
            self.levels[level].push(hash);
            if self.levels[level].len() < usize::from(TILE_WIDTH) {
                return;
            }
            let known = all(self.compare(level, None, findings));
            hash = known.map(|hashes| tree_head(&hashes));
            self.done[level] += 1;
        }
    }

    /// The head over everything pushed so far and `leaves`, the first ones of the next bundle; `None` when some hash is
    /// not known.
    pub(super) fn head_with(&self, leaves: &[Digest]) -> Option<Digest> {
        let mut heads = whole_heads(leaves);
        for level in &self.levels[1..] {
            let known: Option<Vec<Digest>> = level.iter().copied().collect();
            let mut here = whole_heads(&known?);
            here.append(&mut heads);
            heads = here;
        }
        Some(join(heads))
    }

    /// Compares the partial tiles at the right end; the head of the whole tree, if it is known.
    pub(super) fn finish(mut self, findings: &mut Findings) -> Option<Digest> {
        let mut heads = Vec::new();
        let mut known = true;
        for level in 0..LEVELS {
            if self.levels[level].is_empty() {
                continue;
            }
            let hashes = if level == 0 {
                // Compared when it was pushed.
                std::mem::take(&mut self.levels[0])
            } else {
                self.compare(level, None, findings)
            };
            let Some(hashes) = all(hashes) else {
                known = false;
                continue;
            };
            // The whole subtrees of this tile; those of higher levels stand left of them.
            let mut here = whole_heads(&hashes);
            here.append(&mut heads);
            heads = here;
        }
        known.then(|| join(heads))
    }

    /// Compares the tile at the right end of `level` with its file (`theirs`, where it was read before) and empties it.
    /// Gives its hashes, the file's where ours are unknown.
    fn compare(
        &mut self,
        level: usize,
        theirs: Option<Result<Vec<Digest>, TileError>>,
        findings: &mut Findings,
    ) -> Vec<Option<Digest>> {
        let ours = std::mem::take(&mut self.levels[level]);
        // Both fit: fewer than 8 levels, at most 256 hashes.
        let full = TilePath::hashes(level as u8, self.done[level]);
        let tile = match self.files {
            Some(files) => full.at_size(files),
            None => full.with_width(ours.len() as u16),
        };
        let Some(tile) = tile else { return ours };
        let theirs = match theirs.unwrap_or_else(|| self.store.read_hashes(tile)) {
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

/// All hashes, or `None` where one is not known.
fn all(hashes: Vec<Option<Digest>>) -> Option<Vec<Digest>> {
    hashes.into_iter().collect()
}

/// The heads of the whole subtrees over the hashes of an unfinished tile, largest first.
fn whole_heads(hashes: &[Digest]) -> Vec<Digest> {
    let mut rest = hashes;
    let mut heads = Vec::new();
    while !rest.is_empty() {
        let (whole, after) = rest.split_at(1 << rest.len().ilog2());
        heads.push(tree_head(whole));
        rest = after;
    }
    heads
}

/// The head of the tree out of the heads of its whole subtrees, largest first.
fn join(heads: Vec<Digest>) -> Digest {
    let fold = |right, left| proto::digest::node_hash(&left, &right);
    let joined = heads.into_iter().rev().reduce(fold);
    joined.unwrap_or_else(|| Digest::of(&[]))
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
