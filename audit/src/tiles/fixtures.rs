//! Sample logs for the tests of this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash, tree_head};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::key::Signer;

use super::pruned::{write_kept, write_minimum};
use super::published::publish;
use super::{TilePath, TileStore, durable};
use crate::checkpoint::tests::TestSigner;
use crate::checkpoint::{Checkpoint, LogKey};
use crate::tree::{Edge, TreeHead};

/// Origin of the logs in these tests.
pub(crate) const ORIGIN: &str = "log.example/test";

/// `count` entries as a writer makes them: genesis first, now and then a registry entry.
pub(crate) fn sample_entries(count: u64) -> Vec<Bytes> {
    let mut registry = Edge::new();
    let mut root = registry.root();
    (0..count)
        .map(|index| {
            let kind = match index {
                0 => Kind::Genesis,
                _ if index % 97 == 5 => Kind::Agency,
                _ if index % 2 == 0 => Kind::Closing,
                _ => Kind::Request,
            };
            let facts = Bytes::from(vec![0x5a; (index % 40) as usize]);
            let header = Bytes::from(format!("header of entry {index}"));
            let stamp = Stamp {
                recorded_at_us: 1_700_000_000_000_000 + index / 3,
                broker: 1,
                registry_size: registry.size(),
                registry_root: root,
            };
            let bytes = Entry::new(
                Draft {
                    kind,
                    facts,
                    header,
                    seal: None,
                },
                stamp,
            )
            .encode()
            .unwrap();
            if kind.is_registry() {
                registry.push(leaf_hash(&bytes));
                root = registry.root();
            }
            bytes
        })
        .collect()
}

pub(crate) fn head_of(entries: &[Bytes]) -> TreeHead {
    let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    TreeHead {
        size: leaves.len() as u64,
        root: tree_head(&leaves),
    }
}

pub(crate) fn log_key() -> LogKey {
    LogKey::new(ORIGIN, TestSigner::new(1).key()).unwrap()
}

pub(crate) fn signed(head: TreeHead) -> Bytes {
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: head.size,
        root: head.root,
    };
    checkpoint.sign(&TestSigner::new(1)).unwrap().note
}

/// Writes and publishes `entries` in steps that end at `sizes`, as a switch does.
pub(crate) fn write_log(dir: &Path, entries: &[Bytes], sizes: &[usize]) {
    let store = TileStore::new(dir);
    let mut writer = store.writer();
    let (mut old, mut published) = (TreeHead::empty(), None);
    for size in sizes {
        let new = head_of(&entries[..*size]);
        let step = entries[old.size as usize..*size].iter().cloned().map(Ok);
        writer.write_for(old, new, step).unwrap();
        publish(dir, published, &signed(new)).unwrap();
        (old, published) = (new, Some(new));
    }
    let vkey = format!("{}\n", log_key().to_vkey());
    durable::write_file(&dir.join("log.vkey"), vkey.as_bytes()).unwrap();
}

/// Prunes by hand what ends at or below `minimum`: keeps registry entries, says so, removes the bundles.
pub(crate) fn prune_by_hand(dir: &Path, minimum: u64) {
    let store = TileStore::new(dir);
    let mut files = durable::DurableFiles::under(dir);
    for number in 0..minimum / 256 {
        let bundle = store.read_bundle(TilePath::entries(number)).unwrap();
        let kept: Vec<(u64, Bytes)> = (number * 256..)
            .zip(bundle)
            .filter(|(_, entry)| Kind::from_byte(entry[0]).unwrap().is_registry())
            .collect();
        write_kept(&store, &mut files, number, &kept).unwrap();
        fs::remove_file(store.file(TilePath::entries(number))).unwrap();
    }
    write_minimum(dir, minimum).unwrap();
}

/// Every file under `dir`, by its path inside.
pub(crate) fn files_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for item in fs::read_dir(at).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}
