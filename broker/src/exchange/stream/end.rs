//! Room 10 of an answer in chunks, end: `Trailed →` the end of the exchange.
//!
//! Takes a trailer that holds, and the last chunk. Makes the trailer durable, and only then gives the chunk away. Of a
//! stream that broke, the closing entry. Says no with whatever closes it instead when the registry moved.

use std::time::Duration;

use audit::log::{AppendError, Appended};
use bytes::Bytes;
use proto::Code;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::Outcome;
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{StreamClosed, StreamResponse};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Parts;
use super::carry::Trailed;
use crate::exchange::outcome::Fault;
use crate::exchange::record::{CLOSING_TRIES, Receipt, closing_facts};
use crate::exchange::refusal::bytes_of;
use crate::exchange::{Exchange, Refused};

impl Exchange {
    /// Makes the trailer durable, then gives the last chunk away.
    pub(super) async fn end_stream(
        &self,
        mut trailed: Trailed,
        parts: &Parts,
    ) -> Result<Option<Receipt>, Box<Refused>> {
        for attempt in 1..=CLOSING_TRIES {
            let (draft, judged) = (self.trailer_draft(&trailed), trailed.registry_size);
            match self.append(draft, Some(judged), None).await {
                Ok(entry) => {
                    self.finish_stream(trailed, entry, parts).await;
                    return Ok(None);
                }
                Err(AppendError::RegistryMoved { size }) => {
                    self.registry.reached(size).await;
                    let again = Some(trailed.trailer.to_wire());
                    match self.trailer(&trailed.carried, again) {
                        Ok((_, size)) => trailed.registry_size = size,
                        Err(cause) => {
                            return self.close_stream(trailed.carried.fail(cause)).await;
                        }
                    }
                }
                Err(AppendError::Full) => {
                    sleep(Duration::from_millis(u64::from(attempt.min(10)) * 5)).await;
                }
                Err(error) => {
                    let exchange = trailed.carried.recorded.id();
                    warn!(%exchange, %error, "a trailer was not recorded: its exchange is closed as abandoned at the next start");
                    break;
                }
            }
        }
        Err(Refused::unrecorded(Code::LogUnavailable))
    }

    /// The closing entry of a stream that broke. Its id is remembered from now.
    pub(super) async fn close_stream(&self, fault: Fault) -> Result<Option<Receipt>, Box<Refused>> {
        let (key, outcome) = (fault.recorded().verified().key(), fault.outcome());
        let request = fault.recorded().request().index;
        let told = self.close(Err(fault)).await;
        let closing = told.as_ref().err().and_then(|told| told.receipt.as_ref());
        if let Some(closing) = closing {
            self.memory
                .close_stream(key, (request, outcome, closing.index), self.clock.now_ms());
        }
        told.map(Some)
    }

    fn trailer_draft(&self, trailed: &Trailed) -> Draft {
        let recorded = &trailed.carried.recorded;
        let facts = ExchangeFacts {
            peer_sha256: bytes_of(&recorded.seat().peer().sha256()),
            decided_at_ms: self.clock.now_ms(),
            code: Outcome::Answered.name().to_owned(),
            provider_us: trailed.carried.took_us(),
            ..closing_facts(recorded)
        };
        Draft {
            kind: Kind::Trailer,
            facts: facts::encode(&facts),
            header: trailed.trailer.header.clone(),
            seal: Some(trailed.trailer.seal.clone()),
        }
    }

    async fn finish_stream(&self, trailed: Trailed, entry: Appended, parts: &Parts) {
        let (mut carried, trailer) = (trailed.carried, trailed.trailer);
        let recorded = &carried.recorded;
        let ended = (recorded.request().index, Outcome::Answered, entry.index);
        let key = recorded.verified().key();
        self.memory.close_stream(key, ended, self.clock.now_ms());
        recorded.seat().answer_recorded(entry.receipt.to_wire());
        let held = carried.passing.last();
        // The provider is done: its seat is free while the caller takes the rest.
        drop(carried.recorded);
        let closed = StreamClosed {
            trailer: Some(trailer.to_wire()),
            receipt: Some(entry.receipt.to_wire()),
        };
        let last = held
            .filter(|last: &Bytes| !last.is_empty())
            .map(Message::Chunk);
        for message in last.into_iter().chain([Message::Closed(closed)]) {
            let part = StreamResponse {
                message: Some(message),
            };
            // A caller that is gone, or does not read, finds the end in the log.
            let sent = timeout(self.settings.idle, parts.send(part)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}
