//! Key files: one PEM section with one key, plain or under a passphrase, and a precise no for everything else.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::encrypted::{self, EncryptedKey};
use super::{KeyError, SealKeyFile};
use crate::key_files;
use crate::passphrase::Passphrase;
use crate::pem;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const TAIL: &str = "-----";
/// Of a label that a stranger wrote, this much is repeated.
const LABEL_SHOWN: usize = 40;

/// A seal or authority key as it lies in its file.
#[derive(Debug)]
pub enum KeyFile {
    /// Anybody who reads the file can use it.
    Plain(SealKeyFile),
    /// Only with its passphrase.
    Encrypted(EncryptedKey),
}

impl KeyFile {
    /// Reads a PEM file that is owner-only. An encrypted key stays closed, so that a passphrase is asked for only
    /// where there is one.
    ///
    /// # Errors
    /// [`KeyError::File`] when the file is refused. [`KeyError::Cut`], [`KeyError::OtherKind`], [`KeyError::Scheme`],
    /// [`KeyError::Iterations`] and [`KeyError::Malformed`] when it holds something else than one such key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = key_files::read_private(path)?;
        if !is_encrypted(&text) {
            return Ok(Self::Plain(SealKeyFile::from_pkcs8(&plain(&text)?)?));
        }
        let der = encrypted_section(&text, encrypted::LABEL)?;
        Ok(Self::Encrypted(EncryptedKey::parse(&der)?))
    }

    /// The key: at once when it is plain, with what `ask` gives otherwise.
    ///
    /// # Errors
    /// What `ask` says; [`KeyError::WrongPassphrase`].
    pub fn open<E: From<KeyError>>(
        self,
        ask: impl FnOnce() -> Result<Passphrase, E>,
    ) -> Result<SealKeyFile, E> {
        match self {
            Self::Plain(key) => Ok(key),
            Self::Encrypted(key) => Ok(key.open(&ask()?)?),
        }
    }

    /// Whether the key is under a passphrase.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted(_))
    }
}

/// Reads a plain PKCS#8 key.
pub(super) fn load(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = key_files::read_private(path)?;
    if is_encrypted(&text) {
        return Err(KeyError::Encrypted);
    }
    plain(&text)
}

pub(super) fn save(path: &Path, pkcs8: &[u8]) -> Result<(), KeyError> {
    let text = Zeroizing::new(pem::section("PRIVATE KEY", pkcs8));
    Ok(key_files::write_private(path, text.as_bytes())?)
}

pub(super) fn save_encrypted(
    path: &Path,
    pkcs8: &[u8],
    passphrase: &Passphrase,
) -> Result<(), KeyError> {
    passphrase.suits_a_new_key()?;
    let der = encrypted::encrypt(pkcs8, passphrase, encrypted::ITERATIONS)?;
    let text = pem::section(encrypted::LABEL, &der);
    Ok(key_files::write_private(path, text.as_bytes())?)
}

/// Exactly one key per file: with two, somebody would expect the other one.
fn plain(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut only = None;
    for key in PrivateKeyDer::pem_slice_iter(text) {
        let mut key = key.map_err(|_| explain(text))?;
        let pkcs8 = match &key {
            PrivateKeyDer::Pkcs8(pkcs8) => Some(Zeroizing::new(pkcs8.secret_pkcs8_der().to_vec())),
            _ => None,
        };
        key.zeroize();
        if only.is_some() {
            return Err(KeyError::Malformed);
        }
        only = Some(pkcs8.ok_or_else(|| explain(text))?);
    }
    only.ok_or_else(|| explain(text))
}

/// The bytes of the file's only section. Text before and after it is left alone, as RFC 7468 allows.
pub(super) fn encrypted_section(text: &[u8], label: &str) -> Result<Vec<u8>, KeyError> {
    if labels(text, BEGIN).nth(1).is_some() {
        return Err(KeyError::Malformed);
    }
    if labels(text, BEGIN).next() != Some(label.as_bytes())
        || labels(text, END).next() != Some(label.as_bytes())
    {
        return Err(explain(text));
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let body: Vec<u8> = lines
        .by_ref()
        .skip_while(|line| !line.starts_with(BEGIN.as_bytes()))
        .skip(1)
        .take_while(|line| !line.starts_with(END.as_bytes()))
        .flatten()
        .copied()
        .collect();
    STANDARD.decode(body).map_err(|_| KeyError::Malformed)
}

fn is_encrypted(text: &[u8]) -> bool {
    labels(text, BEGIN).any(|label| label == encrypted::LABEL.as_bytes())
}

/// What a file without one usable key holds instead.
fn explain(text: &[u8]) -> KeyError {
    let found: Vec<_> = labels(text, BEGIN).collect();
    if found.len() > labels(text, END).count() {
        return KeyError::Cut;
    }
    match found.first() {
        Some(label) if *label != b"PRIVATE KEY" && *label != encrypted::LABEL.as_bytes() => {
            KeyError::OtherKind {
                found: shown(label),
            }
        }
        _ => KeyError::Malformed,
    }
}

/// The labels of all PEM lines that start with `mark`.
fn labels<'a>(text: &'a [u8], mark: &str) -> impl Iterator<Item = &'a [u8]> {
    text.split(|byte| *byte == b'\n').filter_map(move |line| {
        let line = line.trim_ascii();
        line.strip_prefix(mark.as_bytes())?
            .strip_suffix(TAIL.as_bytes())
    })
}

/// A label comes from a file that may be anybody's: short and printable.
fn shown(label: &[u8]) -> String {
    let shown = label.iter().take(LABEL_SHOWN).map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    });
    shown.collect()
}
