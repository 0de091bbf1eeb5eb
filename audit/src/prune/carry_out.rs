//! The steps of a pruning, in the order in which a kill between any two leaves a log that opens.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::walk::{self, Walked};
use super::{PruneError, Report, Run, bundles};
use crate::disk;
use crate::index::INDEX_DIR;
use crate::journal::letting_go::{let_go_below, remove_database, store_databases};
use crate::rebuild::repaired;
use crate::tiles::proven::ProvenTiles;
use crate::tiles::pruned::write_minimum;
use crate::tiles::reread::all_as_signed;
use crate::tiles::{TileError, durable};

impl Run<'_, '_> {
    /// Each step only once what it relies on is durable.
    pub(super) fn carry_out(
        &mut self,
        tiles: &mut ProvenTiles<'_>,
        walked: &Walked,
        has_journal: bool,
        report: &mut Report,
    ) -> Result<(), PruneError> {
        let published = tiles.head();
        self.step("keep registry entries")?;
        walk::keep(self, tiles, walked)?;
        if has_journal {
            let bundles = crate::log::bundles(self.dir);
            let layout = self.layout.clone();
            let mut step = |step: &str| self.step(step);
            let_go_below(&layout, &bundles, published, &walked.head, &mut step)?;
        }
        if report.minimum_index > self.pruned.minimum() {
            if has_journal {
                self.step("note the pruning")?;
                let word = format!("pruned:{}", report.minimum_index);
                repaired::write(self.dir, published.size, &[word])?;
            }
            self.step("set the minimum index")?;
            write_minimum(self.dir, report.minimum_index)?;
        }
        self.step("remove bundles")?;
        bundles::remove_below(self.dir, walked.head.size())?;
        if has_journal {
            report.databases = self.remove_databases(tiles, walked.head.size())?;
        }
        self.step("remove indexes")?;
        self.remove_indexes(walked.head.size())
    }

    /// Databases that are never opened again and hold entries below `cut`. What else they hold must stand in its bundles.
    fn remove_databases(
        &mut self,
        tiles: &mut ProvenTiles<'_>,
        cut: u64,
    ) -> Result<Vec<PathBuf>, PruneError> {
        let databases = store_databases(self.dir)?;
        let ends = databases.iter().skip(1).map(|(first, _)| *first);
        let old: Vec<_> = databases
            .iter()
            .zip(ends)
            .filter(|((first, _), _)| *first < cut)
            .map(|((_, path), end)| (path.clone(), end))
            .collect();
        let mut from = cut;
        for (path, end) in &old {
            all_as_signed(tiles, self.store, from.min(*end)..*end, &mut || true)?;
            from = from.max(*end);
            self.step("remove a database")?;
            remove_database(path)?;
        }
        Ok(old.into_iter().map(|(path, _)| path).collect())
    }

    /// Index databases that name entries below `cut`; the next refresh makes what is still wanted of them.
    fn remove_indexes(&self, cut: u64) -> Result<(), PruneError> {
        let dir = self.dir.join(INDEX_DIR);
        let failed = |error| TileError::io(&dir, error);
        let names = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names.map_err(failed)?,
        };
        for name in names {
            let path = name.map_err(failed)?.path();
            let first = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            if first.is_none_or(|first: u64| first < cut) && path.is_dir() {
                disk::change(&path, || fs::remove_dir_all(&path))
                    .map_err(|error| TileError::io(&path, error))?;
            }
        }
        Ok(durable::sync_dir(&dir).map_err(failed)?)
    }
}
