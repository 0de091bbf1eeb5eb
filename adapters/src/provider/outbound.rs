//! What goes out on a link: answers before chunks, so that a short answer never waits behind a long one.

use std::pin::Pin;
use std::task::{Context, Poll};

use proto::wire::exchange::v1::AttachRequest;
use tokio::sync::mpsc;
use tokio_stream::Stream;

/// Chunks of all streams of a link that may wait here: each of them waits only for HTTP/2 to have room.
const CHUNKS_WAITING: usize = 4;

/// Both queues of one link, as its stream.
pub(super) struct Outbound {
    answers: mpsc::Receiver<AttachRequest>,
    chunks: mpsc::Receiver<AttachRequest>,
}

impl Outbound {
    /// The queue of chunks, and the stream of both. It ends when the senders of both are gone.
    pub(super) fn new(
        answers: mpsc::Receiver<AttachRequest>,
    ) -> (mpsc::Sender<AttachRequest>, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        (sender, Self { answers, chunks })
    }
}

impl Stream for Outbound {
    type Item = AttachRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AttachRequest>> {
        let answers = self.answers.poll_recv(cx);
        if let Poll::Ready(Some(_)) = answers {
            return answers;
        }
        match self.chunks.poll_recv(cx) {
            // The other queue may still bring something.
            Poll::Ready(None) => answers,
            next => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::wire::exchange::v1::Drain;
    use proto::wire::exchange::v1::attach_request::Message;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn answers_overtake_chunks_and_the_stream_ends_with_both() {
        let (answers, queue) = mpsc::channel(8);
        let (chunks, mut outbound) = Outbound::new(queue);
        let message = |message| AttachRequest {
            message: Some(message),
        };
        chunks
            .send(message(Message::Chunk(Default::default())))
            .await
            .unwrap();
        answers
            .send(message(Message::Drain(Drain {})))
            .await
            .unwrap();
        let first = outbound.next().await.unwrap().message;
        assert!(matches!(first, Some(Message::Drain(_))), "{first:?}");
        let second = outbound.next().await.unwrap().message;
        assert!(matches!(second, Some(Message::Chunk(_))), "{second:?}");
        drop(answers);
        chunks
            .send(message(Message::Chunk(Default::default())))
            .await
            .unwrap();
        assert!(outbound.next().await.is_some());
        drop(chunks);
        assert!(outbound.next().await.is_none());
    }
}
