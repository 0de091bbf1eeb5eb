//! Outsiders: what each of them holds, and what each finds in a log that it is shown.
//!
//! Takes looks at the honest log while it ran, and the agencies' receipts. Gives, for any log directory, who objects
//! and why. Each check uses only what that outsider holds: never the switch, its store, or another's word.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::FileSigner;
use audit::checkpoint::{self, Checkpoint, LogKey};
use audit::clock::Clock;
use audit::witness::{Event, Witness};
use bytes::Bytes;
use serde_json::Value;

use crate::demo::process::mohawel;
use crate::failure::Failure;

mod checks;

use checks::ask;

/// A witness's key in its folder.
const KEY: &str = "witness.key";
/// The witnesses' names.
const WITNESSES: [&str; 2] = [
    "audit-office.example/witness",
    "data-protection.example/witness",
];

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outsider {
    /// Has the log's key on paper, and whatever files are shown.
    Auditor,
    /// An auditor who took a copy before.
    OlderCopy,
    /// Cosigned what it saw, and remembers it.
    Witness,
    /// An agency that asked.
    Consumer,
    /// An agency that answered.
    Provider,
    /// Any member: folds the registry itself.
    Member,
}

impl Outsider {
    /// The stable word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::OlderCopy => "older_copy",
            Self::Witness => "witness",
            Self::Consumer => "consumer",
            Self::Provider => "provider",
            Self::Member => "member",
        }
    }

    /// For people.
    pub(super) fn texts(self) -> [&'static str; 2] {
        match self {
            Self::Auditor => ["an auditor with the key", "مدقّق معه المفتاح"],
            Self::OlderCopy => ["an auditor's older copy", "نسخة أقدم لدى مدقّق"],
            Self::Witness => ["the witnesses", "الشهود"],
            Self::Consumer => ["the consumers' receipts", "إيصالات الجهات السائلة"],
            Self::Provider => ["the providers' receipts", "إيصالات الجهات المجيبة"],
            Self::Member => ["every member's own registry", "سجل كل عضو بنفسه"],
        }
    }
}

/// An objection.
#[derive(Clone, Debug)]
pub(super) struct Caught {
    pub(super) outsider: Outsider,
    /// The check that fired, a stable word.
    pub(super) check: String,
    pub(super) detail: String,
}

/// A checkpoint as an outsider saw it.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub(super) note: Bytes,
    pub(super) checkpoint: Checkpoint,
    /// When the witnesses cosigned it, Unix microseconds.
    at_us: u64,
}

impl Looked {
    /// Entries under it.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.checkpoint.size).unwrap_or(usize::MAX)
    }
}

/// All outsiders with what they hold.
#[derive(Debug)]
pub(super) struct Outsiders {
    dir: PathBuf,
    key: LogKey,
    witnesses: Vec<PathBuf>,
    looks: Vec<Looked>,
    consumers: Vec<PathBuf>,
    providers: Vec<PathBuf>,
}

impl Outsiders {
    /// With the log's key as an agency pinned it.
    pub(super) fn new(dir: &Path, key: LogKey) -> Result<Self, Failure> {
        let dir = dir.join("outsiders");
        fs::create_dir_all(&dir).map_err(Failure::unavailable)?;
        let witness = |name: &&str| {
            let home = dir.join(name.replace('/', "-"));
            fs::create_dir_all(&home).map_err(Failure::unavailable)?;
            FileSigner::load_or_make(&home.join(KEY)).map_err(Failure::unavailable)?;
            audit::witness::adopt(&home, key.origin()).map_err(Failure::unavailable)?;
            Ok(home)
        };
        let witnesses: Vec<PathBuf> = WITNESSES
            .iter()
            .map(witness)
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            dir,
            key,
            witnesses,
            looks: Vec::new(),
            consumers: Vec::new(),
            providers: Vec::new(),
        })
    }

    /// Looks at the log as it is published now: the auditor keeps the checkpoint, the witnesses cosign it.
    pub(super) async fn look(&mut self, log: &Path) -> Result<(), Failure> {
        // What was just answered is published within a second.
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        let note = fs::read(log.join("checkpoint")).map_err(Failure::unavailable)?;
        let checkpoint = checkpoint::open(&note, &self.key).map_err(Failure::untrusted)?;
        let at_us = Clock::System.now_us();
        for (name, home) in WITNESSES.iter().zip(&self.witnesses) {
            let event = ask(&self.open(name, home)?, log, &note, &checkpoint)?;
            if !matches!(event, Event::Cosigned { .. }) {
                return Err(Failure::untrusted(format!(
                    "an honest log was not cosigned: {event:?}"
                )));
            }
        }
        let number = self.looks.len();
        fs::write(self.dir.join(format!("checkpoint-{number}")), &note)
            .map_err(Failure::unavailable)?;
        self.looks.push(Looked {
            note: note.into(),
            checkpoint,
            at_us,
        });
        // Stamps behind it lie clearly after it.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok(())
    }

    fn open(&self, name: &str, home: &Path) -> Result<Witness, Failure> {
        let signer = FileSigner::load(&home.join(KEY)).map_err(Failure::unavailable)?;
        let keys = std::slice::from_ref(&self.key);
        Witness::open(home, name, Arc::new(signer), keys).map_err(Failure::unavailable)
    }

    /// What the outsiders saw first, and last.
    pub(super) fn looked(&self) -> Result<(Looked, Looked), Failure> {
        match (self.looks.first(), self.looks.last()) {
            (Some(first), Some(last)) => Ok((first.clone(), last.clone())),
            _ => Err(Failure::unavailable("nobody looked at the log")),
        }
    }

    /// Takes the receipts that each agency's journal kept, by its part in each exchange.
    pub(super) async fn keep_receipts(&mut self, homes: &Path) -> Result<(), Failure> {
        for home in fs::read_dir(homes).map_err(Failure::unavailable)? {
            let home = home.map_err(Failure::unavailable)?.path();
            if !home.join("adapter.toml").is_file() {
                continue;
            }
            let name = home
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let file = self.dir.join(format!("{name}.receipts"));
            let (home, path) = (home.display().to_string(), file.display().to_string());
            mohawel(&["adapter", "receipts", "--home", &home, "--export", &path])
                .await?
                .success("receipts")?;
            self.split(&name, &file)?;
        }
        Ok(())
    }

    /// An agency's receipts by its part in each exchange.
    fn split(&mut self, name: &str, file: &Path) -> Result<(), Failure> {
        let text = fs::read_to_string(file).map_err(Failure::unavailable)?;
        let of = |role: &str| -> String {
            text.lines()
                .filter(|line| {
                    serde_json::from_str::<Value>(line).is_ok_and(|value| value["role"] == role)
                })
                .map(|line| format!("{line}\n"))
                .collect()
        };
        for (role, files) in [
            ("consumer", &mut self.consumers),
            ("provider", &mut self.providers),
        ] {
            let lines = of(role);
            if !lines.is_empty() {
                let file = self.dir.join(format!("{name}.{role}.receipts"));
                fs::write(&file, lines).map_err(Failure::unavailable)?;
                files.push(file);
            }
        }
        Ok(())
    }
}
