//! Witnesses joined to the switch: asked before the first commit, then about each checkpoint, until the log has closed.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Parts, StartError, Switch};
use crate::witnesses::{Lateness, Unwitnessed, Witnesses};

/// The word in the epoch entry for a start without a quorum of witnesses.
pub(super) const WITHOUT_WITNESSES: &str = "without_witnesses";

/// Witnesses of a switch that runs. Its tasks end with it.
#[derive(Debug)]
pub(super) struct Witnessing {
    lateness: watch::Receiver<Lateness>,
    done: CancellationToken,
    tasks: TaskTracker,
}

impl Witnessing {
    /// How cosigning goes.
    pub(super) fn lateness(&self) -> watch::Receiver<Lateness> {
        self.lateness.clone()
    }

    /// Ends its tasks: after the log has closed, whose last checkpoint they had cosigned.
    pub(super) async fn end(&self) {
        self.done.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Witnessing {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

impl Switch {
    /// How cosigning goes; `None` where no witness is configured.
    pub fn witnessing(&self) -> Option<watch::Receiver<Lateness>> {
        let witnessing = self.witnessing.as_ref()?;
        Some(witnessing.lateness.clone())
    }
}

impl Parts {
    /// Asks the witnesses whether the log may go on, and from then on about each checkpoint. Gives the word for the epoch
    /// entry where the operator went on without them.
    pub(super) async fn witness(
        &self,
        without: bool,
    ) -> Result<(Option<Witnessing>, Option<&'static str>), StartError> {
        let Some(config) = &self.config.witness else {
            return Ok((None, None));
        };
        let witnesses = Arc::new(Witnesses::open(config, self.log.key())?);
        let word = match witnesses.before_first_commit(&self.log).await {
            Ok(()) => None,
            Err(error @ Unwitnessed::NoQuorum { .. }) if without => {
                tracing::error!(%error, "the switch starts without witnesses, as it was told to");
                Some(WITHOUT_WITNESSES)
            }
            Err(error) => return Err(error.into()),
        };
        let witnessing = Witnessing {
            lateness: witnesses.counts(),
            done: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (done, tasks) = (witnessing.done.clone(), witnessing.tasks.clone());
        let running = witnesses.run(self.log.clone(), done, tasks);
        witnessing.tasks.spawn(running);
        Ok((Some(witnessing), word))
    }
}
