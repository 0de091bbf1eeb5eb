//! One world: a switch whose registry holds so many agreements, the provider that is asked, and two loads.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use adapters::Home;
use anyhow::Context as _;
use audit::checkpoint::LogKey;
use cli::bench::child::Child;
use cli::bench::cost;
use cli::bench::ours::{self, PROVIDER, PROVIDER_SYSTEM};
use cli::bench::window::Watched;
use proto::id::Part;

use super::{Asked, Start};
use crate::crowd::{Founding, agencies_of, home_of};
use crate::harness::Ground;
use crate::peer::program::free_address;
use crate::progress::Progress;

/// Adapters of the agency that asks under one agreement, each with a connection of its own.
const ADAPTERS: usize = 2;
/// Systems of the crowd, spread over the agencies.
const CROWD: usize = 128;
/// Bytes of each request.
const PAYLOAD: &str = "1024";

/// All of it, running.
pub(super) struct World {
    pub(super) agreements: u32,
    /// Exchanges that were answered so far.
    pub(super) answered: u64,
    /// Agencies of the crowd.
    crowd: usize,
    one: Child,
    many: Child,
    switch: Child,
    provider: Child,
    log: PathBuf,
    log_key: LogKey,
}

/// Where everything lies.
struct Places {
    switch: PathBuf,
    keys: PathBuf,
    provider: PathBuf,
    one: PathBuf,
    many: PathBuf,
}

impl Places {
    fn below(dir: &Path) -> Self {
        Self {
            switch: dir.join("switch"),
            keys: dir.join("keys"),
            provider: dir.join("provider"),
            one: dir.join("one"),
            many: dir.join("many"),
        }
    }
}

impl World {
    /// Founds everything and starts it.
    pub(super) async fn start(
        ground: &Ground,
        agreements: u32,
        progress: &Progress,
    ) -> anyhow::Result<(Self, Start)> {
        let dir = ground.dir.join(format!("agreements-{agreements}"));
        std::fs::create_dir(&dir)?;
        let (places, logs) = (Places::below(&dir), &ground.logs);
        let text = |path: &Path| path.display().to_string();
        let agencies = agencies_of(agreements as usize);
        let crowd = CROWD.min(agencies - 1);
        let began = Instant::now();
        found(&places, agreements, crowd, progress).await?;
        let founding = began.elapsed();
        let named = |part: &str| format!("{part}-{agreements}");

        let began = Instant::now();
        let switch = ours::switch(&named("switch"), &text(&places.switch), logs).await?;
        let listened = began.elapsed();
        let switch_id = switch.id()?;
        let switch_cpu = cost::usage(switch_id, false)?.cpu_us;
        cost::until_quiet(&[(switch_id, false)]).await?;
        let switch_rss = cost::usage(switch_id, false)?.rss_kib;

        let began = Instant::now();
        let home = text(&places.provider);
        let provider = Child::part(&named("provider"), &["provider", &home], logs).await?;
        let attached = began.elapsed();
        let adapter = cost::usage(provider.id()?, false)?;

        let mut asks = vec!["consumer".to_owned(), PAYLOAD.to_owned()];
        asks.extend((0..ADAPTERS).map(|number| text(&home_of(&places.one, number))));
        let one = Child::part(&named("consumer"), &asks, logs).await?;
        let asks = [
            "thin-load",
            PAYLOAD,
            &text(&places.many),
            "0",
            &CROWD.to_string(),
        ];
        let many = Child::role(&named("crowd"), &asks, logs).await?;
        let seconds = |time: Duration| time.as_secs_f64();
        let start = Start {
            agreements,
            agencies,
            asked: crowd,
            founding_s: seconds(founding),
            switch_s: seconds(listened),
            switch_cpu_s: switch_cpu as f64 / 1e6,
            switch_rss_mib: switch_rss as f64 / 1_024.0,
            adapter_s: seconds(attached),
            adapter_cpu_s: adapter.cpu_us as f64 / 1e6,
            adapter_rss_mib: adapter.rss_kib as f64 / 1_024.0,
        };
        let asked_first = |load: &Child| -> anyhow::Result<u64> { Ok(load.ready().parse()?) };
        let world = Self {
            agreements,
            answered: asked_first(&one)? + asked_first(&many)?,
            crowd,
            log_key: Home::open(&places.provider)?.log_key().clone(),
            log: places.switch.join("log"),
            one,
            many,
            switch,
            provider,
        };
        Ok((world, start))
    }

    /// Who asks.
    pub(super) fn load(&mut self, asked: Asked) -> &mut Child {
        match asked {
            Asked::One => &mut self.one,
            Asked::Many => &mut self.many,
        }
    }

    /// Under how many agreements.
    pub(super) fn asked_under(&self, asked: Asked) -> usize {
        match asked {
            Asked::One => 1,
            Asked::Many => self.crowd,
        }
    }

    /// The switch, the provider, and who asks.
    pub(super) fn watched(&self, asked: Asked) -> anyhow::Result<[Watched; 3]> {
        let load = match asked {
            Asked::One => &self.one,
            Asked::Many => &self.many,
        };
        Ok([
            Watched::one("switch", self.switch.id()?),
            Watched::one("provider", self.provider.id()?),
            Watched::one("consumers", load.id()?),
        ])
    }

    /// Ends all of them, who asks first.
    pub(super) async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.one.dismiss().await?;
        self.many.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}

/// Writes the switch's log, and makes the homes of all who take part. The first agency answers; the second also has the
/// adapters that ask under one agreement.
async fn found(
    places: &Places,
    agreements: u32,
    crowd: usize,
    progress: &Progress,
) -> anyhow::Result<()> {
    let folder = places.switch.display().to_string();
    let [exchange, enrol] = [free_address()?, free_address()?];
    ours::init(&folder, [&exchange, &enrol]).await?;
    let founding = Founding::open(&places.switch).await?;
    let mut agencies = vec![founding.agency(PROVIDER, &places.keys).await?];
    for number in 1..agencies_of(agreements as usize) {
        let name = format!("EG/GOV/A{number:04}");
        agencies.push(founding.agency(&name, &places.keys).await?);
    }
    let (provider, consumers) = agencies.split_first().context("a provider")?;
    let first = consumers.first().context("a consumer")?;
    let system = founding
        .system(provider, PROVIDER_SYSTEM, &places.provider)
        .await?;
    founding.publish(provider, &system).await?;
    for number in 0..ADAPTERS {
        let home = home_of(&places.one, number);
        founding
            .system(first, &format!("desk{number}"), &home)
            .await?;
    }
    // Side by side in the crowd are systems of different agencies, as far as there are.
    for (place, agency) in consumers.iter().take(crowd).enumerate() {
        let numbers: Vec<usize> = (place..CROWD).step_by(crowd).collect();
        founding.systems(agency, &numbers, &places.many).await?;
    }
    let mut told = Instant::now();
    let tell = |made: usize| {
        if told.elapsed() > Duration::from_secs(5) {
            progress.say(&format!("{made} of {agreements} agreements recorded"));
            told = Instant::now();
        }
    };
    let system = Part::parse(PROVIDER_SYSTEM)?;
    founding
        .country(&agencies, agreements as usize, &system, tell)
        .await?;
    founding.close().await
}
