//! The two agencies of our side: a provider that gives every payload back, or the long one that was asked for in chunks, and a
//! consumer that compares it.
//!
//! Takes homes that are enrolled; serves the harness's orders until dismissed. Every answer is proved before it counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapters::consumer::{Ask, Streamed};
use adapters::{
    Adapter, Consumer, ExchangeError, Failure, Home, LongReply, Options, Provider, Request,
};
use anyhow::{bail, ensure};
use bytes::Bytes;
use proto::limits::STREAMS_PER_CONSUMER_MAX;
use tokio::sync::Semaphore;

use super::load::payloads::{wanted, wanting};
use super::load::{self, Asker, Payload, Payloads, Reply, dismissed, say};
use super::ours::{ASKED, CONTENT_TYPE, DEADLINE, OPERATION, PURPOSE};

/// More than any run has in flight: the provider must not be what limits it.
const PROVIDER_IN_FLIGHT: u32 = 4_096;
/// How long the switch may take to take the provider's link.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

/// Gives every payload back.
struct Echo;

impl Provider for Echo {
    async fn stream(&self, request: Request) -> Result<Option<LongReply>, Failure> {
        let Some(wanted) = wanted(&request.payload) else {
            return Ok(None);
        };
        let length = wanted.len() as u64;
        let body = std::io::Cursor::new(wanted);
        LongReply::new([""; 0], CONTENT_TYPE, body).map(|reply| Some(reply.of_length(length)))
    }

    async fn answer(&self, request: Request) -> Result<adapters::Reply, Failure> {
        adapters::Reply::new([""; 0], &request.content_type, request.payload)
    }
}

/// Takes every request and never answers.
struct Hangs;

impl Provider for Hangs {
    async fn answer(&self, _: Request) -> Result<adapters::Reply, Failure> {
        std::future::pending().await
    }
}

/// The provider's process. One that hangs takes every request and never answers.
///
/// # Errors
/// The adapter's, and what no honest switch sends.
pub(super) async fn provider(home: PathBuf, hangs: bool) -> anyhow::Result<()> {
    let options = Options {
        max_in_flight: PROVIDER_IN_FLIGHT,
        drain_within: Duration::from_secs(if hangs { 0 } else { 30 }),
        ..Options::default()
    };
    let home = Home::open(home)?;
    let handle = if hangs {
        adapters::serve(home, Hangs, options).await?
    } else {
        adapters::serve(home, Echo, options).await?
    };
    handle.attached(ATTACH_LIMIT).await?;
    say("ready")?;
    dismissed().await;
    let status = handle.status();
    let drained = handle.drain().await;
    // What hangs is cut off: that is what it is for.
    if !hangs {
        drained?;
    }
    ensure!(
        status.refused == 0 && status.unproven == 0,
        "the provider saw what it must not: {status:?}"
    );
    Ok(())
}

/// The consumer's process.
///
/// # Errors
/// An adapter that does not connect, or what the load found.
pub(super) async fn consumer(homes: Vec<PathBuf>, payloads: &str) -> anyhow::Result<()> {
    let payloads: Payloads = payloads.parse()?;
    let streams = Arc::new(Semaphore::new(STREAMS_PER_CONSUMER_MAX));
    let mut askers = Vec::with_capacity(homes.len());
    for home in homes {
        let consumer = Adapter::connect(Home::open(home)?).await?.consumer();
        askers.push(Agency {
            consumer,
            payloads: payloads.clone(),
            streams: Arc::clone(&streams),
        });
    }
    load::serve(&askers).await
}

#[derive(Clone)]
struct Agency {
    consumer: Consumer,
    payloads: Payloads,
    /// A system may have so many streams at once; a further one waits here, and its time counts.
    streams: Arc<Semaphore>,
}

impl Asker for Agency {
    async fn ask(&self) -> anyhow::Result<Reply> {
        match self.payloads.take() {
            Payload::Whole(payload) => self.whole(payload).await,
            Payload::Long(wanted) => {
                let _place = self.streams.acquire().await?;
                self.long(wanted).await
            }
        }
    }
}

impl Agency {
    fn question(&self, payload: Bytes) -> Ask<'_> {
        let ask = self.consumer.ask(ASKED).operation(OPERATION);
        ask.purpose(PURPOSE)
            .payload(CONTENT_TYPE, payload)
            .deadline(DEADLINE)
    }

    async fn whole(&self, payload: Bytes) -> anyhow::Result<Reply> {
        match self.question(payload.clone()).send().await {
            Ok(answer) => {
                ensure!(answer.payload == payload, "something else came back");
                Ok(Reply::Answered)
            }
            Err(error) => refused(error),
        }
    }

    async fn long(&self, wanted: Bytes) -> anyhow::Result<Reply> {
        let mut incoming = match self.question(wanting(wanted.len())).stream().await {
            Ok(Streamed::Chunks(incoming)) => incoming,
            Ok(Streamed::Whole(_)) => bail!("a long answer came in one piece"),
            Err(error) => return refused(error),
        };
        let mut left = wanted;
        while let Some(chunk) = incoming.chunk().await? {
            ensure!(left.starts_with(&chunk), "something else came back");
            left = left.slice(chunk.len()..);
        }
        ensure!(left.is_empty(), "less came back than was asked for");
        Ok(Reply::Answered)
    }
}

fn refused(error: ExchangeError) -> anyhow::Result<Reply> {
    match error {
        ExchangeError::Refused(refused) => Ok(Reply::Refused(refused.code.name())),
        error => Err(error.into()),
    }
}
