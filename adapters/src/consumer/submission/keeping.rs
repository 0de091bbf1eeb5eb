//! What a home keeps of a submission until its answer is read: what was sent, and what alone opens what comes.
//!
//! One owner-only file each, in the home's folder `submissions`. It goes with the answer.

use std::path::{Path, PathBuf};

use certs::key_files::{KeyFileError, read_private, write_private};
use prost::Message as _;
use proto::commitment::Salt;
use proto::envelope::Envelope;
use proto::id::ExchangeId;
use proto::wire::exchange::v1 as wire;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::sealed::OpeningKey;
use crate::sealer::Sealed;

/// Folder of the home.
const DIR: &str = "submissions";
/// How its files end.
const SUFFIX: &str = "submission";

/// One submission of this home.
#[derive(Debug)]
pub struct Kept {
    /// As it was sent.
    pub envelope: Envelope,
    /// Of its commitment: what a retry repeats.
    pub salt: Salt,
    /// What the answer is sealed to.
    pub opening: OpeningKey,
}

/// As it lies in the file.
#[derive(Clone, PartialEq, prost::Message)]
struct Page {
    #[prost(message, optional, tag = "1")]
    envelope: Option<wire::Envelope>,
    #[prost(bytes = "vec", tag = "2")]
    salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    opening: Vec<u8>,
}

impl Kept {
    /// Header and seal.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        Sealed {
            header: self.envelope.header.clone(),
            seal: self.envelope.seal.clone(),
        }
    }

    /// Makes it durable in the home `home`.
    ///
    /// # Errors
    /// [`KeptError::File`].
    pub fn write(&self, home: &Path, exchange: ExchangeId) -> Result<(), KeptError> {
        let mut page = Page {
            envelope: Some(self.envelope.to_wire()),
            salt: self.salt.0.to_vec(),
            opening: self.opening.secret_bytes().to_vec(),
        };
        let bytes = Zeroizing::new(page.encode_to_vec());
        page.opening.zeroize();
        write_private(&file(home, exchange), &bytes)?;
        Ok(())
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`KeptError::None`], and what is wrong with its file.
    pub fn read(home: &Path, exchange: ExchangeId) -> Result<Self, KeptError> {
        let path = file(home, exchange);
        if !path.exists() {
            return Err(KeptError::None(exchange));
        }
        let bytes = read_private(&path)?;
        let damaged = || KeptError::Damaged(path.clone());
        let page = Page::decode(&bytes[..]).map_err(|_| damaged())?;
        let secret = Zeroizing::new(page.opening);
        Ok(Self {
            envelope: Envelope::from_wire(page.envelope).map_err(|_| damaged())?,
            salt: Salt::from_slice(&page.salt).map_err(|_| damaged())?,
            opening: OpeningKey::from_secret(&secret).ok_or_else(damaged)?,
        })
    }

    /// Lets it go: the answer was read, or there is none.
    pub fn forget(home: &Path, exchange: ExchangeId) {
        let path = file(home, exchange);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a submission's file is not removed");
        }
    }

    /// The submissions that `home` keeps.
    #[must_use]
    pub fn all(home: &Path) -> Vec<ExchangeId> {
        let Ok(files) = std::fs::read_dir(home.join(DIR)) else {
            return Vec::new();
        };
        let name = |path: PathBuf| {
            let ends = path.extension().is_some_and(|end| end == SUFFIX);
            let stem = path.file_stem()?.to_str()?;
            ends.then(|| ExchangeId::parse(stem)).flatten()
        };
        let mut all: Vec<_> = files
            .flatten()
            .filter_map(|file| name(file.path()))
            .collect();
        all.sort_unstable();
        all
    }
}

fn file(home: &Path, exchange: ExchangeId) -> PathBuf {
    home.join(DIR).join(format!("{exchange}.{SUFFIX}"))
}

/// Why a submission of this home cannot be used.
#[derive(Debug, Error)]
pub enum KeptError {
    /// Not one of this home, or collected before.
    #[error(
        "this home keeps no submission {0}: it was collected or withdrawn, or submitted from another home"
    )]
    None(ExchangeId),
    /// Changed or cut.
    #[error("{} is not what was written; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// The file.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::seal::Seal;

    use super::*;

    fn kept() -> Kept {
        let signer = crate::testing::key();
        let header = Bytes::from_static(b"a header");
        Kept {
            envelope: Envelope {
                salt: Bytes::new(),
                ..Envelope::new(
                    header.clone(),
                    Seal::one("label", "origin", &header, &signer).unwrap(),
                    Salt([1; 32]),
                    Bytes::from_static(b"sealed"),
                )
            },
            salt: Salt([7; 32]),
            opening: OpeningKey::generate().unwrap(),
        }
    }

    #[test]
    fn it_is_read_again_by_another_run_until_it_is_let_go() {
        let home = tempfile::tempdir().unwrap();
        let id = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        assert!(matches!(
            Kept::read(home.path(), id),
            Err(KeptError::None(_))
        ));
        assert!(Kept::all(home.path()).is_empty());
        let kept = kept();
        kept.write(home.path(), id).unwrap();
        let again = Kept::read(home.path(), id).unwrap();
        assert_eq!(again.envelope, kept.envelope);
        assert_eq!(
            (again.salt, again.opening.key()),
            (kept.salt, kept.opening.key())
        );
        assert_eq!(Kept::all(home.path()), [id]);
        // Cut, or readable by others: not used.
        let path = file(home.path(), id);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(
            Kept::read(home.path(), id),
            Err(KeptError::Damaged(_))
        ));
        Kept::forget(home.path(), id);
        Kept::forget(home.path(), id);
        assert!(Kept::all(home.path()).is_empty());
    }
}
