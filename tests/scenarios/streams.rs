//! Answers in chunks: whole or void, in memory that does not grow, past a consumer that does not read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::consumer::{Incoming, StreamError, Streamed};
use adapters::{Consumer, ExchangeError, Failure, LongReply, Provider, Reply, Request, provider};
use proto::Code;
use proto::entry::Kind;
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::Terms;
use tests::world::{PERSONS, World};
use tests::{soon, until};
use tokio::io::{AsyncRead, ReadBuf};

/// What every scenario here asks.
macro_rules! ask {
    ($consumer:expr) => {
        $consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name"])
            .payload_json(&json!({ "nid": "29001019900011" }))
    };
}

pub(crate) mod auditing;
pub(crate) mod lying;
mod processes;

const MIB: u64 = 1024 * 1024;
/// What may be under way between a provider's disk and its consumer: the credit of one stream, what HTTP/2 takes, and
/// the buffers between. Whatever the length of the stream.
const UNDER_WAY_MAX: u64 = 6 * MIB;

/// Gives files of any length, and counts what was read of them. Asked for one piece, it gives a record.
#[derive(Clone, Debug)]
struct Library {
    length: u64,
    /// The backend breaks after this many bytes.
    breaks_after: u64,
    read: Arc<AtomicU64>,
}

impl Library {
    fn of(length: u64) -> Self {
        Self {
            length,
            breaks_after: u64::MAX,
            read: Arc::default(),
        }
    }

    fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }
}

impl Provider for Library {
    async fn stream(&self, request: Request) -> Result<Option<LongReply>, Failure> {
        let shelf = Shelf {
            at: 0,
            library: self.clone(),
        };
        let fields = request.fields.iter().map(ToString::to_string);
        let reply = LongReply::new(fields, "application/octet-stream", shelf)?;
        Ok(Some(reply.of_length(self.length)))
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Reply::record(&request, &json!({ "name": "Mona", "alive": true }))
    }
}

/// A file of the library: byte `n` is `n` modulo 251.
struct Shelf {
    at: u64,
    library: Library,
}

impl AsyncRead for Shelf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.at >= self.library.breaks_after {
            return Poll::Ready(Err(std::io::Error::other("the disk is gone")));
        }
        let left = (self.library.length - self.at).min(buffer.remaining() as u64);
        let bytes: Vec<u8> = (self.at..self.at + left).map(|n| (n % 251) as u8).collect();
        buffer.put_slice(&bytes);
        self.at += left;
        self.library.read.fetch_add(left, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

async fn consumer(world: &World, agency: &TestAgency) -> Consumer {
    agency.adapter(world.switch.ground()).await.consumer()
}

/// The library as the civil registry's backend, and a consumer beside it.
async fn served(world: &World, library: &Library) -> (provider::Handle, Consumer) {
    let ground = world.switch.ground();
    let handle = world.civil.serve(ground, library.clone()).await;
    (handle, consumer(world, &world.moss).await)
}

async fn begin(consumer: &Consumer) -> Incoming {
    match soon("the opening", ask!(consumer).stream()).await.unwrap() {
        Streamed::Chunks(incoming) => *incoming,
        Streamed::Whole(answer) => panic!("in one piece: {answer:?}"),
    }
}

/// Reads to the end, whichever it is; gives the bytes that came.
async fn rest(incoming: &mut Incoming) -> Result<u64, StreamError> {
    while soon("the next chunk", incoming.chunk()).await?.is_some() {}
    Ok(incoming.received())
}

/// The error of a stream that is void, and its bytes.
fn void(error: StreamError) -> (ExchangeError, u64) {
    match error {
        StreamError::Void {
            reason, received, ..
        } => (*reason, received),
        other => panic!("expected a void stream, got {other}"),
    }
}

fn refused(error: ExchangeError) -> Code {
    match error {
        ExchangeError::Refused(refused) if refused.proven => refused.code,
        other => panic!("expected a refusal that is proved, got {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_comes_whole_and_never_more_of_it_than_a_window_is_under_way() {
    let world = World::new().await;
    let library = Library::of(64 * MIB + 17);
    let (handle, consumer) = served(&world, &library).await;
    let mut incoming = begin(&consumer).await;
    let (exchange, mut largest, mut at) = (incoming.opened().exchange_id, 0, 0_u64);
    assert_eq!(incoming.announced(), Some(64 * MIB + 17));
    while let Some(chunk) = soon("a chunk", incoming.chunk()).await.unwrap() {
        assert!(incoming.complete().is_none());
        let right = (at..).zip(&chunk).all(|(n, byte)| *byte == (n % 251) as u8);
        assert!(right, "other bytes from {at}");
        at += chunk.len() as u64;
        largest = largest.max(library.read() - at);
    }
    let complete = incoming.complete().unwrap().clone();
    assert_eq!(
        (at, complete.total.length, complete.total.count),
        (64 * MIB + 17, 64 * MIB + 17, 1025)
    );
    assert!(largest < UNDER_WAY_MAX, "{largest} bytes were under way");
    // Its provider has the proof of the end, too: opening and trailer.
    until("both receipts", || handle.status().recorded == 1).await;
    assert_eq!(handle.status().unproven, 0);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        told.story(exchange),
        [
            (Kind::Request, ""),
            (Kind::Opening, ""),
            (Kind::Trailer, "answered")
        ]
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_read_late_is_believed_although_the_log_has_grown_meanwhile() {
    let world = World::new().await;
    let (handle, consumer) = served(&world, &Library::of(17)).await;
    let size = world.switch.size();
    let mut incoming = begin(&consumer).await;
    // Request, opening, trailer: its end is recorded, and nobody has read it.
    until("the trailer", || world.switch.size() == size + 3).await;
    soon("an answer", ask!(consumer).send()).await.unwrap();
    assert_eq!(rest(&mut incoming).await.unwrap(), 17);
    soon("another answer", ask!(consumer).send()).await.unwrap();
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_stands_there_whole_or_not_at_all_and_a_short_answer_needs_no_chunks() {
    let world = World::new().await;
    let library = Library::of(3 * MIB);
    let (handle, consumer) = served(&world, &library).await;
    let dir = tempfile::tempdir().unwrap();
    let (whole, half) = (dir.path().join("whole"), dir.path().join("half"));
    let mut told = Vec::new();
    let progress = |done, all| told.push((done, all));
    let saved = ask!(consumer).to_file(&whole, progress).await.unwrap();
    assert_eq!(told.first(), Some(&(0, Some(3 * MIB))));
    assert_eq!(told.last(), Some(&(3 * MIB, Some(3 * MIB))));
    assert_eq!(saved.total().unwrap().length, 3 * MIB);
    assert_eq!(std::fs::metadata(&whole).unwrap().len(), 3 * MIB);
    // Nothing is asked for a place that is taken.
    let size = world.switch.size();
    let taken = ask!(consumer).to_file(&whole, |_, _| {}).await.unwrap_err();
    assert!(matches!(taken, StreamError::File { .. }), "{taken}");
    assert_eq!(world.switch.size(), size);
    handle.drain().await.unwrap();

    // A backend that breaks in the middle: the provider says so, and nothing is left.
    let broken = Library {
        breaks_after: MIB,
        ..Library::of(3 * MIB)
    };
    let handle = world.civil.serve(world.switch.ground(), broken).await;
    let error = ask!(consumer).to_file(&half, |_, _| {}).await.unwrap_err();
    let (reason, received) = void(error);
    assert_eq!(refused(reason), Code::ProviderFailed);
    assert!(received < MIB + 1, "{received}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    // One piece, for who asks so.
    let answer = ask!(consumer).send().await.unwrap();
    assert_eq!(&answer.payload[..], br#"{"name":"Mona"}"#);
    handle.drain().await.unwrap();
    let told = world.finish().await;
    assert_eq!(
        (told.count(Kind::Opening), told.count(Kind::Trailer)),
        (2, 1)
    );
    let closings = told.of(Kind::Closing);
    assert_eq!(closings[0].2.clause, "stream: broken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_does_not_read_holds_up_nobody_else() {
    let world = World::new().await;
    let other = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/centre").await;
    let terms = Terms::for_agency(&other);
    world.civil.agree(&world.switch, &other, &terms).await;
    let library = Library::of(16 * MIB);
    let (handle, slow) = served(&world, &library).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&slow).await);
    }
    let before = library.read();
    let fast = consumer(&world, &other).await;
    // Its own and others' answers, short and long, go past them on the same link.
    for consumer in [&fast, &slow] {
        for _ in 0..20 {
            soon("an answer", ask!(consumer).send()).await.unwrap();
        }
    }
    let mut incoming = begin(&fast).await;
    assert_eq!(rest(&mut incoming).await.unwrap(), 16 * MIB);
    let stood_still = library.read() - before - 16 * MIB;
    assert!(
        stood_still < 4 * UNDER_WAY_MAX,
        "{stood_still} bytes of streams that nobody read"
    );
    // And those who stood still go on.
    let mut one = stalled.pop().unwrap();
    assert_eq!(rest(&mut one).await.unwrap(), 16 * MIB);
    let hung_up: Vec<_> = stalled
        .iter()
        .map(|incoming| incoming.opened().exchange_id)
        .collect();
    let size = world.switch.size();
    drop(stalled);
    until("their endings", || world.switch.size() == size + 3).await;
    handle.drain().await.unwrap();
    let told = world.finish().await;
    for exchange in hung_up {
        assert_eq!(
            told.story(exchange)[1..],
            [(Kind::Opening, ""), (Kind::Closing, "cancelled")]
        );
    }
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_is_that_of_the_opening() {
    let world = World::new().await;
    let (handle, consumer) = served(&world, &Library::of(16 * MIB)).await;
    let deadline = Duration::from_millis(900);
    let begun = ask!(consumer).deadline(deadline).stream().await.unwrap();
    let Streamed::Chunks(mut incoming) = begun else {
        panic!("in one piece");
    };
    // Longer than the deadline, and than what the library waits beyond it.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(rest(&mut incoming).await.unwrap(), 16 * MIB);
    handle.drain().await.unwrap();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_dies_in_the_middle_leaves_a_void_stream() {
    let world = World::new().await;
    let (handle, consumer) = served(&world, &Library::of(64 * MIB)).await;
    let mut incoming = begin(&consumer).await;
    soon("a chunk", incoming.chunk()).await.unwrap().unwrap();
    drop(handle);
    let (reason, _) = void(rest(&mut incoming).await.unwrap_err());
    assert_eq!(refused(reason), Code::ProviderFailed);
    let exchange = incoming.opened().exchange_id;
    let told = world.finish().await;
    assert_eq!(
        told.story(exchange)[1..],
        [(Kind::Opening, ""), (Kind::Closing, "provider_failed")]
    );
    assert_eq!(told.of(Kind::Closing)[0].2.clause, "link_lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_agreement_and_an_ended_key_cut_a_running_stream() {
    let world = World::new().await;
    let (handle, consumer) = served(&world, &Library::of(64 * MIB)).await;
    let mut incoming = begin(&consumer).await;
    soon("a chunk", incoming.chunk()).await.unwrap().unwrap();
    world.civil.revoke(&world.switch, world.agreement).await;
    let (reason, received) = void(rest(&mut incoming).await.unwrap_err());
    assert_eq!(refused(reason), Code::AgreementRevoked);
    assert!(received < 64 * MIB);
    let terms = Terms::for_agency(&world.moss);
    world.civil.agree(&world.switch, &world.moss, &terms).await;
    let mut second = begin(&consumer).await;
    world.civil.end_key(&world.switch).await;
    let (reason, _) = void(rest(&mut second).await.unwrap_err());
    assert_eq!(refused(reason), Code::KeyEnded);
    drop(handle);
    let told = world.finish().await;
    let clauses: Vec<_> = told.of(Kind::Closing);
    let clauses: Vec<_> = clauses
        .iter()
        .map(|(.., facts)| &facts.clause[..])
        .collect();
    assert_eq!(clauses, ["cut: agreement_revoked", "cut: key_ended"]);
    assert_eq!(told.coded("cancelled"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_open_when_power_was_cut_is_abandoned_at_the_start() {
    let world = World::with_limits("drain_ms = 50").await;
    let (handle, consumer) = served(&world, &Library::of(64 * MIB)).await;
    let mut incoming = begin(&consumer).await;
    soon("a chunk", incoming.chunk()).await.unwrap().unwrap();
    let exchange = incoming.opened().exchange_id;
    let world = world.after_a_power_cut().await;
    void(rest(&mut incoming).await.unwrap_err());
    drop((handle, consumer));
    let told = world.finish().await;
    assert_eq!(
        told.story(exchange),
        [
            (Kind::Request, ""),
            (Kind::Opening, ""),
            (Kind::Closing, "abandoned")
        ]
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_has_sixteen_streams_and_the_next_is_told_to_wait() {
    let world = World::new().await;
    let (handle, consumer) = served(&world, &Library::of(16 * MIB)).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(begin(&consumer).await);
    }
    let error = ask!(consumer).stream().await.unwrap_err();
    assert!(
        matches!(&error, ExchangeError::Refused(refused) if refused.code == Code::RateLimited),
        "{error}"
    );
    // All of them stand still, and a short answer comes past them over the same connection.
    soon("an answer", ask!(consumer).send()).await.unwrap();
    let size = world.switch.size();
    drop(held);
    until("their endings", || world.switch.size() == size + 16).await;
    begin(&consumer).await;
    handle.drain().await.unwrap();
    world.finish().await;
}
