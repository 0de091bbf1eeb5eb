//! The hold on a served provider: is it attached, how much is under way, stop it in good order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::backend::Backend;
use super::exchange::Desk;
use super::kept::Kept;
use super::links::Links;
use super::memory::Memory;
use super::{Options, Provider};
use crate::adapter::Adapter;
use crate::error::Distrust;

/// How long the start asks the switch for its published checkpoint.
const FLOOR_WAIT: Duration = Duration::from_secs(5);

/// A served provider. Dropping it detaches at once; [`Handle::drain`] finishes what is under way.
pub struct Handle {
    desk: Arc<Desk>,
    stop: CancellationToken,
    attached: watch::Receiver<bool>,
    task: AbortOnDropHandle<Result<(), ServeError>>,
}

/// What a provider did so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the switch can deliver now.
    pub attached: bool,
    /// Answers of the backend that were sealed.
    pub answered: u64,
    /// Requests refused before the backend saw anything.
    pub refused: u64,
    /// Answers whose entry was proved by a receipt.
    pub recorded: u64,
    /// Answers said to be recorded whose receipt proves nothing. Above 0: ask the operator.
    pub unproven: u64,
}

impl Handle {
    /// Attaches. Returns once the adapter knows where the log stood before, connected or not.
    pub(crate) fn start(
        adapter: Adapter,
        provider: impl Provider,
        options: Options,
    ) -> BoxFuture<'static, Self> {
        Box::pin(Self::attach(adapter, Arc::new(provider), options))
    }

    /// The same code for every provider.
    async fn attach(adapter: Adapter, backend: Arc<dyn Backend>, options: Options) -> Self {
        // What is in the log now was not for this run. Without the switch, the last run's memory counts.
        let known = adapter.checkpoints().reconcile(adapter.connection());
        match tokio::time::timeout(FLOOR_WAIT, known).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the published checkpoint is not known yet"),
            Err(_) => tracing::warn!(
                "the published checkpoint is not known yet: the switch does not answer"
            ),
        }
        let floor = adapter.checkpoints().seen().map_or(0, |seen| seen.size);
        let desk = Arc::new(Desk::new(
            adapter,
            backend,
            Memory::new(floor),
            Kept::new(options.kept_bytes),
        ));
        let stop = CancellationToken::new();
        let (sender, attached) = watch::channel(false);
        let links = Links::new(Arc::clone(&desk), options, stop.clone(), sender);
        Self {
            desk,
            stop,
            attached,
            task: AbortOnDropHandle::new(links.start()),
        }
    }

    /// Waits until the switch can deliver.
    ///
    /// # Errors
    /// [`ServeError::NotAttached`] after `wait`.
    pub async fn attached(&self, wait: Duration) -> Result<(), ServeError> {
        let mut attached = self.attached.clone();
        match tokio::time::timeout(wait, attached.wait_for(|attached| *attached)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.desk.adapter.standing().hold()?;
                Err(ServeError::NotAttached)
            }
        }
    }

    /// What happened so far.
    pub fn status(&self) -> Status {
        let counts = &self.desk.counts;
        Status {
            attached: *self.attached.borrow(),
            answered: counts.answered.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            recorded: counts.recorded.load(Ordering::Relaxed),
            unproven: counts.unproven.load(Ordering::Relaxed),
        }
    }

    /// Takes no new work, finishes what is under way within the options' bound, detaches.
    ///
    /// # Errors
    /// As [`Handle::stopped`].
    pub async fn drain(self) -> Result<(), ServeError> {
        self.stop.cancel();
        self.stopped().await
    }

    /// Waits until the provider stops by itself, which it does only when the switch is no longer
    /// believed.
    ///
    /// # Errors
    /// [`ServeError::Distrust`]; [`ServeError::Broken`] when the link's task ended by a fault.
    pub async fn stopped(self) -> Result<(), ServeError> {
        self.task
            .await
            .map_err(|error| ServeError::Broken(error.to_string()))?
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({:?})", self.status())
    }
}

/// Why a provider is not served.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServeError {
    /// The switch does not take the link in time.
    #[error(
        "not attached to the switch yet; look at the address, the certificate and the switch's health"
    )]
    NotAttached,
    /// The switch is no longer believed.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// A fault of this adapter.
    #[error("the link's task ended by a fault: {0}")]
    Broken(String),
}
