//! The minimum index, and what is kept of the entries below it.
//!
//! C2SP tlog-tiles (Pruning) lets a log withhold every entry bundle that ends at or below its minimum index, and
//! fixes no form yet in which that index is told. Here it is the file `minimum-index`: the decimal number and a
//! line end; without the file it is 0. Hash tiles all stay, so every proof can still be made. Registry entries stay,
//! too, or nobody could fold the registry again: those of bundle `tile/entries/N` in `pruned/N`, one after the
//! other as `u64 index ‖ u16 length ‖ entry`, big-endian and ascending. A bundle without any has no such file.
//!
//! What is read here is claimed by the files: whoever uses it hashes it and compares it with the tiles.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use super::bundle::BUNDLE_ENTRY_BYTES_MAX;
use super::durable::{self, DurableFiles};
use super::path::TILE_WIDTH;
use super::{TileError, TilePath, TileStore, read_bounded};

/// Name of the file in the log directory that holds the minimum index.
pub const MINIMUM_FILE: &str = "minimum-index";
/// Name of the directory in the log directory that holds what is kept.
pub const KEPT_DIR: &str = "pruned";
/// Bytes of the file at most: the digits of a u64 and a line end.
const MINIMUM_BYTES_MAX: u64 = 21;
/// Index and length before each kept entry.
const KEPT_HEAD: usize = 10;

/// A log directory's minimum index, and the way to what is kept below it.
#[derive(Clone, Debug)]
pub struct Pruned {
    store: TileStore,
    minimum: u64,
}

impl Pruned {
    /// Reads the minimum index of `store`; 0 where nothing says otherwise.
    ///
    /// # Errors
    /// [`PrunedError`]: the file is there and says nothing that can be relied on.
    pub fn of(store: &TileStore) -> Result<Self, PrunedError> {
        Ok(Self {
            store: store.clone(),
            minimum: read_minimum(store.dir())?,
        })
    }

    /// Nothing is pruned, whatever the files say.
    pub fn nothing(store: &TileStore) -> Self {
        Self {
            store: store.clone(),
            minimum: 0,
        }
    }

    /// Entries below this index need not be there.
    pub fn minimum(&self) -> u64 {
        self.minimum
    }

    /// Entries from this index on are in bundles: the minimum index, rounded down to one.
    pub fn bundles_from(&self) -> u64 {
        self.minimum - self.minimum % u64::from(TILE_WIDTH)
    }

    /// Whether entry bundle number `bundle`, full, need not be there.
    pub fn covers(&self, bundle: u64) -> bool {
        end_of(bundle).is_some_and(|end| end <= self.minimum)
    }

    /// Kept entries of bundle number `bundle`, each with its index, ascending. None where there is no file.
    ///
    /// # Errors
    /// [`TileError`]: the file cannot be read, or is not in its one form.
    pub fn kept(&self, bundle: u64) -> Result<Vec<(u64, Bytes)>, TileError> {
        let path = self.store.dir().join(kept_path(bundle));
        match read_bounded(&path, kept_bytes_max()) {
            Ok(bytes) => decode(bundle, &bytes.into()).map_err(|what| TileError::Malformed {
                path: kept_path(bundle),
                what,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(TileError::io(&path, error)),
        }
    }

    /// Kept entries of indexes `from..to`, each with its index, ascending, from no more than one file more than it
    /// takes to reach `entries_max`. Gives them, and the index from which on nothing was looked at.
    ///
    /// # Errors
    /// As [`Pruned::kept`].
    pub fn kept_between(
        &self,
        from: u64,
        to: u64,
        entries_max: usize,
    ) -> Result<(Vec<(u64, Bytes)>, u64), TileError> {
        let width = u64::from(TILE_WIDTH);
        let to = to.min(self.bundles_from());
        let (mut found, mut next) = (Vec::new(), from.min(to));
        while next < to && found.len() < entries_max {
            let bundle = next / width;
            let end = ((bundle + 1) * width).min(to);
            let kept = self.kept(bundle)?;
            found.extend(kept.into_iter().filter(|(at, _)| (next..end).contains(at)));
            next = end;
        }
        if found.len() > entries_max {
            next = found[entries_max].0;
            found.truncate(entries_max);
        }
        Ok((found, next))
    }
}

/// The minimum index that the log directory `dir` claims.
///
/// # Errors
/// [`PrunedError`].
pub fn read_minimum(dir: &Path) -> Result<u64, PrunedError> {
    let path = dir.join(MINIMUM_FILE);
    let bytes = match read_bounded(&path, MINIMUM_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(PrunedError::Malformed(path));
        }
        Err(source) => return Err(PrunedError::Io { path, source }),
    };
    let number = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .and_then(|digits| digits.parse::<u64>().ok());
    match number {
        // One form: no sign, no leading zero, no space.
        Some(minimum) if minimum_text(minimum).as_bytes() == bytes => Ok(minimum),
        _ => Err(PrunedError::Malformed(path)),
    }
}

/// Says durably that entries below `minimum` need not be there. What is to be kept of them must be written before.
///
/// # Errors
/// [`PrunedError::Io`].
pub fn write_minimum(dir: &Path, minimum: u64) -> Result<(), PrunedError> {
    let path = dir.join(MINIMUM_FILE);
    durable::write_file(&path, minimum_text(minimum).as_bytes())
        .map_err(|source| PrunedError::Io { path, source })
}

/// Writes what is kept of bundle number `bundle`; durable after `files` has synced its directories. Nothing to keep
/// makes no file.
///
/// # Errors
/// [`TileError::Io`]; [`TileError::EntryTooLarge`].
pub fn write_kept(
    store: &TileStore,
    files: &mut DurableFiles,
    bundle: u64,
    kept: &[(u64, Bytes)],
) -> Result<(), TileError> {
    if kept.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for (index, entry) in kept {
        let len = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLarge(entry.len()))?;
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    let path = store.dir().join(kept_path(bundle));
    match read_bounded(&path, kept_bytes_max()) {
        Ok(found) if found == bytes => files.adopt(&path),
        _ => files.write(&path, &bytes),
    }
    .map_err(|error| TileError::io(&path, error))
}

/// Where the kept entries of a bundle stand, inside the log directory.
pub fn kept_path(bundle: u64) -> String {
    let path = TilePath::entries(bundle).to_path();
    let number = path.strip_prefix("tile/entries/").unwrap_or(&path);
    format!("{KEPT_DIR}/{number}")
}

fn minimum_text(minimum: u64) -> String {
    format!("{minimum}\n")
}

fn end_of(bundle: u64) -> Option<u64> {
    bundle.checked_add(1)?.checked_mul(u64::from(TILE_WIDTH))
}

fn kept_bytes_max() -> u64 {
    u64::from(TILE_WIDTH) * (KEPT_HEAD + BUNDLE_ENTRY_BYTES_MAX) as u64
}

fn decode(bundle: u64, bytes: &Bytes) -> Result<Vec<(u64, Bytes)>, &'static str> {
    let end = end_of(bundle).ok_or("it is outside every log")?;
    let mut lowest = end - u64::from(TILE_WIDTH);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let cut = "it ends inside a kept entry";
        let head = bytes.get(at..at + KEPT_HEAD).ok_or(cut)?;
        let (index, len) = head.split_first_chunk::<8>().ok_or(cut)?;
        let index = u64::from_be_bytes(*index);
        if !(lowest..end).contains(&index) {
            return Err("its indexes do not ascend inside its bundle");
        }
        let from = at + KEPT_HEAD;
        let to = from + usize::from(u16::from_be_bytes([len[0], len[1]]));
        if to > bytes.len() {
            return Err(cut);
        }
        kept.push((index, bytes.slice(from..to)));
        lowest = index + 1;
        at = to;
    }
    Ok(kept)
}

/// Why a directory's minimum index is not known.
#[derive(Debug, Error)]
pub enum PrunedError {
    /// The file is not a number in its one form.
    #[error(
        "{} is not a decimal number and a line end: restore it from a copy, or remove it if nothing was ever pruned",
        .0.display()
    )]
    Malformed(PathBuf),
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_has_one_form() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_minimum(dir.path()).unwrap(), 0);
        for minimum in [0, 256, u64::MAX] {
            write_minimum(dir.path(), minimum).unwrap();
            assert_eq!(read_minimum(dir.path()).unwrap(), minimum);
        }
        for bad in [
            "",
            "\n",
            "256",
            "256\r\n",
            "+1\n",
            "01\n",
            " 1\n",
            "1\n\n",
            "-1\n",
            "x\n",
            "18446744073709551616\n",
            "000000000000000000000000\n",
        ] {
            std::fs::write(dir.path().join(MINIMUM_FILE), bad).unwrap();
            let read = read_minimum(dir.path());
            assert!(matches!(read, Err(PrunedError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_reads_back_and_no_other_bytes_do() {
        let dir = tempfile::tempdir().unwrap();
        let store = TileStore::new(dir.path());
        let mut files = DurableFiles::under(dir.path());
        let entry = |text: &'static str| Bytes::from_static(text.as_bytes());
        let first = [(256, entry("a")), (300, entry("bc")), (511, entry("def"))];
        write_kept(&store, &mut files, 1, &first).unwrap();
        write_kept(&store, &mut files, 2, &[]).unwrap();
        write_kept(&store, &mut files, 3, &[(800, entry("later"))]).unwrap();
        files.sync_dirs().unwrap();
        write_minimum(dir.path(), 1024).unwrap();
        let pruned = Pruned::of(&store).unwrap();
        assert_eq!(pruned.kept(1).unwrap(), first);
        assert_eq!(pruned.kept(2).unwrap(), []);
        assert!(!dir.path().join("pruned/002").exists());
        assert!(pruned.covers(3) && !pruned.covers(4) && !pruned.covers(u64::MAX));
        let between = |from, to, most| {
            let (found, next) = pruned.kept_between(from, to, most).unwrap();
            (found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), next)
        };
        assert_eq!(between(0, 9_999, 99), (vec![256, 300, 511, 800], 1024));
        assert_eq!(between(257, 800, 99), (vec![300, 511], 800));
        assert_eq!(between(0, 9_999, 2), (vec![256, 300], 511));
        assert_eq!(between(2_000, 9_999, 2), (vec![], 1024));
        let path = dir.path().join("pruned/001");
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let ends_between = [11, 23].contains(&cut);
            assert_eq!(pruned.kept(1).is_ok(), ends_between, "{cut}");
        }
        for (index, what) in [(255u64, "below"), (512, "above")] {
            let mut bytes = whole.clone();
            bytes[..8].copy_from_slice(&index.to_be_bytes());
            std::fs::write(&path, bytes).unwrap();
            assert!(pruned.kept(1).is_err(), "{what}");
        }
        std::fs::write(&path, [&whole[..], &whole[..]].concat()).unwrap();
        assert!(pruned.kept(1).is_err(), "twice");
    }
}
