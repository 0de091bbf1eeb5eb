//! Getting on board: invitations, applications, enrolments, and entry 0 before them.

use super::*;

#[test]
fn genesis_is_first_and_once() {
    let mut world = World::new();
    let genesis = world.registry.genesis().unwrap().encode();
    let seal = sealed(label::GENESIS, &genesis, &Ed25519::from_seed(200));
    assert_eq!(
        world.apply(Kind::Genesis, genesis, Some(seal)),
        Err(FoldError::Genesis)
    );
    let mut early = World::before_genesis();
    assert_eq!(
        early.invite("EG/GOV/X", b"t", NOW + 1),
        Err(FoldError::Genesis)
    );
}

#[test]
fn a_token_works_once_for_its_agency_and_in_time() {
    let mut world = World::new();
    let authority = Ed25519::from_seed(1);
    assert_eq!(
        world.enrol("EG/GOV/MOSS", b"t", &authority),
        Err(FoldError::NotInvited)
    );
    world.invite("EG/GOV/MOSS", b"t", NOW + 1).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/CIVIL", b"t", &authority),
        Err(FoldError::NotInvited)
    );
    world.enrol("EG/GOV/MOSS", b"t", &authority).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/MOSS", b"t", &Ed25519::from_seed(2)),
        Err(FoldError::TokenUsed)
    );
    world.invite("EG/GOV/LATE", b"late", NOW).unwrap();
    assert_eq!(
        world.enrol("EG/GOV/LATE", b"late", &Ed25519::from_seed(3)),
        Err(FoldError::InvitationExpired)
    );
    assert!(matches!(
        world.invite("EG/GOV/moss", b"u", NOW + 1),
        Err(FoldError::NameTaken(_))
    ));
    assert!(matches!(
        world.invite("XX/GOV/MOSS", b"u", NOW + 1),
        Err(FoldError::OtherInstance(_))
    ));
}

#[test]
fn only_an_operator_invites() {
    let mut world = World::new();
    world.seeds.insert("nour".to_owned(), 99);
    assert_eq!(
        world.invite("EG/GOV/MOSS", b"t", NOW + 1),
        Err(FoldError::NotOperator)
    );
}

#[test]
fn a_genesis_that_does_not_hold_leaves_nothing_behind() {
    let mut world = World::before_genesis();
    let mut twice = genesis();
    twice.operators.push(twice.operators[0].clone());
    let seal = sealed(label::GENESIS, &twice.encode(), &Ed25519::from_seed(200));
    assert!(
        world
            .apply(Kind::Genesis, twice.encode(), Some(seal))
            .is_err()
    );
    assert_eq!(world.registry.people().count(), 0);
    let by_another = sealed(label::GENESIS, &genesis().encode(), &Ed25519::from_seed(99));
    assert!(
        world
            .apply(Kind::Genesis, genesis().encode(), Some(by_another))
            .is_err()
    );
    assert!(world.registry.genesis().is_none());
}

#[test]
fn an_application_is_approved_by_inviting_its_token_and_key() {
    let mut world = World::new();
    let (moss, thief) = (Ed25519::from_seed(1), Ed25519::from_seed(2));
    let id = world.apply_for(MOSS, b"t", &moss).unwrap();
    let state = |world: &World| world.registry.application(&id).unwrap().state.clone();
    assert_eq!(state(&world), ApplicationState::Waiting);
    assert_eq!(
        world.enrol(MOSS, b"t", &moss),
        Err(FoldError::NotInvited),
        "before anybody decided"
    );
    let until = NOW + 1_000;
    world.invite_key(MOSS, b"t", until, Some(&moss)).unwrap();
    assert_eq!(
        state(&world),
        ApplicationState::Approved {
            enrol_until_ms: until
        }
    );
    assert_eq!(
        world.enrol(MOSS, b"t", &thief),
        Err(FoldError::OtherAuthority),
        "who learnt the token has not the key"
    );
    world.enrol(MOSS, b"t", &moss).unwrap();
    assert_eq!(state(&world), ApplicationState::Enrolled);
}

#[test]
fn an_invitation_without_the_key_or_for_another_name_approves_no_application() {
    let mut world = World::new();
    let moss = Ed25519::from_seed(1);
    let id = world.apply_for(MOSS, b"t", &moss).unwrap();
    let waits =
        |world: &World| world.registry.application(&id).unwrap().state == ApplicationState::Waiting;
    world.invite(GIZA, b"u", NOW + 1).unwrap();
    world.invite_key(CIVIL, b"v", NOW + 1, Some(&moss)).unwrap();
    assert!(waits(&world));
    // Its token is invited for its name, pinned to its key, or not at all.
    for key in [Some(&Ed25519::from_seed(9)), None] {
        assert_eq!(
            world.invite_key(MOSS, b"t", NOW + 1, key),
            Err(FoldError::UnknownApplication)
        );
    }
    assert!(waits(&world));
}

#[test]
fn two_that_claim_one_name_in_different_case_both_wait_and_one_gets_it() {
    let mut world = World::new();
    let (one, other) = (Ed25519::from_seed(1), Ed25519::from_seed(2));
    let first = world.apply_for("EG/GOV/MOSS", b"t", &one).unwrap();
    let second = world.apply_for("EG/GOV/Moss", b"u", &other).unwrap();
    world
        .invite_key("EG/GOV/Moss", b"u", NOW + 1, Some(&other))
        .unwrap();
    world
        .invite_key("EG/GOV/MOSS", b"t", NOW + 1, Some(&one))
        .unwrap();
    world.enrol("EG/GOV/Moss", b"u", &other).unwrap();
    let state = |id| world.registry.application(id).unwrap().state.clone();
    assert_eq!(state(&second), ApplicationState::Enrolled);
    assert!(matches!(state(&first), ApplicationState::Approved { .. }));
    let taken = Err(FoldError::NameTaken("eg/gov/moss".to_owned()));
    assert_eq!(world.enrol("EG/GOV/MOSS", b"t", &one), taken);
    assert_eq!(
        world
            .apply_for("EG/GOV/mOSS", b"w", &Ed25519::from_seed(3))
            .map(drop),
        taken
    );
    assert_eq!(world.registry.agencies().count(), 1);
}

#[test]
fn who_still_waits_for_a_name_that_was_given_away_is_told() {
    let mut world = World::new();
    let id = world
        .apply_for("EG/GOV/moss", b"t", &Ed25519::from_seed(1))
        .unwrap();
    world.join(MOSS, 2);
    let state = &world.registry.application(&id).unwrap().state;
    assert!(
        matches!(state, ApplicationState::Rejected { .. }),
        "{state:?}"
    );
}

#[test]
fn a_rejected_application_is_decided_once_and_cannot_enrol() {
    let mut world = World::new();
    let moss = Ed25519::from_seed(1);
    let id = world.apply_for(MOSS, b"t", &moss).unwrap();
    let reject = |world: &mut World| {
        let deed = OperatorDeed::RejectApplication {
            application: id,
            reason: "the name is another's".to_owned(),
        };
        world.operate("nour", deed)
    };
    reject(&mut world).unwrap();
    assert_eq!(reject(&mut world), Err(FoldError::UnknownApplication));
    assert_eq!(world.enrol(MOSS, b"t", &moss), Err(FoldError::NotInvited));
    assert_eq!(
        world.apply_for(MOSS, b"t", &Ed25519::from_seed(2)),
        Err(FoldError::TokenUsed)
    );
    assert_eq!(
        world.apply_for(MOSS, b"u", &moss),
        Err(FoldError::TokenUsed),
        "the key was used to apply"
    );
    assert!(world.apply_for(MOSS, b"u", &Ed25519::from_seed(2)).is_ok());
}

#[test]
fn an_application_expires_to_the_millisecond() {
    let mut world = World::new();
    let moss = Ed25519::from_seed(1);
    let id = world.apply_for(MOSS, b"t", &moss).unwrap();
    let deed = OperatorDeed::RejectApplication {
        application: id,
        reason: "late".to_owned(),
    };
    world.now_ms = NOW + APPLICATION_MS;
    assert_eq!(
        world.operate("nour", deed.clone()),
        Err(FoldError::UnknownApplication)
    );
    let mut early = world.clone();
    early.now_ms -= 1;
    early.operate("nour", deed).unwrap();
    let until = world.now_ms + 1_000;
    assert_eq!(
        world.invite_key(MOSS, b"t", until, Some(&moss)),
        Err(FoldError::UnknownApplication),
        "nothing answers what has expired"
    );
}

#[test]
fn what_was_turned_down_is_not_approved_a_moment_later() {
    let mut world = World::new();
    let moss = Ed25519::from_seed(1);
    let id = world.apply_for(MOSS, b"t", &moss).unwrap();
    let deed = OperatorDeed::RejectApplication {
        application: id,
        reason: "no".to_owned(),
    };
    world.operate("nour", deed).unwrap();
    assert_eq!(
        world.invite_key(MOSS, b"t", NOW + 1_000, Some(&moss)),
        Err(FoldError::UnknownApplication)
    );
    assert_eq!(world.registry.invitations().count(), 0);
}

#[test]
fn so_many_applications_wait_for_one_name_and_no_more() {
    let mut world = World::new();
    for seed in 0..APPLICATIONS_MAX.0 as u8 {
        let name = if seed % 2 == 0 { MOSS } else { "EG/GOV/moss" };
        world
            .apply_for(name, &[seed], &Ed25519::from_seed(seed + 1))
            .unwrap();
    }
    let another = Ed25519::from_seed(90);
    assert_eq!(
        world.apply_for(MOSS, b"t", &another),
        Err(FoldError::TooManyApplications)
    );
    world
        .apply_for(GIZA, b"u", &Ed25519::from_seed(91))
        .unwrap();
    world.now_ms = NOW + APPLICATION_MS;
    world.apply_for(MOSS, b"t", &another).unwrap();
}

#[test]
fn an_application_for_another_switch_or_instance_or_sealed_by_another_is_refused() {
    let mut world = World::new();
    let moss = Ed25519::from_seed(1);
    assert!(matches!(
        world.apply_for("XX/GOV/MOSS", b"t", &moss),
        Err(FoldError::OtherInstance(_))
    ));
    let mut elsewhere = World::before_genesis();
    let mut other = genesis();
    other.created_at_ms += 1;
    let seal = sealed(label::GENESIS, &other.encode(), &Ed25519::from_seed(200));
    elsewhere
        .apply(Kind::Genesis, other.encode(), Some(seal))
        .unwrap();
    let application = crate::act::Application {
        agency: agency(MOSS),
        name_ar: "جهة".to_owned(),
        name_en: "Agency".to_owned(),
        authority_key: moss.key().clone(),
        token: Digest::of(b"t"),
        contact: "02".to_owned(),
        issued_at_ms: NOW,
        genesis: elsewhere.registry.genesis_sha256(),
    };
    let header = application.encode();
    assert_eq!(
        world.submit(Kind::Application, label::AUTHORITY, header.clone(), &moss),
        Err(FoldError::OtherSwitch)
    );
    assert!(matches!(
        elsewhere.submit(
            Kind::Application,
            label::AUTHORITY,
            header,
            &Ed25519::from_seed(2)
        ),
        Err(FoldError::Seal(_))
    ));
}

#[test]
fn a_key_that_was_bound_or_applies_already_cannot_apply() {
    let mut world = World::new();
    let moss = world.join(MOSS, 1);
    assert_eq!(
        world.apply_for(GIZA, b"t", &moss),
        Err(FoldError::KeyReused)
    );
    assert_eq!(
        world.apply_for(GIZA, b"t", &Ed25519::from_seed(200)),
        Err(FoldError::KeyReused),
        "the log's own key"
    );
    assert_eq!(
        world.apply_for(GIZA, MOSS.as_bytes(), &Ed25519::from_seed(2)),
        Err(FoldError::TokenUsed),
        "the token of an invitation"
    );
}
