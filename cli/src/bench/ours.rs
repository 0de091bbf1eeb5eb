//! Our side: a switch, a provider's adapter and a consumer's, each a process of its own.
//!
//! ```text
//! consumer  -- mTLS -->  mohawel broker  -- mTLS, the link -->  provider (gives every payload back)
//! ```
//!
//! The switch is made and joined by the commands that an operator and two agencies type. The consumer holds one
//! adapter for each connection, with the agency's own keys; every answer is proved before it counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::Home;
use anyhow::Context as _;
use audit::checkpoint::LogKey;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::child::{Child, mohawel};
use super::window::Watched;

/// What is asked.
pub const ASKED: &str = "EG/GOV/CIVIL/registry/echo.v1";
/// Its operation.
pub const OPERATION: &str = "echo";
/// The legal reason.
pub const PURPOSE: &str = "test";
/// What payloads are.
pub const CONTENT_TYPE: &str = "application/octet-stream";
/// The log's name.
pub const ORIGIN: &str = "switch.example/bench";
/// Who answers.
pub const PROVIDER: &str = "EG/GOV/CIVIL";
/// The system that answers.
pub const PROVIDER_SYSTEM: &str = "registry";
/// Who asks.
pub const CONSUMER: &str = "EG/GOV/MOSS";
/// How long a request may take. Longer than any queue in a run that works.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How our side works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Unary calls; headers that wait together go under one seal: how an adapter works by itself.
    Batches,
    /// Unary calls, each header under a seal of its own: what an exchange costs where batches do not form.
    Single,
    /// The consumer's calls on a stream; headers that wait together go under one seal.
    Stream,
}

impl Mode {
    /// The mode's word on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Single => "single",
            Self::Stream => "stream",
        }
    }

    /// The lines that an adapter's settings need for it.
    fn settings(self) -> &'static str {
        match self {
            Self::Batches => "",
            Self::Single => "seal_together = 1\n",
            Self::Stream => "call_stream = true\n",
        }
    }
}

const SERVICE: &str = r#"service = "echo.v1"
name_en = "Echo"
name_ar = "صدى"

[[operations]]
name = "echo"
name_en = "Gives the payload back"
name_ar = "يعيد الحمولة"
fields = []
"#;

/// The terms under which `consumer` may ask `system` of `provider`.
fn terms(consumer: &str, provider: &str, system: &str) -> String {
    format!(
        r#"consumer = "{consumer}"
provider = "{provider}"
days = 1

[[grants]]
system = "{system}"
service = "echo.v1"
operations = ["{OPERATION}"]
purposes = ["{PURPOSE}"]
fields = []
legal_basis = "A measurement without data"
daily_quota = 0
retention_days = 1
"#
    )
}

/// The switch and its two agencies, running.
#[derive(Debug)]
pub struct Ours {
    /// The consumer's process.
    pub load: Child,
    /// The switch.
    pub switch: Child,
    /// The provider's process.
    pub provider: Child,
    /// The switch's log directory.
    pub log: PathBuf,
    /// The log's key as the consumer pinned it: not from beside the log.
    pub log_key: LogKey,
}

impl Ours {
    /// Makes everything in `dir` and starts all three.
    ///
    /// # Errors
    /// Whichever command or process failed, with what it said.
    pub async fn start(
        dir: &Path,
        logs: &Path,
        connections: usize,
        payloads: &str,
        mode: Mode,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let at = |name: &str| dir.join(name).display().to_string();
        let folder = at("switch");
        init(&folder, ["127.0.0.1:0"; 2]).await?;
        let named = |part: &str| format!("{part}-{}", mode.name());
        let switch = switch(&named("switch"), &folder, logs).await?;
        let (provider, consumer) = (at("provider"), at("consumer"));
        enrol(&folder, PROVIDER, PROVIDER_SYSTEM, &provider).await?;
        enrol(&folder, CONSUMER, "takaful", &consumer).await?;
        publish(dir, &provider).await?;
        agree(
            dir,
            (CONSUMER, &consumer),
            (PROVIDER, PROVIDER_SYSTEM, &provider),
        )
        .await?;
        let log_key = Home::open(&consumer)?.log_key().clone();
        set(Path::new(&provider), mode)?;
        set(Path::new(&consumer), mode)?;
        let provider = Child::part(&named("provider"), &["provider", &provider], logs).await?;
        let mut load = vec!["consumer".to_owned(), payloads.to_owned()];
        for number in 1..=connections {
            let home = format!("{consumer}-{number}");
            copy_home(Path::new(&consumer), Path::new(&home))?;
            load.push(home);
        }
        let load = Child::part(&named("consumer"), &load, logs).await?;
        let log = dir.join("switch/log");
        Ok(Self {
            load,
            switch,
            provider,
            log,
            log_key,
        })
    }

    /// All three, the switch first.
    ///
    /// # Errors
    /// One has ended.
    pub fn watched(&self) -> anyhow::Result<[Watched; 3]> {
        Ok([
            Watched::one("switch", self.switch.id()?),
            Watched::one("provider", self.provider.id()?),
            Watched::one("consumer", self.load.id()?),
        ])
    }

    /// Ends all three: nobody asks any more, then nobody answers, then the log closes.
    ///
    /// # Errors
    /// A process that does not end, or ends badly.
    pub async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.load.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}

/// Makes a switch in `folder` that listens at these addresses: for members and for newcomers. Port 0 takes a free one at each
/// start.
///
/// # Errors
/// What the command said.
pub async fn init(folder: &str, [exchange, enrol]: [&str; 2]) -> anyhow::Result<()> {
    let names = ["init", folder, "--instance", "EG", "--origin", ORIGIN];
    let listen = ["--exchange-listen", exchange, "--enrol-listen", enrol];
    mohawel(&[&names[..], &listen].concat()).await?;
    Ok(())
}

/// Starts the switch in `folder`.
///
/// # Errors
/// What it said when it did not start.
pub async fn switch(name: &str, folder: &str, logs: &Path) -> anyhow::Result<Child> {
    let broker = ["broker", "--switch", folder, "--no-echo"];
    Child::mohawel(name, &broker, "listening enrol", logs).await
}

/// Invites `agency` and enrols it with one system, into `home`.
///
/// # Errors
/// What a command said.
pub async fn enrol(switch: &str, agency: &str, system: &str, home: &str) -> anyhow::Result<()> {
    let file = format!("{home}.invitation");
    mohawel(&[
        "agency", "invite", agency, "--switch", switch, "--output", &file,
    ])
    .await?;
    let invitation = format!("@{file}");
    let names = ["--name-en", "Bench", "--name-ar", "قياس"];
    let enrol = [
        "adapter",
        "enrol",
        "--no-passphrase",
        &invitation,
        "--home",
        home,
        "--system",
        system,
    ];
    mohawel(&[&enrol[..], &names].concat()).await?;
    Ok(())
}

/// The agency of `provider` (its home) publishes the echo service.
///
/// # Errors
/// What the command said.
pub async fn publish(dir: &Path, provider: &str) -> anyhow::Result<()> {
    let service = dir.join("service.toml");
    fs::write(&service, SERVICE)?;
    let service = service.display().to_string();
    mohawel(&["service", "publish", &service, "--home", provider]).await?;
    Ok(())
}

/// The consumer (agency, home) proposes, the provider (agency, system, home) accepts.
///
/// # Errors
/// What a command said.
pub async fn agree(
    dir: &Path,
    (consumer, consumer_home): (&str, &str),
    (provider, system, provider_home): (&str, &str, &str),
) -> anyhow::Result<()> {
    let agreement = dir.join("agreement.toml");
    fs::write(&agreement, terms(consumer, provider, system))?;
    let agreement = agreement.display().to_string();
    let proposed = mohawel(&["agreement", "propose", &agreement, "--home", consumer_home]).await?;
    let id = proposed["agreement"]["agreement"]
        .as_str()
        .context("the proposal has no id")?;
    mohawel(&["agreement", "accept", id, "--home", provider_home]).await?;
    Ok(())
}

/// Writes what `mode` needs into a home's settings.
fn set(home: &Path, mode: Mode) -> anyhow::Result<()> {
    let file = home.join(adapters::config::FILE_NAME);
    let text = fs::read_to_string(&file)?;
    Ok(fs::write(&file, format!("{}{text}", mode.settings()))?)
}

/// A home for one more adapter of the same system. The authority key is not an adapter's and stays.
fn copy_home(from: &Path, to: &Path) -> anyhow::Result<()> {
    certs::key_files::private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
