//! The writer and the judge of the power-loss experiment; `tests/scripts/powerloss.sh` runs both.
//!
//! `powerloss_writer write MODE DIR ACKS` commits until it is killed and appends each acknowledgement to
//! ACKS, a file outside the file system under test. `powerloss_writer check MODE DIR ACKS` opens what a
//! power cut left in DIR and prints one line: `kept|lost|empty|refused <acknowledged> <missing> <why>`.
//!
//! Modes: `flush` (sled, `flush` alone), `synced` (sled, `flush` and our fdatasync), `log` (the log as designed).

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::log::{Config, Log};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Draft, Kind};
use proto::key::{PublicKey, SignError, Signer};

type Failure = Box<dyn Error + Send + Sync>;

/// Entries of one commit in the sled modes; the log makes its own batches.
const BATCH: u64 = 16;
/// Bytes of an entry in the sled modes, about those of an exchange entry.
const ENTRY_BYTES: usize = 600;
/// Tasks that append to the log at once.
const TASKS: usize = 32;
/// Bytes of one acknowledgement: index and leaf hash.
const ACK_BYTES: usize = 8 + Digest::LEN;
const ORIGIN: &str = "powerloss.test/log";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [action, mode, dir, acks] = arguments.as_slice() else {
        return Err("usage: powerloss_writer write|check flush|synced|log DIR ACKS".into());
    };
    let (dir, acks) = (Path::new(dir), Path::new(acks));
    match (action.as_str(), mode.as_str()) {
        ("write", "flush") => write_sled(dir, acks, false),
        ("write", "synced") => write_sled(dir, acks, true),
        ("write", "log") => on_runtime(write_log(dir, acks)),
        ("check", "flush" | "synced") => judge(acks, |acked| check_sled(dir, acked)),
        ("check", "log") => judge(acks, |acked| on_runtime(check_log(dir, acked))),
        _ => Err("unknown action or mode".into()),
    }
}

/// Commits batches until the process is killed; each is acknowledged after its last step.
fn write_sled(dir: &Path, acks: &Path, synced: bool) -> Result<(), Failure> {
    let db = sled::Config::new().path(dir).open()?;
    let file = File::open(dir.join("db"))?;
    if synced {
        for name in [dir.join("conf"), dir.to_owned()] {
            File::open(name)?.sync_all()?;
        }
    }
    let acks = acks_file(acks)?;
    for first in (0u64..).step_by(BATCH as usize) {
        let mut batch = sled::Batch::default();
        for index in first..first + BATCH {
            batch.insert(&index.to_be_bytes(), sample(index));
        }
        db.apply_batch(batch)?;
        db.flush()?;
        if synced {
            file.sync_data()?;
        }
        let told: Vec<(u64, Digest)> = (first..first + BATCH)
            .map(|index| (index, leaf_hash(&sample(index))))
            .collect();
        acknowledge(&acks, &told)?;
    }
    Ok(())
}

/// Appends from many tasks until the process is killed.
async fn write_log(dir: &Path, acks: &Path) -> Result<(), Failure> {
    let acks = Arc::new(acks_file(acks)?);
    let log = Log::create(config(dir), genesis(), Arc::new(TestKey::new()?)).await?;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (log, acks) = (log.clone(), Arc::clone(&acks));
            tokio::spawn(async move {
                loop {
                    let facts = Bytes::from(sample(task as u64)[..400].to_vec());
                    let draft = Draft {
                        kind: Kind::Refusal,
                        facts,
                        header: Bytes::new(),
                        seal: None,
                    };
                    let appended = log.append(draft, None).await?;
                    acknowledge(&acks, &[(appended.index, appended.leaf)])?;
                }
            })
        })
        .collect();
    let mut outcome: Result<(), Failure> = Ok(());
    for task in tasks {
        outcome = task.await?;
    }
    outcome
}

/// What a check found.
enum Found {
    Entries(Box<dyn FnMut(u64) -> Option<Digest>>),
    Empty,
    Refused(String),
}

/// Compares what was acknowledged with what `open` finds, and prints the verdict.
fn judge(
    acks: &Path,
    open: impl FnOnce(&[(u64, Digest)]) -> Result<Found, Failure> + std::panic::UnwindSafe,
) -> Result<(), Failure> {
    let bytes = std::fs::read(acks)?;
    let mut acked = Vec::with_capacity(bytes.len() / ACK_BYTES);
    for record in bytes.chunks_exact(ACK_BYTES) {
        let index = u64::from_be_bytes(record[..8].try_into()?);
        acked.push((
            index,
            Digest::from_slice(&record[8..]).ok_or("a digest is 32 bytes")?,
        ));
    }
    let total = acked.len();
    // sled may panic on what a power cut left: that is a finding, not an end.
    let shown = acked.clone();
    let found = catch_unwind(move || open(&shown))
        .unwrap_or_else(|_| Ok(Found::Refused("panic at open".into())))
        .unwrap_or_else(|error| Found::Refused(error.to_string()));
    match found {
        Found::Refused(why) => println!("refused {total} {total} {why}"),
        Found::Empty => println!("empty {total} {total} opened without any entry"),
        Found::Entries(mut leaf_at) => {
            let missing = acked
                .iter()
                .filter(|(index, leaf)| leaf_at(*index) != Some(*leaf))
                .count();
            let word = if missing == 0 { "kept" } else { "lost" };
            println!("{word} {total} {missing} -");
        }
    }
    Ok(())
}

fn check_sled(dir: &Path, acked: &[(u64, Digest)]) -> Result<Found, Failure> {
    let db = sled::Config::new().path(dir).open()?;
    if db.is_empty() && !acked.is_empty() {
        return Ok(Found::Empty);
    }
    Ok(Found::Entries(Box::new(move |index| {
        db.get(index.to_be_bytes())
            .ok()
            .flatten()
            .map(|value| leaf_hash(&value))
    })))
}

/// Opens the log, reads everything back and closes it: what counts is what a broker would have.
async fn check_log(dir: &Path, acked: &[(u64, Digest)]) -> Result<Found, Failure> {
    if !dir.join("checkpoint").exists() && acked.is_empty() {
        return Ok(Found::Entries(Box::new(|_| None)));
    }
    let log = Log::open(config(dir), Arc::new(TestKey::new()?)).await?;
    if let Some(report) = log.recovered() {
        eprintln!("{report}");
    }
    let size = log.head().size();
    let mut leaves = Vec::with_capacity(usize::try_from(size)?);
    while (leaves.len() as u64) < size {
        let next = leaves.len() as u64;
        let entries = log.entries(next..size).await?;
        leaves.extend(entries.iter().map(|(_, entry)| leaf_hash(entry)));
    }
    log.close().await?;
    Ok(Found::Entries(Box::new(move |index| {
        usize::try_from(index)
            .ok()
            .and_then(|index| leaves.get(index).copied())
    })))
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir, ORIGIN);
    // Small segments, so that rotation and deletion happen within a second.
    config.layout.segment_bytes = 1 << 20;
    config.publish_interval = Duration::from_millis(300);
    config
}

fn genesis() -> Draft {
    Draft {
        kind: Kind::Genesis,
        facts: Bytes::from_static(b"genesis"),
        header: Bytes::new(),
        seal: None,
    }
}

/// The bytes of entry `index`: half of them hard to compress, none of them the same as another entry's.
fn sample(index: u64) -> Vec<u8> {
    let mut bytes = index.to_be_bytes().to_vec();
    let mut block = Digest::of(&bytes);
    while bytes.len() < ENTRY_BYTES {
        bytes.extend_from_slice(block.as_bytes());
        bytes.extend_from_slice(&[0x20; 32]);
        block = Digest::of(block.as_bytes());
    }
    bytes.truncate(ENTRY_BYTES);
    bytes
}

fn acks_file(path: &Path) -> Result<Mutex<File>, Failure> {
    Ok(Mutex::new(
        OpenOptions::new().create(true).append(true).open(path)?,
    ))
}

/// One write of whole records. The machine itself does not lose power here, so this file survives.
fn acknowledge(acks: &Mutex<File>, told: &[(u64, Digest)]) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(told.len() * ACK_BYTES);
    for (index, leaf) in told {
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(leaf.as_bytes());
    }
    acks.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .write_all(&bytes)?;
    Ok(())
}

fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// The same key in every run: the log must be opened by the key it was created with.
#[derive(Debug)]
struct TestKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl TestKey {
    fn new() -> Result<Self, Failure> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| "a seed is 32 bytes")?;
        let public = PublicKey::from_ed25519(pair.public_key().as_ref().try_into()?)?;
        Ok(Self { pair, public })
    }
}

impl Signer for TestKey {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
