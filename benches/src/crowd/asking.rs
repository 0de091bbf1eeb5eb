//! A crowd of systems that ask one provider, each over a connection of its own: the switch's side of the profile `zipf`.

use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use cli::bench::child::Child;
use cli::bench::ours::{self, PROVIDER, PROVIDER_SYSTEM};
use cli::bench::window::Watched;

use super::{Founding, SYSTEMS_EACH};
use crate::peer::program::free_address;

/// A switch, a provider and a crowd, running.
pub(crate) struct Asking {
    /// The crowd, in one process.
    pub(crate) load: Child,
    pub(crate) switch: Child,
    provider: Child,
    log: PathBuf,
    log_key: LogKey,
}

impl Asking {
    /// Founds everything in `dir` and starts all three.
    pub(crate) async fn start(
        dir: &Path,
        logs: &Path,
        systems: usize,
        payloads: &str,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let folder = dir.join("switch");
        let text = |path: &Path| path.display().to_string();
        let [exchange, enrol] = [free_address()?, free_address()?];
        ours::init(&text(&folder), [&exchange, &enrol]).await?;
        let (homes, keys, home) = (dir.join("homes"), dir.join("keys"), dir.join("provider"));
        let founding = Founding::open(&folder).await?;
        let provider = founding.agency(PROVIDER, &keys).await?;
        let system = founding.system(&provider, PROVIDER_SYSTEM, &home).await?;
        founding.publish(&provider, &system).await?;
        for agency in founding
            .crowd((systems, SYSTEMS_EACH), &homes, &keys)
            .await?
        {
            founding.agree(&agency, &provider, &system).await?;
        }
        founding.close().await?;
        let switch = ours::switch("crowd-switch", &text(&folder), logs).await?;
        let log_key = adapters::Home::open(&home)?.log_key().clone();
        let provider = Child::part("crowd-provider", &["provider", &text(&home)], logs).await?;
        let load = [
            "thin-load",
            payloads,
            &text(&homes),
            "0",
            &systems.to_string(),
        ];
        let load = Child::role("crowd-consumers", &load, logs).await?;
        Ok(Self {
            load,
            switch,
            provider,
            log: folder.join("log"),
            log_key,
        })
    }

    /// All three, the switch first.
    pub(crate) fn watched(&self) -> anyhow::Result<[Watched; 3]> {
        Ok([
            Watched::one("switch", self.switch.id()?),
            Watched::one("provider", self.provider.id()?),
            Watched::one("consumers", self.load.id()?),
        ])
    }

    /// Ends all three, the crowd first.
    pub(crate) async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.load.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}
