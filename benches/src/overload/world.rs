//! Who takes part: a switch, a provider that answers, one that never does, and thirteen agencies that ask.

use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use cli::bench::child::Child;
use cli::bench::ours;
use cli::bench::window::Watched;

use super::elsewhere::Elsewhere;
use crate::crowd::Founding;
use crate::peer::program::free_address;

/// Systems of each consumer agency, each with a connection of its own.
pub(super) const EACH: usize = 4;
/// Agencies that ask together.
pub(super) const MANY: usize = 10;
/// How long whoever asks the hanging provider waits: long enough that what is under way reaches the agency's limit.
const HANGING_DEADLINE_MS: &str = "5000";

/// All of them, running.
pub(super) struct World {
    pub(super) switch: Child,
    /// Ten agencies.
    pub(super) many: Child,
    /// One that floods.
    pub(super) flood: Child,
    /// One that asks little and verifies what it gets.
    pub(super) steady: Child,
    /// One that asks the provider that hangs.
    pub(super) asks_hanging: Child,
    /// Where an equal flood is refused by somebody else.
    pub(super) elsewhere: Elsewhere,
    provider: Child,
    hanging: Child,
    log: PathBuf,
    log_key: LogKey,
}

impl World {
    /// Founds everything in `dir` and starts it.
    pub(super) async fn start(dir: &Path, logs: &Path) -> anyhow::Result<Self> {
        let text = |path: &Path| path.display().to_string();
        let folder = dir.join("switch");
        let [exchange, enrol] = [free_address()?, free_address()?];
        ours::init(&text(&folder), [&exchange, &enrol]).await?;
        let (homes, keys) = (dir.join("homes"), dir.join("keys"));
        let answers = ("EG/GOV/CIVIL", dir.join("answers"));
        let hangs = ("EG/GOV/HANGS", dir.join("hangs"));
        let founding = Founding::open(&folder).await?;
        let agencies = founding
            .crowd(((MANY + 3) * EACH, EACH), &homes, &keys)
            .await?;
        for (name, home) in [&answers, &hangs] {
            let provider = founding.agency(name, &keys).await?;
            let system = founding.system(&provider, "registry", home).await?;
            founding.publish(&provider, &system).await?;
            for agency in &agencies {
                founding.agree(agency, &provider, &system).await?;
            }
        }
        founding.close().await?;
        let switch = ours::switch("switch", &text(&folder), logs).await?;
        let log_key = adapters::Home::open(&answers.1)?.log_key().clone();
        let provider = Child::part("provider", &["provider", &text(&answers.1)], logs).await?;
        let hanging = ["provider", &text(&hangs.1), "--hangs"];
        let hanging = Child::part("hanging-provider", &hanging, logs).await?;
        let thin = |name: &'static str, agencies: std::ops::Range<usize>, more: &[&str]| {
            let first = (agencies.start * EACH).to_string();
            let count = (agencies.len() * EACH).to_string();
            let mut arguments: Vec<String> = ["thin-load", "1024", &text(&homes), &first, &count]
                .map(str::to_owned)
                .to_vec();
            arguments.extend(more.iter().map(|one| (*one).to_owned()));
            async move { Child::role(name, &arguments, logs).await }
        };
        let asked = format!("{}/registry/echo.v1", hangs.0);
        let unanswered = [
            "--unverified",
            "--service",
            &asked,
            "--deadline-ms",
            HANGING_DEADLINE_MS,
        ];
        Ok(Self {
            elsewhere: Elsewhere::start(&dir.join("elsewhere"), logs).await?,
            many: thin("many", 0..MANY, &["--unverified"]).await?,
            flood: thin("flood", MANY..MANY + 1, &["--unverified"]).await?,
            steady: thin("steady", MANY + 1..MANY + 2, &[]).await?,
            asks_hanging: thin("asks-hanging", MANY + 2..MANY + 3, &unanswered).await?,
            switch,
            provider,
            hanging,
            log: folder.join("log"),
            log_key,
        })
    }

    /// The switch, the provider and `load`.
    pub(super) fn watched(&self, load: &Child) -> anyhow::Result<[Watched; 3]> {
        Ok([
            Watched::one("switch", self.switch.id()?),
            Watched::one("provider", self.provider.id()?),
            Watched::one("consumers", load.id()?),
        ])
    }

    /// Ends all of them, who asks first.
    pub(super) async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        for load in [self.many, self.flood, self.steady, self.asks_hanging] {
            load.dismiss().await?;
        }
        self.elsewhere.stop().await?;
        self.provider.dismiss().await?;
        self.hanging.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}
