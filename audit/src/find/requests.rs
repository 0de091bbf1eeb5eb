//! The requests that endings name, and the subscriptions that outcomes of events name: the last ones from memory, older ones read again from the files.
//!
//! A request is taken only if its bytes hash to the leaf that the ending names.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::entry::{Entry, Kind};
use proto::header::{RequestHeader, SubscriptionHeader};

use crate::tiles::{TILE_WIDTH, TilePath, TileReader, TileStore};
use crate::tree::{TreeHead, inclusion_proof, verify_inclusion};

/// Requests held: about 20 MiB, several minutes of a busy switch.
const HELD_MAX: usize = 32_768;
/// Bundles held of those that were read again.
const BUNDLES_MAX: usize = 16;

/// A request as the log holds it, or a subscription as the question that it is judged as.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) leaf: Digest,
    pub(super) recorded_at_us: u64,
    pub(super) header: Arc<RequestHeader>,
}

/// Requests by index, the oldest forgotten first.
#[derive(Debug)]
pub(super) struct Requests {
    store: TileStore,
    tiles: TileReader,
    published: TreeHead,
    /// Whether what is read again must be proved to be in the log.
    proved: bool,
    held: HashMap<u64, Asked>,
    order: VecDeque<u64>,
    bundles: VecDeque<(u64, Arc<Vec<Bytes>>)>,
}

impl Requests {
    pub(super) fn new(store: &TileStore, published: TreeHead, proved: bool) -> Self {
        Self {
            store: store.clone(),
            tiles: store.reader(published.size),
            published,
            proved,
            held: HashMap::new(),
            order: VecDeque::new(),
            bundles: VecDeque::new(),
        }
    }

    pub(super) fn remember(&mut self, index: u64, asked: Asked) {
        if self.order.len() >= HELD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.held.remove(&oldest);
        }
        if self.held.insert(index, asked).is_none() {
            self.order.push_back(index);
        }
    }

    /// The request or subscription at `index`, if it is the one whose leaf hash is `leaf`.
    pub(super) fn named(&mut self, index: u64, leaf: &[u8]) -> Option<Asked> {
        let leaf = Digest::from_slice(leaf)?;
        let held = self.held.get(&index).cloned();
        held.or_else(|| self.read_again(index, &leaf))
            .filter(|asked| asked.leaf == leaf)
    }

    fn read_again(&mut self, index: u64, wanted: &Digest) -> Option<Asked> {
        let width = u64::from(TILE_WIDTH);
        let bundle = self.bundle(index / width)?;
        // Below 256.
        let bytes = bundle.get((index % width) as usize)?;
        let leaf = leaf_hash(bytes);
        if leaf != *wanted {
            return None;
        }
        if self.proved {
            let TreeHead { size, root } = self.published;
            let proof = inclusion_proof(&self.tiles, index, size).ok()?;
            verify_inclusion(&leaf, index, size, &proof, &root).ok()?;
        }
        let entry = Entry::decode(bytes).ok()?;
        let header = match entry.kind {
            kind if kind.asks() => RequestHeader::open(&entry.header).ok()?,
            Kind::Subscription => SubscriptionHeader::open(&entry.header).ok()?.question(),
            _ => return None,
        };
        Some(Asked {
            kind: entry.kind,
            leaf,
            recorded_at_us: entry.stamp.recorded_at_us,
            header: Arc::new(header),
        })
    }

    fn bundle(&mut self, number: u64) -> Option<Arc<Vec<Bytes>>> {
        let held = self.bundles.iter().find(|(held, _)| *held == number);
        if let Some((_, bundle)) = held {
            return Some(bundle.clone());
        }
        let path = TilePath::entries(number).at_size(self.published.size)?;
        let bundle = Arc::new(self.store.read_bundle(path).ok()?);
        if self.bundles.len() >= BUNDLES_MAX {
            self.bundles.pop_front();
        }
        self.bundles.push_back((number, bundle.clone()));
        Some(bundle)
    }
}
