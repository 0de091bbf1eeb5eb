//! The two agencies of our side: a provider that gives every payload back, and a consumer that compares it.
//!
//! Takes homes that are enrolled; serves the harness's orders until dismissed. Every answer is proved before it counts.

use std::path::PathBuf;
use std::time::Duration;

use adapters::{Adapter, Consumer, ExchangeError, Failure, Home, Options, Provider, Request};
use anyhow::ensure;

use super::load::{self, Asker, Payloads, Reply, dismissed, say};
use super::ours::{ASKED, CONTENT_TYPE, DEADLINE, OPERATION, PURPOSE};

/// More than any run has in flight: the provider must not be what limits it.
const PROVIDER_IN_FLIGHT: u32 = 4_096;
/// How long the switch may take to take the provider's link.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

/// Gives every payload back.
struct Echo;

impl Provider for Echo {
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
    let mut askers = Vec::with_capacity(homes.len());
    for home in homes {
        let consumer = Adapter::connect(Home::open(home)?).await?.consumer();
        askers.push(Agency {
            consumer,
            payloads: payloads.clone(),
        });
    }
    load::serve(&askers).await
}

#[derive(Clone)]
struct Agency {
    consumer: Consumer,
    payloads: Payloads,
}

impl Asker for Agency {
    async fn ask(&self) -> anyhow::Result<Reply> {
        let payload = self.payloads.take();
        let ask = self
            .consumer
            .ask(ASKED)
            .operation(OPERATION)
            .purpose(PURPOSE);
        let asked = ask
            .payload(CONTENT_TYPE, payload.clone())
            .deadline(DEADLINE)
            .send()
            .await;
        match asked {
            Ok(answer) => {
                ensure!(answer.payload == payload, "something else came back");
                Ok(Reply::Answered)
            }
            Err(ExchangeError::Refused(refused)) => Ok(Reply::Refused(refused.code.name())),
            Err(error) => Err(error.into()),
        }
    }
}
