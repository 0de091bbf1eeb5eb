//! Payloads with their salts, encrypted, each under a key of its own, until the day on which the grant says they end.
//!
//! ```text
//! journal.key             the home's journal key: 32 random bytes, owner-only, made at first use
//! kept/DAY.keys           one small file a day of expiry: each item's key, wrapped under a key derived for that day
//! kept/DAY.data           the items themselves
//! ```
//!
//! An item's key exists nowhere else. Erasing one writes the key file anew without it, wipes the older file, and then
//! overwrites the item: whoever copied the data alone holds noise. When the day is over, both files go. Nothing here is
//! ever written in the clear, and every method that writes is called under [`super::segments::Held::alone`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use bytes::Bytes;
use certs::key_files::{KeyFileError, read_private, write_private};
use proto::commitment::Salt;
use proto::id::ExchangeId;
use thiserror::Error;
use zeroize::Zeroizing;

use super::day::Day;
use super::record::Role;
use super::segments::{make_dir, sync_dir};

mod slot;

use slot::{Bound, ID_BYTES, IdBytes, KEY_BYTES, Place, SLOT_BYTES, Slot};
use slot::{fresh, open, seal, wrap, wrapping_key};

const KEYS: &str = ".keys";
const DATA: &str = ".data";
/// Encrypted bytes that are written together: what the processor still has at hand.
const TOGETHER_BYTES: usize = 128 << 10;
/// What wipes, so many bytes at a time.
const ZEROS: [u8; 8192] = [0; 8192];

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Half {
    /// What was asked.
    Request = 1,
    /// What was answered.
    Answer = 2,
}

/// One payload of one exchange, as this side of it holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemId {
    pub(super) exchange: ExchangeId,
    pub(super) role: Role,
    pub(super) half: Half,
}

impl ItemId {
    fn bytes(self) -> IdBytes {
        let mut bytes = [0; ID_BYTES];
        bytes[..16].copy_from_slice(self.exchange.as_bytes());
        bytes[16] = self.role as u8;
        bytes[17] = self.half as u8;
        bytes
    }
}

/// A payload to keep. `Debug` shows neither salt nor payload.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) id: ItemId,
    /// The last day on which it is kept.
    pub(super) until: Day,
    pub(super) salt: Salt,
    pub(super) payload: Bytes,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Item({:?}, {} bytes)", self.id, self.payload.len())
    }
}

/// A payload with its salt, opened again. `Debug` shows neither.
#[derive(Clone)]
pub struct Opened {
    /// The salt of its commitment.
    pub salt: Salt,
    /// The agency's bytes.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes)", self.payload.len())
    }
}

/// The kept payloads of one journal.
#[derive(Debug)]
pub(super) struct Vault {
    dir: PathBuf,
    key_file: PathBuf,
}

impl Vault {
    pub(super) fn new(journal: &Path) -> Self {
        Self {
            dir: journal.join("kept"),
            key_file: journal.join("journal.key"),
        }
    }

    /// Encrypts and writes. Durable when it returns.
    pub(super) fn keep(&self, items: &[Item]) -> Result<(), VaultError> {
        let mut days: BTreeMap<Day, Vec<&Item>> = BTreeMap::new();
        for item in items {
            days.entry(item.until).or_default().push(item);
        }
        if days.is_empty() {
            return Ok(());
        }
        make_dir(&self.dir)?;
        let master = self.master(true)?;
        for (day, items) in days {
            let wrapping = wrapping_key(&master, day)?;
            // Data first: a key names its data's place, and data without a key is noise.
            let (mut file, mut at) = open_end(&self.path(day, DATA), 1)?;
            let bound = Bound::to(day);
            let mut slots = Vec::with_capacity(items.len() * SLOT_BYTES);
            let mut data = Vec::new();
            for (item, fresh) in items.iter().zip(fresh(items.len())?.iter()) {
                // Bounded by the largest payload.
                let len = seal(fresh, &bound, item, &mut data)? as u32;
                let place = Place { at, len };
                slots.extend_from_slice(&wrap(&wrapping, &bound, item.id.bytes(), place, fresh)?);
                at += u64::from(len);
                if data.len() >= TOGETHER_BYTES {
                    file.write_all(&data)?;
                    data.clear();
                }
            }
            file.write_all(&data)?;
            file.sync_data()?;
            let (mut file, _) = open_end(&self.path(day, KEYS), SLOT_BYTES as u64)?;
            file.write_all(&slots)?;
            file.sync_data()?;
        }
        Ok(sync_dir(&self.dir)?)
    }

    /// The payload of `id`; `None` when it is not kept, was erased or has expired.
    pub(super) fn open(&self, id: ItemId) -> Result<Option<Opened>, VaultError> {
        for day in self.days()? {
            let slots = self.slots(day)?;
            let Some(slot) = slots.iter().rev().find(|slot| slot.id() == id.bytes()) else {
                continue;
            };
            let wrapping = wrapping_key(&self.master(false)?, day)?;
            let key = slot
                .unwrap(&wrapping, day)
                .ok_or_else(|| self.damaged(day, KEYS))?;
            let path = self.path(day, DATA);
            let sealed = File::open(&path).and_then(|mut file| slot.place().read(&mut file));
            let opened = sealed
                .ok()
                .and_then(|sealed| open(&key, day, &id.bytes(), sealed));
            return opened.map(Some).ok_or(VaultError::Damaged(path));
        }
        Ok(None)
    }

    /// The exchanges that are chosen and of which anything is kept.
    pub(super) fn exchanges(
        &self,
        chosen: &dyn Fn(ExchangeId) -> bool,
    ) -> Result<BTreeSet<ExchangeId>, VaultError> {
        let mut found = BTreeSet::new();
        for day in self.days()? {
            let slots = self.slots(day)?;
            found.extend(
                slots
                    .iter()
                    .filter_map(Slot::exchange)
                    .filter(|id| chosen(*id)),
            );
        }
        Ok(found)
    }

    /// Destroys every item for which `chosen` says so; gives the exchanges whose keys are gone. First the keys, which is
    /// the erasure; then the data, which is noise without them.
    pub(super) fn erase(
        &self,
        chosen: &dyn Fn(ExchangeId) -> bool,
    ) -> Result<BTreeSet<ExchangeId>, VaultError> {
        let mut erased = BTreeSet::new();
        for day in self.days()? {
            let is_chosen = |slot: &Slot| slot.exchange().is_some_and(chosen);
            let (gone, left): (Vec<_>, Vec<_>) = self.slots(day)?.into_iter().partition(is_chosen);
            if gone.is_empty() {
                continue;
            }
            self.replace_keys(day, &left)?;
            erased.extend(gone.iter().filter_map(Slot::exchange));
            let mut file = OpenOptions::new().write(true).open(self.path(day, DATA))?;
            for slot in &gone {
                slot.place().wipe(&mut file)?;
            }
            file.sync_data()?;
        }
        Ok(erased)
    }

    /// Destroys everything whose last day is over; gives how many days' files went.
    pub(super) fn expire(&self, today: Day) -> Result<u64, VaultError> {
        let mut gone = 0;
        for day in self.days()? {
            if day >= today {
                continue;
            }
            for name in [KEYS, DATA] {
                let path = self.path(day, name);
                if path.exists() {
                    let mut file = OpenOptions::new().write(true).open(&path)?;
                    // The keys are the erasure; the data is noise without them, and is only removed.
                    if name == KEYS {
                        let len = file.metadata()?.len();
                        wipe(&mut file, 0, len)?;
                    }
                    std::fs::remove_file(&path)?;
                }
            }
            gone += 1;
        }
        if gone > 0 {
            sync_dir(&self.dir)?;
        }
        Ok(gone)
    }

    /// Days of expiry of which anything is here, ascending.
    fn days(&self) -> Result<BTreeSet<Day>, VaultError> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error.into()),
        };
        let mut days = BTreeSet::new();
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let day = name.strip_suffix(KEYS).or_else(|| name.strip_suffix(DATA));
            days.extend(day.and_then(Day::parse));
        }
        Ok(days)
    }

    fn path(&self, day: Day, name: &str) -> PathBuf {
        self.dir.join(format!("{day}{name}"))
    }

    fn damaged(&self, day: Day, name: &str) -> VaultError {
        VaultError::Damaged(self.path(day, name))
    }

    /// The home's journal key, made when there is none yet and `make` says so.
    fn master(&self, make: bool) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if make && !self.key_file.exists() {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            rand::fill(&mut key[..]).map_err(|_| VaultError::Crypto)?;
            write_private(&self.key_file, &key[..])?;
        }
        let key = read_private(&self.key_file)?;
        if key.len() == KEY_BYTES {
            Ok(key)
        } else {
            Err(VaultError::Damaged(self.key_file.clone()))
        }
    }

    /// The whole slots of a day's key file. One that power cut short belongs to an item that was never said to be kept.
    fn slots(&self, day: Day) -> Result<Vec<Slot>, VaultError> {
        let path = self.path(day, KEYS);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let slots = bytes.chunks_exact(SLOT_BYTES).map(Slot::read);
        slots
            .collect::<Option<_>>()
            .ok_or(VaultError::Damaged(path))
    }

    /// Writes a day's key file anew, and wipes the one that stood there.
    fn replace_keys(&self, day: Day, slots: &[Slot]) -> Result<(), VaultError> {
        let path = self.path(day, KEYS);
        let temporary = self.path(day, ".keys.new");
        let mut older = OpenOptions::new().write(true).open(&path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        for slot in slots {
            file.write_all(&slot.0)?;
        }
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        sync_dir(&self.dir)?;
        // It has no name any more, but its bytes lie on the disk until they are overwritten.
        let len = older.metadata()?.len();
        Ok(wipe(&mut older, 0, len)?)
    }
}

/// Opens a file at its end; what an end of the process left half written there is cut to a multiple of `unit`.
fn open_end(path: &Path, unit: u64) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let len = file.metadata()?.len();
    let end = len - len % unit;
    if end < len {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(end))?;
    Ok((file, end))
}

/// Overwrites a stretch of a file and syncs.
fn wipe(file: &mut File, at: u64, len: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    let mut left = len;
    while left > 0 {
        let part = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..part as usize])?;
        left -= part;
    }
    file.sync_data()
}

/// Why payloads are not kept, opened or erased.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The disk.
    #[error("the kept payloads: {0}")]
    Io(#[from] io::Error),
    /// The journal key.
    #[error("the journal's key: {0}")]
    Key(#[from] KeyFileError),
    /// A file is not what was written.
    #[error("{} is damaged; restore it from a backup, unless what it holds was to be erased", .0.display())]
    Damaged(PathBuf),
    /// No randomness, or a key of the wrong length.
    #[error("the crypto provider could not encrypt or decrypt")]
    Crypto,
}

#[cfg(test)]
mod tests;
