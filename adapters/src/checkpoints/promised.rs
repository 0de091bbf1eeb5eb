//! What receipts promised and no published checkpoint has confirmed yet, kept across restarts.
//!
//! A receipt's checkpoint is signed before it is published. Without this file a switch that is killed and put back
//! to an older copy of its log could answer a later run of this adapter as if the receipt had never been given. The
//! file holds signed notes, each before a line of ten dashes: those of earlier runs that are still unproved, and the
//! largest. It is written behind the answers, not before each.

use std::fs::File;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use audit::checkpoint::{self, LogKey, SignedCheckpoint};
use bytes::Bytes;
use certs::key_files::replace_public;

use tonic::Status;

use super::{Checkpoints, SeenError};
use crate::connection::Connection;
use crate::error::Distrust;
use crate::identity::{HomeError, read_text};

/// Name of the file in a home.
pub(super) const FILE: &str = "promised.txt";
/// Notes that the file holds at most.
const NOTES_MAX: usize = 16;
/// How often new promises are written to the home, at most.
const REMEMBER_EVERY: Duration = Duration::from_millis(200);
/// Between two looks of [`Checkpoints::settled`].
const SETTLE_EVERY: Duration = Duration::from_millis(200);
/// What ends each note.
const LINE: &str = "----------\n";
/// A published checkpoint that lies behind a promise older than this is not just late.
const LATE: Duration = Duration::from_secs(2);

impl Checkpoints {
    pub(super) fn carry(&self, left: Vec<SignedCheckpoint>) -> Result<(), Distrust> {
        for signed in left {
            let carried = self.ledger().carry(signed);
            carried.map_err(|fork| self.convict(&fork))?;
        }
        Ok(())
    }

    /// Writes what the next run must know of to the home, unless it stands there already. Waits for the disk.
    ///
    /// # Errors
    /// [`SeenError::Home`] when the home cannot be written; [`SeenError::Distrust`] when another process with this
    /// home was told something else.
    pub fn remember(&self) -> Result<(), SeenError> {
        let mut written = self
            .0
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sizes = |notes: &[SignedCheckpoint]| {
            Vec::from_iter(notes.iter().map(|signed| signed.checkpoint.size))
        };
        let promises = self.ledger().promises(NOTES_MAX);
        // What was proved stays in the file until something new is written: proving it again costs little.
        if promises.is_empty() || sizes(&promises) == *written {
            return Ok(());
        }
        let _held = lock(&self.0.dir)?;
        let mut others = read(&self.0.promised, &self.0.log_key)?;
        others.retain(|signed| {
            let size = signed.checkpoint.size;
            !written.contains(&size) || self.ledger().knows(size)
        });
        self.carry(others)?;
        let promises = self.ledger().promises(NOTES_MAX);
        write(&self.0.promised, &promises)?;
        *written = sizes(&promises);
        Ok(())
    }

    /// Whether what an earlier run left was old when this one began: an honest switch has published it by now.
    pub fn is_overdue(&self) -> bool {
        self.0.old
    }

    /// Remembers, then waits up to `wait` until everything that earlier runs left is proved against a published
    /// checkpoint. Says whether it is; what is not stays remembered.
    ///
    /// # Errors
    /// As [`Checkpoints::reconcile`] and [`Checkpoints::remember`].
    pub async fn settled(
        &self,
        connection: &Connection,
        wait: Duration,
    ) -> Result<bool, SeenError> {
        let until = tokio::time::Instant::now() + wait;
        self.remember()?;
        while self.ledger().carries() {
            self.reconcile(connection).await?;
            if !self.ledger().carries() {
                break;
            }
            if tokio::time::Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
        Ok(true)
    }

    /// Keeps the note across restarts. On a blocking thread: it waits for the disk.
    pub(super) async fn keep(&self, published: SignedCheckpoint) -> Result<(), SeenError> {
        let checkpoints = self.clone();
        self.blocking(move || checkpoints.replace_published(&published))
            .await
    }

    /// Replaces the published checkpoint of the home, unless another process with this home knows a larger one.
    fn replace_published(&self, published: &SignedCheckpoint) -> Result<(), SeenError> {
        let shared = &self.0;
        let _held = lock(&shared.dir)?;
        let there = read_text(&shared.file).ok();
        let there = there.and_then(|note| checkpoint::open(note.as_bytes(), &shared.log_key).ok());
        if there.is_none_or(|there| there.size < published.checkpoint.size) {
            replace_public(&shared.file, &published.note).map_err(HomeError::File)?;
        }
        Ok(())
    }

    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<(), SeenError> + Send + 'static,
    ) -> Result<(), SeenError> {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(SeenError::Switch(Box::new(Status::internal(
                error.to_string(),
            )))),
        }
    }

    /// Writes promises to the home behind the answers, until the task is dropped.
    pub(crate) async fn remembering(self) {
        let mut failing = false;
        loop {
            tokio::time::sleep(REMEMBER_EVERY).await;
            let checkpoints = self.clone();
            let remembered = self.blocking(move || checkpoints.remember()).await;
            if let Err(error) = &remembered
                && !failing
            {
                tracing::error!(%error, "receipts are not remembered across a restart of this adapter");
            }
            failing = remembered.is_err();
        }
    }
}

/// The notes that an earlier run left; none when there is no file.
///
/// # Errors
/// [`SeenError::Damaged`], [`SeenError::Home`].
pub(super) fn read(file: &Path, key: &LogKey) -> Result<Vec<SignedCheckpoint>, SeenError> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = read_text(file)?;
    text.split(LINE)
        .filter(|note| !note.is_empty())
        .map(|note| {
            let note = Bytes::copy_from_slice(note.as_bytes());
            match checkpoint::open(&note, key) {
                Ok(checkpoint) => Ok(SignedCheckpoint { checkpoint, note }),
                Err(cause) => Err(SeenError::Damaged {
                    file: file.to_owned(),
                    cause,
                }),
            }
        })
        .collect()
}

/// Whether the file was written long enough ago that everything in it should be published by now.
pub(super) fn is_old(file: &Path) -> bool {
    let written = std::fs::metadata(file).and_then(|data| data.modified());
    let age = written.map(|written| SystemTime::now().duration_since(written));
    // A time in the future says nothing, so it counts as old.
    !matches!(age, Ok(Ok(age)) if age < LATE)
}

/// Replaces the file. Durable when it returns.
fn write(file: &Path, notes: &[SignedCheckpoint]) -> Result<(), HomeError> {
    let mut text = Vec::new();
    for signed in notes {
        text.extend_from_slice(&signed.note);
        text.extend_from_slice(LINE.as_bytes());
    }
    Ok(replace_public(file, &text)?)
}

/// Held while files of the home are read and replaced: several processes may use one home.
fn lock(dir: &Path) -> Result<File, HomeError> {
    let held = File::open(dir).and_then(|dir| dir.lock().map(|()| dir));
    held.map_err(|cause| HomeError::Read {
        path: dir.to_owned(),
        cause,
    })
}
