//! The log's keys: whether those that signed are those that the entries say.
//!
//! Takes the entries of a walk as they come, and the note of the published checkpoint. Compares each entry by which the
//! key was followed with what lies in `log.keys`, with its place and with the root before it; and the lines under the note
//! with the keys that sign at this size and time. What the fold says of such an entry, a replay tells.

use std::path::Path;

use bytes::Bytes;
use proto::Digest;
use proto::act::{Genesis, LogKeySuccession};
use proto::entry::{Entry, Kind};

use super::findings::{Findings, rule};
use super::walk::Reached;
use crate::checkpoint::{LogKey, SUCCESSIONS_FILE};
use crate::log_key::Succession;
use crate::note::{NoteKey, SignedNote};
use crate::tree::TreeHead;

/// Learns what lies beside the log; what cannot be used is a finding.
pub(super) fn follow_beside(dir: &Path, key: Option<&LogKey>, findings: &mut Findings) {
    if let Some(Err(error)) = key.map(|key| key.follow_beside(dir)) {
        findings.error(
            None,
            rule::LOG_KEY,
            format!("{SUCCESSIONS_FILE} beside the log: {error}"),
        );
    }
}

/// What a walk says of the log's keys.
#[derive(Debug)]
pub(super) struct LogKeys {
    key: Option<LogKey>,
    /// Entries by which the key was followed, in order.
    met: Vec<Rotation>,
    /// Whether entry 0 names another key.
    other_genesis: bool,
    /// Index and time, milliseconds, of the last entry.
    last: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Rotation {
    index: u64,
    entry: Entry,
    /// Head over the entries before it, where all are there.
    root_before: Option<Digest>,
}

impl LogKeys {
    pub(super) fn new(key: Option<LogKey>) -> Self {
        Self {
            key,
            met: Vec::new(),
            other_genesis: false,
            last: None,
        }
    }

    /// Takes the next entry.
    pub(super) fn see<T>(&mut self, reached: &Reached<'_, T>) {
        let entry = reached.entry;
        self.last = Some((reached.index, entry.stamp.recorded_at_ms()));
        match entry.kind {
            Kind::LogKeySucceeded => self.met.push(Rotation {
                index: reached.index,
                entry: entry.clone(),
                root_before: reached.root_before(),
            }),
            Kind::Genesis if reached.index == 0 => {
                // One that cannot be read is somebody else's finding.
                let genesis = Genesis::open(&entry.header).ok();
                self.other_genesis = self
                    .key
                    .as_ref()
                    .zip(genesis)
                    .is_some_and(|(key, genesis)| genesis.log_key != *key.first().public());
            }
            _ => {}
        }
    }

    /// Says what does not fit. The walk ended at `end`, where it was told to; else at the end of the log.
    pub(super) fn finish(
        self,
        key_given: bool,
        note: Option<&[u8]>,
        claimed: Option<TreeHead>,
        end: Option<u64>,
        findings: &mut Findings,
    ) {
        let Some(key) = &self.key else { return };
        let known = key.successions();
        for rotation in &self.met {
            rotation.judge(key, &known, findings);
        }
        let size = end.or(claimed.map(|head| head.size)).unwrap_or(0);
        for one in known.iter().filter(|one| one.index < size) {
            if !self.met.iter().any(|met| met.index == one.index) {
                let detail = format!(
                    "{SUCCESSIONS_FILE} says that the log's key was followed here, and no such entry is here"
                );
                findings.error(Some(one.index), rule::LOG_KEY, detail);
            }
        }
        let own = key.entries();
        if self.other_genesis {
            let detail = format!(
                "entry 0 names another log key than {}: the key is another log's, or {SUCCESSIONS_FILE}, which leads from \
                 the one to the other, is missing",
                key.first().to_vkey()
            );
            findings.error(Some(0), rule::LOG_KEY, detail);
        }
        if key_given && !own.is_empty() {
            findings.notice(None, rule::KEY_FOLLOWED, told(key));
        }
        if let (None, Some(head), Some((last, recorded_at_ms)), Some(note)) =
            (end, claimed, self.last, note)
            && last.checked_add(1) == Some(head.size)
            && let Ok(note) = SignedNote::parse(note)
        {
            lines(key, &note, head.size, recorded_at_ms, findings);
        }
    }
}

impl Rotation {
    fn judge(&self, key: &LogKey, known: &[Succession], findings: &mut Findings) {
        let index = Some(self.index);
        let entry = &self.entry;
        let proven = LogKeySuccession::proven(
            key.origin(),
            &entry.header,
            entry.seal.as_ref(),
            &entry.facts,
        );
        let act = match proven {
            Ok(act) => act,
            Err(error) => {
                let detail = format!("the log's next key is not sealed by both keys: {error}");
                return findings.error(index, rule::LOG_KEY, detail);
            }
        };
        if act.size != self.index || self.root_before.is_some_and(|root| root != act.root) {
            let detail = format!(
                "both log keys sealed that {} entries with root {} were before this one, and {} are, with root {}: two \
                 histories under one key",
                act.size,
                act.root,
                self.index,
                self.root_before
                    .map_or_else(|| "unknown".to_owned(), |root| root.to_string())
            );
            return findings.error(index, rule::FORK, detail);
        }
        let bytes: Bytes = entry.encode().unwrap_or_default();
        match known.iter().find(|one| one.index == self.index) {
            Some(one) if one.entry == bytes => {}
            Some(_) => {
                let detail = format!("{SUCCESSIONS_FILE} has another entry here than the log");
                findings.error(index, rule::LOG_KEY, detail);
            }
            None => match key.follow_next(self.index, &bytes) {
                Ok(_) => {
                    let detail = format!(
                        "the log's key is followed by another here, and {SUCCESSIONS_FILE} does not say so: once both no \
                         longer sign, this copy proves nothing to whoever holds the older key"
                    );
                    findings.warning(index, rule::LOG_KEY, detail);
                }
                Err(error) => findings.error(index, rule::LOG_KEY, error.to_string()),
            },
        }
    }
}

/// From which key to which, for people.
fn told(key: &LogKey) -> String {
    let known = key.successions();
    let steps: Vec<String> = known
        .iter()
        .map(|one| format!("entry {} by {}", one.index, one.next.to_vkey()))
        .collect();
    format!(
        "the log's key was followed at {}, each sealed by the key before it; the key given is {}",
        steps.join(", at "),
        key.to_vkey()
    )
}

/// Whether the keys that must have signed did, and no key that had ended, or had not begun.
fn lines(key: &LogKey, note: &SignedNote, size: u64, recorded_at_ms: u64, findings: &mut Findings) {
    let known = key.successions();
    let (Some(first), Some(_)) = (known.first(), known.last()) else {
        return;
    };
    let also = key.also_signs(size, recorded_at_ms);
    let all = std::iter::once(&first.previous).chain(known.iter().map(|one| &one.next));
    for one in all.filter(|one| **one != key.signer_of(size)) {
        let wanted = also.as_ref() == Some(one);
        let there = has_line(note, one);
        let detail = match (wanted, there) {
            (true, false) => "during the overlap it must be signed by the key before, too",
            (true, true) if note.verify(std::slice::from_ref(one)).is_err() => {
                "the line by the key before does not verify"
            }
            (false, true) => "it is signed by a key that does not sign at this size and time",
            _ => continue,
        };
        let detail = format!(
            "the checkpoint of {size} entries: {detail}: {}",
            one.to_vkey()
        );
        findings.error(None, rule::LOG_KEY, detail);
    }
}

fn has_line(note: &SignedNote, key: &NoteKey) -> bool {
    let by =
        |line: &crate::note::NoteSignature| line.key_name == key.name() && line.key_id == key.id();
    note.signatures().iter().any(by)
}
