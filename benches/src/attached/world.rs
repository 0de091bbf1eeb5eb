//! Who takes part: a switch with room for all, a provider and a consumer that exchange, and a crowd that is attached.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use audit::checkpoint::LogKey;
use cli::bench::child::Child;
use cli::bench::ours::{self, PROVIDER, PROVIDER_SYSTEM};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::crowd::{Founding, SYSTEMS_EACH};
use crate::peer::program::free_address;

/// Open files of a process beside one for each adapter.
const OTHER_FILES: u64 = 500;
/// Systems that ask.
const ASKING: usize = 4;

/// All of them, running.
pub(super) struct World {
    /// Holds the crowd's ends.
    pub(super) holder: Child,
    /// Who asks.
    pub(super) load: Child,
    /// Absent only while it is started again.
    switch: Option<Child>,
    provider: Child,
    folder: PathBuf,
    logs: PathBuf,
    log_key: LogKey,
}

/// Raises what this process, and so each that it starts, may have open.
pub(super) fn enough_files(adapters: u32) -> anyhow::Result<()> {
    let wanted = u64::from(adapters) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    ensure!(
        maximum.is_none_or(|maximum| maximum >= wanted),
        "{adapters} adapters need {wanted} open files in one process, and at most {} are allowed; raise it (ulimit -Hn), or \
         ask for fewer adapters",
        maximum.unwrap_or_default()
    );
    if current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    }
    Ok(())
}

impl World {
    /// Founds everything in `dir` and starts it; nobody of the crowd is attached yet.
    pub(super) async fn start(dir: &Path, logs: &Path, most: u32) -> anyhow::Result<Self> {
        let text = |path: &Path| path.display().to_string();
        let folder = dir.join("switch");
        let [exchange, enrol] = [free_address()?, free_address()?];
        ours::init(&text(&folder), [&exchange, &enrol]).await?;
        let connections = u64::from(most) + OTHER_FILES;
        allow_connections(&folder, connections.max(4_096))?;
        let (keys, home) = (dir.join("keys"), dir.join("provider"));
        let (crowd, asking) = (dir.join("crowd"), dir.join("asking"));
        let founding = Founding::open(&folder).await?;
        let provider = founding.agency(PROVIDER, &keys).await?;
        let system = founding.system(&provider, PROVIDER_SYSTEM, &home).await?;
        founding.publish(&provider, &system).await?;
        let consumer = founding.agency("EG/GOV/MOSS", &keys).await?;
        founding.agree(&consumer, &provider, &system).await?;
        for number in 0..ASKING {
            let home = crate::crowd::home_of(&asking, number);
            let name = format!("s{number}");
            founding.system(&consumer, &name, &home).await?;
        }
        let systems = (most as usize, SYSTEMS_EACH);
        founding.crowd(systems, &crowd, &keys).await?;
        founding.close().await?;
        let switch = ours::switch("switch", &text(&folder), logs).await?;
        let log_key = adapters::Home::open(&home)?.log_key().clone();
        let provider = Child::part("provider", &["provider", &text(&home)], logs).await?;
        let asks = [
            "thin-load",
            "1024",
            &text(&asking),
            "0",
            &ASKING.to_string(),
        ];
        let load = Child::role("consumers", &asks, logs).await?;
        let holder = ["holder", &text(&crowd), &most.to_string()];
        let holder = Child::role("holder", &holder, logs).await?;
        Ok(Self {
            holder,
            load,
            switch: Some(switch),
            provider,
            folder,
            logs: logs.to_owned(),
            log_key,
        })
    }

    /// The switch's process now.
    pub(super) fn switch_id(&self) -> anyhow::Result<u32> {
        self.switch.as_ref().context("the switch is down")?.id()
    }

    /// Ends the switch in order and starts it at the same addresses; gives how long the start took.
    pub(super) async fn restart(&mut self) -> anyhow::Result<Duration> {
        let switch = self.switch.take().context("the switch is down")?;
        switch.terminate().await?;
        let began = Instant::now();
        let folder = self.folder.display().to_string();
        self.switch = Some(ours::switch("switch-again", &folder, &self.logs).await?);
        Ok(began.elapsed())
    }

    /// Ends all of them, who asks first.
    pub(super) async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.load.dismiss().await?;
        self.holder.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch
            .context("the switch is down")?
            .terminate()
            .await?;
        Ok((self.folder.join("log"), self.log_key))
    }
}

/// Makes room in the switch's settings.
fn allow_connections(folder: &Path, connections: u64) -> anyhow::Result<()> {
    let file = folder.join("switch.toml");
    let text = std::fs::read_to_string(&file)?;
    let shown = "# connections = 4096\n";
    ensure!(
        text.contains(shown),
        "switch.toml does not show the default of limits.connections any more"
    );
    let text = text.replace(shown, &format!("connections = {connections}\n"));
    Ok(std::fs::write(&file, text)?)
}
