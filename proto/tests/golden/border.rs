//! The border, from fixed keys and times: another instance is admitted, an agency of it joins, a grant is opened to it,
//! closed, and the instance withdrawn: `tests/golden/border.json`. Beside version 1, whose files stay as they are.

use bytes::Bytes;
use proto::Digest;
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, BorderAct, BorderDeed, ConsumerScope, Grant,
    InstanceAdmission, Invitation, OpeningAbroad, Step,
};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::id::AgencyId;
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;

use crate::book;
use crate::keys::SeedKey;
use crate::log::{GoldenLog, ORIGIN, T0_MS};
use crate::registry::{self, Keys, agency, brought, civil, part, parts};

const DAY_MS: u64 = 86_400_000;

fn petra() -> AgencyId {
    AgencyId::parse("JO/COM/PETRA").unwrap()
}

fn sealed(
    log: &mut GoldenLog,
    name: &str,
    (kind, label): (Kind, &str),
    header: Bytes,
    key: &SeedKey,
) {
    let seal = log.seal(name, label, &header, key);
    log.record(name, kind, brought(0xb0), Some((header, seal)));
}

fn act(log: &mut GoldenLog, name: &str, deed: BorderDeed, key: &SeedKey) -> Digest {
    let act = BorderAct {
        issued_at_ms: log.now_ms(),
        deed,
    };
    assert_eq!(BorderAct::open(&act.encode()).unwrap(), act);
    let under = (Kind::BorderAct, label::BORDER);
    sealed(log, name, under, act.encode(), key);
    act.id()
}

fn join(log: &mut GoldenLog, keys: &Keys) {
    let token = Digest::of(&[0x13; 32]);
    let invitation = Invitation {
        agency: petra(),
        token,
        expires_at_ms: T0_MS + DAY_MS,
        issued_at_ms: T0_MS,
        authority_kid: None,
    };
    let under = (Kind::Invitation, label::OPERATOR);
    let header = invitation.encode();
    sealed(log, "petra_invitation", under, header, &keys.operator);
    let enrolment = AgencyEnrolment {
        agency: petra(),
        name_ar: "شركة البتراء".to_owned(),
        name_en: "Petra Company".to_owned(),
        authority_key: keys.giza_authority.key().clone(),
        token,
        issued_at_ms: T0_MS + 1_000,
        genesis: log.registry.genesis_sha256(),
    };
    let under = (Kind::Agency, label::AUTHORITY);
    let header = enrolment.encode();
    sealed(log, "petra_agency", under, header, &keys.giza_authority);
}

fn agree(log: &mut GoldenLog, keys: &Keys) -> Digest {
    let content = AgreementContent {
        nonce: [0x78; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::Agency(petra()),
        provider: agency("CIVIL"),
        grants: vec![Grant {
            system: civil(),
            service: part("households.v1"),
            operations: parts(&["lookup"]),
            purposes: parts(&["takaful.eligibility"]),
            fields: parts(&["status"]),
            legal_basis: "An example law, article 4".to_owned(),
            daily_quota: 0,
            retention_days: 90,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        not_before_ms: T0_MS,
        not_after_ms: T0_MS + 30 * DAY_MS,
        supersedes: None,
    };
    let step = |step, previous, agency, content| AgreementAct {
        step,
        agreement: Digest::default(),
        previous,
        agency,
        issued_at_ms: T0_MS + 4_000,
        content,
    };
    let id = content.id();
    let mut propose = step(Step::Propose, None, petra(), content.encode());
    propose.agreement = id;
    let under = (Kind::AgreementAct, label::ACT);
    let header = propose.encode();
    sealed(log, "propose", under, header, &keys.giza_authority);
    let previous = Some(propose.id());
    let mut accept = step(Step::Accept, previous, agency("CIVIL"), Bytes::new());
    accept.agreement = id;
    let header = accept.encode();
    sealed(log, "accept", under, header, &keys.civil_authority);
    id
}

fn story() -> GoldenLog {
    let mut log = GoldenLog::default();
    let keys = Keys::new(&mut log);
    registry::genesis(&mut log, &keys);
    registry::enrol(&mut log, &keys, "CIVIL", ("ح", "C"), 0x12);
    let by_civil = &keys.civil_authority;
    registry::bind(&mut log, "civil_key", civil(), &keys.civil_seal, by_civil);
    let admission = BorderDeed::Admit(InstanceAdmission {
        operator: part("first"),
        instance: part("JO"),
        name_ar: "الأردن".to_owned(),
        name_en: "Jordan".to_owned(),
        legal_basis: "An example treaty, article 1".to_owned(),
    });
    act(&mut log, "admission", admission, &keys.operator);
    join(&mut log, &keys);
    let agreement = agree(&mut log, &keys);
    let opening = BorderDeed::Open(OpeningAbroad {
        agency: agency("CIVIL"),
        agreement,
        grant: 1,
        operations: parts(&["lookup"]),
        instance: part("JO"),
        legal_basis: "An example treaty, article 2".to_owned(),
        not_after_ms: T0_MS + 10 * DAY_MS,
    });
    let opening = act(&mut log, "opening", opening, by_civil);
    let end = BorderDeed::Close {
        agency: agency("CIVIL"),
        opening,
        reason: "The case is over".to_owned(),
    };
    act(&mut log, "opening_end", end, by_civil);
    let withdrawal = BorderDeed::Withdraw {
        operator: part("first"),
        instance: part("JO"),
        reason: "The treaty ended".to_owned(),
    };
    act(&mut log, "withdrawal", withdrawal, &keys.operator);
    log.heads();
    log
}

#[test]
fn every_value_at_the_border_is_the_golden_one() {
    story().book.judge("border.json");
}

/// Every bit of each of the four acts, put in the place of the act in its own log.
#[test]
fn no_bit_of_a_golden_act_at_the_border_can_be_another() {
    let stored = book::read("border.json");
    let part = |name: &str| Bytes::from(hex::decode(&stored[name]).unwrap());
    let mut names: Vec<(u64, &str)> = stored
        .iter()
        .filter_map(|(name, index)| Some((index.parse().ok()?, name.strip_suffix(".index.text")?)))
        .collect();
    names.sort_unstable();
    let mut folded = proto::registry::Registry::empty();
    let mut judged = 0;
    for (index, name) in names {
        let entry = Entry::decode(&part(&format!("{name}.entry"))).unwrap();
        if entry.kind == Kind::BorderAct {
            let header = part(&format!("{name}.header"));
            let seal = Seal::from_block(&part(&format!("{name}.seal_block"))).unwrap();
            for bit in 0..header.len() * 8 {
                let mut other = header.to_vec();
                other[bit / 8] ^= 1 << (bit % 8);
                let draft = Draft {
                    kind: Kind::BorderAct,
                    facts: entry.facts.clone(),
                    header: other.into(),
                    seal: Some(seal.clone()),
                };
                let stamp: Stamp = entry.stamp;
                let forged = Entry::new(draft, stamp);
                let outcome = folded.clone().apply(index, &forged);
                assert!(outcome.is_err(), "bit {bit} of {name}");
            }
            judged += 1;
        }
        if entry.kind.is_registry() {
            folded.apply(index, &entry).unwrap();
        }
    }
    assert_eq!(judged, 4);
}
