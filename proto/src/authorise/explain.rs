//! Why, and what would change it: the deciding function asked in advance.
//!
//! Takes a registry and a question. Gives the decision that [`super::authorise`] makes, with the agreement
//! that came closest and what is missing there. Decides nothing itself.

use super::missing::missing;
use super::{Change, Choice, choose, locate};
use crate::commitment::{Commitment, Form};
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::id::{ExchangeId, Part, ServiceId, SystemId};
use crate::refusal::Code;
use crate::registry::{Registry, System};

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
        // A consumer seals where it can: then nothing is refused for being open.
        let form = match registry.encryption_key(&self.service.system()) {
            Some(_) => Form::Sealed,
            None => Form::Whole,
        };
        // As it names who asks and in which case, where that is asked for.
        let named = Some(Digest::default());
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
            case_reference: named,
            subjects: Vec::new(),
            actor: named,
            fields: self.fields.clone(),
            issued_at_ms: 0,
            deadline_ms: 1,
            payload: Commitment {
                form,
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
    /// What would make the request go through, all of it together and what decided first; empty when it does.
    pub changes: Vec<Change>,
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
    explain_request(registry, &question.request(registry), at_ms)
}

/// As [`explain`], for a request that was made or refused. The agreement that it names is not looked at.
pub fn explain_request(registry: &Registry, request: &RequestHeader, at_ms: u64) -> Explanation {
    let choice = choose(registry, request, at_ms);
    let can_seal = |system: &System| {
        system
            .keys
            .iter()
            .any(|kid| registry.key(kid).is_some_and(|key| key.ended.is_none()))
    };
    let obstacle = match registry.system(&request.consumer) {
        None => Some(Code::UnknownPeer),
        Some(system) if system.ended.is_some() => Some(Code::CertificateRevoked),
        Some(system) if !can_seal(system) => Some(Code::KeyEnded),
        Some(_) => locate(registry, request).err(),
    };
    let changes = missing(registry, request, &choice, at_ms);
    Explanation {
        choice,
        obstacle,
        changes,
    }
}

#[cfg(test)]
mod tests;
