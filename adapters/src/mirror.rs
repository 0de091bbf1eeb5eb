//! The registry mirror: this adapter's own fold over the log's registry entries.
//!
//! Agreements and keys are judged by this mirror, never by the switch's word. The roots of the
//! registry tree at every size are kept, so that the registry in an entry's stamp can be compared
//! with ours: a difference means that the switch judged by another registry than the one it shows.
//! Specification: `docs/protocol.md` §3.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::checkpoint::LogKey;
use proto::digest::Digest;
use proto::entry::Stamp;
use proto::registry::Registry;
use proto::wire::audit::v1 as wire;
use thiserror::Error;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use crate::connection::{Backoff, Connection};
use crate::error::{Distrust, Standing};

mod fold;

use fold::{Fold, Lie};

/// Entries folded at most before the snapshot is published: cloning it costs as much as it holds.
const PUBLISH_EVERY: usize = 4_096;

/// The mirror, as the adapter's parts read it. Clones share it.
#[derive(Clone, Debug)]
pub struct Mirror(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    registry: ArcSwap<Registry>,
    /// Root of the registry tree at each size, from 0.
    roots: RwLock<Vec<Digest>>,
    progress: watch::Sender<Progress>,
    /// Why the stream ended last; `None` while it gives entries.
    ended: Mutex<Option<String>>,
    standing: Standing,
}

/// How far the mirror is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    size: u64,
    /// Entries that the log has up to the last one that was folded.
    log_size: u64,
    /// Everything that the switch said it held was folded at least once.
    caught_up: bool,
}

impl Mirror {
    /// An empty mirror.
    pub(crate) fn new(standing: Standing) -> Self {
        Self(Arc::new(Shared {
            registry: ArcSwap::from_pointee(Registry::empty()),
            roots: RwLock::new(vec![Digest::of(&[])]),
            progress: watch::Sender::new(Progress::default()),
            ended: Mutex::default(),
            standing,
        }))
    }

    /// The registry now. Lock-free.
    pub fn snapshot(&self) -> Arc<Registry> {
        self.0.registry.load_full()
    }

    /// Woken whenever something more was folded.
    pub(crate) fn sizes(&self) -> watch::Receiver<Progress> {
        self.0.progress.subscribe()
    }

    /// Registry entries folded and published so far.
    pub fn size(&self) -> u64 {
        self.0.progress.borrow().size
    }

    /// Entries of the log under which everything lies that was folded so far.
    pub fn log_size(&self) -> u64 {
        self.0.progress.borrow().log_size
    }

    /// Root of the registry tree at `size`; `None` while the mirror is smaller.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        let roots = self.0.roots.read().unwrap_or_else(PoisonError::into_inner);
        roots.get(usize::try_from(size).ok()?).copied()
    }

    /// Waits until the mirror holds at least `size` entries, and gives it.
    ///
    /// # Errors
    /// [`MirrorError::Late`] after `wait`, [`MirrorError::Distrust`] when the switch lied.
    pub async fn reached(&self, size: u64, wait: Duration) -> Result<Arc<Registry>, MirrorError> {
        let ready = |progress: &Progress| progress.size >= size;
        self.when(ready, wait).await.map_err(|error| match error {
            MirrorError::Late { .. } => self.late(size),
            MirrorError::Distrust(_) => error,
        })
    }

    /// Waits until what the switch had at hand is folded, however much that is: gives up when nothing more was folded for
    /// `wait`. A registry of 100,000 agreements takes seconds, on a busy machine more than anybody would set as a limit.
    ///
    /// # Errors
    /// As [`Mirror::reached`].
    pub async fn caught_up(&self, wait: Duration) -> Result<Arc<Registry>, MirrorError> {
        loop {
            let seen = self.size();
            let moved = |now: &Progress| now.size > seen || (now.caught_up && now.size > 0);
            self.when(moved, wait).await.map_err(|error| match error {
                MirrorError::Late { .. } => self.late(seen.saturating_add(1)),
                MirrorError::Distrust(_) => error,
            })?;
            if self.0.progress.borrow().caught_up {
                return Ok(self.snapshot());
            }
        }
    }

    /// Waits until the registry of a **proven** stamp is in the mirror, and compares the roots. A
    /// difference is a lie of the switch: everything stops.
    ///
    /// # Errors
    /// As [`Mirror::reached`].
    pub async fn agrees(
        &self,
        stamp: &Stamp,
        wait: Duration,
    ) -> Result<Arc<Registry>, MirrorError> {
        let registry = self.reached(stamp.registry_size, wait).await?;
        if self.root_at(stamp.registry_size) == Some(stamp.registry_root) {
            return Ok(registry);
        }
        let lie = Distrust::Registry(format!(
            "an entry is stamped against another registry of {} entries",
            stamp.registry_size
        ));
        self.0.standing.lose(lie.clone());
        Err(MirrorError::Distrust(lie))
    }

    fn late(&self, wanted: u64) -> MirrorError {
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        MirrorError::Late {
            wanted,
            size: self.size(),
            ended: ended.clone(),
        }
    }

    fn say_ended(&self, reason: Option<String>) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    async fn when(
        &self,
        mut ready: impl FnMut(&Progress) -> bool,
        wait: Duration,
    ) -> Result<Arc<Registry>, MirrorError> {
        self.0.standing.hold().map_err(MirrorError::Distrust)?;
        // Nearly always it is here: then nobody is asked to wake this, and no time is taken.
        if ready(&self.0.progress.borrow()) {
            return Ok(self.snapshot());
        }
        let mut progress = self.0.progress.subscribe();
        tokio::select! {
            found = tokio::time::timeout(wait, progress.wait_for(ready)) => match found {
                Ok(Ok(_)) => Ok(self.snapshot()),
                Ok(Err(_)) | Err(_) => Err(self.late(1)),
            },
            reason = self.0.standing.lost() => Err(MirrorError::Distrust(reason)),
        }
    }

    /// Follows the switch's registry until the switch lies or the task is dropped. With the
    /// connection's move it goes on over the new one, from the entry where it stands.
    pub(crate) async fn follow(self, connection: Connection, genesis: Digest, log_key: LogKey) {
        let mut fold = Fold::new(genesis, log_key);
        let mut backoff = Backoff::default();
        let mut moves = connection.moves();
        loop {
            let before = fold.registry().size();
            moves.mark_unchanged();
            // It waits for nothing but the switch, so nothing that was folded is left unpublished.
            let followed = tokio::select! {
                followed = self.follow_once(&connection, &mut fold) => followed,
                Ok(()) = moves.changed() => continue,
            };
            match followed {
                Ok(()) => {}
                Err(Ended::Stream(status)) => {
                    self.say_ended(Some(said(&status)));
                    tracing::debug!(%status, size = fold.registry().size(), "the registry stream ended");
                }
                Err(Ended::Lie(lie)) => {
                    self.0.standing.lose(Distrust::Registry(lie.to_string()));
                    return;
                }
            }
            if fold.registry().size() > before {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn follow_once(&self, connection: &Connection, fold: &mut Fold) -> Result<(), Ended> {
        let from = fold.registry().size();
        let request = wire::RegistryRequest { from };
        let mut entries = connection.log().registry(request).await?.into_inner();
        let mut roots = Vec::new();
        while let Some(first) = entries.message().await? {
            let said = first.registry_size;
            let folded = fold_at_hand(fold, first, &mut entries, &mut roots).await;
            self.say_ended(None);
            // What was folded before a lie or an end still counts.
            self.publish(fold, &mut roots, said);
            folded?;
        }
        Ok(())
    }

    /// Publishes what was folded; `said` is how many entries the switch said it held.
    fn publish(&self, fold: &Fold, roots: &mut Vec<Digest>, said: u64) {
        let registry = fold.registry();
        self.0.registry.store(Arc::new(registry.clone()));
        self.0
            .roots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .append(roots);
        self.0.progress.send_modify(|progress| {
            progress.size = registry.size();
            progress.log_size = fold.log_size();
            progress.caught_up |= registry.size() >= said;
        });
    }
}

/// Folds `first` and everything that has already arrived after it, up to [`PUBLISH_EVERY`].
async fn fold_at_hand(
    fold: &mut Fold,
    first: wire::RegistryResponse,
    entries: &mut Streaming<wire::RegistryResponse>,
    roots: &mut Vec<Digest>,
) -> Result<(), Ended> {
    let mut next = Some(first);
    for _ in 0..PUBLISH_EVERY {
        let Some(entry) = next else { return Ok(()) };
        roots.push(fold.push(entry.index, &entry.entry)?);
        next = at_hand(entries).await.flatten().transpose()?;
    }
    if let Some(entry) = next {
        roots.push(fold.push(entry.index, &entry.entry)?);
    }
    Ok(())
}

/// What the stream has ready now: an item, its end, or `None` for nothing yet.
async fn at_hand(
    entries: &mut Streaming<wire::RegistryResponse>,
) -> Option<Option<Result<wire::RegistryResponse, Status>>> {
    poll_fn(|context| match Pin::new(&mut *entries).poll_next(context) {
        Poll::Ready(item) => Poll::Ready(Some(item)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A status as a person reads it: its message, and below "transport error" what broke.
fn said(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let deeper = error.to_string();
        if !text.contains(&deeper) {
            text = format!("{text}: {deeper}");
        }
        source = error.source();
    }
    text
}

/// Why one stream of the registry ended.
#[derive(Debug)]
enum Ended {
    Stream(Status),
    Lie(Lie),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Stream(status)
    }
}

impl From<Lie> for Ended {
    fn from(lie: Lie) -> Self {
        Self::Lie(lie)
    }
}

fn late(wanted: u64, size: u64, ended: Option<&str>) -> String {
    match ended {
        Some(ended) => format!(
            "the switch does not give its registry ({size} entries are here, {wanted} are needed): {ended}"
        ),
        None => format!(
            "the registry mirror holds {size} entries and {wanted} are needed; the switch gave no more in time"
        ),
    }
}

/// Why the mirror cannot be used for a decision.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MirrorError {
    /// Not there in time.
    #[error("{}", late(*wanted, *size, ended.as_deref()))]
    Late {
        /// What was needed.
        wanted: u64,
        /// What is there.
        size: u64,
        /// Why the switch's stream ended last, while it gives nothing.
        ended: Option<String>,
    },
    /// The switch lied.
    #[error(transparent)]
    Distrust(#[from] Distrust),
}

#[cfg(test)]
pub(crate) mod tests;
