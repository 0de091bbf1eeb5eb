//! A registry in which everything stands in some state or other, made from a seed.

use crate::act::{
    AgencyDeed, AgreementContent, ConsumerScope, Delegation, GroupMember, KeyEnd, OperationNotice,
    OperatorDeed, Purpose, Step,
};
use crate::authorise::Question;
use crate::entry::Kind;
use crate::id::{Part, ServiceId};
use crate::key::Signer as _;
use crate::limits::label;
use crate::registry::tests::{
    CIVIL, GIZA, MOSS, NOW, World, agency, content, follow, part, parts, propose, system,
};

pub(super) const AID: &str = "EG/NGO/AID";
/// Suspended in the end: the one asks, the other answers.
pub(super) const TAX: &str = "EG/GOV/TAX";
pub(super) const LAND: &str = "EG/GOV/LAND";
/// Who has one agreement that was revoked and one that is only proposed.
const GONE: &str = "EG/NGO/GONE";
const AGENCIES: [&str; 7] = [CIVIL, GIZA, MOSS, AID, TAX, LAND, GONE];

/// Who asks: with a key, without, ended, unknown, of nobody.
pub(super) const ASKERS: [&str; 11] = [
    "EG/NGO/GONE/desk",
    "EG/GOV/MOSS/takaful",
    "EG/GOV/MOSS/ration",
    "EG/NGO/AID/desk",
    "EG/GOV/GIZA/centre",
    "EG/GOV/TAX/desk",
    "EG/GOV/CIVIL/registry",
    "EG/GOV/MOSS/keyless",
    "EG/GOV/MOSS/old",
    "EG/NGO/AID/unknown",
    "EG/GOV/NOBODY/desk",
];
/// What is asked: published, off, not published, of an ended system, of a suspended agency, of nobody.
pub(super) const SERVICES: [&str; 8] = [
    "EG/GOV/CIVIL/registry/persons.v1",
    "EG/GOV/CIVIL/registry/persons.v1",
    "EG/GOV/GIZA/centre/cases.v1",
    "EG/GOV/CIVIL/registry/births.v1",
    "EG/GOV/CIVIL/registry/unpublished.v1",
    "EG/GOV/CIVIL/archive/old.v1",
    "EG/GOV/LAND/deeds/plots.v1",
    "EG/GOV/NOWHERE/at/all.v1",
];
pub(super) const OPERATIONS: [&str; 3] = ["lookup", "search", "erase"];
/// The last one is not in the catalogue, the one before was ended.
pub(super) const PURPOSES: [&str; 4] = ["ration", "takaful", "tax", "war"];
pub(super) const FIELDS: [&str; 3] = ["iban", "income", "name_ar"];

/// SplitMix64: the same numbers on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    /// Each with one chance in two, but never none.
    fn some(&mut self, of: &[&str]) -> Vec<Part> {
        let least = self.roll(of.len());
        let chosen: Vec<&str> = of
            .iter()
            .enumerate()
            .filter(|(at, _)| *at == least || self.roll(2) == 0)
            .map(|(_, text)| *text)
            .collect();
        parts(&chosen)
    }

    pub(super) fn question(&mut self) -> Question {
        let mut fields: Vec<&str> = (0..self.roll(3)).map(|_| FIELDS[self.roll(3)]).collect();
        fields.sort_unstable();
        fields.dedup();
        // Mostly what could be: the odd ones are the last of each list.
        let likely = |dice: &mut Self, sides: usize| {
            let all = dice.roll(sides);
            if all > 1 && dice.roll(3) > 0 {
                all % 2
            } else {
                all
            }
        };
        Question {
            consumer: system(ASKERS[self.roll(ASKERS.len())]),
            service: ServiceId::parse(SERVICES[self.roll(SERVICES.len())]).unwrap(),
            operation: part(OPERATIONS[likely(self, 3)]),
            purpose: part(PURPOSES[likely(self, 4)]),
            fields: parts(&fields),
        }
    }
}

pub(super) fn crowd(dice: &mut Dice) -> World {
    let mut world = World::new();
    for (seed, name) in AGENCIES.iter().enumerate() {
        world.join(name, seed as u8 + 1);
    }
    let running = ASKERS[..9].iter().copied();
    let answering = ["EG/GOV/CIVIL/archive", "EG/GOV/LAND/deeds"];
    for (seed, name) in running.chain(answering).enumerate() {
        world.system(name, seed as u8 + 20);
    }
    for service in [0, 3, 5, 6, 2] {
        world
            .publish(SERVICES[service], &["lookup", "search"])
            .unwrap();
    }
    let tax = OperatorDeed::SetPurpose(Purpose::plain(part("tax")));
    world.operate("nour", tax).unwrap();
    for nonce in 0..60 {
        agree(&mut world, dice, nonce);
    }
    for _ in 0..90 {
        delegate(&mut world, dice);
    }
    world.now_ms = NOW + 1_000;
    let delegations: Vec<_> = world
        .registry
        .delegations()
        .map(|known| (known.from.to_string(), known.agreement, known.id))
        .collect();
    let mut delegations = delegations;
    delegations.sort();
    for (from, agreement, id) in delegations {
        if dice.roll(6) == 0 {
            world.end_delegation(&from, agreement, id).unwrap();
        }
    }
    finish(&mut world);
    world
}

/// What ends and what is switched off, after everybody agreed.
fn finish(world: &mut World) {
    let tax = OperatorDeed::SetPurpose(Purpose {
        ended: true,
        ..Purpose::plain(part("tax"))
    });
    world.operate("nour", tax).unwrap();
    for name in ["EG/GOV/MOSS/old", "EG/GOV/CIVIL/archive"] {
        let ended = AgencyDeed::EndSystem {
            system: system(name),
            reason: part("retired"),
        };
        world.deed(system(name).agency().as_str(), ended).unwrap();
    }
    let end = KeyEnd {
        system: system("EG/GOV/MOSS/keyless"),
        kid: world.key("EG/GOV/MOSS/keyless").key().kid(),
        reason: part("retired"),
        issued_at_ms: world.issue(),
    };
    let moss = world.key(MOSS);
    world
        .submit(Kind::KeyEnded, label::AUTHORITY, end.encode(), &moss)
        .unwrap();
    for (service, operation) in [("persons.v1", Some(part("search"))), ("births.v1", None)] {
        let off = AgencyDeed::Notice(OperationNotice {
            system: system("EG/GOV/CIVIL/registry"),
            service: part(service),
            operation,
            disabled: true,
            notice_ar: "صيانة".to_owned(),
            notice_en: "Maintenance".to_owned(),
        });
        world.deed(CIVIL, off).unwrap();
    }
    let gone = world.agree(&content(GONE)).unwrap();
    world.revoke(CIVIL, gone).unwrap();
    let mut half = content(GONE);
    half.provider = agency(GIZA);
    half.grants[0].system = system("EG/GOV/GIZA/centre");
    half.grants[0].service = part("cases.v1");
    half.not_after_ms = NOW + 9_000;
    world.act(&propose(&half, GONE), &world.key(GONE)).unwrap();
    world.suspend(TAX, false).unwrap();
    world.suspend(LAND, false).unwrap();
}

/// One more agreement, proposed, in force, revoked, or in the place of another.
fn agree(world: &mut World, dice: &mut Dice, nonce: u8) {
    let provider = dice.pick(&[CIVIL, CIVIL, CIVIL, GIZA, LAND]);
    let member = |name: &str| GroupMember {
        agency: agency(name),
        value: String::new(),
    };
    let consumer = match dice.roll(12) {
        0 => ConsumerScope::parse("EG/GOV/*").unwrap(),
        1 => ConsumerScope::Group {
            name: part("some"),
            members: vec![member(GIZA), member(AID)],
        },
        _ => ConsumerScope::parse(dice.pick(&[MOSS, MOSS, AID, TAX, GIZA])).unwrap(),
    };
    let own: Vec<&str> = SERVICES[1..7]
        .iter()
        .copied()
        .filter(|service| service.starts_with(provider))
        .collect();
    let mut new = AgreementContent {
        nonce: [nonce; 16],
        provider: agency(provider),
        consumer,
        ..content(MOSS)
    };
    let plain = new.grants[0].clone();
    new.grants = (0..=dice.roll(3))
        .map(|_| {
            let service = ServiceId::parse(dice.pick(&own)).unwrap();
            let mut grant = plain.clone();
            grant.system = service.system();
            grant.service = service.service();
            grant.operations = dice.some(&OPERATIONS);
            grant.operations.sort();
            grant.purposes = dice.some(&PURPOSES[..3]);
            grant.fields = dice.some(&FIELDS);
            grant.delegation_depth = dice.roll(4) as u32;
            grant
        })
        .collect();
    (new.not_before_ms, new.not_after_ms) = dice.pick(&[
        (NOW, NOW + 9_000),
        (NOW, NOW + 9_000),
        (NOW, NOW + 500),
        (NOW + 3_000, NOW + 9_000),
    ]);
    let mut active: Vec<_> = world
        .registry
        .agreements()
        .filter(|known| {
            known.content.provider == new.provider && known.content.consumer == new.consumer
        })
        .map(|known| known.id)
        .collect();
    active.sort();
    if !active.is_empty() && dice.roll(3) == 0 {
        new.supersedes = Some(dice.pick(&active));
    }
    if dice.roll(5) == 0 {
        // Only proposed, unless it is public.
        let _refused = world.act(&propose(&new, provider), &world.key(provider));
        return;
    }
    let agreed = world.agree(&new);
    if let (Ok(id), 0) = (agreed, dice.roll(8)) {
        world.revoke(provider, id).unwrap();
    }
}

/// One more link, of whatever is held; refused where it does not fit.
fn delegate(world: &mut World, dice: &mut Dice) {
    let mut links: Vec<_> = world.registry.delegations().map(|known| known.id).collect();
    links.sort();
    let mut agreements: Vec<_> = world.registry.agreements().map(|known| known.id).collect();
    agreements.sort();
    let above = (!links.is_empty() && dice.roll(3) == 0).then(|| dice.pick(&links));
    let above = above.and_then(|id| world.registry.delegation(&id)).cloned();
    let id = above
        .as_ref()
        .map_or_else(|| dice.pick(&agreements), |above| above.agreement);
    let agreement = world.registry.agreement(&id).unwrap();
    let number = dice.roll(agreement.content.grants.len());
    let grant = agreement.content.grants[number].clone();
    let from = match (&above, &agreement.content.consumer) {
        (Some(above), _) => above.delegation.consumer.to_string(),
        (None, ConsumerScope::Agency(consumer)) => consumer.to_string(),
        (None, _) => GIZA.to_owned(),
    };
    let held = above.map_or_else(
        || Delegation {
            grant: number as u32 + 1,
            parent: None,
            consumer: agency(MOSS),
            operations: grant.operations,
            purposes: grant.purposes,
            fields: grant.fields,
            not_before_ms: agreement.content.not_before_ms,
            not_after_ms: agreement.content.not_after_ms,
            depth: grant.delegation_depth,
        },
        |above| Delegation {
            parent: Some(above.id),
            ..above.delegation
        },
    );
    let drop_one = |dice: &mut Dice, mut from: Vec<Part>| {
        if from.len() > 1 && dice.roll(4) == 0 {
            from.pop();
        }
        from
    };
    let (from_ms, to_ms) = (held.not_before_ms, held.not_after_ms);
    let (not_before_ms, not_after_ms) = match dice.roll(6) {
        0 => (from_ms, from_ms + 400),
        1 => (from_ms + 2_000, to_ms),
        _ => (from_ms, to_ms),
    };
    let delegation = Delegation {
        consumer: agency(dice.pick(&[AID, TAX, GIZA, MOSS])),
        operations: drop_one(dice, held.operations),
        purposes: drop_one(dice, held.purposes),
        fields: drop_one(dice, held.fields),
        depth: held.depth.saturating_sub(1),
        not_before_ms,
        not_after_ms,
        ..held
    };
    if delegation.not_before_ms < delegation.not_after_ms {
        let _refused = world.delegate(&from, id, &delegation);
    }
}

/// The other party's acceptance of what was only proposed.
pub(super) fn accept(world: &mut World, id: crate::digest::Digest) {
    let known = world.registry.agreement(&id).unwrap().clone();
    let proposal = propose(&known.content, known.acts[0].agency.as_str());
    let consumer = known.content.consumer.to_string();
    let other = if known.acts[0].agency.as_str() == consumer {
        known.content.provider.to_string()
    } else {
        consumer
    };
    let act = follow(Step::Accept, &proposal, &other);
    world.act(&act, &world.key(&other)).unwrap();
}
