//! The forger: an operator with the real log key, who mends what can be mended.
//!
//! Takes the entries of the honest log; gives forged log directories in which hashes, tiles, checkpoint and the
//! switch's own facts fit together as far as somebody without the agencies' keys can make them. Nothing outside this
//! demo calls it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use adapters::FileSigner;
use audit::checkpoint::{Checkpoint, read_unverified};
use audit::tiles::published::publish;
use audit::tiles::{TileStore, durable};
use audit::tree::{Edge, TreeHead};
use audit::verify::VKEY_FILE;
use bytes::Bytes;
use proto::act::KeyBinding;
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::facts::{self, EpochFacts, ExchangeFacts, RegistryFacts};
use proto::header::RequestHeader;
use proto::id::Part;
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;

use super::outsiders::Looked;
use super::rows::Deed;
use crate::demo::evidence::copy_log;
use crate::failure::Failure;

mod events;
mod review;
mod ways;

use ways::{Lent, names_a_request};

/// Everything that a forger has.
#[derive(Debug)]
pub(super) struct Forge {
    log: std::path::PathBuf,
    vkey: String,
    origin: String,
    signer: FileSigner,
    lent: Lent,
    entries: Vec<Entry>,
    /// The checkpoint that outsiders saw in the middle of the story, and later.
    middle: Looked,
    late: Looked,
}

impl Forge {
    /// With the switch's own key, over its own log.
    pub(super) fn open(
        dir: &Path,
        log: &Path,
        (middle, late): (Looked, Looked),
    ) -> Result<Self, Failure> {
        let signer =
            FileSigner::load(&dir.join("switch/keys/log.key")).map_err(Failure::unavailable)?;
        let note = fs::read(log.join("checkpoint")).map_err(Failure::unavailable)?;
        let checkpoint = read_unverified(&note).map_err(Failure::unavailable)?;
        let entries = TileStore::new(log)
            .read_entries(0..checkpoint.size, checkpoint.size)
            .map(|entry| {
                let (_, bytes) = entry.map_err(Failure::unavailable)?;
                Entry::decode(&bytes).map_err(Failure::unavailable)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            log: log.to_owned(),
            vkey: fs::read_to_string(log.join(VKEY_FILE)).map_err(Failure::unavailable)?,
            origin: checkpoint.origin,
            signer,
            lent: Lent::new(dir.join("agencies")),
            entries,
            middle,
            late,
        })
    }

    /// Does `deed` to a copy of the log in `place`.
    pub(super) fn make(&self, deed: Deed, place: &Path) -> Result<(), Failure> {
        let all = self.entries.clone();
        match deed {
            Deed::Nothing => copy_log(&self.log, place),
            Deed::Alter | Deed::Drop | Deed::Insert | Deed::Swap => self.in_a_bundle(deed, place),
            Deed::Truncate => {
                self.build(place, &all[..self.middle.size()])?;
                fs::write(place.join("checkpoint"), &self.middle.note).map_err(Failure::unavailable)
            }
            // Down to the last whole exchange before what outsiders saw last.
            Deed::TruncateAndResign => {
                let end = self.late.size() - 1;
                let end = (0..end)
                    .rev()
                    .find(|at| all[*at].kind == Kind::Request)
                    .unwrap_or(end);
                self.build(place, &all[..end])
            }
            Deed::Fork => self.build(place, &self.another_ending(all)?),
            Deed::RollBack => self.build(place, &self.gone_on(all)),
            Deed::BackDate => self.build(place, &self.back_dated(all)?),
            Deed::Forward => self.build(place, &self.without(&self.last_exchange()?)?),
            Deed::Hide => self.build(place, &self.without(&self.middle_exchange()?)?),
            Deed::MintKey => self.build(place, &self.with_a_key(all)?),
            Deed::ForgeReview => self.build(place, &self.with_a_review(all)?),
            Deed::Way(way) => self.build(place, &self.in_a_way(way)?),
            Deed::Event(lie) => self.build(place, &self.with_a_lie(lie, all)?),
            Deed::DeleteTiles => {
                copy_log(&self.log, place)?;
                let tiles = place.join("tile/0");
                fs::remove_dir_all(tiles).map_err(Failure::unavailable)
            }
        }
    }

    /// Without the log key: bytes of the bundle alone.
    fn in_a_bundle(&self, deed: Deed, place: &Path) -> Result<(), Failure> {
        copy_log(&self.log, place)?;
        let size = self.entries.len() as u64;
        let bundle = audit::tiles::TilePath::entries(0)
            .at_size(size)
            .ok_or_else(|| Failure::unavailable("an empty log"))?;
        let mut entries = TileStore::new(place)
            .read_bundle(bundle)
            .map_err(Failure::unavailable)?;
        let at = entries.len() / 2;
        match deed {
            Deed::Alter => {
                let mut bytes = entries[at].to_vec();
                // In the facts: a changed decision.
                bytes[Stamp::LEN + 8] ^= 1;
                entries[at] = bytes.into();
            }
            Deed::Drop => drop(entries.remove(at)),
            Deed::Insert => entries.insert(at, entries[at].clone()),
            _ => entries.swap(at, at + 1),
        }
        let mut bytes = Vec::new();
        for entry in &entries {
            let _ = audit::tiles::bundle::push(&mut bytes, entry);
        }
        fs::write(TileStore::new(place).file(bundle), bytes).map_err(Failure::unavailable)
    }

    /// The exchange asked last, which no outsider but its parties saw.
    fn last_exchange(&self) -> Result<Digest, Failure> {
        let last = self
            .entries
            .iter()
            .rposition(|entry| entry.kind == Kind::Request);
        self.leaf(last)
    }

    /// The first exchange that was answered.
    fn middle_exchange(&self) -> Result<Digest, Failure> {
        let answered = |entry: &Entry| {
            facts::exchange(&entry.facts).is_ok_and(|facts| facts.code == "answered")
        };
        let closing = self
            .entries
            .iter()
            .find(|entry| entry.kind == Kind::Closing && answered(entry));
        let request = closing.and_then(|closing| facts::exchange(&closing.facts).ok());
        let leaf = request.and_then(|facts| Digest::from_slice(&facts.request_leaf));
        leaf.ok_or_else(|| Failure::unavailable("the story has no answered exchange"))
    }

    fn leaf(&self, at: Option<usize>) -> Result<Digest, Failure> {
        let entry = at.and_then(|at| self.entries.get(at));
        entry
            .and_then(|entry| entry.leaf().ok())
            .ok_or_else(|| Failure::unavailable("the story has no exchange"))
    }

    /// The log without the exchange of the request `hidden`, every index behind it mended.
    fn without(&self, hidden: &Digest) -> Result<Vec<Entry>, Failure> {
        let mut kept = Vec::new();
        // What a request's leaf and index became.
        let mut moved: HashMap<Digest, (u64, Digest)> = HashMap::new();
        for entry in &self.entries {
            let old = entry.leaf().map_err(Failure::unavailable)?;
            let mut entry = entry.clone();
            if old == *hidden {
                continue;
            }
            if names_a_request(entry.kind) {
                let mut facts = facts::exchange(&entry.facts).map_err(Failure::unavailable)?;
                if facts.request_leaf[..] == hidden.0[..] {
                    continue;
                }
                let request =
                    Digest::from_slice(&facts.request_leaf).and_then(|old| moved.get(&old));
                if let Some((index, leaf)) = request {
                    facts.request_index = *index;
                    facts.request_leaf = Bytes::copy_from_slice(leaf.as_bytes());
                }
                entry.facts = facts::encode(&facts);
            }
            if entry.kind.is_event() {
                entry.facts = events::renamed(&entry, |_, old| {
                    moved.get(&Digest::from_slice(old)?).copied()
                })?;
            }
            let leaf = entry.leaf().map_err(Failure::unavailable)?;
            moved.insert(old, (kept.len() as u64, leaf));
            kept.push(entry);
        }
        Ok(kept)
    }

    /// The same log with another ending of the last exchange that outsiders saw.
    fn another_ending(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
        let seen = self.late.size();
        let last = entries[..seen]
            .iter_mut()
            .rev()
            .find(|entry| entry.kind == Kind::Closing)
            .ok_or_else(|| Failure::unavailable("the story has no exchange"))?;
        let facts = facts::exchange(&last.facts).map_err(Failure::unavailable)?;
        last.facts = facts::encode(&ExchangeFacts {
            provider_us: facts.provider_us + 1,
            ..facts
        });
        Ok(entries)
    }

    /// The log up to the middle, and something else behind it until it is longer than it was.
    fn gone_on(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let (size, middle) = (entries.len(), self.middle.size());
        let refusals: Vec<Entry> = entries[..middle]
            .iter()
            .filter(|entry| entry.kind == Kind::Refusal)
            .cloned()
            .collect();
        entries.truncate(middle);
        // Refusals need no agency: the switch may say of anybody that it refused.
        let stamp = entries[middle - 1].stamp;
        for at in 0..=(size - middle) {
            let mut entry = refusals[at % refusals.len()].clone();
            let registry = stamp_after(&entries, stamp);
            entry.stamp = registry;
            entries.push(entry);
        }
        entries
    }

    /// What was recorded after the middle, stamped as if it had been there before: as early as can be, since time in a log
    /// never runs backwards, and agencies sealed what stands at its beginning.
    fn back_dated(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
        let middle = self.middle.size();
        let early = entries[middle - 1].stamp.recorded_at_us;
        for entry in &mut entries[middle..] {
            let back_us = entry.stamp.recorded_at_us - early;
            entry.stamp.recorded_at_us = early;
            if entry.kind.is_exchange() {
                let facts = facts::exchange(&entry.facts).map_err(Failure::unavailable)?;
                let decided_at_ms = facts.decided_at_ms - back_us / 1_000;
                entry.facts = facts::encode(&ExchangeFacts {
                    decided_at_ms: decided_at_ms.min(early / 1_000),
                    ..facts
                });
            }
        }
        Ok(entries)
    }

    /// One entry more: a key for an agency, under an authority key of the forger's own.
    fn with_a_key(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
        let asked = entries.iter().find(|entry| entry.kind == Kind::Request);
        let asked = asked.and_then(|entry| RequestHeader::open(&entry.header).ok());
        let system = asked
            .ok_or_else(|| Failure::unavailable("the story has no exchange"))?
            .consumer;
        let mut binding = KeyBinding {
            system,
            adapter: Part::parse("minted").map_err(Failure::unavailable)?,
            key: self.signer.key().clone(),
            issued_at_ms: entries[entries.len() - 1].stamp.recorded_at_ms(),
            possession: Bytes::new(),
        };
        let seal = |label: &str, bytes: &[u8]| {
            Seal::one(label, &self.origin, bytes, &self.signer).map_err(Failure::unavailable)
        };
        binding.possession = seal(label::POSSESSION, &binding.possession_bytes())?.cose;
        let header = binding.encode();
        let draft = Draft {
            kind: Kind::KeyBound,
            facts: facts::encode(&RegistryFacts::default()),
            seal: Some(seal(label::AUTHORITY, &header)?),
            header,
        };
        let stamp = stamp_after(&entries, entries[entries.len() - 1].stamp);
        entries.push(Entry::new(draft, stamp));
        Ok(entries)
    }

    /// Builds tree, tiles and checkpoint over `entries`, signed with the real key.
    fn build(&self, place: &Path, entries: &[Entry]) -> Result<(), Failure> {
        let entries = restamped(entries)?;
        durable::create_dirs(place).map_err(Failure::unavailable)?;
        fs::write(place.join(VKEY_FILE), &self.vkey).map_err(Failure::unavailable)?;
        let mut edge = Edge::new();
        entries.iter().for_each(|bytes| edge.push(leaf_hash(bytes)));
        let mut writer = TileStore::new(place).writer();
        let given = entries.into_iter().map(Ok);
        writer
            .write_for(TreeHead::empty(), edge.head(), given)
            .map_err(Failure::unavailable)?;
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: edge.size(),
            root: edge.root(),
        };
        let signed = checkpoint
            .sign(&self.signer)
            .map_err(Failure::unavailable)?;
        publish(place, None, &signed.note).map_err(Failure::unavailable)?;
        Ok(())
    }
}

/// A stamp that may follow `entries`, at the time of `like`.
fn stamp_after(entries: &[Entry], like: Stamp) -> Stamp {
    let time = entries.last().map_or(0, |entry| entry.stamp.recorded_at_us);
    Stamp {
        recorded_at_us: time.max(like.recorded_at_us),
        ..like
    }
}

/// The bytes of `entries`, each stamp naming the registry that stands before it, each ending naming its request.
fn restamped(entries: &[Entry]) -> Result<Vec<Bytes>, Failure> {
    let (mut tree, mut registry) = (Edge::new(), Edge::new());
    let mut leaves: Vec<Digest> = Vec::with_capacity(entries.len());
    let mut out = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut entry = entry.clone();
        entry.stamp.registry_size = registry.size();
        entry.stamp.registry_root = registry.root();
        if entry.kind == Kind::Epoch {
            let facts = facts::epoch(&entry.facts).map_err(Failure::unavailable)?;
            entry.facts = facts::encode(&EpochFacts {
                previous_size: tree.size(),
                previous_root: Bytes::copy_from_slice(tree.root().as_bytes()),
                ..facts
            });
        }
        if names_a_request(entry.kind) {
            let facts = facts::exchange(&entry.facts).map_err(Failure::unavailable)?;
            let leaf = usize::try_from(facts.request_index)
                .ok()
                .and_then(|at| leaves.get(at));
            if let Some(leaf) = leaf {
                entry.facts = facts::encode(&ExchangeFacts {
                    request_leaf: Bytes::copy_from_slice(leaf.as_bytes()),
                    ..facts
                });
            }
        }
        if entry.kind.is_event() {
            entry.facts = events::renamed(&entry, |index, old| {
                let leaf = *leaves.get(usize::try_from(index).ok()?)?;
                (!old.is_empty()).then_some((index, leaf))
            })?;
        }
        let bytes = entry.encode().map_err(Failure::unavailable)?;
        let leaf = leaf_hash(&bytes);
        if entry.kind.is_registry() {
            registry.push(leaf);
        }
        tree.push(leaf);
        leaves.push(leaf);
        out.push(bytes);
    }
    Ok(out)
}
