//! Where the bytes of one log may still be found: its own directory first, then other copies of it, then whatever
//! else holds entries by index.
//!
//! Takes a tile or a bundle; gives every candidate for its content, damaged ones as far as they can be read. A
//! candidate proves nothing: [`super::proven`] and [`super::mend`] hash it before they use it.

use std::fmt;
use std::fs;
use std::ops::Range;

use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};

use super::bundle;
use super::path::TILE_WIDTH;
use super::{Pruned, TilePath, TileStore, read_bounded};

/// Gives what it has of a range of entries, each with its index.
pub type ReadEntries<'a> = dyn Fn(Range<u64>) -> Vec<(u64, Bytes)> + 'a;
/// A full or partial bundle's entries by their place; `None` where a candidate has none.
pub(super) type Places = Vec<Option<Bytes>>;

/// All places of one log.
pub struct Copies<'a> {
    own: TileStore,
    others: Vec<TileStore>,
    entries: Vec<&'a ReadEntries<'a>>,
}

impl fmt::Debug for Copies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies")
            .field("own", &self.own.dir())
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}

impl<'a> Copies<'a> {
    /// Only the directory `own`.
    pub fn of(own: &TileStore) -> Self {
        Self {
            own: own.clone(),
            others: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Besides, the directory of another copy.
    pub fn and_dir(mut self, other: TileStore) -> Self {
        self.others.push(other);
        self
    }

    /// Besides, something that holds entries.
    pub fn and_entries(mut self, read: &'a ReadEntries<'a>) -> Self {
        self.entries.push(read);
        self
    }

    /// The directory that is to be whole.
    pub fn own(&self) -> &TileStore {
        &self.own
    }

    fn dirs(&self) -> impl Iterator<Item = &TileStore> {
        std::iter::once(&self.own).chain(&self.others)
    }

    /// Candidates for the hashes of `tile`, as many as it is wide; read one after the other.
    pub(super) fn hashes(&self, tile: TilePath) -> impl Iterator<Item = Vec<Digest>> + '_ {
        self.dirs()
            .flat_map(move |store| forms(store, tile).map(move |form| (store, form)))
            .filter_map(move |(store, form)| {
                let bytes = read_bounded(&store.file(form), form.bytes_max()).ok()?;
                let hashes = bytes
                    .chunks_exact(Digest::LEN)
                    .filter_map(Digest::from_slice)
                    .take(usize::from(tile.width()));
                let hashes: Vec<_> = hashes.collect();
                (hashes.len() == usize::from(tile.width())).then_some(hashes)
            })
    }

    /// Candidates for the entries of the bundle `tile`, each as far as it reads; read one after the other.
    pub(super) fn entries(&self, tile: TilePath) -> impl Iterator<Item = Places> + '_ {
        let width = usize::from(tile.width());
        let first = tile.index() * u64::from(TILE_WIDTH);
        let bundles = self
            .dirs()
            .flat_map(move |store| forms(store, tile).map(move |form| (store, form)))
            .filter_map(move |(store, form)| {
                let bytes = read_bounded(&store.file(form), form.bytes_max()).ok()?;
                let (entries, _) = bundle::decode_prefix(&bytes.into(), tile.width());
                let mut places: Places = entries.into_iter().map(Some).collect();
                places.resize(width, None);
                Some(places)
            });
        let kept = self.dirs().filter_map(move |store| {
            let kept = Pruned::nothing(store).kept(tile.index()).ok()?;
            Some(placed(first, width, kept))
        });
        let further = self.entries.iter().map(move |read| {
            let range = first..first + width as u64;
            placed(first, width, read(range))
        });
        bundles.chain(kept).chain(further)
    }

    /// Candidates for the leaf hashes of the bundle `tile` that its entries make: each whole candidate's, and those of
    /// all candidates together.
    pub(super) fn leaves(&self, tile: TilePath) -> Vec<Vec<Digest>> {
        let mut together: Vec<Option<Digest>> = vec![None; usize::from(tile.width())];
        let mut found: Vec<Vec<Digest>> = Vec::new();
        for places in self.entries(tile) {
            let leaves: Vec<Option<Digest>> = places
                .iter()
                .map(|entry| entry.as_ref().map(|entry| leaf_hash(entry)))
                .collect();
            for (leaf, known) in leaves.iter().zip(&mut together) {
                *known = known.or(*leaf);
            }
            keep_new(&mut found, leaves.into_iter().collect());
        }
        keep_new(&mut found, together.into_iter().collect());
        found
    }
}

/// Adds a whole candidate that is not there yet.
pub(super) fn keep_new(found: &mut Vec<Vec<Digest>>, candidate: Option<Vec<Digest>>) {
    if let Some(candidate) = candidate
        && !found.contains(&candidate)
    {
        found.push(candidate);
    }
}

/// Entries with their indices, by their place in the bundle that begins at `first`.
fn placed(first: u64, width: usize, entries: Vec<(u64, Bytes)>) -> Places {
    let mut places = vec![None; width];
    for (index, entry) in entries {
        let place = index.checked_sub(first).and_then(|at| at.try_into().ok());
        if let Some(place) = place.and_then(|at: usize| places.get_mut(at)) {
            *place = Some(entry);
        }
    }
    places
}

/// The forms in which `tile` may stand in `store`: as named, full, and any other partial one that is there, which
/// hold a part of it or more than it.
fn forms(store: &TileStore, tile: TilePath) -> impl Iterator<Item = TilePath> + use<> {
    let mut forms = vec![tile];
    if !tile.is_full() {
        forms.push(tile.full());
    }
    let mut partials: Vec<TilePath> = fs::read_dir(store.dir().join(tile.partials_dir()))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| tile.with_width(file.file_name().to_str()?.parse().ok()?))
        .filter(|form| *form != tile)
        .collect();
    // Those with more in them first.
    partials.sort_by_key(|form| std::cmp::Reverse(form.width()));
    forms.extend(partials);
    forms.into_iter()
}
