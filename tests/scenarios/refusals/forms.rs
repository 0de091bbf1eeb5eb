//! Every refusal of an answer in chunks, of many items and of a sealed payload: who says it, by which code, and how the log
//! keeps it.
//!
//! The rows are those of a table in `docs/protocol.md` §5, in its order. A row has one provocation, which this file builds by
//! hand; nothing here asks the adapters' own consumer, which would not send most of it.

use bytes::Bytes;
use proto::Code;
use proto::commitment::Form;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{AnswerHeader, AnswerStatus};
use proto::limits::CHUNK_BYTES_MAX;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use tests::link::{Delivered, RawProvider};
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, RawConsumer, Refusal, SALT};
use tests::soon;
use tests::world::World;
use tonic::Code as Grpc;

use super::{Row, Stands, row, told};
use crate::streams::lying::Liar;

mod bench;

use bench::{Bench, chunks, results, sealed_answer, whole};

/// What is done wrong; its words are those of the table.
struct Wrong {
    what: &'static str,
    row: Row,
    provoke: Provoke,
}

/// Who is at the other end while it is provoked.
#[derive(Clone, Copy)]
enum Provoke {
    /// Nobody: the switch says no before it routes. `fn` gives the request.
    Request(fn(&Bench) -> Envelope),
    /// The real adapter of the provider, whose backend must see nothing.
    Adapter(fn(&Bench) -> Envelope),
    /// A provider by hand, which answers such a request so.
    Answer(
        fn(&Bench) -> Envelope,
        fn(&RawProvider, &Delivered) -> Envelope,
    ),
    /// A provider by hand in the middle of a stream, which has passed `abcd` and `ef`.
    Stream(Lie),
}

#[derive(Clone, Copy)]
enum Lie {
    Count,
    Length,
    OtherAnswer,
    OtherKey,
    NoTrailer,
    Empty,
    Huge,
}

const fn answer_invalid(clause: &'static str) -> Row {
    row(Code::AnswerInvalid, Grpc::Internal, Stands::Closing, clause)
}

const fn broken(clause: &'static str) -> Row {
    row(
        Code::ProviderFailed,
        Grpc::Unavailable,
        Stands::Closing,
        clause,
    )
}

const fn refusal(code: Code, grpc: Grpc, clause: &'static str) -> Row {
    row(code, grpc, Stands::Refusal, clause)
}

const MALFORMED: Row = refusal(Code::Malformed, Grpc::InvalidArgument, "");
const FORM: Row = answer_invalid("answer_invalid: form");

const fn sealed_word(code: Code) -> Row {
    row(code, Grpc::Ok, Stands::Sealed, "")
}

const fn wrong(what: &'static str, row: Row, provoke: Provoke) -> Wrong {
    Wrong { what, row, provoke }
}

use Provoke::{Adapter, Answer, Request, Stream};

const WRONGS: &[Wrong] = &[
    wrong(
        "a request in chunks, sealed as one in one piece",
        refusal(Code::BadSeal, Grpc::Unauthenticated, ""),
        Request(Bench::in_chunks),
    ),
    wrong("chunks to `Call`", FORM, Answer(Bench::open, chunks)),
    wrong("chunks to items", FORM, Answer(Bench::items, chunks)),
    wrong(
        "chunks to a sealed request",
        FORM,
        Answer(Bench::sealed, chunks),
    ),
    wrong(
        "a trailer with another `count`",
        answer_invalid("answer_invalid: trailer count"),
        Stream(Lie::Count),
    ),
    wrong(
        "a trailer with another `length`",
        answer_invalid("answer_invalid: trailer length"),
        Stream(Lie::Length),
    ),
    wrong(
        "a trailer of another answer",
        answer_invalid("answer_invalid: trailer other_exchange"),
        Stream(Lie::OtherAnswer),
    ),
    wrong(
        "a trailer sealed by another system",
        answer_invalid("answer_invalid: trailer seal"),
        Stream(Lie::OtherKey),
    ),
    wrong(
        "no trailer",
        broken("stream: broken"),
        Stream(Lie::NoTrailer),
    ),
    wrong(
        "an empty chunk",
        broken("stream: chunk"),
        Stream(Lie::Empty),
    ),
    wrong(
        "a chunk over the limit",
        broken("stream: chunk"),
        Stream(Lie::Huge),
    ),
    wrong(
        "items under a `restricted` grant",
        refusal(
            Code::EncryptionRequired,
            Grpc::PermissionDenied,
            "encryption",
        ),
        Request(Bench::items_of_a_restricted_grant),
    ),
    wrong(
        "items with persons in the header",
        MALFORMED,
        Request(Bench::items_with_subjects),
    ),
    wrong(
        "items with a salt that is none",
        MALFORMED,
        Request(Bench::items_without_a_salt),
    ),
    wrong(
        "no item",
        sealed_word(Code::PayloadMismatch),
        Adapter(Bench::no_item),
    ),
    wrong(
        "an item over the limit of their number",
        sealed_word(Code::PayloadMismatch),
        Adapter(Bench::too_many_items),
    ),
    wrong(
        "a manifest of other items",
        sealed_word(Code::PayloadMismatch),
        Adapter(Bench::other_items),
    ),
    wrong("an open answer to items", FORM, Answer(Bench::items, whole)),
    wrong(
        "items to an open request",
        FORM,
        Answer(Bench::open, results),
    ),
    wrong(
        "a sealed payload with a salt beside it",
        MALFORMED,
        Request(Bench::sealed_with_a_salt),
    ),
    wrong(
        "a sealed payload of another suite",
        MALFORMED,
        Request(Bench::sealed_in_another_suite),
    ),
    wrong(
        "a sealed payload of another length",
        refusal(Code::PayloadMismatch, Grpc::InvalidArgument, ""),
        Request(Bench::sealed_longer),
    ),
    wrong(
        "sealed to a key that nobody bound",
        sealed_word(Code::EncryptionRequired),
        Adapter(Bench::sealed_to_nobodys_key),
    ),
    wrong(
        "sealed to another system's key",
        sealed_word(Code::EncryptionRequired),
        Adapter(Bench::sealed_to_another_system),
    ),
    wrong(
        "sealed to a key whose file is gone",
        sealed_word(Code::EncryptionRequired),
        Adapter(Bench::sealed_to_a_lost_key),
    ),
    wrong(
        "sealed under another header",
        sealed_word(Code::PayloadMismatch),
        Adapter(Bench::sealed_under_another_header),
    ),
    wrong(
        "an open answer to a sealed request",
        FORM,
        Answer(Bench::sealed, whole),
    ),
    wrong(
        "a sealed answer to an open request",
        FORM,
        Answer(Bench::open, sealed_answer),
    ),
];

/// The refusal that a call of `Stream` ends with, whenever it comes.
async fn streamed(consumer: RawConsumer, envelope: Envelope) -> Refusal {
    let request = wire::StreamRequest {
        envelope: Some(envelope.to_wire()),
    };
    let status = match consumer.client().stream(request).await {
        Err(status) => status,
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("a stream that ended well"),
                    Err(status) => break status,
                }
            }
        }
    };
    Refusal::read(&status)
}

impl Lie {
    /// Tells it, in a stream that passed `abcd` and has `ef` held back.
    async fn tell(self, bench: &Bench, liar: &mut Liar) {
        let honest = b"abcdef";
        match self {
            Self::Count => liar.trailer(honest, |header| header.count = 3).await,
            Self::Length => liar.trailer(honest, |header| header.length = 5).await,
            Self::OtherAnswer => {
                let other = Digest::of(b"another answer");
                liar.trailer(honest, |header| header.begun_by = other).await;
            }
            Self::OtherKey => {
                liar.link.signer = bench.world.moss.seal_signer();
                liar.trailer(honest, |_| {}).await;
            }
            Self::NoTrailer => {
                let none = wire::Trailer {
                    exchange_id: liar.id(),
                    trailer: None,
                };
                liar.link.send(Out::Trailer(none)).await;
            }
            Self::Empty => liar.chunk(b"").await,
            Self::Huge => liar.chunk(&[7; CHUNK_BYTES_MAX + 1]).await,
        }
    }
}

/// Provokes what only the provider's side or nobody can do; the real adapter's rows are another function's.
async fn provoked(bench: &Bench, provoke: Provoke) -> Refusal {
    let consumer = bench.consumer.clone();
    match provoke {
        Request(request) => {
            // Whichever call brings it.
            let by_stream = streamed(consumer.clone(), request(bench)).await;
            let by_call = consumer.refused(&request(bench)).await;
            assert_eq!(by_call.code, by_stream.code);
            by_call
        }
        Answer(request, answer) => {
            let envelope = request(bench);
            let mut link = bench.world.raw_provider(1).await;
            // `Call` where chunks are wrong because it was called; else `Stream`, which could take them.
            let called = envelope.salt.len() == SALT.0.len() && envelope.payload == PAYLOAD;
            let asked = tokio::spawn(async move {
                if called {
                    consumer.refused(&envelope).await
                } else {
                    streamed(consumer, envelope).await
                }
            });
            let delivered = link.delivery().await;
            link.send_answer(&delivered, &answer(&link, &delivered))
                .await;
            asked.await.unwrap()
        }
        Stream(lie) => {
            let link = bench.world.raw_provider(1).await;
            let asked = tokio::spawn(streamed(consumer, bench.open()));
            let mut liar = Liar::open(link, None).await;
            liar.chunk(b"abcd").await;
            liar.chunk(b"ef").await;
            lie.tell(bench, &mut liar).await;
            asked.await.unwrap()
        }
        Adapter(_) => unreachable!("the real adapter's rows are sealed words"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_use_of_the_later_forms_is_told_and_recorded_as_its_row_says() {
    let bench = Bench::new().await;
    for wrong in WRONGS {
        if matches!(wrong.provoke, Adapter(_)) {
            continue;
        }
        println!("{}", wrong.what);
        let before = bench.world.switch.size();
        let refusal = soon(wrong.what, provoked(&bench, wrong.provoke)).await;
        let size = bench.world.switch.switch().log().head().size();
        told(&wrong.row, &refusal, before, size);
    }
    let backend = Backend::new(Does::Answers);
    let ground = bench.world.switch.ground();
    let handle = bench.world.civil.serve(ground, backend.clone()).await;
    for wrong in WRONGS {
        let Adapter(request) = wrong.provoke else {
            continue;
        };
        let sent = request(&bench);
        let response = bench.consumer.call(&sent).await.expect(wrong.what);
        let answer = AnswerHeader::open(&response.answer.unwrap().header).unwrap();
        let code = AnswerStatus::Refused(wrong.row.code);
        assert_eq!(
            (answer.status, wrong.row.stands),
            (code, Stands::Sealed),
            "{}",
            wrong.what
        );
        assert_eq!(answer.payload.form, Form::Whole, "{}", wrong.what);
    }
    assert_eq!(
        backend.seen(),
        0,
        "the backend saw what its adapter refused"
    );
    // The same by hand, with nothing wrong in it, is answered.
    for (request, seen) in [(bench.items(), 2), (bench.sealed(), 3)] {
        bench.consumer.call(&request).await.unwrap();
        assert_eq!(backend.seen(), seen);
    }
    handle.drain().await.unwrap();
    let Bench {
        world, consumer, ..
    } = bench;
    drop(consumer);
    let told = world.finish().await;
    assert_eq!(told.report.open, 0);
    assert_eq!(told.count(Kind::Trailer), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_and_a_trailer_before_the_opening_are_dropped_and_count_for_nothing() {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let mut link = world.raw_provider(1).await;
    let envelope = consumer.envelope(|_| {});
    let sent = envelope.clone();
    let request = wire::StreamRequest {
        envelope: Some(envelope.to_wire()),
    };
    let client = consumer.client();
    let asked = tokio::spawn(async move {
        let mut client = client;
        let mut stream = client.stream(request).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap().message.unwrap();
        (first, stream.message().await.unwrap())
    });
    let delivered = link.delivery().await;
    let exchange_id = Bytes::copy_from_slice(delivered.header.exchange_id.as_bytes());
    for _ in 0..64 {
        let data = Bytes::from_static(b"abcd");
        let exchange_id = exchange_id.clone();
        link.send(Out::Chunk(wire::Chunk { exchange_id, data }))
            .await;
    }
    let trailer = None;
    link.send(Out::Trailer(wire::Trailer {
        exchange_id,
        trailer,
    }))
    .await;
    link.answer_well(&delivered).await;
    let (first, then) = soon("the answer", asked).await.unwrap();
    let wire::stream_response::Message::Answered(response) = first else {
        panic!("a chunk left before an opening: {first:?}");
    };
    assert!(then.is_none());
    let id = consumer.prove(&sent, response).id;
    drop((link, consumer));
    let told = world.finish().await;
    assert_eq!(
        told.story(id),
        [(Kind::Request, ""), (Kind::Closing, "answered")]
    );
}

#[test]
fn the_table_of_the_protocol_is_that_of_these_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let header = "| what is wrong | code | recorded as | `clause` |\n";
    let (_, table) = text.split_once(header).expect("the table of §5");
    let listed: Vec<String> = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect();
    let rows: Vec<String> = WRONGS
        .iter()
        .map(|wrong| {
            let stands = match wrong.row.stands {
                Stands::Refusal => "refusal",
                Stands::Closing => "closing entry",
                Stands::Sealed => "sealed answer",
                Stands::Nowhere => "nothing",
            };
            let clause = match wrong.row.clause {
                "" => String::new(),
                clause => format!("`{clause}` "),
            };
            let (what, code) = (wrong.what, wrong.row.code.name());
            format!("| {what} | `{code}` | {stands} | {clause}|")
        })
        .collect();
    assert_eq!(listed, rows);
}
