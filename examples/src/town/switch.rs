//! The switch of a town: made and started as a process, and searched.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cli::demo::process::{Server, mohawel};

use super::Town;
use crate::told;

impl Town {
    /// Files of the switch in which `text` stands: its log, its store, what it wrote.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn seen_by_the_switch(&self, text: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().join("switch")];
        let mut files = vec![self.dir.path().join("switch.log")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push(path),
                }
            }
        }
        for file in files {
            // One that was a temporary a moment ago holds nothing now.
            let bytes = std::fs::read(&file).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(text) {
                found.push(file);
            }
        }
        Ok(found)
    }
}

/// Makes a switch in `dir` and starts it.
pub(super) async fn start(dir: &Path) -> Result<Server> {
    let folder = dir.join("switch").display().to_string();
    // Both are held at once, so that they are two.
    let listeners = [
        TcpListener::bind(("127.0.0.1", 0))?,
        TcpListener::bind(("127.0.0.1", 0))?,
    ];
    let [exchange, enrol] = [
        listeners[0].local_addr()?.to_string(),
        listeners[1].local_addr()?.to_string(),
    ];
    drop(listeners);
    let mut arguments = vec![
        "init",
        &folder,
        "--instance",
        "EG",
        "--origin",
        "mohawel.example/story",
    ];
    arguments.extend(["--exchange-listen", &exchange, "--enrol-listen", &enrol]);
    mohawel(&arguments)
        .await
        .map_err(told)?
        .success("init")
        .map_err(told)?;
    let log = dir.join("switch.log");
    let broker = ["broker", "--switch", &folder];
    Server::start("the switch", &broker, "echo attached", &log)
        .await
        .map_err(told)
}
