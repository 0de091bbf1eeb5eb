//! Many calls on one stream to the switch, for consumers with volume.
//!
//! Takes sealed requests; gives each what a single call would have brought: a response or a status. The stream is opened by the
//! first call, opened again when it broke or the connection moved over, and given up for single calls where the switch is
//! older and has none. Whoever stops waiting hangs up. A stream that ends leaves those who wait without an outcome, as a
//! broken connection does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use proto::wire::exchange::v1 as wire;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status, Streaming};
use wire::calls_request::Message;
use wire::calls_response::Outcome;

use crate::connection::Connection;

/// Calls that may wait for the stream's window.
const QUEUE: usize = 256;
/// The trailer in which a single call's refusal carries its receipt.
const RECEIPT_TRAILER: &str = "mohawel-receipt-bin";

type Brought = Result<wire::CallResponse, Status>;

/// The stream of one adapter.
#[derive(Debug)]
pub(crate) struct Calls {
    connection: Connection,
    /// Held while a stream is opened: one is enough.
    stream: tokio::sync::Mutex<Option<Stream>>,
    /// The switch has no such stream.
    single: AtomicBool,
}

/// An open stream. Clones share it; the switch is told of its end with the last of them.
#[derive(Clone, Debug)]
struct Stream {
    out: mpsc::Sender<wire::CallsRequest>,
    waiting: Arc<Waiting>,
    /// Over which connection it goes.
    moves: u64,
}

/// Who waits on a stream.
#[derive(Debug, Default)]
struct Waiting {
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<u64, oneshot::Sender<Brought>>,
    /// Why nothing comes any more.
    ended: Option<Status>,
}

impl Calls {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            stream: tokio::sync::Mutex::default(),
            single: AtomicBool::new(false),
        }
    }

    /// Sends one envelope and waits for what it brings; `patience` is told to the switch and kept by the caller. `None` where
    /// the switch takes single calls only.
    pub(crate) async fn call(
        &self,
        envelope: wire::Envelope,
        patience: Duration,
    ) -> Result<Option<wire::CallResponse>, Status> {
        if self.single.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(stream) = self.open().await? else {
            return Ok(None);
        };
        stream.call(envelope, patience).await.map(Some)
    }

    /// The stream that is open, or a new one.
    async fn open(&self) -> Result<Option<Stream>, Status> {
        let moves = self.connection.moved();
        let mut current = self.stream.lock().await;
        if let Some(stream) = &*current
            && stream.moves == moves
            && !stream.waiting.has_ended()
        {
            return Ok(Some(stream.clone()));
        }
        let (out, queue) = mpsc::channel(QUEUE);
        let mut client = self.connection.exchange();
        let answers = match client.calls(ReceiverStream::new(queue)).await {
            Ok(answers) => answers.into_inner(),
            Err(status) if status.code() == Code::Unimplemented => {
                tracing::info!("the switch has no stream of calls: each is made by itself");
                self.single.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(status) => return Err(status),
        };
        let stream = Stream {
            out,
            waiting: Arc::default(),
            moves,
        };
        // Ends with the stream, which the switch ends once the last of its senders is gone.
        tokio::spawn(read(answers, Arc::clone(&stream.waiting)));
        *current = Some(stream.clone());
        Ok(Some(stream))
    }
}

impl Stream {
    async fn call(&self, envelope: wire::Envelope, patience: Duration) -> Brought {
        let number = self.waiting.next.fetch_add(1, Ordering::Relaxed);
        let (told, brought) = oneshot::channel();
        {
            let mut state = self.waiting.lock();
            if let Some(status) = &state.ended {
                return Err(status.clone());
            }
            state.calls.insert(number, told);
        }
        let _hang_up = HangUp {
            stream: self,
            number,
        };
        let call = wire::StreamedCall {
            envelope: Some(envelope),
            patience_ms: u32::try_from(patience.as_millis()).unwrap_or(u32::MAX),
            traceparent: String::new(),
        };
        let request = wire::CallsRequest {
            number,
            message: Some(Message::Call(call)),
        };
        let gone = || Status::unavailable("the stream of calls to the switch ended");
        self.out.send(request).await.map_err(|_| gone())?;
        brought.await.map_err(|_| gone())?
    }
}

/// A call that waits. Dropped before its outcome came, it tells the switch that nobody waits any more.
struct HangUp<'a> {
    stream: &'a Stream,
    number: u64,
}

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        if self
            .stream
            .waiting
            .lock()
            .calls
            .remove(&self.number)
            .is_some()
        {
            // Where the queue is full the switch learns it by the deadline.
            let _ = self.stream.out.try_send(wire::CallsRequest {
                number: self.number,
                message: Some(Message::HangUp(wire::HangUp {})),
            });
        }
    }
}

impl Waiting {
    fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out what comes, until the stream ends.
async fn read(mut answers: Streaming<wire::CallsResponse>, waiting: Arc<Waiting>) {
    let status = loop {
        let (number, brought) = match answers.message().await {
            Ok(Some(response)) => (response.number, brought(response.outcome)),
            Ok(None) => break Status::unavailable("the switch ended the stream of calls"),
            Err(status) => break status,
        };
        let told = waiting.lock().calls.remove(&number);
        if let Some(told) = told {
            // Whoever waited may be gone in the same moment.
            let _ = told.send(brought);
        }
    };
    let left = {
        let mut state = waiting.lock();
        state.ended = Some(status.clone());
        std::mem::take(&mut state.calls)
    };
    for told in left.into_values() {
        let _ = told.send(Err(status.clone()));
    }
}

/// The outcome as a single call would have had it.
fn brought(outcome: Option<Outcome>) -> Brought {
    match outcome {
        Some(Outcome::Answered(response)) => Ok(response),
        Some(Outcome::Refused(refused)) => {
            let mut trailers = MetadataMap::new();
            if let Some(receipt) = refused.receipt {
                let bytes = receipt.encode_to_vec();
                trailers.insert_bin(RECEIPT_TRAILER, MetadataValue::from_bytes(&bytes));
            }
            Err(Status::with_details_and_metadata(
                Code::from_i32(refused.code),
                refused.message,
                refused.details,
                trailers,
            ))
        }
        None => Err(Status::internal("the switch gave a call no outcome")),
    }
}
