//! Requests in chunks: whole or void, in memory that does not grow, past a provider that does not read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adapters::consumer::Broken;
use adapters::{Body, Consumer, ExchangeError, UploadError, Uploaded, provider};
use proto::Code;
use proto::entry::Kind;
use proto::header::AnswerStatus;
use proto::limits::CHUNK_BYTES_DEFAULT;
use serde_json::json;
use tests::agency::TestAgency;
use tests::provider::{Backend, Does};
use tests::world::{PERSONS, World};
use tests::{soon, until};
use tokio::task::JoinHandle;

use self::archive::{Archive, File};

/// What every scenario here asks.
macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
    };
}

mod archive;
mod auditing;
mod hand;
mod lying;
mod processes;
mod stalled;

const MIB: u64 = 1024 * 1024;
const BINARY: &str = "application/octet-stream";
/// What may be under way between a consumer's disk and its provider's backend, whatever the length.
const UNDER_WAY_MAX: u64 = 6 * MIB;

async fn consumer(world: &World, agency: &TestAgency) -> Consumer {
    agency.adapter(world.switch.ground()).await.consumer()
}

/// The archive as the civil registry's backend, and a consumer beside it.
async fn served(world: &World, archive: &Archive) -> (provider::Handle, Consumer) {
    let ground = world.switch.ground();
    let handle = world.civil.serve(ground, archive.clone()).await;
    (handle, consumer(world, &world.moss).await)
}

async fn send(consumer: &Consumer, body: Body) -> Result<Uploaded, UploadError> {
    let sending = ask!(consumer).upload(BINARY, body, |_, _| {});
    soon("the upload's end", sending).await
}

/// The code of an upload that the switch refused, or cut, with proof.
fn refused(error: &UploadError) -> Code {
    match error.exchange() {
        Some(ExchangeError::Refused(refused)) if refused.proven => refused.code,
        _ => panic!("expected a refusal that is proved, got {error}"),
    }
}

/// The status of an upload that the provider answered without a result.
fn answered(error: &UploadError) -> AnswerStatus {
    match error.exchange() {
        Some(ExchangeError::Provider { status, .. }) => *status,
        _ => panic!("expected a provider's word, got {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_goes_whole_and_never_more_of_it_than_a_window_is_under_way() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    let length = 64 * MIB + 17;
    let mut largest = 0;
    let sending = ask!(consumer).upload(BINARY, File::of(length).body(), |done, all| {
        assert_eq!(all, Some(length));
        largest = largest.max(done.saturating_sub(archive.read()));
    });
    let uploaded = soon("the answer", sending).await.unwrap();
    assert_eq!(
        (uploaded.total.length, uploaded.total.count),
        (length, 1025)
    );
    let name = json!({ "name": length.to_string() });
    assert_eq!(uploaded.answer.json::<serde_json::Value>().unwrap(), name);
    let exchange = uploaded.answer.exchange_id;
    assert_eq!(archive.kept(), [(exchange, length)]);
    assert!(largest < UNDER_WAY_MAX, "{largest} bytes were under way");
    until("its receipt", || handle.status().recorded == 1).await;
    assert_eq!(handle.status().unproven, 0);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        told.story(exchange),
        [
            (Kind::Upload, ""),
            (Kind::UploadTrailer, ""),
            (Kind::Closing, "answered")
        ]
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_and_a_file_of_unknown_length_go_too_and_a_hasty_answer_waits_for_the_end() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    for length in [0, 1, 65_536, 65_537, 1_000_000] {
        let body = Body::new(File::of(length));
        let uploaded = send(&consumer, body).await.unwrap();
        assert_eq!(uploaded.total.length, length);
        assert_eq!(archive.kept().last().unwrap().1, length);
    }
    archive.is_hasty.store(true, Ordering::SeqCst);
    let uploaded = send(&consumer, File::of(3 * MIB).body()).await.unwrap();
    assert!(uploaded.answer.closing_index > uploaded.trailer_index);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.count(Kind::UploadTrailer), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_off_at_its_consumer_is_void_and_nothing_of_it_is_kept() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    let broken = File {
        breaks_at: 2 * MIB,
        ..File::of(4 * MIB)
    };
    let short = Body::new(File::of(MIB)).of_length(2 * MIB);
    let long = Body::new(File::of(2 * MIB)).of_length(MIB);
    for (body, what) in [(broken.body(), "disk"), (short, "short"), (long, "long")] {
        let error = send(&consumer, body).await.unwrap_err();
        let UploadError::Void { reason, .. } = &error else {
            panic!("{what}: {error}");
        };
        let own = matches!(**reason, Broken::Body(_) | Broken::Chunks(_));
        let said = what == "long" && refused(&error) == Code::Malformed;
        assert!(own || said, "{what}: {error}");
    }
    until("they are dropped", || archive.dropped() == 3).await;
    assert_eq!(archive.kept(), []);
    // And it takes the next.
    send(&consumer, File::of(MIB).body()).await.unwrap();
    handle.drain().await.unwrap();
    let told = world.finish().await;
    let closings = told.of(Kind::Closing);
    let codes: Vec<&str> = closings.iter().map(|closing| &*closing.2.code).collect();
    assert_eq!(codes, ["cancelled", "cancelled", "cancelled", "answered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_does_not_read_holds_up_its_own_consumer_and_nobody_else() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    archive.reads_only(0);
    let mut under_way = Vec::new();
    let mut read = Vec::new();
    for _ in 0..4 {
        let file = File::of(16 * MIB);
        read.push(Arc::clone(&file.read));
        let consumer = consumer.clone();
        under_way.push(tokio::spawn(
            async move { send(&consumer, file.body()).await },
        ));
    }
    let total = || {
        read.iter()
            .map(|read| read.load(Ordering::SeqCst))
            .sum::<u64>()
    };
    // Each stands still once its window is full: what is read of it does not move any more.
    until("all stand still", || total() >= 4 * 8 * 65_536).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let stood = total();
    // Short questions and long answers go past them, over the same link.
    let question = json!({ "nid": "29001019900011" });
    for _ in 0..20 {
        let asking = ask!(consumer).payload_json(&question).send();
        soon("an answer", asking).await.unwrap();
    }
    assert_eq!(total(), stood);
    assert!(stood < 4 * UNDER_WAY_MAX, "{stood} bytes that nobody read");
    assert_eq!(archive.read(), 0);
    // And they go on.
    archive.reads_only(1 << 20);
    for sending in under_way {
        sending.await.unwrap().unwrap();
    }
    assert_eq!(archive.read(), 64 * MIB);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("answered"), 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_refuses_does_not_wait_for_the_rest() {
    let world = World::new().await;
    // No backend of the default takes requests in chunks.
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = consumer(&world, &world.moss).await;
    let file = File::of(1024 * MIB);
    let read = Arc::clone(&file.read);
    let error = send(&consumer, file.body()).await.unwrap_err();
    assert_eq!(answered(&error), AnswerStatus::InvalidRequest);
    assert!(read.load(Ordering::SeqCst) < UNDER_WAY_MAX);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    let kinds = (told.count(Kind::Upload), told.count(Kind::UploadTrailer));
    assert_eq!((kinds, told.report.open), ((1, 0), 0));
}

/// An upload of which the archive took something, and takes no more.
async fn begun(
    consumer: &Consumer,
    archive: &Archive,
) -> JoinHandle<Result<Uploaded, UploadError>> {
    archive.reads_only(20);
    let (consumer, before) = (consumer.clone(), archive.read());
    let sending = tokio::spawn(async move { send(&consumer, File::of(64 * MIB).body()).await });
    until("it runs", || archive.read() > before).await;
    sending
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_a_lost_link_a_revoked_agreement_and_an_ended_key_void_it() {
    let world = World::new().await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    let sending = begun(&consumer, &archive).await;
    let size = world.switch.size();
    sending.abort();
    until("its ending", || world.switch.size() == size + 1).await;
    until("it is dropped", || archive.dropped() == 1).await;

    let sending = begun(&consumer, &archive).await;
    world.civil.revoke(&world.switch, world.agreement).await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(refused(&error), Code::AgreementRevoked);
    until("it is dropped", || archive.dropped() == 2).await;

    let terms = tests::agreements::Terms::for_agency(&world.moss);
    world.civil.agree(&world.switch, &world.moss, &terms).await;
    let before = archive.read();
    let sending = begun(&consumer, &archive).await;
    // It reads no more, and chunks wait for it: they are dropped all the same, though nobody cancels what a lost link brought.
    let taken = 20 * CHUNK_BYTES_DEFAULT as u64;
    until("it stands still", || archive.read() == before + taken).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(handle);
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(refused(&error), Code::ProviderFailed);
    until("it is dropped", || archive.dropped() == 3).await;

    let ground = world.switch.ground();
    let handle = world.civil.serve(ground, archive.clone()).await;
    let sending = begun(&consumer, &archive).await;
    world.moss.end_key(&world.switch).await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(refused(&error), Code::KeyEnded);
    until("it is dropped", || archive.dropped() == 4).await;
    assert_eq!(archive.kept(), []);
    drop(handle);
    let told = world.finish().await;
    let clauses = told.of(Kind::Closing);
    let clauses: Vec<&str> = clauses.iter().map(|(.., facts)| &*facts.clause).collect();
    // A hang-up may be told by either half of the stream first.
    assert!(matches!(clauses[0], "" | "upload: broken"), "{clauses:?}");
    assert_eq!(
        clauses[1..],
        ["cut: agreement_revoked", "link_lost", "cut: key_ended"]
    );
    assert_eq!(told.count(Kind::UploadTrailer), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_open_when_power_was_cut_is_abandoned_at_the_start() {
    let world = World::with_limits("drain_ms = 50").await;
    let archive = Archive::default();
    let (handle, consumer) = served(&world, &archive).await;
    let sending = begun(&consumer, &archive).await;
    let world = world.after_a_power_cut().await;
    sending.await.unwrap().unwrap_err();
    until("it is dropped", || archive.dropped() == 1).await;
    drop((handle, consumer));
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Upload), 1);
    assert_eq!((told.coded("abandoned"), told.report.open), (1, 0));
}
