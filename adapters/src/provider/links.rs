//! Keeps a provider attached: one link, opened again when it breaks, and for a while two.
//!
//! When the connection has moved to a new certificate, a second link is attached over it; from then
//! on new work comes there, and the first is drained: what is under way on it finishes on it. What
//! both share is the backend's bound: never more exchanges at once than the options say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::id::ExchangeId;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::Options;
use super::exchange::Desk;
use super::handle::ServeError;
use super::link::{EXTRA_TASKS, Ended, Link, message};
use super::outbound::Outbound;
use crate::connection::Backoff;

/// How long the switch may take to answer Attach.
const ATTACH_WAIT: Duration = Duration::from_secs(15);

/// The links of one served provider.
pub(super) struct Links(Arc<Work>);

/// What all links of a provider share.
pub(super) struct Work {
    pub(super) desk: Arc<Desk>,
    pub(super) options: Options,
    /// The provider stops.
    pub(super) stop: CancellationToken,
    /// Whether the switch can deliver.
    pub(super) attached: watch::Sender<bool>,
    /// One permit per exchange under way, over all links.
    pub(super) permits: Arc<Semaphore>,
    pub(super) running: Mutex<HashMap<ExchangeId, CancellationToken>>,
}

impl Work {
    /// An exchange is not under way any more.
    pub(super) fn end(&self, id: ExchangeId) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&id);
    }
}

/// A link that is being read.
struct Held {
    task: AbortOnDropHandle<Ended>,
    handed_over: CancellationToken,
}

impl Links {
    pub(super) fn new(
        desk: Arc<Desk>,
        options: Options,
        stop: CancellationToken,
        attached: watch::Sender<bool>,
    ) -> Self {
        let options = Options {
            max_in_flight: options.max_in_flight.max(1),
            ..options
        };
        Self(Arc::new(Work {
            desk,
            options,
            stop,
            attached,
            permits: Arc::new(Semaphore::new(options.max_in_flight as usize)),
            running: Mutex::default(),
        }))
    }

    /// Keeps a task of its own attached.
    pub(super) fn start(self) -> JoinHandle<Result<(), ServeError>> {
        tokio::spawn(self.run())
    }

    /// Attaches again and again until stopped or until the switch is no longer believed.
    async fn run(self) -> Result<(), ServeError> {
        let work = &self.0;
        let standing = work.desk.adapter.standing().clone();
        let mut moves = work.desk.adapter.connection().moves();
        let mut backoff = Backoff::default();
        // Links that finish what is under way.
        let mut older = JoinSet::new();
        loop {
            standing.hold()?;
            let began = Instant::now();
            moves.mark_unchanged();
            let ended = match self.open().await {
                Ok(held) => self.hold(held, &mut moves, &mut older).await,
                Err(ended) => ended,
            };
            work.attached.send_replace(false);
            match ended {
                Ended::Stopped => break,
                Ended::Failed(error) => return Err(error),
                Ended::Lost if began.elapsed() > ATTACH_WAIT => backoff.reset(),
                Ended::Lost => {}
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = work.stop.cancelled() => break,
                reason = standing.lost() => return Err(reason.into()),
            }
        }
        // They were told to stop, too, and each has its bound.
        while older.join_next().await.is_some() {}
        Ok(())
    }

    /// Holds a link, and with each move of the connection the next one, until the newest ends.
    async fn hold(
        &self,
        mut newest: Held,
        moves: &mut watch::Receiver<u64>,
        older: &mut JoinSet<()>,
    ) -> Ended {
        let mut backoff = Backoff::default();
        let mut attach_at: Option<Instant> = None;
        loop {
            let due = attach_at.unwrap_or_else(Instant::now);
            tokio::select! {
                ended = &mut newest.task => return ended.unwrap_or_else(|error| {
                    Ended::Failed(ServeError::Broken(error.to_string()))
                }),
                Some(_) = older.join_next() => {}
                Ok(()) = moves.changed() => attach_at = Some(Instant::now()),
                () = tokio::time::sleep_until(due), if attach_at.is_some() => match self.open().await {
                    Ok(next) => {
                        let Held { task, handed_over } = std::mem::replace(&mut newest, next);
                        handed_over.cancel();
                        older.spawn(async move { drop(task.await) });
                        attach_at = None;
                        backoff.reset();
                    }
                    // The link of before still works.
                    Err(_) => attach_at = Some(Instant::now() + backoff.next_wait()),
                },
            }
        }
    }

    /// Attaches over the connection as it is now, and begins to read.
    async fn open(&self) -> Result<Held, Ended> {
        let work = &self.0;
        let max = work.options.max_in_flight;
        let (out, requests) = mpsc::channel(max as usize + EXTRA_TASKS + 4);
        let attach = Out::Attach(wire::Attach {
            max_in_flight: max,
            takes_uploads: true,
            takes_events: work.desk.backend.follows(),
        });
        // The channel is new and has room.
        let _ = out.try_send(message(attach));
        let (chunks, outbound) = Outbound::new(requests);
        let mut client = work.desk.adapter.connection().link();
        let opening = async {
            let mut stream = client.attach(outbound).await?.into_inner();
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
            () = work.stop.cancelled() => return Err(Ended::Stopped),
        };
        match opened {
            Ok(Ok((stream, id))) => {
                tracing::info!(link = id, max_in_flight = max, "attached to the switch");
                work.attached.send_replace(true);
                let handed_over = CancellationToken::new();
                let link = Link::new(Arc::clone(work), id, (out, chunks), handed_over.clone());
                let task = AbortOnDropHandle::new(tokio::spawn(link.read(stream)));
                Ok(Held { task, handed_over })
            }
            Ok(Err(status)) => {
                tracing::warn!(code = ?status.code(), reason = status.message(), "the switch did not take the link");
                Err(Ended::Lost)
            }
            Err(_) => {
                tracing::warn!("the switch did not answer Attach in time");
                Err(Ended::Lost)
            }
        }
    }
}
