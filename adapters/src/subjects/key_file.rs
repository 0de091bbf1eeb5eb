//! One key file: with what the parties of one agreement make pseudonyms in one epoch.
//!
//! Takes and gives TOML text in an owner-only file; the data-protection authority writes it (`mohawel audit subject-key
//! derive`), adapters read it. Never shows the key.

use std::path::Path;

use certs::key_files;
use proto::digest::Digest;
use proto::subject::SubjectKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{SubjectKeyError, private_text};

/// How long the epoch before is accepted too, when nobody says otherwise: 72 hours.
pub const OVERLAP_MS: u64 = 72 * 3_600_000;
/// The longest overlap: a year.
const OVERLAP_MS_MAX: u64 = 366 * 24 * 3_600_000;

/// A subject key with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Whose parties have it.
    pub agreement: Digest,
    /// Which epoch, from 1.
    pub epoch: u32,
    /// From when the consumer makes pseudonyms with it. Unix time, milliseconds.
    pub from_ms: u64,
    /// How long after that the epoch before is accepted too, milliseconds.
    pub overlap_ms: u64,
    /// The key.
    pub key: SubjectKey,
}

/// The TOML shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    agreement: String,
    epoch: u32,
    from_ms: u64,
    overlap_ms: u64,
    key: String,
}

impl KeyFile {
    /// Reads an owner-only file.
    ///
    /// # Errors
    /// [`SubjectKeyError::File`], [`SubjectKeyError::Malformed`].
    pub fn load(path: &Path) -> Result<Self, SubjectKeyError> {
        let text = private_text(path)?;
        let no = |problem: &str| SubjectKeyError::malformed(path, problem);
        // What the TOML reader says repeats the line, and with it perhaps the key.
        let shape: Shape = toml::from_str(&text).map_err(|_| {
            no("it is not the TOML text with agreement, epoch, from_ms, overlap_ms and key")
        })?;
        let written = Zeroizing::new(shape.key);
        let bytes = hex::decode(written.as_bytes()).map(Zeroizing::new);
        let key = bytes.ok().and_then(|bytes| SubjectKey::from_slice(&bytes));
        if shape.epoch == 0 || shape.overlap_ms > OVERLAP_MS_MAX {
            return Err(no("its epoch is 0, or it overlaps for more than a year"));
        }
        Ok(Self {
            agreement: Digest::from_hex(&shape.agreement)
                .ok_or_else(|| no("its agreement is not 64 hex digits"))?,
            epoch: shape.epoch,
            from_ms: shape.from_ms,
            overlap_ms: shape.overlap_ms,
            key: key.ok_or_else(|| no("its key is not 64 hex digits"))?,
        })
    }

    /// Writes a new owner-only file.
    ///
    /// # Errors
    /// [`SubjectKeyError::File`], also when something stands there already.
    pub fn save(&self, path: &Path) -> Result<(), SubjectKeyError> {
        Ok(key_files::write_private(path, self.to_text().as_bytes())?)
    }

    /// How such a file is best called: agreement and epoch.
    pub fn file_name(&self) -> String {
        let (agreement, epoch) = (self.agreement.short(), self.epoch);
        format!("{agreement}-{epoch:04}.{}", super::EXTENSION)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let Self {
            agreement,
            epoch,
            from_ms,
            overlap_ms,
            key,
        } = self;
        let key = Zeroizing::new(hex::encode(key.as_bytes()));
        Zeroizing::new(format!(
            "# Makes the pseudonyms of persons under one agreement. For its parties alone; delete it when the epoch is destroyed.\n\
             agreement = \"{agreement}\"\nepoch = {epoch}\nfrom_ms = {from_ms}\noverlap_ms = {overlap_ms}\nkey = \"{}\"\n",
            &*key
        ))
    }
}
