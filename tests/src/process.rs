//! A broker in a process of its own, on the ports of the system's choice: what can be killed or run out of disk.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::ground::{Ground, loopback};
use crate::soon;

/// How a broker is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// `mohawel broker`, the product itself.
    Mohawel(PathBuf),
    /// This crate's `switch_process`: the same switch without a command line.
    Helper(PathBuf),
}

/// A running broker. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where members connect.
    pub exchange: SocketAddr,
    /// Where newcomers connect.
    pub enrol: SocketAddr,
    stderr: JoinHandle<String>,
    /// Held, so that the process can go on writing.
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    /// The built `mohawel`, beside this test's own binary.
    ///
    /// # Panics
    /// When it was not built.
    pub fn mohawel() -> Self {
        let path = mohawel_path();
        assert!(
            path.exists(),
            "{} is not there: run `cargo build -p cli` first, as tests/scripts/test.sh does",
            path.display()
        );
        Self::Mohawel(path)
    }

    fn command(&self, ground: &Ground, before: Option<&str>) -> Command {
        let (path, args): (&Path, Vec<&OsStr>) = match self {
            Self::Mohawel(path) => (
                path,
                vec![
                    "broker".as_ref(),
                    "--no-echo".as_ref(),
                    "--switch".as_ref(),
                    ground.dir().as_os_str(),
                ],
            ),
            Self::Helper(path) => (path, vec![ground.dir().as_os_str()]),
        };
        match before {
            None => {
                let mut command = Command::new(path);
                command.args(args);
                command
            }
            Some(shell) => {
                let mut command = Command::new("sh");
                command
                    .arg("-c")
                    .arg(format!("{shell}; exec \"$0\" \"$@\""))
                    .arg(path)
                    .args(args);
                command
            }
        }
    }
}

/// Where cargo puts `mohawel`.
pub fn mohawel_path() -> PathBuf {
    // target/debug/deps/scenarios-… stands two levels below the profile's directory.
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    dir.join(format!("mohawel{}", std::env::consts::EXE_SUFFIX))
}

impl Process {
    /// Starts a broker on `ground` and waits until it listens.
    ///
    /// # Panics
    /// When it ends before, with what it said.
    pub async fn start(program: &Program, ground: &Ground) -> Self {
        Self::start_after(program, ground, None).await
    }

    /// As [`Process::start`], after the shell command `before` in the same process.
    ///
    /// # Panics
    /// As [`Process::start`].
    pub async fn start_after(program: &Program, ground: &Ground, before: Option<&str>) -> Self {
        ground.write_config(loopback(), loopback(), "");
        let mut child = program
            .command(ground, before)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}"));
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut exchange, mut enrol) = (None, None);
        while exchange.is_none() || enrol.is_none() {
            let mut line = String::new();
            if soon("the broker listens", stdout.read_line(&mut line))
                .await
                .unwrap()
                == 0
            {
                panic!(
                    "{program:?} ended before it listened: {}",
                    stderr.await.unwrap()
                );
            }
            let address = |what: &str| {
                line.strip_prefix(what)
                    .map(|rest| rest.trim().parse().unwrap())
            };
            exchange = exchange.or_else(|| address("listening exchange "));
            enrol = enrol.or_else(|| address("listening enrol "));
        }
        let (exchange, enrol) = (exchange.unwrap(), enrol.unwrap());
        Self {
            child,
            exchange,
            enrol,
            stderr,
            _stdout: stdout,
        }
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// From now on no write of it may end past `bytes` in any file.
    pub fn limit_files(&self, bytes: u64) {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().expect("it runs")).unwrap()).unwrap()
    }

    /// SIGTERM, then what became of it and what it said.
    pub async fn stop(self) -> (ExitStatus, String) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.ended().await
    }

    /// Waits until it ends by itself; what became of it and what it said.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = soon("the broker ends", self.child.wait()).await.unwrap();
        (status, self.stderr.await.unwrap())
    }
}
