//! What waits for its review: a state over entries, the same at the switch and in every replay.
//!
//! Takes the request entries that were let through under break-glass grants, and the reviews, in the order of the log. Says
//! which exchanges wait, since when a consumer is overdue with a provider, and whether a review may stand. Changes no
//! right in the registry. Memory: some 300 bytes for each exchange that waits, and two figures for each time that a pair
//! of agencies caught up within the last moments.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::act::{Review, ReviewedRequest};
use crate::digest::Digest;
use crate::facts::ExchangeFacts;
use crate::header::RequestHeader;
use crate::id::{AgencyId, ExchangeId, SystemId};
use crate::limits::BREAK_GLASS_REVIEW_MS;
use crate::registry::Registry;

/// Who asked, and who was asked.
type Pair = (AgencyId, AgencyId);

/// How long after a review a refusal may still say that it was overdue: it was decided before, and recorded meanwhile.
const CAUGHT_UP_MS: u64 = 60_000;

/// An exchange that waits for its review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Leaf hash of its request entry.
    pub leaf: Digest,
    /// Unix time, milliseconds, when that was recorded.
    pub recorded_at_ms: u64,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Who asked.
    pub consumer: SystemId,
    /// Who was asked.
    pub provider: SystemId,
    /// Which person asked, under the consumer's pseudonym.
    pub actor: Option<Digest>,
    /// In which case, as its commitment.
    pub case: Option<Digest>,
    /// The agreement that permitted it.
    pub agreement: Digest,
    /// Number of the grant, from 1.
    pub grant: u32,
}

impl Waiting {
    /// What waits once the entry with these parts is recorded.
    pub fn of(
        request: &RequestHeader,
        (agreement, grant): (Digest, u32),
        leaf: Digest,
        recorded_at_ms: u64,
    ) -> Self {
        Self {
            leaf,
            recorded_at_ms,
            exchange: request.exchange_id,
            consumer: request.consumer.clone(),
            provider: request.provider.clone(),
            actor: request.actor,
            case: request.case_reference,
            agreement,
            grant,
        }
    }

    /// From this time on, Unix milliseconds, the review is overdue.
    pub fn due_at_ms(&self) -> u64 {
        self.recorded_at_ms.saturating_add(BREAK_GLASS_REVIEW_MS)
    }

    fn pair(&self) -> Pair {
        (self.consumer.agency(), self.provider.agency())
    }
}

/// All that waits.
#[derive(Clone, Debug, Default)]
pub struct Reviews {
    waiting: BTreeMap<u64, Waiting>,
    /// The same, by pair: indexes in order, so the oldest first. Stamps never go back.
    pairs: BTreeMap<Pair, Vec<u64>>,
    /// When a pair was overdue until a review came: from, until.
    caught_up: BTreeMap<Pair, Vec<(u64, u64)>>,
}

impl Reviews {
    /// Notes a recorded request under a break-glass grant; one that is noted already changes nothing.
    pub fn begin(&mut self, index: u64, waiting: Waiting) {
        let pair = waiting.pair();
        if self.waiting.insert(index, waiting).is_some() {
            return;
        }
        let indexes = self.pairs.entry(pair).or_default();
        let place = indexes.partition_point(|held| *held < index);
        indexes.insert(place, index);
    }

    /// Since when, Unix milliseconds, reviews of what `consumer` asked `provider` are overdue at `at_ms`.
    pub fn overdue_since(
        &self,
        consumer: &AgencyId,
        provider: &AgencyId,
        at_ms: u64,
    ) -> Option<u64> {
        self.oldest_due(&(consumer.clone(), provider.clone()))
            .filter(|due_ms| *due_ms <= at_ms)
    }

    /// Whether `consumer` may have been told at `at_ms` that a review is overdue: it is, or it was a moment ago.
    pub fn may_have_been_overdue(
        &self,
        consumer: &AgencyId,
        provider: &AgencyId,
        at_ms: u64,
    ) -> bool {
        let pair = (consumer.clone(), provider.clone());
        let before = self.caught_up.get(&pair).into_iter().flatten();
        self.overdue_since(consumer, provider, at_ms).is_some()
            || before
                .into_iter()
                .any(|(from, until)| (*from..=until + CAUGHT_UP_MS).contains(&at_ms))
    }

    /// Whether every request that the review names waits for it, as it stands in this log, and was asked of its agency.
    ///
    /// # Errors
    /// The first that does not fit.
    pub fn judge(&self, review: &Review) -> Result<(), ReviewFault> {
        review
            .requests
            .iter()
            .try_for_each(|request| self.judge_one(&review.agency, request))
    }

    /// As [`Reviews::judge`], for one of the requests.
    ///
    /// # Errors
    /// As there.
    pub fn judge_one(
        &self,
        agency: &AgencyId,
        request: &ReviewedRequest,
    ) -> Result<(), ReviewFault> {
        let index = request.index;
        let waiting = self
            .waiting
            .get(&index)
            .ok_or(ReviewFault::NotWaiting(index))?;
        if waiting.leaf != request.leaf {
            Err(ReviewFault::OtherEntry(index))
        } else if !waiting.provider.belongs_to(agency) {
            Err(ReviewFault::NotAsked(index))
        } else {
            Ok(())
        }
    }

    /// Takes a review that was recorded at `recorded_at_ms`: what it names waits no longer.
    pub fn settle(&mut self, review: &Review, recorded_at_ms: u64) {
        for request in &review.requests {
            let Some(pair) = self.waiting.get(&request.index).map(Waiting::pair) else {
                continue;
            };
            let due_ms = self.oldest_due(&pair);
            self.waiting.remove(&request.index);
            if let Some(indexes) = self.pairs.get_mut(&pair) {
                indexes.retain(|held| *held != request.index);
                if indexes.is_empty() {
                    self.pairs.remove(&pair);
                }
            }
            if let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= recorded_at_ms) {
                let times = self.caught_up.entry(pair).or_default();
                times.push((due_ms, recorded_at_ms));
            }
        }
        self.caught_up.retain(|_, times| {
            times.retain(|(_, until)| until + 2 * CAUGHT_UP_MS > recorded_at_ms);
            !times.is_empty()
        });
    }

    /// Everything that waits, in the order of the log.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &Waiting)> {
        self.waiting
            .iter()
            .map(|(index, waiting)| (*index, waiting))
    }

    /// The same, from the index `from` on.
    pub fn waiting_from(&self, from: u64) -> impl Iterator<Item = (u64, &Waiting)> {
        self.waiting
            .range(from..)
            .map(|(index, waiting)| (*index, waiting))
    }

    fn oldest_due(&self, pair: &Pair) -> Option<u64> {
        let oldest = self.pairs.get(pair)?.first()?;
        self.waiting.get(oldest).map(Waiting::due_at_ms)
    }
}

/// The grant under which a recorded request was let through, if it was a break-glass grant: what its facts say, looked up
/// in the registry.
pub fn broken_glass(registry: &Registry, facts: &ExchangeFacts) -> Option<(Digest, u32)> {
    let id = Digest::from_slice(&facts.agreement)?;
    let place = (facts.grant as usize).checked_sub(1)?;
    let grant = registry.agreement(&id)?.content.grants.get(place)?;
    grant.wants_review().then_some((id, facts.grant))
}

/// Whether the registry knows any break-glass grant at all, and the log index of the first agreement with one.
pub fn first_break_glass(registry: &Registry) -> Option<u64> {
    registry
        .agreements()
        .filter(|agreement| {
            let mut grants = agreement.content.grants.iter();
            grants.any(|grant| grant.wants_review())
        })
        .filter_map(|agreement| agreement.acts.first().map(|act| act.index))
        .min()
}

/// Why a review may not stand.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReviewFault {
    /// No such request, not under a break-glass grant, or reviewed already.
    #[error(
        "entry {0} waits for no review: it is no request under a break-glass grant, or was reviewed already"
    )]
    NotWaiting(u64),
    /// Another entry stands there.
    #[error("entry {0} is another one than the review names")]
    OtherEntry(u64),
    /// It was asked of another agency.
    #[error("entry {0} was asked of another agency, whose review it is")]
    NotAsked(u64),
}

#[cfg(test)]
mod tests;
