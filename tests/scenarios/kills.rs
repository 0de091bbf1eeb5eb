//! SIGKILL for each real party of each way to exchange, at each of its steps; then it is started again, and what the way
//! promises is held.
//!
//! | way | promise | file |
//! |---|---|---|
//! | an answer in chunks | a cut one is void and leaves no file | `streams.rs` |
//! | a request in chunks | the same at the provider, whose next start takes away what was left | `uploads.rs` |
//! | many items | a batch goes on, with every result once | `batches.rs` |
//! | a request that may wait | it is answered once, and collected as it was answered | `submissions.rs` |
//! | several agencies in one case | what acts is done once | `cases.rs` |
//! | an event | it arrives, as one file, and ends once | `events.rs` |
//!
//! Every party is the built binary. Steps that only bytes tell apart are found by a wire that stands still
//! ([`tests::wire`]). `MOHAWEL_KILL_ROUNDS` says how often the long forms go round.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use audit::clock::Clock;
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::id::ExchangeId;
use serde_json::Value;
use tests::agency::TestAgency;
use tests::check::{Told, check_log_after_a_crash};
use tests::ground::Ground;
use tests::process::{Process, mohawel};
use tests::switch::TestSwitch;
use tests::wire::{Flow, Wire};
use tests::world::{PERSONS, World};
use tests::{soon, until};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

mod batches;
mod cases;
mod events;
mod streams;
mod submissions;
mod uploads;

/// One chunk.
const CHUNK: u64 = 65_536;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    Consumer,
    Broker,
    Provider,
}

const PARTIES: [Party; 3] = [Party::Consumer, Party::Broker, Party::Provider];

/// A switch and two agencies, each in a process of its own and behind a wire of its own.
struct House {
    ground: Ground,
    moss: TestAgency,
    civil: TestAgency,
    /// `None` once it was killed.
    broker: Option<Process>,
    provider: Option<Child>,
    /// The consumer's way to the switch.
    asks: Wire,
    /// The provider's.
    serves: Wire,
    dir: tempfile::TempDir,
}

impl House {
    /// All of it running, with a provider that `stock` describes. `folders` are there.
    async fn serving(stock: &str, folders: &[&str]) -> Self {
        let ground = Ground::found_at(Clock::System).await;
        let world = World::populate(TestSwitch::on(ground, "").await.unwrap()).await;
        world.civil.bind_encryption_key(&world.switch).await;
        let (moss, civil) = (world.moss, world.civil);
        let ground = world.switch.stop().await;
        let dir = tempfile::tempdir().unwrap();
        for folder in folders {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("providers.toml"), stock).unwrap();
        let broker = Process::start(&ground).await;
        let asks = Wire::to(broker.exchange).await;
        let serves = Wire::to(broker.exchange).await;
        moss.point_at(asks.address);
        civil.point_at(serves.address);
        let mut house = Self {
            ground,
            moss,
            civil,
            broker: Some(broker),
            provider: None,
            asks,
            serves,
            dir,
        };
        house.provide().await;
        house
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command of the consumer's.
    fn consumer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(mohawel());
        command.arg("--json").args(arguments).env_clear();
        command.env("MOHAWEL_HOME", self.moss.home_dir());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// `mohawel call`, with what every scenario here asks.
    fn call(&self, more: &[&str]) -> Command {
        let mut arguments = vec!["call", PERSONS, "read", "--fields", "name"];
        arguments.extend(["--purpose", "social-benefit"]);
        arguments.extend(more);
        self.consumer(&arguments)
    }

    /// Starts the provider, once the switch takes its link.
    async fn provide(&mut self) {
        let mut command = Command::new(mohawel());
        command.args(["adapter", "run", "--home"]);
        command.arg(self.civil.home_dir()).arg("--providers");
        command.arg(self.at("providers.toml")).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut provider = command.kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(provider.stdout.take().unwrap()).lines();
        while let Some(line) = soon("the provider serves", said.next_line()).await.unwrap() {
            if line.contains("serving") {
                self.provider = Some(provider);
                return;
            }
        }
        panic!("the provider ended before it served");
    }

    /// Kills `party` with everything of it that stands on a wire; what others wait for then goes on. The consumer is a child
    /// of the scenario's.
    async fn kill(&mut self, party: Party, consumer: &mut Child) {
        match party {
            Party::Consumer => consumer.kill().await.unwrap(),
            Party::Broker => self.broker.take().unwrap().kill().await,
            Party::Provider => self.provider.take().unwrap().kill().await.unwrap(),
        }
        if party != Party::Provider {
            self.asks.cut().await;
        }
        if party != Party::Consumer {
            self.serves.cut().await;
        }
        self.asks.release();
        self.serves.release();
    }

    /// Starts whoever was killed, and waits until a question gets as far as the provider.
    async fn mend(&mut self) {
        if self.broker.is_none() {
            let broker = Process::start(&self.ground).await;
            self.asks.point_at(broker.exchange);
            self.serves.point_at(broker.exchange);
            self.broker = Some(broker);
        }
        if self.provider.is_none() {
            self.provide().await;
        }
        // A provider that was not killed comes back by itself, when it next tries.
        soon("the provider is back", async {
            loop {
                let (code, told, _) = run(self.call(&[])).await;
                if told["outcome"] == "invalid_request" {
                    return;
                }
                assert!(matches!(code, 3 | 5), "{code} {told}");
            }
        })
        .await;
    }

    /// Bytes of the longest file in a folder: of the half that is being written, where that is the only one.
    fn half(&self, folder: &str) -> u64 {
        let folder = std::fs::read_dir(self.at(folder)).unwrap();
        folder
            .filter_map(|file| file.unwrap().metadata().ok())
            .map(|about| about.len())
            .max()
            .unwrap_or(0)
    }

    /// Lets so much through that all but two chunks are written, and not much more.
    async fn creeps_past_the_last_but_one(
        &self,
        flow: &Flow,
        (folder, length): (&str, u64),
        consumer: &mut Child,
    ) -> bool {
        soon("all but two chunks are there", async {
            while self.half(folder) < length - CHUNK - CHUNK {
                flow.hold_after(2_048);
                if consumer.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            true
        })
        .await
    }

    /// Lets all chunks through, byte by byte towards the end: the trailer is longer than one step of this search.
    async fn creeps(
        &self,
        flow: &Flow,
        (folder, length): (&str, u64),
        consumer: &mut Child,
    ) -> bool {
        if !self
            .creeps_past_the_last_but_one(flow, (folder, length), consumer)
            .await
        {
            return false;
        }
        if !flow.lets_through(CHUNK - 4_096).await {
            return false;
        }
        soon("all chunks are there", async {
            while self.half(folder) < length - CHUNK {
                flow.hold_after(256);
                if consumer.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            true
        })
        .await
    }

    /// Stops everything in good order; gives what the log says.
    async fn finish(mut self) -> Told {
        self.provider.take().unwrap().kill().await.unwrap();
        let (status, said) = self.broker.take().unwrap().stop().await;
        assert!(status.success(), "{status}: {said}");
        check_log_after_a_crash(&self.ground.log_dir(), &self.ground.log_key())
    }
}

/// Waits until something holds, while the consumer runs; `false` when that ended first.
async fn waits(consumer: &mut Child, mut holds: impl FnMut() -> bool) -> bool {
    let mut runs = true;
    until("it stands still", || {
        runs = consumer.try_wait().unwrap().is_none();
        !runs || holds()
    })
    .await;
    runs
}

/// Runs a command to its end: its code, what it said to machines, and to people.
async fn run(mut command: Command) -> (i32, Value, String) {
    read(soon("the command ends", command.output()).await.unwrap())
}

async fn ended(child: Child) -> (i32, Value, String) {
    let output = soon("the command ends", child.wait_with_output()).await;
    read(output.unwrap())
}

/// A command that was killed has the code -1.
fn read(output: Output) -> (i32, Value, String) {
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), value, errors)
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = found
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What became of each exchange that was asked for a clerk, in order: only those in which somebody was killed are.
fn stories(told: &Told) -> Vec<Vec<(Kind, String)>> {
    let mut stories: Vec<(ExchangeId, Vec<(Kind, String)>)> = Vec::new();
    for (event, entry) in told.events.iter().zip(&told.entries) {
        let Some(id) = event.exchange else { continue };
        if matches!(entry.kind, Kind::Request | Kind::Upload)
            && RequestHeader::open(&entry.header).unwrap().actor.is_some()
        {
            stories.push((id, Vec::new()));
        }
        if let Some((_, story)) = stories.iter_mut().find(|(known, _)| *known == id) {
            story.push((event.kind, event.code.to_string()));
        }
    }
    stories.into_iter().map(|(_, story)| story).collect()
}

/// A story without what a provider said that was not waited for any more: that is recorded, and changes nothing.
fn but_late(story: &[(Kind, String)]) -> Vec<(Kind, String)> {
    let told = story.iter().filter(|(kind, _)| *kind != Kind::Late);
    told.cloned().collect()
}

/// How often the long forms go round.
fn rounds(usual: u32) -> u32 {
    std::env::var("MOHAWEL_KILL_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// What differs from run to run, and not from the machine's clock.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d ^ u64::from(std::process::id()))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
