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

use adapters::{Adapter, Consumer, Failure, Home, Options, Provider, Reply, Request};
use anyhow::{Context as _, ensure};
use audit::checkpoint::LogKey;
use bytes::Bytes;

use crate::child::{Child, mohawel};
use crate::load::{self, Asker, dismissed, payload, say};

const ASKED: &str = "EG/GOV/CIVIL/registry/echo.v1";
const OPERATION: &str = "echo";
const PURPOSE: &str = "test";
const CONTENT_TYPE: &str = "application/octet-stream";
/// More than any run has in flight: the provider must not be what limits it.
const PROVIDER_IN_FLIGHT: u32 = 1_024;
/// How long a request may take. Longer than any queue in a run that works.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long the switch may take to take the provider's link.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

const SERVICE: &str = r#"service = "echo.v1"
name_en = "Echo"
name_ar = "صدى"

[[operations]]
name = "echo"
name_en = "Gives the payload back"
name_ar = "يعيد الحمولة"
fields = []
"#;

const AGREEMENT: &str = r#"consumer = "EG/GOV/MOSS"
provider = "EG/GOV/CIVIL"
days = 1

[[grants]]
system = "registry"
service = "echo.v1"
operations = ["echo"]
purposes = ["test"]
fields = []
legal_basis = "A measurement without data"
daily_quota = 0
retention_days = 1
"#;

/// The switch and its two agencies, running.
#[derive(Debug)]
pub(crate) struct Ours {
    /// The consumer's process.
    pub(crate) load: Child,
    /// The switch.
    pub(crate) switch: Child,
    /// The provider's process.
    pub(crate) provider: Child,
    /// The switch's log directory.
    pub(crate) log: PathBuf,
    /// The log's key as the consumer pinned it: not from beside the log.
    pub(crate) log_key: LogKey,
}

impl Ours {
    /// Makes everything in `dir` and starts all three.
    pub(crate) async fn start(
        dir: &Path,
        logs: &Path,
        connections: usize,
        payload_bytes: usize,
    ) -> anyhow::Result<Self> {
        let at = |name: &str| dir.join(name).display().to_string();
        let folder = at("switch");
        let names = [
            "init",
            &folder,
            "--instance",
            "EG",
            "--origin",
            "switch.example/bench",
        ];
        let doors = [
            "--exchange-listen",
            "127.0.0.1:0",
            "--enrol-listen",
            "127.0.0.1:0",
        ];
        mohawel(&[&names[..], &doors].concat()).await?;
        let broker = ["broker", "--switch", &folder, "--no-echo"];
        let switch = Child::mohawel("switch", &broker, "listening enrol", logs).await?;
        let (provider, consumer) = (at("provider"), at("consumer"));
        enrol_agency(&folder, "EG/GOV/CIVIL", "registry", &provider).await?;
        enrol_agency(&folder, "EG/GOV/MOSS", "takaful", &consumer).await?;
        agree(dir, &provider, &consumer).await?;
        let log_key = Home::open(&consumer)?.log_key().clone();
        let provider = Child::role("provider", &["provider".to_owned(), provider], logs).await?;
        let mut load = vec!["consumer-load".to_owned(), payload_bytes.to_string()];
        for number in 1..=connections {
            let home = format!("{consumer}-{number}");
            copy_home(Path::new(&consumer), Path::new(&home))?;
            load.push(home);
        }
        let load = Child::role("consumer", &load, logs).await?;
        let log = dir.join("switch/log");
        Ok(Self {
            load,
            switch,
            provider,
            log,
            log_key,
        })
    }

    /// Ends all three: nobody asks any more, then nobody answers, then the log closes.
    pub(crate) async fn stop(self) -> anyhow::Result<(PathBuf, LogKey)> {
        self.load.dismiss().await?;
        self.provider.dismiss().await?;
        self.switch.terminate().await?;
        Ok((self.log, self.log_key))
    }
}

async fn enrol_agency(switch: &str, agency: &str, system: &str, home: &str) -> anyhow::Result<()> {
    let file = format!("{home}.invitation");
    mohawel(&[
        "agency", "invite", agency, "--switch", switch, "--output", &file,
    ])
    .await?;
    let invitation = format!("@{file}");
    let names = ["--name-en", system, "--name-ar", system];
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

/// The provider publishes its service, the consumer proposes, the provider accepts.
async fn agree(dir: &Path, provider: &str, consumer: &str) -> anyhow::Result<()> {
    let (service, agreement) = (dir.join("service.toml"), dir.join("agreement.toml"));
    fs::write(&service, SERVICE)?;
    fs::write(&agreement, AGREEMENT)?;
    mohawel(&[
        "service",
        "publish",
        &service.display().to_string(),
        "--home",
        provider,
    ])
    .await?;
    let proposed = mohawel(&[
        "agreement",
        "propose",
        &agreement.display().to_string(),
        "--home",
        consumer,
    ])
    .await?;
    let id = proposed["agreement"]["agreement"]
        .as_str()
        .context("the proposal has no id")?;
    mohawel(&["agreement", "accept", id, "--home", provider]).await?;
    Ok(())
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

/// Gives every payload back.
struct Echo;

impl Provider for Echo {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Reply::new([""; 0], &request.content_type, request.payload)
    }
}

/// The provider's process.
pub(crate) async fn provider(home: PathBuf) -> anyhow::Result<()> {
    let options = Options {
        max_in_flight: PROVIDER_IN_FLIGHT,
        ..Options::default()
    };
    let handle = adapters::serve(Home::open(home)?, Echo, options).await?;
    handle.attached(ATTACH_LIMIT).await?;
    say("ready")?;
    dismissed().await;
    let status = handle.status();
    handle.drain().await?;
    ensure!(
        status.refused == 0 && status.unproven == 0,
        "the provider saw what it must not: {status:?}"
    );
    Ok(())
}

/// The consumer's process.
pub(crate) async fn consumer(homes: Vec<PathBuf>, payload_bytes: usize) -> anyhow::Result<()> {
    let payload = payload(payload_bytes);
    let mut askers = Vec::with_capacity(homes.len());
    for home in homes {
        let consumer = Adapter::connect(Home::open(home)?).await?.consumer();
        askers.push(Agency {
            consumer,
            payload: payload.clone(),
        });
    }
    load::serve(&askers).await
}

#[derive(Clone)]
struct Agency {
    consumer: Consumer,
    payload: Bytes,
}

impl Asker for Agency {
    async fn ask(&self) -> anyhow::Result<()> {
        let ask = self
            .consumer
            .ask(ASKED)
            .operation(OPERATION)
            .purpose(PURPOSE);
        let answer = ask
            .payload(CONTENT_TYPE, self.payload.clone())
            .deadline(DEADLINE)
            .send()
            .await?;
        ensure!(answer.payload == self.payload, "something else came back");
        Ok(())
    }
}
