//! Does what an explanation names, as the agencies and operators would.

use std::collections::BTreeSet;

use super::crowd;
use crate::act::{
    AgencyDeed, AgreementContent, ConsumerScope, Delegation, OperationNotice, OperatorDeed, Purpose,
};
use crate::authorise::{Change, Choice, Explanation, Question};
use crate::digest::Digest;
use crate::registry::tests::{World, content};

/// Does all that is named; `false` where a system that was ended is in the way.
pub(super) fn change(
    world: &mut World,
    question: &Question,
    explanation: &Explanation,
    at_ms: &mut u64,
) -> bool {
    world.now_ms = *at_ms;
    let changes = &explanation.changes;
    for change in changes {
        match change {
            Change::UseOtherSystem(_) => return false,
            Change::EnrolAgency(agency) => {
                world.join(
                    agency.as_str(),
                    90 + world.registry.agencies().count() as u8,
                );
            }
            Change::LiftSuspension(agency) => {
                world.suspend(agency.as_str(), true).unwrap();
            }
            Change::ListPurpose(purpose) => {
                let deed = OperatorDeed::SetPurpose(Purpose::plain(purpose.clone()));
                world.operate("nour", deed).unwrap();
            }
            _ => {}
        }
    }
    for change in changes {
        match change {
            Change::BindKey(system) => {
                let seed = 130 + world.registry.keys().count() as u8;
                world.system(system.as_str(), seed);
            }
            Change::AcceptAgreement(id) => crowd::accept(world, *id),
            Change::WaitUntil { at_ms: until } => *at_ms = *until,
            Change::PublishService(service) | Change::PublishOperation { service, .. } => {
                let mut names = BTreeSet::from([question.operation.as_str()]);
                if let Some(known) = world.registry.service(service) {
                    let definition = known.definition.clone();
                    let known = definition.operations.iter().map(|op| op.name.as_str());
                    names.extend(known.collect::<Vec<_>>());
                    let names: Vec<&str> = names.into_iter().collect();
                    world.publish(service.as_str(), &names).unwrap();
                } else {
                    let names: Vec<&str> = names.into_iter().collect();
                    world.publish(service.as_str(), &names).unwrap();
                }
            }
            Change::SwitchOn {
                service, operation, ..
            } => {
                let on = AgencyDeed::Notice(OperationNotice {
                    system: service.system(),
                    service: service.service(),
                    operation: operation.clone(),
                    disabled: false,
                    notice_ar: String::new(),
                    notice_en: String::new(),
                });
                let agency = service.system().agency();
                world.deed(agency.as_str(), on).unwrap();
            }
            _ => {}
        }
    }
    world.now_ms = *at_ms;
    agree(world, question, explanation, *at_ms);
    true
}

/// Agreements and what hangs on them.
fn agree(world: &mut World, question: &Question, explanation: &Explanation, at_ms: u64) {
    let changes = &explanation.changes;
    let (old, chain) = match &explanation.choice {
        Choice::Closest {
            agreement,
            delegation,
            ..
        } => (Some(*agreement), delegation.clone()),
        Choice::Permits { .. } | Choice::Nothing(_) => (None, Vec::new()),
    };
    let known = old.map(|id| world.registry.agreement(&id).unwrap().content.clone());
    let mut current = old;
    let mut chain = chain;
    if let Some(new) = renewed(question, changes, known.as_ref(), old, at_ms) {
        let consumer = new.consumer.to_string();
        current = Some(
            world
                .agree(&new)
                .unwrap_or_else(|e| panic!("{consumer}: {e}")),
        );
        chain = Vec::new();
    }
    let links: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Delegate { from, to, .. } => Some((from, to)),
            _ => None,
        })
        .collect();
    if links.is_empty() {
        return;
    }
    let id = current.unwrap();
    // What stays of the chain is what is not handed on again.
    chain.truncate(chain.len().saturating_sub(links.len()));
    let content = world.registry.agreement(&id).unwrap().content.clone();
    let grants = content.grants.iter();
    let fits = |grant: &crate::act::Grant| {
        grant.system == question.service.system()
            && grant.service == question.service.service()
            && grant.operations.contains(&question.operation)
            && grant.purposes.contains(&question.purpose)
            && question.fields.iter().all(|f| grant.fields.contains(f))
            && grant.delegation_depth as usize >= links.len()
    };
    let mut parent = chain.last().copied();
    let (number, mut depth, until) = match parent {
        Some(id) => {
            let above = &world.registry.delegation(&id).unwrap().delegation;
            (above.grant, above.depth, above.not_after_ms)
        }
        None => {
            let at = grants.clone().position(fits).unwrap();
            let depth = content.grants[at].delegation_depth;
            (at as u32 + 1, depth, content.not_after_ms)
        }
    };
    for (from, to) in links {
        depth -= 1;
        let delegation = Delegation {
            grant: number,
            parent,
            consumer: to.clone(),
            operations: vec![question.operation.clone()],
            purposes: vec![question.purpose.clone()],
            fields: question.fields.clone(),
            not_before_ms: at_ms,
            not_after_ms: until,
            depth,
        };
        parent = Some(world.delegate(from.as_str(), id, &delegation).unwrap());
    }
}

/// The agreement that is asked for; `None` when none is.
fn renewed(
    question: &Question,
    changes: &[Change],
    known: Option<&AgreementContent>,
    old: Option<Digest>,
    at_ms: u64,
) -> Option<AgreementContent> {
    let mut grant = content("EG/GOV/MOSS").grants[0].clone();
    grant.system = question.service.system();
    grant.service = question.service.service();
    grant.operations = vec![question.operation.clone()];
    grant.purposes = vec![question.purpose.clone()];
    grant.fields.clone_from(&question.fields);
    grant.delegation_depth = 4;
    let mut new = AgreementContent {
        nonce: [250; 16],
        provider: question.service.system().agency(),
        consumer: known.map_or_else(
            || ConsumerScope::Agency(question.consumer.agency()),
            |known| known.consumer.clone(),
        ),
        grants: vec![grant.clone()],
        not_before_ms: at_ms,
        not_after_ms: at_ms + 5_000,
        ..content("EG/GOV/MOSS")
    };
    let mut wanted = false;
    let mut additions = known.map(|known| known.grants.clone()).unwrap_or_default();
    let mut add = |number: u32, into: fn(&mut crate::act::Grant) -> &mut Vec<_>, part: &_| {
        let list = into(&mut additions[number as usize - 1]);
        list.push(crate::id::Part::clone(part));
        list.sort();
    };
    for change in changes {
        match change {
            Change::ProposeAgreement { .. } | Change::NewAgreement(_) => return Some(new),
            Change::AddOperation {
                grant, operation, ..
            } => add(*grant, |grant| &mut grant.operations, operation),
            Change::AddPurpose { grant, purpose, .. } => {
                add(*grant, |grant| &mut grant.purposes, purpose);
            }
            Change::AddField { grant, field, .. } => {
                add(*grant, |grant| &mut grant.fields, field);
            }
            Change::AddGrant { .. } => {}
            _ => continue,
        }
        wanted = true;
    }
    if !wanted {
        return None;
    }
    if changes
        .iter()
        .any(|change| matches!(change, Change::AddGrant { .. }))
    {
        additions.push(grant);
    }
    for grant in &mut additions {
        // What was ended meanwhile is not agreed on again.
        grant
            .purposes
            .retain(|purpose| purpose.as_str() != "tax" || question.purpose == *purpose);
        grant.delegation_depth = 4;
    }
    new.grants = additions;
    new.supersedes = old;
    Some(new)
}
