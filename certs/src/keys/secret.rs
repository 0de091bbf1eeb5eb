//! A secret of 32 bytes in a file of its own, always under a passphrase: what is no key pair and must be kept like one.
//!
//! The container is that of encrypted keys (PBES2); what is encrypted is the secret and its SHA-256, so that another
//! passphrase never gives another secret. Whoever keeps such a file can take it away for good ([`SecretFile::destroy`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::KeyError;
use super::encrypted::{self, EncryptedKey};
use super::file::encrypted_section;
use crate::key_files::{self, KeyFileError};
use crate::passphrase::Passphrase;
use crate::{pem, sha256};

/// The label of the PEM section.
const LABEL: &str = "ENCRYPTED MOHAWEL SECRET";
/// Bytes of the secret.
const SECRET_LEN: usize = 32;
/// How often a file is written over before it is removed.
const PASSES: usize = 2;

/// A secret as it lies in its file, closed.
#[derive(Debug)]
pub struct SecretFile(EncryptedKey);

impl SecretFile {
    /// Writes a new owner-only file.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] for one that is too short; [`KeyError::File`], above all when a file stands there.
    pub fn save(
        path: &Path,
        secret: &[u8; SECRET_LEN],
        passphrase: &Passphrase,
    ) -> Result<(), KeyError> {
        passphrase.suits_a_new_key()?;
        let mut whole = Zeroizing::new(Vec::with_capacity(SECRET_LEN * 2));
        whole.extend_from_slice(secret);
        whole.extend_from_slice(&sha256(secret));
        let der = encrypted::encrypt(&whole, passphrase, encrypted::ITERATIONS)?;
        let text = pem::section(LABEL, &der);
        Ok(key_files::write_private(path, text.as_bytes())?)
    }

    /// Reads an owner-only file, without opening what is in it.
    ///
    /// # Errors
    /// [`KeyError::File`] when the file is refused; [`KeyError::Cut`], [`KeyError::OtherKind`], [`KeyError::Scheme`],
    /// [`KeyError::Iterations`] and [`KeyError::Malformed`] when it holds something else than one such secret.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = key_files::read_private(path)?;
        let der = encrypted_section(&text, LABEL)?;
        Ok(Self(EncryptedKey::parse(&der)?))
    }

    /// Opens the secret. Takes a moment on purpose.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`].
    pub fn open(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; SECRET_LEN]>, KeyError> {
        let whole = self.0.decrypt(passphrase)?;
        let parts = whole.split_first_chunk::<SECRET_LEN>();
        match parts {
            Some((secret, check)) if sha256(secret)[..] == *check => Ok(Zeroizing::new(*secret)),
            _ => Err(KeyError::WrongPassphrase),
        }
    }

    /// Writes over the file at `path` with random bytes, removes it, and waits until the disk has both. Copies
    /// elsewhere, and what a disk or file system keeps of old blocks, are out of reach; there the passphrase protects.
    ///
    /// # Errors
    /// [`KeyError::File`]; [`KeyError::Randomness`].
    pub fn destroy(path: &Path) -> Result<(), KeyError> {
        // Refuses what is no private file of ours before anything is lost.
        Self::read(path)?;
        let write = |cause: io::Error| KeyFileError::Write {
            path: path.to_owned(),
            cause,
        };
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(write)?;
        let length = file.metadata().map_err(write)?.len();
        let mut noise = vec![0; usize::try_from(length).unwrap_or(key_files::PRIVATE_FILE_MAX)];
        for _ in 0..PASSES {
            aws_lc_rs::rand::fill(&mut noise).map_err(|_| KeyError::Randomness)?;
            io::Seek::rewind(&mut file).map_err(write)?;
            file.write_all(&noise).map_err(write)?;
            file.sync_all().map_err(write)?;
        }
        std::fs::remove_file(path).map_err(write)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = File::open(dir.unwrap_or(Path::new("."))).map_err(write)?;
        Ok(dir.sync_all().map_err(write)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::keys::{KeyFile, SealAlgorithm, SealKeyFile};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_secret_comes_back_with_its_passphrase_and_with_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.pem");
        let right = passphrase("صباح الخير يا مصر");
        assert!(matches!(
            SecretFile::save(&path, &[7; 32], &passphrase("short")),
            Err(KeyError::Passphrase(_))
        ));
        SecretFile::save(&path, &[7; 32], &right).unwrap();
        let closed = SecretFile::read(&path).unwrap();
        assert_eq!(*closed.open(&right).unwrap(), [7; 32]);
        let wrong = closed.open(&passphrase("صباح النور يا مصر"));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)));
        assert!(matches!(
            SecretFile::save(&path, &[8; 32], &right),
            Err(KeyError::File(KeyFileError::Exists { .. }))
        ));
    }

    #[test]
    fn a_secret_is_no_key_and_a_key_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let (key, secret) = (dir.path().join("key"), dir.path().join("secret"));
        let right = passphrase("صباح الخير يا مصر");
        let made = SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap();
        made.save_encrypted(&key, &right).unwrap();
        SecretFile::save(&secret, &[7; 32], &right).unwrap();
        assert!(matches!(
            SecretFile::read(&key),
            Err(KeyError::OtherKind { .. } | KeyError::Malformed)
        ));
        assert!(matches!(
            KeyFile::read(&secret),
            Err(KeyError::OtherKind { .. })
        ));
        let text = fs::read(&secret).unwrap();
        fs::remove_file(&secret).unwrap();
        for (bytes, what) in [
            (text[..text.len() / 2].to_vec(), "cut"),
            ([&text[..], &text[..]].concat(), "two"),
            (b"nothing".to_vec(), "none"),
        ] {
            key_files::write_private(&secret, &bytes).unwrap();
            assert!(SecretFile::read(&secret).is_err(), "{what}");
            fs::remove_file(&secret).unwrap();
        }
    }

    #[test]
    fn what_is_destroyed_is_gone_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("secret"), dir.path().join("other"));
        SecretFile::save(&path, &[7; 32], &passphrase("صباح الخير يا مصر")).unwrap();
        // A second name of the same file shows what became of its bytes.
        let kept = dir.path().join("kept");
        fs::hard_link(&path, &kept).unwrap();
        let before = fs::read(&kept).unwrap();
        SecretFile::destroy(&path).unwrap();
        assert!(!path.exists());
        let after = fs::read(&kept).unwrap();
        assert_eq!(after.len(), before.len());
        assert_ne!(after, before);
        assert!(SecretFile::read(&kept).is_err());
        key_files::write_private(&other, b"letters").unwrap();
        assert!(SecretFile::destroy(&other).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"letters");
        assert!(
            SecretFile::destroy(&path).is_err(),
            "a second time there is nothing"
        );
    }
}
