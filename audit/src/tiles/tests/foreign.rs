//! Our files as tlog_tiles sees them, which shares no code with us: the same names, no file more or less than a step calls
//! for, all of them authentic under the head, and the same proofs from them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tlog_tiles::{Error, Hash, HashReader as _, Tile, TileHashReader, stored_hash_index};

use super::super::fixtures::{files_of, head_of, sample_entries};
use super::super::{TilePath, TileStore};
use crate::tree::{TreeHead, consistency_proof, inclusion_proof};
use proto::digest::Digest;

const HEIGHT: u8 = 8;

/// Go's paths begin with the height and call entries data.
fn published(tile: &Tile) -> String {
    tile.path()
        .replacen("tile/8/", "tile/", 1)
        .replace("data/", "entries/")
}

fn bundle(hashes: &Tile) -> Tile {
    let mut bundle = *hashes;
    bundle.set_is_data();
    bundle
}

struct Files<'a>(&'a Path);

impl tlog_tiles::TileReader for Files<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile| fs::read(self.0.join(published(tile))).map_err(|_| Error::InvalidTile);
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn go_hash(hash: Digest) -> Hash {
    Hash(hash.0)
}

fn go_proof(proof: Vec<Digest>) -> Vec<Hash> {
    proof.into_iter().map(go_hash).collect()
}

/// Reads every leaf hash, as authentic as tlog_tiles 0.2.0 makes them: where several whole subtrees of the size share a
/// tile, it leaves some full tiles unauthenticated (its loop over them starts at the number of subtrees, not of tiles).
fn authentic(dir: &Path, head: TreeHead) -> Result<Vec<Hash>, Error> {
    let leaves: Vec<u64> = (0..head.size)
        .map(|leaf| stored_hash_index(0, leaf))
        .collect();
    TileHashReader::new(head.size, go_hash(head.root), &Files(dir)).read_hashes(&leaves)
}

#[test]
fn every_step_writes_the_files_that_another_implementation_calls_for_and_reads() {
    let entries = sample_entries(66_000);
    let dir = tempfile::tempdir().unwrap();
    let store = TileStore::new(dir.path());
    let mut writer = store.writer();
    let (mut old, mut had) = (TreeHead::empty(), BTreeSet::new());
    for size in [
        1usize, 2, 255, 256, 257, 511, 512, 513, 1_279, 1_280, 2_100, 65_535, 65_536, 65_537,
        66_000,
    ] {
        let new = head_of(&entries[..size]);
        let step = entries[old.size as usize..size].iter().cloned().map(Ok);
        writer.write_for(old, new, step).unwrap();

        let has: BTreeSet<String> = files_of(dir.path()).into_keys().collect();
        let wanted = Tile::new_tiles(HEIGHT, old.size, new.size);
        let bundles = wanted.iter().filter(|tile| tile.level() == 0).map(bundle);
        let wanted: BTreeSet<String> = wanted
            .iter()
            .copied()
            .chain(bundles)
            .map(|tile| published(&tile))
            .collect();
        let written: BTreeSet<String> = has.difference(&had).cloned().collect();
        assert_eq!(written, wanted, "{} to {size}", old.size);

        let leaves = authentic(dir.path(), new).unwrap();
        assert_eq!(leaves.len(), size);
        let (files, ours) = (Files(dir.path()), store.reader(new.size));
        let theirs = TileHashReader::new(new.size, go_hash(new.root), &files);
        for index in [0, new.size / 3, new.size - 1] {
            let proof = inclusion_proof(&ours, index, new.size).unwrap();
            let other = tlog_tiles::prove_record(new.size, index, &theirs).unwrap();
            assert_eq!(go_proof(proof), other, "{index} of {size}");
        }
        for before in [1, new.size / 2, old.size, new.size - 1] {
            let before = before.max(1);
            let proof = consistency_proof(&ours, before, new.size).unwrap();
            let other = tlog_tiles::prove_tree(new.size, before, &theirs).unwrap();
            assert_eq!(go_proof(proof), other, "{before} to {size}");
        }
        (old, had) = (new, has);
    }
}

#[test]
fn another_implementation_notices_every_damaged_hash_tile() {
    // One leaf beyond two full tiles: no two whole subtrees share a tile, so all tiles are authenticated.
    let entries = sample_entries(513);
    let dir = tempfile::tempdir().unwrap();
    let head = head_of(&entries);
    let all = entries.iter().cloned().map(Ok);
    TileStore::new(dir.path())
        .writer()
        .write_for(TreeHead::empty(), head, all)
        .unwrap();
    authentic(dir.path(), head).unwrap();
    for tile in Tile::new_tiles(HEIGHT, 0, 513) {
        let file = dir.path().join(published(&tile));
        let sound = fs::read(&file).unwrap();
        for at in [0, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&file, damaged).unwrap();
            assert!(authentic(dir.path(), head).is_err(), "{}", tile.path());
        }
        fs::write(&file, sound).unwrap();
    }
    authentic(dir.path(), head).unwrap();
}

proptest! {
    #[test]
    fn another_implementation_gives_a_tile_the_same_path(
        level in 0u8..9, index in any::<u64>(), shift in 0u32..64, width in 1u16..=256,
    ) {
        let index = index >> shift;
        let (ours, theirs) = if level == 8 {
            let theirs = Tile::new(HEIGHT, 0, index, width.into(), true);
            (TilePath::entries(index), theirs)
        } else {
            let theirs = Tile::new(HEIGHT, level, index, width.into(), false);
            (TilePath::hashes(level, index), theirs)
        };
        let ours = ours.with_width(width).unwrap();
        prop_assert_eq!(ours.to_path(), published(&theirs));
    }
}
