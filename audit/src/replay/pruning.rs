//! A log that was pruned: what could not be judged, and whether it may have been pruned at all.
//!
//! Registry entries are kept below the minimum index, so the fold knows every grant that an exchange down there can
//! have been made under. Pruning is measured by the log alone, not by anybody's clock: the first entry that is
//! whole again must be older than the newest entry by the longest retention of those grants.

use std::collections::BTreeSet;

use proto::entry::Entry;
use proto::registry::Registry;

use super::{error, rule};
use crate::tiles::{Pruned, TileStore};
use crate::verify::{Finding, Severity};

const DAY_US: u64 = 86_400_000_000;

/// What a replay notices about pruning.
#[derive(Debug)]
pub(super) struct Pruning {
    minimum: u64,
    /// Time of the first entry from the minimum index on, and the longest retention of any grant before it, days.
    boundary: Option<(u64, u32)>,
    newest_us: u64,
    /// Requests and subscriptions below the minimum index whose end was met.
    ended: BTreeSet<u64>,
    unjudged: u64,
}

impl Pruning {
    /// As the files of `store` claim. What cannot be read is reported where the files are verified.
    pub(super) fn of(store: &TileStore) -> Self {
        Self {
            minimum: Pruned::of(store).map_or(0, |pruned| pruned.minimum()),
            boundary: None,
            newest_us: 0,
            ended: BTreeSet::new(),
            unjudged: 0,
        }
    }

    /// The minimum index.
    pub(super) fn minimum(&self) -> u64 {
        self.minimum
    }

    /// Follows the time of entry `index`, and notes the grants there are where the minimum index lies.
    pub(super) fn follow(&mut self, index: u64, entry: &Entry, registry: &Registry) {
        self.newest_us = self.newest_us.max(entry.stamp.recorded_at_us);
        if self.minimum > 0 && index >= self.minimum && self.boundary.is_none() {
            self.boundary = Some((entry.stamp.recorded_at_us, longest_retention_days(registry)));
        }
    }

    /// Counts an entry that names one at `request` that was pruned, a request or what concerns events; `false` for the second
    /// end of one.
    pub(super) fn unjudged(&mut self, request: u64, closing: bool) -> bool {
        self.unjudged += 1;
        !closing || self.ended.insert(request)
    }

    /// What was found.
    pub(super) fn report(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.unjudged > 0 {
            let detail = format!(
                "{} entries name requests, events or subscriptions below the minimum index {}; whether they fit them could not be judged",
                self.unjudged, self.minimum
            );
            findings.push(Finding {
                index: None,
                rule: rule::PRUNED,
                severity: Severity::Notice,
                detail,
            });
        }
        let Some((first_us, days)) = self.boundary else {
            return findings;
        };
        let age_us = self.newest_us.saturating_sub(first_us);
        if age_us < u64::from(days) * DAY_US {
            let detail = format!(
                "entries below {} were pruned at an age of at most {} days, and grants among them are kept for {days}: evidence was removed before its time",
                self.minimum,
                age_us / DAY_US
            );
            findings.push(error(self.minimum, rule::RETENTION, detail));
        }
        findings
    }
}

/// The longest retention of any grant in `registry`, days, whatever became of its agreement.
pub(crate) fn longest_retention_days(registry: &Registry) -> u32 {
    let grants = registry
        .agreements()
        .flat_map(|agreement| &agreement.content.grants);
    grants.map(|grant| grant.retention_days).max().unwrap_or(0)
}
