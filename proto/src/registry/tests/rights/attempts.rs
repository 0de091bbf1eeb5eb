//! What random people try, and the questions afterwards.

use std::collections::BTreeSet;

use proptest::prelude::*;

mod acts;
mod border;

use super::super::*;
use super::oracle::{Accepted, Oracle};
use crate::seal::Seal;

const AID: &str = "EG/NGO/AID";
/// The one abroad.
const PETRA: &str = "JO/COM/PETRA";
const AGENCIES: [&str; 5] = [CIVIL, MOSS, GIZA, AID, PETRA];
const PEOPLE: [&str; 3] = ["nour", "samir", "amal"];
const OPERATIONS: [&str; 2] = ["lookup", "search"];
const PURPOSES: [&str; 2] = ["ration", "takaful"];
const FIELDS: [&str; 2] = ["income", "name_ar"];

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
enum What {
    Propose,
    Accept,
    Revoke,
    Delegate,
    EndDelegation,
    Open,
    Withdraw,
    Suspend,
    Policy,
    Second,
    Replace,
    Object,
    Succeed,
    Purpose,
    Again,
    Alter,
    OtherKind,
    Wait,
}

/// One attempt; the dials choose who, what and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    what: What,
    dials: [u8; 8],
}

impl Attempt {
    pub(super) fn is_operators(&self) -> bool {
        matches!(
            self.what,
            What::Suspend
                | What::Policy
                | What::Second
                | What::Replace
                | What::Purpose
                | What::Withdraw
        )
    }

    fn pick<T: Clone>(&self, dial: usize, from: &[T]) -> T {
        from[usize::from(self.dials[dial]) % from.len()].clone()
    }

    /// Some of two, never none of them.
    fn some(&self, dial: usize, shift: u8, of: [&str; 2]) -> Vec<Part> {
        match (self.dials[dial] >> shift) % 4 {
            0 => parts(&of[..1]),
            1 => parts(&of[1..]),
            _ => parts(&of),
        }
    }
}

pub(super) fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let what = prop_oneof![
        8 => Just(What::Propose),
        9 => Just(What::Accept),
        1 => Just(What::Revoke),
        8 => Just(What::Delegate),
        1 => Just(What::EndDelegation),
        6 => Just(What::Open),
        1 => Just(What::Withdraw),
        2 => Just(What::Suspend),
        1 => Just(What::Policy),
        2 => Just(What::Second),
        1 => Just(What::Replace),
        1 => Just(What::Object),
        1 => Just(What::Succeed),
        1 => Just(What::Purpose),
        4 => Just(What::Again),
        1 => Just(What::Alter),
        1 => Just(What::OtherKind),
        3 => Just(What::Wait),
    ];
    let attempt = (what, any::<[u8; 8]>()).prop_map(|(what, dials)| Attempt { what, dials });
    prop::collection::vec(attempt, 1..64)
}

/// A sealed act, recorded or held back.
#[derive(Clone)]
struct Sealed {
    kind: Kind,
    header: bytes::Bytes,
    seal: Seal,
}

/// A world, all that was ever sealed in it, and what follows from what was accepted.
pub(super) struct Play {
    pub(super) world: World,
    pub(super) oracle: Oracle,
    sealed: Vec<Sealed>,
    agreements: Vec<AgreementContent>,
    delegations: Vec<(Digest, Digest)>,
    deeds: Vec<Digest>,
    /// Who opened, or meant to, and the act.
    openings: Vec<(AgencyId, Digest)>,
    next_seed: u8,
}

impl Play {
    pub(super) fn new() -> Self {
        let mut play = Self {
            world: World::new(),
            oracle: Oracle::default(),
            sealed: Vec::new(),
            agreements: Vec::new(),
            delegations: Vec::new(),
            deeds: Vec::new(),
            openings: Vec::new(),
            next_seed: 100,
        };
        let nour = play.world.key("nour");
        play.border(Self::admission("nour"), &nour, 1);
        for (seed, name) in AGENCIES.iter().enumerate() {
            play.world.join(name, seed as u8 + 1);
            let known = play.world.registry.agency(&agency(name)).unwrap();
            let enrolment = crate::act::AgencyEnrolment {
                agency: known.id.clone(),
                name_ar: known.name_ar.clone(),
                name_en: known.name_en.clone(),
                authority_key: known.authority_key.clone(),
                token: Digest::default(),
                issued_at_ms: NOW,
                genesis: Digest::default(),
            };
            play.oracle.learn(&Accepted {
                kind: Kind::Agency,
                header: enrolment.encode(),
                kid: known.authority_key.kid(),
                at_ms: NOW,
            });
        }
        play.world.give(PersonRole::Operator, "samir", 203).unwrap();
        play.world.give(PersonRole::Approver, "amal", 202).unwrap();
        play.begin();
        play
    }

    /// Three agreements to begin with, of which much can be handed on.
    fn begin(&mut self) {
        for (nonce, consumer) in [(201, MOSS), (202, "EG/GOV/*"), (203, PETRA)] {
            let mut new = AgreementContent {
                nonce: [nonce; 16],
                not_after_ms: NOW + 5_000,
                ..content(consumer)
            };
            new.grants[0].operations = parts(&OPERATIONS);
            new.grants[0].purposes = parts(&PURPOSES);
            new.grants[0].fields = parts(&FIELDS);
            new.grants[0].delegation_depth = 3;
            let proposal = propose(&new, CIVIL);
            let civil = self.world.key(CIVIL);
            self.put(Kind::AgreementAct, label::ACT, proposal.encode(), &civil, 1);
            if let ConsumerScope::Agency(_) = new.consumer {
                let accept = follow(Step::Accept, &proposal, consumer).encode();
                let key = self.world.key(consumer);
                self.put(Kind::AgreementAct, label::ACT, accept, &key, 1);
            }
            self.agreements.push(new);
        }
    }

    /// Mostly the right key; now and then another's.
    fn signer(&self, of: &str, dial: u8) -> Ed25519 {
        match dial % 16 {
            0 => self
                .world
                .key(AGENCIES[usize::from(dial / 16) % AGENCIES.len()]),
            1 => self.world.key("nour"),
            2 => Ed25519::from_seed(99),
            _ => self.world.key(of),
        }
    }

    fn record(&mut self, act: &Sealed) -> bool {
        let taken = self
            .world
            .apply(act.kind, act.header.clone(), Some(act.seal.clone()))
            .is_ok();
        if taken {
            let accepted = Accepted {
                kind: act.kind,
                header: act.header.clone(),
                kid: act.seal.open().unwrap().kid(),
                at_ms: self.world.now_ms,
            };
            self.oracle.learn(&accepted);
        }
        taken
    }

    /// Seals, and records unless the act is held back for later.
    fn put(&mut self, kind: Kind, label: &str, header: bytes::Bytes, signer: &Ed25519, dial: u8) {
        let seal = sealed(label, &header, signer);
        let act = Sealed { kind, header, seal };
        if !dial.is_multiple_of(8) {
            self.record(&act);
        }
        self.sealed.push(act);
    }

    pub(super) fn attempt(&mut self, attempt: &Attempt) {
        match attempt.what {
            What::Propose => self.propose(attempt),
            What::Accept | What::Revoke => self.follow(attempt),
            What::Delegate => self.delegate(attempt),
            What::EndDelegation => self.end_delegation(attempt),
            What::Suspend | What::Policy | What::Replace | What::Purpose => self.operate(attempt),
            What::Open => self.open(attempt),
            What::Withdraw => self.withdraw(attempt),
            What::Second => self.second(attempt),
            What::Object | What::Succeed => self.deed(attempt),
            What::Again | What::Alter | What::OtherKind => self.again(attempt),
            What::Wait => {
                let long = attempt.dials[0] > 240;
                self.world.now_ms += if long {
                    REPLACEMENT_MS
                } else {
                    u64::from(attempt.dials[0])
                };
            }
        }
    }

    /// What was sealed before: recorded as it is, altered, or as something else.
    fn again(&mut self, attempt: &Attempt) {
        if self.sealed.is_empty() {
            return;
        }
        let place = usize::from(u16::from_be_bytes([attempt.dials[0], attempt.dials[1]]));
        let mut act = self.sealed[place % self.sealed.len()].clone();
        match attempt.what {
            What::Alter => {
                let mut header = act.header.to_vec();
                let byte = usize::from(attempt.dials[2]) % header.len();
                header[byte] ^= 1 << (attempt.dials[3] % 8);
                act.header = header.into();
                assert!(!self.record(&act), "an altered act stands");
            }
            What::OtherKind => {
                for kind in Kind::ALL {
                    if kind != act.kind {
                        let other = Sealed {
                            kind,
                            ..act.clone()
                        };
                        assert!(!self.record(&other), "{:?} stands as {kind:?}", act.kind);
                    }
                }
            }
            _ => drop(self.record(&act)),
        }
    }

    /// Everything that anybody could ask, with its number.
    pub(super) fn questions(&self) -> Vec<(RequestHeader, usize)> {
        let mut asked = Vec::new();
        let base = request(&self.world, "EG/GOV/MOSS/desk", ("lookup", "takaful", &[]));
        let known = self
            .agreements
            .iter()
            .filter(|content| self.world.registry.agreement(&content.id()).is_some());
        for content in known {
            let mut chains = vec![Vec::new()];
            for (agreement, id) in &self.delegations {
                if *agreement != content.id() || self.world.registry.delegation(id).is_none() {
                    continue;
                }
                let chain = self.world.registry.chain_of(id);
                if chain.len() > 1 {
                    chains.push(vec![*id]);
                    chains.push(chain.iter().rev().copied().collect());
                }
                chains.push(chain);
            }
            for chain in chains {
                for asker in AGENCIES {
                    for bits in 0..8 {
                        let request = RequestHeader {
                            consumer: agency(asker).system(&part("desk")),
                            provider: content.provider.system(&part("registry")),
                            operation: part(OPERATIONS[bits & 1]),
                            purpose: part(PURPOSES[bits >> 1 & 1]),
                            fields: parts(&FIELDS[bits >> 2 & 1..][..1]),
                            agreement: Some(content.id()),
                            delegation: chain.clone(),
                            ..base.clone()
                        };
                        asked.push((request, asked.len()));
                    }
                }
            }
        }
        asked
    }

    /// The numbers of the questions that are permitted.
    pub(super) fn rights(&self, at_ms: u64) -> BTreeSet<usize> {
        self.questions()
            .into_iter()
            .filter(|(request, _)| authorise(&self.world.registry, request, at_ms).is_ok())
            .map(|(_, place)| place)
            .collect()
    }
}
