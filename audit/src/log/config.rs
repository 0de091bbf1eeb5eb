//! How a log is run: its place, its name, its sizes and times.

use std::path::Path;
use std::time::Duration;

use crate::clock::Clock;
use crate::journal::{Layout, Recovery};

/// How a log is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The journal's place and sizes; its directory is the log's directory.
    pub layout: Layout,
    /// The log's name: a schema-less URL, the same as its key's name. Must be the one it was created with.
    pub origin: String,
    /// The number of this broker, in every stamp.
    pub broker: u16,
    /// Where stamps take their time from.
    pub clock: Clock,
    /// Drafts that may wait for the writer; one more is refused.
    pub queue_entries: usize,
    /// The longest time, in microseconds, that a draft waits for others to share its sync; 0 to 300.
    pub gather_us: u32,
    /// How often the journal's store is fed.
    pub keep_interval: Duration,
    /// How often the durable head is published.
    pub publish_interval: Duration,
    /// How long a published checkpoint is held at most for whoever follows [`super::Log::submitted`] to cosign it; zero:
    /// never. Nobody who follows: not at all.
    pub cosign_wait: Duration,
    /// What may be given up to start.
    pub recovery: Recovery,
    /// How often old store databases and indexes are looked after.
    pub sweep_interval: Duration,
    /// Whether the indexes under `index/` are kept up to date.
    pub index: bool,
}

impl Config {
    /// The log `origin` in `dir`, with the sizes and times that were measured to serve.
    pub fn new(dir: &Path, origin: &str) -> Self {
        Self {
            layout: Layout::new(dir, origin),
            origin: origin.to_owned(),
            broker: 0,
            clock: Clock::System,
            queue_entries: 4096,
            gather_us: 300,
            keep_interval: Duration::from_millis(200),
            publish_interval: Duration::from_secs(1),
            cosign_wait: Duration::ZERO,
            recovery: Recovery::Strict,
            sweep_interval: Duration::from_secs(10),
            index: false,
        }
    }
}
