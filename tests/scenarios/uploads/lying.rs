//! Consumers and providers that lie about chunks of a request, by hand: what the switch sees, what only the provider can see.

use std::sync::Arc;

use bytes::Bytes;
use proto::Code;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, TrailerHeader};
use proto::key::Signer;
use proto::limits::label;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as FromProvider;
use proto::wire::exchange::v1::attach_response::Message as ToProvider;
use proto::wire::exchange::v1::upload_request::Message as Out;
use proto::wire::exchange::v1::upload_response::Message as In;
use tests::ground::ORIGIN;
use tests::link::RawProvider;
use tests::raw::Refusal;
use tests::until;
use tests::world::World;
use tokio::sync::mpsc;

use super::hand::{Liar, opening};
use super::{Archive, served};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trailer_that_lies_is_seen_by_the_switch_or_by_the_provider() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, _consumer) = served(&world, &archive).await;
    let (ours, theirs) = (world.moss.seal_signer(), world.civil.seal_signer());
    type Lie = fn(&mut TrailerHeader);
    let (upload, answer) = (label::UPLOAD_TRAILER, label::TRAILER);
    type By<'a> = (&'a str, &'a Arc<dyn Signer>);
    let lies: [(&str, Code, Lie, By<'_>); 7] = [
        (
            "count",
            Code::PayloadMismatch,
            |t| t.count = 1,
            (upload, &ours),
        ),
        (
            "length",
            Code::PayloadMismatch,
            |t| t.length = 5,
            (upload, &ours),
        ),
        (
            "payload_mismatch",
            Code::PayloadMismatch,
            |t| t.begun_by = Digest::of(b"another request"),
            (upload, &ours),
        ),
        (
            "malformed",
            Code::Malformed,
            |t| (t.count, t.length) = (9, 3),
            (upload, &ours),
        ),
        ("wrong_signer", Code::WrongSigner, |_| {}, (upload, &theirs)),
        ("bad_seal", Code::BadSeal, |_| {}, (answer, &ours)),
        (
            "root",
            Code::PayloadMismatch,
            |t| t.root = Digest::of(b"other"),
            (upload, &ours),
        ),
    ];
    for (what, code, lie, by) in lies {
        let liar = Liar::credited(&world).await;
        liar.chunk(b"\x00\x01\x02\x03").await;
        liar.chunk(b"\x04\x05").await;
        liar.trailer(b"\x00\x01\x02\x03\x04\x05", by, lie).await;
        if what == "root" {
            // The switch hashes nothing: the provider sees it, and its backend keeps nothing.
            assert_eq!(liar.answered().await, AnswerStatus::Refused(code));
        } else {
            let refusal = liar.refused().await;
            assert_eq!(refusal.code, Some(code), "{what}");
            assert_eq!(refusal.word("clause"), format!("upload: trailer {what}"));
            assert_eq!(refusal.word("outcome"), "cancelled");
        }
    }
    until("all are dropped", || archive.dropped() == 7).await;
    assert_eq!(archive.kept(), []);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.count(Kind::UploadTrailer), 1);
    assert_eq!(told.coded("cancelled"), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_another_is_refused_and_its_backend_keeps_nothing() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, _consumer) = served(&world, &archive).await;
    let ours = world.moss.seal_signer();
    let right = (label::UPLOAD_TRAILER, &ours);
    // As if somebody between the two had flipped one bit of it.
    let liar = Liar::credited(&world).await;
    liar.chunk(b"\x00\x01\x02\x03").await;
    liar.chunk(b"\x04\x05").await;
    liar.trailer(b"\x00\x01\x02\x03\x05\x05", right, |_| {})
        .await;
    let status = liar.answered().await;
    assert_eq!(status, AnswerStatus::Refused(Code::PayloadMismatch));
    // A full chunk after a shorter one, which the plan forbids: only the provider knows the plan.
    let liar = Liar::credited(&world).await;
    liar.chunk(b"\x00\x01").await;
    liar.chunk(b"\x02\x03\x04\x05").await;
    // The last one stays at the switch.
    liar.chunk(b"\x06").await;
    let status = liar.answered().await;
    assert_eq!(status, AnswerStatus::Refused(Code::PayloadMismatch));
    assert_eq!(archive.kept(), []);
    // And the truth, by the same hand.
    let liar = Liar::credited(&world).await;
    liar.chunk(b"\x00\x01\x02\x03").await;
    liar.trailer(b"\x00\x01\x02\x03", right, |_| {}).await;
    assert_eq!(liar.answered().await, AnswerStatus::Answered);
    assert_eq!(archive.kept().len(), 1);
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_out_of_turn_or_without_credit_ends_it() {
    let world = World::new().await;
    let archive = Archive::default();
    archive.reads_only(0);
    let (handle, _consumer) = served(&world, &archive).await;
    let consumer = world.raw_consumer().await;
    let broken: [(&str, &[Out]); 4] = [
        ("chunk", &[Out::Chunk(Bytes::new())]),
        ("chunk", &[Out::Opening(wire::Envelope::default())]),
        (
            "trailer malformed",
            &[Out::Trailer(wire::Envelope::default())],
        ),
        (
            "chunk",
            &std::array::from_fn::<Out, 9, _>(|_| Out::Chunk(Bytes::from_static(b"abcd"))),
        ),
    ];
    for (word, sends) in broken {
        let liar = Liar::credited(&world).await;
        for part in sends {
            liar.send(part.clone()).await;
        }
        let refusal = liar.refused().await;
        assert_eq!(refusal.code, Some(Code::Malformed), "{word}");
        assert_eq!(refusal.word("clause"), format!("upload: {word}"));
    }
    // Nothing at all after the opening.
    let mut liar = Liar::credited(&world).await;
    let (closed, _) = mpsc::channel(1);
    liar.out = closed;
    let refusal = liar.refused().await;
    assert_eq!(refusal.word("clause"), "upload: broken");
    // An opening where none belongs, and none where one does.
    let upload = opening(&consumer);
    assert_eq!(consumer.refused(&upload).await.code, Some(Code::Malformed));
    let whole = consumer.envelope(|_| {});
    let Err(status) = Liar::begin(&consumer, whole).await else {
        panic!("a request in one piece began an upload");
    };
    assert_eq!(Refusal::read(&status).code, Some(Code::Malformed));
    let as_request = {
        let header = opening(&consumer);
        let sealed = consumer.sealed_as(label::REQUEST, ORIGIN, header.header.clone());
        Envelope {
            payload: header.payload,
            ..sealed
        }
    };
    let Err(status) = Liar::begin(&consumer, as_request).await else {
        panic!("sealed for another use");
    };
    assert_eq!(Refusal::read(&status).code, Some(Code::BadSeal));
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("cancelled"), 5);
}

/// A provider by hand that has been brought an upload, and gave no credit yet.
async fn brought(world: &World) -> (Liar, RawProvider, tests::link::Delivered) {
    let mut provider = world.raw_provider(1).await;
    let consumer = world.raw_consumer().await;
    let liar = Liar::begin(&consumer, opening(&consumer)).await.unwrap();
    let delivered = provider.delivery().await;
    (liar, provider, delivered)
}

fn credit(delivered: &tests::link::Delivered, more: u32) -> FromProvider {
    let exchange_id = Bytes::copy_from_slice(delivered.header.exchange_id.as_bytes());
    FromProvider::UploadCredit(wire::ChunkCredit { exchange_id, more })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_answers_early_or_credits_without_end_is_told_apart() {
    let world = World::new().await;
    // A result before the trailer.
    let (liar, provider, delivered) = brought(&world).await;
    provider.answer_well(&delivered).await;
    let refusal = liar.refused().await;
    assert_eq!(refusal.code, Some(Code::AnswerInvalid));
    assert_eq!(refusal.word("clause"), "answer_invalid: no_trailer");
    drop(provider);
    for more in [0, 9, u32::MAX] {
        let (liar, provider, delivered) = brought(&world).await;
        provider.send(credit(&delivered, more)).await;
        let refusal = liar.refused().await;
        assert_eq!(refusal.code, Some(Code::ProviderFailed), "{more}");
        assert_eq!(refusal.word("clause"), "stream: credit");
        drop(provider);
    }
    // Honest: the last chunk comes with the trailer's own entry, and no sooner.
    let (mut liar, mut provider, delivered) = brought(&world).await;
    provider.send(credit(&delivered, 8)).await;
    assert!(matches!(liar.next().await, Ok(Some(In::Opened(_)))));
    assert!(matches!(liar.next().await, Ok(Some(In::Credit(8)))));
    liar.chunk(b"abcd").await;
    liar.chunk(b"ef").await;
    let first = provider.next().await.unwrap().unwrap();
    assert!(matches!(first, ToProvider::DeliverChunk(chunk) if chunk.data == "abcd"));
    let size = world.switch.size();
    let ours = world.moss.seal_signer();
    liar.trailer(b"abcdef", (label::UPLOAD_TRAILER, &ours), |_| {})
        .await;
    let last = provider.next().await.unwrap().unwrap();
    assert!(matches!(last, ToProvider::DeliverChunk(chunk) if chunk.data == "ef"));
    assert_eq!(world.switch.size(), size + 1, "the trailer's entry");
    let end = provider.next().await.unwrap().unwrap();
    assert!(matches!(end, ToProvider::DeliverTrailer(_)));
    provider.answer_well(&delivered).await;
    assert_eq!(liar.answered().await, AnswerStatus::Answered);
    drop(provider);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_adapter_is_not_asked_and_the_refusal_says_what_to_do() {
    let world = World::new().await;
    let ground = world.switch.ground();
    let provider = RawProvider::connect(ground, &world.civil, world.switch.exchange()).await;
    let attach = wire::Attach {
        max_in_flight: 1,
        takes_uploads: false,
        takes_events: false,
    };
    let message = Some(FromProvider::Attach(attach));
    let mut provider = provider
        .open(wire::AttachRequest { message })
        .await
        .unwrap();
    assert!(matches!(
        provider.next().await,
        Ok(Some(ToProvider::Attached(_)))
    ));
    let consumer = world.raw_consumer().await;
    let Err(status) = Liar::begin(&consumer, opening(&consumer)).await else {
        panic!("an older adapter was asked");
    };
    let refusal = Refusal::read(&status);
    assert_eq!(refusal.code, Some(Code::OperationDisabled));
    assert_eq!(refusal.word("clause"), "upload");
    assert!(refusal.word("notice_en").contains("newer adapter"));
    assert!(refusal.word("notice_ar").contains("موائم أحدث"));
    drop(provider);
    let told = world.finish().await;
    assert_eq!(
        (told.count(Kind::Upload), told.count(Kind::Refusal)),
        (0, 1)
    );
}
