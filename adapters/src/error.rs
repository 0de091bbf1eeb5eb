//! When the switch is no longer believed: what it did, and the one flag that stops an adapter.
//!
//! Everything that an adapter does asks [`Standing::hold`] first. It is lost once and never comes
//! back while the process lives; where there are notes to show, they lie in the home folder, and the
//! next start refuses too until a person has moved them away.

use std::sync::{Arc, OnceLock};

use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// Whether this adapter still believes its switch. Clones share one standing.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: OnceLock<Distrust>,
    lost: CancellationToken,
}

impl Standing {
    /// `Ok` while the switch is believed.
    ///
    /// # Errors
    /// The reason why it no longer is.
    pub fn hold(&self) -> Result<(), Distrust> {
        self.0.reason.get().cloned().map_or(Ok(()), Err)
    }

    /// Stops believing the switch, loudly. The first reason stays.
    pub fn lose(&self, reason: Distrust) {
        tracing::error!(%reason, "THE SWITCH IS NO LONGER BELIEVED: nothing is asked or answered any more");
        // A second reason changes nothing: the first one already stopped everything.
        let _ = self.0.reason.set(reason);
        self.0.lost.cancel();
    }

    /// Waits until the switch is no longer believed, and says why.
    pub async fn lost(&self) -> Distrust {
        self.0.lost.cancelled().await;
        // The reason is set before the token fires.
        self.0
            .reason
            .get()
            .cloned()
            .unwrap_or_else(|| Distrust::Registry("unknown".to_owned()))
    }
}

/// What the switch did that an honest one never does.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Distrust {
    /// Two checkpoints of one log that do not extend each other.
    #[error("the switch showed two histories of its log ({what}); give {evidence} to the auditor")]
    Fork {
        /// Which sizes.
        what: String,
        /// The file with both notes.
        evidence: String,
    },
    /// The published log became smaller.
    #[error("the switch's log shrank from {from} to {to} entries; give {evidence} to the auditor")]
    Shrunk {
        /// The size that was verified before.
        from: u64,
        /// The size that is published now.
        to: u64,
        /// The file with both notes.
        evidence: String,
    },
    /// The published checkpoint is not signed by the pinned log key.
    #[error(
        "the published checkpoint is not one of the pinned log ({0}); ask the operator and the auditor"
    )]
    Checkpoint(String),
    /// A registry entry that cannot be in an honest log, or a recorded registry that is not the one shown to us.
    #[error(
        "the registry that the switch shows is not the one its log stands on ({0}); tell the auditor"
    )]
    Registry(String),
    /// Evidence of an earlier run lies in the home folder.
    #[error(
        "evidence against the switch lies in {0}; give it to the auditor and move it away to start again"
    )]
    Evidence(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let standing = Standing::default();
        let other = standing.clone();
        assert_eq!(standing.hold(), Ok(()));
        let reason = Distrust::Registry("entry 3".to_owned());
        standing.lose(reason.clone());
        standing.lose(Distrust::Checkpoint("later".to_owned()));
        assert_eq!(other.hold(), Err(reason.clone()));
        assert_eq!(other.lost().await, reason);
    }
}
