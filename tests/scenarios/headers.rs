//! Headers and envelopes that were changed, or are not what they must be.

use adapters::Provider as _;
use bytes::Bytes;
use proto::Code;
use proto::commitment::{Commitment, Form};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::AnswerStatus;
use proto::id::Part;
use proto::limits::{HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, label};
use proto::seal::Seal;
use tests::ground::ORIGIN;
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, RawConsumer, SALT};
use tests::world::World;

/// `count` requests under one seal.
pub(crate) fn sealed_together(consumer: &RawConsumer, count: usize) -> Vec<Envelope> {
    let headers: Vec<_> = (0..count).map(|_| consumer.header().encode()).collect();
    let slices: Vec<&[u8]> = headers.iter().map(|header| &header[..]).collect();
    let seals = Seal::batch(label::REQUEST, ORIGIN, &slices, &*consumer.signer).unwrap();
    let envelope = |(header, seal)| Envelope::new(header, seal, SALT, Bytes::from_static(PAYLOAD));
    headers
        .clone()
        .into_iter()
        .zip(seals)
        .map(envelope)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_header_place_or_path_breaks_the_seal() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let good = sealed_together(&consumer, 5);
    type Change = (&'static str, fn(&mut Envelope, &[Envelope]));
    let changes: &[Change] = &[
        ("another purpose", |envelope, _| {
            let mut header = proto::header::RequestHeader::open(&envelope.header).unwrap();
            header.purpose = Part::parse("curiosity").unwrap();
            envelope.header = header.encode();
        }),
        ("another header of the same seal", |envelope, good| {
            envelope.header = good[3].header.clone()
        }),
        ("another place", |envelope, _| envelope.seal.leaf_index = 2),
        ("a place outside", |envelope, _| {
            envelope.seal.leaf_index = 5
        }),
        ("a larger tree", |envelope, _| envelope.seal.tree_size = 6),
        ("no tree", |envelope, _| envelope.seal.tree_size = 0),
        ("a tree over the limit", |envelope, _| {
            envelope.seal.tree_size = 65
        }),
        ("a changed path", |envelope, _| {
            envelope.seal.path[0].0[31] ^= 1
        }),
        ("a shorter path", |envelope, _| {
            envelope.seal.path.pop();
        }),
        ("a longer path", |envelope, _| {
            envelope.seal.path.push(proto::Digest::of(b"x"))
        }),
        ("no path", |envelope, _| envelope.seal.path.clear()),
        ("a changed signature", |envelope, _| {
            let mut cose = envelope.seal.cose.to_vec();
            *cose.last_mut().unwrap() ^= 1;
            envelope.seal.cose = cose.into();
        }),
        ("a tagged COSE_Sign1", |envelope, _| {
            envelope.seal.cose = [&[0xd2], &envelope.seal.cose[..]].concat().into();
        }),
        ("no seal", |envelope, _| envelope.seal.cose = Bytes::new()),
    ];
    for (what, change) in changes {
        let mut envelope = good[1].clone();
        change(&mut envelope, &good);
        let refusal = consumer.refused(&envelope).await;
        assert_eq!(refusal.code, Some(Code::BadSeal), "{what}");
        assert_eq!(
            refusal
                .prove(&envelope, &world.switch.ground().log_key())
                .entry
                .kind,
            Kind::Refusal
        );
    }
    // The same bytes unchanged pass the seal: what comes next is that nobody is attached.
    assert_eq!(
        consumer.refused(&good[1]).await.code,
        Some(Code::ProviderOffline)
    );
    let told = world.finish().await;
    assert_eq!(told.coded("bad_seal"), changes.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_payload_or_salt_never_reaches_the_backend() {
    let world = World::new().await;
    let backend = Backend::new(Does::Answers);
    assert_eq!(backend.operation_of("", b""), None);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;
    let consumer = world.raw_consumer().await;
    let mut changed_payload = consumer.envelope(|_| {});
    // Of the same length: the switch does not read payloads, the provider's adapter does.
    changed_payload.payload = PAYLOAD.iter().map(|byte| byte ^ 1).collect();
    let mut changed_salt = consumer.envelope(|_| {});
    changed_salt.salt = Bytes::from_static(&[8; 32]);
    for envelope in [changed_payload, changed_salt] {
        let answered = consumer.ask(&envelope).await.unwrap();
        assert_eq!(
            answered.header.status,
            AnswerStatus::Refused(Code::PayloadMismatch)
        );
        assert!(answered.payload.is_empty());
    }
    assert_eq!(backend.seen(), 0);
    // Of another length, or with half a salt: the switch says so itself.
    let mut shorter = consumer.envelope(|_| {});
    shorter.payload = Bytes::from_static(b"{}");
    assert_eq!(
        consumer.refused(&shorter).await.code,
        Some(Code::PayloadMismatch)
    );
    let mut half_salt = consumer.envelope(|_| {});
    half_salt.salt = Bytes::from_static(&[7; 16]);
    assert_eq!(
        consumer.refused(&half_salt).await.code,
        Some(Code::Malformed)
    );
    assert_eq!(backend.seen(), 0);
    drop(handle);
    let told = world.finish().await;
    assert_eq!(
        (
            told.coded("provider_failed"),
            told.coded("payload_mismatch"),
            told.coded("malformed")
        ),
        (2, 1, 1)
    );
}

/// Every way to write the same header differently, sealed by the right key.
fn other_forms(header: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let with = |head: &[u8], tail: &[u8]| [head, header, tail].concat();
    // Field 1 (version) is `08 01`; field 5 (sequence) is a varint further on.
    assert_eq!(header[..2], [0x08, 0x01]);
    vec![
        ("a field twice", with(&[0x08, 0x01], &[])),
        ("an unknown field", with(&[], &[0xf8, 0x07, 0x01])),
        (
            "a wide varint",
            [&[0x08, 0x81, 0x00], &header[2..]].concat(),
        ),
        (
            "fields in another order",
            [&header[2..], &header[..2]].concat(),
        ),
        ("a default written out", with(&[], &[0x1a, 0x00])),
        (
            "a field of another wire type",
            [&[0x0d, 0x01, 0x00, 0x00, 0x00], &header[2..]].concat(),
        ),
        ("a group", with(&[], &[0xfb, 0x07, 0xfc, 0x07])),
        ("bytes behind it", with(&[], &[0x00])),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_in_another_form_is_malformed() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let forms = other_forms(&consumer.header().encode());
    for (what, bytes) in &forms {
        let envelope = consumer.sealed(Bytes::copy_from_slice(bytes));
        let refusal = consumer.refused(&envelope).await;
        assert_eq!(refusal.code, Some(Code::Malformed), "{what}");
        let proven = refusal.prove(&envelope, &world.switch.ground().log_key());
        let facts = proto::facts::exchange(&proven.entry.facts).unwrap();
        assert_eq!(
            facts.refused_sha256[..],
            proto::Digest::of(bytes).0,
            "{what}: the log keeps a digest"
        );
        assert!(
            proven.entry.header.is_empty(),
            "{what}: and never the bytes"
        );
    }
    let told = world.finish().await;
    assert_eq!(told.coded("malformed"), forms.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_contradicts_itself_is_malformed() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let field = |name: &str| Part::parse(name).unwrap();
    let contradictions = [
        consumer.envelope(|header| header.fields = vec![field("name"), field("alive")]),
        consumer.envelope(|header| header.fields = vec![field("name"), field("name")]),
        consumer.envelope(|header| {
            header.fields = (100..165).map(|n| field(&format!("f{n}"))).collect()
        }),
        consumer.envelope(|header| header.deadline_ms = 0),
        consumer.envelope(|header| header.deadline_ms = 120_001),
        consumer.envelope(|header| header.sequence = 0),
        consumer.envelope(|header| {
            header.payload = Commitment {
                form: Form::Whole,
                content_type: String::new(),
                ..header.payload.clone()
            }
        }),
        consumer.envelope(|header| header.delegation = vec![proto::Digest::of(b"act"); 5]),
    ];
    for (at, envelope) in contradictions.iter().enumerate() {
        assert_eq!(
            consumer.refused(envelope).await.code,
            Some(Code::Malformed),
            "{at}"
        );
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_is_told_apart_from_garbage() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let header = consumer.header().encode();
    let version = |bytes: &[u8]| consumer.sealed([bytes, &header[2..]].concat().into());
    for (bytes, code) in [
        (&[0x08, 0x02][..], Code::UnknownVersion),
        (
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
            Code::UnknownVersion,
        ),
        (&[][..], Code::Malformed),
    ] {
        assert_eq!(
            consumer.refused(&version(bytes)).await.code,
            Some(code),
            "{bytes:?}"
        );
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_a_limit_is_refused() {
    let world = World::new().await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.raw_consumer().await;
    let of_length = |bytes: usize| {
        let payload = Bytes::from(vec![b'x'; bytes]);
        let mut envelope = consumer
            .envelope(|header| header.payload = Commitment::new("text/plain", &payload, &SALT));
        envelope.payload = payload;
        envelope
    };
    consumer.ask(&of_length(PAYLOAD_BYTES_MAX)).await.unwrap();
    let over = consumer.refused(&of_length(PAYLOAD_BYTES_MAX + 1)).await;
    assert_eq!(over.code, Some(Code::TooLarge));
    // Over the limit of a whole message: gRPC itself stops it, before anything is read.
    let huge = consumer.refused(&of_length(4 * PAYLOAD_BYTES_MAX)).await;
    assert_eq!((huge.code, huge.grpc), (None, tonic::Code::OutOfRange));
    let long = Bytes::from(vec![0x08; HEADER_BYTES_MAX + 1]);
    assert_eq!(
        consumer.refused(&consumer.sealed(long)).await.code,
        Some(Code::TooLarge)
    );
    consumer.ask_well().await.unwrap();
    drop(handle);
    let told = world.finish().await;
    assert_eq!((told.coded("too_large"), told.coded("answered")), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncated_and_random_headers_are_refused_each_time() {
    let world = World::with_limits("refusals_per_minute = 1000").await;
    let consumer = world.raw_consumer().await;
    let header = consumer.header().encode();
    let mut random: u64 = 0x2545_f491_4f6c_dd1d;
    let mut sent = 0;
    for cut in (0..header.len()).step_by(7) {
        let mut garbage = header[..cut].to_vec();
        if cut % 2 == 0 {
            for byte in &mut garbage {
                // xorshift64: the same bytes each run.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                *byte = random.to_le_bytes()[0];
            }
        }
        let refusal = consumer.refused(&consumer.sealed(garbage.into())).await;
        let code = refusal.code.unwrap();
        assert!(
            matches!(code, Code::Malformed | Code::UnknownVersion),
            "{cut}: {code}"
        );
        sent += 1;
    }
    let nothing = consumer
        .call_wire(proto::wire::exchange::v1::CallRequest { envelope: None })
        .await
        .unwrap_err();
    assert_eq!(
        tests::raw::Refusal::read(&nothing).code,
        Some(Code::Malformed)
    );
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Refusal), sent + 1);
}
