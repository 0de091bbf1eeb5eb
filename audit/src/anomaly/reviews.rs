//! Exchanges in which the glass was broken: reviews that are overdue at the end of what was read, and looks that the
//! agency that was asked found unjustified. Knows only agreements and requests that it was shown: over a part of a log it
//! sees a part.

use std::collections::{BTreeMap, BTreeSet};

use proto::Digest;
use proto::act::{AgreementAct, AgreementContent, Finding, Review, Step};
use proto::entry::Kind;
use proto::id::AgencyId;
use proto::reviews::{Reviews as State, Waiting};

use super::{Odd, Oddity, Traces, Who};
use crate::find::Row;

/// Exchanges that wait for a review, watched at most, some 300 bytes each.
const WAITING_MAX: usize = 100_000;

/// Follows what waits.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    /// Break-glass grants, by agreement and number.
    grants: BTreeSet<(Digest, u32)>,
    state: State,
    watched: usize,
    unjustified: BTreeMap<(Who, AgencyId), (u64, Traces)>,
    now_ms: u64,
    unwatched: u64,
}

impl Reviews {
    pub(super) fn take(&mut self, row: &Row) {
        self.now_ms = row.event.recorded_at_us / 1_000;
        match row.entry.kind {
            Kind::AgreementAct => self.note_grants(row),
            Kind::Request => self.begin(row),
            Kind::Review => self.settle(row),
            _ => {}
        }
    }

    fn note_grants(&mut self, row: &Row) {
        let Ok(act) = AgreementAct::open(&row.entry.header) else {
            return;
        };
        if act.step != Step::Propose {
            return;
        }
        let Ok(content) = AgreementContent::open(&act.content) else {
            return;
        };
        for (number, grant) in (1..).zip(&content.grants) {
            if grant.wants_review() {
                self.grants.insert((act.agreement, number));
            }
        }
    }

    fn begin(&mut self, row: &Row) {
        let (Some(facts), Some(request)) = (&row.facts, &row.request) else {
            return;
        };
        let Some(agreement) = Digest::from_slice(&facts.agreement) else {
            return;
        };
        let grant = (agreement, facts.grant);
        if !self.grants.contains(&grant) {
            return;
        }
        if self.watched >= WAITING_MAX {
            self.unwatched += 1;
            return;
        }
        self.watched += 1;
        let waiting = Waiting::of(request, grant, row.leaf, self.now_ms);
        self.state.begin(row.event.index, waiting);
    }

    fn settle(&mut self, row: &Row) {
        let Ok(review) = Review::open(&row.entry.header) else {
            return;
        };
        if review.finding == Finding::Unjustified {
            let named = review.requests.iter().filter_map(|request| {
                let (index, waiting) = self.state.waiting_from(request.index).next()?;
                (index == request.index).then_some((index, waiting))
            });
            for (index, waiting) in named {
                let key = (who(waiting), waiting.provider.agency());
                let (count, traces) = self.unjustified.entry(key).or_default();
                *count += 1;
                traces.add_at(index, waiting.recorded_at_ms);
            }
        }
        let before = self.state.waiting().count();
        self.state.settle(&review, self.now_ms);
        self.watched -= before - self.state.waiting().count();
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// What is overdue, and what was unjustified.
    pub(super) fn finish(self) -> (Vec<Oddity>, Vec<Oddity>) {
        let mut late: BTreeMap<(Who, AgencyId), (u64, Traces)> = BTreeMap::new();
        for (index, waiting) in self.state.waiting() {
            if waiting.due_at_ms() <= self.now_ms {
                // Whoever was asked owes the review.
                let key = (
                    Who::Agency(waiting.provider.agency()),
                    waiting.consumer.agency(),
                );
                let (count, traces) = late.entry(key).or_default();
                *count += 1;
                traces.add_at(index, waiting.recorded_at_ms);
            }
        }
        let overdue = late.into_iter().map(|((who, consumer), (count, traces))| {
            let odd = Odd::ReviewOverdue { consumer };
            Oddity {
                who,
                odd,
                count,
                traces,
            }
        });
        let unjustified = self.unjustified.into_iter();
        let unjustified = unjustified.map(|((who, provider), (count, traces))| {
            let odd = Odd::Unjustified { provider };
            Oddity {
                who,
                odd,
                count,
                traces,
            }
        });
        (overdue.collect(), unjustified.collect())
    }
}

fn who(waiting: &Waiting) -> Who {
    match waiting.actor {
        Some(actor) => Who::Clerk(waiting.consumer.clone(), actor),
        None => Who::System(waiting.consumer.clone()),
    }
}

#[cfg(test)]
mod tests;
