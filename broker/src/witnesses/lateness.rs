//! Since when a quorum is owed, and when somebody must be told.

use std::time::{Duration, Instant};

use crate::config::WitnessConfig;

/// How often the alarm is repeated while it lasts.
const AGAIN: Duration = Duration::from_secs(60);

/// How often what happened, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checkpoints shown to the witnesses.
    pub shown: u64,
    /// Checkpoints that a quorum cosigned.
    pub cosigned: u64,
    /// Checkpoints that were followed by another before a quorum had cosigned them.
    pub missed: u64,
    /// Alarms told.
    pub alarms: u64,
    /// Times that something was said against the log in a witness's name and nothing was shown for it.
    pub doubts: u64,
}

/// How late the quorum is.
#[derive(Clone, Debug)]
pub struct Lateness {
    /// Counted since the start.
    pub counts: Counts,
    alarm_after: Duration,
    /// When the oldest checkpoint was shown that no quorum has answered for.
    owed_since: Option<Instant>,
    alarmed_at: Option<Instant>,
}

impl Lateness {
    pub(super) fn new(config: &WitnessConfig) -> Self {
        Self {
            counts: Counts::default(),
            alarm_after: config.late_alarm,
            owed_since: None,
            alarmed_at: None,
        }
    }

    /// Milliseconds since the oldest checkpoint was shown that no quorum has answered for; 0 when none is owed.
    pub fn late_ms(&self, now: Instant) -> u64 {
        self.owed_since.map_or(0, |since| {
            now.saturating_duration_since(since).as_millis() as u64
        })
    }

    /// Whether the alarm was told and still lasts.
    pub fn is_alarmed(&self) -> bool {
        self.alarmed_at.is_some()
    }

    /// A checkpoint was shown; the one before it had `missed` its quorum.
    pub(super) fn begun(&mut self, now: Instant, missed: bool) {
        self.counts.shown += 1;
        self.counts.missed += u64::from(missed);
        self.owed_since.get_or_insert(now);
    }

    /// A quorum answered for the newest: nothing is owed for the older ones either.
    pub(super) fn held(&mut self) {
        self.counts.cosigned += 1;
        self.owed_since = None;
        self.alarmed_at = None;
    }

    pub(super) fn alarmed(&mut self, now: Instant) {
        self.counts.alarms += 1;
        self.alarmed_at = Some(now);
    }

    /// When the alarm is due next; `None` when nothing is owed.
    pub(super) fn alarm_at(&self) -> Option<Instant> {
        let since = self.owed_since?;
        Some(match self.alarmed_at {
            Some(told) => told + AGAIN,
            None => since + self.alarm_after,
        })
    }

    pub(super) fn alarm_is_due(&self, now: Instant) -> bool {
        self.alarm_at().is_some_and(|at| at <= now)
    }
}
