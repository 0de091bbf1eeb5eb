//! The keys with which a home opens what is sealed to its system.
//!
//! A folder of owner-only PEM files (PKCS#8, as openssl reads and writes X25519 keys), each named by the key's kid: the newest and
//! those before it, for as long as somebody may still seal to them. All adapters of a system need the same files, since
//! nobody knows beforehand which of them answers. Looked up by name when needed, so a new key counts without a restart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certs::key_files::{self, KeyFileError};
use proto::digest::Digest;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{OpeningKey, SealedError};

/// The folder inside a home.
const FOLDER: &str = "encryption";
/// PKCS#8 of an X25519 key (RFC 8410) up to its 32 bytes.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];

/// The keys of one home.
#[derive(Debug)]
pub struct EncryptionKeys {
    dir: PathBuf,
    read: Mutex<HashMap<Digest, Arc<OpeningKey>>>,
}

impl EncryptionKeys {
    /// Of the home `home`; nothing is read yet.
    pub fn of(home: &Path) -> Self {
        Self {
            dir: home.join(FOLDER),
            read: Mutex::default(),
        }
    }

    /// Makes a key and its file, durable when it returns.
    ///
    /// # Errors
    /// [`EncryptionKeyError`].
    pub fn make(&self) -> Result<Arc<OpeningKey>, EncryptionKeyError> {
        let made = OpeningKey::generate()?;
        let path = self.path(&made.key().kid());
        key_files::write_private(&path, to_pem(&made).as_bytes())?;
        Ok(self.keep(made))
    }

    /// Where the key `kid` lies, or would.
    pub fn path(&self, kid: &Digest) -> PathBuf {
        self.dir.join(format!("{kid}.key"))
    }

    /// The key `kid`.
    ///
    /// # Errors
    /// [`EncryptionKeyError::Missing`], and what is wrong with its file.
    pub fn find(&self, kid: &Digest) -> Result<Arc<OpeningKey>, EncryptionKeyError> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(kid) {
            return Ok(Arc::clone(key));
        }
        drop(known);
        let path = self.path(kid);
        if !path.exists() {
            return Err(EncryptionKeyError::Missing(path));
        }
        let pem = key_files::read_private(&path)?;
        let found = from_pem(&pem).filter(|found| found.key().kid() == *kid);
        found
            .map(|found| self.keep(found))
            .ok_or(EncryptionKeyError::Malformed(path))
    }

    fn keep(&self, key: OpeningKey) -> Arc<OpeningKey> {
        let key = Arc::new(key);
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.key().kid(), Arc::clone(&key));
        key
    }
}

fn to_pem(key: &OpeningKey) -> Zeroizing<String> {
    let der = Zeroizing::new([&PKCS8, key.secret_bytes()].concat());
    let text = Zeroizing::new(STANDARD.encode(&*der));
    Zeroizing::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        &*text
    ))
}

fn from_pem(pem: &[u8]) -> Option<OpeningKey> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
    let secret = der.secret_pkcs8_der().strip_prefix(&PKCS8)?;
    OpeningKey::from_secret(secret)
}

/// Why a home's encryption key cannot be used.
#[derive(Debug, Error)]
pub enum EncryptionKeyError {
    /// No such file.
    #[error(
        "{} is not there: copy it from another adapter of this system, or make a new key with `mohawel adapter encryption-key`",
        .0.display()
    )]
    Missing(PathBuf),
    /// Not that key.
    #[error("{} does not hold the X25519 key that its name says; restore it from a backup", .0.display())]
    Malformed(PathBuf),
    /// The file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// No randomness.
    #[error(transparent)]
    Sealed(#[from] SealedError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_by_another_run_and_no_other_is() {
        let dir = tempfile::tempdir().unwrap();
        let made = EncryptionKeys::of(dir.path()).make().unwrap();
        let kid = made.key().kid();
        let again = EncryptionKeys::of(dir.path());
        assert_eq!(again.find(&kid).unwrap().key(), made.key());
        let other = Digest::of(b"another");
        assert!(matches!(
            again.find(&other),
            Err(EncryptionKeyError::Missing(_))
        ));
        // One key under another's name.
        std::fs::copy(again.path(&kid), again.path(&other)).unwrap();
        assert!(matches!(
            again.find(&other),
            Err(EncryptionKeyError::Malformed(_))
        ));
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let kid = EncryptionKeys::of(dir.path()).make().unwrap().key().kid();
        let keys = EncryptionKeys::of(dir.path());
        let wide = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(keys.path(&kid), wide).unwrap();
        assert!(matches!(keys.find(&kid), Err(EncryptionKeyError::File(_))));
    }
}
