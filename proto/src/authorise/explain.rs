//! Why, and what would change it: the deciding function asked in advance, over every way that there is.
//!
//! Takes a registry and a question. Gives the decision that [`super::authorise`] makes, with the agreement
//! that came closest and what is missing there. Decides nothing itself.

use super::{Clause, Denial, Permission, authorise, locate};
use crate::act::RowRule;
use crate::commitment::Commitment;
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::id::{ExchangeId, Part, ServiceId, SystemId};
use crate::refusal::Code;
use crate::registry::{Agreement, DelegationRecord, Registry};

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
fn ways(registry: &Registry, agreement: &Agreement, request: &RequestHeader) -> Vec<Vec<Digest>> {
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
        Code::AgencySuspended if denial.grant > 0 => 7,
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

/// What somebody wants to know: may this system ask this, for this reason?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who would ask.
    pub consumer: SystemId,
    /// What would be asked.
    pub service: ServiceId,
    /// Which operation of it.
    pub operation: Part,
    /// For which reason.
    pub purpose: Part,
    /// Which fields, ascending, each once.
    pub fields: Vec<Part>,
}

impl Question {
    /// The request that would be judged. Only what decides is in it.
    pub fn request(&self, registry: &Registry) -> RequestHeader {
        let contract = registry
            .service(&self.service)
            .map(|service| service.contract);
        RequestHeader {
            exchange_id: ExchangeId::UNSENT,
            attempt_of: None,
            run_id: [0; 16],
            sequence: 1,
            consumer: self.consumer.clone(),
            provider: self.service.system(),
            service: self.service.service(),
            operation: self.operation.clone(),
            contract: contract.unwrap_or_default(),
            purpose: self.purpose.clone(),
            agreement: None,
            delegation: Vec::new(),
            external_id_hash: None,
            case_reference: None,
            subjects: Vec::new(),
            actor: None,
            fields: self.fields.clone(),
            issued_at_ms: 0,
            deadline_ms: 1,
            payload: Commitment {
                content_type: String::new(),
                length: 0,
                hmac: Digest::default(),
            },
            seen: None,
        }
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was found between the two.
    pub choice: Choice,
    /// Why the permitted request would still go nowhere: the service, its contract, a notice, the key.
    pub obstacle: Option<Code>,
}

impl Explanation {
    /// Whether a request now would be permitted and routed (an adapter of the provider being attached).
    pub fn is_allowed(&self) -> bool {
        matches!(self.choice, Choice::Permits { .. }) && self.obstacle.is_none()
    }

    /// The refusal that a request now would get; `None` when it is allowed.
    pub fn code(&self) -> Option<Code> {
        match &self.choice {
            Choice::Permits { .. } => self.obstacle,
            Choice::Closest { denial, .. } | Choice::Nothing(denial) => Some(denial.code),
        }
    }
}

/// Answers the question as the switch would decide it at `at_ms`, quotas and attached adapters aside.
pub fn explain(registry: &Registry, question: &Question, at_ms: u64) -> Explanation {
    let request = question.request(registry);
    let choice = choose(registry, &request, at_ms);
    let can_seal = registry.system(&question.consumer).is_some_and(|system| {
        system
            .keys
            .iter()
            .any(|kid| registry.key(kid).is_some_and(|key| key.ended.is_none()))
    });
    let obstacle = match registry.system(&question.consumer) {
        None => Some(Code::UnknownPeer),
        Some(system) if system.ended.is_some() => Some(Code::CertificateRevoked),
        Some(_) if !can_seal => Some(Code::KeyEnded),
        Some(_) => locate(registry, &request).err(),
    };
    Explanation { choice, obstacle }
}

/// A system that may read a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// Who may read it.
    pub system: SystemId,
    /// Through which operation.
    pub operation: Part,
    /// For which purpose.
    pub purpose: Part,
    /// Through which agreement.
    pub agreement: Digest,
    /// Number of the grant, from 1.
    pub grant: u32,
    /// The delegations in between, outermost first.
    pub delegation: Vec<Digest>,
}

/// Every system that may read `field` of `service` at `at_ms`, and through which agreement. Each was asked of the
/// function that decides.
pub fn who_can(registry: &Registry, service: &ServiceId, field: &Part, at_ms: u64) -> Vec<Reader> {
    let Some(published) = registry.service(service) else {
        return Vec::new();
    };
    let offering: Vec<&Part> = published
        .definition
        .operations
        .iter()
        .filter(|operation| operation.fields.contains(field))
        .map(|operation| &operation.name)
        .collect();
    let mut readers = Vec::new();
    for system in registry.systems().filter(|system| system.ended.is_none()) {
        let (consumer, provider) = (system.id.agency(), service.system().agency());
        for agreement in registry.between(&consumer, &provider) {
            for grant in &agreement.content.grants {
                if grant.system != service.system()
                    || grant.service != service.service()
                    || !grant.fields.contains(field)
                {
                    continue;
                }
                for operation in offering.iter().filter(|op| grant.operations.contains(op)) {
                    for purpose in &grant.purposes {
                        let question = Question {
                            consumer: system.id.clone(),
                            service: service.clone(),
                            operation: (*operation).clone(),
                            purpose: purpose.clone(),
                            fields: vec![field.clone()],
                        };
                        readers.extend(reading(registry, agreement, &question, at_ms));
                    }
                }
            }
        }
    }
    readers.sort();
    readers.dedup();
    readers
}

/// The ways in which an agreement permits the question.
fn reading(
    registry: &Registry,
    agreement: &Agreement,
    question: &Question,
    at_ms: u64,
) -> Vec<Reader> {
    let mut request = question.request(registry);
    request.agreement = Some(agreement.id);
    let mut readers = Vec::new();
    for delegation in ways(registry, agreement, &request) {
        request.delegation.clone_from(&delegation);
        if let Ok(permission) = authorise(registry, &request, at_ms) {
            readers.push(Reader {
                system: question.consumer.clone(),
                operation: question.operation.clone(),
                purpose: question.purpose.clone(),
                agreement: agreement.id,
                grant: permission.grant,
                delegation,
            });
        }
    }
    readers
}

/// A condition that every record of an answer fulfils.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The field of the record.
    pub field: Part,
    /// What it is, as text.
    pub equals: String,
}

/// The rows that a permitted request may see: all conditions together; empty means every row. `None` when a rule
/// asks for a value that the asking agency does not have, so that it may see no row at all.
pub fn row_scope(
    registry: &Registry,
    request: &RequestHeader,
    permission: &Permission,
) -> Option<Vec<Row>> {
    let agreement = registry.agreement(&permission.agreement)?;
    let grant = agreement
        .content
        .grants
        .get((permission.grant as usize).checked_sub(1)?)?;
    // A grant that was handed on shows the rows of whom it was given to.
    let first: Option<&DelegationRecord> = request
        .delegation
        .first()
        .and_then(|id| registry.delegation(id));
    let holder = first.map_or_else(|| request.consumer.agency(), |link| link.from.clone());
    let own = agreement
        .content
        .consumer
        .member(&holder)
        .map(|member| member.value.clone())
        .filter(|value| !value.is_empty());
    let condition = |rule: &RowRule| {
        let equals = rule.equals.clone().or_else(|| own.clone())?;
        Some(Row {
            field: rule.field.clone(),
            equals,
        })
    };
    grant.row_scope.iter().map(condition).collect()
}
