//! One link: a long-lived stream to the switch, dialled out.
//!
//! Takes deliveries and gives each its own bounded task. Never reads a payload, and never does the
//! verification on the reader: a slow signature would hold up every other exchange.

use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use proto::id::ExchangeId;
use proto::limits::{DEADLINE_MS_MAX, STREAM_MS_MAX};
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Streaming;

use super::exchange::Delivered;
use super::handle::ServeError;
use super::links::Work;
use super::streams::Streams;
use super::taking::{Frame, Intake, Uploads};
use super::unrecorded::Unrecorded;

/// Refusals that may be sealed beside the exchanges under way, when the switch brings too many.
pub(super) const EXTRA_TASKS: usize = 64;
/// Events that are taken in at once, of all subscriptions.
const EVENTS_MAX: usize = 4_096;
/// How long a delivery beyond what was offered waits for its place. The switch counts an exchange as over when it is
/// closed there; that it is over here too may be a moment later.
const OVER_WAIT: Duration = Duration::from_secs(1);
/// How long a link that was handed over waits for the switch to end it: no exchange lives longer.
const HANDED_OVER_WITHIN: Duration =
    Duration::from_millis(2 * DEADLINE_MS_MAX as u64 + STREAM_MS_MAX + 10_000);

/// One attached link.
pub(super) struct Link {
    work: Arc<Work>,
    id: u64,
    out: mpsc::Sender<wire::AttachRequest>,
    /// Chunks go behind everything else.
    chunks: mpsc::Sender<wire::AttachRequest>,
    streams: Arc<Streams>,
    uploads: Arc<Uploads>,
    /// Nobody reads this link any more: its streams can bring nothing further.
    gone: DropGuard,
    /// A newer link takes the work.
    handed_over: CancellationToken,
    /// One permit per exchange that this link offered to take at once.
    offered: Arc<Semaphore>,
    /// One permit per task, refusals included.
    tasks: Arc<Semaphore>,
    unrecorded: Arc<Unrecorded>,
    /// One permit per event that is taken in.
    events: Arc<Semaphore>,
}

/// Why a link ended.
pub(super) enum Ended {
    /// By us, in good order.
    Stopped,
    /// By the switch or the network: open another one.
    Lost,
    /// For good.
    Failed(ServeError),
}

/// A drain under way.
#[derive(Default)]
struct Drain {
    /// When it is waited for no more.
    until: Option<Instant>,
    /// Whether the switch has still to be told.
    unsaid: bool,
    /// Whether the provider's stop is known here.
    stopping: bool,
    /// Whether the handing over is known here.
    handed_over: bool,
}

impl Drain {
    fn within(&mut self, bound: Duration) {
        let until = Instant::now() + bound;
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }
}

impl Link {
    pub(super) fn new(
        work: Arc<Work>,
        id: u64,
        (out, chunks): (
            mpsc::Sender<wire::AttachRequest>,
            mpsc::Sender<wire::AttachRequest>,
        ),
        handed_over: CancellationToken,
    ) -> Self {
        let max = work.options.max_in_flight as usize;
        Self {
            work,
            id,
            out,
            chunks,
            streams: Arc::default(),
            uploads: Arc::default(),
            gone: CancellationToken::new().drop_guard(),
            handed_over,
            offered: Arc::new(Semaphore::new(max)),
            tasks: Arc::new(Semaphore::new(max + EXTRA_TASKS)),
            unrecorded: Arc::default(),
            events: Arc::new(Semaphore::new(EVENTS_MAX)),
        }
    }

    /// Reads until the link ends. A drain, whoever began it, is over when the switch ends the stream:
    /// only the switch knows whether it still has something that was meant for this link.
    pub(super) async fn read(self, mut stream: Streaming<wire::AttachResponse>) -> Ended {
        let (work, standing) = (&self.work, self.work.desk.adapter.standing());
        let mut drain = Drain::default();
        loop {
            let until = drain.until.unwrap_or_else(Instant::now);
            tokio::select! {
                received = stream.message() => match received {
                    Ok(Some(wire::AttachResponse { message: Some(In::Drain(_)) })) => {
                        tracing::info!(link = self.id, "the switch drains this link");
                        self.detached();
                        drain.within(work.options.drain_within);
                    }
                    Ok(Some(received)) => self.take(received),
                    Ok(None) => return self.ended(),
                    Err(status) => {
                        tracing::warn!(link = self.id, code = ?status.code(), reason = status.message(), "the link to the switch broke");
                        return self.ended();
                    }
                },
                () = work.stop.cancelled(), if !drain.stopping => {
                    self.detached();
                    drain.stopping = true;
                    drain.unsaid |= !drain.handed_over;
                    drain.within(work.options.drain_within);
                }
                () = self.handed_over.cancelled(), if !drain.handed_over => {
                    tracing::info!(link = self.id, "another link takes the work; this one finishes what is under way");
                    drain.handed_over = true;
                    drain.unsaid |= !drain.stopping;
                    drain.within(HANDED_OVER_WITHIN);
                }
                Ok(place) = self.out.reserve(), if drain.unsaid => {
                    place.send(message(Out::Drain(wire::Drain {})));
                    drain.unsaid = false;
                }
                () = tokio::time::sleep_until(until), if drain.until.is_some() => {
                    tracing::warn!(link = self.id, "the switch did not end a drained link in time");
                    return self.ended();
                }
                reason = standing.lost() => return Ended::Failed(reason.into()),
            }
        }
    }

    /// The switch delivers here no more; whether it can deliver at all is the newest link's to say.
    fn detached(&self) {
        if !self.handed_over.is_cancelled() {
            self.work.attached.send_replace(false);
        }
    }

    fn ended(&self) -> Ended {
        if self.work.stop.is_cancelled() {
            Ended::Stopped
        } else {
            Ended::Lost
        }
    }

    fn take(&self, received: wire::AttachResponse) {
        match received.message {
            // After our own Drain a delivery may still be on its way: it is answered.
            Some(In::Deliver(deliver)) => self.deliver(deliver),
            Some(In::AnswerRecorded(recorded)) => {
                let desk = &self.work.desk;
                desk.recorded(recorded, &self.unrecorded, &self.streams);
            }
            Some(In::ChunkCredit(credit)) => self.streams.credit(&credit),
            Some(In::DeliverChunk(chunk)) => {
                self.uploads
                    .take(&chunk.exchange_id, Frame::Chunk(chunk.data));
            }
            Some(In::DeliverTrailer(trailer)) => {
                let exchange = trailer.exchange_id.clone();
                self.uploads
                    .take(&exchange, Frame::Trailer(Box::new(trailer)));
            }
            Some(In::DeliverEvent(event)) => self.told(event),
            Some(In::Cancel(cancel)) => {
                let running = &self.work.running;
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                let id = ExchangeId::from_slice(&cancel.exchange_id);
                if let Some(token) = id.and_then(|id| running.get(&id)) {
                    token.cancel();
                }
            }
            Some(In::Attached(_) | In::Drain(_)) | None => {
                tracing::debug!(link = self.id, "a message without meaning here");
            }
        }
    }

    /// Gives an event its own task; the switch brings no more than a window of each subscription at once.
    fn told(&self, event: wire::DeliverEvent) {
        let Ok(place) = Arc::clone(&self.events).try_acquire_owned() else {
            tracing::error!("the switch brings far more events than it may at once; dropped");
            return;
        };
        let (desk, out) = (Arc::clone(&self.work.desk), self.out.clone());
        tokio::spawn(async move {
            desk.told(event, &out).await;
            drop(place);
        });
    }

    /// Gives a delivery its own task. It ends with its answer, by Cancel, or at its deadline; not
    /// with the link: a retry may still find the answer that was kept.
    fn deliver(&self, deliver: wire::Deliver) {
        let Ok(task) = Arc::clone(&self.tasks).try_acquire_owned() else {
            tracing::error!("the switch delivers far more than it was asked to; dropped");
            return;
        };
        let Some(delivered) = Delivered::open(deliver) else {
            tracing::error!("the switch delivered something that is not a request; dropped");
            return;
        };
        let id = delivered.exchange_id();
        let work = Arc::clone(&self.work);
        let cancelled = CancellationToken::new();
        match work
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(id)
        {
            Entry::Vacant(free) => free.insert(cancelled.clone()),
            Entry::Occupied(_) => {
                tracing::error!(exchange = %id, "the switch delivered an exchange twice; the second is dropped");
                return;
            }
        };
        let (out, chunks) = (self.out.clone(), self.chunks.clone());
        let (unrecorded, streams) = (Arc::clone(&self.unrecorded), Arc::clone(&self.streams));
        let (offered, gone) = (Arc::clone(&self.offered), self.gone.token().clone());
        let uploads = Arc::clone(&self.uploads);
        tokio::spawn(async move {
            let exchange = async {
                let offered = tokio::time::timeout(OVER_WAIT, offered.acquire_owned()).await;
                let Ok(Ok(offered)) = offered else {
                    let refuse = work.desk.refuse(&delivered, Code::Overloaded, &unrecorded);
                    return refuse.await.map(|answer| (answer, None, None));
                };
                // Waits only while two links bring what each of them offered; never closed.
                let permit = Arc::clone(&work.permits).acquire_owned().await.ok()?;
                let intake = Intake::of(&uploads, &out, &gone);
                let given = work.desk.exchange(&delivered, &unrecorded, intake).await;
                given.map(|(answer, opening)| (answer, opening, Some((offered, permit))))
            };
            let given = tokio::select! {
                given = exchange => given,
                () = cancelled.cancelled() => None,
                () = tokio::time::sleep(delivered.lasts()) => None,
            };
            match given {
                Some((answer, Some(opening), permits)) => {
                    let credit = streams.begin(id);
                    let _ = out.send(message(Out::Answer(answer))).await;
                    let to = (&chunks, &*unrecorded);
                    let sending = Box::pin(work.desk.send_long(&delivered, opening, &credit, to));
                    tokio::select! {
                        () = sending => {}
                        () = cancelled.cancelled() => {}
                        () = gone.cancelled() => {}
                    }
                    streams.end(id);
                    drop(permits);
                    work.end(id);
                }
                Some((answer, None, permits)) => {
                    drop(permits);
                    work.end(id);
                    // The link may be gone; the answer is kept for a retry.
                    let _ = out.send(message(Out::Answer(answer))).await;
                }
                None => work.end(id),
            }
            drop(task);
        });
    }
}

pub(super) fn message(message: Out) -> wire::AttachRequest {
    wire::AttachRequest {
        message: Some(message),
    }
}
