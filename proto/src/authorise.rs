//! The one function that decides: in the switch, again in the provider's adapter with its own mirror, and in a replay for
//! every recorded decision. It reads a registry and a header, nothing else.
//!
//! | file | what it holds |
//! |---|---|
//! | `verify`, `fault` | the checks that bind headers to keys, and what they find |
//! | `choose`, `explain` | which agreement a request can name, the decision in advance |
//! | `missing`, `change` | what would change it, in both languages |
//! | `readers`, `rows` | who may read a field, which records a permitted request may see |
//! | `border` | whether a grant holds across a border |
//! | `suppose` | what would be decided if agreements stood otherwise |

use std::fmt;

mod border;
mod change;
mod choose;
mod explain;
mod fault;
mod missing;
mod readers;
mod rows;
mod suppose;
mod verify;

pub use change::Change;
pub use choose::{Choice, choose};
pub use explain::{Explanation, Question, explain, explain_request};
pub use fault::AnswerFault;
pub use readers::{Reader, who_can};
pub use rows::{Row, row_scope};
pub use suppose::{Supposed, SupposedPermission, Supposition};
pub use verify::{
    SealedRequest, answers, code_of, trails, verify_answer, verify_dispute, verify_erasure,
    verify_event, verify_event_receipt, verify_hold, verify_opened_request, verify_recorded_event,
    verify_request, verify_review, verify_subscription, verify_subscription_end, verify_trailer,
    verify_upload_trailer,
};

use border::Border;

use crate::act::Grant;
use crate::commitment::Form;
use crate::digest::Digest;
use crate::header::{RequestHeader, Topic};
use crate::id::{AgencyId, Part, SystemId};
use crate::refusal::Code;
use crate::registry::{Agreement, AgreementState, DelegationRecord, Registry, Service};

/// What permits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The agreement.
    pub agreement: Digest,
    /// Number of the grant inside it, from 1.
    pub grant: u32,
    /// Requests a day (UTC) under this grant; 0 means no quota. Counting is the caller's.
    pub daily_quota: u64,
    /// Requests a second, averaged, under this grant; 0 means no limit. Counting is the caller's.
    pub rate_per_s: u32,
    /// The exchange is reviewed afterwards; while reviews are overdue nothing more is let through. That is the caller's, too.
    pub wants_review: bool,
}

/// What refuses a request: the code, and which clause of what decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The stable code.
    pub code: Code,
    /// The agreement that was judged, if one was found.
    pub agreement: Option<Digest>,
    /// The grant that came closest, from 1; 0 when none was judged.
    pub grant: u32,
    /// The clause that failed.
    pub clause: Clause,
}

/// The clause that decided, a stable word with its detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// No agreement was named, or none has this id.
    Agreement,
    /// The agreement is not sealed by both.
    Acceptance,
    /// The agreement was revoked.
    Revocation,
    /// Not between these two.
    Parties,
    /// Not at this time.
    Validity,
    /// No grant for this service.
    Service,
    /// Not this operation.
    Operation,
    /// Not this purpose.
    Purpose,
    /// Not this field.
    Field(String),
    /// A newer agreement took its place.
    Supersession,
    /// This agency is suspended.
    Standing(AgencyId),
    /// The delegation with this number in the chain, from 1; 0: the chain as a whole.
    Delegation(usize),
    /// The daily quota.
    Quota,
    /// The grant wants the payload sealed to its receiver.
    Encryption,
    /// The grant wants a named person: the request has no actor.
    Actor,
    /// The grant wants a case: the request has no case reference.
    CaseReference,
    /// The grant wants a review, and nobody could give one: the agency asks itself.
    Reviewer,
    /// Reviews of earlier exchanges between the two are overdue.
    ReviewOverdue,
    /// This instance, of the consumer or the provider, was withdrawn.
    Withdrawal(String),
    /// The provider has not opened this operation to the consumer's instance.
    Opening,
    /// It had, and the opening ended.
    OpeningEnded,
    /// The payload follows in chunks, and no adapter of the provider takes such a request.
    Upload,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreement => f.write_str("agreement"),
            Self::Acceptance => f.write_str("acceptance"),
            Self::Revocation => f.write_str("revocation"),
            Self::Parties => f.write_str("parties"),
            Self::Validity => f.write_str("validity"),
            Self::Service => f.write_str("service"),
            Self::Operation => f.write_str("operation"),
            Self::Purpose => f.write_str("purpose"),
            Self::Field(field) => write!(f, "field {field}"),
            Self::Supersession => f.write_str("supersession"),
            Self::Standing(agency) => write!(f, "standing {agency}"),
            Self::Delegation(0) => f.write_str("delegation"),
            Self::Delegation(link) => write!(f, "delegation {link}"),
            Self::Quota => f.write_str("quota"),
            Self::Encryption => f.write_str("encryption"),
            Self::Actor => f.write_str("actor"),
            Self::CaseReference => f.write_str("case_reference"),
            Self::Reviewer => f.write_str("reviewer"),
            Self::ReviewOverdue => f.write_str("review_overdue"),
            Self::Withdrawal(instance) => write!(f, "withdrawal {instance}"),
            Self::Opening => f.write_str("opening"),
            Self::OpeningEnded => f.write_str("opening_ended"),
            Self::Upload => f.write_str("upload"),
        }
    }
}

/// Decides whether `request` is permitted at `at_ms`, by the agreement that it names.
pub fn authorise(
    registry: &Registry,
    request: &RequestHeader,
    at_ms: u64,
) -> Result<Permission, Denial> {
    let no = |code, agreement, grant, clause| {
        Err(Denial {
            code,
            agreement,
            grant,
            clause,
        })
    };
    let consumer = request.consumer.agency();
    if registry.is_suspended(&consumer) {
        return no(Code::AgencySuspended, None, 0, Clause::Standing(consumer));
    }
    if registry.is_withdrawn(&consumer) {
        let clause = Clause::Withdrawal(consumer.instance().to_owned());
        return no(Code::BorderClosed, None, 0, clause);
    }
    let found = request.agreement.and_then(|id| registry.agreement(&id));
    let Some(agreement) = found else {
        return no(Code::NoAgreement, None, 0, Clause::Agreement);
    };
    let id = Some(agreement.id);
    let provider = request.provider.agency();
    // Parties first: what an agreement says is told only to those it is between.
    let is_party = agreement.content.consumer.covers(&consumer)
        || registry
            .handed_on(&agreement.id, &consumer)
            .next()
            .is_some();
    if agreement.content.provider != provider || !is_party {
        return no(Code::NoAgreement, None, 0, Clause::Parties);
    }
    match agreement.state {
        AgreementState::Proposed => return no(Code::NoAgreement, id, 0, Clause::Acceptance),
        AgreementState::Revoked => return no(Code::AgreementRevoked, id, 0, Clause::Revocation),
        AgreementState::Active => {}
    }
    if at_ms < agreement.content.not_before_ms || at_ms >= agreement.content.not_after_ms {
        return no(Code::AgreementExpired, id, 0, Clause::Validity);
    }
    if agreement
        .superseded_from_ms
        .is_some_and(|from| at_ms >= from)
    {
        return no(Code::AgreementExpired, id, 0, Clause::Supersession);
    }
    let chain = match chain(registry, agreement, request, at_ms) {
        Ok(chain) => chain,
        Err(clause) => return no(Code::DelegationBroken, id, 0, clause),
    };
    let border = Border::between(registry, agreement, &consumer, at_ms);
    let permission = best_grant(&border, agreement, request, &chain)?;
    if registry.is_suspended(&provider) {
        return no(
            Code::AgencySuspended,
            id,
            permission.grant,
            Clause::Standing(provider),
        );
    }
    if registry.is_withdrawn(&provider) {
        let clause = Clause::Withdrawal(provider.instance().to_owned());
        return no(Code::BorderClosed, id, permission.grant, clause);
    }
    Ok(permission)
}

/// The delegations that the request names: an unbroken chain from the agreement's consumer to the one that asks,
/// every link of it in force.
fn chain<'a>(
    registry: &'a Registry,
    agreement: &Agreement,
    request: &RequestHeader,
    at_ms: u64,
) -> Result<Vec<&'a DelegationRecord>, Clause> {
    let mut chain: Vec<&DelegationRecord> = Vec::with_capacity(request.delegation.len());
    for (position, id) in request.delegation.iter().enumerate() {
        let broken = Clause::Delegation(position + 1);
        let Some(link) = registry.delegation(id) else {
            return Err(broken);
        };
        let above = chain.last();
        let follows = link.agreement == agreement.id
            && link.delegation.parent == above.map(|above| above.id)
            && above.is_none_or(|above| above.delegation.consumer == link.from)
            && (above.is_some() || agreement.content.consumer.covers(&link.from));
        let in_force = link.ended.is_none()
            && at_ms >= link.delegation.not_before_ms
            && at_ms < link.delegation.not_after_ms
            && !registry.is_suspended(&link.from)
            && !registry.is_withdrawn(&link.from);
        if !follows || !in_force {
            return Err(broken);
        }
        chain.push(link);
    }
    let consumer = request.consumer.agency();
    let reaches = match chain.last() {
        Some(last) => last.delegation.consumer == consumer,
        // To whom something was handed on is a party, but asks by naming the chain: without it nothing is narrowed.
        None => agreement.content.consumer.covers(&consumer),
    };
    if reaches {
        Ok(chain)
    } else {
        Err(Clause::Delegation(0))
    }
}

/// The first grant that permits everything asked, or the denial of the one that came closest.
fn best_grant(
    border: &Border<'_>,
    agreement: &Agreement,
    request: &RequestHeader,
    chain: &[&DelegationRecord],
) -> Result<Permission, Denial> {
    let mut closest = (0, Code::OperationNotGranted, 0, Clause::Service);
    for (position, grant) in agreement.content.grants.iter().enumerate() {
        // GRANTS_MAX is 64.
        let number = position as u32 + 1;
        let handed_on = chain.iter().all(|link| link.delegation.grant == number);
        if grant.system != request.provider || grant.service != request.service || !handed_on {
            continue;
        }
        let links = || chain.iter().map(|link| &link.delegation);
        let missing_field = request.fields.iter().find(|field| {
            !grant.fields.contains(field) || !links().all(|link| link.fields.contains(field))
        });
        let operation_held = grant.operations.contains(&request.operation)
            && links().all(|link| link.operations.contains(&request.operation));
        let purpose_held = grant.purposes.contains(&request.purpose)
            && links().all(|link| link.purposes.contains(&request.purpose));
        let denied = if !operation_held {
            (1, Code::OperationNotGranted, number, Clause::Operation)
        } else if !purpose_held {
            (2, Code::PurposeNotGranted, number, Clause::Purpose)
        } else if let Some(field) = missing_field {
            (
                3,
                Code::FieldNotGranted,
                number,
                Clause::Field(field.to_string()),
            )
        } else if grant.wants_sealed() && request.payload.form != Form::Sealed {
            (4, Code::EncryptionRequired, number, Clause::Encryption)
        } else if let Some(clause) = unbroken_glass(grant, request) {
            (5, Code::PurposeNotGranted, number, clause)
        } else if let Some(clause) = border.shut(number, request) {
            (6, Code::BorderClosed, number, clause)
        } else {
            return Ok(Permission {
                agreement: agreement.id,
                grant: number,
                daily_quota: grant.daily_quota,
                rate_per_s: grant.rate_per_s,
                wants_review: grant.wants_review(),
            });
        };
        if denied.0 > closest.0 {
            closest = denied;
        }
    }
    let (_, code, grant, clause) = closest;
    Err(Denial {
        code,
        agreement: Some(agreement.id),
        grant,
        clause,
    })
}

/// What is missing before the glass may be broken: who asks, in which case, and somebody else to look at it afterwards.
fn unbroken_glass(grant: &Grant, request: &RequestHeader) -> Option<Clause> {
    if !grant.wants_review() {
        None
    } else if request.actor.is_none() {
        Some(Clause::Actor)
    } else if request.case_reference.is_none() {
        Some(Clause::CaseReference)
    } else if request.consumer.agency() == request.provider.agency() {
        Some(Clause::Reviewer)
    } else {
        None
    }
}

/// The service that `request` names, if it is published by a system that was not ended, with that contract and
/// that operation, and not switched off.
pub fn locate<'a>(registry: &'a Registry, request: &RequestHeader) -> Result<&'a Service, Code> {
    let (service, operation) = (&request.service, &request.operation);
    offered(
        registry,
        &request.provider,
        service,
        operation,
        Some(&request.contract),
    )
}

/// The service of a topic, as [`locate`] finds that of a request; its contract matters where one is named.
///
/// # Errors
/// The refusal's code.
pub fn locate_topic<'a>(
    registry: &'a Registry,
    topic: &Topic,
    contract: Option<&Digest>,
) -> Result<&'a Service, Code> {
    let Topic {
        publisher,
        service,
        operation,
    } = topic;
    offered(registry, publisher, service, operation, contract)
}

fn offered<'a>(
    registry: &'a Registry,
    provider: &SystemId,
    service: &Part,
    operation: &Part,
    contract: Option<&Digest>,
) -> Result<&'a Service, Code> {
    let is_there = registry
        .system(provider)
        .is_some_and(|system| system.ended.is_none());
    let service = registry
        .service(&provider.service(service))
        .filter(|_| is_there)
        .ok_or(Code::UnknownService)?;
    let other_contract = contract.is_some_and(|contract| service.contract != *contract);
    if other_contract || service.definition.operation(operation).is_none() {
        return Err(Code::ContractViolation);
    }
    if service.notice(operation).is_some() {
        return Err(Code::OperationDisabled);
    }
    Ok(service)
}
