//! The way of an answer in chunks: the rooms of every exchange up to the answer, and three more.
//!
//! ```text
//! … → Attested → Opened → Trailed → the end
//! ```
//!
//! | room | file | takes → gives |
//! |---|---|---|
//! | open | `open.rs` | an answer in chunks → its opening, durable before the first chunk |
//! | carry | `carry.rs` | chunks as they come → the trailer; the last chunk stays here |
//! | end | `end.rs` | the trailer → durable, then the last chunk |
//!
//! An answer in one piece takes the ordinary way to its end. Every way out of here leads to one ending in the log.
//! `docs/protocol.md` §3, "An answer in chunks".

mod carry;
mod end;
mod open;
pub(super) mod watch;

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use proto::Code;
use proto::id::SystemId;
use proto::limits::STREAMS_PER_CONSUMER_MAX;
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{CallResponse, StreamResponse};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;
use tracing::Instrument;

use super::record::Receipt;
use super::{Caller, Exchange, Received, Refused, reply};
use crate::door::trace;

/// What goes to the caller, in order.
pub(super) type Parts<M = StreamResponse> = mpsc::Sender<M>;
type Ended = oneshot::Receiver<Result<Receipt, Box<Refused>>>;

/// What a caller of a stream gets, or of an upload. It pulls: a caller that does not read holds up its own stream and nothing else.
/// Dropping it is hanging up.
pub struct Streamed<M = StreamResponse> {
    first: Option<M>,
    parts: mpsc::Receiver<M>,
    /// How it ended, where it did not end with a trailer. Dropped, it tells the exchange that nobody waits.
    ended: Option<Ended>,
}

impl Exchange {
    /// Carries one request through all rooms for a caller that takes its answer in chunks.
    ///
    /// # Errors
    /// What the caller is told before anything came.
    pub async fn stream(
        self: &Arc<Self>,
        mut received: Received,
    ) -> Result<Streamed, Box<Refused>> {
        received.take_chunks();
        self.streamed(received, 1, Down).await
    }

    /// Begins `way` in a task of its own, for a caller with a place among the streams of its system, and waits for the first
    /// part of what it gives, of which so many may wait.
    pub(super) async fn streamed<M, W>(
        self: &Arc<Self>,
        mut received: Received,
        waiting: usize,
        way: W,
    ) -> Result<Streamed<M>, Box<Refused>>
    where
        M: Part,
        W: Way<M>,
    {
        let no_room = |code| {
            self.ended.note(Some(code));
            Refused::unrecorded(code)
        };
        let waits = self.exchanges.token();
        let (agency, system) = (
            received.peer().agency.clone(),
            received.peer().system.clone(),
        );
        let (admitted, place) = match (agency, system) {
            (Some(agency), Some(system)) => {
                let place = Places::enter(&self.streams, &system).map_err(no_room)?;
                match self.admitted(&agency).await {
                    Ok(admitted) => (Some(admitted), Some(place)),
                    Err(code) => {
                        drop((received, place, waits));
                        return Err(self.turned_away(&agency, code).await);
                    }
                }
            }
            // Nobody's: the first room refuses it.
            _ => (None, None),
        };
        received.admit(admitted, self.log.arriving());
        let span = trace::span(received.traceparent());
        let (parts, mut coming) = mpsc::channel(waiting);
        let (mut caller, ended) = Caller::new(received.patience_ends());
        let this = Arc::clone(self);
        let exchange = async move {
            let _place = place;
            let ended = way.go(&this, received, &mut caller, parts).await;
            this.ended
                .note(ended.as_ref().err().map(|refused| refused.code));
            trace::ended(
                ended
                    .as_ref()
                    .map_or_else(|refused| refused.code.name(), |_| "answered"),
            );
            // After a trailer there is nothing more to say.
            if let Some(told) = ended.transpose() {
                let _ = caller.answer.send(told);
            }
        };
        self.exchanges.spawn(exchange.instrument(span));
        drop(waits);
        let Some(first) = coming.recv().await else {
            // The task only ends without a word when the process does.
            let ended = ended
                .await
                .unwrap_or_else(|_| Err(Refused::unrecorded(Code::LogUnavailable)));
            return ended.map(|receipt| Streamed::whole(receipt, coming));
        };
        Ok(Streamed {
            first: Some(first),
            parts: coming,
            ended: Some(ended),
        })
    }

    /// The way. `None` at the end of chunks; a receipt where the answer came in one piece.
    async fn stream_way(
        &self,
        received: Received,
        caller: &mut Caller,
        parts: Parts,
    ) -> Result<Option<Receipt>, Box<Refused>> {
        let recorded = self.judged_and_recorded(received, caller).await?;
        let answered = self.provider(recorded, caller).await;
        let work = self.limits.go_on();
        let ended = match answered {
            Ok(answered) => self.response(answered),
            Err(fault) => Err(fault),
        };
        let attested = match ended {
            Ok(attested) if attested.is_in_chunks() => attested,
            ended => {
                let told = self.close(ended).await;
                work.done();
                return told.map(Some);
            }
        };
        // Not one chunk before the answer that they belong to is durable.
        let opened = match self.open(attested).await? {
            Ok(opened) => opened,
            Err(fault) => return self.close(Err(fault)).await.map(Some),
        };
        work.done();
        // Its deadline was that of the opening.
        caller.patience_ends = None;
        let trailed = match self.carry(opened, caller, &parts).await {
            Ok(trailed) => trailed,
            Err(fault) => return self.close_stream(fault).await,
        };
        // Not the last one before the trailer is.
        self.end_stream(trailed, &parts).await
    }
}

/// A message of a stream of answers.
pub trait Part: Send + Unpin + 'static {
    /// The one for an answer in one piece.
    fn answered(answered: CallResponse) -> Self;
}

impl Part for StreamResponse {
    fn answered(answered: CallResponse) -> Self {
        Self {
            message: Some(Message::Answered(answered)),
        }
    }
}

/// A way through the rooms that tells its caller more than its end.
pub(super) trait Way<M>: Send + 'static {
    /// Goes it. `None`: whatever there was to say was said in parts.
    fn go(
        self,
        exchange: &Exchange,
        received: Received,
        caller: &mut Caller,
        parts: Parts<M>,
    ) -> impl Future<Output = Result<Option<Receipt>, Box<Refused>>> + Send;
}

/// The way of an answer in chunks.
struct Down;

impl Way<StreamResponse> for Down {
    async fn go(
        self,
        exchange: &Exchange,
        received: Received,
        caller: &mut Caller,
        parts: Parts,
    ) -> Result<Option<Receipt>, Box<Refused>> {
        exchange.stream_way(received, caller, parts).await
    }
}

impl<M: Part> Streamed<M> {
    fn whole(receipt: Receipt, parts: mpsc::Receiver<M>) -> Self {
        Self {
            first: Some(M::answered(reply::response(receipt))),
            parts,
            ended: None,
        }
    }
}

impl<M: Part> Stream for Streamed<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match self.parts.poll_recv(cx) {
            Poll::Ready(Some(part)) => return Poll::Ready(Some(Ok(part))),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => {}
        }
        let Some(ended) = &mut self.ended else {
            return Poll::Ready(None);
        };
        match Pin::new(ended).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(told) => {
                self.ended = None;
                Poll::Ready(match told {
                    Ok(Err(refused)) => Some(Err(reply::status(&refused))),
                    Ok(Ok(receipt)) => Some(Ok(M::answered(reply::response(receipt)))),
                    Err(_) => None,
                })
            }
        }
    }
}

impl<M> fmt::Debug for Streamed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streamed")
    }
}

/// How many streams each consumer's system has.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<SystemId, usize>>);

/// One stream's place.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    system: SystemId,
}

impl Places {
    fn enter(places: &Arc<Self>, system: &SystemId) -> Result<Place, Code> {
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(system.clone()).or_default();
        if *own >= STREAMS_PER_CONSUMER_MAX {
            return Err(Code::RateLimited);
        }
        *own += 1;
        Ok(Place {
            places: Arc::clone(places),
            system: system.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.system) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.system);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_so_many_streams_and_gives_them_back() {
        let places = Arc::new(Places::default());
        let one = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
        let other = SystemId::parse("EG/GOV/MOSS/other").unwrap();
        let mut held: Vec<Place> = (0..STREAMS_PER_CONSUMER_MAX)
            .map(|_| Places::enter(&places, &one).unwrap())
            .collect();
        assert_eq!(Places::enter(&places, &one).unwrap_err(), Code::RateLimited);
        drop(Places::enter(&places, &other).unwrap());
        held.pop();
        drop(Places::enter(&places, &one).unwrap());
        held.clear();
        assert!(places.0.lock().unwrap().is_empty());
    }
}
