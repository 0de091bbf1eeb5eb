//! The checks: what each outsider does with a log directory that it is shown, with what it holds.

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::Checkpoint;
use audit::clock::Clock;
use audit::reconcile::{self, reconcile};
use audit::replay;
use audit::tiles::TileStore;
use audit::tiles::published::read_published;
use audit::tree::{TreeHead, consistency_proof, verify_consistency};
use audit::verify::Severity;
use audit::witness::request::AddCheckpoint;
use audit::witness::{Event, Witness};
use bytes::Bytes;
use proto::entry::Entry;
use proto::id::ExchangeId;
use proto::registry::Registry;
use serde_json::Value;

use super::{Caught, Outsider, Outsiders, WITNESSES};
use crate::failure::Failure;

/// How far a stamp may lie before a witness's clock. Here both are one clock; two that are set and not equal need more.
const TOLERANCE_US: u64 = 1_000_000;

impl Outsiders {
    /// Everything that somebody objects to in the log directory `place`. Of the exchange `unreceipted` the consumer holds
    /// what it sealed and no receipt, and the provider, who answers nobody without one, nothing.
    pub(in crate::demo::tampering) fn examine(
        &self,
        place: &Path,
        unreceipted: Option<ExchangeId>,
    ) -> Result<Vec<Caught>, Failure> {
        let mut caught = Vec::new();
        self.audit(place, &mut caught);
        self.compare(place, &mut caught);
        self.witness(place, &mut caught)?;
        for (outsider, files) in [
            (Outsider::Consumer, &self.consumers),
            (Outsider::Provider, &self.providers),
        ] {
            let files = match unreceipted {
                Some(exchange) => without_receipts(files, exchange, outsider, place)?,
                None => files.clone(),
            };
            self.reconcile(outsider, &files, place, &mut caught)?;
        }
        fold(place, &mut caught);
        Ok(caught)
    }

    /// `audit replay --key`.
    fn audit(&self, place: &Path, caught: &mut Vec<Caught>) {
        let options = replay::Options {
            key: Some(self.key.clone()),
            ..Default::default()
        };
        let report = replay::replay(place, options);
        let errors = report
            .all_findings()
            .filter(|finding| finding.severity == Severity::Error);
        note(
            caught,
            Outsider::Auditor,
            errors.map(|finding| (finding.rule.to_owned(), finding.to_string())),
        );
    }

    /// Whether the log extends every checkpoint that was kept.
    fn compare(&self, place: &Path, caught: &mut Vec<Caught>) {
        let Some(now) = published(place) else { return };
        for look in &self.looks {
            let then = look.checkpoint.head();
            let check = match extends(place, then, &now) {
                _ if now.size < then.size => "shorter",
                Some(true) => continue,
                Some(false) => "forked",
                None => "unproven",
            };
            let detail = format!("{} entries were signed for, then {}", then.size, now.size);
            note(caught, Outsider::OlderCopy, [(check.to_owned(), detail)]);
        }
    }

    /// Whether each witness would cosign it, and whether stamps lie before a cosignature that did not cover them.
    fn witness(&self, place: &Path, caught: &mut Vec<Caught>) -> Result<(), Failure> {
        let Ok(bytes) = fs::read(place.join("checkpoint")) else {
            return Ok(());
        };
        let Some(now) = published(place) else {
            return Ok(());
        };
        for (name, home) in WITNESSES.iter().zip(&self.witnesses) {
            // Each log is shown to the witness as it was, not as the row before left it.
            let memory = place.join("witness");
            copy_folder(home, &memory)?;
            let event = ask(&self.open(name, &memory)?, place, &bytes, &now)?;
            fs::remove_dir_all(&memory).map_err(Failure::unavailable)?;
            let objection = match event {
                Event::Cosigned { .. } | Event::Failed(_) => continue,
                Event::Elsewhere {
                    size, submitted, ..
                } => (
                    "409",
                    format!("it cosigned {size} entries, {submitted} are shown"),
                ),
                Event::Inconsistent {
                    size, submitted, ..
                } => (
                    "422",
                    format!(
                        "the {size} entries that it cosigned are not the beginning of these {submitted}"
                    ),
                ),
                Event::Refused(what) => ("refused", what),
            };
            note(
                caught,
                Outsider::Witness,
                [(objection.0.to_owned(), objection.1)],
            );
        }
        let entries = TileStore::new(place).read_entries(0..now.size, now.size);
        for (index, bytes) in entries.map_while(Result::ok) {
            let Ok(entry) = Entry::decode(&bytes) else {
                continue;
            };
            let before = self.looks.iter().find(|look| {
                look.checkpoint.size <= index
                    && entry.stamp.recorded_at_us + TOLERANCE_US < look.at_us
            });
            if let Some(look) = before {
                let detail = format!(
                    "entry {index} was not among the {} cosigned then, and is stamped earlier",
                    look.checkpoint.size
                );
                note(
                    caught,
                    Outsider::Witness,
                    [("cosignature_time".to_owned(), detail)],
                );
                break;
            }
        }
        Ok(())
    }

    /// `audit reconcile --receipts`.
    fn reconcile(
        &self,
        outsider: Outsider,
        files: &[PathBuf],
        place: &Path,
        caught: &mut Vec<Caught>,
    ) -> Result<(), Failure> {
        let options = reconcile::Options {
            key: Some(self.key.clone()),
            ..Default::default()
        };
        let report = reconcile(place, files, options).map_err(Failure::unavailable)?;
        let errors = report
            .rows
            .iter()
            // A claim without a receipt convicts nobody by itself, and is an objection all the same.
            .filter(|row| {
                row.severity == Severity::Error || row.rule == reconcile::rule::UNRECORDED
            });
        note(
            caught,
            outsider,
            errors.map(|row| (row.rule.to_owned(), row.detail.clone())),
        );
        Ok(())
    }
}

/// Receipts as they would be had one exchange been forwarded without an entry.
fn without_receipts(
    files: &[PathBuf],
    exchange: ExchangeId,
    outsider: Outsider,
    place: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let id = exchange.to_string();
    let mut out = Vec::new();
    for file in files {
        let mut lines = String::new();
        for line in fs::read_to_string(file)
            .map_err(Failure::unavailable)?
            .lines()
        {
            let mut value: Value = serde_json::from_str(line).map_err(Failure::unavailable)?;
            if value["exchange_id"] == id.as_str() {
                if outsider == Outsider::Provider {
                    continue;
                }
                value["answer"] = Value::Null;
                value["request"]["index"] = Value::Null;
                value["request"]["receipt"] = Value::Null;
                value["outcome"] = Value::Null;
            }
            lines.push_str(&format!("{value}\n"));
        }
        let target = place.join(file.file_name().unwrap_or_default());
        fs::write(&target, lines).map_err(Failure::unavailable)?;
        out.push(target);
    }
    Ok(out)
}

/// One objection for each check, with the first of its details.
fn note(
    caught: &mut Vec<Caught>,
    outsider: Outsider,
    found: impl IntoIterator<Item = (String, String)>,
) {
    for (check, detail) in found {
        let known = |one: &Caught| one.outsider == outsider && one.check == check;
        if !caught.iter().any(known) {
            caught.push(Caught {
                outsider,
                check,
                detail,
            });
        }
    }
}

fn published(place: &Path) -> Option<Checkpoint> {
    Some(read_published(place).ok()??.checkpoint)
}

/// Whether the log of `place` begins with the tree `then`; `None` when its files do not say.
fn extends(place: &Path, then: TreeHead, now: &Checkpoint) -> Option<bool> {
    let tiles = TileStore::new(place).reader(now.size);
    let proof = consistency_proof(&tiles, then.size, now.size).ok()?;
    let proven = verify_consistency(then.size, &then.root, now.size, &now.root, &proof);
    Some(proven.is_ok())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(Failure::unavailable)?;
    for entry in fs::read_dir(from).map_err(Failure::unavailable)? {
        let path = entry.map_err(Failure::unavailable)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, target).map_err(Failure::unavailable)?;
        }
    }
    Ok(())
}

/// Asks a witness to cosign the checkpoint of `log`, with the best proof that its tiles give.
pub(super) fn ask(
    witness: &Witness,
    log: &Path,
    bytes: &[u8],
    checkpoint: &Checkpoint,
) -> Result<Event, Failure> {
    let held = witness
        .standings()
        .into_iter()
        .find_map(|standing| standing.last)
        .map_or(0, |last| last.checkpoint.size);
    let old = held.min(checkpoint.size);
    let tiles = TileStore::new(log).reader(checkpoint.size);
    let request = AddCheckpoint {
        old,
        proof: consistency_proof(&tiles, old, checkpoint.size).unwrap_or_default(),
        note: Bytes::copy_from_slice(bytes),
    };
    let now_s = Clock::System.now_ms() / 1_000;
    Ok(witness.add_checkpoint(&request.to_bytes(), now_s).event)
}

/// What every adapter does with the registry entries that it is given.
fn fold(place: &Path, caught: &mut Vec<Caught>) {
    let Some(now) = published(place) else { return };
    let mut registry = Registry::empty();
    let entries = TileStore::new(place).read_entries(0..now.size, now.size);
    for (index, bytes) in entries.map_while(Result::ok) {
        let Ok(entry) = Entry::decode(&bytes) else {
            return;
        };
        if !entry.kind.is_registry() {
            continue;
        }
        if let Err(error) = registry.apply(index, &entry) {
            note(
                caught,
                Outsider::Member,
                [("fold".to_owned(), format!("entry {index}: {error}"))],
            );
            return;
        }
    }
}
