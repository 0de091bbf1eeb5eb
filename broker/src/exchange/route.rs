//! Room 4, route: `Permitted → Routed`.
//!
//! Takes a permitted request. Gives a published operation, a place under the grant's daily quota, and a seat on the
//! provider's least-loaded adapter. Says no with unknown_service, contract_violation, quota_exceeded,
//! provider_offline, overloaded. Never tells somebody without a permission what exists: authorise comes first.

use audit::log::Arriving;
use proto::Code;
use proto::authorise::{Clause, Permission, locate};

use super::Exchange;
use super::authorise::Permitted;
use super::quota::{Counted, DAY_MS};
use super::refusal::Refusal;
use super::verify::{Received, Verified};
use crate::links::seat::{NoSeat, Seat};

/// A request that can be recorded and delivered.
#[derive(Debug)]
pub(super) struct Routed {
    permitted: Permitted,
    counted: Option<Counted>,
    seat: Seat,
}

/// A routed request in its parts, for the record.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) permitted: Permitted,
    pub(super) counted: Option<Counted>,
    pub(super) seat: Seat,
}

impl Routed {
    pub(super) fn verified(&self) -> &Verified {
        self.permitted.fresh().verified()
    }

    pub(super) fn decided_at_ms(&self) -> u64 {
        self.permitted.fresh().decided_at_ms()
    }

    pub(super) fn permission(&self) -> Permission {
        self.permitted.permission()
    }

    /// This request's number under the daily quota; 0 without a quota.
    pub(super) fn quota_used(&self) -> u64 {
        self.counted.as_ref().map_or(0, Counted::used)
    }

    /// The announcement to the log's writer, for the entry that follows.
    pub(super) fn take_arriving(&mut self) -> Option<Arriving> {
        self.permitted.passage_mut().arriving.take()
    }

    /// For the record.
    pub(super) fn into_parts(self) -> Route {
        Route {
            permitted: self.permitted,
            counted: self.counted,
            seat: self.seat,
        }
    }

    /// Back to the first room. The id stays reserved; seat and quota are given back.
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
        let verified = permitted.fresh().verified();
        let permission = permitted.permission();
        if let Err(code) = locate(verified.registry(), verified.header()) {
            return Err(permitted.into_fresh().refuse(code));
        }
        let counted = if permission.daily_quota == 0 {
            None
        } else {
            let at_ms = permitted.fresh().decided_at_ms();
            let Permission {
                agreement,
                grant,
                daily_quota,
                rate_per_s: _,
            } = permission;
            match self.quota.count(agreement, grant, daily_quota, at_ms) {
                Some(counted) => Some(counted),
                None => {
                    let tomorrow_ms = DAY_MS - at_ms % DAY_MS;
                    return Err(permitted
                        .into_fresh()
                        .refuse(Code::QuotaExceeded)
                        .with_denial(Some(agreement), grant, &Clause::Quota)
                        .with_retry_after_ms(tomorrow_ms));
                }
            }
        };
        let header = verified.header();
        match self
            .links
            .seat(&header.provider, header.exchange_id, verified.key().system)
        {
            Ok(seat) => Ok(Routed {
                permitted,
                counted,
                seat,
            }),
            Err(NoSeat::Offline) => Err(permitted.into_fresh().refuse(Code::ProviderOffline)),
            Err(NoSeat::Full) => Err(permitted.into_fresh().refuse(Code::Overloaded)),
        }
    }
}
