//! Receipts against the log: does each prove itself, does the log have the same leaf there, does it extend what it signed?
//!
//! Takes lines in any order, of any number of sides. Gives marks for what agrees, and conflicts for what does not; the
//! walk through the log then says what became of each conflict. The tiles read here are claimed by the files; that they
//! make the signed tree is for [`crate::verify`], in the same run.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;

use bytes::Bytes;
use proto::digest::Digest;
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::header::{AnswerHeader, RequestHeader, TrailerHeader};
use proto::id::{ExchangeId, SystemId};
use proto::seal::Seal;

use super::line::{Half, Line, Role};
use super::marks::Marks;
use super::numbers::Numbers;
use super::{Has, Row, Rows, rule};
use crate::checkpoint::{Checkpoint, LogKey};
use crate::receipt::{Proven, Receipt, ReceiptError};
use crate::tiles::{TileReader, TileStore};
use crate::tree::{HashReader, TreeError, consistency_proof, verify_consistency};
use crate::verify::Severity;

/// Conflicts, and open requests, that are remembered; more are counted under their rules.
const REMEMBERED_MAX: usize = 100_000;
/// Checkpoints whose consistency is remembered.
const CHECKPOINTS_MAX: usize = 256;

/// What one side's receipts said.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Log entries that it holds a receipt of, or whose successor it holds.
    pub(super) marks: Marks,
    pub(super) exchanges: u64,
    pub(super) proven: u64,
    /// Unix time, microseconds, of the first and the last stamp.
    pub(super) span_us: Option<(u64, u64)>,
    /// Sealed requests without a receipt, with how they ended.
    pub(super) unreceipted: HashMap<ExchangeId, String>,
    /// Numbers sealed, of each key and run.
    pub(super) sealed: BTreeMap<(Digest, [u8; 16]), Numbers>,
}

/// A receipt that proves itself and is not what the log holds.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) index: u64,
    pub(super) sides: HashSet<Role>,
    /// Where the log has the exchange all the same.
    pub(super) elsewhere: Option<u64>,
    pub(super) detail: String,
}

/// All sides, compared with one log.
#[derive(Debug)]
pub(super) struct Against {
    pub(super) key: LogKey,
    now: Checkpoint,
    tiles: TileReader,
    pub(super) sides: BTreeMap<(SystemId, Role), Held>,
    pub(super) conflicts: HashMap<ExchangeId, Conflict>,
    pub(super) rows: Rows,
    /// Checkpoints by size, and whether the log extends them.
    known: VecDeque<(Checkpoint, Extends)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extends {
    Yes,
    No,
    /// It is larger than this copy of the log.
    Beyond,
}

impl Against {
    pub(super) fn new(dir: &Path, now: &Checkpoint, key: LogKey) -> Self {
        Self {
            key,
            tiles: TileStore::new(dir).reader(now.size),
            now: now.clone(),
            sides: BTreeMap::new(),
            conflicts: HashMap::new(),
            rows: Rows::default(),
            known: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sides.is_empty() && self.rows.by_rule.is_empty()
    }

    pub(super) fn malformed(&mut self, detail: &str) {
        let detail = detail.to_owned();
        self.rows.note(rule::MALFORMED, Severity::Error, detail);
    }

    /// Compares one line.
    pub(super) fn line(&mut self, line: &Line) {
        let side = self
            .sides
            .entry((line.system.clone(), line.role))
            .or_default();
        side.exchanges += 1;
        let request = match own_request(line) {
            Ok(request) => request,
            Err(reason) => return self.unproven(line, None, reason),
        };
        if let (Role::Consumer, Some((header, seal))) = (line.role, &request)
            && let Ok(seal) = seal.open()
        {
            let numbers = side.sealed.entry((seal.kid(), header.run_id)).or_default();
            numbers.insert(header.sequence);
        }
        let mut has_receipt = false;
        if let Some(receipt) = line
            .request
            .receipt
            .as_ref()
            .filter(|receipt| !receipt.checkpoint.is_empty())
        {
            has_receipt = true;
            self.own_entry(line, receipt);
        }
        if let Some(receipt) = &line.answer.receipt {
            has_receipt = true;
            self.ending(line, receipt);
        }
        if !has_receipt
            && let Some(side) = self.sides.get_mut(&(line.system.clone(), line.role))
            && side.unreceipted.len() < REMEMBERED_MAX
        {
            side.unreceipted.insert(line.exchange, line.outcome.clone());
        }
    }

    /// The entry of the request itself: a provider's receipt of it, or a consumer's of its refusal.
    fn own_entry(&mut self, line: &Line, receipt: &Receipt) {
        let Some((header, seal)) = &line.request.sealed else {
            return self.unproven(line, Some(receipt.index), "its request is not there");
        };
        // A refusal before the seal was verified records no bytes, only their digest.
        let refused = facts::exchange(&receipt.facts)
            .map(|facts| facts.refused_sha256)
            .unwrap_or_default();
        let proven = if receipt.kind == Kind::Refusal && !refused.is_empty() {
            if refused[..] != Digest::of(header).0 {
                return self.unproven(line, Some(receipt.index), "it refuses other bytes");
            }
            receipt.verify(&Bytes::new(), None, &self.key)
        } else {
            receipt.verify(header, Some(seal), &self.key)
        };
        match proven {
            Ok(proven) if proven.entry.kind.holds_request() => {
                self.compare(line, receipt.index, &proven);
            }
            Ok(_) => self.unproven(line, Some(receipt.index), "it is no request's"),
            Err(error) => self.not_proven(line, receipt, (header, Some(seal)), &error),
        }
    }

    /// A receipt that the key which signs at its size did not sign. Under one that was followed before, it is of another
    /// history than the one that both keys sealed, whoever made it.
    fn not_proven(
        &mut self,
        line: &Line,
        receipt: &Receipt,
        (header, seal): (&Bytes, Option<&Seal>),
        error: &ReceiptError,
    ) {
        let ended = self.key.ended().into_iter().find(|(key, _)| {
            receipt.verify(header, seal, key).is_ok()
                || receipt.verify(&Bytes::new(), None, key).is_ok()
        });
        let Some((key, followed)) = ended else {
            return self.unproven(line, Some(receipt.index), &error.to_string());
        };
        let detail = format!(
            "its checkpoint is signed by {} alone, although entry {followed} ended that key: a second history, or \
             somebody else has that key",
            key.to_vkey()
        );
        self.found(
            line,
            Some(receipt.index),
            rule::FORKED,
            Has::Unknown,
            detail,
        );
    }

    /// The closing entry, which names the request's index and leaf.
    fn ending(&mut self, line: &Line, receipt: &Receipt) {
        let index = Some(receipt.index);
        let (header, seal) = match &line.answer.sealed {
            Some((header, seal)) => (header.clone(), Some(seal)),
            None => (Bytes::new(), None),
        };
        let proven = match receipt.verify(&header, seal, &self.key) {
            Ok(proven)
                if matches!(
                    proven.entry.kind,
                    Kind::Closing | Kind::Late | Kind::Opening | Kind::Trailer
                ) =>
            {
                proven
            }
            Ok(_) => return self.unproven(line, index, "it ends nothing"),
            Err(error) => return self.not_proven(line, receipt, (&header, seal), &error),
        };
        let Ok(facts) = facts::exchange(&proven.entry.facts) else {
            return self.unproven(line, index, "its facts are malformed");
        };
        let named = match proven.entry.kind {
            _ if header.is_empty() => ExchangeId::from_slice(&facts.exchange_id),
            Kind::Trailer => TrailerHeader::open(&header)
                .ok()
                .map(|trailer| trailer.exchange_id),
            _ => AnswerHeader::open(&header)
                .ok()
                .map(|answer| answer.exchange_id),
        };
        if named != Some(line.exchange) {
            return self.unproven(line, index, "it is of another exchange");
        }
        // The consumer's own request is covered by it: the same leaf, from its own bytes.
        if let Some(own) = own_leaf(&line.request)
            && (Digest::from_slice(&facts.request_leaf) != Some(own.1)
                || facts.request_index != own.0)
        {
            return self.unproven(line, index, "its closing entry names another request");
        }
        let same = self.compare(line, receipt.index, &proven);
        if same && let Some(side) = self.sides.get_mut(&(line.system.clone(), line.role)) {
            side.marks.set(facts.request_index);
        }
    }

    /// Holds a proved receipt against the log; whether the log has the same.
    fn compare(&mut self, line: &Line, index: u64, proven: &Proven) -> bool {
        let recorded_us = proven.entry.stamp.recorded_at_us;
        if let Some(side) = self.sides.get_mut(&(line.system.clone(), line.role)) {
            side.proven += 1;
            let (first, last) = side.span_us.unwrap_or((recorded_us, recorded_us));
            side.span_us = Some((first.min(recorded_us), last.max(recorded_us)));
        }
        let then = &proven.checkpoint;
        let extends = match self.extends(then) {
            Ok(extends) => extends,
            Err(error) => {
                let detail = format!("the tree at size {}: {error}", then.size);
                self.rows.note(rule::UNREADABLE, Severity::Error, detail);
                return false;
            }
        };
        if index >= self.now.size {
            let detail = format!(
                "the log signed for entry {index} under size {}, and this copy ends at {}",
                then.size, self.now.size
            );
            self.found(line, Some(index), rule::BEYOND, Has::No, detail);
            return false;
        }
        match self.tiles.node(0, index) {
            Ok(leaf) if leaf == proven.leaf => {
                if let Some(side) = self.sides.get_mut(&(line.system.clone(), line.role)) {
                    side.marks.set(index);
                }
                if extends == Extends::No {
                    let detail = format!(
                        "the log of {} entries does not extend the {} that its key signed for",
                        self.now.size, then.size
                    );
                    self.found(line, Some(index), rule::FORKED, Has::Yes, detail);
                }
                true
            }
            Ok(_) => {
                self.conflict(line, index, then);
                false
            }
            Err(error) => {
                let detail = format!("leaf {index}: {error}");
                self.rows.note(rule::UNREADABLE, Severity::Error, detail);
                false
            }
        }
    }

    fn conflict(&mut self, line: &Line, index: u64, then: &Checkpoint) {
        let detail = format!(
            "its receipt proves entry {index} under the checkpoint of size {} that the log's key signed",
            then.size
        );
        if self.conflicts.len() >= REMEMBERED_MAX && !self.conflicts.contains_key(&line.exchange) {
            return self.found(line, Some(index), rule::ALTERED, Has::Unknown, detail);
        }
        let conflict = self
            .conflicts
            .entry(line.exchange)
            .or_insert_with(|| Conflict {
                index,
                sides: HashSet::new(),
                elsewhere: None,
                detail,
            });
        conflict.sides.insert(line.role);
    }

    /// Whether the log extends a checkpoint that its key signed.
    fn extends(&mut self, then: &Checkpoint) -> Result<Extends, TreeError> {
        if let Some((_, extends)) = self.known.iter().find(|(known, _)| known == then) {
            return Ok(*extends);
        }
        let extends = if then.size > self.now.size {
            Extends::Beyond
        } else {
            let proof = consistency_proof(&self.tiles, then.size, self.now.size)?;
            let (root, now) = (&then.root, &self.now);
            match verify_consistency(then.size, root, now.size, &now.root, &proof) {
                Ok(()) => Extends::Yes,
                Err(_) => Extends::No,
            }
        };
        if self.known.len() == CHECKPOINTS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((then.clone(), extends));
        Ok(extends)
    }

    fn unproven(&mut self, line: &Line, index: Option<u64>, reason: &str) {
        let detail = format!("the {}'s receipt does not hold: {reason}", line.role.name());
        self.found(line, index, rule::UNPROVEN, Has::Unknown, detail);
    }

    /// A finding about one side's line.
    fn found(
        &mut self,
        line: &Line,
        index: Option<u64>,
        rule: &'static str,
        log: Has,
        detail: String,
    ) {
        let has = |role| {
            if line.role == role {
                Has::Yes
            } else {
                Has::Unknown
            }
        };
        self.rows.add(Row {
            rule,
            severity: Severity::Error,
            exchange: Some(line.exchange),
            index,
            log,
            consumer: has(Role::Consumer),
            provider: has(Role::Provider),
            detail,
        });
    }
}

/// The request as its side holds it, where it does: of this exchange, and with this side's system in its place.
fn own_request(line: &Line) -> Result<Option<(RequestHeader, &Seal)>, &'static str> {
    let Some((header, seal)) = &line.request.sealed else {
        return Ok(None);
    };
    let header = RequestHeader::open(header).map_err(|_| "its request's header is malformed")?;
    let system = match line.role {
        Role::Consumer => &header.consumer,
        Role::Provider => &header.provider,
    };
    if header.exchange_id != line.exchange || *system != line.system {
        return Err("its request is of another exchange or system");
    }
    Ok(Some((header, seal)))
}

/// Index and leaf of a request entry, from the holder's own bytes and what the log gave for them.
fn own_leaf(request: &Half) -> Option<(u64, Digest)> {
    let (receipt, (header, seal)) = (request.receipt.as_ref()?, request.sealed.as_ref()?);
    let entry = Entry {
        kind: receipt.kind,
        stamp: receipt.stamp,
        facts: receipt.facts.clone(),
        header: header.clone(),
        seal: Some(seal.clone()),
    };
    Some((receipt.index, entry.leaf().ok()?))
}
