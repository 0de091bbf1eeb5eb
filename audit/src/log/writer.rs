//! The writer: the thread that records, one batch after the other.
//!
//! Takes drafts from the queue in batches; gives each waiter its place in a durable, signed commit. The
//! order is the promise: durable first, then signed, then told. Never goes on after an error. A draft that is alone is
//! recorded in the same way by whoever brings it, where the writer sleeps ([`super::alone`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::digest::Digest;
use tokio::sync::oneshot;

use super::keeper::Call;
use super::queue::Queue;
use super::{AppendError, Appended, Config, Shared};
use crate::checkpoint::SignedCheckpoint;
use crate::clock::Clock;
use crate::journal::{Admission, Committed, Declined, Recorded, stamp_batch};
use crate::receipt::Receipt;
use crate::tree::BatchProofs;

/// Drafts recorded by one commit at most.
const BATCH_MAX: usize = 512;
/// Bytes that wait behind the journal before the keeper is called early.
const KEEP_BYTES: u64 = 4 << 20;

/// A draft and the one who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) admission: Admission,
    pub(super) answer: oneshot::Sender<Result<Placed, Declined>>,
}

/// An entry's place in its commit. The waiter makes its own receipt from it: the writer has no time.
#[derive(Debug)]
pub(super) struct Placed {
    recorded: Recorded,
    index: u64,
    position: usize,
    commit: Arc<Commit>,
}

/// What the entries of one commit share.
#[derive(Debug)]
struct Commit {
    proofs: BatchProofs,
    checkpoint: SignedCheckpoint,
}

impl Placed {
    /// The entry with its receipt under the checkpoint of its commit.
    pub(super) fn appended(self) -> Result<Appended, AppendError> {
        let proof = self
            .commit
            .proofs
            .proof(self.position)
            .map_err(|error| AppendError::Stopped(error.to_string().into()))?;
        let Recorded { entry, leaf, .. } = self.recorded;
        let receipt = Receipt {
            index: self.index,
            kind: entry.kind,
            stamp: entry.stamp,
            facts: entry.facts.clone(),
            proof,
            checkpoint: self.commit.checkpoint.note.clone(),
        };
        Ok(Appended {
            index: self.index,
            entry,
            leaf,
            receipt,
        })
    }
}

/// Records a batch, and tells those who wait for it.
#[derive(Debug)]
pub(super) struct Recorder {
    clock: Clock,
    broker: u16,
    keeper: Sender<Call>,
    /// Held from the head that a batch is stamped on until its waiters are told: no batch overtakes another.
    turn: Mutex<()>,
    /// How long the last batch took, microseconds.
    took_us: AtomicU64,
}

impl Recorder {
    pub(super) fn new(config: &Config, keeper: Sender<Call>) -> Self {
        Self {
            clock: config.clock.clone(),
            broker: config.broker,
            keeper,
            turn: Mutex::new(()),
            took_us: AtomicU64::new(0),
        }
    }

    /// Records `batch`: durable, then signed, then told.
    ///
    /// # Errors
    /// Why the log stops; nobody of the batch was told anything.
    pub(super) fn record(&self, shared: &Shared, batch: Vec<Waiting>) -> Result<(), String> {
        let poisoned = |_| shared.failed("a thread panicked while it recorded".into());
        let _turn = self.turn.lock().map_err(poisoned)?;
        let begun = Instant::now();
        let (admissions, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.admission, waiting.answer))
            .unzip();
        let now_us = self.clock.now_us();
        let committed = shared
            .journal
            .commit(admissions, &mut |head, drafts| {
                stamp_batch(head, drafts, now_us, self.broker)
            })
            .map_err(|error| shared.failed(error.to_string()))?;
        // The keeper may have failed meanwhile; nothing is acknowledged after that.
        if let Some(reason) = shared.stopped.borrow().as_deref() {
            return Err(reason.to_owned());
        }
        tell(shared, committed, answers)?;
        let took_us = begun.elapsed().as_micros() as u64;
        self.took_us.store(took_us, Ordering::Relaxed);
        if shared.journal.statistics().behind_bytes >= KEEP_BYTES {
            // A keeper that is gone has said why.
            let _ = self.keeper.send(Call::Keep);
        }
        Ok(())
    }

    /// How long the last batch took.
    pub(super) fn took(&self) -> Duration {
        Duration::from_micros(self.took_us.load(Ordering::Relaxed))
    }

    /// Waits until nothing is being recorded.
    pub(super) fn settle(&self) {
        drop(self.turn.lock());
    }
}

/// Records until the queue is closed and empty, or until something fails.
pub(super) fn run(
    shared: &Shared,
    queue: &Queue<Waiting>,
    recorder: &Recorder,
    gather: Duration,
) -> Result<(), String> {
    let mut last_batch = 1;
    // Those on their way, or as many as came last time: whichever is more.
    while let Some(batch) = queue.take(BATCH_MAX, gather, || shared.arriving().max(last_batch)) {
        last_batch = batch.len();
        recorder.record(shared, batch)?;
    }
    Ok(())
}

/// Signs the head of a durable batch and wakes its waiters.
fn tell(
    shared: &Shared,
    committed: Committed,
    answers: Vec<oneshot::Sender<Result<Placed, Declined>>>,
) -> Result<(), String> {
    let Committed {
        before,
        outcomes,
        head,
    } = committed;
    let leaves: Vec<Digest> = outcomes
        .iter()
        .flatten()
        .map(|recorded| recorded.leaf)
        .collect();
    if leaves.is_empty() {
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            if let Err(declined) = outcome {
                let _ = answer.send(Err(declined));
            }
        }
        return Ok(());
    }
    let proofs = BatchProofs::new(&before.edge, &leaves);
    if *proofs.after() != head.edge {
        let reason = "the journal's head is not the head of what it committed";
        return Err(shared.failed(reason.into()));
    }
    let failed = |reason: String| shared.failed(reason);
    // From here on the next key signs, so whoever starts again must know it first.
    for (index, recorded) in (before.size()..).zip(outcomes.iter().flatten()) {
        let followed = shared.signers.follow(index, recorded);
        followed.map_err(|error| failed(error.to_string()))?;
    }
    let checkpoint = shared.signers.sign(&head).map_err(failed)?;
    let registry_size = head.registry_size();
    shared.latest.store(Arc::new(checkpoint.clone()));
    shared.head.send_replace(Arc::new(head));
    shared
        .registry
        .send_if_modified(|size| std::mem::replace(size, registry_size) != registry_size);
    shared.commits.note(leaves.len() as u64);
    let commit = Arc::new(Commit { proofs, checkpoint });
    let mut position = 0;
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        let told = outcome.map(|recorded| {
            let index = before.size() + position as u64;
            position += 1;
            Placed {
                recorded,
                index,
                position: position - 1,
                commit: Arc::clone(&commit),
            }
        });
        // Whoever no longer waits has an entry all the same.
        let _ = answer.send(told);
    }
    Ok(())
}
