//! Room 4, route: `Permitted → Routed`.
//!
//! Takes a permitted request. Gives a published operation, a place under the grant's rate and the daily quotas of
//! grant and agency, and a seat on the provider's least-loaded adapter. Says no with unknown_service,
//! contract_violation, operation_disabled (with the provider's notice), purpose_not_granted (a review is overdue),
//! quota_exceeded, rate_limited, provider_offline, overloaded. Never tells somebody without a permission what exists: authorise comes first.

use audit::log::Arriving;
use proto::Code;
use proto::authorise::{Clause, Permission, locate};
use proto::header::RequestHeader;
use proto::registry::{Notice, Registry};

use super::Exchange;
use super::authorise::Permitted;
use super::quota::{Counted, Counter, DAY_MS};
use super::rate::Drawn;
use super::refusal::Refusal;
use super::submission::queue::{NoPlace, Place};
use super::verify::{Received, Verified};
use crate::links::seat::{NoSeat, Seat};

/// When a submission is tried again for which there was no room.
const FULL_AGAIN_MS: u64 = 60_000;

/// A request that can be recorded and delivered: `P` is its place, a seat on a link, or one in the queue of submissions.
#[derive(Debug)]
pub(super) struct Routed<P = Seat> {
    permitted: Permitted,
    counted: Counts,
    place: P,
}

/// A routed request in its parts, for the record.
#[derive(Debug)]
pub(super) struct Route<P> {
    pub(super) permitted: Permitted,
    pub(super) counted: Counts,
    pub(super) place: P,
}

impl<P> Routed<P> {
    pub(super) fn verified(&self) -> &Verified {
        self.permitted.fresh().verified()
    }

    pub(super) fn decided_at_ms(&self) -> u64 {
        self.permitted.fresh().decided_at_ms()
    }

    pub(super) fn permission(&self) -> Permission {
        self.permitted.permission()
    }

    /// This request's number under the grant's daily quota; 0 without a quota.
    pub(super) fn quota_used(&self) -> u64 {
        self.counted.grant.as_ref().map_or(0, Counted::used)
    }

    /// The announcement to the log's writer, for the entry that follows.
    pub(super) fn take_arriving(&mut self) -> Option<Arriving> {
        self.permitted.passage_mut().arriving.take()
    }

    /// For the record.
    pub(super) fn into_parts(self) -> Route<P> {
        Route {
            permitted: self.permitted,
            counted: self.counted,
            place: self.place,
        }
    }

    /// Back to the first room. The id stays reserved; place and quota are given back.
    pub(super) fn back(self) -> Received {
        let (mut verified, reservation, _) = self.permitted.into_fresh().into_parts();
        verified.passage_mut().reservation = Some(reservation);
        verified.back()
    }

    /// A refusal because the log did not take the request.
    pub(super) fn refuse(self, code: Code) -> Box<Refusal> {
        self.permitted.into_fresh().refuse(code)
    }
}

impl Exchange {
    /// Says where it goes, and that there is room.
    pub(super) fn route(&self, permitted: Permitted) -> Result<Routed, Box<Refusal>> {
        let (mut permitted, counted) = self.located(permitted)?;
        if let Err(code) = reach(&mut permitted) {
            return Err(permitted.into_fresh().refuse(code));
        }
        let verified = permitted.fresh().verified();
        let header = verified.header();
        let (id, consumer) = (header.exchange_id, verified.key().system);
        match self
            .links
            .seat(&header.provider, id, consumer, header.is_upload())
        {
            Ok(place) => Ok(Routed {
                permitted,
                counted,
                place,
            }),
            Err(NoSeat::Offline) => Err(permitted.into_fresh().refuse(Code::ProviderOffline)),
            Err(NoSeat::Full) => Err(permitted.into_fresh().refuse(Code::Overloaded)),
            Err(NoSeat::NoUploads) => {
                let granted = permitted.permission();
                let refusal = permitted.into_fresh().refuse(Code::OperationDisabled);
                Err(refusal
                    .with_denial(Some(granted.agreement), granted.grant, &Clause::Upload)
                    .with_notice(Some(no_uploads())))
            }
        }
    }

    /// The same for a submission: it goes into the queue, whether its provider is there or not.
    pub(super) fn queue(&self, permitted: Permitted) -> Result<Routed<Place>, Box<Refusal>> {
        let (permitted, counted) = self.located(permitted)?;
        let verified = permitted.fresh().verified();
        match self
            .submissions
            .place(verified.header(), verified.envelope())
        {
            Ok(place) => Ok(Routed {
                permitted,
                counted,
                place,
            }),
            Err(NoPlace::Full) => Err(permitted
                .into_fresh()
                .refuse(Code::Overloaded)
                .with_retry_after_ms(FULL_AGAIN_MS)),
            Err(NoPlace::Known(state)) => Err(permitted
                .into_fresh()
                .refuse(Code::Duplicate)
                .with_first(state.first())),
        }
    }

    /// The operation is published, and every limit has room for one more.
    fn located(&self, permitted: Permitted) -> Result<(Permitted, Counts), Box<Refusal>> {
        let verified = permitted.fresh().verified();
        if let Err(code) = locate(verified.registry(), verified.header()) {
            let notice = (code == Code::OperationDisabled)
                .then(|| notice(verified.registry(), verified.header()))
                .flatten();
            return Err(permitted.into_fresh().refuse(code).with_notice(notice));
        }
        match self.count(&permitted) {
            Ok(counted) => Ok((permitted, counted)),
            Err(over) => Err(over.refuse(permitted)),
        }
    }

    /// Nothing is owed from before; then counts it under everything that has a limit: the asking agency's day, the grant's second, the grant's day.
    fn count(&self, permitted: &Permitted) -> Result<Counts, Over> {
        let at_ms = permitted.fresh().decided_at_ms();
        let verified = permitted.fresh().verified();
        let Permission {
            agreement,
            grant,
            daily_quota,
            rate_per_s,
            wants_review,
        } = permitted.permission();
        let header = verified.header();
        let (consumer, provider) = (header.consumer.agency(), header.provider.agency());
        if wants_review && self.reviews.is_overdue(&consumer, &provider, at_ms) {
            return Err(Over::Review);
        }
        let agency = verified
            .registry()
            .agency(&consumer)
            .map(|agency| {
                let counter = Counter::Agency(agency.index);
                self.quota
                    .count(counter, agency.daily_quota, at_ms)
                    .ok_or(Over::AgencyDay)
            })
            .transpose()?;
        let rate = (rate_per_s > 0)
            .then(|| self.rates.draw((agreement, grant), rate_per_s, at_ms))
            .transpose()
            .map_err(Over::GrantSecond)?;
        let grant = (daily_quota > 0)
            .then(|| {
                let counter = Counter::Grant(agreement, grant);
                self.quota
                    .count(counter, daily_quota, at_ms)
                    .ok_or(Over::GrantDay)
            })
            .transpose()?;
        Ok(Counts {
            agency,
            rate,
            grant,
        })
    }
}

/// Counts it with its provider, of which nobody holds more than a share.
fn reach(permitted: &mut Permitted) -> Result<(), Code> {
    let provider = permitted.fresh().verified().header().provider.clone();
    match &mut permitted.passage_mut().permit {
        Some(permit) => permit.asks(&provider),
        // Of nobody's agency; no such request comes this far.
        None => Ok(()),
    }
}

/// What the provider says about an operation that it switched off.
fn notice(registry: &Registry, request: &RequestHeader) -> Option<Notice> {
    registry
        .service(&request.provider.service(&request.service))?
        .notice(&request.operation)
        .cloned()
}

/// What is said of a provider of which no adapter takes requests in chunks.
fn no_uploads() -> Notice {
    Notice {
        operation: None,
        index: 0,
        notice_en: "No adapter of this provider takes requests in chunks: ask in one piece of at most 1 MiB, or ask the \
                    provider to run a newer adapter."
            .to_owned(),
        notice_ar: "لا يقبل أي موائم لدى هذا المزوّد طلبًا على أجزاء: اطلب في قطعة واحدة لا تتجاوز ميغابايتًا واحدًا، أو اطلب من \
                    المزوّد تشغيل موائم أحدث."
            .to_owned(),
    }
}

/// Where a request was counted.
#[derive(Debug)]
pub(super) struct Counts {
    agency: Option<Counted>,
    rate: Option<Drawn>,
    grant: Option<Counted>,
}

impl Counts {
    /// Its request is durable: it counts everywhere.
    pub(super) fn keep(self) {
        let Self {
            agency,
            rate,
            grant,
        } = self;
        for counted in [agency, grant].into_iter().flatten() {
            counted.keep();
        }
        if let Some(drawn) = rate {
            drawn.keep();
        }
    }
}

/// The limit that a request is over.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// Reviews of earlier exchanges under break-glass grants.
    Review,
    /// The daily quota of the agency that asks.
    AgencyDay,
    /// The grant's requests a second; milliseconds until the next one.
    GrantSecond(u64),
    /// The grant's daily quota.
    GrantDay,
}

impl Over {
    fn refuse(self, permitted: Permitted) -> Box<Refusal> {
        let Permission {
            agreement, grant, ..
        } = permitted.permission();
        let tomorrow_ms = DAY_MS - permitted.fresh().decided_at_ms() % DAY_MS;
        let fresh = permitted.into_fresh();
        match self {
            // Nothing is gained by waiting: somebody has to give the review.
            Self::Review => fresh.refuse(Code::PurposeNotGranted).with_denial(
                Some(agreement),
                grant,
                &Clause::ReviewOverdue,
            ),
            // No grant is at fault: grant 0 and no agreement say that it is the agency's own quota.
            Self::AgencyDay => fresh
                .refuse(Code::QuotaExceeded)
                .with_denial(None, 0, &Clause::Quota)
                .with_retry_after_ms(tomorrow_ms),
            Self::GrantSecond(wait_ms) => fresh
                .refuse(Code::RateLimited)
                .with_grant(agreement, grant)
                .with_retry_after_ms(wait_ms),
            Self::GrantDay => fresh
                .refuse(Code::QuotaExceeded)
                .with_denial(Some(agreement), grant, &Clause::Quota)
                .with_retry_after_ms(tomorrow_ms),
        }
    }
}
