//! Erasures: payloads and salts are destroyed first, then the log is told, under this system's seal.
//!
//! ```text
//! what is to go, written down → destroyed → queued → sealed and sent → recorded, with its receipt
//! erasures/T-N.intent                       .queued                  .recorded
//! ```
//!
//! An end of the process anywhere is finished by the next run. Without a switch the payloads go all the same; the
//! statement waits in the home. Header, seals and receipts of the exchanges stay: that something was exchanged can be
//! proved for ever, what it was no more.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::receipt::{Receipt, ReceiptError};
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::act::{Erased, Erasure};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::{ExchangeId, Part, SystemId};
use proto::limits::{OVERSEEN_MAX, label};
use proto::seal::{Seal, SealError};
use proto::wire::audit::v1 as wire;
use thiserror::Error;
use tokio::sync::Mutex;
use tonic::Status;

use super::segments::{Held, make_dir, sync_dir};
use super::vault::Vault;
use super::{JournalError, frames};
use crate::adapter::ProofError;
use crate::checkpoints::Checkpoints;
use crate::connection::Connection;
use crate::identity::Home;
use crate::sealer::Sealer;

/// The folder in the journal's.
const DIR: &str = "erasures";
const INTENT: &str = "intent";
const QUEUED: &str = "queued";
const RECORDED: &str = "recorded";
/// Between two tries to send what is queued.
const AGAIN: Duration = Duration::from_secs(60);
/// How long the switch may take to record one statement.
const SEND_WAIT: Duration = Duration::from_secs(10);

/// What to erase, and how to say so.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The home's system.
    pub system: &'a SystemId,
    /// A code of the reason, for the statement in the log.
    pub ground: &'a Part,
    /// Unix time, milliseconds.
    pub now_ms: u64,
}

/// Destroys the payloads and salts of the exchanges that are chosen, and queues the statement; gives those of which
/// something was kept. Finishes first what an earlier run began.
///
/// # Errors
/// [`JournalError`]; run it again, and it goes on where it stopped.
pub fn erase(
    journal: &Path,
    chosen: &dyn Fn(ExchangeId) -> bool,
    order: &Order<'_>,
) -> Result<Vec<ExchangeId>, JournalError> {
    let _held = Held::alone(journal).map_err(JournalError::Io)?;
    let dir = journal.join(DIR);
    finish(journal)?;
    let vault = Vault::new(journal);
    let kept: Vec<ExchangeId> = vault.exchanges(chosen)?.into_iter().collect();
    if kept.is_empty() {
        return Ok(kept);
    }
    let written = (|| {
        make_dir(&dir)?;
        for (number, exchanges) in kept.chunks(OVERSEEN_MAX).enumerate() {
            let statement = Erasure {
                agency: order.system.agency(),
                erased: Erased::Payloads(order.system.clone(), exchanges.to_vec()),
                ground: order.ground.clone(),
                issued_at_ms: order.now_ms,
            };
            let name = format!("{:020}-{number:06}.{INTENT}", order.now_ms);
            write(&dir.join(name), &statement.encode())?;
        }
        sync_dir(&dir)
    })();
    written.map_err(JournalError::Io)?;
    finish(journal)?;
    Ok(kept)
}

/// Statements that the log was not told yet.
///
/// # Errors
/// [`JournalError::Io`].
pub fn queued(journal: &Path) -> Result<usize, JournalError> {
    Ok(list(journal, QUEUED).map_err(JournalError::Io)?.len())
}

/// Destroys what was written down to be destroyed, and queues its statements. Under [`Held::alone`].
fn finish(journal: &Path) -> Result<(), JournalError> {
    let vault = Vault::new(journal);
    let intents = list(journal, INTENT).map_err(JournalError::Io)?;
    let mut wanted = std::collections::BTreeSet::new();
    for intent in &intents {
        let header = std::fs::read(intent).map_err(JournalError::Io)?;
        // One that was cut short was never acted on: nothing was said to be erased.
        if let Ok(Erasure {
            erased: Erased::Payloads(_, exchanges),
            ..
        }) = Erasure::open(&header)
        {
            wanted.extend(exchanges);
        }
    }
    if intents.is_empty() {
        return Ok(());
    }
    vault.erase(&|exchange| wanted.contains(&exchange))?;
    for intent in &intents {
        let is_whole = std::fs::read(intent).is_ok_and(|header| Erasure::open(&header).is_ok());
        let done = if is_whole {
            std::fs::rename(intent, intent.with_extension(QUEUED))
        } else {
            std::fs::remove_file(intent)
        };
        done.map_err(JournalError::Io)?;
    }
    sync_dir(&journal.join(DIR)).map_err(JournalError::Io)
}

/// What sends statements: the parts of a running adapter that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) home: Home,
    pub(crate) sealer: Sealer,
    pub(crate) connection: Connection,
    pub(crate) checkpoints: Checkpoints,
    /// Held while statements are sent: none goes twice because two of this adapter's tasks look at once.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Sender {
    /// Finishes what an earlier run began, seals what is queued, has it recorded and proves each entry; gives how many.
    pub(crate) async fn send_queued(&self) -> Result<usize, ErasureError> {
        let journal = self.home.path(&self.home.config().journal.dir);
        if !journal.join(DIR).exists() {
            return Ok(0);
        }
        let _turn = self.turn.lock().await;
        {
            let _held = Held::alone(&journal).map_err(JournalError::Io)?;
            finish(&journal)?;
        }
        let mut sent = 0;
        for file in list(&journal, QUEUED).map_err(JournalError::Io)? {
            let header = match std::fs::read(&file) {
                Ok(header) => Bytes::from(header),
                // Another process with this home was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(JournalError::Io(error).into()),
            };
            let recorded = tokio::time::timeout(SEND_WAIT, self.send(header));
            let recorded = recorded.await.map_err(|_| ErasureError::Silent)??;
            write(&file.with_extension(RECORDED), &recorded).map_err(JournalError::Io)?;
            // Gone already where another process sent it too: then it is recorded twice, and says the same.
            let _ = std::fs::remove_file(&file);
            sent += 1;
        }
        if sent > 0 {
            sync_dir(&journal.join(DIR)).map_err(JournalError::Io)?;
        }
        Ok(sent)
    }

    /// Frames with header, seal block and receipt of the recorded statement.
    async fn send(&self, header: Bytes) -> Result<Bytes, ErasureError> {
        let log_key = self.home.log_key();
        let signer = self.sealer.signer();
        let seal = Seal::one(label::ERASURE, log_key.origin(), &header, &*signer)?;
        let envelope = Envelope::bare(header.clone(), seal.clone());
        let request = wire::OverseeRequest {
            kind: u32::from(Kind::Erasure as u8),
            envelope: envelope.to_wire().encode_to_vec().into(),
        };
        let response = self.connection.log().oversee(request).await;
        let receipt = response.map_err(Box::new)?.into_inner().receipt;
        let receipt = receipt.ok_or(ReceiptError::Malformed("message"))?;
        let bytes = receipt.encode_to_vec();
        let receipt = Receipt::from_wire(receipt)?;
        let proven = receipt.verify(&header, Some(&seal), log_key)?;
        self.checkpoints
            .note(proven.checkpoint, receipt.checkpoint)
            .map_err(ProofError::from)?;
        if proven.entry.kind != Kind::Erasure {
            return Err(ErasureError::OtherKind(proven.entry.kind.name()));
        }
        let mut out = BytesMut::new();
        for part in [&header[..], &seal.to_block(), &bytes] {
            frames::put(&mut out, |out| out.extend_from_slice(part));
        }
        Ok(out.freeze())
    }
}

/// Sends what is queued as soon as the switch takes it; a running adapter's task.
pub(crate) async fn sending(sender: Sender) {
    loop {
        match sender.send_queued().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "statements of erasure are recorded"),
            Err(error) => {
                tracing::warn!(%error, "a statement of erasure is not recorded yet; it stays queued");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn list(journal: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(journal.join(DIR)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Why a statement of erasure is not recorded. The payloads are gone all the same.
#[derive(Debug, Error)]
pub enum ErasureError {
    /// The home.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The seal.
    #[error("the statement could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The switch says no, or is not there.
    #[error("the switch did not record it: {}", .0.message())]
    Switch(#[from] Box<Status>),
    /// Nothing came in time.
    #[error("the switch did not answer in time")]
    Silent,
    /// The receipt has another shape.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The receipt proves nothing.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is recorded as something else.
    #[error("it is recorded as {0}")]
    OtherKind(&'static str),
}
