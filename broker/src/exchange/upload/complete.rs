//! Room 7 of a request in chunks, complete: `Trailed → Recorded`, whole.
//!
//! Takes a trailer that holds, and the last chunk. Makes the trailer durable, and only then gives both to the provider, which
//! then answers as to any request. Says no with whatever closes the exchange instead when the registry moved.

use std::time::Duration;

use audit::log::{AppendError, Appended};
use proto::Code;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::wire::exchange::v1::UploadResponse;
use proto::wire::exchange::v1::upload_response::Message as Out;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::take::{Trailed, part};
use crate::exchange::outcome::{Cause, Fault};
use crate::exchange::record::{CLOSING_TRIES, Recorded, closing_facts};
use crate::exchange::refusal::bytes_of;
use crate::exchange::stream::Parts;
use crate::exchange::{Exchange, Refused};

impl Exchange {
    /// Makes the trailer durable, then lets the provider have the rest.
    ///
    /// # Errors
    /// What the caller is told where the log takes nothing any more; inside, what closes the exchange instead.
    pub(super) async fn complete(
        &self,
        mut trailed: Trailed,
        parts: &Parts<UploadResponse>,
    ) -> Result<Result<Recorded, Fault>, Box<Refused>> {
        for attempt in 1..=CLOSING_TRIES {
            let (draft, judged) = (self.upload_trailer_draft(&trailed), trailed.registry_size);
            match self.append(draft, Some(judged), None).await {
                Ok(entry) => return Ok(hand_on(trailed, entry, parts, self.settings.idle).await),
                Err(AppendError::RegistryMoved { size }) => {
                    self.registry.reached(size).await;
                    let again = Some(trailed.trailer.to_wire());
                    match self.upload_trailer(&trailed.taking, again) {
                        Ok((_, size)) => trailed.registry_size = size,
                        Err(cause) => return Ok(Err(trailed.taking.fail(cause))),
                    }
                }
                Err(AppendError::Full) => {
                    sleep(Duration::from_millis(u64::from(attempt.min(10)) * 5)).await;
                }
                Err(error) => {
                    let exchange = trailed.taking.recorded.id();
                    warn!(%exchange, %error, "an upload's trailer was not recorded: its exchange is closed as abandoned at the next start");
                    break;
                }
            }
        }
        Err(Refused::unrecorded(Code::LogUnavailable))
    }

    fn upload_trailer_draft(&self, trailed: &Trailed) -> Draft {
        let recorded = &trailed.taking.recorded;
        let facts = ExchangeFacts {
            peer_sha256: bytes_of(&recorded.verified().passage().peer.sha256()),
            decided_at_ms: self.clock.now_ms(),
            ..closing_facts(recorded)
        };
        Draft {
            kind: Kind::UploadTrailer,
            facts: facts::encode(&facts),
            header: trailed.trailer.header.clone(),
            seal: Some(trailed.trailer.seal.clone()),
        }
    }
}

async fn hand_on(
    trailed: Trailed,
    entry: Appended,
    parts: &Parts<UploadResponse>,
    idle: Duration,
) -> Result<Recorded, Fault> {
    let (mut taking, trailer) = (trailed.taking, trailed.trailer);
    let seat = taking.recorded.seat();
    if let Some(last) = taking.passing.last() {
        seat.chunk(last);
    }
    let within = Duration::from_millis(taking.recorded.verified().header().deadline_ms.into());
    seat.trailer(&trailer, entry.receipt.to_wire(), within);
    taking.recorded.complete();
    let told = parts.send(part(Out::Trailed(entry.receipt.to_wire())));
    match timeout(idle, told).await {
        Ok(Ok(())) => Ok(taking.recorded),
        Ok(Err(_)) => Err(taking.fail(Cause::HangUp)),
        Err(_) => Err(taking.fail(Cause::NotRead)),
    }
}
