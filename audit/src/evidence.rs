//! Evidence: one exchange, or a range of the log, with everything that proves it, in one zip.
//!
//! Takes: an auditor's copy of a log directory ([`collect()`]), or a bundle ([`open`](Bundle::open), [`verify()`]). Gives: plain
//! files that a court's expert checks with openssl, sha256sum and xxd; `check.sh` inside does all of it. Never: our
//! server, our store or our word; no payload that a party did not disclose.
//!
//! | file | what it holds |
//! |---|---|
//! | `collect` | finds the entries, proves them, takes the registry entries that they stand on |
//! | `involved` | which registry entries those are |
//! | `contents` | what a bundle is about, and the one way from it to its files |
//! | `parts` | what openssl needs of a seal |
//! | `disclosed` | payload and salt that a party gives |
//! | `stamped` | checkpoints with a time-stamp in a log directory |
//! | `told`, `page` | the exchange in words, and the page for the court |
//! | `zipped` | the zip, written one way and read strictly |
//! | `judge` | seals, answers and decisions among the entries of a bundle |
//! | `verify` | everything done again from the files |

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use thiserror::Error;

mod collect;
mod contents;
mod disclosed;
mod involved;
mod judge;
mod page;
mod parts;
mod stamped;
#[cfg(test)]
mod tests;
mod told;
mod verify;
mod zipped;

pub use collect::{Collected, Wanted, collect};
pub use disclosed::{DISCLOSURE_BYTES_MAX, Disclosure, DisclosureError, Opening};
pub use verify::{Report, State, Trust, Verdict, verify};

/// Entries in one bundle at most, those of the registry included.
pub const ENTRIES_MAX: usize = 4_096;
/// Bytes of all files of a bundle at most.
pub const BYTES_MAX: u64 = 64 << 20;
/// Files of a bundle at most: an entry has up to seven.
pub const FILES_MAX: usize = 8 * ENTRIES_MAX;
/// Bytes of a policy, and of a file of certificates, at most.
pub const TRUST_BYTES_MAX: u64 = 1 << 20;

/// Names of the files that every bundle has, and of those that it may have.
pub mod name {
    /// Every file with its digest and meaning.
    pub const MANIFEST: &str = "manifest.json";
    /// What people read.
    pub const PAGE: &str = "page.html";
    /// What checks the bundle with openssl, sha256sum and xxd.
    pub const CHECK: &str = "check.sh";
    /// The signed checkpoint, as published.
    pub const CHECKPOINT: &str = "log/checkpoint";
    /// Its signed text.
    pub const CHECKPOINT_TEXT: &str = "log/checkpoint.text";
    /// The log's 64 bytes of signature under that text.
    pub const CHECKPOINT_SIGNATURE: &str = "log/checkpoint.sig";
    /// The log's key as a vkey.
    pub const VKEY: &str = "log/log.vkey";
    /// The log's key for openssl.
    pub const LOG_PEM: &str = "log/log.pem";
    /// Which witnesses must have cosigned.
    pub const POLICY: &str = "log/witness.policy";
    /// The checkpoint that was time-stamped.
    pub const STAMPED: &str = "time/checkpoint";
    /// The RFC 3161 token over it.
    pub const TOKEN: &str = "time/token.tsr";
    /// Certificates of time-stamp authorities, where whoever made the bundle gave some.
    pub const ROOTS: &str = "time/roots.pem";
}

/// The files of a bundle by name, not verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, Bytes>,
}

impl Bundle {
    /// The files, by name.
    pub fn files(&self) -> &BTreeMap<String, Bytes> {
        &self.files
    }

    /// One file.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(name)
    }
}

/// Why there is no bundle.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// Nothing in the log is asked for.
    #[error(
        "no entry of the log is what was asked for; `mohawel audit replay --list` shows what there is"
    )]
    Nothing,
    /// More than fits.
    #[error(
        "more than {ENTRIES_MAX} entries or {BYTES_MAX} bytes; ask for a shorter range, or for each exchange alone"
    )]
    TooMuch,
    /// The log's key cannot be read, or the checkpoint is not one that it signed.
    #[error("the log's files: {0}")]
    Log(String),
    /// An entry is not proved by the files.
    #[error(
        "entry {index} is not proved by the log's files: {what}; `mohawel audit verify` says where"
    )]
    Unproven {
        /// Which.
        index: u64,
        /// What fails.
        what: String,
    },
    /// A disclosure that does not open what was sealed.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// A witness policy or a file of certificates that is none.
    #[error("{what}: {why}")]
    Trust {
        /// Which file.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A bundle that is not in its form.
    #[error("{}: {what}", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}
