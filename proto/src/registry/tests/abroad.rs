//! The border: nobody abroad is a member without an operator's admission, and nothing crosses that its provider did not
//! open.

use super::*;
use crate::act::{
    BorderAct, BorderDeed, InstanceAdmission, OpeningAbroad, PersonRole, TwoOperators,
};
use crate::authorise::{Change, explain_request};
use crate::refusal::Code;

mod between;

const BIDDER: &str = "JO/COM/PETRA";
const OFFICE: &str = "JO/COM/PETRA/office";

fn admission(instance: &str) -> BorderDeed {
    BorderDeed::Admit(InstanceAdmission {
        operator: part("nour"),
        instance: part(instance),
        name_ar: "الأردن".to_owned(),
        name_en: "Jordan".to_owned(),
        legal_basis: "Treaty 7".to_owned(),
    })
}

fn withdrawal(instance: &str) -> BorderDeed {
    BorderDeed::Withdraw {
        operator: part("nour"),
        instance: part(instance),
        reason: "the treaty ended".to_owned(),
    }
}

/// `lookup` of the first grant, to Jordan, for as long as the agreement.
fn opening(agreement: Digest) -> OpeningAbroad {
    OpeningAbroad {
        agency: agency(CIVIL),
        agreement,
        grant: 1,
        operations: parts(&["lookup"]),
        instance: part("JO"),
        legal_basis: "Treaty 7, article 2".to_owned(),
        not_after_ms: NOW + 1_000,
    }
}

impl World {
    fn at_the_border(&mut self, who: &str, deed: BorderDeed) -> Result<Digest, FoldError> {
        let issued_at_ms = self.issue();
        let act = BorderAct { issued_at_ms, deed };
        let signer = self.key(who);
        self.submit(Kind::BorderAct, label::BORDER, act.encode(), &signer)
    }
}

/// Jordan is admitted, a bidder of it enrolled, and an agreement with it sealed by both; nothing is open.
fn admitted() -> (World, Digest) {
    let mut world = World::new();
    world.join(CIVIL, 1);
    world.system(REGISTRY, 11);
    world.publish(PERSONS, &["lookup", "other"]).unwrap();
    world.at_the_border("nour", admission("JO")).unwrap();
    world.join(BIDDER, 2);
    world.system(OFFICE, 12);
    let id = world.agree(&content(BIDDER)).unwrap();
    (world, id)
}

fn opened() -> (World, Digest, Digest) {
    let (mut world, id) = admitted();
    let opening = world.at_the_border(CIVIL, BorderDeed::Open(opening(id)));
    let opening = opening.unwrap();
    (world, id, opening)
}

fn denied(world: &World, agreement: Digest, at_ms: u64) -> (Code, Clause) {
    let denial = ask(world, OFFICE, agreement, &[], at_ms).unwrap_err();
    (denial.code, denial.clause)
}

#[test]
fn nobody_abroad_is_invited_applies_or_enrols_before_an_admission_or_after_a_withdrawal() {
    let mut world = World::new();
    let other = |outcome| matches!(outcome, Err(FoldError::OtherInstance(_)));
    assert!(other(world.invite(BIDDER, b"t1", NOW + 9)));
    let key = Ed25519::from_seed(2);
    assert!(other(world.apply_for(BIDDER, b"t2", &key).map(drop)));
    world.at_the_border("nour", admission("JO")).unwrap();
    // Another country is not meant.
    assert!(other(world.invite("SA/COM/X", b"t3", NOW + 9)));
    world.invite(BIDDER, b"t4", NOW + 9).unwrap();
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    assert!(other(world.enrol(BIDDER, b"t4", &key)));
    assert!(other(world.invite(BIDDER, b"t5", NOW + 9)));
    world.at_the_border("nour", admission("JO")).unwrap();
    world.enrol(BIDDER, b"t4", &key).unwrap();
}

#[test]
fn an_instance_is_admitted_by_an_operator_alone_and_once() {
    let mut world = World::new();
    world.join(CIVIL, 1);
    let not = Err(FoldError::NotOperator);
    assert_eq!(world.at_the_border(CIVIL, admission("JO")), not);
    let act = BorderAct {
        issued_at_ms: 1,
        deed: admission("JO"),
    };
    let nour = world.key("nour");
    // An operator's seal under another label is none.
    let wrong = world.submit(Kind::BorderAct, label::OPERATOR, act.encode(), &nour);
    assert!(matches!(wrong, Err(FoldError::Seal(_))));
    let again = |world: &mut World| {
        let header = act.encode();
        world.submit(Kind::BorderAct, label::BORDER, header, &nour)
    };
    again(&mut world).unwrap();
    assert_eq!(
        world.at_the_border("nour", admission("JO")),
        Err(FoldError::NoChange)
    );
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    let gone = BorderFault::NotAdmitted(part("JO"));
    assert_eq!(
        world.at_the_border("nour", withdrawal("JO")),
        Err(gone.into())
    );
    // The old act does not bring it back.
    assert_eq!(again(&mut world), Err(FoldError::Replayed));
    assert!(!world.registry.admits("JO"));
    assert_eq!(
        world.at_the_border("nour", admission("EG")),
        Err(FoldError::NoChange)
    );
    for name in ["jo", "JOR", "J1"] {
        let refused = world.at_the_border("nour", admission(name));
        assert!(matches!(refused, Err(FoldError::Header(_))), "{name}");
    }
}

#[test]
fn any_policy_of_two_covers_an_admission_and_that_of_suspensions_a_withdrawal() {
    let mut world = World::new();
    world.give(PersonRole::Operator, "samir", 203).unwrap();
    let two = |names: &[&str]| OperatorDeed::SetPolicy(TwoOperators(parts(names)));
    world.operate("nour", two(&["purpose"])).unwrap();
    let act = world.at_the_border("nour", admission("JO")).unwrap();
    assert!(!world.registry.admits("JO"));
    assert_eq!(world.second("nour", act, false), Err(FoldError::SamePerson));
    world.second("samir", act, false).unwrap();
    assert!(world.registry.admits("JO"));
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    assert!(!world.registry.admits("JO"));

    let act = world.at_the_border("nour", admission("JO")).unwrap();
    world.second("samir", act, false).unwrap();
    let policy = world.operate("nour", two(&["agency_suspension"])).unwrap();
    world.second("samir", policy, false).unwrap();
    let act = world.at_the_border("nour", withdrawal("JO")).unwrap();
    assert!(world.registry.admits("JO"));
    world.second("samir", act, true).unwrap();
    assert!(world.registry.admits("JO"));
}

#[test]
fn an_agreement_across_the_border_permits_what_its_provider_opened_and_nothing_else() {
    let (mut world, id) = admitted();
    let shut = (Code::BorderClosed, Clause::Opening);
    assert_eq!(denied(&world, id, NOW), shut);
    let asked = RequestHeader {
        agreement: Some(id),
        ..request(&world, OFFICE, ("lookup", "takaful", &["name_ar"]))
    };
    let named = explain_request(&world.registry, &asked, NOW).changes;
    let open = Change::OpenAbroad {
        provider: agency(CIVIL),
        operation: part("lookup"),
        instance: "JO".to_owned(),
    };
    assert_eq!(named, [open]);
    // Another operation, another grant, another country and another agreement open nothing here.
    world.at_the_border("nour", admission("SA")).unwrap();
    let elsewhere = OpeningAbroad {
        instance: part("SA"),
        ..opening(id)
    };
    let elsewhere = world.at_the_border(CIVIL, BorderDeed::Open(elsewhere));
    elsewhere.unwrap();
    assert_eq!(denied(&world, id, NOW), shut);
    let other = world.agree(&AgreementContent {
        nonce: [4; 16],
        ..content(BIDDER)
    });
    let other = other.unwrap();
    world
        .at_the_border(CIVIL, BorderDeed::Open(opening(other)))
        .unwrap();
    assert_eq!(denied(&world, id, NOW), shut);
    assert!(ask(&world, OFFICE, other, &[], NOW).is_ok());

    let opened = world.at_the_border(CIVIL, BorderDeed::Open(opening(id)));
    let opened = opened.unwrap();
    assert!(ask(&world, OFFICE, id, &[], NOW + 999).is_ok());
    let close = BorderDeed::Close {
        agency: agency(CIVIL),
        opening: opened,
        reason: "no longer needed".to_owned(),
    };
    world.at_the_border(CIVIL, close.clone()).unwrap();
    let ended = (Code::BorderClosed, Clause::OpeningEnded);
    assert_eq!(denied(&world, id, NOW), ended);
    let gone = BorderFault::UnknownOpening;
    assert_eq!(world.at_the_border(CIVIL, close), Err(gone.into()));
}

#[test]
fn an_opening_ends_at_its_end_date() {
    let (mut world, id) = admitted();
    let short = OpeningAbroad {
        not_after_ms: NOW + 500,
        ..opening(id)
    };
    world.at_the_border(CIVIL, BorderDeed::Open(short)).unwrap();
    assert!(ask(&world, OFFICE, id, &[], NOW + 499).is_ok());
    let ended = (Code::BorderClosed, Clause::OpeningEnded);
    assert_eq!(denied(&world, id, NOW + 500), ended);
}

#[test]
fn only_the_provider_opens_and_never_more_than_the_agreement() {
    let (mut world, id) = admitted();
    world.join(MOSS, 3);
    let cases: [(OpeningAbroad, FoldError); 8] = [
        (
            OpeningAbroad {
                agency: agency(BIDDER),
                instance: part("EG"),
                ..opening(id)
            },
            FoldError::NotParty(agency(BIDDER)),
        ),
        (
            OpeningAbroad {
                agency: agency(MOSS),
                ..opening(id)
            },
            FoldError::NotParty(agency(MOSS)),
        ),
        (
            OpeningAbroad {
                instance: part("EG"),
                ..opening(id)
            },
            BorderFault::NoBorder.into(),
        ),
        (
            OpeningAbroad {
                instance: part("SA"),
                ..opening(id)
            },
            BorderFault::NotAdmitted(part("SA")).into(),
        ),
        (
            OpeningAbroad {
                grant: 2,
                ..opening(id)
            },
            BorderFault::Widens("there is no such grant").into(),
        ),
        (
            OpeningAbroad {
                operations: parts(&["lookup", "other"]),
                ..opening(id)
            },
            BorderFault::Widens("an operation is not granted").into(),
        ),
        (
            OpeningAbroad {
                not_after_ms: NOW + 1_001,
                ..opening(id)
            },
            BorderFault::Widens("it counts longer than the agreement").into(),
        ),
        (
            OpeningAbroad {
                not_after_ms: NOW,
                ..opening(id)
            },
            BorderFault::Widens("its end has passed already").into(),
        ),
    ];
    for (opening, fault) in cases {
        let who = opening.agency.to_string();
        let refused = world.at_the_border(&who, BorderDeed::Open(opening));
        assert_eq!(refused, Err(fault));
    }
    assert_eq!(world.registry.openings().count(), 0);
}

#[test]
fn nobody_opens_in_the_provider_s_name_or_after_the_agreement() {
    let (mut world, id) = admitted();
    world.join(MOSS, 3);
    // Whose name stands in it, and not who seals it, is not enough.
    let forged = world.at_the_border(MOSS, BorderDeed::Open(opening(id)));
    assert!(matches!(forged, Err(FoldError::Seal(_))));
    world.revoke(CIVIL, id).unwrap();
    let late = world.at_the_border(CIVIL, BorderDeed::Open(opening(id)));
    assert_eq!(late, Err(FoldError::OutOfOrder));
    assert_eq!(world.registry.openings().count(), 0);
}

#[test]
fn after_a_withdrawal_nothing_crosses_and_its_agencies_can_only_revoke_and_end() {
    let (mut world, id, _) = opened();
    assert!(ask(&world, OFFICE, id, &[], NOW).is_ok());
    world.at_the_border("nour", withdrawal("JO")).unwrap();
    let away = (Code::BorderClosed, Clause::Withdrawal("JO".to_owned()));
    assert_eq!(denied(&world, id, NOW), away);
    // Told whatever it asks: also without an agreement.
    assert_eq!(denied(&world, Digest::of(b"none"), NOW), away);
    let asked = request(&world, OFFICE, ("lookup", "takaful", &["name_ar"]));
    let named = explain_request(&world.registry, &asked, NOW).changes;
    assert_eq!(named[0], Change::AdmitInstance("JO".to_owned()));

    let proposal = propose(
        &AgreementContent {
            nonce: [5; 16],
            ..content(BIDDER)
        },
        BIDDER,
    );
    let fault = BorderFault::Withdrawn(agency(BIDDER));
    let bidder = world.key(BIDDER);
    assert_eq!(world.act(&proposal, &bidder), Err(fault.into()));
    // Nor does its system's own key put another in its place.
    let next = Ed25519::from_seed(22);
    let key = world.key(OFFICE);
    let succession = KeySuccession {
        system: system(OFFICE),
        adapter: part("a1"),
        key: next.key().clone(),
        predecessor: key.key().kid(),
        issued_at_ms: NOW,
        possession: bytes::Bytes::new(),
    };
    let fault = BorderFault::Withdrawn(agency(BIDDER));
    let succeeded = world.succeed(succession, &next, &key);
    assert_eq!(succeeded, Err(fault.into()));
    world.revoke(BIDDER, id).unwrap();

    world.at_the_border("nour", admission("JO")).unwrap();
    let revoked = denied(&world, id, NOW);
    assert_eq!(revoked, (Code::AgreementRevoked, Clause::Revocation));
}

#[test]
fn the_border_is_in_the_registry_s_digest() {
    let (mut world, id, opened) = opened();
    let mut digests = vec![world.registry.digest()];
    let close = BorderDeed::Close {
        agency: agency(CIVIL),
        opening: opened,
        reason: "over".to_owned(),
    };
    let mut twin = world.clone();
    world.at_the_border(CIVIL, close).unwrap();
    digests.push(world.registry.digest());
    twin.at_the_border("nour", withdrawal("JO")).unwrap();
    digests.push(twin.registry.digest());
    digests.dedup();
    assert_eq!(digests.len(), 3);
    assert!(
        world
            .registry
            .openings_of(&id)
            .all(|one| one.ended.is_some())
    );
}
