//! Providers that lie about their chunks, by hand: what the switch sees, what only the consumer can see.

use adapters::{ExchangeError, Untrusted};
use bytes::Bytes;
use proto::Code;
use proto::chunks::{ChunkPlan, Chunks};
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::TrailerHeader;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::CancelReason;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use serde_json::json;
use tests::ground::ORIGIN;
use tests::link::{Delivered, RawProvider};
use tests::raw::SALT;
use tests::soon;
use tests::world::{PERSONS, World};

use super::{begin, consumer, refused, rest, void};

/// A provider by hand, which has opened an answer of chunks of four bytes.
pub(crate) struct Liar {
    pub(crate) link: RawProvider,
    delivered: Delivered,
    answer: Envelope,
}

impl Liar {
    /// Opens the next request's answer, and waits for proof and credit.
    pub(crate) async fn open(mut link: RawProvider, announced: Option<u64>) -> Self {
        let delivered = link.delivery().await;
        let plan = Bytes::from(ChunkPlan::of(4).encode());
        let mut answer = link.answer(&delivered, |header| {
            header.payload = Commitment::to_chunks("text/plain", announced, &plan, &SALT);
        });
        answer.payload = plan;
        link.send_answer(&delivered, &answer).await;
        let (_, receipt) = link.recorded().await;
        assert_eq!(receipt.kind, Kind::Opening);
        match link.next().await {
            Ok(Some(In::ChunkCredit(credit))) => assert_eq!(credit.more, 8),
            other => panic!("expected credit, got {other:?}"),
        }
        Self {
            link,
            delivered,
            answer,
        }
    }

    pub(crate) fn id(&self) -> Bytes {
        Bytes::copy_from_slice(self.delivered.header.exchange_id.as_bytes())
    }

    pub(crate) async fn chunk(&self, data: &'static [u8]) {
        let data = Bytes::from_static(data);
        let exchange_id = self.id();
        let chunk = wire::Chunk { exchange_id, data };
        self.link.send(Out::Chunk(chunk)).await;
    }

    /// A right trailer over `payload`, but for what `change` does before it is sealed.
    pub(crate) async fn trailer(&self, payload: &[u8], change: impl FnOnce(&mut TrailerHeader)) {
        let mut chunks = Chunks::new(SALT, ChunkPlan::of(4));
        payload.chunks(4).for_each(|c| chunks.push(c).unwrap());
        let total = chunks.total();
        let mut header = TrailerHeader {
            exchange_id: self.delivered.header.exchange_id,
            begun_by: Digest::of(&self.answer.header),
            count: total.count,
            length: total.length,
            root: total.root,
            ended_at_ms: self.delivered.header.issued_at_ms,
            seen: None,
        };
        change(&mut header);
        let header = header.encode();
        let seal = Seal::one(label::TRAILER, ORIGIN, &header, &*self.link.signer).unwrap();
        let trailer = wire::Trailer {
            exchange_id: self.id(),
            trailer: Some(Envelope::bare(header, seal).to_wire()),
        };
        self.link.send(Out::Trailer(trailer)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trailer_that_lies_is_seen_by_the_switch_or_by_the_consumer() {
    let world = World::new().await;
    let consumer = consumer(&world, &world.moss).await;
    type Lie = fn(&mut TrailerHeader);
    let lies: [(&str, Lie); 5] = [
        ("count", |header| header.count = 1),
        ("length", |header| header.length = 5),
        ("other_exchange", |header| {
            header.begun_by = Digest::of(b"another answer");
        }),
        ("malformed", |header| (header.count, header.length) = (9, 3)),
        ("root", |header| header.root = Digest::of(b"other chunks")),
    ];
    for (what, lie) in lies {
        let provider = world.raw_provider(1).await;
        let (opening, asking) = tokio::join!(Liar::open(provider, None), begin(&consumer));
        let (mut liar, mut incoming) = (opening, asking);
        liar.chunk(b"abcd").await;
        liar.chunk(b"ef").await;
        assert_eq!(incoming.chunk().await.unwrap().unwrap(), "abcd");
        liar.trailer(b"abcdef", lie).await;
        let (reason, received) = void(rest(&mut incoming).await.unwrap_err());
        if what == "root" {
            // The switch hashes nothing: it is the consumer who sees it, and says so on record.
            let disputed = matches!(
                reason,
                ExchangeError::Untrusted {
                    reason: Untrusted::Chunks(_),
                    disputed: true,
                    ..
                }
            );
            assert!(disputed, "{reason}");
            assert_eq!(received, 6);
        } else {
            assert_eq!(refused(reason), Code::AnswerInvalid, "{what}");
            assert_eq!(
                received, 4,
                "{what}: the last chunk left before the trailer"
            );
            let cancelled = liar.link.cancelled().await;
            assert_eq!(cancelled.reason(), CancelReason::Broken);
        }
    }
    let told = world.finish().await;
    let closings = told.of(Kind::Closing);
    let clauses: Vec<_> = closings
        .iter()
        .map(|(.., facts)| facts.clause.trim_start_matches("answer_invalid: trailer "))
        .collect();
    assert_eq!(clauses, ["count", "length", "other_exchange", "malformed"]);
    assert_eq!(
        (told.count(Kind::Trailer), told.count(Kind::Dispute)),
        (1, 1)
    );
    assert_eq!(told.report.open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_may_not_be_and_a_stream_without_a_trailer_are_void() {
    let world = World::new().await;
    let consumer = consumer(&world, &world.moss).await;
    for what in [
        "empty",
        "huge",
        "beyond the credit",
        "beyond the length",
        "no trailer",
    ] {
        let announced = (what == "beyond the length").then_some(6);
        let provider = world.raw_provider(1).await;
        let (liar, mut incoming) = tokio::join!(Liar::open(provider, announced), begin(&consumer));
        match what {
            "empty" => liar.chunk(b"").await,
            "huge" => liar.chunk(&[7; 256 * 1024 + 1]).await,
            "beyond the length" => {
                liar.chunk(b"abcd").await;
                liar.chunk(b"efgh").await;
            }
            // Nobody takes one: nine wait, and there is room for the trailer only.
            "beyond the credit" => {
                for _ in 0..64 {
                    liar.chunk(b"abcd").await;
                }
            }
            _ => {
                let exchange_id = liar.id();
                let trailer = None;
                let none = wire::Trailer {
                    exchange_id,
                    trailer,
                };
                liar.link.send(Out::Trailer(none)).await;
            }
        }
        let (reason, _) = void(rest(&mut incoming).await.unwrap_err());
        assert_eq!(refused(reason), Code::ProviderFailed, "{what}");
        // The link itself goes on.
        liar.link.send(Out::Credit(wire::Credit { more: 1 })).await;
        drop(liar);
    }
    // A payload of nothing is one, too.
    let provider = world.raw_provider(1).await;
    let (liar, mut incoming) = tokio::join!(Liar::open(provider, None), begin(&consumer));
    liar.trailer(b"", |_| {}).await;
    assert_eq!(rest(&mut incoming).await.unwrap(), 0);
    drop(liar);
    let told = world.finish().await;
    assert_eq!(
        (told.coded("provider_failed"), told.coded("answered")),
        (5, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_ask_for_chunks_gets_none() {
    let world = World::new().await;
    let mut provider = world.raw_provider(1).await;
    let consumer = consumer(&world, &world.moss).await;
    let asked = tokio::spawn(async move { ask!(consumer).send().await });
    let delivered = provider.delivery().await;
    let plan = Bytes::from(ChunkPlan::of(4).encode());
    let mut answer = provider.answer(&delivered, |header| {
        header.payload = Commitment::to_chunks("text/plain", None, &plan, &SALT);
    });
    answer.payload = plan;
    provider.send_answer(&delivered, &answer).await;
    let error = soon("the end", asked).await.unwrap().unwrap_err();
    assert_eq!(refused(error), Code::AnswerInvalid);
    let told = world.finish().await;
    assert_eq!(told.of(Kind::Closing)[0].2.clause, "answer_invalid: form");
}
