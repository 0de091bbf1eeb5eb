//! Real processes: this binary, run again for every part of the demo's world.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::failure::{Exit, Failure};

/// How long a short command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take until it says that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a server may take to end by itself once asked.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What a short command printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output as JSON; null when it printed none.
    pub json: Value,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The JSON of a command that must have worked.
    ///
    /// # Errors
    /// What it said, when it did not.
    pub fn success(self, what: &str) -> Result<Value, Failure> {
        if self.code == 0 {
            return Ok(self.json);
        }
        let said = self.stderr.trim();
        Err(Failure::new(
            Exit::Unavailable,
            [
                format!("{what} ended with exit code {}: {said}", self.code),
                format!("{what}: رمز الخروج {}: {said}", self.code),
            ],
            ["", ""],
        ))
    }
}

/// Runs this binary with `--json` and waits for its end.
///
/// # Errors
/// It cannot be run, or takes more than a minute.
pub async fn mohawel<S: AsRef<str>>(arguments: &[S]) -> Result<Ended, Failure> {
    let mut command = Command::new(binary()?);
    command
        .arg("--json")
        .args(arguments.iter().map(AsRef::as_ref));
    command
        .env("MOHAWEL_LANG", "en")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(COMMAND_LIMIT, command.output())
        .await
        .map_err(|_| Failure::unavailable("a command of the demo took more than a minute"))?
        .map_err(Failure::unavailable)?;
    Ok(Ended {
        code: output.status.code().unwrap_or(-1),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs this binary for people and gives its exit code and what it printed, errors after it.
///
/// # Errors
/// It cannot be run, or takes more than a minute.
pub async fn as_read<S: AsRef<str>>(lang: &str, arguments: &[S]) -> Result<(i32, String), Failure> {
    let mut command = Command::new(binary()?);
    command
        .args(arguments.iter().map(AsRef::as_ref))
        .env("MOHAWEL_LANG", lang)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(COMMAND_LIMIT, command.output())
        .await
        .map_err(|_| Failure::unavailable("a command of the story took more than a minute"))?
        .map_err(Failure::unavailable)?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.code().unwrap_or(-1), said))
}

/// A process that serves until it is told to stop. Dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    child: Child,
    what: String,
}

impl Server {
    /// Starts this binary and waits until a line of its standard output begins with `ready`.
    /// What it says on standard error goes to `log`.
    pub async fn start<S: AsRef<str>>(
        what: &str,
        arguments: &[S],
        ready: &str,
        log: &Path,
    ) -> Result<Self, Failure> {
        let errors = std::fs::File::create(log).map_err(Failure::unavailable)?;
        let mut child = Command::new(binary()?)
            .args(arguments.iter().map(AsRef::as_ref))
            .env("MOHAWEL_LANG", "en")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::unavailable)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Failure::unavailable("no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let wait = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with(ready) {
                    return true;
                }
            }
            false
        };
        if !timeout(READY_LIMIT, wait).await.unwrap_or(false) {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(Failure::unavailable(format!(
                "{what} did not become ready: {}",
                said.trim()
            )));
        }
        // Read on, so that the process never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            child,
            what: what.to_owned(),
        })
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .map_err(Failure::unavailable)?;
        }
        let status = timeout(STOP_LIMIT, self.child.wait())
            .await
            .map_err(|_| Failure::unavailable(format!("{} did not stop", self.what)))?
            .map_err(Failure::unavailable)?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::unavailable(format!(
                "{} ended with {status}",
                self.what
            )))
        }
    }
}

fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(Failure::unavailable)
}
