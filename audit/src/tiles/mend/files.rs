//! Writes the files of a mended directory, and keeps those that they replace.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::digest::Digest;

use super::MendError;
use crate::disk;
use crate::tiles::durable::{DurableFiles, create_dirs, sync_dir};
use crate::tiles::pruned::{kept_path, write_kept};
use crate::tiles::write::flat;
use crate::tiles::{TileError, TilePath, TileStore, read_bounded};

/// The own directory's files, and where those go that are replaced.
pub(super) struct Files<'a> {
    store: &'a TileStore,
    set_aside: Option<&'a Path>,
    durable: DurableFiles,
    aside: BTreeSet<PathBuf>,
    pub(super) written: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    pub(super) fn of(store: &'a TileStore, set_aside: Option<&'a Path>) -> Self {
        Self {
            store,
            set_aside,
            durable: DurableFiles::under(store.dir()),
            aside: BTreeSet::new(),
            written: Vec::new(),
        }
    }

    /// Writes a hash tile unless it stands there, and its narrower forms.
    pub(super) fn put_unless_there(
        &mut self,
        tile: TilePath,
        hashes: &[Digest],
    ) -> Result<(), MendError> {
        let there = self.store.read_hashes(tile);
        if !there.is_ok_and(|there| there == hashes) {
            self.put(tile, &flat(hashes))?;
        }
        for form in self.narrower(tile) {
            let hashes = &hashes[..usize::from(form.width()).min(hashes.len())];
            self.put_form(form, &flat(hashes))?;
        }
        Ok(())
    }

    /// The narrower forms of `tile` that are there.
    pub(super) fn narrower(&self, tile: TilePath) -> Vec<TilePath> {
        let dir = self.store.dir().join(tile.partials_dir());
        let names = fs::read_dir(dir).into_iter().flatten().flatten();
        names
            .filter_map(|file| tile.with_width(file.file_name().to_str()?.parse().ok()?))
            .filter(|form| form.width() < tile.width())
            .collect()
    }

    /// Writes a narrower form anew if it holds something else.
    pub(super) fn put_form(&mut self, form: TilePath, bytes: &[u8]) -> Result<(), MendError> {
        let found = read_bounded(&self.store.file(form), form.bytes_max());
        if found.is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        self.put(form, bytes)
    }

    /// Writes `tile`, and keeps what stood there.
    pub(super) fn put(&mut self, tile: TilePath, bytes: &[u8]) -> Result<(), MendError> {
        let path = PathBuf::from(tile.to_path());
        self.replace(&path)?;
        let file = self.store.file(tile);
        if self.set_aside.is_some() {
            self.durable
                .write(&file, bytes)
                .map_err(|error| TileError::io(&file, error))?;
        }
        self.written.push(path);
        Ok(())
    }

    pub(super) fn put_kept(&mut self, bundle: u64, kept: &[(u64, Bytes)]) -> Result<(), MendError> {
        let path = PathBuf::from(kept_path(bundle));
        self.replace(&path)?;
        if self.set_aside.is_some() {
            write_kept(self.store, &mut self.durable, bundle, kept)?;
        }
        self.written.push(path);
        Ok(())
    }

    /// Keeps what stands at `path` under the same path in the directory for it. The new file then takes its name
    /// in one step, so that at no time there is none.
    fn replace(&mut self, path: &Path) -> Result<(), MendError> {
        let Some(aside) = self.set_aside else {
            return Ok(());
        };
        let (from, to) = (self.store.dir().join(path), aside.join(path));
        if !from.is_file() || to.exists() {
            return Ok(());
        }
        let failed = |error: io::Error| TileError::io(&to, error);
        let dir = to.parent().unwrap_or(aside);
        create_dirs(dir).map_err(failed)?;
        let linked = disk::change(&to, || match fs::hard_link(&from, &to) {
            Ok(()) => Ok(true),
            // This file system cannot.
            Err(_) => fs::copy(&from, &to).map(|_| false),
        });
        if !linked.map_err(failed)? {
            disk::sync_file(&to, || File::open(&to)?.sync_all()).map_err(failed)?;
        }
        self.aside.insert(dir.to_owned());
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), MendError> {
        for dir in &self.aside {
            sync_dir(dir).map_err(|error| TileError::io(dir, error))?;
        }
        let synced = self.durable.sync_dirs();
        synced.map_err(|error| TileError::io(self.store.dir(), error).into())
    }
}
