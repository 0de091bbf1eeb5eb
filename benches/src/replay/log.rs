//! A log as a switch writes one: a registry of a few agencies, then exchanges, each a request and an answer under real
//! seals, two and a half milliseconds apart. Written as tiles and bundles with a signed checkpoint, without a store.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use audit::checkpoint::{Checkpoint, LogKey};
use audit::tiles::published::publish;
use audit::tiles::{TileStore, TileWriter};
use audit::tree::{Edge, TreeHead};
use audit::verify::VKEY_FILE;
use bytes::Bytes;
use proto::commitment::{Commitment, Salt};
use proto::digest::{Digest, leaf_hash};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, AnswerStatus, RequestHeader, Seen};
use proto::id::{AgencyId, ExchangeId, Part, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::registry::Registry;
use proto::seal::Seal;

use crate::authorise::country::Key;

mod founding;

const ORIGIN: &str = "switch.example/log";
const NOW_MS: u64 = 1_795_000_000_000;
/// Agencies; each asks every other one.
const AGENCIES: usize = 6;
/// Microseconds between two exchanges.
const STEP_US: u64 = 2_500;
/// Entries that wait to be written.
const PENDING: usize = 32_768;
/// Fields of each service, and those that are asked for.
const FIELDS: [&str; 6] = [
    "address",
    "birth_date",
    "governorate",
    "income",
    "name_ar",
    "name_en",
];

/// A log that was written.
pub(super) struct Written {
    pub(super) dir: PathBuf,
    pub(super) key: LogKey,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Requests and answers.
    pub(super) sealed: u64,
}

struct Agency {
    number: usize,
    id: AgencyId,
    system: SystemId,
    authority: Key,
    seal: Key,
    sequence: u64,
}

struct Log {
    dir: PathBuf,
    signer: Key,
    writer: TileWriter,
    written: TreeHead,
    tree: Edge,
    pending: Vec<Bytes>,
    registry: Registry,
    registry_tree: Edge,
    registry_root: Digest,
    now_us: u64,
    bytes: u64,
    /// A checkpoint that was published, which headers have seen.
    seen: Option<Seen>,
}

/// Writes so many exchanges, `together` headers under each seal.
pub(super) fn write(dir: &Path, exchanges: u64, together: usize) -> anyhow::Result<Written> {
    std::fs::create_dir_all(dir)?;
    let mut log = Log::create(dir)?;
    let (mut agencies, agreements) = log.found()?;
    let mut done = 0;
    let mut round = 0;
    while done < exchanges {
        let (consumer, provider) = (round % AGENCIES, (round + 1 + round / AGENCIES) % AGENCIES);
        round += 1;
        if consumer == provider {
            continue;
        }
        let count = (exchanges - done).min(together as u64);
        let agreement = agreements[consumer * AGENCIES + provider];
        log.exchanges(&mut agencies, consumer, provider, agreement, count)?;
        done += count;
    }
    log.finish(2 * exchanges)
}

impl Log {
    fn create(dir: &Path) -> anyhow::Result<Self> {
        let registry_tree = Edge::new();
        Ok(Self {
            dir: dir.to_owned(),
            signer: Key::make()?,
            writer: TileStore::new(dir).writer(),
            written: TreeHead::empty(),
            tree: Edge::new(),
            pending: Vec::with_capacity(PENDING),
            registry: Registry::empty(),
            registry_root: registry_tree.root(),
            registry_tree,
            now_us: NOW_MS * 1_000,
            bytes: 0,
            seen: None,
        })
    }

    fn append(
        &mut self,
        kind: Kind,
        facts: Bytes,
        header: Bytes,
        seal: Seal,
    ) -> anyhow::Result<(u64, Digest)> {
        let draft = Draft {
            kind,
            facts,
            header,
            seal: Some(seal),
        };
        let stamp = Stamp {
            recorded_at_us: self.now_us,
            broker: 1,
            registry_size: self.registry_tree.size(),
            registry_root: self.registry_root,
        };
        let entry = Entry::new(draft, stamp);
        let bytes = entry.encode()?;
        let (index, leaf) = (self.tree.size(), leaf_hash(&bytes));
        self.tree.push(leaf);
        if kind.is_registry() {
            self.registry.apply(index, &entry)?;
            self.registry_tree.push(leaf);
            self.registry_root = self.registry_tree.root();
        }
        self.bytes += bytes.len() as u64;
        self.pending.push(bytes);
        if self.pending.len() == PENDING {
            self.flush()?;
        }
        Ok((index, leaf))
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let head = self.tree.head();
        let entries = std::mem::take(&mut self.pending);
        self.writer
            .write_for(self.written, head, entries.into_iter().map(Ok))?;
        self.writer
            .remove_superseded(self.written.size, head.size)?;
        self.written = head;
        self.seen = Some(Seen {
            size: head.size,
            root: head.root,
        });
        Ok(())
    }

    /// So many exchanges between two: the requests under one seal, the answers under another.
    fn exchanges(
        &mut self,
        agencies: &mut [Agency],
        consumer: usize,
        provider: usize,
        agreement: Digest,
        count: u64,
    ) -> anyhow::Result<()> {
        let provided = agencies[provider].system.clone();
        let asking = &mut agencies[consumer];
        let headers = self.requests(asking, &provided, agreement, count)?;
        let seals = self.sealed(
            label::REQUEST,
            &headers,
            RequestHeader::encode,
            &asking.seal,
        )?;
        let mut answers = Vec::new();
        let mut facts = Vec::new();
        for (header, (bytes, seal)) in headers.iter().zip(seals) {
            self.now_us += STEP_US;
            answers.push(AnswerHeader {
                exchange_id: header.exchange_id,
                request_header: Digest::of(&bytes),
                request_seal: Digest::of(&seal.cose),
                status: AnswerStatus::Answered,
                fields: fields()?,
                answered_at_ms: self.now_us / 1_000,
                payload: Commitment::new("application/json", b"{}", &Salt([2; 32])),
                seen: self.seen,
            });
            let mut own = ExchangeFacts {
                decided_at_ms: self.now_us / 1_000,
                agreement: agreement.0.to_vec().into(),
                grant: 1,
                quota_used: 1,
                ..ExchangeFacts::default()
            };
            let (index, leaf) = self.append(Kind::Request, facts::encode(&own), bytes, seal)?;
            own.quota_used = 0;
            own.code = "answered".to_owned();
            own.request_index = index;
            own.request_leaf = leaf.0.to_vec().into();
            facts.push(own);
        }
        let providing = &agencies[provider];
        let seals = self.sealed(
            label::ANSWER,
            &answers,
            AnswerHeader::encode,
            &providing.seal,
        )?;
        for (mut own, (bytes, seal)) in facts.into_iter().zip(seals) {
            own.decided_at_ms = self.now_us / 1_000;
            self.append(Kind::Closing, facts::encode(&own), bytes, seal)?;
        }
        Ok(())
    }

    fn requests(
        &self,
        asking: &mut Agency,
        provider: &SystemId,
        agreement: Digest,
        count: u64,
    ) -> anyhow::Result<Vec<RequestHeader>> {
        let service = provider.service(&part("persons.v1")?);
        let known = self.registry.service(&service);
        let contract = known.ok_or_else(|| anyhow!("no such service"))?.contract;
        let mut header = || -> anyhow::Result<RequestHeader> {
            asking.sequence += 1;
            Ok(RequestHeader {
                exchange_id: id(asking.number, asking.sequence)?,
                attempt_of: None,
                // Unlike any other agency's; there are fewer than 256.
                run_id: [asking.number as u8; 16],
                sequence: asking.sequence,
                consumer: asking.system.clone(),
                provider: provider.clone(),
                service: part("persons.v1")?,
                operation: part("lookup")?,
                contract,
                purpose: part("takaful")?,
                agreement: Some(agreement),
                delegation: Vec::new(),
                external_id_hash: None,
                case_reference: None,
                subjects: Vec::new(),
                actor: Some(Digest::of(b"a clerk")),
                fields: fields()?,
                issued_at_ms: self.now_us / 1_000,
                deadline_ms: 10_000,
                payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
                seen: self.seen,
            })
        };
        (0..count).map(|_| header()).collect()
    }

    fn sealed<T>(
        &self,
        label: &str,
        headers: &[T],
        encode: impl Fn(&T) -> Bytes,
        signer: &Key,
    ) -> anyhow::Result<Vec<(Bytes, Seal)>> {
        let bytes: Vec<Bytes> = headers.iter().map(encode).collect();
        let slices: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
        let seals = Seal::batch(label, ORIGIN, &slices, signer)?;
        Ok(bytes.into_iter().zip(seals).collect())
    }

    fn finish(mut self, sealed: u64) -> anyhow::Result<Written> {
        self.flush()?;
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.written.size,
            root: self.written.root,
        };
        publish(&self.dir, None, &checkpoint.sign(&self.signer)?.note)?;
        let key = LogKey::new(ORIGIN, self.signer.key())?;
        std::fs::write(self.dir.join(VKEY_FILE), format!("{}\n", key.to_vkey()))?;
        Ok(Written {
            dir: self.dir,
            key,
            entries: self.written.size,
            bytes: self.bytes,
            sealed,
        })
    }
}

fn id(consumer: usize, sequence: u64) -> anyhow::Result<ExchangeId> {
    let text = format!("0190a1b2-c3d4-7e5f-8{consumer:03x}-{sequence:012x}");
    ExchangeId::parse(&text).ok_or_else(|| anyhow!("'{text}' is no exchange id"))
}

fn fields() -> anyhow::Result<Vec<Part>> {
    FIELDS.iter().map(|field| part(field)).collect()
}

fn part(text: &str) -> anyhow::Result<Part> {
    Ok(Part::parse(text)?)
}
