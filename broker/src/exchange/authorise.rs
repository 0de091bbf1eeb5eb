//! Room 3, authorise: `Fresh → Permitted`.
//!
//! Takes a fresh request. Gives the grant of the agreement that permits it. Says no with no_agreement,
//! agreement_expired, agreement_revoked, purpose_not_granted, operation_not_granted, field_not_granted,
//! delegation_broken, encryption_required, border_closed, naming agreement and clause. Decides nothing itself: `proto::authorise` does, here as in the
//! provider's adapter and in a replay.

use proto::authorise::{Permission, authorise};

use super::Exchange;
use super::freshness::Fresh;
use super::refusal::Refusal;
use super::verify::Passage;

/// A request that an agreement permits.
#[derive(Debug)]
pub(super) struct Permitted {
    fresh: Fresh,
    permission: Permission,
}

impl Permitted {
    pub(super) fn fresh(&self) -> &Fresh {
        &self.fresh
    }

    pub(super) fn permission(&self) -> Permission {
        self.permission
    }

    pub(super) fn passage_mut(&mut self) -> &mut Passage {
        self.fresh.passage_mut()
    }

    /// For the record.
    pub(super) fn into_fresh(self) -> Fresh {
        self.fresh
    }
}

impl Exchange {
    /// Says that both agencies agreed to this.
    pub(super) fn authorise(&self, fresh: Fresh) -> Result<Permitted, Box<Refusal>> {
        let verified = fresh.verified();
        match authorise(
            verified.registry(),
            verified.header(),
            fresh.decided_at_ms(),
        ) {
            Ok(permission) => Ok(Permitted { fresh, permission }),
            Err(denial) => Err(fresh.refuse(denial.code).with_denial(
                denial.agreement,
                denial.grant,
                &denial.clause,
            )),
        }
    }
}
