//! An agency's authority key: where it lies, how it is made at enrolment, what a home remembers of it.
//!
//! It binds the agency, so it belongs to the agency's administrators: a file of its own outside the adapter's home,
//! under a passphrase. A home knows only where the file last was. Nothing here keeps a key or a passphrase, and an
//! adapter that runs opens neither.
//!
//! Specification: `docs/protocol.md` §1 (agency authority key).

use std::fs;
use std::path::{Path, PathBuf};

use certs::key_files::{private_dir, replace_public};
use certs::{KeyFile, Passphrase, SealAlgorithm, SealKeyFile};
use proto::id::AgencyId;

use crate::config::{Config, FILE_NAME};
use crate::identity::{FileSigner, HomeError, read_config, read_text};

/// Where the authority key of a new agency is made, or lies already.
#[derive(Clone, Debug)]
pub enum AuthorityPlace {
    /// Inside the home (`authority/authority.key`), without a passphrase: for the switch's own echo agency and for
    /// tests. Whoever can copy the home can bind the agency.
    InHome,
    /// In a file of its own.
    File {
        /// The file.
        path: PathBuf,
        /// What it is under. `None` leaves it plain, which has to be said.
        passphrase: Option<Passphrase>,
    },
}

impl AuthorityPlace {
    /// The path as the settings of `home` remember it, its folder made where it is missing. Relative to the home or
    /// whole, so that it is found from everywhere.
    ///
    /// # Errors
    /// [`HomeError::File`] when the folder cannot be made or others may write there, [`HomeError::Read`].
    pub(crate) fn settled(&self, default: &Path) -> Result<PathBuf, HomeError> {
        match self {
            Self::InHome => Ok(default.to_owned()),
            Self::File { path, .. } => {
                private_dir(folder_of(path))?;
                settled(path)
            }
        }
    }

    pub(crate) fn passphrase(&self) -> Option<&Passphrase> {
        match self {
            Self::InHome => None,
            Self::File { passphrase, .. } => passphrase.as_ref(),
        }
    }
}

/// Where the authority key of `agency` lies unless somebody says otherwise: `AGENCY.authority.key` beside the home,
/// or, where an enrolment in this home was begun, where that one put it.
#[must_use]
pub fn usual_path(home: &Path, agency: &AgencyId) -> PathBuf {
    match read_config(home) {
        Ok(config) => home.join(config.files.authority_key),
        Err(_) => home.with_file_name(format!("{}.authority.key", agency.part(2))),
    }
}

/// Writes down in the settings of `home` where the authority key last was. Only the path; the rest of the text stays
/// as people wrote it. Gives whether it was written: settings that do not name the key are left alone.
///
/// # Errors
/// [`HomeError::File`] and [`HomeError::Read`].
pub fn remember(home: &Path, path: &Path) -> Result<bool, HomeError> {
    let file = home.join(FILE_NAME);
    let text = read_text(&file)?;
    let Some(changed) = Config::with_authority_key(&text, &settled(path)?) else {
        return Ok(false);
    };
    if changed != text {
        replace_public(&file, changed.as_bytes())?;
    }
    Ok(true)
}

/// Opens the key where it lies, or makes an Ed25519 key there when nothing stands there yet.
///
/// # Errors
/// [`HomeError::Key`]; [`HomeError::Passphrase`] and [`HomeError::NoPassphrase`] when the key that lies there is not
/// kept as was said.
pub(crate) fn load_or_make(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<FileSigner, HomeError> {
    if fs::symlink_metadata(path).is_ok() {
        let file = KeyFile::read(path)?;
        if passphrase.is_some() && !file.is_encrypted() {
            return Err(HomeError::NoPassphrase(path.to_owned()));
        }
        let ask = || {
            let missing = || HomeError::Passphrase(path.to_owned());
            passphrase.cloned().ok_or_else(missing)
        };
        return FileSigner::new(file.open(ask)?);
    }
    let key = SealKeyFile::generate(SealAlgorithm::Ed25519)?;
    match passphrase {
        Some(passphrase) => key.save_encrypted(path, passphrase)?,
        None => key.save(path)?,
    }
    FileSigner::new(key)
}

/// The whole path without `..` and links on the way. The file itself need not be there yet.
fn settled(path: &Path) -> Result<PathBuf, HomeError> {
    let read = |cause| HomeError::Read {
        path: path.to_owned(),
        cause,
    };
    let name = path.file_name().ok_or_else(|| {
        read(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "not the path of a file",
        ))
    })?;
    Ok(fs::canonicalize(folder_of(path)).map_err(read)?.join(name))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
