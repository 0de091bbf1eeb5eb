//! The folder of a witness: where what lies.
//!
//! ```text
//! witness.toml    name, address, and the verifier keys of its logs
//! witness.key     signs cosignatures; readable by its owner only
//! witness.vkey    its public half, for those who trust it
//! memory/         what it cosigned last, one file a log: the one thing that must never be lost
//! ```

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use audit::cosignature::WitnessKey;
use serde::{Deserialize, Serialize};

use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};

/// A witness's folder. Nothing is read or made before it is asked for.
#[derive(Clone, Debug)]
pub struct WitnessDir(PathBuf);

/// `witness.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The witness's name, as it stands in its cosignatures. Another name is another witness.
    pub name: String,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    #[serde(default)]
    log: Vec<Log>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    vkey: String,
}

impl File {
    /// The witness `name` at `listen`, for `logs`.
    pub fn new(name: String, listen: SocketAddr, logs: &[LogKey]) -> Self {
        let mut file = Self {
            name,
            listen,
            log: Vec::new(),
        };
        logs.iter().for_each(|log| file.push(log));
        file
    }

    /// Adds a log.
    pub fn push(&mut self, log: &LogKey) {
        self.log.push(Log {
            vkey: log.to_vkey(),
        });
    }

    /// The keys of its logs.
    ///
    /// # Errors
    /// A usage failure for a key that is none.
    pub fn logs(&self) -> Result<Vec<LogKey>, Failure> {
        let key = |log: &Log| LogKey::from_vkey(&log.vkey).map_err(Failure::usage);
        self.log.iter().map(key).collect()
    }
}

impl WitnessDir {
    /// The folder `dir`.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("witness.toml")
    }

    /// The key that signs.
    pub fn key(&self) -> PathBuf {
        self.0.join("witness.key")
    }

    /// Its public half.
    pub fn vkey(&self) -> PathBuf {
        self.0.join("witness.vkey")
    }

    /// What it remembers.
    pub fn memory(&self) -> PathBuf {
        self.0.join("memory")
    }

    /// Refuses a folder in which something stands.
    pub(super) fn must_be_empty(&self) -> Result<(), Failure> {
        let path = self.0.display();
        match self.0.read_dir().map(|mut found| found.next().is_some()) {
            Ok(true) => Err(Failure::new(
                Exit::Usage,
                [
                    format!("{path} is not empty; nothing was done"),
                    format!("المجلد {path} ليس فارغًا؛ ولم يُنفَّذ شيء"),
                ],
                ["Name a new folder.", "اذكر مجلدًا جديدًا."],
            )),
            Ok(false) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(in_file(&self.0, error)),
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// A usage failure that names the file.
    pub fn read(&self) -> Result<File, Failure> {
        let path = self.config();
        let text = fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
        toml::from_str(&text).map_err(|error| in_file(&path, error))
    }

    /// Writes the configuration in place of what stands there.
    ///
    /// # Errors
    /// [`Exit::Unavailable`].
    pub fn write(&self, file: &File) -> Result<(), Failure> {
        let text = toml::to_string(file).map_err(Failure::unavailable)?;
        let text = format!(
            "# A witness: its name, where it listens (plain HTTP), and the logs that it cosigns.\n\
             # `mohawel witness add` adds one; a log that is only written here has no memory and is refused.\n{text}"
        );
        certs::key_files::replace_public(&self.config(), text.as_bytes())
            .map_err(Failure::unavailable)
    }

    /// The public key that lies beside the private one.
    ///
    /// # Errors
    /// A usage failure that names the file.
    pub fn public_key(&self) -> Result<WitnessKey, Failure> {
        let path = self.vkey();
        let text = fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
        WitnessKey::from_vkey(text.trim()).map_err(|error| in_file(&path, error))
    }
}
