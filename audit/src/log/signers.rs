//! The keys that sign a log: those that are at hand, and which of them sign a head.
//!
//! Takes signers and what is known of the log's keys; gives signed checkpoints. Which keys sign is told by the head alone:
//! its size, and the stamp of its last entry. So the same head is signed by the same keys at every start, and an auditor
//! can tell ten years later. The entry by which a key is followed is written beside `log.vkey` before anything is signed
//! by the next one; a start finds what a run that died did not come to write.

use std::path::Path;
use std::sync::Arc;

use proto::act::LogKeySuccession;
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::key::Signer;

use super::LogError;
use crate::checkpoint::{Checkpoint, LogKey, SUCCESSIONS_FILE, SignedCheckpoint, SuccessionError};
use crate::journal::{Head, Journal, Recorded};
use crate::log_key::successions_text;
use crate::tiles::durable;

/// Bytes read from the journal at once.
const READ_BYTES: usize = 1 << 20;

/// The keys of one log.
#[derive(Debug)]
pub(super) struct Signers {
    key: LogKey,
    at_hand: Vec<Arc<dyn Signer>>,
}

impl Signers {
    /// `at_hand` for the log of `key`.
    pub(super) fn new(key: LogKey, at_hand: Vec<Arc<dyn Signer>>) -> Self {
        Self { key, at_hand }
    }

    /// The key of entry 0, and what follows it.
    pub(super) fn key(&self) -> &LogKey {
        &self.key
    }

    /// Reads what is known beside the key of entry 0, `first`, of the log in `dir`, whose journal is open and may have
    /// more, or less. Writes what a run that died did not come to write.
    pub(super) fn settle(
        dir: &Path,
        first: &LogKey,
        published: u64,
        journal: &dyn Journal,
    ) -> Result<LogKey, LogError> {
        let file = dir.join(SUCCESSIONS_FILE);
        let mut key = first.kept_in(&file)?;
        let size = journal.head()?.size();
        let mut entries = key.entries();
        if entries.iter().any(|(index, _)| *index >= size) {
            // It went with a tail whose loss was accepted; nothing that was published lies under it.
            tracing::error!(size, "a rotation of the log's key was lost with the tail");
            entries.retain(|(index, _)| *index < size);
            durable::write_file(&file, successions_text(&entries).as_bytes())
                .map_err(super::start::io("writing", &file))?;
            key = first.kept_in(&file)?;
        }
        let mut at = published;
        while at < size {
            let read = journal.read(at..size, READ_BYTES)?;
            for (index, entry) in &read {
                if entry.first() == Some(&(Kind::LogKeySucceeded as u8)) {
                    key.follow_next(*index, entry)?;
                }
            }
            at = read.last().map_or(size, |(index, _)| index + 1);
        }
        Ok(key)
    }

    /// Learns of a key that follows, if that is what was recorded.
    pub(super) fn follow(&self, index: u64, recorded: &Recorded) -> Result<(), SuccessionError> {
        if recorded.entry.kind == Kind::LogKeySucceeded {
            self.key.follow_next(index, &recorded.bytes)?;
        }
        Ok(())
    }

    /// The next key that `draft` names and nobody here has.
    pub(super) fn missing_for(&self, draft: &Draft) -> Option<Digest> {
        if draft.kind != Kind::LogKeySucceeded {
            return None;
        }
        let next = LogKeySuccession::open(&draft.header).ok()?.key;
        let here = self.at_hand.iter().any(|signer| *signer.key() == next);
        (!here).then(|| next.kid())
    }

    /// Signs the checkpoint of `head`, which is durable.
    pub(super) fn sign(&self, head: &Head) -> Result<SignedCheckpoint, String> {
        let (size, recorded_at_ms) = (head.size(), head.last_recorded_at_us / 1_000);
        let also = self.key.also_signs(size, recorded_at_ms);
        let mut signers: Vec<&dyn Signer> = Vec::with_capacity(2);
        for key in [Some(self.key.signer_of(size)), also].into_iter().flatten() {
            let signer = self
                .at_hand
                .iter()
                .find(|signer| signer.key() == key.public());
            let missing = || {
                format!(
                    "the log's key {} signs a checkpoint of {size} entries, and it is not at hand; bring its file back",
                    key.to_vkey()
                )
            };
            signers.push(&**signer.ok_or_else(missing)?);
        }
        let checkpoint = Checkpoint {
            origin: self.key.origin().to_owned(),
            size,
            root: head.edge.root(),
        };
        let signed = checkpoint.sign_by(&signers);
        signed.map_err(|error| format!("signing the checkpoint of {size} entries: {error}"))
    }
}

/// Whether the key that signs now is at hand: told before anything is opened. The journal may know of one more.
pub(super) fn at_hand(key: &LogKey, signers: &[Arc<dyn Signer>]) -> Result<(), String> {
    let newest = key.newest();
    if signers.iter().any(|signer| signer.key() == newest.public()) {
        return Ok(());
    }
    let here = |signer: &Arc<dyn Signer>| {
        LogKey::new(key.origin(), signer.key())
            .map_or_else(|error| error.to_string(), |key| key.to_vkey())
    };
    let here: Vec<String> = signers.iter().map(here).collect();
    Err(format!(
        "this log's key is {}, the configured one {}; if the log's key was rotated, bring back {SUCCESSIONS_FILE} from a \
         copy, or run `mohawel audit rebuild`",
        newest.to_vkey(),
        here.join(" and ")
    ))
}
