//! Which agreement a request can name: the deciding function asked over every way that there is.
//!
//! Takes a registry and a request. Gives the first way that permits it, or the one that comes closest. Decides
//! nothing itself.

use super::{Clause, Denial, Permission, authorise};
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::refusal::Code;
use crate::registry::{Agreement, Registry};

/// Which agreement a request can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Permits the request at this time.
    Permits {
        /// The agreement.
        agreement: Digest,
        /// The delegations to name with it, outermost first.
        delegation: Vec<Digest>,
        /// What it permits.
        permission: Permission,
    },
    /// Is between the two, and does not permit it.
    Closest {
        /// The agreement.
        agreement: Digest,
        /// The delegations to name with it.
        delegation: Vec<Digest>,
        /// What is missing.
        denial: Denial,
    },
    /// Nothing is between the two.
    Nothing(Denial),
}

/// Chooses for `request` at `at_ms`: the first agreement that permits it by the one function that decides, or
/// else the one that comes closest, so that a recorded refusal names the clause that is missing. The agreement
/// and delegation that the request names already are not looked at.
pub fn choose(registry: &Registry, request: &RequestHeader, at_ms: u64) -> Choice {
    let mut named = request.clone();
    let mut closest: Option<(u8, Digest, Vec<Digest>, Denial)> = None;
    let (consumer, provider) = (request.consumer.agency(), request.provider.agency());
    for agreement in registry.between(&consumer, &provider) {
        for delegation in ways(registry, agreement, request) {
            named.agreement = Some(agreement.id);
            named.delegation.clone_from(&delegation);
            match authorise(registry, &named, at_ms) {
                Ok(permission) => {
                    return Choice::Permits {
                        agreement: agreement.id,
                        delegation,
                        permission,
                    };
                }
                Err(denial) => {
                    let rank = closeness(&denial);
                    if closest.as_ref().is_none_or(|(best, ..)| rank > *best) {
                        closest = Some((rank, agreement.id, delegation, denial));
                    }
                }
            }
        }
    }
    if let Some((_, agreement, delegation, denial)) = closest {
        return Choice::Closest {
            agreement,
            delegation,
            denial,
        };
    }
    named.agreement = None;
    named.delegation = Vec::new();
    Choice::Nothing(match authorise(registry, &named, at_ms) {
        Err(denial) => denial,
        // A request without an agreement is never permitted.
        Ok(_) => Denial {
            code: Code::NoAgreement,
            agreement: None,
            grant: 0,
            clause: Clause::Agreement,
        },
    })
}

/// The ways in which the request can use an agreement: as its consumer, and by each delegation to it.
pub(super) fn ways(
    registry: &Registry,
    agreement: &Agreement,
    request: &RequestHeader,
) -> Vec<Vec<Digest>> {
    let consumer = request.consumer.agency();
    let mut ways = Vec::new();
    if agreement.content.consumer.covers(&consumer) {
        ways.push(Vec::new());
    }
    ways.extend(
        registry
            .handed_on(&agreement.id, &consumer)
            .map(|record| registry.chain_of(&record.id)),
    );
    ways
}

/// How much of the request an agreement permits: the later its first failed clause, the closer.
fn closeness(denial: &Denial) -> u8 {
    match denial.code {
        Code::AgencySuspended if denial.grant > 0 => 9,
        Code::BorderClosed if denial.grant > 0 => 8,
        Code::EncryptionRequired => 7,
        Code::FieldNotGranted => 6,
        Code::PurposeNotGranted => 5,
        // Grant 0: no grant is for this service at all.
        Code::OperationNotGranted if denial.grant > 0 => 4,
        Code::DelegationBroken => 3,
        Code::AgreementExpired => 3,
        Code::AgreementRevoked => 2,
        _ => 1,
    }
}
