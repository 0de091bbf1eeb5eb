//! Differences that need no running switch.

use proto::act::{OperatorDeed, Purpose};
use proto::id::{AgencyId, Part};

use super::*;

#[test]
fn an_empty_description_changes_nothing_and_names_nothing() {
    let plan = between(&Described::default(), &Registry::empty(), 0);
    assert_eq!(plan, Plan::default());
}

#[test]
fn a_reason_in_other_words_is_the_same_suspension_and_another_value_is_another_act() {
    let suspension = |reason: &str, lifted| OperatorDeed::SuspendAgency {
        agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
        lifted,
        reason: reason.to_owned(),
    };
    assert!(same(&suspension("a", false), &suspension("b", false)));
    assert!(!same(&suspension("a", false), &suspension("a", true)));
    let purpose = |ended| {
        OperatorDeed::SetPurpose(Purpose {
            ended,
            ..Purpose::plain(Part::parse("health").unwrap())
        })
    };
    assert!(same(&purpose(true), &purpose(true)));
    assert!(!same(&purpose(true), &purpose(false)));
}
