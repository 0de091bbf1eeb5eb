//! How a checkpoint becomes public where witnesses are asked first.
//!
//! Tiles are written, the signed checkpoint is recorded in a file of its own and synced, then it is announced and held for
//! its cosignatures: until they came, or for a bounded time. After a round that was late the next checkpoints are not held
//! at all, and cosignatures are put under them when they come. So a witness that is slow costs one wait, and no exchange
//! and no feeding of the store ever waits. Where nobody asks witnesses, a checkpoint is published as soon as its tiles are.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::super::{LogError, Shared};
use super::Keeper;
use crate::checkpoint::{self, LogKey, SignedCheckpoint};
use crate::note::{NoteSignature, SignedNote};
use crate::tiles::published::{self, read_submitted};
use crate::tree::TreeHead;

/// A checkpoint that is held.
#[derive(Debug)]
pub(in super::super) struct Pending {
    checkpoint: Arc<SignedCheckpoint>,
    /// Published without its cosignatures then.
    pub(super) until: Instant,
}

/// Somebody who waits for a checkpoint of at least `size` entries.
#[derive(Debug)]
pub(in super::super) struct Waiter {
    size: u64,
    /// Whether it must be public; otherwise it is enough that its tiles are written.
    public: bool,
    answer: oneshot::Sender<Arc<SignedCheckpoint>>,
}

impl Keeper {
    /// Answers when so many entries, which must be durable, are published, or have their tiles.
    pub(super) fn wait_for(
        &mut self,
        shared: &Shared,
        (size, public): (u64, bool),
        answer: oneshot::Sender<Arc<SignedCheckpoint>>,
    ) -> Result<(), String> {
        self.waiting.push(Waiter {
            size,
            public,
            answer,
        });
        if self.pending.is_none() {
            self.submit(shared)?;
        }
        self.answer(shared);
        Ok(())
    }

    /// Writes the tiles of the latest commit; then holds its checkpoint, or publishes it.
    pub(super) fn submit(&mut self, shared: &Shared) -> Result<(), String> {
        let latest = shared.latest.load_full();
        let new = latest.checkpoint.head();
        if Some(new) == self.published {
            return Ok(());
        }
        self.write(&*shared.journal, new)?;
        let dir = shared.tiles.dir();
        if self.cosign_wait.is_zero() || shared.submitted.receiver_count() == 0 {
            self.say(dir, new, &latest.note)?;
            shared.published.send_replace(latest);
            return Ok(());
        }
        // Witnesses will remember it, so this directory must, too.
        published::submit(dir, self.submitted, &latest.note)
            .map_err(|error| format!("recording what is signed: {error}"))?;
        self.submitted = Some(new);
        shared.submitted.send_replace(Some(Arc::clone(&latest)));
        self.pending = Some(Pending {
            checkpoint: latest,
            until: Instant::now() + self.cosign_wait,
        });
        if self.prompt {
            Ok(())
        } else {
            self.release(shared, &[])
        }
    }

    /// Publishes what was held too long.
    pub(super) fn release_overdue(&mut self, shared: &Shared, now: Instant) -> Result<(), String> {
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.until <= now)
        {
            self.prompt = false;
            self.release(shared, &[])?;
        }
        Ok(())
    }

    /// Puts cosignatures under the checkpoint that is held, and publishes it; or under the published one. For any other
    /// they come too late and are dropped: the next checkpoint says more.
    pub(super) fn cosigned(
        &mut self,
        shared: &Shared,
        size: u64,
        lines: &[NoteSignature],
        complete: bool,
    ) -> Result<(), String> {
        let held = self
            .pending
            .as_ref()
            .map(|pending| pending.checkpoint.checkpoint.size);
        let published = self.published.map(|published| published.size);
        if held == Some(size) {
            self.prompt = complete;
            self.release(shared, lines)
        } else if published == Some(size) {
            self.prompt |= complete;
            let current = shared.published.borrow().clone();
            let with = with_lines(&current, lines)?;
            if with.note != current.note {
                self.say(shared.tiles.dir(), current.checkpoint.head(), &with.note)?;
                shared.published.send_replace(Arc::new(with));
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    /// Publishes what is held. Where somebody waits for more, goes on at once.
    fn release(&mut self, shared: &Shared, lines: &[NoteSignature]) -> Result<(), String> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let checkpoint = with_lines(&pending.checkpoint, lines)?;
        let head = checkpoint.checkpoint.head();
        self.say(shared.tiles.dir(), head, &checkpoint.note)?;
        shared.published.send_replace(Arc::new(checkpoint));
        self.answer(shared);
        if self.waiting.is_empty() {
            Ok(())
        } else {
            self.submit(shared)
        }
    }

    /// Answers those whose checkpoint is there.
    fn answer(&mut self, shared: &Shared) {
        let published = shared.published.borrow().clone();
        let held = self.pending.as_ref().map(|pending| &pending.checkpoint);
        for waiter in std::mem::take(&mut self.waiting) {
            let written = held.filter(|_| !waiter.public);
            let there = [Some(&published), written]
                .into_iter()
                .flatten()
                .find(|there| there.checkpoint.size >= waiter.size);
            match there {
                Some(checkpoint) => drop(waiter.answer.send(Arc::clone(checkpoint))),
                None => self.waiting.push(waiter),
            }
        }
    }
}

/// The note with more lines under it; those that it has already, and those that find no room, are left out.
fn with_lines(
    checkpoint: &SignedCheckpoint,
    lines: &[NoteSignature],
) -> Result<SignedCheckpoint, String> {
    let mut note = SignedNote::parse(&checkpoint.note).map_err(|error| error.to_string())?;
    for line in lines {
        let there = |known: &NoteSignature| {
            (&known.key_name, known.key_id) == (&line.key_name, line.key_id)
        };
        if !note.signatures().iter().any(there) {
            let _ = note.add(line.clone());
        }
    }
    Ok(SignedCheckpoint {
        checkpoint: checkpoint.checkpoint.clone(),
        note: Bytes::from(note.to_bytes()),
    })
}

/// What was signed and shown to witnesses last, verified; `None` where none were ever asked.
pub(in super::super) fn recorded(dir: &Path, key: &LogKey) -> Result<Option<TreeHead>, LogError> {
    let Some(recorded) = read_submitted(dir)? else {
        return Ok(None);
    };
    Ok(Some(checkpoint::open(&recorded.note, key)?.head()))
}
