//! A seat: one exchange's place on one link, from routing to its closing entry.
//!
//! Takes a [`Recorded`] request and nothing else, so no path delivers what is not in the log. Gives the answer as
//! it came, unverified. Leaving the seat ends what is pending; an answer after that is late.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::envelope::Envelope as Trailer;
use proto::id::ExchangeId;
use proto::wire::audit::v1::Receipt;
use proto::wire::exchange::v1::attach_response::Message;
use proto::wire::exchange::v1::{CancelReason, Chunk, DeliverTrailer, Envelope};
use tokio::sync::{mpsc, oneshot};

use super::link::{Frame, Link};
use super::parcel::Parcel;
use crate::door::Peer;
use crate::exchange::record::Recorded;

/// One exchange's place on a link.
#[derive(Debug)]
pub(crate) struct Seat {
    link: Arc<Link>,
    exchange: ExchangeId,
    consumer: u64,
    answer: oneshot::Receiver<Option<Envelope>>,
}

/// The link is gone, and what was pending on it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkLost;

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// No adapter of the provider takes new work.
    Offline,
    /// Every adapter has as much as may wait for it.
    Full,
    /// No adapter takes requests in chunks.
    NoUploads,
}

impl Seat {
    pub(super) fn new(
        link: Arc<Link>,
        exchange: ExchangeId,
        consumer: u64,
        answer: oneshot::Receiver<Option<Envelope>>,
    ) -> Self {
        Self {
            link,
            exchange,
            consumer,
            answer,
        }
    }

    /// Sends the recorded request on its way: at once if the adapter has credit, else in its consumer's turn.
    pub(crate) fn deliver(&self, recorded: &Recorded) {
        self.link.enqueue(
            self.consumer,
            recorded.request().index,
            Parcel {
                exchange: self.exchange,
                envelope: recorded.envelope().to_wire(),
                receipt: recorded.request().receipt.to_wire(),
                deadline: recorded.deadline(),
                traceparent: recorded.traceparent().to_owned(),
                takes_chunks: recorded.takes_chunks(),
            },
        );
    }

    /// The answer as it came; an absent envelope is the adapter's fault, judged like any other answer.
    pub(crate) async fn answer(&mut self) -> Result<Option<Envelope>, LinkLost> {
        (&mut self.answer).await.map_err(|_| LinkLost)
    }

    /// Waits no more, and tells the adapter. What was not sent yet is not sent; what comes now is late.
    pub(crate) fn cancel(&mut self, reason: CancelReason) {
        self.answer.close();
        // An answer may have been handed over after somebody decided not to wait for it.
        let crossed = self.answer.try_recv().ok();
        self.link.cancel(self.exchange, reason, crossed);
    }

    /// Tells the adapter that its answer is in the log.
    pub(crate) fn answer_recorded(&self, receipt: Receipt) {
        self.link.answer_recorded(self.exchange, receipt);
    }

    /// From now on what comes of chunks is taken here: those of an answer that is opened, once there is credit for them; or
    /// the credit for those of a request.
    pub(crate) fn open_stream(&self) -> mpsc::Receiver<Frame> {
        self.link.open_stream(self.exchange)
    }

    /// Takes this many chunks more.
    pub(crate) fn credit(&self, more: u32) {
        self.link.chunk_credit(self.exchange, more);
    }

    /// Sends a chunk of the request, for which there is credit.
    pub(crate) fn chunk(&self, data: Bytes) {
        let exchange_id = Bytes::copy_from_slice(self.exchange.as_bytes());
        let chunk = Chunk { exchange_id, data };
        self.link
            .send_chunk(self.exchange, Message::DeliverChunk(chunk));
    }

    /// Sends the recorded end of the request's chunks, behind the last of them.
    pub(crate) fn trailer(&self, trailer: &Trailer, receipt: Receipt, within: Duration) {
        let remaining_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        let trailer = DeliverTrailer {
            exchange_id: Bytes::copy_from_slice(self.exchange.as_bytes()),
            trailer: Some(trailer.to_wire()),
            receipt: Some(receipt),
            remaining_ms,
        };
        self.link
            .send_chunk(self.exchange, Message::DeliverTrailer(trailer));
    }

    /// Whether the link has ended.
    pub(crate) fn is_lost(&self) -> bool {
        self.link.gone().is_cancelled()
    }

    /// The adapter.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        self.link.peer()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.link.leave(self.exchange, self.consumer);
    }
}
