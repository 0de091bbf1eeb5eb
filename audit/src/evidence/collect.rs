//! Collects a bundle from a log directory: finds the entries, proves each, adds the registry entries that they stand on.
//!
//! Takes an auditor's copy and what is wanted. Gives a [`Bundle`] whose every entry was proved against the log's key.
//! A log that does not hold makes a bundle all the same, for that is when one is needed: what a replay finds is counted
//! and told. Never keeps more than [`ENTRIES_MAX`] entries and [`BYTES_MAX`] bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use proto::registry::Registry;

use super::contents::{Contents, Item, Signed, Stamped};
use super::disclosed::{self, Disclosure};
use super::involved::Involved;
use super::judge::{About, judge, named};
use super::{BYTES_MAX, Bundle, ENTRIES_MAX, EvidenceError, TRUST_BYTES_MAX, stamped};
use crate::checkpoint::{self, LogKey};
use crate::policy::Policy;
use crate::replay::{self, Event, Filter};
use crate::tiles::published::read_published;
use crate::tiles::{TILE_WIDTH, TileReader, TileStore, read_bounded};
use crate::timestamp::Roots;
use crate::tree::{inclusion_proof, verify_inclusion};
use crate::verify::{OnProgress, VKEY_FILE};

/// Name of the file in the log directory that holds the witness policy.
const POLICY_FILE: &str = "witness.policy";

/// What somebody wants to have proved.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The log's key from elsewhere; without it the one beside the log.
    pub key: Option<LogKey>,
    /// Which entries. Endings of a wanted request come with it, and the request of a wanted ending.
    pub filter: Filter,
    /// All registry entries instead of those that the wanted ones stand on: proves that none was left out, and shows
    /// those of agencies that have no part in it.
    pub whole_registry: bool,
    /// What parties disclose.
    pub disclosed: Vec<Disclosure>,
    /// A witness policy; without it the one beside the log, if there is one.
    pub policy: Option<Bytes>,
    /// Certificates of time-stamp authorities, to be put into the bundle.
    pub time_roots: Option<Bytes>,
}

/// A bundle and how it came about.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The files.
    pub bundle: Bundle,
    /// Indexes of the entries that were wanted.
    pub wanted: Vec<u64>,
    /// Registry entries beside them.
    pub registry: usize,
    /// Whether all registry entries are in it.
    pub whole_registry: bool,
    /// Size of the time-stamped checkpoint, where there is one.
    pub stamped: Option<u64>,
    /// Errors that a replay of the whole log finds.
    pub log_errors: u64,
}

/// Collects what `wanted` wants from the log in `dir`.
///
/// # Errors
/// [`EvidenceError`].
pub fn collect(
    dir: &Path,
    wanted: Wanted,
    on_progress: OnProgress<'_>,
) -> Result<Collected, EvidenceError> {
    let key = key_of(dir, wanted.key)?;
    let policy = policy_of(dir, wanted.policy)?;
    if let Some(roots) = &wanted.time_roots {
        Roots::from_pem(roots).map_err(|error| EvidenceError::Trust {
            what: "the roots of time-stamp authorities",
            why: error.to_string(),
        })?;
    }
    let published = read_published(dir)
        .map_err(|error| EvidenceError::Log(error.to_string()))?
        .ok_or_else(|| EvidenceError::Log("no checkpoint was published yet".to_owned()))?;
    let says = checkpoint::open(&published.note, &key)
        .map_err(|error| EvidenceError::Log(error.to_string()))?;
    let checkpoint = Signed {
        note: published.note,
        says,
    };
    let mut found = find(dir, &key, &wanted.filter, on_progress)?;
    let log = Log {
        store: TileStore::new(dir),
        size: checkpoint.says.size,
    };
    let mut chosen = log.read(found.chosen.iter().copied())?;
    let before = found.chosen.len();
    let beside = chosen.iter().flat_map(|item| named(&item.entry));
    found
        .chosen
        .extend(beside.filter(|index| *index < log.size));
    if found.chosen.len() > before {
        chosen = log.read(found.chosen.iter().copied())?;
    }
    let (registry, whole_registry) =
        log.registry_for(&chosen, &found.registry, wanted.whole_registry)?;
    let last = chosen.last().map_or(0, |item| item.index);
    let mut stamped = stamped::covering(dir, last, log.size, &key)?;
    if let Some(stamped) = &mut stamped {
        stamped.roots = wanted.time_roots;
    }
    let mut items: BTreeMap<u64, Item> = BTreeMap::new();
    for item in chosen.into_iter().chain(registry) {
        items.insert(item.index, item);
    }
    let mut items: Vec<Item> = items.into_values().collect();
    log.prove(&mut items, &checkpoint, stamped.as_ref())?;
    let contents = Contents {
        disclosed: disclosed::open(&wanted.disclosed, &items)?,
        policy,
        // The one that is seen under the checkpoint; whoever holds another gets there by the entries.
        key: key.held_at(checkpoint.says.size),
        checkpoint,
        stamped,
        items,
    };
    let bundle = contents.to_bundle();
    if bundle
        .files
        .values()
        .map(|file| file.len() as u64)
        .sum::<u64>()
        > BYTES_MAX
    {
        return Err(EvidenceError::TooMuch);
    }
    Ok(Collected {
        bundle,
        registry: contents.items.len() - found.chosen.len(),
        wanted: found.chosen.into_iter().collect(),
        whole_registry,
        stamped: contents.stamped.map(|stamped| stamped.checkpoint.says.size),
        log_errors: found.errors,
    })
}

fn key_of(dir: &Path, given: Option<LogKey>) -> Result<LogKey, EvidenceError> {
    let wrong = |error: &dyn std::fmt::Display| EvidenceError::Log(format!("{VKEY_FILE}: {error}"));
    let key = match given {
        Some(key) => key,
        None => {
            let text =
                read_bounded(&dir.join(VKEY_FILE), 4 * 1024).map_err(|error| wrong(&error))?;
            LogKey::from_vkey(&String::from_utf8_lossy(&text)).map_err(|error| wrong(&error))?
        }
    };
    key.follow_beside(dir)
        .map_err(|error| EvidenceError::Log(error.to_string()))?;
    Ok(key)
}

/// The policy to put in: a file that is none helps nobody.
fn policy_of(dir: &Path, given: Option<Bytes>) -> Result<Option<Bytes>, EvidenceError> {
    let wrong = |error: &dyn std::fmt::Display| EvidenceError::Trust {
        what: POLICY_FILE,
        why: error.to_string(),
    };
    let policy = match given {
        Some(policy) => policy,
        None => match read_bounded(&dir.join(POLICY_FILE), TRUST_BYTES_MAX) {
            Ok(policy) => policy.into(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&error)),
        },
    };
    Policy::parse(&policy).map_err(|error| wrong(&error))?;
    Ok(Some(policy))
}

/// What one replay of the log finds.
struct Found {
    /// The wanted entries, and with each the whole exchange.
    chosen: BTreeSet<u64>,
    /// All registry entries.
    registry: Vec<u64>,
    errors: u64,
}

fn find(
    dir: &Path,
    key: &LogKey,
    filter: &Filter,
    on_progress: OnProgress<'_>,
) -> Result<Found, EvidenceError> {
    let mut chosen = BTreeSet::new();
    let mut registry = Vec::new();
    let mut on_event = |event: &Event| {
        if event.kind.is_registry() {
            registry.push(event.index);
        }
        let of_chosen = event
            .request_index
            .is_some_and(|request| chosen.contains(&request));
        // Past the limit nothing is kept, and the limit is what is told.
        if chosen.len() <= ENTRIES_MAX && (of_chosen || filter.admits(event)) {
            chosen.insert(event.index);
            chosen.extend(event.request_index);
        }
    };
    let options = replay::Options {
        key: Some(key.clone()),
        on_progress: Some(on_progress),
        on_event: Some(&mut on_event),
        ..Default::default()
    };
    let report = replay::replay(dir, options);
    // An index that an entry claims and that is not there.
    chosen.retain(|index| *index < report.files.checkpoint.as_ref().map_or(0, |c| c.size));
    match chosen.len() {
        0 => Err(EvidenceError::Nothing),
        1..=ENTRIES_MAX => Ok(Found {
            chosen,
            registry,
            errors: report.files.findings.errors() + report.findings.errors(),
        }),
        _ => Err(EvidenceError::TooMuch),
    }
}

/// The log's files at one size.
struct Log {
    store: TileStore,
    size: u64,
}

impl Log {
    /// The entries at `indexes`, which ascend; one bundle in memory at a time.
    fn each(
        &self,
        indexes: impl Iterator<Item = u64>,
        mut take: impl FnMut(Item) -> Result<(), EvidenceError>,
    ) -> Result<(), EvidenceError> {
        let width = u64::from(TILE_WIDTH);
        let mut indexes = indexes.peekable();
        while let Some(first) = indexes.peek().copied() {
            let end = (first / width + 1) * width;
            for read in self.store.read_entries(first..end, self.size) {
                let (index, bytes) = read.map_err(|error| EvidenceError::Unproven {
                    index: first,
                    what: error.to_string(),
                })?;
                if indexes.next_if_eq(&index).is_some() {
                    let item = Item::read(index, bytes);
                    take(item.map_err(|what| EvidenceError::Unproven { index, what })?)?;
                }
                if indexes.peek().is_none_or(|next| *next >= end) {
                    break;
                }
            }
            // What the files do not have: told, and never asked for twice.
            if let Some(index) = indexes.next_if(|next| *next < end) {
                let what = "it is not there".to_owned();
                return Err(EvidenceError::Unproven { index, what });
            }
        }
        Ok(())
    }

    fn read(&self, indexes: impl Iterator<Item = u64>) -> Result<Vec<Item>, EvidenceError> {
        let mut items = Vec::new();
        let mut bytes = 0;
        self.each(indexes, |item| {
            bytes += item.bytes.len() as u64;
            items.push(item);
            if items.len() > ENTRIES_MAX || bytes > BYTES_MAX {
                return Err(EvidenceError::TooMuch);
            }
            Ok(())
        })?;
        Ok(items)
    }

    /// The registry entries that `chosen` stand on, and whether they are all that there are.
    fn registry_for(
        &self,
        chosen: &[Item],
        registry: &[u64],
        whole: bool,
    ) -> Result<(Vec<Item>, bool), EvidenceError> {
        if !whole {
            let some = self.relevant(chosen, registry)?;
            if stands_alone(chosen, &some) {
                let whole = some.len() == registry.len();
                return Ok((some, whole));
            }
        }
        // Asked for, or what was chosen does not fold by itself, as in a log whose registry does not hold.
        Ok((self.read(registry.iter().copied())?, true))
    }

    fn relevant(&self, chosen: &[Item], registry: &[u64]) -> Result<Vec<Item>, EvidenceError> {
        let mut involved = Involved::default();
        for item in chosen {
            involved.note(&item.entry);
        }
        let mut whole = Registry::empty();
        self.each(registry.iter().copied(), |item| {
            // What does not fold is the replay's finding, and changes nothing here.
            let _ = whole.apply(item.index, &item.entry);
            Ok(())
        })?;
        involved.follow(&whole);
        drop(whole);
        let mut kept = Vec::new();
        self.each(registry.iter().copied(), |item| {
            if involved.keeps(&item.entry) {
                kept.push(item.index);
            }
            Ok(())
        })?;
        self.read(kept.into_iter())
    }

    /// Adds the proofs, each verified.
    fn prove(
        &self,
        items: &mut [Item],
        checkpoint: &Signed,
        stamped: Option<&Stamped>,
    ) -> Result<(), EvidenceError> {
        let reader = self.store.reader(self.size);
        for item in items {
            item.proof = proof_under(&reader, item, checkpoint)?;
            if let Some(stamped) = stamped
                && !item.entry.kind.is_registry()
            {
                item.stamped_proof = Some(proof_under(&reader, item, &stamped.checkpoint)?);
            }
        }
        Ok(())
    }
}

fn proof_under(
    reader: &TileReader,
    item: &Item,
    checkpoint: &Signed,
) -> Result<Vec<proto::Digest>, EvidenceError> {
    let unproven = |what: String| EvidenceError::Unproven {
        index: item.index,
        what,
    };
    let head = checkpoint.says.head();
    let proof = inclusion_proof(reader, item.index, head.size)
        .map_err(|error| unproven(error.to_string()))?;
    verify_inclusion(&item.leaf, item.index, head.size, &proof, &head.root)
        .map_err(|error| unproven(error.to_string()))?;
    Ok(proof)
}

/// Whether the registry entries fold without the others.
fn stands_alone(chosen: &[Item], registry: &[Item]) -> bool {
    let items: BTreeMap<u64, &Item> = chosen
        .iter()
        .chain(registry)
        .map(|item| (item.index, item))
        .collect();
    judge(items.into_values()).first(About::Registry).is_none()
}
