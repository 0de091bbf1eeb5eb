//! The one thread that seals: headers that wait in the same instant go under one signature.
//!
//! Signatures are the largest cost of an exchange; under load one carries up to 64 headers, alone it
//! carries one. The format is the same; the settings may say fewer (`seal_together`). The run id and the sequence number of requests are set here,
//! so that no two headers of one key and run share a number.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

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

/// Headers that may wait for the thread.
const QUEUE: usize = 1_024;
/// Between two signatures at least, so that under load headers gather; whoever asks alone never waits. A signature costs
/// its maker and each of its verifiers far more than anything else in an exchange.
const BETWEEN: Duration = Duration::from_micros(500);

/// Hands headers to the sealing thread. Clones share it; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Sealer {
    queue: mpsc::Sender<Job>,
    signer: Arc<ArcSwap<Held>>,
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
enum Unsealed {
    Request(Box<RequestHeader>),
    Answer(Box<AnswerHeader>),
    Dispute(DisputeHeader),
    Trailer(TrailerHeader),
    UploadTrailer(TrailerHeader),
    /// Of anything that is neither numbered nor answered: a label, and canonical bytes.
    Other(&'static str, Bytes),
}

impl Unsealed {
    fn label(&self) -> &'static str {
        match self {
            Self::Request(header) => header.label(),
            Self::Answer(_) => label::ANSWER,
            Self::Dispute(_) => label::DISPUTE,
            Self::Trailer(_) => label::TRAILER,
            Self::UploadTrailer(_) => label::UPLOAD_TRAILER,
            Self::Other(label, _) => label,
        }
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
        let held = Held::new(signer)?;
        let run_id = held.run_id;
        let signer = Arc::new(ArcSwap::from_pointee(held));
        let desk = Desk {
            signer: Arc::clone(&signer),
            origin: origin.to_owned(),
            run_id,
            sequence: 0,
            together: together.clamp(1, SEAL_SIZE_MAX as usize),
        };
        thread::Builder::new()
            .name("sealer".to_owned())
            .spawn(move || desk.run(jobs))
            .map_err(|error| SealerError::Start(error.to_string()))?;
        Ok(Self { queue, signer })
    }

    /// The key that seals now.
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer.load().signer)
    }

    /// Seals with another key from now on: the registry must know it as this adapter's.
    ///
    /// # Errors
    /// [`SealerError::Start`] when the system gives no randomness for the new key's run.
    pub(crate) fn follow(&self, signer: Arc<dyn Signer>) -> Result<(), SealerError> {
        self.signer.store(Arc::new(Held::new(signer)?));
        Ok(())
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
        self.seal(Unsealed::Trailer(header)).await
    }

    /// Seals the trailer of a request in chunks.
    ///
    /// # Errors
    /// [`SealerError`].
    pub async fn upload_trailer(&self, header: TrailerHeader) -> Result<Sealed, SealerError> {
        self.seal(Unsealed::UploadTrailer(header)).await
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
        let (reply, sealed) = oneshot::channel();
        let job = Job { unsealed, reply };
        self.queue
            .send(job)
            .await
            .map_err(|_| SealerError::Stopped)?;
        sealed.await.map_err(|_| SealerError::Stopped)?
    }
}

/// The thread's own things.
struct Desk {
    signer: Arc<ArcSwap<Held>>,
    origin: String,
    run_id: [u8; 16],
    sequence: u64,
    /// Headers under one signature at most.
    together: usize,
}

impl Desk {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::new();
        let mut sealed: Option<Instant> = None;
        while let Some(job) = jobs.blocking_recv() {
            waiting.push(job);
            // Alone, nothing is gained by waiting.
            let since = sealed.map_or(BETWEEN, |sealed| sealed.elapsed());
            if self.together > 1 {
                thread::sleep(BETWEEN.saturating_sub(since));
            }
            while waiting.len() < self.together
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            for label in [
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
            ] {
                let same = waiting
                    .extract_if(.., |job| job.unsealed.label() == label)
                    .collect();
                self.seal_together(label, same);
            }
            sealed = Some(Instant::now());
        }
    }

    /// Seals jobs of one label under one signature and answers each.
    fn seal_together(&mut self, label: &str, jobs: Vec<Job>) {
        let held = self.signer.load_full();
        if held.run_id != self.run_id {
            self.run_id = held.run_id;
            self.sequence = 0;
        }
        let mut headers = Vec::with_capacity(jobs.len());
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs {
            // Whoever asked may be gone: no number is spent on nobody.
            if job.reply.is_closed() {
                continue;
            }
            let header = self.encode(job.unsealed);
            if header.len() > HEADER_BYTES_MAX {
                let _ = job.reply.send(Err(SealerError::TooLarge(header.len())));
                continue;
            }
            headers.push(header);
            replies.push(job.reply);
        }
        if headers.is_empty() {
            return;
        }
        let slices: Vec<&[u8]> = headers.iter().map(|header| &header[..]).collect();
        match Seal::batch(label, &self.origin, &slices, &*held.signer) {
            Ok(seals) => {
                for ((reply, header), seal) in replies.into_iter().zip(headers).zip(seals) {
                    let _ = reply.send(Ok(Sealed { header, seal }));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(SealerError::Seal(error.clone())));
                }
            }
        }
    }

    fn encode(&mut self, unsealed: Unsealed) -> Bytes {
        match unsealed {
            Unsealed::Request(mut header) => {
                self.sequence += 1;
                header.run_id = self.run_id;
                header.sequence = self.sequence;
                header.encode()
            }
            Unsealed::Answer(header) => header.encode(),
            Unsealed::Dispute(header) => header.encode(),
            Unsealed::Trailer(header) | Unsealed::UploadTrailer(header) => header.encode(),
            Unsealed::Other(_, header) => header,
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
