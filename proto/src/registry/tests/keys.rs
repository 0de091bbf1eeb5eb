//! Seal keys: bound, followed, ended.

use super::*;

#[test]
fn a_key_is_bound_by_its_agency_once_and_proves_itself() {
    let mut world = World::new();
    let (civil, moss) = (world.join("EG/GOV/CIVIL", 1), world.join("EG/GOV/MOSS", 2));
    let (key, other) = (Ed25519::from_seed(10), Ed25519::from_seed(11));
    let system = "EG/GOV/CIVIL/registry";
    assert!(
        matches!(
            world.bind(system, &key, &key, &moss),
            Err(FoldError::Seal(_))
        ),
        "sealed by another agency"
    );
    assert_eq!(
        world.bind(system, &key, &other, &civil),
        Err(FoldError::NoPossession)
    );
    assert_eq!(
        world.bind(system, &civil, &civil, &civil),
        Err(FoldError::KeyReused),
        "the authority key itself"
    );
    world.bind(system, &key, &key, &civil).unwrap();
    assert_eq!(
        world.bind(system, &key, &key, &civil),
        Err(FoldError::KeyReused)
    );
    let system = SystemId::parse(system).unwrap();
    assert!(world.registry.seal_key(&key.key().kid(), &system).is_ok());
    let moss_system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    assert_eq!(
        world
            .registry
            .seal_key(&key.key().kid(), &moss_system)
            .unwrap_err(),
        Code::WrongSigner
    );

    let end = KeyEnd {
        system: system.clone(),
        kid: key.key().kid(),
        reason: part("retired"),
        issued_at_ms: NOW,
    };
    let seal = sealed(label::AUTHORITY, &end.encode(), &civil);
    world
        .apply(Kind::KeyEnded, end.encode(), Some(seal.clone()))
        .unwrap();
    assert_eq!(
        world
            .registry
            .seal_key(&key.key().kid(), &system)
            .unwrap_err(),
        Code::KeyEnded
    );
    assert_eq!(
        world.apply(Kind::KeyEnded, end.encode(), Some(seal)),
        Err(FoldError::UnknownKey)
    );
}

const ASKER: &str = "EG/GOV/MOSS/takaful";

fn following(world: &mut World, predecessor: &Ed25519, key: &Ed25519) -> KeySuccession {
    KeySuccession {
        system: system(ASKER),
        adapter: part("a1"),
        key: key.key().clone(),
        predecessor: predecessor.key().kid(),
        issued_at_ms: world.issue(),
        possession: bytes::Bytes::new(),
    }
}

#[test]
fn a_key_endorses_its_own_successor_once_and_nobody_elses() {
    let mut world = World::new();
    world.join(MOSS, 1);
    let (first, next) = (world.system(ASKER, 10), Ed25519::from_seed(11));
    let other = world.system("EG/GOV/MOSS/other", 12);
    let plain = following(&mut world, &first, &next);
    let elsewhere = KeySuccession {
        system: system("EG/GOV/MOSS/other"),
        ..plain.clone()
    };
    let adapter = KeySuccession {
        adapter: part("a2"),
        ..plain.clone()
    };
    for foreign in [elsewhere, adapter] {
        assert_eq!(
            world.succeed(foreign, &next, &first),
            Err(FoldError::UnknownKey)
        );
    }
    assert!(
        matches!(
            world.succeed(plain.clone(), &next, &other),
            Err(FoldError::Seal(_))
        ),
        "sealed by another key of the same agency"
    );
    assert_eq!(
        world.succeed(plain.clone(), &other, &first),
        Err(FoldError::NoPossession)
    );
    world.succeed(plain.clone(), &next, &first).unwrap();
    assert!(
        world
            .registry
            .seal_key(&next.key().kid(), &system(ASKER))
            .is_ok()
    );
    assert!(
        world
            .registry
            .seal_key(&first.key().kid(), &system(ASKER))
            .is_ok(),
        "until it is ended"
    );
    let second = following(&mut world, &first, &Ed25519::from_seed(13));
    assert_eq!(
        world.succeed(second, &Ed25519::from_seed(13), &first),
        Err(FoldError::NoChange)
    );
    assert_eq!(
        world.succeed(plain, &next, &first),
        Err(FoldError::NoChange),
        "replayed"
    );
    let used = following(&mut world, &next, &other);
    assert_eq!(
        world.succeed(used, &other, &next),
        Err(FoldError::KeyReused)
    );
}

fn end(world: &mut World, kid: Digest, label: &str, signer: &Ed25519) -> Result<Digest, FoldError> {
    let end = KeyEnd {
        system: system(ASKER),
        kid,
        reason: part("superseded"),
        issued_at_ms: world.issue(),
    };
    world.submit(Kind::KeyEnded, label, end.encode(), signer)
}

#[test]
fn a_key_is_ended_by_its_follower_and_not_by_itself_or_the_one_after() {
    let mut world = World::new();
    world.join(MOSS, 1);
    let first = world.system(ASKER, 10);
    let (second, third) = (Ed25519::from_seed(11), Ed25519::from_seed(12));
    let act = following(&mut world, &first, &second);
    world.succeed(act, &second, &first).unwrap();
    let act = following(&mut world, &second, &third);
    world.succeed(act, &third, &second).unwrap();
    let kid = first.key().kid();
    for wrong in [&first, &third] {
        assert!(matches!(
            end(&mut world, kid, label::SUCCESSION, wrong),
            Err(FoldError::Seal(_))
        ));
    }
    end(&mut world, kid, label::SUCCESSION, &second).unwrap();
    assert_eq!(
        world.registry.seal_key(&kid, &system(ASKER)).unwrap_err(),
        Code::KeyEnded
    );
    let revived = following(&mut world, &first, &Ed25519::from_seed(14));
    assert_eq!(
        world.succeed(revived, &Ed25519::from_seed(14), &first),
        Err(FoldError::UnknownKey),
        "an ended key endorses nobody"
    );
    let moss = world.key(MOSS);
    end(&mut world, second.key().kid(), label::AUTHORITY, &moss).unwrap();
    assert_eq!(
        end(&mut world, kid, label::AUTHORITY, &moss),
        Err(FoldError::UnknownKey),
        "ended before"
    );
}

#[test]
fn a_suspended_agency_ends_keys_and_binds_none() {
    let mut world = World::new();
    let moss = world.join(MOSS, 1);
    let first = world.system(ASKER, 10);
    world.suspend(MOSS, false).unwrap();
    let next = Ed25519::from_seed(11);
    let suspended = Err(FoldError::Suspended(agency(MOSS)));
    assert_eq!(world.bind(ASKER, &next, &next, &moss), suspended);
    let act = following(&mut world, &first, &next);
    assert_eq!(world.succeed(act, &next, &first), suspended);
    end(&mut world, first.key().kid(), label::AUTHORITY, &moss).unwrap();
}
