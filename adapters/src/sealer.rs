//! Seals headers: one that comes alone at once, those that wait in the same instant under one signature.
//!
//! Signatures are the largest cost of an exchange; under load one carries up to 64 headers, alone it
//! carries one. The format is the same; the settings may say fewer (`seal_together`). The run id and the sequence number of requests are set here,
//! so that no two headers of one key and run share a number.
//!
//! ```text
//! nothing sealed a moment ago, nobody waits → sealed by whoever asks
//! otherwise → a queue → one thread, which lets headers gather between two signatures
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use proto::commitment::Salt;
use proto::envelope::Envelope;
use proto::header::{
    AnswerHeader, DisputeHeader, EventHeader, EventReceiptHeader, RequestHeader,
    SubscriptionEndHeader, SubscriptionHeader, TrailerHeader,
};
use proto::key::Signer;
use proto::limits::{HEADER_BYTES_MAX, SEAL_SIZE_MAX, label};
use proto::seal::{Seal, SealError};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

mod desk;
mod pace;

use desk::{Desk, Unsealed};
use pace::Pace;
pub(crate) use pace::Waited;

/// Headers that may wait for the thread.
const QUEUE: usize = 1_024;
/// Every label, in the order in which those that wait are sealed.
const LABELS: [&str; 10] = [
    label::REQUEST,
    label::ANSWER,
    label::DISPUTE,
    label::TRAILER,
    label::UPLOAD,
    label::UPLOAD_TRAILER,
    label::EVENT,
    label::SUBSCRIPTION,
    label::SUBSCRIPTION_END,
    label::EVENT_RECEIPT,
];

/// Seals headers, or hands them to the sealing thread. Clones share it; the thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct Sealer {
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

/// What those who ask and the thread both use.
#[derive(Debug)]
struct Shared {
    signer: ArcSwap<Held>,
    origin: String,
    /// Headers under one signature at most.
    together: usize,
    desk: Mutex<Desk>,
    pace: Pace,
}

/// The key that seals now, and the run in which it does: numbers are counted for each key and run.
#[derive(Debug)]
struct Held {
    signer: Arc<dyn Signer>,
    run_id: [u8; 16],
}

impl Held {
    fn new(signer: Arc<dyn Signer>) -> Result<Self, SealerError> {
        let random = Salt::random().map_err(|error| SealerError::Start(error.to_string()))?;
        let mut run_id = [0; 16];
        run_id.copy_from_slice(&random.0[..16]);
        Ok(Self { signer, run_id })
    }
}

/// A header's bytes and its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The canonical bytes, as signed.
    pub header: Bytes,
    /// The seal over them.
    pub seal: Seal,
}

impl Sealed {
    /// An envelope with a payload.
    pub fn with_payload(&self, salt: Salt, payload: Bytes) -> Envelope {
        Envelope::new(self.header.clone(), self.seal.clone(), salt, payload)
    }
}

#[derive(Debug)]
struct Job {
    unsealed: Unsealed,
    reply: oneshot::Sender<Result<Sealed, SealerError>>,
}

impl Sealer {
    /// Starts the thread. `origin` is the log's: a seal for another switch is worthless here.
    ///
    /// # Errors
    /// [`SealerError::Start`] when the system gives no thread or no randomness.
    pub fn start(signer: Arc<dyn Signer>, origin: &str) -> Result<Self, SealerError> {
        Self::start_with(signer, origin, SEAL_SIZE_MAX as usize)
    }

    /// As [`Sealer::start`], with at most `together` headers under one signature; at least one, and never more than a
    /// seal may hold.
    ///
    /// # Errors
    /// As [`Sealer::start`].
    pub fn start_with(
        signer: Arc<dyn Signer>,
        origin: &str,
        together: usize,
    ) -> Result<Self, SealerError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::new(Held::new(signer)?, origin, together));
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("sealer".to_owned())
            .spawn(move || theirs.serve(jobs))
            .map_err(|error| SealerError::Start(error.to_string()))?;
        Ok(Self { queue, shared })
    }

    /// The key that seals now.
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.shared.signer.load().signer)
    }

    /// Seals with another key from now on: the registry must know it as this adapter's.
    ///
    /// # Errors
    /// [`SealerError::Start`] when the system gives no randomness for the new key's run.
    pub(crate) fn follow(&self, signer: Arc<dyn Signer>) -> Result<(), SealerError> {
        self.shared.signer.store(Arc::new(Held::new(signer)?));
        Ok(())
    }

    /// How long the switch took with something that was sealed: what comes later may wait a part of that for others.
    pub(crate) fn took(&self, what: Waited, taken: Duration) {
        self.shared.pace.took(what, taken);
    }

    /// Seals a request. Run id and sequence number are set here, whatever the header holds.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn request(&self, header: RequestHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Request(Box::new(header))).await
    }

    /// Seals an answer.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn answer(&self, header: AnswerHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Answer(Box::new(header))).await
    }

    /// Seals a dispute.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn dispute(&self, header: DisputeHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Dispute(header)).await
    }

    /// Seals the trailer of an answer in chunks.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn trailer(&self, header: TrailerHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Trailer(Box::new(header))).await
    }

    /// Seals the trailer of a request in chunks.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn upload_trailer(&self, header: TrailerHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::UploadTrailer(Box::new(header))).await
    }

    /// Seals an event.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn event(&self, header: EventHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Other(label::EVENT, header.encode()))
            .await
    }

    /// Seals a subscription.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn subscription(&self, header: SubscriptionHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Other(label::SUBSCRIPTION, header.encode()))
            .await
    }

    /// Seals the end of a subscription.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn subscription_end(
        &self,
        header: SubscriptionEndHeader,
    ) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Other(label::SUBSCRIPTION_END, header.encode()))
            .await
    }

    /// Seals the receipt of an event.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn event_receipt(&self, header: EventReceiptHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::Other(label::EVENT_RECEIPT, header.encode()))
            .await
    }

    async fn seal(&self, unsealed: Unsealed) -> Result<Sealed, SealerError> {
        let unsealed = match self.at_once(unsealed) {
            Ok(sealed) => return sealed,
            Err(unsealed) => unsealed,
        };
        let (reply, sealed) = oneshot::channel();
        let job = Job { unsealed, reply };
        self.queue
            .send(job)
            .await
            .map_err(|_| SealerError::Stopped)?;
        sealed.await.map_err(|_| SealerError::Stopped)?
    }

    /// Seals here and now where nothing is gained by waiting, which saves two wakes of another thread. Otherwise gives back
    /// what it was given.
    fn at_once(&self, unsealed: Unsealed) -> Result<Result<Sealed, SealerError>, Unsealed> {
        let nobody_waits = self.queue.capacity() == self.queue.max_capacity();
        let Some(mut desk) = self.shared.free_desk().filter(|_| nobody_waits) else {
            return Err(unsealed);
        };
        if !desk.is_free_for_one(&self.shared, unsealed.label()) {
            return Err(unsealed);
        }
        let sealed = desk.seal(&self.shared, unsealed.label(), vec![unsealed]);
        Ok(sealed
            .into_iter()
            .next()
            .unwrap_or(Err(SealerError::Stopped)))
    }
}

impl Shared {
    fn new(held: Held, origin: &str, together: usize) -> Self {
        Self {
            desk: Mutex::new(Desk::new(held.run_id)),
            signer: ArcSwap::from_pointee(held),
            origin: origin.to_owned(),
            together: together.clamp(1, SEAL_SIZE_MAX as usize),
            pace: Pace::default(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The desk, unless somebody is at it.
    fn free_desk(&self) -> Option<MutexGuard<'_, Desk>> {
        match self.desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(desk)) => Some(desk.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The thread: seals what waits until nobody can come any more.
    fn serve(&self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::new();
        while let Some(job) = jobs.blocking_recv() {
            let wait = self.desk().gather(self, job.unsealed.label());
            waiting.push(job);
            thread::sleep(wait);
            while waiting.len() < self.together
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            let mut desk = self.desk();
            for label in LABELS {
                // Whoever asked may be gone: no number is spent on nobody.
                let same = waiting.extract_if(.., |job| job.unsealed.label() == label);
                let (unsealed, replies): (Vec<_>, Vec<_>) = same
                    .filter(|job| !job.reply.is_closed())
                    .map(|job| (job.unsealed, job.reply))
                    .unzip();
                let sealed = desk.seal(self, label, unsealed);
                for (reply, sealed) in replies.into_iter().zip(sealed) {
                    let _ = reply.send(sealed);
                }
            }
            desk.gathering = false;
        }
    }
}

/// Why a header was not sealed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealerError {
    /// The thread could not be started.
    #[error("the sealing thread could not start: {0}")]
    Start(String),
    /// The thread is gone.
    #[error("the sealing thread has stopped; start the adapter again")]
    Stopped,
    /// The header is over its limit.
    #[error(
        "the header has {0} bytes and the limit is {HEADER_BYTES_MAX}; ask for fewer fields or subjects at once"
    )]
    TooLarge(usize),
    /// The key could not seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[cfg(test)]
mod tests;
