//! The entry that each start leaves: what was there before, who starts, by which configuration, what was repaired.

use audit::journal::{Recovery, RecoveryReport, StoreFound};
use bytes::Bytes;
use proto::entry::{Draft, Kind};
use proto::facts::{self, EpochFacts};

use super::{Parts, StartError};

/// What an operator does without for one start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Where the log lost something.
    pub recovery: Recovery,
    /// Whether it may start although no quorum of witnesses says how far it has seen the log.
    pub without_witnesses: bool,
}

impl Parts {
    /// One entry for each start: what was there before, who starts, by which configuration.
    /// `without` is the word of what the operator went on without.
    pub(super) async fn record_epoch(&self, without: Option<&str>) -> Result<(), StartError> {
        let head = self.log.head();
        let mut recovery = self.log.recovered().map(repaired).unwrap_or_default();
        if let Some(report) = self.log.recovered()
            && !recovery.is_empty()
        {
            tracing::warn!(found = %report, "the log was repaired at this start");
        }
        if let Some(word) = without {
            recovery = [recovery.as_str(), word].join(" ").trim_start().to_owned();
        }
        let facts = EpochFacts {
            previous_size: head.size(),
            previous_root: Bytes::copy_from_slice(head.edge.root().as_bytes()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration_sha256: Bytes::copy_from_slice(self.config.sha256.as_bytes()),
            recovery,
        };
        let draft = Draft {
            kind: Kind::Epoch,
            facts: facts::encode(&facts),
            header: Bytes::new(),
            seal: None,
        };
        self.log.append(draft, None).await?;
        Ok(())
    }
}

/// What opening the log had to repair: stable words with a space between, empty when nothing. With the one that gives
/// something up stands the first index that may have been acknowledged and is gone.
fn repaired(report: &RecoveryReport) -> String {
    let mut words = Vec::new();
    words.extend(match &report.store {
        StoreFound::Missing => Some("store_missing".to_owned()),
        StoreFound::Empty => Some("store_empty".to_owned()),
        StoreFound::Corrupt(_) => Some("store_corrupt".to_owned()),
        StoreFound::Whole => None,
    });
    if !report.remarks.is_empty() {
        words.push(format!("tail_loss_accepted:{}", report.size));
    }
    if report.torn_bytes > 0 {
        words.push("tail_cut".to_owned());
    }
    if !report.mended.is_empty() {
        words.push("tiles_rebuilt".to_owned());
    }
    words.extend(report.repaired.iter().cloned());
    words.join(" ")
}
