//! The other ends of a crowd of links, in one process: dialled, attached and dialled again as an adapter does.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adapters::connection::Connection;
use adapters::{Adapter, Home};
use anyhow::{Context as _, bail};
use audit::clock::Clock;
use cli::bench::load::{orders, say};
use proto::wire::audit::v1::{CheckpointRequest, RegistryRequest};
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use proto::wire::exchange::v1::{Attach, AttachRequest};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval_at, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;

use crate::crowd::home_of;

/// How often an adapter that is idle looks at the published checkpoint.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Adapters that attach at once the first time. After a restart of the switch all of them do.
const TOGETHER: usize = 64;
/// The first and the longest wait before another try, milliseconds, as an adapter has them.
const WAIT_MS: (u64, u64) = (100, 3_000);

struct Shared {
    attached: AtomicU32,
    /// Registry entries that were there at the start: a stream goes on from here.
    registry_size: u64,
    first: Semaphore,
}

/// Attached as long as it lives.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.attached.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves the harness's orders (`attach N`, `count`) until dismissed.
pub(crate) async fn run(homes: PathBuf, most: usize) -> anyhow::Result<()> {
    // One adapter to learn how long the registry is; it goes at once.
    let adapter = Adapter::connect(Home::open(home_of(&homes, 0))?).await?;
    let shared = Arc::new(Shared {
        attached: AtomicU32::new(0),
        registry_size: adapter.mirror().size(),
        first: Semaphore::new(TOGETHER),
    });
    drop(adapter);
    say("ready")?;
    let mut held: Vec<AbortOnDropHandle<()>> = Vec::with_capacity(most);
    let mut orders = orders();
    while let Some(line) = orders.recv().await {
        match line.split_once(' ') {
            None if line == "count" => say(&shared.attached.load(Ordering::Acquire).to_string())?,
            Some(("attach", count)) => {
                let count: usize = count.parse()?;
                held.truncate(count);
                for number in held.len()..count {
                    held.push(start(&homes, number, &shared)?);
                }
            }
            _ => bail!("'{line}' is no order"),
        }
    }
    Ok(())
}

fn start(
    homes: &Path,
    number: usize,
    shared: &Arc<Shared>,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let home = Home::open(home_of(homes, number))?;
    let connection = Connection::to_exchange(&home, &Clock::System)?;
    let shared = Arc::clone(shared);
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        let mut failures = 0_u32;
        let mut permit = shared.first.acquire().await.ok();
        loop {
            let began = Instant::now();
            if let Err(error) = hold(&connection, &shared, || permit = None).await {
                tracing::debug!(%error, "a link ended");
            }
            if began.elapsed() > Duration::from_secs(5) {
                failures = 0;
            }
            let whole = (WAIT_MS.0 << failures.min(10)).min(WAIT_MS.1);
            failures += 1;
            // Cut by up to half at random.
            let random = random();
            sleep(Duration::from_millis(whole - random % (whole / 2 + 1))).await;
        }
    })))
}

/// Randomness for spreading load only.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// One link for as long as it stands.
async fn hold(
    connection: &Connection,
    shared: &Arc<Shared>,
    attached: impl FnOnce(),
) -> anyhow::Result<()> {
    let (out, outgoing) = mpsc::channel(1);
    let message = Some(Out::Attach(Attach {
        max_in_flight: 256,
        takes_uploads: false,
        takes_events: false,
    }));
    out.send(AttachRequest { message }).await?;
    let mut link = connection
        .link()
        .attach(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    let first = link.message().await?.and_then(|first| first.message);
    if !matches!(first, Some(In::Attached(_))) {
        bail!("the switch did not attach it");
    }
    let from = RegistryRequest {
        from: shared.registry_size,
    };
    let mut registry = connection.log().registry(from).await?.into_inner();
    shared.attached.fetch_add(1, Ordering::AcqRel);
    let _place = Place(Arc::clone(shared));
    attached();
    // Not all at the same instant.
    let random = random() % 10_000;
    let mut look = interval_at(Instant::now() + Duration::from_millis(random), LOOK_EVERY);
    loop {
        tokio::select! {
            message = link.message() => {
                message?.context("the switch ended the link")?;
            }
            entry = registry.message() => {
                entry?.context("the switch ended the registry's stream")?;
            }
            _ = look.tick() => {
                connection.log().checkpoint(CheckpointRequest {}).await?;
            }
        }
    }
}
