//! Chunks of answers that were opened, from the link's reader to the tasks of their exchanges; chunks of requests, the other
//! way.
//!
//! One bounded queue for each stream, with room for all that was credited: the reader never waits, so a stream that
//! nobody reads holds up no other. What comes without credit ends its stream and nothing else. Chunks of requests wait in
//! lanes, no more of each than its adapter gave credit for.

use bytes::Bytes;
use proto::id::ExchangeId;
use proto::limits::CHUNK_WINDOW;
use proto::wire::exchange::v1::attach_response::Message;
use proto::wire::exchange::v1::{ChunkCredit, Envelope};
use tokio::sync::mpsc;

use super::{Link, Phase, bytes_of};

/// What comes of an opened answer, or for the chunks of a request.
#[derive(Debug)]
pub(crate) enum Frame {
    /// One more chunk.
    Chunk(Bytes),
    /// The end of it.
    Trailer(Envelope),
    /// The adapter cannot go on.
    Broken,
    /// The adapter takes so many chunks more of the request.
    Credit(u32),
}

impl Link {
    /// Takes the frames of `exchange` from now on. Where the link has ended there is no sender, and nothing comes.
    pub(in crate::links) fn open_stream(&self, exchange: ExchangeId) -> mpsc::Receiver<Frame> {
        // The chunks that are credited, and the trailer.
        let (sender, frames) = mpsc::channel(CHUNK_WINDOW + 1);
        let mut state = self.lock();
        if let Some(pending) = state.pending.get_mut(&exchange) {
            pending.stream = Some(sender);
        }
        frames
    }

    /// Hands a frame to its exchange. `false` for what was never opened here.
    pub(in crate::links) fn take_frame(&self, exchange: ExchangeId, frame: Frame) -> bool {
        let mut state = self.lock();
        let Some(pending) = state.pending.get_mut(&exchange) else {
            // It was cut off a moment ago, and what was under way comes too late.
            return state.closed.iter().any(|(closed, _)| *closed == exchange);
        };
        let Some(stream) = &pending.stream else {
            return pending.sent.is_some();
        };
        if stream.try_send(frame).is_err() {
            // Without credit, or nobody takes it any more: no sender, so the exchange sees an end that is none.
            pending.stream = None;
        }
        true
    }

    /// Queues a chunk of a request, or its trailer, unless nobody waits for the exchange any more.
    pub(in crate::links) fn send_chunk(&self, exchange: ExchangeId, message: Message) {
        self.change(|state| {
            if state.pending.contains_key(&exchange) {
                state.chunks.push(exchange, message);
            }
        });
    }

    /// Tells the adapter that so many chunks more are taken.
    pub(in crate::links) fn chunk_credit(&self, exchange: ExchangeId, more: u32) {
        self.change(|state| {
            if state.phase != Phase::Ended {
                let exchange_id = bytes_of(exchange);
                state
                    .control
                    .push_back(Message::ChunkCredit(ChunkCredit { exchange_id, more }));
            }
        });
        self.end_unread();
    }
}
