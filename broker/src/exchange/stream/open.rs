//! Room 8 of an answer in chunks, open: `Attested → Opened`.
//!
//! Takes an answer that holds and comes in chunks. Gives it durable, and tells the provider that it may begin. Says no
//! with answer_invalid when the registry moved and it holds no longer, and with log_unavailable. Nothing of the answer
//! has reached the consumer before.

use std::time::Duration;

use audit::log::AppendError;
use audit::receipt::Receipt;
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::facts;
use proto::limits::CHUNK_WINDOW;
use proto::{Code, Digest};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use crate::exchange::outcome::Fault;
use crate::exchange::record::{CLOSING_TRIES, Recorded};
use crate::exchange::response::Attested;
use crate::exchange::{Exchange, Refused};
use crate::links::link::Frame;

/// An answer in chunks that stands in the log.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) recorded: Recorded,
    pub(super) answer: Envelope,
    /// SHA-256 of its header: what the trailer names.
    pub(super) header_sha256: Digest,
    /// Bytes that it announces; 0: it does not say.
    pub(super) announced: u64,
    pub(super) receipt: Receipt,
    pub(super) frames: mpsc::Receiver<Frame>,
}

impl Exchange {
    /// Makes the opening durable, then lets the provider begin.
    ///
    /// # Errors
    /// What the caller is told where the log takes nothing any more; inside, what closes the exchange instead.
    pub(super) async fn open(
        &self,
        mut attested: Attested,
    ) -> Result<Result<Opened, Fault>, Box<Refused>> {
        for attempt in 1..=CLOSING_TRIES {
            let judged = attested.registry_size();
            let arriving = attested.take_arriving();
            match self
                .append(self.opening_draft(&attested), Some(judged), arriving)
                .await
            {
                Ok(entry) => return Ok(Ok(begin(attested, entry.receipt))),
                Err(AppendError::RegistryMoved { size }) => {
                    self.registry.reached(size).await;
                    attested = match self.response(attested.back()) {
                        Ok(attested) => attested,
                        Err(fault) => return Ok(Err(fault)),
                    };
                }
                Err(AppendError::Full) => {
                    sleep(Duration::from_millis(u64::from(attempt.min(10)) * 5)).await;
                }
                Err(error) => {
                    let exchange = attested.recorded().id();
                    warn!(%exchange, %error, "an opening was not recorded: its exchange is closed as abandoned at the next start");
                    break;
                }
            }
        }
        Err(Refused::unrecorded(Code::LogUnavailable))
    }

    fn opening_draft(&self, attested: &Attested) -> Draft {
        let mut facts = attested.facts();
        facts.decided_at_ms = self.clock.now_ms();
        let answer = attested.answer();
        Draft {
            kind: Kind::Opening,
            facts: facts::encode(&facts),
            header: answer.header.clone(),
            seal: Some(answer.seal.clone()),
        }
    }
}

fn begin(attested: Attested, receipt: Receipt) -> Opened {
    let announced = attested.announced();
    let (recorded, answer) = attested.into_parts();
    let seat = recorded.seat();
    // In this order: chunks come only after the credit, and the credit after the proof.
    let frames = seat.open_stream();
    seat.answer_recorded(receipt.to_wire());
    // Fits: the limit does.
    seat.credit(CHUNK_WINDOW as u32);
    Opened {
        header_sha256: Digest::of(&answer.header),
        recorded,
        answer,
        announced,
        receipt,
        frames,
    }
}
