//! Processes that the harness starts: they say when they are ready, take orders as lines, and end with it.
//!
//! Nobody else's process is ever signalled: an id is used only while its process is ours and not yet waited for.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a part may take until it serves.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a part may take to end once it was told to.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long a short command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// The name under which any binary that holds this crate is the switch's own one.
pub const MOHAWEL: &str = "mohawel";

/// A process that serves until it is told to end. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: tokio::process::Child,
    orders: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    ready: String,
}

impl Child {
    /// This binary in a role of its own, which says `ready` on a line once it serves.
    ///
    /// # Errors
    /// It did not start; with what it said.
    pub async fn role<S: AsRef<OsStr>>(
        name: &str,
        arguments: &[S],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        Self::start(
            name,
            Command::new(std::env::current_exe()?).args(arguments),
            "ready",
            logs,
        )
        .await
    }

    /// A part of `mohawel bench`.
    ///
    /// # Errors
    /// As [`Child::role`].
    pub async fn part<S: AsRef<OsStr>>(
        name: &str,
        arguments: &[S],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = as_mohawel()?;
        command.arg("bench").args(arguments);
        Self::start(name, &mut command, "ready", logs).await
    }

    /// This binary as `mohawel`; it serves once it says a line that begins with `ready`.
    ///
    /// # Errors
    /// As [`Child::role`].
    pub async fn mohawel(
        name: &str,
        arguments: &[&str],
        ready: &str,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        Self::start(name, as_mohawel()?.args(arguments), ready, logs).await
    }

    async fn start(
        name: &str,
        command: &mut Command,
        ready: &str,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| anyhow!("{name} has no standard output"))?;
        let orders = process.stdin.take();
        let mut child = Self {
            name: name.to_owned(),
            process,
            orders,
            lines: BufReader::new(stdout).lines(),
            ready: String::new(),
        };
        let wait = async {
            loop {
                let line = child.line().await?;
                if let Some(rest) = line.strip_prefix(ready) {
                    return anyhow::Ok(rest.trim().to_owned());
                }
            }
        };
        let said = timeout(READY_LIMIT, wait)
            .await
            .unwrap_or_else(|_| bail!("not ready within {READY_LIMIT:?}"));
        match said {
            Ok(said) => child.ready = said,
            Err(error) => {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                bail!("{name} did not start: {error}\n{}", log.trim());
            }
        }
        Ok(child)
    }

    /// What it said behind `ready`.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Its process id.
    ///
    /// # Errors
    /// It has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.process
            .id()
            .ok_or_else(|| anyhow!("{} has ended", self.name))
    }

    /// The next line it says.
    ///
    /// # Errors
    /// It has ended.
    pub async fn line(&mut self) -> anyhow::Result<String> {
        self.lines
            .next_line()
            .await?
            .ok_or_else(|| anyhow!("{} ended by itself", self.name))
    }

    /// Sends it one line.
    ///
    /// # Errors
    /// It has ended.
    pub async fn order(&mut self, line: &str) -> anyhow::Result<()> {
        let orders = self
            .orders
            .as_mut()
            .ok_or_else(|| anyhow!("{} takes no orders", self.name))?;
        orders.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(orders.flush().await?)
    }

    /// Closes its standard input and waits for its end.
    ///
    /// # Errors
    /// It does not end, or badly.
    pub async fn dismiss(mut self) -> anyhow::Result<()> {
        self.orders = None;
        self.end().await
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Errors
    /// It does not end, or badly.
    pub async fn terminate(mut self) -> anyhow::Result<()> {
        terminate(&self.process)?;
        self.end().await
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        let name = &self.name;
        // What it still says must not fill the pipe.
        let lines = &mut self.lines;
        let drain = async { while let Ok(Some(_)) = lines.next_line().await {} };
        let ended = timeout(STOP_LIMIT, async {
            tokio::join!(drain, self.process.wait()).1
        })
        .await;
        let status = ended.map_err(|_| anyhow!("{name} did not end within {STOP_LIMIT:?}"))??;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }
}

/// Asks a process of ours to end, when it has not yet.
///
/// # Errors
/// The system's.
pub fn terminate(process: &tokio::process::Child) -> anyhow::Result<()> {
    let id = process
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(id) = id {
        kill_process(id, Signal::TERM)?;
    }
    Ok(())
}

/// Runs one command of `mohawel` with `--json` to its end; gives what it printed.
///
/// # Errors
/// It took too long or ended badly; with what it said.
pub async fn mohawel(arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let mut command = as_mohawel()?;
    command
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(COMMAND_LIMIT, command.output())
        .await
        .with_context(|| format!("mohawel {} took too long", arguments.join(" ")))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!(
            "mohawel {} ended with {}: {said}",
            arguments.join(" "),
            output.status
        );
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn as_mohawel() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(MOHAWEL);
    Ok(command)
}
