//! What nobody may do alone: asking under an agreement of which something was handed on, without naming what.

use super::*;
use crate::act::Delegation;
use crate::authorise::{Clause, Question, authorise};
use crate::header::RequestHeader;
use crate::id::ServiceId;

/// `CIVIL` grants `MOSS` two fields; `MOSS` hands one of them on to `GIZA`.
fn handed_on() -> (World, AgreementAct, AgreementAct, Ed25519) {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    world.join("EG/GOV/GIZA", 3);
    let mut content = content("EG/GOV/MOSS");
    content.grants[0].fields = vec![part("income"), part("name_ar")];
    content.grants[0].delegation_depth = 1;
    let proposal = propose(&content, "EG/GOV/MOSS");
    world.act(&proposal, &moss).unwrap();
    world
        .act(&follow(Step::Accept, &proposal, "EG/GOV/CIVIL"), &civil)
        .unwrap();
    let delegation = Delegation {
        grant: 1,
        parent: None,
        consumer: AgencyId::parse("EG/GOV/GIZA").unwrap(),
        operations: vec![part("lookup")],
        purposes: vec![part("takaful")],
        fields: vec![part("name_ar")],
        not_before_ms: NOW,
        not_after_ms: NOW + 500,
        depth: 0,
    };
    let act = AgreementAct {
        content: delegation.encode(),
        ..follow(Step::Delegate, &proposal, "EG/GOV/MOSS")
    };
    world.act(&act, &moss).unwrap();
    (world, proposal, act, moss)
}

fn request(
    world: &World,
    field: &str,
    agreement: Digest,
    delegation: Vec<Digest>,
) -> RequestHeader {
    let question = Question {
        consumer: SystemId::parse("EG/GOV/GIZA/centre").unwrap(),
        service: ServiceId::parse("EG/GOV/CIVIL/registry/persons.v1").unwrap(),
        operation: part("lookup"),
        purpose: part("takaful"),
        fields: vec![part(field)],
    };
    RequestHeader {
        agreement: Some(agreement),
        delegation,
        ..question.request(&world.registry)
    }
}

#[test]
fn what_was_handed_on_is_asked_for_by_naming_it() {
    let (mut world, proposal, act, moss) = handed_on();
    let id = proposal.agreement;
    let ask = |world: &World, field, delegation| {
        authorise(
            &world.registry,
            &request(world, field, id, delegation),
            NOW + 1,
        )
        .map_err(|denial| denial.clause)
    };
    ask(&world, "name_ar", vec![act.id()]).unwrap();
    assert_eq!(
        ask(&world, "income", vec![act.id()]),
        Err(Clause::Field("income".to_owned()))
    );
    for field in ["name_ar", "income"] {
        assert_eq!(
            ask(&world, field, Vec::new()),
            Err(Clause::Delegation(0)),
            "{field}, without naming the delegation"
        );
    }
    let end = follow(Step::EndDelegation, &act, "EG/GOV/MOSS");
    world.act(&end, &moss).unwrap();
    assert_eq!(
        ask(&world, "name_ar", vec![act.id()]),
        Err(Clause::Delegation(1))
    );
    assert_eq!(
        ask(&world, "income", Vec::new()),
        Err(Clause::Delegation(0)),
        "least of all after its end"
    );
}
