//! A consumer with the agency's real adapter that asks for long answers and reads nothing of them.

use std::path::PathBuf;
use std::time::Duration;

use adapters::consumer::Streamed;
use adapters::{Adapter, Home};
use anyhow::bail;
use audit::clock::Clock;
use cli::bench::load::payloads::wanting;
use cli::bench::load::{dismissed, say};
use cli::bench::ours::{ASKED, CONTENT_TYPE, DEADLINE, OPERATION, PURPOSE};

/// Bytes of each answer: more than any window on the way.
const LENGTH: usize = 9 << 20;
/// How long the adapter may take to know the registry.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// When all windows on the way are full, with what they hold.
const FULL_AFTER: Duration = Duration::from_secs(1);

/// Begins `streams` and holds them until dismissed.
///
/// # Errors
/// The adapter's; an answer that came in one piece.
pub(crate) async fn run(home: PathBuf, streams: u16) -> anyhow::Result<()> {
    let adapter = Adapter::start(Home::open(home)?, Clock::System)?;
    adapter.ready(READY_WITHIN).await?;
    let consumer = adapter.consumer();
    let mut held = Vec::new();
    for _ in 0..streams {
        let asked = consumer
            .ask(ASKED)
            .operation(OPERATION)
            .purpose(PURPOSE)
            .payload(CONTENT_TYPE, wanting(LENGTH))
            .deadline(DEADLINE);
        match asked.stream().await? {
            Streamed::Chunks(incoming) => held.push(incoming),
            Streamed::Whole(_) => bail!("a long answer came in one piece"),
        }
    }
    // Until then they are streams that somebody reads.
    tokio::time::sleep(FULL_AFTER).await;
    say(&format!("ready {}", held.len()))?;
    dismissed().await;
    drop(held);
    Ok(())
}
