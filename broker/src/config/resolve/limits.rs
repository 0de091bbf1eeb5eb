//! Limits of a sort, which are given together.

use proto::limits::{EVENT_ATTEMPTS_MAX, EVENT_PAUSE_MS_MAX, STREAM_IDLE_MS};

use super::super::Limits;
use super::super::file::Given;
use super::Reading;

impl Reading<'_> {
    pub(super) fn events(&mut self, [mib, days, attempts, pause]: [Given<u64>; 4], l: &mut Limits) {
        let most = &mut l.event_mib;
        self.limit("event_mib", mib, most, 0, 1_048_576);
        let most = &mut l.event_days;
        self.limit("event_days", days, most, 1, 29);
        let most = &mut l.event_attempts;
        self.limit(
            "event_attempts",
            attempts,
            most,
            1,
            EVENT_ATTEMPTS_MAX.into(),
        );
        let most = &mut l.event_pause_ms;
        self.limit(
            "event_pause_ms",
            pause,
            most,
            100,
            EVENT_PAUSE_MS_MAX.into(),
        );
    }

    pub(super) fn patience(&mut self, [handshake, idle]: [Given<u64>; 2], l: &mut Limits) {
        let most = &mut l.handshake_timeout_ms;
        self.limit("handshake_timeout_ms", handshake, most, 100, 60_000);
        // Adapters wait a little longer than the longest of these.
        self.limit(
            "stream_idle_ms",
            idle,
            &mut l.stream_idle_ms,
            100,
            STREAM_IDLE_MS,
        );
    }

    pub(super) fn submissions(&mut self, [count, mib]: [Given<u64>; 2], l: &mut Limits) {
        self.limit(
            "submissions_per_agency",
            count,
            &mut l.submissions_per_agency,
            0,
            1_000_000,
        );
        let most = &mut l.submission_mib_per_agency;
        self.limit("submission_mib_per_agency", mib, most, 1, 65_536);
    }
}
