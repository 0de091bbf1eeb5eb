//! Which agreement a request names when its caller names none.
//!
//! Takes the mirror and a request without agreement. Gives the first agreement that permits it by
//! the one function that decides, or else the one that comes closest, so that the recorded refusal
//! names the clause that is missing. With nothing between the two agencies there is none to name.

use proto::authorise::{Denial, authorise};
use proto::digest::Digest;
use proto::header::RequestHeader;
use proto::refusal::Code;
use proto::registry::Registry;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Permits the request at this time.
    Permits(Digest),
    /// Is between the two, and does not permit it.
    Closest(Digest),
    /// Nothing is between the two.
    Nothing,
}

impl Choice {
    pub(super) fn agreement(self) -> Option<Digest> {
        match self {
            Self::Permits(id) | Self::Closest(id) => Some(id),
            Self::Nothing => None,
        }
    }
}

/// Chooses for `request` at `at_ms`. Its own agreement is not looked at.
pub(super) fn choose(registry: &Registry, request: &RequestHeader, at_ms: u64) -> Choice {
    let (consumer, provider) = (request.consumer.agency(), request.provider.agency());
    let mut named = request.clone();
    let mut closest: Option<(u8, Digest)> = None;
    for agreement in registry.agreements() {
        if agreement.content.provider != provider || !agreement.content.consumer.covers(&consumer) {
            continue;
        }
        named.agreement = Some(agreement.id);
        match authorise(registry, &named, at_ms) {
            Ok(permission) => return Choice::Permits(permission.agreement),
            Err(denial) => {
                let rank = closeness(&denial);
                if closest.is_none_or(|(best, _)| rank > best) {
                    closest = Some((rank, agreement.id));
                }
            }
        }
    }
    closest.map_or(Choice::Nothing, |(_, id)| Choice::Closest(id))
}

/// How much of the request an agreement permits: the later its first failed clause, the closer.
fn closeness(denial: &Denial) -> u8 {
    match denial.code {
        Code::FieldNotGranted => 6,
        Code::PurposeNotGranted => 5,
        // Grant 0: no grant is for this service at all.
        Code::OperationNotGranted if denial.grant > 0 => 4,
        Code::AgreementExpired => 3,
        Code::AgreementRevoked => 2,
        _ => 1,
    }
}
