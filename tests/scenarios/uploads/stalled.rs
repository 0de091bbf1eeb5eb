//! An upload that stands still: whichever side it is, it ends within `limits.stream_idle_ms`, is told whose doing it was, and
//! holds up nobody else.

use std::time::{Duration, Instant};

use proto::wire::exchange::v1::UploadRequest;
use proto::wire::exchange::v1::upload_request::Message as Out;
use proto::wire::exchange::v1::upload_response::Message as In;
use tests::check::Told;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::hand::{Liar, opening_of};
use super::*;

/// What the switch is told here; a minute otherwise.
const IDLE_MS: u64 = 400;
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(8);

fn chunk_of(bytes: &[u8]) -> Out {
    Out::Chunk(bytes::Bytes::copy_from_slice(bytes))
}

async fn world() -> World {
    World::with_limits(&format!("stream_idle_ms = {IDLE_MS}")).await
}

/// Took as long as it may, and not much longer.
fn in_time(began: Instant) {
    let (took, idle) = (began.elapsed(), Duration::from_millis(IDLE_MS));
    assert!(took >= idle && took < idle + SLACK, "{took:?}");
}

/// The one ending, and why.
fn ended(told: &Told) -> (String, String) {
    let closings = told.of(Kind::Closing);
    let [(_, _, facts)] = &closings[..] else {
        panic!("{closings:?}");
    };
    assert_eq!((told.count(Kind::UploadTrailer), told.report.open), (0, 0));
    (facts.code.clone(), facts.clause.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_sends_no_more_although_it_may_is_told_so() {
    let world = world().await;
    let archive = Archive::default();
    let (handle, _consumer) = served(&world, &archive).await;
    let liar = Liar::credited(&world).await;
    liar.chunk(b"\x00\x01\x02\x03").await;
    let began = Instant::now();
    let refusal = liar.refused().await;
    in_time(began);
    assert_eq!(refusal.code, Some(Code::Deadline));
    assert_eq!(refusal.word("clause"), "upload: stalled");
    until("it is dropped", || archive.dropped() == 1).await;
    assert_eq!(archive.kept(), []);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        ended(&told),
        ("cancelled".to_owned(), "upload: stalled".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_sends_a_little_each_time_goes_on_for_longer() {
    let world = world().await;
    let archive = Archive::default();
    let (handle, _consumer) = served(&world, &archive).await;
    let liar = Liar::credited(&world).await;
    let began = Instant::now();
    let payload = b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
    for chunk in payload.chunks_exact(4) {
        liar.send(chunk_of(chunk)).await;
        // What is tested is that time passes between them.
        tokio::time::sleep(Duration::from_millis(IDLE_MS / 2)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(IDLE_MS));
    let ours = world.moss.seal_signer();
    let by = (proto::limits::label::UPLOAD_TRAILER, &ours);
    liar.trailer(payload, by, |_| {}).await;
    assert_eq!(liar.answered().await, AnswerStatus::Answered);
    assert_eq!(archive.kept().len(), 1);
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_takes_no_more_has_failed_and_others_are_served_meanwhile() {
    let world = world().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    archive.reads_only(0);
    let began = Instant::now();
    let sending = consumer.clone();
    let sending = tokio::spawn(async move { send(&sending, File::of(16 * MIB).body()).await });
    until("its window is full", || {
        archive.read() == 0 && world.switch.size() > 0
    })
    .await;
    let question = json!({ "nid": "29001019900011" });
    soon("an answer", ask!(consumer).payload_json(&question).send())
        .await
        .unwrap();
    let error = sending.await.unwrap().unwrap_err();
    in_time(began);
    assert_eq!(refused(&error), Code::ProviderFailed);
    until("it is dropped", || archive.dropped() == 1).await;
    handle.drain().await.unwrap();
    let told = world.finish().await;
    let closings = told.of(Kind::Closing);
    let failed = closings.iter().find(|(.., facts)| facts.code != "answered");
    assert_eq!(failed.unwrap().2.clause, "stream: not_read");
    assert_eq!(told.count(Kind::UploadTrailer), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_gives_no_credit_within_the_deadline_was_too_late() {
    let world = world().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    // Until it says that it takes the request, the request's own deadline counts.
    let mut header = consumer.header();
    header.deadline_ms = 900;
    let deadline = Duration::from_millis(900);
    let asked_as = opening_of(&consumer, header);
    let began = Instant::now();
    let mut liar = Liar::begin(&consumer, asked_as).await.unwrap();
    assert!(matches!(liar.next().await, Ok(Some(In::Opened(_)))));
    let _delivered = provider.delivery().await;
    let refusal = liar.refused().await;
    assert!(
        began.elapsed() >= deadline,
        "{:?} {deadline:?}",
        began.elapsed()
    );
    assert_eq!(refusal.code, Some(Code::Deadline));
    drop(provider);
    let told = world.finish().await;
    assert_eq!(ended(&told).0, "deadline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_an_upload_and_says_nothing_is_not_waited_for() {
    let world = world().await;
    let consumer = world.raw_consumer().await;
    let size = world.switch.size();
    let began = Instant::now();
    let (out, coming) = mpsc::channel::<UploadRequest>(1);
    let refused = soon(
        "a refusal",
        consumer.client().upload(ReceiverStream::new(coming)),
    )
    .await;
    in_time(began);
    let refusal = tests::raw::Refusal::read(&refused.unwrap_err());
    assert_eq!(refusal.code, Some(Code::Malformed));
    drop(out);
    // Recorded as what it is, once.
    assert_eq!(world.switch.size(), size + 1);
    world.finish().await;
}
