//! What is missing before a request goes through, all of it.
//!
//! It only names what has to be done; whether a request is permitted is decided by [`super::authorise`]
//! alone. The tests do what is named and ask again.

use super::border::Border;
use super::{Change, Choice, Clause, best_grant, unbroken_glass};
use crate::act::Grant;
use crate::commitment::Form;
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::id::AgencyId;
use crate::registry::{Agreement, AgreementState, DelegationRecord, Registry};

/// All that has to be done, what decided first; empty when the request would go through.
pub(super) fn missing(
    registry: &Registry,
    request: &RequestHeader,
    choice: &Choice,
    at_ms: u64,
) -> Vec<Change> {
    let mut list = List {
        registry,
        request,
        at_ms,
        changes: Vec::new(),
    };
    let (consumer, provider) = (request.consumer.agency(), request.provider.agency());
    for agency in [&consumer, &provider] {
        if registry.agency(agency).is_none() {
            list.add(Change::EnrolAgency(agency.clone()));
        }
    }
    list.lift(&consumer);
    list.admit(&consumer);
    match choice {
        Choice::Permits { .. } => {}
        Choice::Nothing(_) => {
            list.purpose();
            list.add(Change::ProposeAgreement {
                consumer: consumer.clone(),
                provider: provider.clone(),
            });
        }
        Choice::Closest {
            agreement,
            delegation,
            denial,
        } => {
            if let Some(agreement) = registry.agreement(agreement) {
                list.agreement(agreement, delegation);
                list.seal(agreement, denial.grant);
            }
        }
    }
    list.lift(&provider);
    list.admit(&provider);
    list.cross(&consumer, &provider, choice);
    list.consumer();
    list.service();
    list.changes
}

struct List<'a> {
    registry: &'a Registry,
    request: &'a RequestHeader,
    at_ms: u64,
    changes: Vec<Change>,
}

impl List<'_> {
    fn add(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    fn lift(&mut self, agency: &AgencyId) {
        if self.registry.is_suspended(agency) {
            self.add(Change::LiftSuspension(agency.clone()));
        }
    }

    fn admit(&mut self, agency: &AgencyId) {
        let registry = self.registry;
        if registry.genesis().is_some() && !registry.admits(agency.instance()) {
            self.add(Change::AdmitInstance(agency.instance().to_owned()));
        }
    }

    /// Whatever permits across a border has to be opened there, too: a new agreement as well as an old one.
    fn cross(&mut self, consumer: &AgencyId, provider: &AgencyId, choice: &Choice) {
        let is_open = match choice {
            Choice::Permits { .. } => true,
            Choice::Nothing(_) => false,
            Choice::Closest {
                agreement, denial, ..
            } => self.registry.agreement(agreement).is_some_and(|agreement| {
                let border = Border::between(self.registry, agreement, consumer, self.at_ms);
                border.shut(denial.grant, self.request).is_none()
            }),
        };
        if consumer.instance() != provider.instance() && !is_open {
            self.add(Change::OpenAbroad {
                provider: provider.clone(),
                operation: self.request.operation.clone(),
                instance: consumer.instance().to_owned(),
            });
        }
    }

    /// What a new agreement needs before it can name the purpose.
    fn purpose(&mut self) {
        let purpose = &self.request.purpose;
        let listed = self.registry.purpose(purpose);
        if listed.is_none_or(|record| record.purpose.ended) {
            self.add(Change::ListPurpose(purpose.clone()));
        }
    }

    fn agreement(&mut self, agreement: &Agreement, delegation: &[Digest]) {
        let chain: Vec<&DelegationRecord> = delegation
            .iter()
            .filter_map(|id| self.registry.delegation(id))
            .collect();
        let lacking = lacking(self.registry, agreement, self.request, &chain);
        let can_supersede =
            agreement.state == AgreementState::Active && agreement.superseded_from_ms.is_none();
        let (again_from, from_ms) = self.chain(agreement, &chain, &lacking);
        let over = match agreement.state {
            AgreementState::Revoked => true,
            AgreementState::Proposed => !self.can_be_accepted(agreement),
            AgreementState::Active => false,
        } || from_ms >= agreement.content.not_after_ms
            || agreement
                .superseded_from_ms
                .is_some_and(|superseded| from_ms >= superseded);
        let adds = !lacking.in_grant.is_empty();
        if over || (adds && !can_supersede) {
            self.purpose();
            self.add(Change::NewAgreement(agreement.id));
            self.hand_on(agreement, &chain);
            return;
        }
        if agreement.state == AgreementState::Proposed {
            self.add(Change::AcceptAgreement(agreement.id));
            // Who proposed and who accepts need not be who asks: both must be free to seal.
            self.parties(agreement);
        }
        if adds {
            self.purpose();
            for change in lacking.in_grant {
                self.add(change);
            }
            self.parties(agreement);
            self.hand_on(agreement, &chain);
            return;
        }
        for link in &chain {
            self.lift(&link.from);
        }
        if from_ms > self.at_ms {
            self.add(Change::WaitUntil { at_ms: from_ms });
        }
        self.hand_on(agreement, &chain[again_from..]);
    }

    /// The grant that came closest wants what this request is not.
    fn seal(&mut self, agreement: &Agreement, grant: u32) {
        let grant = (grant as usize)
            .checked_sub(1)
            .and_then(|place| agreement.content.grants.get(place));
        if grant.is_some_and(Grant::wants_sealed) && self.request.payload.form != Form::Sealed {
            self.add(Change::SealPayload(self.request.provider.clone()));
        }
        match grant.and_then(|grant| unbroken_glass(grant, self.request)) {
            Some(Clause::Reviewer) => {
                self.add(Change::AskFromOutside(self.request.provider.agency()));
            }
            Some(_) => self.add(Change::NameActorAndCase(self.request.consumer.clone())),
            None => {}
        }
    }

    fn parties(&mut self, agreement: &Agreement) {
        if let crate::act::ConsumerScope::Agency(consumer) = &agreement.content.consumer {
            self.lift(consumer);
        }
    }

    /// The first link that has to be handed on again, and the time from which all others count.
    fn chain(
        &self,
        agreement: &Agreement,
        chain: &[&DelegationRecord],
        lacking: &Lacking,
    ) -> (usize, u64) {
        let mut from_ms = self.at_ms.max(agreement.content.not_before_ms);
        let mut again_from = lacking.first_link.unwrap_or(chain.len());
        for (position, link) in chain.iter().enumerate() {
            if position >= again_from {
                break;
            }
            if link.ended.is_some() || from_ms >= link.delegation.not_after_ms {
                again_from = position;
                break;
            }
            from_ms = from_ms.max(link.delegation.not_before_ms);
        }
        (again_from, from_ms)
    }

    fn hand_on(&mut self, agreement: &Agreement, links: &[&DelegationRecord]) {
        if !links.is_empty() {
            self.parties(agreement);
        }
        for link in links {
            self.lift(&link.from);
            self.add(Change::Delegate {
                agreement: agreement.id,
                from: link.from.clone(),
                to: link.delegation.consumer.clone(),
            });
        }
    }

    /// Its purposes stand in the catalogue, and what it supersedes can still be superseded.
    fn can_be_accepted(&self, agreement: &Agreement) -> bool {
        let mut purposes = agreement.content.grants.iter().flat_map(|g| &g.purposes);
        let purposes_stand = purposes.all(|code| {
            self.registry
                .purpose(code)
                .is_some_and(|record| !record.purpose.ended)
        });
        let older = agreement.content.supersedes;
        purposes_stand
            && older.is_none_or(|older| {
                self.registry.agreement(&older).is_some_and(|older| {
                    older.state == AgreementState::Active && older.superseded_from_ms.is_none()
                })
            })
    }

    fn consumer(&mut self) {
        let consumer = &self.request.consumer;
        let bound = |kid: &Digest| {
            let key = self.registry.key(kid);
            key.is_some_and(|key| key.ended.is_none())
        };
        match self.registry.system(consumer) {
            Some(system) if system.ended.is_some() => {
                self.add(Change::UseOtherSystem(consumer.clone()));
            }
            Some(system) if system.keys.iter().any(bound) => {}
            Some(_) | None => self.add(Change::BindKey(consumer.clone())),
        }
    }

    fn service(&mut self) {
        let provider = &self.request.provider;
        let id = provider.service(&self.request.service);
        match self.registry.system(provider) {
            Some(system) if system.ended.is_some() => {
                self.add(Change::UseOtherSystem(provider.clone()));
                return;
            }
            Some(_) => {}
            None => self.add(Change::BindKey(provider.clone())),
        }
        let Some(service) = self.registry.service(&id) else {
            self.add(Change::PublishService(id));
            return;
        };
        let operation = &self.request.operation;
        if service.definition.operation(operation).is_none() {
            self.add(Change::PublishOperation {
                service: id.clone(),
                operation: operation.clone(),
            });
        } else if service.contract != self.request.contract {
            self.add(Change::UseContract(service.contract));
        }
        for notice in &service.notices {
            if notice.operation.as_ref().is_none_or(|off| off == operation) {
                self.add(Change::SwitchOn {
                    service: id.clone(),
                    operation: notice.operation.clone(),
                    notice_ar: notice.notice_ar.clone(),
                    notice_en: notice.notice_en.clone(),
                });
            }
        }
    }
}

/// What neither the grant nor the chain holds.
struct Lacking {
    in_grant: Vec<Change>,
    /// The first link that is too narrow for what the grant holds.
    first_link: Option<usize>,
}

fn lacking(
    registry: &Registry,
    agreement: &Agreement,
    request: &RequestHeader,
    chain: &[&DelegationRecord],
) -> Lacking {
    // What is not opened abroad is not lacking in the grant.
    let border = Border::ignored(registry, agreement);
    let number = match best_grant(&border, agreement, request, chain) {
        Ok(_) => {
            return Lacking {
                in_grant: Vec::new(),
                first_link: None,
            };
        }
        Err(denial) if denial.grant > 0 => denial.grant,
        // Nothing of this service was handed on: what the agreement itself has for it.
        Err(_) => match best_grant(&border, agreement, request, &[]) {
            Ok(permission) => permission.grant,
            Err(denial) => denial.grant,
        },
    };
    let grant = (number as usize)
        .checked_sub(1)
        .and_then(|at| agreement.content.grants.get(at));
    let Some(grant) = grant else {
        let add = Change::AddGrant {
            agreement: agreement.id,
            service: request.provider.service(&request.service),
        };
        return Lacking {
            in_grant: vec![add],
            first_link: None,
        };
    };
    Lacking {
        in_grant: additions(agreement.id, number, grant, request),
        first_link: chain
            .iter()
            .position(|link| !is_wide_enough(link, number, request)),
    }
}

fn is_wide_enough(link: &DelegationRecord, grant: u32, request: &RequestHeader) -> bool {
    let held = &link.delegation;
    held.grant == grant
        && held.operations.contains(&request.operation)
        && held.purposes.contains(&request.purpose)
        && request.fields.iter().all(|f| held.fields.contains(f))
}

fn additions(
    agreement: Digest,
    number: u32,
    grant: &Grant,
    request: &RequestHeader,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if !grant.operations.contains(&request.operation) {
        changes.push(Change::AddOperation {
            agreement,
            grant: number,
            operation: request.operation.clone(),
        });
    }
    if !grant.purposes.contains(&request.purpose) {
        changes.push(Change::AddPurpose {
            agreement,
            grant: number,
            purpose: request.purpose.clone(),
        });
    }
    for field in &request.fields {
        if !grant.fields.contains(field) {
            changes.push(Change::AddField {
                agreement,
                grant: number,
                field: field.clone(),
            });
        }
    }
    changes
}
