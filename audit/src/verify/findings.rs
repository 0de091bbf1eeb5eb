//! What an auditor is told: index, rule, severity, detail. Bounded for each rule: findings over the
//! limit are only counted, so that a ruined log neither fills the memory of whoever checks it nor
//! drowns one finding in thousands of another.

use std::collections::BTreeMap;
use std::fmt;

/// The rules that a finding can name.
pub mod rule {
    /// No usable key: neither given nor in the directory.
    pub const KEY_UNUSABLE: &str = "key_unusable";
    /// The key comes from the directory that it is to prove.
    pub const KEY_FROM_DIRECTORY: &str = "key_from_directory";
    /// The key that was given was followed by others.
    pub const KEY_FOLLOWED: &str = "key_followed";
    /// The log's keys do not follow one another as the entries say, or other ones signed than should.
    pub const LOG_KEY: &str = "log_key";
    /// The checkpoint file is missing, too long or unreadable.
    pub const CHECKPOINT_UNREADABLE: &str = "checkpoint_unreadable";
    /// The checkpoint is not one that the key signed.
    pub const CHECKPOINT_UNSIGNED: &str = "checkpoint_unsigned";
    /// The policy is for other logs.
    pub const WITNESS_POLICY: &str = "witness_policy";
    /// The checkpoint does not carry the cosignatures that the policy asks for.
    pub const WITNESS_QUORUM: &str = "witness_quorum";
    /// A cosignature in the name of a known witness does not verify.
    pub const WITNESS_SIGNATURE: &str = "witness_signature";
    /// The entries do not make the checkpoint's root.
    pub const ROOT_MISMATCH: &str = "root_mismatch";
    /// An entry bundle of the log is not there.
    pub const BUNDLE_MISSING: &str = "bundle_missing";
    /// An entry bundle is not as many entries as its name says.
    pub const BUNDLE_MALFORMED: &str = "bundle_malformed";
    /// A hash tile of the log is not there.
    pub const TILE_MISSING: &str = "tile_missing";
    /// A hash tile has the wrong length.
    pub const TILE_MALFORMED: &str = "tile_malformed";
    /// A hash tile differs from what the entries make.
    pub const TILE_MISMATCH: &str = "tile_mismatch";
    /// An older, narrower form of a file differs from the present one.
    pub const PARTIAL_MISMATCH: &str = "partial_mismatch";
    /// So many files are missing that the walk ended early.
    pub const WALK_ENDED: &str = "walk_ended";
    /// Bytes that are no entry.
    pub const ENTRY_MALFORMED: &str = "entry_malformed";
    /// Entry 0 is not the genesis entry, or there is a second one.
    pub const GENESIS: &str = "genesis";
    /// An entry was recorded before the one that precedes it.
    pub const TIME_BACKWARDS: &str = "time_backwards";
    /// A stamp names another registry than the entries before it make.
    pub const REGISTRY_STAMP: &str = "registry_stamp";
    /// The minimum index cannot be read, or leaves nothing to prove the log with.
    pub const MINIMUM_INDEX: &str = "minimum_index";
    /// Entries below the minimum index are not here.
    pub const PRUNED: &str = "pruned";
    /// What is kept below the minimum index cannot be read.
    pub const KEPT_MALFORMED: &str = "kept_malformed";
    /// A file that the layout does not know.
    pub const UNKNOWN_FILE: &str = "unknown_file";
    /// A file for entries after the checkpoint.
    pub const BEYOND_CHECKPOINT: &str = "beyond_checkpoint";
    /// A note under `time/` that is not a checkpoint of this log.
    pub const TIME_NOTE: &str = "time_note";
    /// A token under `time/` that does not verify, or is gone.
    pub const TIME_TOKEN: &str = "time_token";
    /// A stamped checkpoint that the log does not extend.
    pub const TIME_FORK: &str = "time_fork";
    /// A stamp later than the time-stamp token over it.
    pub const TIME_AHEAD: &str = "time_ahead";
    /// A stamp earlier than the token over a checkpoint that does not have its entry yet.
    pub const BACK_DATED: &str = "back_dated";
    /// Roots of authorities were given, and there is no token.
    pub const TIME_MISSING: &str = "time_missing";
    /// There are tokens, and no roots were given to verify them with.
    pub const TIME_UNVERIFIED: &str = "time_unverified";
    /// The checkpoint or size to stop at cannot be used.
    pub const AT: &str = "at";
    /// The log's key signed, or somebody was shown, a tree that this log does not extend.
    pub const FORK: &str = "fork";
    /// The operating system says no.
    pub const UNREADABLE: &str = "unreadable";
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the log is what it should be.
    Notice,
    /// Nothing recorded is touched, but somebody should look.
    Warning,
    /// The files do not prove the log.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry it is about, if it is about one.
    pub index: Option<u64>,
    /// One of [`rule`].
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What was expected and what was there.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity.name(), self.rule)?;
        if let Some(index) = self.index {
            write!(f, " at {index}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// The findings of one run.
#[derive(Clone, Debug)]
pub struct Findings {
    kept: Vec<Finding>,
    max_per_rule: usize,
    kept_per_rule: BTreeMap<&'static str, usize>,
    dropped: u64,
    errors: u64,
}

impl Findings {
    /// None yet; at most `max_per_rule` of each rule are kept.
    pub fn new(max_per_rule: usize) -> Self {
        Self {
            kept: Vec::new(),
            max_per_rule,
            kept_per_rule: BTreeMap::new(),
            dropped: 0,
            errors: 0,
        }
    }

    /// Those kept, in the order in which they were found.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many more there were.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many are errors, those not kept included.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Whether a finding of `rule` was kept.
    pub fn names(&self, rule: &str) -> bool {
        self.kept.iter().any(|finding| finding.rule == rule)
    }

    /// Whether another finding of `rule` would be kept: costly details are worth working out.
    pub fn has_room(&self, rule: &'static str) -> bool {
        self.kept_per_rule.get(rule).copied().unwrap_or(0) < self.max_per_rule
    }

    /// Adds an error.
    pub fn error(&mut self, index: Option<u64>, rule: &'static str, detail: String) {
        self.add(Finding {
            index,
            rule,
            severity: Severity::Error,
            detail,
        });
    }

    /// Adds a warning.
    pub fn warning(&mut self, index: Option<u64>, rule: &'static str, detail: String) {
        self.add(Finding {
            index,
            rule,
            severity: Severity::Warning,
            detail,
        });
    }

    /// Adds a notice.
    pub fn notice(&mut self, index: Option<u64>, rule: &'static str, detail: String) {
        self.add(Finding {
            index,
            rule,
            severity: Severity::Notice,
            detail,
        });
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        if finding.severity == Severity::Error {
            self.errors += 1;
        }
        if self.has_room(finding.rule) {
            *self.kept_per_rule.entry(finding.rule).or_default() += 1;
            self.kept.push(finding);
        } else {
            self.dropped += 1;
        }
    }
}
