//! One function decides and explains: over a registry in which everything stands in some state or other.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::authorise::{Reader, authorise, who_can};
use crate::id::AgencyId;
use crate::registry::tests::{NOW, World, agency, part};

mod crowd;
mod remedy;

use crowd::{ASKERS, Dice, FIELDS, OPERATIONS, PURPOSES, SERVICES, crowd};

/// Questions through both, in each of [`CROWDS`]. Each is asked of every agreement of the provider, in every way.
const QUESTIONS: usize = 25_000;
const CROWDS: u64 = 4;
/// Explanations whose changes are made, in each.
const REMEDIES: usize = 300;
const TIMES: [u64; 3] = [NOW + 1_000, NOW + 1_500, NOW + 3_500];

/// Every way to name an agreement, by provider.
type Ways = BTreeMap<AgencyId, Vec<(Digest, Vec<Digest>)>>;

/// From a walk over everything, not from the registry's own index.
fn ways(world: &World) -> Ways {
    let mut ways = Ways::new();
    for agreement in world.registry.agreements() {
        let of_provider = ways.entry(agreement.content.provider.clone()).or_default();
        of_provider.push((agreement.id, Vec::new()));
        for link in world.registry.delegations() {
            if link.agreement == agreement.id {
                of_provider.push((agreement.id, world.registry.chain_of(&link.id)));
            }
        }
    }
    ways
}

#[test]
fn what_is_explained_is_what_is_decided_and_what_is_named_changes_it() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for seed in 1..=CROWDS {
        let mut dice = Dice(seed);
        let world = crowd(&mut dice);
        let ways = ways(&world);
        let mut explained: BTreeMap<String, (Question, u64)> = BTreeMap::new();
        for _ in 0..QUESTIONS {
            let (question, at_ms) = (dice.question(), dice.pick(&TIMES));
            let explanation = explain(&world.registry, &question, at_ms);
            let name = explanation.code().map_or("allowed", |code| code.name());
            *seen.entry(name).or_default() += 1;
            is_decided_so(&world, &ways, (&question, at_ms), &explanation);
            if !explanation.is_allowed() {
                let key = format!("{:?} {:?}", explanation.changes, explanation.choice);
                explained.entry(key).or_insert((question, at_ms));
            }
        }
        done.extend(make_the_changes(&world, &mut dice, explained));
    }
    println!("{seen:?}\n{done:?}");
    assert!(seen.len() >= 15, "too few outcomes: {seen:?}");
    assert!(seen["allowed"] > 2_000, "{seen:?}");
    assert!(done.len() >= 16, "only {done:?} were tried");
}

/// The deciding function says the same of the agreement that was chosen, and no to every other where none was.
fn is_decided_so(
    world: &World,
    ways: &Ways,
    (question, at_ms): (&Question, u64),
    explanation: &Explanation,
) {
    assert_eq!(
        explanation.changes.is_empty(),
        explanation.is_allowed(),
        "{question:?} at {at_ms}: {explanation:?}"
    );
    let mut request = question.request(&world.registry);
    let mut decide = |agreement: &Digest, delegation: &Vec<Digest>| {
        request.agreement = Some(*agreement);
        request.delegation.clone_from(delegation);
        authorise(&world.registry, &request, at_ms)
    };
    match &explanation.choice {
        Choice::Permits {
            agreement,
            delegation,
            permission,
        } => {
            assert_eq!(decide(agreement, delegation).as_ref(), Ok(permission));
            let request = question.request(&world.registry);
            let routed = locate(&world.registry, &request).is_ok();
            assert!(routed || explanation.obstacle.is_some());
            return;
        }
        Choice::Closest {
            agreement,
            delegation,
            denial,
        } => assert_eq!(decide(agreement, delegation).as_ref(), Err(denial)),
        Choice::Nothing(_) => {}
    }
    let provider = question.service.system().agency();
    for (agreement, delegation) in ways.get(&provider).into_iter().flatten() {
        assert!(
            decide(agreement, delegation).is_err(),
            "{question:?} is permitted by {agreement}"
        );
    }
}

/// Does what a share of the explanations name, and asks again. Gives the words of what was done.
fn make_the_changes(
    world: &World,
    dice: &mut Dice,
    explained: BTreeMap<String, (Question, u64)>,
) -> BTreeSet<&'static str> {
    let share = explained.len().div_ceil(REMEDIES);
    let mut done = BTreeSet::new();
    for (question, at_ms) in explained.into_values() {
        if dice.roll(share) > 0 {
            continue;
        }
        let before = explain(&world.registry, &question, at_ms);
        let (mut after_ms, mut changed) = (at_ms, world.clone());
        if !remedy::change(&mut changed, &question, &before, &mut after_ms) {
            continue;
        }
        done.extend(before.changes.iter().map(Change::name));
        let after = explain(&changed.registry, &question, after_ms);
        assert!(
            after.is_allowed(),
            "{question:?} at {}: {before:#?}\nthen {after:#?}",
            at_ms - NOW
        );
    }
    done
}

#[test]
fn who_can_read_a_field_is_who_is_permitted_to() {
    let mut dice = Dice(2);
    let world = crowd(&mut dice);
    let ways = ways(&world);
    let mut found = 0;
    for service in BTreeSet::from(SERVICES) {
        let service = ServiceId::parse(service).unwrap();
        for field in FIELDS {
            let mut readers = Vec::new();
            for (asker, operation, purpose) in askers() {
                let question = Question {
                    consumer: asker.clone(),
                    service: service.clone(),
                    operation: part(operation),
                    purpose: part(purpose),
                    fields: vec![part(field)],
                };
                readers.extend(brute(&world, &ways, &question));
            }
            readers.sort();
            let said = who_can(&world.registry, &service, &part(field), TIMES[0]);
            assert_eq!(said, readers, "{service} {field}");
            found += readers.len();
        }
    }
    assert!(found > 50, "only {found} readers");
}

fn askers() -> Vec<(SystemId, &'static str, &'static str)> {
    let mut askers = Vec::new();
    for asker in ASKERS {
        for operation in OPERATIONS {
            for purpose in PURPOSES {
                askers.push((SystemId::parse(asker).unwrap(), operation, purpose));
            }
        }
    }
    for answering in ["EG/GOV/CIVIL/archive", "EG/GOV/LAND/deeds"] {
        for operation in OPERATIONS {
            for purpose in PURPOSES {
                askers.push((SystemId::parse(answering).unwrap(), operation, purpose));
            }
        }
    }
    askers
}

/// Every way in which the question is permitted, of those that a published operation returns the field for.
fn brute(world: &World, ways: &Ways, question: &Question) -> Vec<Reader> {
    let registry = &world.registry;
    let asks = registry
        .system(&question.consumer)
        .is_some_and(|system| system.ended.is_none());
    let returned = registry.service(&question.service).is_some_and(|service| {
        let operation = service.definition.operation(&question.operation);
        operation.is_some_and(|op| op.fields.contains(&question.fields[0]))
    });
    let mut readers = Vec::new();
    if !asks || !returned {
        return readers;
    }
    let mut request = question.request(registry);
    for (agreement, delegation) in &ways[&question.service.system().agency()] {
        request.agreement = Some(*agreement);
        request.delegation.clone_from(delegation);
        if let Ok(permission) = authorise(registry, &request, TIMES[0]) {
            readers.push(Reader {
                system: question.consumer.clone(),
                operation: question.operation.clone(),
                purpose: question.purpose.clone(),
                agreement: *agreement,
                grant: permission.grant,
                delegation: delegation.clone(),
            });
        }
    }
    readers
}

#[test]
fn a_request_with_an_older_contract_is_told_the_one_that_counts() {
    let mut dice = Dice(1);
    let world = crowd(&mut dice);
    let (question, at_ms) = (0..10_000)
        .map(|_| (dice.question(), TIMES[0]))
        .find(|(question, at_ms)| explain(&world.registry, question, *at_ms).is_allowed())
        .unwrap();
    let mut request = question.request(&world.registry);
    let published = std::mem::take(&mut request.contract);
    let explanation = explain_request(&world.registry, &request, at_ms);
    assert_eq!(explanation.code(), Some(Code::ContractViolation));
    assert_eq!(explanation.changes, [Change::UseContract(published)]);
    assert!(world.registry.agency(&agency("EG/GOV/MOSS")).is_some());
}
