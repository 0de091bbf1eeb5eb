//! Holds and erasures: one form each, and who may seal them.

use super::*;
use crate::authorise::{verify_erasure, verify_hold};
use crate::limits::label;
use crate::refusal::Code;
use crate::registry::tests::{CIVIL, MOSS, NOW, World, agency, part, sealed, system};

fn exchange(last: u8) -> ExchangeId {
    let mut bytes = [0; 16];
    (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, last);
    ExchangeId::from_slice(&bytes).unwrap()
}

fn hold() -> Hold {
    Hold {
        agency: agency(MOSS),
        exchanges: vec![exchange(1), exchange(2)],
        ground: part("criminal_investigation"),
        until_ms: NOW + 1,
        ended: false,
        issued_at_ms: NOW,
    }
}

fn erasure(erased: Erased) -> Erasure {
    Erasure {
        agency: agency(MOSS),
        erased,
        ground: part("retention"),
        issued_at_ms: NOW,
    }
}

/// The ministry and the civil registry, each with a system.
fn two() -> World {
    let mut world = World::new();
    world.join(MOSS, 1);
    world.join(CIVIL, 2);
    world.system("EG/GOV/MOSS/takaful", 3);
    world.system("EG/GOV/CIVIL/registry", 4);
    world
}

#[test]
fn both_read_back_as_written() {
    assert_eq!(Hold::open(&hold().encode()).unwrap(), hold());
    let payloads = Erased::Payloads(system("EG/GOV/MOSS/takaful"), vec![exchange(9)]);
    for erased in [payloads, Erased::SubjectKeys(vec![1, 3])] {
        let erasure = erasure(erased);
        assert_eq!(Erasure::open(&erasure.encode()).unwrap(), erasure);
    }
}

#[test]
fn lists_that_are_empty_unordered_or_too_long_are_refused() {
    let lists = [
        vec![],
        vec![exchange(2), exchange(1)],
        vec![exchange(1), exchange(1)],
        (0..=OVERSEEN_MAX)
            .map(|at| {
                let mut bytes = *exchange(0).as_bytes();
                bytes[14..].copy_from_slice(&(at as u16).to_be_bytes());
                ExchangeId::from_slice(&bytes).unwrap()
            })
            .collect(),
    ];
    for exchanges in lists {
        let hold = Hold {
            exchanges: exchanges.clone(),
            ..hold()
        };
        Hold::open(&hold.encode()).unwrap_err();
        let gone = erasure(Erased::Payloads(system("EG/GOV/MOSS/takaful"), exchanges));
        Erasure::open(&gone.encode()).unwrap_err();
    }
    for epochs in [vec![], vec![2, 1], vec![1, 1], (0..200).collect()] {
        Erasure::open(&erasure(Erased::SubjectKeys(epochs)).encode()).unwrap_err();
    }
    // A full list fits the header.
    let full = (0..OVERSEEN_MAX as u8).map(exchange).collect();
    let full = Hold {
        exchanges: full,
        ..hold()
    };
    assert_eq!(Hold::open(&full.encode()).unwrap(), full);
}

#[test]
fn another_agencys_system_is_refused() {
    let erased = Erased::Payloads(system("EG/GOV/CIVIL/registry"), vec![exchange(1)]);
    Erasure::open(&erasure(erased).encode()).unwrap_err();
}

#[test]
fn neither_reads_as_the_other() {
    let erased = Erased::Payloads(system("EG/GOV/MOSS/takaful"), vec![exchange(1)]);
    Erasure::open(&hold().encode()).unwrap_err();
    Hold::open(&erasure(erased).encode()).unwrap_err();
}

#[test]
fn a_hold_counts_under_the_authority_key_of_its_agency_only() {
    let world = two();
    let header = hold().encode();
    let by = |holder: &str, label: &str| {
        let seal = sealed(label, &header, &world.key(holder));
        verify_hold(&world.registry, &header, &seal)
    };
    assert_eq!(by(MOSS, label::HOLD).unwrap(), hold());
    assert_eq!(by(CIVIL, label::HOLD), Err(Code::WrongSigner));
    assert_eq!(
        by("EG/GOV/MOSS/takaful", label::HOLD),
        Err(Code::WrongSigner)
    );
    assert_eq!(by("nour", label::HOLD), Err(Code::WrongSigner));
    assert_eq!(by(MOSS, label::AUTHORITY), Err(Code::BadSeal));
}

#[test]
fn payloads_are_the_systems_and_subject_keys_the_agencys_to_erase() {
    let world = two();
    let by = |erasure: &Erasure, holder: &str| {
        let header = erasure.encode();
        let seal = sealed(label::ERASURE, &header, &world.key(holder));
        verify_erasure(&world.registry, &header, &seal)
    };
    let own = system("EG/GOV/MOSS/takaful");
    let payloads = erasure(Erased::Payloads(own.clone(), vec![exchange(1)]));
    assert_eq!(by(&payloads, own.as_str()).unwrap(), payloads);
    assert_eq!(by(&payloads, MOSS), Err(Code::WrongSigner));
    assert_eq!(
        by(&payloads, "EG/GOV/CIVIL/registry"),
        Err(Code::WrongSigner)
    );
    let keys = erasure(Erased::SubjectKeys(vec![4]));
    assert_eq!(by(&keys, MOSS).unwrap(), keys);
    assert_eq!(by(&keys, own.as_str()), Err(Code::WrongSigner));
}
