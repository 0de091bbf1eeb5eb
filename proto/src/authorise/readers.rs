//! Who may read a field, and through which agreement.

use super::choose::ways;
use super::{Question, authorise};
use crate::digest::Digest;
use crate::id::{Part, ServiceId, SystemId};
use crate::registry::{Agreement, Registry};

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
