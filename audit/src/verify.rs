//! An auditor's check of a log directory: files and a public key, no server, no store, no trust.
//!
//! Takes: a directory with `checkpoint`, `log.vkey` and `tile/`. Recomputes every leaf and every node
//! from the entry bundles, compares all hash tiles, verifies the checkpoint, decodes each entry
//! strictly and checks the stamps. Gives: a [`Report`]. Never writes, never stops at the first
//! finding, keeps one bundle and one tile a level in memory.

use std::fmt;
use std::path::Path;

use proto::digest::Digest;
use proto::entry::Entry;

use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::note::NOTE_BYTES_MAX;
use crate::policy::{Policy, Witnessed};
use crate::tiles::published::CHECKPOINT_FILE;
use crate::tiles::{Pruned, TileStore, read_bounded};
use crate::tree::TreeHead;
use pool::Pool;
use walk::Met;

pub use as_of::{AsOf, At};
pub use findings::{Finding, Findings, Severity, rule};
pub use held::{Held, HeldError, compare};
pub use prove::{ProveError, ProvenEntry, prove};
pub use trusted_time::{OnToken, TOLERANCE, TimeOptions, TimeReport, Token};

mod ahead;
mod as_of;
mod climb;
mod files;
mod findings;
mod held;
mod log_keys;
pub(crate) mod pool;
mod prove;
mod stamps;
#[cfg(test)]
mod tests;
mod trusted_time;
pub(crate) mod walk;
mod witnessed;

use log_keys::LogKeys;
use trusted_time::Inspection;

/// Name of the file in the log directory that holds the log's vkey text.
pub const VKEY_FILE: &str = "log.vkey";
/// Bytes of that file at most.
const VKEY_BYTES_MAX: u64 = 4 * 1024;
/// Findings kept of each rule when the caller does not say.
const FINDINGS_PER_RULE_MAX_DEFAULT: usize = 100;

/// Told how many of how many entries are done.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);
/// Given each entry that decodes, in order.
pub type OnEntry<'a> = &'a mut dyn FnMut(u64, &Entry);

/// How to verify.
pub struct Options<'a> {
    /// The log's key, from somewhere the log's operator does not control. Without it the key in the
    /// directory is used, which proves only that the directory agrees with itself.
    pub key: Option<LogKey>,
    /// Whose cosignatures the published checkpoint must carry. Where it names the log it also gives its key.
    pub policy: Option<Policy>,
    /// Findings of each rule kept; further ones are only counted.
    pub findings_per_rule_max: usize,
    /// Threads that read, hash and decode; 0: as many as there are cores. The report is the same for any number.
    pub threads: usize,
    /// Look at the log as of this older checkpoint or size, and leave out everything after it.
    pub at: Option<At>,
    /// Called after each bundle.
    pub on_progress: Option<OnProgress<'a>>,
    /// Called for each entry that decodes, so that a replay reads the files only once.
    pub on_entry: Option<OnEntry<'a>>,
    /// The time-stamp authorities' roots; without them the tokens under `time/` are counted, not verified.
    pub time: Option<TimeOptions>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            key: None,
            policy: None,
            threads: 0,
            at: None,
            findings_per_rule_max: FINDINGS_PER_RULE_MAX_DEFAULT,
            on_progress: None,
            on_entry: None,
            time: None,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            policy,
            threads,
            at,
            findings_per_rule_max,
            on_progress,
            on_entry,
            time,
        } = self;
        f.debug_struct("Options")
            .field("key", key)
            .field("policy", policy)
            .field("threads", threads)
            .field("at", at)
            .field("findings_per_rule_max", findings_per_rule_max)
            .field("on_progress", &on_progress.is_some())
            .field("on_entry", &on_entry.is_some())
            .field("time", time)
            .finish()
    }
}

/// What the files say, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the checkpoint file says, whether or not its signature holds.
    pub checkpoint: Option<Checkpoint>,
    /// Whether the checkpoint's signature holds under [`Report::key`].
    pub signed: bool,
    /// The key that was used.
    pub key: Option<LogKey>,
    /// Whether the caller gave that key, or a policy that names it; otherwise it came from the directory itself.
    pub key_given: bool,
    /// What the policy found under the checkpoint; `None` without a policy, or without a note to judge.
    pub witnessed: Option<Witnessed>,
    /// Where the walk was told to end; `None`: at the end of the log.
    pub as_of: Option<AsOf>,
    /// Entries whose bytes were read and hashed.
    pub entries: u64,
    /// Entries below this index may have been pruned; 0 where none were.
    pub minimum_index: u64,
    /// Entries below it that are not here: neither in a bundle nor kept.
    pub pruned: u64,
    /// Head recomputed from the entries; where entries are missing, with what the tiles say in
    /// their place. `None` when neither was there.
    pub root: Option<Digest>,
    /// The registry tree at the end of the log.
    pub registry: TreeHead,
    /// What the time-stamp tokens beside the log say.
    pub time: TimeReport,
    /// What was found.
    pub findings: Findings,
}

impl Report {
    /// Whether the files prove the log of the key: the signature holds, and there is no finding of
    /// [`Severity::Error`].
    pub fn is_proven(&self) -> bool {
        self.signed && self.findings.errors() == 0
    }
}

/// Verifies the log directory `dir`. What cannot be read is a finding, too.
pub fn verify_directory(dir: &Path, mut options: Options<'_>) -> Report {
    let mut on_entry = options.on_entry.take();
    let mut meet = |met: Met<'_, ()>| {
        if let Met::Entry(reached) = met
            && let Some(on_entry) = &mut on_entry
        {
            on_entry(reached.index, reached.entry);
        }
    };
    Pool::with(options.threads, |pool| {
        walk_directory(pool, dir, options, |_| (), &mut meet)
    })
}

/// As [`verify_directory`], for a walk that has more to find out of each entry: `prepare` is done by the threads of
/// `pool`, `meet` in order. [`Options::on_entry`] is not called.
pub(crate) fn walk_directory<T: Send + 'static>(
    pool: &Pool,
    dir: &Path,
    options: Options<'_>,
    prepare: fn(&Entry) -> T,
    meet: &mut dyn FnMut(Met<'_, T>),
) -> Report {
    let mut findings = Findings::new(options.findings_per_rule_max);
    let note = note_of(dir, &mut findings);
    let claimed = note
        .as_deref()
        .and_then(|note| checkpoint::read_unverified(note).ok());
    let named = options
        .policy
        .as_ref()
        .and_then(|policy| witnessed::key_of(policy, claimed.as_ref()));
    let key = options.key.or(named);
    let key_given = key.is_some();
    let key = key.or_else(|| key_of(dir, &mut findings));
    log_keys::follow_beside(dir, key.as_ref(), &mut findings);
    let (checkpoint, signed) = checkpoint_of(note.as_deref(), key.as_ref(), &mut findings);
    let witnessed = options
        .policy
        .as_ref()
        .and_then(|policy| witnessed::judge(policy, note.as_deref(), key.as_ref(), &mut findings));
    let store = TileStore::new(dir);
    let claimed = checkpoint.as_ref().map(Checkpoint::head);
    let as_of = options
        .at
        .map(|at| as_of::read(&at, key.as_ref(), claimed, &mut findings));
    let present = files::inspect(&store, claimed.map(|head| head.size), &mut findings);
    let end = as_of.map(|as_of| as_of.size);
    let pruned = pruned_of(&store, claimed, &mut findings);
    let minimum_index = pruned.minimum();
    let mut walk = walk::Walk::new((&store, pruned), claimed, present, end, &mut findings);
    let mut keys = LogKeys::new(key.clone());
    let mut meet = |met: Met<'_, T>| {
        if let Met::Entry(reached) = &met {
            keys.see(reached);
        }
        meet(met);
    };
    walk.run(pool, prepare, options.on_progress, &mut meet);
    let walk::Walked {
        entries,
        pruned,
        root,
        registry,
    } = walk.finish();
    keys.finish(key_given, note.as_deref(), claimed, end, &mut findings);
    match as_of {
        Some(as_of) => as_of::compare(&store, as_of, claimed, root, &mut findings),
        None => compare_roots(claimed, root, &mut findings),
    }
    // Tokens are held against a head that somebody signed: any other has no line to be on.
    let time = match (&key, claimed) {
        (Some(key), Some(head)) if signed => {
            Inspection::new(dir, key, head, options.time.as_ref()).run(&mut findings, None)
        }
        _ => TimeReport::default(),
    };
    Report {
        checkpoint,
        signed,
        key,
        key_given,
        witnessed,
        as_of,
        entries,
        minimum_index,
        pruned,
        root,
        registry,
        time,
        findings,
    }
}

/// Whether the entries make what the checkpoint says.
fn compare_roots(claimed: Option<TreeHead>, root: Option<Digest>, findings: &mut Findings) {
    if let (Some(claimed), Some(root)) = (claimed, root)
        && claimed.root != root
    {
        let detail = format!(
            "the entries make {root}, the checkpoint says {}",
            claimed.root
        );
        findings.error(None, rule::ROOT_MISMATCH, detail);
    }
}

/// What the directory says was pruned. A claim that cannot hold counts as none: what is missing is then an error.
fn pruned_of(store: &TileStore, claimed: Option<TreeHead>, findings: &mut Findings) -> Pruned {
    let reason = match Pruned::of(store) {
        Ok(pruned) if pruned.minimum() == 0 => return pruned,
        Ok(pruned) => match claimed {
            Some(head) if pruned.minimum() < head.size => return pruned,
            _ => format!(
                "the minimum index {} is not below the log's size: no entry is left to prove what was kept",
                pruned.minimum()
            ),
        },
        Err(error) => error.to_string(),
    };
    findings.error(None, rule::MINIMUM_INDEX, reason);
    Pruned::nothing(store)
}

/// Verifies only the time-stamp tokens of the log in `dir`, and the stamps beside their checkpoints: each note, token
/// and entry that it looks at is proved, the rest of the log is not read. `key` as in [`Options::key`].
pub fn verify_time(
    dir: &Path,
    key: Option<LogKey>,
    options: Option<&TimeOptions>,
    on_token: OnToken<'_>,
) -> (TimeReport, Findings) {
    let mut findings = Findings::new(FINDINGS_PER_RULE_MAX_DEFAULT);
    let key = key.or_else(|| key_of(dir, &mut findings));
    log_keys::follow_beside(dir, key.as_ref(), &mut findings);
    let note = note_of(dir, &mut findings);
    let (checkpoint, signed) = checkpoint_of(note.as_deref(), key.as_ref(), &mut findings);
    let report = match (&key, checkpoint) {
        (Some(key), Some(checkpoint)) if signed => {
            Inspection::new(dir, key, checkpoint.head(), options).run(&mut findings, Some(on_token))
        }
        _ => TimeReport::default(),
    };
    (report, findings)
}

/// The key that lies in the directory.
fn key_of(dir: &Path, findings: &mut Findings) -> Option<LogKey> {
    let text = match read_bounded(&dir.join(VKEY_FILE), VKEY_BYTES_MAX) {
        Ok(text) => text,
        Err(error) => {
            findings.error(
                None,
                rule::KEY_UNUSABLE,
                format!("no key was given, and {VKEY_FILE}: {error}"),
            );
            return None;
        }
    };
    match std::str::from_utf8(&text).map(LogKey::from_vkey) {
        Ok(Ok(key)) => {
            let detail = format!(
                "the key comes from {VKEY_FILE} beside the log; compare it with one you trust"
            );
            findings.notice(None, rule::KEY_FROM_DIRECTORY, detail);
            Some(key)
        }
        Ok(Err(error)) => {
            findings.error(None, rule::KEY_UNUSABLE, format!("{VKEY_FILE}: {error}"));
            None
        }
        Err(_) => {
            findings.error(None, rule::KEY_UNUSABLE, format!("{VKEY_FILE} is not text"));
            None
        }
    }
}

/// The checkpoint file's bytes.
fn note_of(dir: &Path, findings: &mut Findings) -> Option<Vec<u8>> {
    let read = read_bounded(&dir.join(CHECKPOINT_FILE), NOTE_BYTES_MAX as u64);
    read.map_err(|error| {
        let detail = format!("{CHECKPOINT_FILE}: {error}");
        findings.error(None, rule::CHECKPOINT_UNREADABLE, detail);
    })
    .ok()
}

/// What the checkpoint says, and whether `key` signed it.
fn checkpoint_of(
    note: Option<&[u8]>,
    key: Option<&LogKey>,
    findings: &mut Findings,
) -> (Option<Checkpoint>, bool) {
    let Some(note) = note else {
        return (None, false);
    };
    let unsigned = match key.map(|key| checkpoint::open(note, key)) {
        Some(Ok(checkpoint)) => return (Some(checkpoint), true),
        Some(Err(error)) => error.to_string(),
        None => "there is no key to verify it with".to_owned(),
    };
    findings.error(None, rule::CHECKPOINT_UNSIGNED, unsigned);
    // Unproven, but its size and root still say what to look for.
    (checkpoint::read_unverified(note).ok(), false)
}
