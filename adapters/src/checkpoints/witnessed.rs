//! Witnesses, where the home's settings name a policy of them: do published checkpoints carry its quorum, and in time?
//!
//! A fork that is shown to this adapter alone is signed by the log's key and by no witness. So what is not under a
//! witnessed checkpoint after `witness.lag_ms` is told, and with `witness.require` a provider answers nothing that it
//! judges by keys and agreements that are not under one. Being late is no proof of a lie: nothing stops for good.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audit::checkpoint::LogKey;
use audit::note::SignedNote;
use audit::policy::{POLICY_BYTES_MAX, Policy, PolicyError};
use thiserror::Error;

use super::Checkpoints;
use crate::config;
use crate::connection::Connection;

/// Between two looks of a provider that waits.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The policy and what was seen under it.
#[derive(Debug)]
pub(super) struct Witnesses {
    policy: Policy,
    lag: Duration,
    require: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Entries under the largest checkpoint that was verified with the quorum.
    size: u64,
    /// Since when something is known that is not under it.
    behind: Option<Instant>,
    /// The lateness was told.
    told: bool,
}

/// How the published log stands with its witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The quorum that the policy asks for, for people.
    pub quorum: String,
    /// Entries under the largest checkpoint that was seen with it; 0 before the first.
    pub size: u64,
    /// What is not under it has waited for longer than the settings allow.
    pub is_late: bool,
}

impl Witnesses {
    /// Reads the policy that the settings of the home `dir` name.
    pub(super) fn read(
        dir: &Path,
        settings: &config::Witness,
        key: &LogKey,
    ) -> Result<Self, WitnessError> {
        let path = dir.join(&settings.policy);
        let unreadable = |error: String| WitnessError::Policy {
            path: path.clone(),
            error,
        };
        let length = std::fs::metadata(&path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if length > POLICY_BYTES_MAX as u64 {
            return Err(unreadable(format!("it has {length} bytes")));
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        let policy =
            Policy::parse(&bytes).map_err(|error: PolicyError| unreadable(error.to_string()))?;
        if !policy.covers(key) {
            return Err(unreadable(
                "it names other logs than this adapter's, or another key".to_owned(),
            ));
        }
        if !policy.asks_for_witnesses() {
            return Err(unreadable(
                "its quorum is none: leave [witness] out of adapter.toml instead".to_owned(),
            ));
        }
        Ok(Self {
            policy,
            lag: settings.lag,
            require: settings.require,
            seen: Mutex::default(),
        })
    }

    /// Takes a published checkpoint that was verified against everything seen before. `largest` is what is known of the log.
    pub(super) fn take(&self, size: u64, note: &[u8], largest: u64) {
        let Ok(note) = SignedNote::parse(note) else {
            return;
        };
        let witnessed = self.policy.verify(&note);
        for bad in &witnessed.bad {
            tracing::error!(
                bad,
                "a witness's cosignature under the published checkpoint does not hold"
            );
        }
        let mut seen = self.seen();
        if witnessed.is_accepted() && size >= seen.size {
            seen.size = size;
            seen.behind = (largest > size).then(Instant::now);
            if seen.told {
                seen.told = false;
                tracing::info!(
                    size,
                    "the published checkpoint carries its witnesses' quorum again"
                );
            }
        } else if size > seen.size {
            seen.behind.get_or_insert_with(Instant::now);
        }
    }

    /// Takes the size of a checkpoint in a receipt.
    pub(super) fn promised(&self, size: u64) {
        let mut seen = self.seen();
        if size > seen.size {
            seen.behind.get_or_insert_with(Instant::now);
        }
    }

    fn standing(&self) -> Standing {
        let seen = self.seen();
        Standing {
            quorum: self.policy.quorum_text(),
            size: seen.size,
            is_late: seen.behind.is_some_and(|since| since.elapsed() > self.lag),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints {
    /// How the published log stands with its witnesses; `None` where the settings name no policy.
    pub fn witnessed(&self) -> Option<Standing> {
        Some(self.0.witnesses.as_ref()?.standing())
    }

    /// Says once that the witnesses are late.
    pub(super) fn tell_lateness(&self) {
        let Some(witnesses) = &self.0.witnesses else {
            return;
        };
        let standing = witnesses.standing();
        let mut seen = witnesses.seen();
        if standing.is_late && !seen.told {
            seen.told = true;
            tracing::error!(
                quorum = standing.quorum,
                witnessed = standing.size,
                lag_ms = witnesses.lag.as_millis(),
                "ALARM: the published log is not witnessed in time; ask the witnesses for the largest tree that they have seen, and the operator"
            );
        }
    }

    /// Waits until the log's first `size` entries are under a checkpoint with the quorum, and the witnesses are not late.
    /// At once where the settings do not require it.
    ///
    /// # Errors
    /// [`WitnessError::Late`] after `wait`.
    pub(crate) async fn under_witness(
        &self,
        size: u64,
        connection: &Connection,
        wait: Duration,
    ) -> Result<(), WitnessError> {
        let Some(witnesses) = self
            .0
            .witnesses
            .as_ref()
            .filter(|witnesses| witnesses.require)
        else {
            return Ok(());
        };
        let until = tokio::time::Instant::now() + wait;
        loop {
            let standing = witnesses.standing();
            if standing.size >= size && !standing.is_late {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(WitnessError::Late {
                    wanted: size,
                    witnessed: standing.size,
                });
            }
            let looked = tokio::time::timeout_at(until, self.reconcile(connection)).await;
            if let Ok(Err(error)) = looked {
                tracing::debug!(%error, "the published checkpoint could not be verified");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Why witnesses do not vouch.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// The policy file.
    #[error("the witness policy {}: {error}", path.display())]
    Policy {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        error: String,
    },
    /// Not in time.
    #[error("the log is witnessed up to {witnessed} entries in time, and {wanted} are needed")]
    Late {
        /// What was needed.
        wanted: u64,
        /// What there is.
        witnessed: u64,
    },
}

#[cfg(test)]
mod tests;
