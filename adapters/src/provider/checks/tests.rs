//! What a dishonest or broken switch could bring, and what the provider's adapter says to each.

use bytes::Bytes;
use proto::entry::Kind;
use proto::seal::Seal;

use super::*;
use crate::testing::{NOW, World, part};

/// A request that is recorded and permitted, with its receipt.
fn honest() -> (World, Envelope, Receipt) {
    let mut world = World::new();
    let envelope = world.request(|_| {});
    let index = world.record_request(&envelope);
    let receipt = world.receipt(index);
    (world, envelope, receipt)
}

fn judged(
    world: &World,
    envelope: &Envelope,
    receipt: Option<&Receipt>,
    now_ms: u64,
) -> Result<RequestHeader, Code> {
    let logged = proof(envelope, receipt, &NoteMemory::new(world.log_key()))?;
    let memory = SealMemory::default();
    let own = Own {
        registry: &world.registry,
        system: &world.provider.system,
        now_ms,
        window_ms: 30_000,
        memory: &memory,
    };
    let request = RequestHeader::open(&envelope.header).map_err(|_| Code::Malformed)?;
    let asked = SealedRequest {
        header: &envelope.header,
        opened: &request,
        seal: &envelope.seal,
    };
    permission(asked, &logged, own).map(|_| request)
}

#[test]
fn an_honest_delivery_passes() {
    let (world, envelope, receipt) = honest();
    let request = judged(&world, &envelope, Some(&receipt), NOW).unwrap();
    contents(&request, &envelope, |_, _| Some("lookup".to_owned())).unwrap();
    contents(&request, &envelope, |_, _| None).unwrap();
}

#[test]
fn without_a_receipt_of_this_log_over_these_bytes_nothing_is_answered() {
    let (mut world, envelope, receipt) = honest();
    let refused = |receipt: Option<&Receipt>, envelope: &Envelope, world: &World| {
        assert_eq!(judged(world, envelope, receipt, NOW), Err(Code::NotLogged));
    };
    refused(None, &envelope, &world);
    // Another log's receipt of the very same request.
    let mut other = World::new();
    let index = other.record_request(&envelope);
    refused(Some(&other.receipt(index)), &envelope, &world);
    // The receipt of another request of the same log.
    let second = world.request(|_| {});
    let index = world.record_request(&second);
    refused(Some(&world.receipt(index)), &envelope, &world);
    // The request with another seal than the recorded one.
    let mut resealed = envelope.clone();
    resealed.seal = Seal::one(
        "mohawel/request/v1",
        "switch.test/log",
        &envelope.header,
        &world.provider.seal,
    )
    .unwrap();
    refused(Some(&receipt), &resealed, &world);
    // Index, stamp, facts, proof and checkpoint are each under the proof.
    for change in [
        |receipt: &mut Receipt| receipt.index -= 1,
        |receipt: &mut Receipt| receipt.stamp.recorded_at_us += 1,
        |receipt: &mut Receipt| receipt.facts = Bytes::new(),
        |receipt: &mut Receipt| receipt.proof.truncate(1),
        |receipt: &mut Receipt| receipt.checkpoint = Bytes::from_static(b"x"),
        |receipt: &mut Receipt| receipt.kind = Kind::Late,
    ] {
        let mut changed = receipt.clone();
        change(&mut changed);
        refused(Some(&changed), &envelope, &world);
    }
    // Recorded, but as a refusal.
    let index = world.append(
        Kind::Refusal,
        facts::encode(&world.request_facts()),
        envelope.header.clone(),
        Some(envelope.seal.clone()),
    );
    refused(Some(&world.receipt(index)), &envelope, &world);
    // Recorded as a request with a code: it was not permitted.
    let mut denied = world.request_facts();
    denied.code = "no_agreement".to_owned();
    let (header, seal) = (envelope.header.clone(), Some(envelope.seal.clone()));
    let index = world.append(Kind::Request, facts::encode(&denied), header, seal);
    refused(Some(&world.receipt(index)), &envelope, &world);
}

#[test]
fn what_the_switch_permits_is_decided_again() {
    let decided = |change: fn(&mut RequestHeader)| {
        let mut world = World::new();
        let envelope = world.request(change);
        let index = world.record_request(&envelope);
        judged(&world, &envelope, Some(&world.receipt(index)), NOW).unwrap_err()
    };
    assert_eq!(decided(|header| header.agreement = None), Code::NoAgreement);
    assert_eq!(
        decided(|header| header.purpose = part("curiosity")),
        Code::PurposeNotGranted
    );
    assert_eq!(
        decided(|header| header.fields = vec![part("income")]),
        Code::FieldNotGranted
    );
    assert_eq!(
        decided(|header| header.contract = proto::Digest::default()),
        Code::ContractViolation
    );
    assert_eq!(
        decided(|header| header.provider = header.consumer.clone()),
        Code::UnknownService
    );
    assert_eq!(
        decided(|header| header.issued_at_ms = NOW - 30_001),
        Code::Stale
    );
    assert_eq!(
        decided(|header| header.issued_at_ms = NOW + 30_001),
        Code::Stale
    );
    assert_eq!(
        decided(|header| header.consumer = header.provider.clone()),
        Code::WrongSigner
    );
}

#[test]
fn another_permission_than_the_recorded_one_was_not_logged() {
    let mut world = World::new();
    let envelope = world.request(|_| {});
    for change in [
        |facts: &mut ExchangeFacts| facts.grant = 2,
        |facts: &mut ExchangeFacts| facts.agreement = Bytes::new(),
    ] {
        let mut facts = world.request_facts();
        change(&mut facts);
        let (header, seal) = (envelope.header.clone(), Some(envelope.seal.clone()));
        let index = world.append(Kind::Request, facts::encode(&facts), header, seal);
        let receipt = world.receipt(index);
        assert_eq!(
            judged(&world, &envelope, Some(&receipt), NOW),
            Err(Code::NotLogged)
        );
    }
}

#[test]
fn a_newer_registry_of_our_own_counts_more_than_the_recorded_one() {
    let (mut world, envelope, receipt) = honest();
    assert_eq!(
        judged(&world, &envelope, Some(&receipt), NOW + 2_000_000),
        Err(Code::AgreementExpired)
    );
    world.revoke();
    assert_eq!(
        judged(&world, &envelope, Some(&receipt), NOW),
        Err(Code::AgreementRevoked)
    );
    world.end_consumer_key();
    assert_eq!(
        judged(&world, &envelope, Some(&receipt), NOW),
        Err(Code::KeyEnded)
    );
}

#[test]
fn the_payload_is_what_was_committed_to_and_asks_for_the_named_operation() {
    let (world, envelope, receipt) = honest();
    let request = judged(&world, &envelope, Some(&receipt), NOW).unwrap();
    let none = |_: &str, _: &[u8]| None;
    let mut changed = envelope.clone();
    changed.payload = Bytes::from_static(b"{\"nid\":2}");
    assert_eq!(
        contents(&request, &changed, none),
        Err(Code::PayloadMismatch)
    );
    let mut changed = envelope.clone();
    changed.salt = Bytes::new();
    assert_eq!(
        contents(&request, &changed, none),
        Err(Code::PayloadMismatch)
    );
    let other = |_: &str, _: &[u8]| Some("delete".to_owned());
    assert_eq!(
        contents(&request, &envelope, other),
        Err(Code::OperationMismatch)
    );
}

/// A request whose header names `subjects`, about the person of `nid`, and what the check says under `keys`.
fn about(subjects: &[Subject], nid: &str, keys: &[SubjectKey]) -> Result<(), Code> {
    let (world, _, _) = honest();
    let payload = format!("{{\"nid\":\"{nid}\"}}");
    let envelope = world.request(|header| header.subjects = subjects.to_vec());
    let request = RequestHeader::open(&envelope.header).unwrap();
    let fields = [SubjectField {
        pointer: "/nid".to_owned(),
        scheme: part("nid"),
    }];
    let judged = super::subjects(&request, &fields, payload.as_bytes(), Start::Payload, keys);
    // Without a mark in the contract nobody is looked for.
    super::subjects(&request, &[], payload.as_bytes(), Start::Payload, keys).unwrap();
    judged
}

#[test]
fn the_header_names_exactly_the_persons_of_the_payload_under_one_accepted_key() {
    let [newest, before, other] =
        [1, 2, 3].map(|byte| SubjectKey::from_slice(&[byte; 32]).unwrap());
    let nid = "29001018800017";
    let named = |key: &SubjectKey, id: &str| Subject {
        scheme: part("nid"),
        pseudonym: key.pseudonym(&part("nid"), id).unwrap(),
    };
    let keys = [newest.clone(), before.clone()];
    for key in &keys {
        about(&[named(key, nid)], nid, &keys).unwrap();
        about(&[named(key, nid)], "٢٩٠٠١٠١٨٨٠٠٠١٧", &keys).unwrap();
    }
    let mut scheme = named(&newest, nid);
    scheme.scheme = part("passport");
    let wrong: [&[Subject]; 6] = [
        &[],
        &[named(&other, nid)],
        &[named(&newest, "26001018800017")],
        &[named(&newest, nid), named(&newest, "26001018800017")],
        &[named(&newest, nid), named(&before, nid)],
        &[scheme],
    ];
    for subjects in wrong {
        assert_eq!(
            about(subjects, nid, &keys),
            Err(Code::SubjectMismatch),
            "{subjects:?}"
        );
    }
    // What is no id at all, or not JSON, is nobody's pseudonym.
    for payload in ["123", "2900101880001\\", "\",\"nid\":\"29001018800017"] {
        let judged = about(&[named(&newest, nid)], payload, &keys);
        assert_eq!(judged, Err(Code::SubjectMismatch), "{payload}");
    }
}
