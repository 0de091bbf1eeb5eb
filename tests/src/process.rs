//! A broker in a process of its own, on the ports of the system's choice: what can be killed or run out of disk.

use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::ground::{Ground, loopback};
use crate::soon;

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

/// The memory of one process, from a moment on.
#[derive(Debug)]
pub struct Memory {
    process: String,
    began: u64,
}

impl Memory {
    /// Of this process.
    pub fn of_this_process() -> Self {
        Self::of("self")
    }

    /// Of a child of this process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn of_child(child: &Child) -> Self {
        Self::of(&child.id().unwrap().to_string())
    }

    fn of(process: &str) -> Self {
        // Forgets the largest that there was before: what counts is what is needed from here on.
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
        let process = process.to_owned();
        let began = largest(&process);
        Self { process, began }
    }

    /// Bytes that it had then.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// How many bytes more it had since, at the most.
    pub fn grown(&self) -> u64 {
        largest(&self.process).saturating_sub(self.began)
    }
}

/// The most memory that a process had at once, bytes.
fn largest(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// The built `mohawel`, beside this test's own binary.
///
/// # Panics
/// When it was not built.
pub fn mohawel() -> PathBuf {
    // target/debug/deps/scenarios-… stands two levels below the profile's directory.
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let path = dir.join(format!("mohawel{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not there: run `cargo build -p cli` first, as tests/scripts/test.sh does",
        path.display()
    );
    path
}

impl Process {
    /// Starts `mohawel broker` on `ground` and waits until it listens.
    ///
    /// # Panics
    /// When it ends before, with what it said.
    pub async fn start(ground: &Ground) -> Self {
        Self::start_after(ground, "").await
    }

    /// As [`Process::start`], after the shell commands `before` in the same process.
    ///
    /// # Panics
    /// As [`Process::start`].
    pub async fn start_after(ground: &Ground, before: &str) -> Self {
        ground.write_config(loopback(), loopback(), "");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "{before}\nexec \"$0\" broker --no-echo --switch \"$1\""
            ))
            .arg(mohawel())
            .arg(ground.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
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
                    "the broker ended before it listened: {}",
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

    /// Begins to watch its memory.
    pub fn memory(&self) -> Memory {
        Memory::of(&self.pid().as_raw_nonzero().to_string())
    }

    /// Which of `texts` stand in its memory: every page that it can write, read while it runs.
    ///
    /// # Panics
    /// When its memory cannot be read: then nothing was looked at.
    pub fn remembers<const N: usize>(&self, texts: [&str; N]) -> [bool; N] {
        /// Read at once; pages that were never written are nothing but zeros.
        const PIECE: usize = 4 * 1024 * 1024;
        let pid = self.pid().as_raw_nonzero();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
        let (mut piece, zeros) = (vec![0; PIECE], vec![0; PIECE]);
        let (mut found, mut held) = ([false; N], 0);
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0) as u64;
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            if !rights.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [mut at, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
            while at < to {
                let length = PIECE.min(usize::try_from(to - at).unwrap());
                // A region may be given back while it is read.
                let read = memory.read_at(&mut piece[..length], at).unwrap_or(0);
                if read > 0 && piece[..read] != zeros[..read] {
                    held += read;
                    let text = String::from_utf8_lossy(&piece[..read]);
                    for (found, wanted) in found.iter_mut().zip(texts) {
                        *found |= text.contains(wanted);
                    }
                }
                if read == 0 {
                    break;
                }
                // The next piece begins where a text may have been cut.
                let next = at + read as u64;
                at = if next < to {
                    next.saturating_sub(longest).max(at + 1)
                } else {
                    next
                };
            }
        }
        assert!(
            held > 1024 * 1024,
            "only {held} bytes of its memory could be read"
        );
        found
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
