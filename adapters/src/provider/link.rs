//! The link: one long-lived stream to the switch, dialled out, opened again when it breaks.
//!
//! Takes deliveries and gives each its own bounded task. Never reads a payload, and never does the
//! verification on the reader: a slow signature would hold up every other exchange.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::id::ExchangeId;
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::Options;
use super::exchange::{Delivered, Desk};
use super::handle::ServeError;
use crate::connection::Backoff;

/// How long the switch may take to answer Attach.
const ATTACH_WAIT: Duration = Duration::from_secs(15);
/// How often a drain looks whether everything is finished.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// Refusals that may be sealed beside the exchanges under way, when the switch brings too many.
const EXTRA_TASKS: usize = 64;

/// Keeps one link open.
pub(super) struct Link {
    desk: Arc<Desk>,
    options: Options,
    stop: CancellationToken,
    attached: watch::Sender<bool>,
    /// One permit per exchange under way.
    work: Arc<Semaphore>,
    /// One permit per task, refusals included.
    tasks: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<ExchangeId, CancellationToken>>>,
}

/// Why a link ended.
enum Ended {
    /// By us, in good order.
    Stopped,
    /// By the switch or the network: open another one.
    Lost,
    /// For good.
    Failed(ServeError),
}

impl Link {
    pub(super) fn new(
        desk: Arc<Desk>,
        options: Options,
        stop: CancellationToken,
        attached: watch::Sender<bool>,
    ) -> Self {
        let max = options.max_in_flight.max(1) as usize;
        Self {
            desk,
            options,
            stop,
            attached,
            work: Arc::new(Semaphore::new(max)),
            tasks: Arc::new(Semaphore::new(max + EXTRA_TASKS)),
            running: Arc::default(),
        }
    }

    /// Attaches again and again until stopped or until the switch is no longer believed.
    pub(super) async fn run(self) -> Result<(), ServeError> {
        let mut backoff = Backoff::default();
        let standing = self.desk.adapter.standing().clone();
        loop {
            standing.hold()?;
            let began = Instant::now();
            let ended = self.attach().await;
            self.attached.send_replace(false);
            self.desk.forget_unrecorded();
            match ended {
                Ended::Stopped => return Ok(()),
                Ended::Failed(error) => return Err(error),
                Ended::Lost if began.elapsed() > ATTACH_WAIT => backoff.reset(),
                Ended::Lost => {}
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = self.stop.cancelled() => return Ok(()),
                reason = standing.lost() => return Err(reason.into()),
            }
        }
    }

    /// One link from Attach to its end.
    async fn attach(&self) -> Ended {
        let max = self.options.max_in_flight.max(1);
        let (out, requests) = mpsc::channel(max as usize + EXTRA_TASKS + 4);
        let attach = Out::Attach(wire::Attach { max_in_flight: max });
        // The channel is new and has room.
        let _ = out.try_send(message(attach));
        let mut client = self.desk.adapter.connection().link();
        let opening = async {
            let mut stream = client
                .attach(ReceiverStream::new(requests))
                .await?
                .into_inner();
            let first = stream.message().await?.and_then(|first| first.message);
            match first {
                Some(In::Attached(attached)) => Ok((stream, attached.link_id)),
                _ => Err(Status::internal(
                    "the switch did not answer Attach with Attached",
                )),
            }
        };
        let opened = tokio::select! {
            opened = tokio::time::timeout(ATTACH_WAIT, opening) => opened,
            () = self.stop.cancelled() => return Ended::Stopped,
        };
        match opened {
            Ok(Ok((stream, link))) => {
                tracing::info!(link, max_in_flight = max, "attached to the switch");
                self.attached.send_replace(true);
                self.read(stream, &out).await
            }
            Ok(Err(status)) => {
                tracing::warn!(code = ?status.code(), reason = status.message(), "the switch did not take the link");
                Ended::Lost
            }
            Err(_) => {
                tracing::warn!("the switch did not answer Attach in time");
                Ended::Lost
            }
        }
    }

    /// Reads until the link ends. After a drain from either side only what is under way is finished.
    async fn read(
        &self,
        mut stream: Streaming<wire::AttachResponse>,
        out: &mpsc::Sender<wire::AttachRequest>,
    ) -> Ended {
        let mut draining: Option<Instant> = None;
        let standing = self.desk.adapter.standing();
        loop {
            if draining.is_some_and(|until| Instant::now() >= until || self.is_idle()) {
                return self.ended();
            }
            tokio::select! {
                received = stream.message() => match received {
                    Ok(Some(wire::AttachResponse { message: Some(In::Drain(_)) })) => {
                        tracing::info!("the switch drains this link");
                        self.attached.send_replace(false);
                        draining.get_or_insert(Instant::now() + self.options.drain_within);
                    }
                    Ok(Some(received)) => self.take(received, out, draining.is_some()),
                    Ok(None) => return self.ended(),
                    Err(status) => {
                        tracing::warn!(code = ?status.code(), reason = status.message(), "the link to the switch broke");
                        return self.ended();
                    }
                },
                () = self.stop.cancelled(), if draining.is_none() => {
                    self.attached.send_replace(false);
                    // A full channel only delays the word: the switch hears it by the stream's end.
                    let _ = out.try_send(message(Out::Drain(wire::Drain {})));
                    draining = Some(Instant::now() + self.options.drain_within);
                }
                reason = standing.lost() => return Ended::Failed(reason.into()),
                () = tokio::time::sleep(DRAIN_LOOK), if draining.is_some() => {}
            }
        }
    }

    /// Nothing under way, and every answer has its receipt.
    fn is_idle(&self) -> bool {
        self.work.available_permits() >= self.options.max_in_flight.max(1) as usize
            && self.desk.all_recorded()
    }

    fn ended(&self) -> Ended {
        if self.stop.is_cancelled() {
            Ended::Stopped
        } else {
            Ended::Lost
        }
    }

    fn take(
        &self,
        received: wire::AttachResponse,
        out: &mpsc::Sender<wire::AttachRequest>,
        draining: bool,
    ) {
        match received.message {
            // After our own Drain a delivery may still be on its way: it is answered.
            Some(In::Deliver(deliver)) => self.deliver(deliver, out.clone()),
            Some(In::AnswerRecorded(recorded)) => self.desk.recorded(recorded),
            Some(In::Cancel(cancel)) => {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let id = ExchangeId::from_slice(&cancel.exchange_id);
                if let Some(token) = id.and_then(|id| running.get(&id)) {
                    token.cancel();
                }
            }
            Some(In::Attached(_) | In::Drain(_)) | None => {
                tracing::debug!(draining, "a message without meaning here");
            }
        }
    }

    /// Gives a delivery its own task. It ends with its answer, by Cancel, or at its deadline; not
    /// with the link: a retry may still find the answer that was kept.
    fn deliver(&self, deliver: wire::Deliver, out: mpsc::Sender<wire::AttachRequest>) {
        let Ok(task) = Arc::clone(&self.tasks).try_acquire_owned() else {
            tracing::error!("the switch delivers far more than it was asked to; dropped");
            return;
        };
        let work = Arc::clone(&self.work).try_acquire_owned().ok();
        let (desk, running) = (Arc::clone(&self.desk), Arc::clone(&self.running));
        let Some(delivered) = Delivered::open(deliver) else {
            tracing::error!("the switch delivered something that is not a request; dropped");
            return;
        };
        let id = delivered.exchange_id();
        let cancelled = CancellationToken::new();
        match running
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
        tokio::spawn(async move {
            let exchange = async {
                if work.is_some() {
                    desk.exchange(&delivered).await
                } else {
                    desk.refuse(&delivered, Code::Overloaded).await
                }
            };
            let answer = tokio::select! {
                answer = exchange => answer,
                () = cancelled.cancelled() => None,
                () = tokio::time::sleep(delivered.remaining) => None,
            };
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            if let Some(answer) = answer {
                // The link may be gone; the answer is kept for a retry.
                let _ = out.send(message(Out::Answer(answer))).await;
            }
            drop((work, task));
        });
    }
}

fn message(message: Out) -> wire::AttachRequest {
    wire::AttachRequest {
        message: Some(message),
    }
}
