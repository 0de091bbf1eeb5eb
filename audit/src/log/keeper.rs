//! The keeper: the thread behind the writer.
//!
//! Feeds the journal's store in bulk, and makes the durable head public: tiles and bundles first, then the
//! checkpoint by compare-and-set. Nothing waits for it but the bound of what may lie behind. Never goes on
//! after an error, and never stands still for a witness: [`publishing`] says how long it holds what it publishes.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use self::publishing::{Pending, Waiter};
use super::Shared;
use crate::checkpoint::SignedCheckpoint;
use crate::journal::Journal;
use crate::note::NoteSignature;
use crate::tiles::copies::Copies;
use crate::tiles::mend::{self, set_aside_dir};
use crate::tiles::published::publish;
use crate::tiles::{Pruned, TileError, TileStore, TileWriter};
use crate::tree::TreeHead;

pub(super) mod publishing;

/// Bytes read from the journal at once while tiles are written.
const READ_BYTES: usize = 1 << 20;

/// What the keeper is asked besides its clockwork.
#[derive(Debug)]
pub(super) enum Call {
    /// Much lies behind: keep now.
    Keep,
    /// Publish now and say what is published.
    Publish(oneshot::Sender<Arc<SignedCheckpoint>>),
    /// Give a checkpoint of at least so many entries whose tiles are written, published or not.
    Cover(u64, oneshot::Sender<Arc<SignedCheckpoint>>),
    /// Cosignatures came for the checkpoint of `size`; `complete` when they are all that is waited for.
    Cosigned {
        size: u64,
        lines: Vec<NoteSignature>,
        complete: bool,
    },
    /// Keep and publish a last time, then end.
    Close,
    /// End as if power were cut.
    Abandon,
}

/// The keeper's state.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) tiles: TileWriter,
    /// What the published checkpoint says; `None` before the first.
    pub(super) published: Option<TreeHead>,
    pub(super) keep_interval: Duration,
    pub(super) publish_interval: Duration,
    /// How long a checkpoint is held for cosignatures.
    pub(super) cosign_wait: Duration,
    /// What the record of what was shown to witnesses says; `None` before the first.
    pub(super) submitted: Option<TreeHead>,
    /// The checkpoint that is held.
    pub(super) pending: Option<Pending>,
    /// Whether the last one was cosigned in time; if not, the next is not held.
    pub(super) prompt: bool,
    pub(super) waiting: Vec<Waiter>,
}

impl Keeper {
    /// Works until told to end, or until something fails.
    pub(super) fn run(mut self, shared: &Shared, calls: &Receiver<Call>) -> Result<(), String> {
        let mut keep_at = Instant::now() + self.keep_interval;
        let mut publish_at = Instant::now() + self.publish_interval;
        let mut closing = false;
        loop {
            let next = match &self.pending {
                Some(pending) => pending.until,
                None => publish_at,
            };
            let wait = keep_at.min(next).saturating_duration_since(Instant::now());
            let call = calls.recv_timeout(wait);
            // The writer may have failed: what the disk holds is then for the next start to find out.
            if shared.stopped.borrow().is_some() {
                return Ok(());
            }
            match call {
                Ok(Call::Keep) => keep_at = Instant::now(),
                Ok(Call::Publish(answer)) => {
                    let size = shared.latest.load().checkpoint.size;
                    self.wait_for(shared, (size, true), answer)?;
                }
                Ok(Call::Cover(size, answer)) => self.wait_for(shared, (size, false), answer)?,
                Ok(Call::Cosigned {
                    size,
                    lines,
                    complete,
                }) => self.cosigned(shared, size, &lines, complete)?,
                Ok(Call::Close) => closing = true,
                Ok(Call::Abandon) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            self.release_overdue(shared, now)?;
            if self.pending.is_none() && (closing || now >= publish_at) {
                self.submit(shared)?;
                publish_at = now + self.publish_interval;
            }
            if closing && self.pending.is_none() {
                return self.keep(shared);
            }
            if now >= keep_at {
                self.keep(shared)?;
                keep_at = now + self.keep_interval;
            }
        }
    }

    fn keep(&self, shared: &Shared) -> Result<(), String> {
        let published = self.published.map_or(0, |published| published.size);
        shared
            .journal
            .keep(published)
            .map_err(|error| error.to_string())
    }

    /// At start: makes sure that the published files at the right edge are whole, or writes those that are not again
    /// from the store. Gives what it wrote.
    pub(super) fn mend(
        &mut self,
        journal: &dyn Journal,
        tiles: &TileStore,
        pruned: &Pruned,
    ) -> Result<Vec<PathBuf>, String> {
        let Some(published) = self.published else {
            return Ok(Vec::new());
        };
        let Err(damage) = self.tiles.check_edge(published) else {
            return Ok(Vec::new());
        };
        tracing::warn!(%damage, "files under tile/ are damaged; they are written again from the store, which may take a while");
        let failed = |error: String| {
            format!(
                "files under tile/ are damaged ({damage}), and writing them again from the store fails: {error}. \
                 Run `mohawel audit rebuild`, with a copy of the log if there is one"
            )
        };
        if pruned.minimum() == 0 {
            let entries = EntriesOf::new(journal, 0..published.size);
            let rebuilt = self.tiles.rebuild(published, entries);
            return rebuilt.map_err(|error| failed(error.to_string()));
        }
        mend_pruned(journal, tiles, published).map_err(failed)
    }

    /// Writes tiles and bundles up to `checkpoint`, then publishes it. `false` if it is published already.
    pub(super) fn put(
        &mut self,
        journal: &dyn Journal,
        dir: &std::path::Path,
        checkpoint: &SignedCheckpoint,
    ) -> Result<bool, String> {
        let new = checkpoint.checkpoint.head();
        let old = self.published.unwrap_or_else(TreeHead::empty);
        if new == old {
            return Ok(false);
        }
        self.write(journal, new)?;
        self.say(dir, new, &checkpoint.note)?;
        Ok(true)
    }

    /// Writes tiles and bundles from what is published up to `new`.
    fn write(&mut self, journal: &dyn Journal, new: TreeHead) -> Result<(), String> {
        let old = self.published.unwrap_or_else(TreeHead::empty);
        self.tiles
            .write_for(old, new, EntriesOf::new(journal, old.size..new.size))
            .map_err(|error| format!("writing tiles: {error}"))
    }

    /// Publishes `note`, whose tiles are written.
    fn say(&mut self, dir: &std::path::Path, new: TreeHead, note: &[u8]) -> Result<(), String> {
        let old = self.published.unwrap_or_else(TreeHead::empty);
        publish(dir, self.published, note).map_err(|error| format!("publishing: {error}"))?;
        self.published = Some(new);
        self.tiles
            .remove_superseded(old.size, new.size)
            .map_err(|error| format!("removing superseded tiles: {error}"))
    }
}

/// As the writer's own rebuilding, of a log that no longer has all its entries.
fn mend_pruned(
    journal: &dyn Journal,
    tiles: &TileStore,
    published: TreeHead,
) -> Result<Vec<PathBuf>, String> {
    let read = |range: Range<u64>| journal.read(range, READ_BYTES).unwrap_or_default();
    let aside = set_aside_dir(tiles.dir());
    let options = mend::Options {
        set_aside: Some(&aside),
        on_leaf: &mut |_, _| {},
        on_progress: &mut |_, _| {},
    };
    let copies = Copies::of(tiles).and_entries(&read);
    let mended = mend::mend(&copies, published, options).map_err(|error| error.to_string())?;
    match mended.lost.first() {
        Some(lost) => Err(format!(
            "entries {}..{} of {} are {}",
            lost.entries.start, lost.entries.end, lost.path, lost.what
        )),
        None => Ok(mended.files),
    }
}

/// The journal's entries in order, a chunk in memory at a time.
struct EntriesOf<'a> {
    journal: &'a dyn Journal,
    next: u64,
    end: u64,
    chunk: std::vec::IntoIter<(u64, Bytes)>,
}

impl<'a> EntriesOf<'a> {
    fn new(journal: &'a dyn Journal, range: Range<u64>) -> Self {
        Self {
            journal,
            next: range.start,
            end: range.end,
            chunk: Vec::new().into_iter(),
        }
    }
}

impl Iterator for EntriesOf<'_> {
    type Item = Result<Bytes, TileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((index, entry)) = self.chunk.next() {
            self.next = index + 1;
            return Some(Ok(entry));
        }
        if self.next >= self.end {
            return None;
        }
        let unreadable = |error: String| TileError::Io {
            path: "journal".into(),
            source: std::io::Error::other(error),
        };
        match self.journal.read(self.next..self.end, READ_BYTES) {
            Ok(chunk) if chunk.is_empty() => {
                Some(Err(unreadable(format!("entry {} is not there", self.next))))
            }
            Ok(chunk) => {
                self.chunk = chunk.into_iter();
                self.next()
            }
            Err(error) => {
                self.next = self.end;
                Some(Err(unreadable(error.to_string())))
            }
        }
    }
}
