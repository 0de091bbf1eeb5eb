//! The log's next key, from the request that a person leaves to the entry that the next start records.
//!
//! Takes a small file beside the log's key: which key shall follow, and for how long both shall sign. A start records it
//! after the witnesses have let the log go on and before anything else of its run, so that the entry's index is known when
//! both keys seal it. Then it takes the file away. Killed between any two of these steps, the next start goes on: what is
//! recorded is not recorded again, and what is not can still be. A request that cannot be carried out is told, and never
//! keeps a switch from starting.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use audit::tiles::durable;
use proto::act::LogKeySuccession;
use proto::entry::{Draft, Kind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LogKeyFiles, Parts};
use crate::registry::SubmitError;

/// What a request file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The verifier key of the next key, whose file lies beside the log's key.
    pub key: String,
    /// How long both keys sign, counted from the start that records it.
    pub overlap_ms: u64,
}

impl Rotation {
    /// Where the request lies when the configuration names `log_key`.
    pub fn file(log_key: &Path) -> PathBuf {
        let mut name = log_key.as_os_str().to_owned();
        name.push(".rotation");
        PathBuf::from(name)
    }

    /// Reads the request; `None` where there is none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(log_key: &Path) -> Result<Option<Self>, String> {
        let path = Self::file(log_key);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| told(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told(&error)),
        }
    }

    /// Leaves the request for the next start.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, log_key: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let text = format!(
            "# Left by `mohawel log-key rotate`. The next start of the switch records it and takes this file away.\n{text}"
        );
        durable::write_file(&Self::file(log_key), text.as_bytes())
    }

    /// Takes the request away.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(log_key: &Path) -> std::io::Result<()> {
        let path = Self::file(log_key);
        fs::remove_file(&path)?;
        durable::sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

impl Parts {
    /// Records the log's next key, where a person asked for it. `keys` are the files that are here.
    pub(super) async fn rotate(&self, keys: &LogKeyFiles) {
        let path = &self.config.log.key;
        let asked = match Rotation::read(path) {
            Ok(None) => return,
            Ok(Some(asked)) => asked,
            Err(error) => {
                return tracing::error!(%error, "the log's key is not rotated: the request cannot be read");
            }
        };
        match self.rotate_to(&asked, keys).await {
            Ok(index) => {
                tracing::warn!(
                    index,
                    key = asked.key,
                    "the log's key is followed by another"
                )
            }
            Err(error) => {
                return tracing::error!(%error, "the log's key is not rotated; `mohawel log-key list` tells how it stands");
            }
        }
        if let Err(error) = Rotation::remove(path) {
            tracing::error!(%error, "the request for the log's next key could not be taken away; the next start tries again");
        }
    }

    /// Gives the index of the entry, recorded now or by a run that died.
    async fn rotate_to(&self, asked: &Rotation, keys: &LogKeyFiles) -> Result<u64, NotRotated> {
        let next =
            LogKey::from_vkey(&asked.key).map_err(|error| NotRotated::Key(error.to_string()))?;
        let next = next.note_key().public();
        let registry = self.registry.load();
        let recorded = registry
            .log_keys()
            .find(|known| known.succession.key == *next);
        if let Some(recorded) = recorded {
            return Ok(recorded.index);
        }
        let signer = |key| {
            let missing = || NotRotated::Key("its file is not beside the log's key".to_owned());
            keys.signer(key).ok_or_else(missing)
        };
        let previous = registry.log_key().ok_or(NotRotated::NoGenesis)?;
        let (head, now_ms) = (self.log.head(), self.clock.now_ms());
        let act = LogKeySuccession {
            previous: previous.clone(),
            key: next.clone(),
            size: head.size(),
            root: head.edge.root(),
            overlap_until_ms: now_ms.saturating_add(asked.overlap_ms),
            issued_at_ms: now_ms,
        };
        let sealed = act.seal(registry.origin(), &**signer(previous)?, &**signer(next)?);
        let (header, seal, facts) = sealed.map_err(|error| NotRotated::Key(error.to_string()))?;
        let draft = Draft {
            kind: Kind::LogKeySucceeded,
            facts,
            header,
            seal: Some(seal),
        };
        Ok(self.registry.record(draft).await?.index)
    }
}

/// Why the log's key was not followed by the one that was asked for.
#[derive(Debug, Error)]
enum NotRotated {
    /// The key cannot be used.
    #[error("the next key: {0}")]
    Key(String),
    /// Nothing to begin from.
    #[error("the log has no genesis")]
    NoGenesis,
    /// The fold or the log refused.
    #[error(transparent)]
    Refused(#[from] SubmitError),
}
