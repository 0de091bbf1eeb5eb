//! Witnesses in processes of their own, as an audit office runs them, and a policy that names them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use audit::checkpoint::LogKey;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::process::mohawel;
use crate::soon;

/// A witness's folder, and the process that serves it, if one does.
#[derive(Debug)]
pub struct TestWitness {
    name: String,
    vkey: String,
    address: SocketAddr,
    dir: PathBuf,
    child: Option<Child>,
}

/// Some witnesses and the policy that asks for a number of them.
#[derive(Debug)]
pub struct Witnesses {
    /// In the policy's order.
    pub all: Vec<TestWitness>,
    dir: TempDir,
}

impl TestWitness {
    async fn make(dir: &Path, name: &str, log: &LogKey) -> Self {
        let free = std::net::TcpListener::bind(crate::ground::loopback()).unwrap();
        let address = free.local_addr().unwrap();
        let dir = dir.join(name);
        let made = Command::new(mohawel())
            .args(["witness", "init"])
            .arg(&dir)
            .args(["--name", &format!("witness.test/{name}")])
            .args(["--listen", &address.to_string()])
            .args(["--log", &log.to_vkey()])
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let vkey = std::fs::read_to_string(dir.join("witness.vkey")).unwrap();
        Self {
            name: name.to_owned(),
            vkey: vkey.trim().to_owned(),
            address,
            dir,
            child: None,
        }
    }

    /// Runs it, until it is stopped or dropped.
    pub async fn start(&mut self) {
        let mut child = Command::new(mohawel())
            .args(["witness", "run"])
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        soon("the witness listens", stdout.read_line(&mut line))
            .await
            .unwrap();
        assert_eq!(line.trim(), format!("listening witness {}", self.address));
        self.child = Some(child);
    }

    /// Kills it: what it cosigned, it must remember all the same.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.unwrap();
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Witnesses {
    /// Witnesses `names` for the log of `log`, none of which runs yet, and a policy that asks for `quorum` of them.
    pub async fn of(names: &[&str], quorum: usize, log: &LogKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for name in names {
            all.push(TestWitness::make(dir.path(), name, log).await);
        }
        let mut text = format!("log {}\n", log.to_vkey());
        for one in &all {
            let TestWitness {
                name,
                vkey,
                address,
                ..
            } = one;
            text.push_str(&format!("witness {name} {vkey} http://{address}\n"));
        }
        text.push_str(&format!(
            "group all-of-them {quorum} {}\nquorum all-of-them\n",
            names.join(" ")
        ));
        std::fs::write(dir.path().join("policy"), text).unwrap();
        Self { all, dir }
    }

    /// The policy's file.
    pub fn policy(&self) -> PathBuf {
        self.dir.path().join("policy")
    }

    /// The configuration's section, to stand behind `[limits]`.
    pub fn section(&self) -> String {
        format!(
            "\n[witness]\npolicy = \"{}\"\ntimeout_ms = 500\nlate_alarm_ms = 1000\n",
            self.policy().display()
        )
    }
}
