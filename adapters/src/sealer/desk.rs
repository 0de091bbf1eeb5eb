//! The desk where headers are numbered and sealed, by one at a time: whoever asks, or the thread.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::header::{AnswerHeader, DisputeHeader, RequestHeader, TrailerHeader};
use proto::limits::{HEADER_BYTES_MAX, label};
use proto::seal::Seal;

use super::{Sealed, SealerError, Shared};

/// A signature that took longer than this is made by the thread the next time: whoever asks has other things to do.
const QUICK: Duration = Duration::from_millis(1);

/// A header before it is sealed.
#[derive(Debug)]
pub(super) enum Unsealed {
    Request(Box<RequestHeader>),
    Answer(Box<AnswerHeader>),
    Dispute(DisputeHeader),
    Trailer(Box<TrailerHeader>),
    UploadTrailer(Box<TrailerHeader>),
    /// Of anything that is neither numbered nor answered: a label, and canonical bytes.
    Other(&'static str, Bytes),
}

impl Unsealed {
    pub(super) fn label(&self) -> &'static str {
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

/// Where headers are numbered and sealed, by one at a time.
#[derive(Debug)]
pub(super) struct Desk {
    run_id: [u8; 16],
    sequence: u64,
    /// When something was sealed last.
    pub(super) sealed: Option<Instant>,
    /// How many headers the last signature carried.
    pub(super) carried: usize,
    /// Whether the last signature took longer than [`QUICK`].
    pub(super) slow: bool,
    /// The thread has taken headers and lets more come to them.
    pub(super) gathering: bool,
}

impl Desk {
    pub(super) fn new(run_id: [u8; 16]) -> Self {
        Self {
            run_id,
            sequence: 0,
            sealed: None,
            carried: 0,
            slow: false,
            gathering: false,
        }
    }

    /// How much longer headers are let gather.
    fn wait(&self, shared: &Shared, label: &str) -> Duration {
        match self.sealed {
            Some(sealed) if shared.together > 1 => {
                shared.pace.between(label).saturating_sub(sealed.elapsed())
            }
            // Alone, nothing is gained by waiting.
            _ => Duration::ZERO,
        }
    }

    /// Whether a header that nobody else waits with is better sealed at once. Where the last signature carried several,
    /// others are about to come.
    pub(super) fn is_free_for_one(&self, shared: &Shared, label: &str) -> bool {
        !self.gathering && !self.slow && self.carried <= 1 && self.wait(shared, label).is_zero()
    }

    /// The thread begins to gather: for how long.
    pub(super) fn gather(&mut self, shared: &Shared, label: &str) -> Duration {
        self.gathering = true;
        self.wait(shared, label)
    }

    /// Seals headers of one label under one signature, in order.
    pub(super) fn seal(
        &mut self,
        shared: &Shared,
        label: &str,
        unsealed: Vec<Unsealed>,
    ) -> Vec<Result<Sealed, SealerError>> {
        if unsealed.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let held = shared.signer.load_full();
        if held.run_id != self.run_id {
            self.run_id = held.run_id;
            self.sequence = 0;
        }
        let fits = |header: &Bytes| header.len() <= HEADER_BYTES_MAX;
        let headers: Vec<Bytes> = unsealed.into_iter().map(|one| self.encode(one)).collect();
        let fitting: Vec<&[u8]> = headers
            .iter()
            .filter(|one| fits(one))
            .map(|one| &one[..])
            .collect();
        let mut seals = match fitting.is_empty() {
            true => Ok(Vec::new()),
            false => Seal::batch(label, &shared.origin, &fitting, &*held.signer),
        }
        .map(Vec::into_iter);
        let now = Instant::now();
        (self.carried, self.slow) = (fitting.len(), now - began > QUICK);
        self.sealed = Some(now);
        let sealed = headers.into_iter().map(|header| {
            if !fits(&header) {
                return Err(SealerError::TooLarge(header.len()));
            }
            match &mut seals {
                Ok(seals) => match seals.next() {
                    Some(seal) => Ok(Sealed { header, seal }),
                    None => Err(SealerError::Stopped),
                },
                Err(error) => Err(SealerError::Seal(error.clone())),
            }
        });
        sealed.collect()
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
