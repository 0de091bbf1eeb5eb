//! The keys that sign checkpoints: files that only their owner may read.
//!
//! The configuration names one. The next keys of the log lie beside it, with `.2`, `.3`, … behind its name, and no file is
//! ever renamed or overwritten: which of them sign is said by the log alone. So a start that finds more files, or no longer
//! the oldest, finds its way.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::checkpoint::LogKey;
use audit::verify::VKEY_FILE;
use certs::SealKeyFile;
use certs::keys::KeyError;
use proto::key::{PublicKey, SignError, Signer};

/// Key files of a log at most: one a year for a century.
const FILES_MAX: u32 = 100;

/// The log's key from its file.
pub struct LogKeyFile {
    file: SealKeyFile,
    key: PublicKey,
}

impl LogKeyFile {
    /// Reads the PEM file at `path`.
    ///
    /// # Errors
    /// [`KeyError`]: above all when others than its owner may read it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::new(SealKeyFile::load(path)?)
    }

    /// Signs with `file`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when its public half is not one that can be bound.
    pub fn new(file: SealKeyFile) -> Result<Self, KeyError> {
        let key = PublicKey::from_spki(&file.public_spki_der()).map_err(|_| KeyError::Malformed)?;
        Ok(Self { file, key })
    }

    /// Writes a new PEM file, owner-only.
    ///
    /// # Errors
    /// [`KeyError::File`], above all when a file stands there already.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        self.file.save(path)
    }
}

impl Signer for LogKeyFile {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.file
            .sign(message)
            .map_err(|error| SignError(error.to_string()))
    }
}

impl fmt::Debug for LogKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKeyFile({:?})", self.key)
    }
}

/// Every key file of a log that is here.
#[derive(Clone, Debug)]
pub struct LogKeyFiles(Vec<(PathBuf, Arc<LogKeyFile>)>);

impl LogKeyFiles {
    /// Reads the file that the configuration names, `path`, and those beside it. The one that is named may be gone when
    /// another one is there.
    ///
    /// # Errors
    /// [`KeyError`]: the first file that cannot be used.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let mut found = Vec::new();
        for path in names(path).filter(|path| path.symlink_metadata().is_ok()) {
            let file = LogKeyFile::load(&path)?;
            found.push((path, Arc::new(file)));
        }
        if found.is_empty() {
            // Says that there is none.
            LogKeyFile::load(path)?;
        }
        Ok(Self(found))
    }

    /// Whether one of the files is there.
    pub(crate) fn any(path: &Path) -> bool {
        names(path).any(|path| path.symlink_metadata().is_ok())
    }

    /// Where the next key of the log whose configuration names `path` is written; `None` when there are too many.
    pub fn free(path: &Path) -> Option<PathBuf> {
        names(path)
            .skip(1)
            .find(|path| path.symlink_metadata().is_err())
    }

    /// The file that holds `key`.
    pub fn path_of(&self, key: &PublicKey) -> Option<&Path> {
        let found = self.0.iter().find(|(_, file)| file.key() == key);
        found.map(|(path, _)| path.as_path())
    }

    /// Each file with its key, the one that the configuration names first.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Arc<LogKeyFile>)> {
        self.0.iter().map(|(path, file)| (path.as_path(), file))
    }

    /// The key of the log `origin` in `dir`, with those that followed it, where the files of all that sign at `now_ms` are
    /// here. Where they are another log's, the key of the first file: it is then told to be another one.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn log_key(&self, origin: &str, dir: &Path, now_ms: u64) -> Result<LogKey, String> {
        let text = std::fs::read_to_string(dir.join(VKEY_FILE)).unwrap_or_default();
        if let Ok(key) = LogKey::from_vkey(&text) {
            key.follow_beside(dir).map_err(|error| error.to_string())?;
            let also = key.also_signs(u64::MAX, now_ms);
            let missing = also.filter(|also| self.path_of(also.public()).is_none());
            if let Some(also) = missing {
                return Err(format!(
                    "the file of {} is not here, and that key signs until the overlap ends; bring it back",
                    also.to_vkey()
                ));
            }
            if self.path_of(key.newest().public()).is_some() {
                return Ok(key);
            }
        }
        let (_, first) = self.files().next().ok_or("there is no key file")?;
        LogKey::new(origin, first.key()).map_err(|error| error.to_string())
    }

    /// The signer for `key`.
    pub fn signer(&self, key: &PublicKey) -> Option<&Arc<LogKeyFile>> {
        let found = self.0.iter().find(|(_, file)| file.key() == key);
        found.map(|(_, file)| file)
    }

    /// All of them, for [`audit::log::Log::open_with`].
    pub fn signers(&self) -> Vec<Arc<dyn Signer>> {
        let signer = |(_, file): &(PathBuf, Arc<LogKeyFile>)| Arc::clone(file) as Arc<dyn Signer>;
        self.0.iter().map(signer).collect()
    }
}

/// The name that the configuration has, then those behind it.
fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    std::iter::once(path.to_owned()).chain((2..=FILES_MAX).map(numbered))
}
