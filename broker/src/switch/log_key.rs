//! The key that signs checkpoints: a file that only its owner may read.

use std::fmt;
use std::path::Path;

use certs::SealKeyFile;
use certs::keys::KeyError;
use proto::key::{PublicKey, SignError, Signer};

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
