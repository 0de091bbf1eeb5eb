//! The data-protection authority's folder: one encrypted master for each epoch, and what is known of them.
//!
//! ```text
//! epochs.toml       number, beginning, overlap, agreements that got a key, when it was destroyed: no secret
//! epoch-0001.pem    the master, owner-only, under a passphrase
//! ```
//!
//! A master is written before it is named in `epochs.toml` and destroyed before it is marked there, so that a crash in
//! between loses no secret that is in use and leaves none that is said to be gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use adapters::subjects::KeyFile;
use audit::people::Masters;
use certs::key_files::{self, private_dir};
use certs::{Passphrase, SecretFile};
use proto::digest::Digest;
use proto::subject::EpochMaster;
use serde::{Deserialize, Serialize};

use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::passphrase;

/// The file that says which epochs there are.
const INDEX: &str = "epochs.toml";
/// Bytes of that file at most.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// One epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) number: u32,
    pub(super) from_ms: u64,
    pub(super) overlap_ms: u64,
    /// Agreements whose parties got a key.
    pub(super) derived: BTreeSet<Digest>,
    pub(super) destroyed_at_ms: Option<u64>,
}

/// The folder, read.
#[derive(Debug)]
pub(super) struct Epochs {
    dir: PathBuf,
    /// Ascending, from 1, without a gap.
    pub(super) list: Vec<Epoch>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    epoch: Vec<Shape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    number: u32,
    from_ms: u64,
    overlap_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    destroyed_at_ms: Option<u64>,
    derived: Vec<String>,
}

impl Epochs {
    /// Makes the folder with its first epoch.
    ///
    /// # Errors
    /// A usage failure when it holds epochs already.
    pub(super) fn found(dir: &Path) -> Result<Self, Failure> {
        private_dir(dir).map_err(Failure::usage)?;
        if dir.join(INDEX).exists() {
            let there = dir.display();
            return Err(Failure::new(
                Exit::Usage,
                [
                    format!("{there} holds epochs already; nothing was made"),
                    format!("المجلد {there} فيه حِقب بالفعل؛ ولم يُنشأ شيء"),
                ],
                [
                    "To begin the next epoch run `mohawel audit subject-key rotate`.",
                    "لبدء الحقبة التالية شغّل الأمر mohawel audit subject-key rotate.",
                ],
            ));
        }
        Ok(Self {
            dir: dir.to_owned(),
            list: Vec::new(),
        })
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// A usage failure that says what to do.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(INDEX);
        let size = std::fs::metadata(&path)
            .map_err(|error| missing(dir, &error))?
            .len();
        if size > INDEX_BYTES_MAX {
            return Err(in_file(
                &path,
                "it is far too large; restore it from a backup",
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| missing(dir, &error))?;
        let index: Index = toml::from_str(&text).map_err(|error| in_file(&path, error))?;
        let mut list = Vec::new();
        for (shape, number) in index.epoch.into_iter().zip(1..) {
            let derived: Option<BTreeSet<_>> = shape
                .derived
                .iter()
                .map(|id| Digest::from_hex(id))
                .collect();
            let Some(derived) = derived.filter(|_| shape.number == number) else {
                let what =
                    format!("epoch {number} is missing or damaged; restore the file from a backup");
                return Err(in_file(&path, what));
            };
            list.push(Epoch {
                number,
                from_ms: shape.from_ms,
                overlap_ms: shape.overlap_ms,
                derived,
                destroyed_at_ms: shape.destroyed_at_ms,
            });
        }
        if list.is_empty() {
            return Err(in_file(
                &path,
                "it names no epoch; restore it from a backup",
            ));
        }
        Ok(Self {
            dir: dir.to_owned(),
            list,
        })
    }

    /// The newest epoch.
    ///
    /// # Errors
    /// A usage failure when there is none, which only a folder that is being made has.
    pub(super) fn newest(&self) -> Result<&Epoch, Failure> {
        self.list
            .last()
            .ok_or_else(|| Failure::usage("there is no epoch yet"))
    }

    /// The epoch of that number.
    ///
    /// # Errors
    /// A usage failure that names those there are.
    pub(super) fn epoch(&self, number: u32) -> Result<&Epoch, Failure> {
        let found = self.list.iter().find(|epoch| epoch.number == number);
        found.ok_or_else(|| {
            let last = self.list.len();
            Failure::usage(format!("there is no epoch {number}; there are 1 to {last}"))
        })
    }

    /// Begins the next epoch, with a fresh master under `passphrase`.
    ///
    /// # Errors
    /// A usage failure for a time that is not after the epoch before.
    pub(super) fn begin(
        &mut self,
        from_ms: u64,
        overlap_ms: u64,
        passphrase: &Passphrase,
    ) -> Result<(), Failure> {
        if self
            .list
            .last()
            .is_some_and(|before| before.from_ms >= from_ms)
        {
            return Err(Failure::usage(
                "an epoch begins after the one before it; give a later time with --from",
            ));
        }
        let number = u32::try_from(self.list.len() + 1).map_err(Failure::usage)?;
        let master = EpochMaster::random().map_err(Failure::unavailable)?;
        SecretFile::save(&self.master_path(number), master.as_bytes(), passphrase)
            .map_err(Failure::usage)?;
        self.list.push(Epoch {
            number,
            from_ms,
            overlap_ms,
            derived: BTreeSet::new(),
            destroyed_at_ms: None,
        });
        self.save()
    }

    /// The key file of `agreement` for `epoch`; remembered, so that a later `rotate` and `destroy` name it.
    ///
    /// # Errors
    /// A usage failure for an epoch that was destroyed.
    pub(super) fn derive(
        &mut self,
        number: u32,
        agreement: Digest,
        passphrase: &Passphrase,
    ) -> Result<KeyFile, Failure> {
        let epoch = self.epoch(number)?;
        let master = self.master(epoch, passphrase)?;
        let file = KeyFile {
            agreement,
            epoch: number,
            from_ms: epoch.from_ms,
            overlap_ms: epoch.overlap_ms,
            key: master.key(&agreement).map_err(Failure::unavailable)?,
        };
        for epoch in &mut self.list {
            if epoch.number == number && epoch.derived.insert(agreement) {
                self.save()?;
                break;
            }
        }
        Ok(file)
    }

    /// Destroys a master. One whose file is gone already is only marked.
    ///
    /// # Errors
    /// What keeps the file from being written over or removed.
    pub(super) fn destroy(&mut self, number: u32, at_ms: u64) -> Result<(), Failure> {
        self.epoch(number)?;
        let path = self.master_path(number);
        if std::fs::symlink_metadata(&path).is_ok() {
            SecretFile::destroy(&path).map_err(Failure::usage)?;
        }
        for epoch in &mut self.list {
            if epoch.number == number {
                epoch.destroyed_at_ms.get_or_insert(at_ms);
            }
        }
        self.save()
    }

    /// Every master that was not destroyed. The passphrase is read once.
    ///
    /// # Errors
    /// A master that is missing and not marked as destroyed; a wrong passphrase.
    pub(super) fn masters(
        &self,
        passphrase_file: Option<&Path>,
        output: Output,
    ) -> Result<Masters, Failure> {
        let left: Vec<_> = self.left().collect();
        if left.is_empty() {
            return Ok(Masters::new());
        }
        let passphrase = self.passphrase(passphrase_file, output)?;
        let opened = left
            .into_iter()
            .map(|epoch| Ok((epoch.number, self.master(epoch, &passphrase)?)));
        opened.collect()
    }

    /// The passphrase of the masters that are there, tried on the newest of them.
    ///
    /// # Errors
    /// A usage failure when it is none, or not theirs.
    pub(super) fn passphrase(
        &self,
        file: Option<&Path>,
        output: Output,
    ) -> Result<Passphrase, Failure> {
        let newest = self.left().last();
        let path = match newest {
            Some(epoch) => self.master_path(epoch.number),
            None => self.dir.clone(),
        };
        let passphrase = match file {
            Some(file) => Passphrase::load(file).map_err(Failure::usage)?,
            None => passphrase::ask(&path, output)?,
        };
        if let Some(epoch) = newest {
            self.master(epoch, &passphrase)?;
        }
        Ok(passphrase)
    }

    /// Epochs whose master was not destroyed.
    fn left(&self) -> impl Iterator<Item = &Epoch> {
        self.list
            .iter()
            .filter(|epoch| epoch.destroyed_at_ms.is_none())
    }

    fn master(&self, epoch: &Epoch, passphrase: &Passphrase) -> Result<EpochMaster, Failure> {
        let number = epoch.number;
        if epoch.destroyed_at_ms.is_some() {
            return Err(Failure::usage(format!(
                "epoch {number} was destroyed; nothing can be made of it any more"
            )));
        }
        let path = self.master_path(number);
        let opened = SecretFile::read(&path).and_then(|file| file.open(passphrase));
        let secret = opened.map_err(|error| in_file(&path, error))?;
        EpochMaster::from_slice(&secret[..]).ok_or_else(|| in_file(&path, "it is no master"))
    }

    pub(super) fn master_path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("epoch-{number:04}.pem"))
    }

    fn save(&self) -> Result<(), Failure> {
        let shapes = self.list.iter().map(|epoch| Shape {
            number: epoch.number,
            from_ms: epoch.from_ms,
            overlap_ms: epoch.overlap_ms,
            destroyed_at_ms: epoch.destroyed_at_ms,
            derived: epoch.derived.iter().map(Digest::to_string).collect(),
        });
        let index = Index {
            epoch: shapes.collect(),
        };
        let body = toml::to_string(&index).map_err(Failure::unavailable)?;
        let text = format!(
            "# Epochs of subject keys. Written by mohawel audit subject-key; holds no secret.\n{body}"
        );
        let path = self.dir.join(INDEX);
        key_files::replace_public(&path, text.as_bytes()).map_err(Failure::unavailable)
    }
}

fn missing(dir: &Path, error: &std::io::Error) -> Failure {
    let there = dir.display();
    Failure::new(
        Exit::Usage,
        [
            format!("{there} is no folder of subject keys: {INDEX} cannot be read: {error}"),
            format!("{there} ليس مجلد مفاتيح أشخاص: تعذّرت قراءة {INDEX}: {error}"),
        ],
        [
            "Name the data-protection authority's folder with --dir, or make it with `mohawel audit subject-key new`.",
            "اذكر مجلد سلطة حماية البيانات بالخيار ‎--dir‎ أو أنشئه بالأمر mohawel audit subject-key new.",
        ],
    )
}

#[cfg(test)]
mod tests;
