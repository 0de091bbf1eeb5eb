//! An adapter's home folder: who it is, whom it believes, and the keys that never leave it.
//!
//! ```text
//! adapter.toml             where the switch stands, which one it is, what this adapter is called
//! root.pem  log.vkey       whom this adapter believes
//! log.keys                 the keys by which the log's key was followed, as their entries showed
//! tls.key   tls.pem        who is connected
//! seal.key                 who says this
//! encryption/              with what is opened what others seal to this system
//! checkpoint.txt           the largest checkpoint that was verified
//! promised.txt             what receipts promised and no published checkpoint has confirmed yet
//! fork-evidence-*.txt      what the switch signed and an honest one never would
//! ```
//!
//! What binds the agency, its authority key, belongs to its administrators and lies elsewhere: the settings know only
//! where it last was ([`crate::authority`]).
//!
//! Specification: `docs/protocol.md` §1.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::checkpoint::{CheckpointError, LogKey, SUCCESSIONS_FILE, SuccessionError};
use certs::identity::IdentityError;
use certs::key_files::KeyFileError;
use certs::keys::KeyError;
use certs::pem::PemError;
use certs::tls::{TlsError, Trust};
use certs::{Identity, ReloadableIdentity, SealAlgorithm, SealKeyFile};
use proto::id::SystemId;
use proto::key::{PublicKey, SignError, Signer};
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::config::{Config, ConfigError, FILE_NAME};
use crate::error::Distrust;

/// Bytes of a small text file that is read whole.
const TEXT_FILE_BYTES_MAX: u64 = 64 * 1024;
/// How the names of evidence files begin.
pub const EVIDENCE_PREFIX: &str = "fork-evidence-";

/// An adapter's home, opened: settings, keys, certificates.
#[derive(Clone)]
pub struct Home {
    dir: PathBuf,
    config: Config,
    log_key: LogKey,
    root: CertificateDer<'static>,
    identity: ReloadableIdentity,
    signer: Arc<dyn Signer>,
}

impl Home {
    /// Opens the folder that [`crate::enrol::enrol`] made.
    ///
    /// # Errors
    /// [`HomeError`]: the first file that is missing, damaged or open to others.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, HomeError> {
        let dir = dir.as_ref().to_owned();
        let config = read_config(&dir)?;
        let files = &config.files;
        if !dir.join(&files.chain).exists() {
            return Err(HomeError::NotEnrolled(dir));
        }
        let log_key = LogKey::from_vkey(&read_text(&dir.join(&files.log_key))?)?
            .kept_in(&dir.join(SUCCESSIONS_FILE))?;
        let root = read_root(&dir.join(&files.root))?;
        let identity = Identity::load(&dir.join(&files.chain), &dir.join(&files.tls_key))?;
        let signer = FileSigner::load(&dir.join(&files.seal_key))?;
        Ok(Self {
            identity: ReloadableIdentity::new(identity),
            signer: Arc::new(signer),
            dir,
            config,
            log_key,
            root,
        })
    }

    /// Seals with another key than the file's, for a token behind PKCS#11. Its public half must be the one
    /// that is bound to this adapter in the registry.
    #[must_use]
    pub fn with_signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = signer;
        self
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The system that this adapter speaks for.
    pub fn system(&self) -> &SystemId {
        &self.config.system
    }

    /// The pinned log key, and those that followed it, as far as this home was shown.
    pub fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// The pinned root certificate.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The TLS identity; replacing it counts from the next connection on.
    pub fn identity(&self) -> &ReloadableIdentity {
        &self.identity
    }

    /// The seal key.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// Whom the TLS end believes.
    ///
    /// # Errors
    /// [`HomeError::Tls`] when the root cannot be read.
    pub fn trust(&self) -> Result<Trust, HomeError> {
        Ok(Trust::new(
            self.config.trust_domain.clone(),
            std::slice::from_ref(&self.root),
        )?)
    }

    /// Where the agency's authority key last was, as the settings say. It may have been taken away since.
    pub fn authority_path(&self) -> PathBuf {
        self.path(&self.config.files.authority_key)
    }

    /// Reads the agency's authority key where it last was, when it has no passphrase. Adapters never do.
    ///
    /// # Errors
    /// [`HomeError::Key`] when the administrators have taken it away, it is under a passphrase
    /// ([`certs::KeyFile`] takes one), or it is open to others.
    pub fn authority(&self) -> Result<FileSigner, HomeError> {
        FileSigner::load(&self.authority_path())
    }

    /// Stores a renewed chain and shows it from the next connection on.
    ///
    /// # Errors
    /// [`HomeError`] when the chain does not fit the TLS key or cannot be written; the old one stays.
    pub fn replace_chain(&self, chain_pem: &[u8]) -> Result<(), HomeError> {
        let chain = certs::pem::decode_chain(chain_pem)?;
        let key = certs::TlsKey::load(&self.path(&self.config.files.tls_key))?;
        let identity = Identity::new(chain.clone(), &key)?;
        certs::pem::write_chain(&self.path(&self.config.files.chain), &chain)?;
        self.identity.replace(identity);
        Ok(())
    }

    /// A path inside the home.
    pub fn path(&self, name: &Path) -> PathBuf {
        self.dir.join(name)
    }

    /// Refuses while evidence of an earlier run lies here: a restart must not make it forgotten.
    ///
    /// # Errors
    /// [`Distrust::Evidence`] naming the file.
    pub fn without_evidence(&self) -> Result<(), Distrust> {
        let found = fs::read_dir(&self.dir).ok().and_then(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .find(|path| is_evidence(path))
        });
        found.map_or(Ok(()), |path| {
            Err(Distrust::Evidence(path.display().to_string()))
        })
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Home({} at {})", self.config.system, self.dir.display())
    }
}

fn is_evidence(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(EVIDENCE_PREFIX))
}

/// Reads `adapter.toml` of a home.
pub(crate) fn read_config(dir: &Path) -> Result<Config, HomeError> {
    let path = dir.join(FILE_NAME);
    if !path.exists() {
        return Err(HomeError::NotEnrolled(dir.to_owned()));
    }
    Ok(Config::parse(&read_text(&path)?)?)
}

/// Reads a small text file.
pub(crate) fn read_text(path: &Path) -> Result<String, HomeError> {
    let read = |cause| HomeError::Read {
        path: path.to_owned(),
        cause,
    };
    if fs::metadata(path).map_err(read)?.len() > TEXT_FILE_BYTES_MAX {
        return Err(HomeError::TooLarge(path.to_owned()));
    }
    fs::read_to_string(path).map_err(read)
}

fn read_root(path: &Path) -> Result<CertificateDer<'static>, HomeError> {
    let mut chain = certs::pem::read_chain(path)?;
    match (chain.pop(), chain.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(HomeError::Root(path.to_owned())),
    }
}

/// A seal or authority key that lies in an owner-only file.
#[derive(Debug)]
pub struct FileSigner {
    key: PublicKey,
    file: SealKeyFile,
}

impl FileSigner {
    /// Reads the key.
    ///
    /// # Errors
    /// [`HomeError::Key`] when the file is missing, damaged or open to others.
    pub fn load(path: &Path) -> Result<Self, HomeError> {
        Self::new(SealKeyFile::load(path)?)
    }

    /// Reads the key at `path`, or makes an Ed25519 key there when nothing stands there yet.
    ///
    /// # Errors
    /// [`HomeError::Key`].
    pub fn load_or_make(path: &Path) -> Result<Self, HomeError> {
        if fs::symlink_metadata(path).is_ok() {
            return Self::load(path);
        }
        let file = SealKeyFile::generate(SealAlgorithm::Ed25519)?;
        file.save(path)?;
        Self::new(file)
    }

    /// Signs with a key that was read already.
    ///
    /// # Errors
    /// [`HomeError::Bindable`] when its public half is none that can be bound.
    pub fn new(file: SealKeyFile) -> Result<Self, HomeError> {
        let key = PublicKey::from_spki(&file.public_spki_der())?;
        Ok(Self { key, file })
    }
}

impl Signer for FileSigner {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.file
            .sign(message)
            .map_err(|error| SignError(error.to_string()))
    }
}

/// Why a home folder cannot be opened.
#[derive(Debug, Error)]
pub enum HomeError {
    /// No settings, or no certificate yet.
    #[error("{} is not the home of an enrolled adapter; run `mohawel adapter enrol` with the operator's invitation", .0.display())]
    NotEnrolled(PathBuf),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A text file is far larger than it can be.
    #[error("{} is larger than any file of a home; restore it from a backup", .0.display())]
    TooLarge(PathBuf),
    /// Not exactly one root.
    #[error("{} does not hold exactly one root certificate", .0.display())]
    Root(PathBuf),
    /// The log's verifier key.
    #[error("log.vkey is not a log's verifier key: {0}")]
    LogKey(#[from] CheckpointError),
    /// What was learnt of the log's further keys.
    #[error(transparent)]
    LogKeys(#[from] SuccessionError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A private or public file could not be written or is open to others.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The authority key is under a passphrase, and none was given.
    #[error("{} is under a passphrase; give it with --passphrase-file FILE, or type it on a terminal", .0.display())]
    Passphrase(PathBuf),
    /// The authority key lies open although a passphrase was given for it.
    #[error("{} has no passphrase, although one was given; put one on it (openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf \
        hmacWithSHA256 -iter 600000 -in OLD -out NEW), or say that it has none", .0.display())]
    NoPassphrase(PathBuf),
    /// The key cannot be bound.
    #[error("the seal key cannot be used: {0}")]
    Bindable(#[from] proto::key::KeyError),
    /// Chain and key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A chain file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The TLS trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_signs_what_its_public_half_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home/seal.key");
        let first = FileSigner::load_or_make(&path).unwrap();
        let again = FileSigner::load_or_make(&path).unwrap();
        assert_eq!(first.key(), again.key());
        assert!(first.key().verify(b"hello", &again.sign(b"hello").unwrap()));
    }

    #[test]
    fn an_empty_folder_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Home::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("adapter enrol"), "{error}");
    }
}
