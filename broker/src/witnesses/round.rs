//! One round: a checkpoint that witnesses are asked about, and what came.

use std::time::{Duration, Instant};

use audit::log::Log;
use audit::note::NoteSignature;

use super::lateness::Lateness;

/// The checkpoint that is being cosigned.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) size: u64,
    pub(super) lines: Vec<NoteSignature>,
    /// By position in the policy.
    pub(super) there: Vec<bool>,
    /// When what is there is handed over; `None` once it was.
    pub(super) hand_over: Option<Instant>,
    pub(super) quorum: bool,
}

/// When somebody must look even if nothing happens.
pub(super) fn wake_at(round: Option<&Round>, lateness: &Lateness) -> Instant {
    let soon = Instant::now() + Duration::from_secs(1);
    let hand_over = round.and_then(|round| round.hand_over);
    let alarm = lateness.alarm_at();
    [hand_over, alarm]
        .into_iter()
        .flatten()
        .fold(soon, Instant::min)
}

impl Round {
    /// Gives the log what came, once it is time.
    pub(super) fn hand_over_when_due(&mut self, log: &Log, now: Instant) {
        if self.hand_over.is_some_and(|due| due <= now) {
            self.hand_over = None;
            log.cosign(self.size, self.lines.clone(), self.quorum);
        }
    }
}
