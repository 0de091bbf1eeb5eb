//! `Seen`: the largest checkpoint that this adapter verified, and the watch over everything signed.
//!
//! Every receipt carries a checkpoint that the log signed. Each of them is reconciled with the next
//! published one by a consistency proof, and each published one with the one before; what is not yet
//! reconciled outlives the process in `promised.txt`. What does not fit is a fork: both notes are written
//! to the home folder and the adapter stops believing.
//! Specification: `docs/log.md` (checkpoints) and `docs/protocol.md` §2 (`seen`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::checkpoint::{self, Checkpoint, CheckpointError, LogKey, SignedCheckpoint};
use audit::clock::Clock;
use bytes::Bytes;
use certs::key_files::replace_public;
use proto::digest::Digest;
use proto::header::Seen;
use proto::wire::audit::v1 as wire;
use thiserror::Error;
use tonic::Status;

use crate::connection::{Backoff, Connection};
use crate::error::{Distrust, Standing};
use crate::identity::{EVIDENCE_PREFIX, Home, HomeError, read_text};

mod following;
mod ledger;
mod promised;
mod witnessed;

use ledger::{Fork, Ledger};
use witnessed::Witnesses;

pub use witnessed::{Standing as WitnessStanding, WitnessError};

/// Rounds of one reconciliation: enough for a full queue, and bounded.
const ROUNDS_MAX: usize = 8;
/// With nothing waiting, the published checkpoint is looked at every so many turns.
const IDLE_TURNS: u32 = 10;

/// The watch, as the adapter's parts use it. Clones share it.
#[derive(Clone, Debug)]
pub struct Checkpoints(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    /// One reconciliation at a time: the published checkpoints must be compared in order.
    turn: tokio::sync::Mutex<()>,
    log_key: LogKey,
    dir: PathBuf,
    file: PathBuf,
    promised: PathBuf,
    /// What an earlier run left was old when this one began: it should be published by now.
    old: bool,
    /// Sizes that `promised` holds, as written last.
    written: Mutex<Vec<u64>>,
    clock: Clock,
    standing: Standing,
    /// Who must vouch for what is published.
    witnesses: Option<Witnesses>,
}

/// Where the watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standings {
    /// Entries under the largest verified published checkpoint; 0 before the first.
    pub size: u64,
    /// Checkpoints of receipts that wait for a proof.
    pub waiting: usize,
    /// Checkpoints dropped unproved because too many waited.
    pub dropped: u64,
}

impl Checkpoints {
    /// Begins from what an earlier run verified.
    ///
    /// # Errors
    /// [`SeenError`] when a file is damaged: it is this adapter's memory and never guessed;
    /// [`SeenError::Distrust`] when what an earlier run remembered contradicts itself.
    pub(crate) fn open(home: &Home, clock: Clock, standing: Standing) -> Result<Self, SeenError> {
        let file = home.path(&home.config().files.checkpoint);
        let settings = home.config().witness.as_ref();
        let witnesses =
            settings.map(|settings| Witnesses::read(home.dir(), settings, home.log_key()));
        let witnesses = witnesses.transpose()?;
        let log_key = home.log_key().clone();
        Self::read(home.dir(), file, log_key, clock, standing, witnesses)
    }

    fn read(
        dir: &Path,
        file: PathBuf,
        log_key: LogKey,
        clock: Clock,
        standing: Standing,
        witnesses: Option<Witnesses>,
    ) -> Result<Self, SeenError> {
        let published = if file.exists() {
            let note = Bytes::from(read_text(&file)?);
            let checkpoint =
                checkpoint::open(&note, &log_key).map_err(|cause| SeenError::Damaged {
                    file: file.clone(),
                    cause,
                })?;
            Some(SignedCheckpoint { checkpoint, note })
        } else {
            None
        };
        let promised = dir.join(promised::FILE);
        let left = promised::read(&promised, &log_key)?;
        let checkpoints = Self(Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(published)),
            turn: tokio::sync::Mutex::default(),
            log_key,
            dir: dir.to_owned(),
            file,
            old: promised::is_old(&promised),
            promised,
            written: Mutex::new(left.iter().map(|signed| signed.checkpoint.size).collect()),
            clock,
            standing,
            witnesses,
        }));
        checkpoints.carry(left)?;
        let last = checkpoints.ledger().published().cloned();
        if let Some(last) = last {
            checkpoints.judge(&last);
        }
        Ok(checkpoints)
    }

    /// What goes into headers: the largest verified published checkpoint.
    pub fn seen(&self) -> Option<Seen> {
        let ledger = self.ledger();
        let checkpoint = &ledger.published()?.checkpoint;
        (checkpoint.size > 0).then_some(Seen {
            size: checkpoint.size,
            root: checkpoint.root,
        })
    }

    /// Where the watch stands.
    pub fn standings(&self) -> Standings {
        let ledger = self.ledger();
        Standings {
            size: ledger
                .published()
                .map_or(0, |signed| signed.checkpoint.size),
            waiting: ledger.waiting(),
            dropped: ledger.dropped(),
        }
    }

    /// Takes the checkpoint of a receipt whose signature was verified.
    ///
    /// # Errors
    /// [`Distrust::Fork`] when another root was signed for the same size.
    pub fn note(&self, checkpoint: Checkpoint, note: Bytes) -> Result<(), Distrust> {
        if let Some(witnesses) = &self.0.witnesses {
            witnesses.promised(checkpoint.size);
        }
        let noted = self.ledger().note(SignedCheckpoint { checkpoint, note });
        noted.map_err(|fork| self.convict(&fork))
    }

    /// The largest size that the log is known to have signed: what is asked for now is recorded behind it.
    pub(crate) fn floor(&self) -> u64 {
        let ledger = self.ledger();
        ledger.largest().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Takes the checkpoint of an exchange's last receipt. `floor` is [`Checkpoints::floor`] from before it was asked
    /// for: an honest log records it behind everything that it had signed by then.
    ///
    /// # Errors
    /// [`Distrust`] when another root was signed for the same size, or the log became smaller than `floor`.
    pub(crate) fn note_behind(
        &self,
        floor: u64,
        checkpoint: Checkpoint,
        note: Bytes,
    ) -> Result<(), Distrust> {
        if let Some(witnesses) = &self.0.witnesses {
            witnesses.promised(checkpoint.size);
        }
        let newer = SignedCheckpoint { checkpoint, note };
        if newer.checkpoint.size < floor
            && let Some(older) = self.ledger().largest().cloned()
        {
            return Err(self.convict(&Fork { older, newer }));
        }
        let noted = self.ledger().note(newer);
        noted.map_err(|fork| self.convict(&fork))
    }

    /// Reconciles everything that waits with the checkpoint that is published now.
    ///
    /// # Errors
    /// [`SeenError::Distrust`] for a fork, a shrinking log or an unsigned checkpoint;
    /// [`SeenError::Switch`] when the switch cannot be asked; [`SeenError::Home`] for the disk.
    pub async fn reconcile(&self, connection: &Connection) -> Result<(), SeenError> {
        let _turn = self.0.turn.lock().await;
        for _ in 0..ROUNDS_MAX {
            self.0.standing.hold()?;
            if !self.round(connection).await? {
                break;
            }
        }
        Ok(())
    }

    /// One published checkpoint with at most 256 proofs. Says whether more could be proved.
    async fn round(&self, connection: &Connection) -> Result<bool, SeenError> {
        let mut log = connection.log();
        let published = log
            .checkpoint(wire::CheckpointRequest {})
            .await?
            .into_inner();
        self.follow(&published.log_keys)?;
        let to = self.signed(published.checkpoint)?;
        let plan = self.ledger().plan(to).map_err(|fork| self.convict(&fork))?;
        let proofs = if plan.from.is_empty() {
            Vec::new()
        } else {
            let request = wire::ConsistencyRequest {
                from_sizes: plan.from.clone(),
                to_size: plan.to.checkpoint.size,
            };
            read_proofs(log.consistency(request).await?.into_inner())
        };
        let (grown, more) = {
            let mut ledger = self.ledger();
            let before = ledger.published().map(|signed| signed.checkpoint.size);
            ledger
                .settle(&plan, &proofs)
                .map_err(|fork| self.convict(&fork))?;
            let size = plan.to.checkpoint.size;
            let more = ledger
                .plan(plan.to.clone())
                .is_ok_and(|next| !next.from.is_empty());
            (before != Some(size), more)
        };
        self.judge(&plan.to);
        if grown {
            self.keep(plan.to).await?;
        }
        Ok(more)
    }

    /// Whether witnesses vouch for a published checkpoint that was verified.
    fn judge(&self, published: &SignedCheckpoint) {
        let Some(witnesses) = &self.0.witnesses else {
            return;
        };
        let largest = self.floor();
        witnesses.take(published.checkpoint.size, &published.note, largest);
    }

    fn signed(&self, note: Bytes) -> Result<SignedCheckpoint, Distrust> {
        match checkpoint::open(&note, &self.0.log_key) {
            Ok(checkpoint) => Ok(SignedCheckpoint { checkpoint, note }),
            Err(error) => {
                let reason = Distrust::Checkpoint(error.to_string());
                self.0.standing.lose(reason.clone());
                Err(reason)
            }
        }
    }

    /// Looks at the published checkpoint again and again, until the switch is no longer believed.
    pub(crate) async fn watch(self, connection: Connection, every: Duration) {
        let mut backoff = Backoff::default();
        let mut idle = IDLE_TURNS;
        loop {
            idle += 1;
            self.tell_lateness();
            if idle < IDLE_TURNS && self.standings().waiting == 0 {
                tokio::time::sleep(every).await;
                continue;
            }
            match self.reconcile(&connection).await {
                Ok(()) => {
                    idle = 0;
                    backoff.reset();
                }
                Err(SeenError::Distrust(_)) => return,
                Err(error) => {
                    tracing::warn!(%error, "the published checkpoint could not be verified this time");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Writes both notes to the home folder and stops believing.
    fn convict(&self, fork: &Fork) -> Distrust {
        let (older, newer) = (&fork.older, &fork.newer);
        let evidence = evidence_file(&self.0.dir, &self.0.clock);
        let text = format!(
            "Two checkpoints of one log, both signed by its key, that an honest log never signs both.\n\
             Each note below begins after a line of ten dashes.\n----------\n{}----------\n{}",
            String::from_utf8_lossy(&older.note),
            String::from_utf8_lossy(&newer.note),
        );
        let shown = match replace_public(&evidence, text.as_bytes()) {
            Ok(()) => evidence.display().to_string(),
            Err(error) => {
                tracing::error!(%error, "the evidence could not be written; it follows");
                tracing::error!("{text}");
                format!("the log of this adapter ({error})")
            }
        };
        let (from, to) = (older.checkpoint.size, newer.checkpoint.size);
        let reason = if from > to {
            Distrust::Shrunk {
                from,
                to,
                evidence: shown,
            }
        } else {
            Distrust::Fork {
                what: format!("sizes {from} and {to}"),
                evidence: shown,
            }
        };
        self.0.standing.lose(reason.clone());
        reason
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evidence_file(dir: &Path, clock: &Clock) -> PathBuf {
    dir.join(format!("{EVIDENCE_PREFIX}{}.txt", clock.now_ms()))
}

/// A proof with a hash of another length proves nothing; it is kept empty and refused by the ledger.
fn read_proofs(response: wire::ConsistencyResponse) -> Vec<Vec<Digest>> {
    let hashes = |proof: wire::ConsistencyProof| {
        let read: Option<Vec<Digest>> = proof
            .hashes
            .iter()
            .map(|hash| Digest::from_slice(hash))
            .collect();
        read.unwrap_or_default()
    };
    response.proofs.into_iter().map(hashes).collect()
}

/// Why the watch could not verify.
#[derive(Debug, Error)]
pub enum SeenError {
    /// The file of an earlier run is damaged.
    #[error("{} is damaged ({cause}); restore it from a backup, or move it away after asking the auditor", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: CheckpointError,
    },
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The switch could not be asked.
    #[error("the switch could not be asked for its checkpoint: {0}")]
    Switch(#[source] Box<Status>),
    /// The switch is no longer believed.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The witness policy cannot be used.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

impl From<Status> for SeenError {
    fn from(status: Status) -> Self {
        Self::Switch(Box::new(status))
    }
}

#[cfg(test)]
mod tests;
