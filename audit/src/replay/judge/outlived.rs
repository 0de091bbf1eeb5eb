//! Exchanges that take long, and whose right ends meanwhile: the switch has to cut them.
//!
//! What stands open for long is judged again at each act that may end a right, and once more by the clock at its answer.
//! An answer that was under way when the right ended is forgiven.

use proto::Code;
use proto::authorise::authorise;
use proto::entry::Kind;
use proto::limits::DEADLINE_MS_MAX;
use proto::registry::Registry;

use super::Judge;
use crate::replay::pairing::Recorded;
use crate::replay::{RECORD_DELAY_MS, rule};

/// How long after the end of a right an answer may be recorded: asked for just before, and recorded as late as may be.
const UNDER_WAY_US: u64 = (DEADLINE_MS_MAX as u64 + RECORD_DELAY_MS) * 1_000;

impl Judge<'_> {
    /// After an act of the registry: notes which requests are permitted no longer, or are again.
    pub(super) fn judge_open_again(&mut self, kind: Kind, now_us: u64) {
        let may_end = matches!(
            kind,
            Kind::AgreementAct
                | Kind::OperatorAct
                | Kind::Approval
                | Kind::AgencyAct
                | Kind::KeyEnded
        );
        if may_end {
            let registry = &self.registry;
            self.pairing
                .note_ended_rights(now_us, |request| is_permitted(registry, request, now_us));
        }
    }

    /// Since when a request that is opened only now has been permitted no longer.
    pub(super) fn note_opened(&mut self, index: u64, now_us: u64) {
        let registry = &self.registry;
        self.pairing.note_ended_right(index, now_us, |request| {
            is_permitted(registry, request, now_us)
        });
    }

    /// An answer, recorded at `index` and `now_us`, to a request that may have lost its right long before.
    pub(super) fn outlived(&mut self, index: u64, request: &Recorded, now_us: u64) {
        let before_us = now_us.saturating_sub(UNDER_WAY_US);
        let ended = request.ended_us.filter(|ended_us| *ended_us < before_us);
        // Of agreements that end by the clock no entry says so.
        let is_over = || {
            request.recorded_at_us < before_us
                && authorise(&self.registry, &request.opened, before_us / 1_000)
                    .is_err_and(|denial| denial.code == Code::AgreementExpired)
        };
        if ended.is_some() || is_over() {
            let under_way_ms = UNDER_WAY_US / 1_000;
            let detail =
                format!("answered more than {under_way_ms} ms after it was permitted no longer");
            self.fault(index, rule::DECISION, detail);
        }
    }
}

fn is_permitted(registry: &Registry, request: &Recorded, now_us: u64) -> bool {
    let opened = &request.opened;
    registry
        .seal_key(&request.sealed_by, &opened.consumer)
        .is_ok()
        && authorise(registry, opened, now_us / 1_000).is_ok()
}
