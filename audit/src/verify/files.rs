//! The files under `tile/`: how far they reach, which of them nobody asked for, and whether older,
//! narrower forms agree with the present ones.

use std::fs;
use std::path::Path;

use proto::digest::Digest;

use super::findings::{Findings, rule};
use crate::tiles::durable::TEMPORARY_SUFFIX;
use crate::tiles::{TILE_WIDTH, TilePath, TileStore, bundle, read_bounded};

/// Directories below each other that the layout can have: `tile`, level, up to six groups of the
/// index, `.p`.
const DEPTH_MAX: usize = 10;

/// How many entries the files reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Present {
    /// By the last entry bundle.
    pub(super) entries: u64,
    /// By the last hash tile of level 0.
    pub(super) hashes: u64,
}

/// Walks all names under `tile/` of a log of `size` entries (`None`: not known).
pub(super) fn inspect(store: &TileStore, size: Option<u64>, findings: &mut Findings) -> Present {
    let mut present = Present::default();
    let mut inspection = Inspection {
        store,
        size,
        findings,
        present: &mut present,
    };
    if store.dir().join("tile").exists() {
        inspection.dir("tile", 0);
    }
    present
}

struct Inspection<'a> {
    store: &'a TileStore,
    size: Option<u64>,
    findings: &'a mut Findings,
    present: &'a mut Present,
}

impl Inspection<'_> {
    /// `name` is the path inside the log directory. Links are not followed.
    fn dir(&mut self, name: &str, depth: usize) {
        let listing = match fs::read_dir(self.store.dir().join(name)) {
            Ok(listing) => listing,
            Err(error) => {
                return self
                    .findings
                    .error(None, rule::UNREADABLE, format!("{name}: {error}"));
            }
        };
        for item in listing {
            let found = item.and_then(|item| Ok((item.file_name(), item.file_type()?)));
            let (item, kind) = match found {
                Ok(found) => found,
                Err(error) => {
                    return self
                        .findings
                        .error(None, rule::UNREADABLE, format!("{name}: {error}"));
                }
            };
            let path = format!("{name}/{}", Path::new(&item).display());
            if kind.is_dir() && depth < DEPTH_MAX {
                self.dir(&path, depth + 1);
            } else if kind.is_file() {
                self.file(&path);
            } else {
                self.findings.warning(
                    None,
                    rule::UNKNOWN_FILE,
                    format!("{path} is not a plain file"),
                );
            }
        }
    }

    fn file(&mut self, path: &str) {
        let Some(tile) = TilePath::from_path(path) else {
            let unfinished = path
                .strip_suffix(TEMPORARY_SUFFIX)
                .and_then(TilePath::from_path)
                .is_some();
            let what = if unfinished {
                "was never finished"
            } else {
                "is not part of the layout"
            };
            self.findings
                .warning(None, rule::UNKNOWN_FILE, format!("{path} {what}"));
            return;
        };
        let end = tile
            .index()
            .saturating_mul(u64::from(TILE_WIDTH))
            .saturating_add(u64::from(tile.width()));
        match tile.level() {
            None => self.present.entries = self.present.entries.max(end),
            Some(0) => self.present.hashes = self.present.hashes.max(end),
            Some(_) => {}
        }
        let Some(size) = self.size else { return };
        match tile.at_size(size) {
            Some(wanted) if tile.width() < wanted.width() => self.narrower(tile, wanted),
            Some(wanted) if tile.width() == wanted.width() => {}
            _ => {
                let detail = format!("{path} is for a larger log than the checkpoint's");
                self.findings.notice(None, rule::BEYOND_CHECKPOINT, detail);
            }
        }
    }

    /// A form that an earlier checkpoint had: the beginning of the present one.
    fn narrower(&mut self, tile: TilePath, wanted: TilePath) {
        let Ok(old) = read_bounded(&self.store.file(tile), tile.bytes_max()) else {
            let detail = format!(
                "{} is unreadable or longer than its name allows",
                tile.to_path()
            );
            return self.findings.error(None, rule::PARTIAL_MISMATCH, detail);
        };
        // Where the present form cannot be read, the walk over the entries says so.
        let Ok(now) = self.store.read_file(wanted) else {
            return;
        };
        let whole = if tile.level().is_some() {
            old.len() == usize::from(tile.width()) * Digest::LEN
        } else {
            let (entries, rest) =
                bundle::decode_prefix(&now.slice(..old.len().min(now.len())), tile.width());
            entries.len() == usize::from(tile.width()) && rest.is_empty()
        };
        if !whole || !now.starts_with(&old) {
            let detail = format!(
                "{} is not the beginning of {}",
                tile.to_path(),
                wanted.to_path()
            );
            self.findings.error(None, rule::PARTIAL_MISMATCH, detail);
        }
    }
}
