//! Bytes that are no messages: below gRPC, below HTTP/2, below TLS. The switch goes on as if nothing had come.

use bytes::{Buf as _, BufMut as _, Bytes};
use tests::channel::{channel, connect};
use tests::soon;
use tests::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

/// The same garbage each run.
fn garbage(len: usize) -> Vec<u8> {
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_none_end_their_connection_and_nothing_else() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    // A frame of 16 MiB - 1 is announced; a HEADERS frame on stream 1 that is not HPACK; half a frame.
    let huge = [
        PREFACE,
        SETTINGS,
        &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1],
        &garbage(4096),
    ]
    .concat();
    let no_hpack = [
        PREFACE,
        SETTINGS,
        &[0, 0, 4, 1, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
    ]
    .concat();
    let http1 = b"GET / HTTP/1.1\r\nhost: switch\r\n\r\n".to_vec();
    let truncated = [PREFACE, &SETTINGS[..5]].concat();
    for (what, bytes) in [
        ("random", garbage(4096)),
        ("huge", huge),
        ("not HPACK", no_hpack),
        ("HTTP/1.1", http1),
        ("truncated", truncated),
        ("empty", Vec::new()),
    ] {
        let mut tls = connect(
            world.switch.exchange(),
            world.moss.tls(world.switch.ground()),
        )
        .await
        .unwrap();
        // The switch may close before everything was written: that is its right.
        let _ = tls.write_all(&bytes).await;
        let _ = tls.shutdown().await;
        let mut said = Vec::new();
        let _ = soon(what, tls.read_to_end(&mut said)).await;
        consumer
            .ask_well()
            .await
            .unwrap_or_else(|refusal| panic!("after {what}: {refusal:?}"));
    }
    // Below TLS.
    let mut tcp = TcpStream::connect(world.switch.exchange()).await.unwrap();
    let _ = tcp.write_all(&garbage(4096)).await;
    let mut said = Vec::new();
    let _ = soon("no TLS", tcp.read_to_end(&mut said)).await;
    consumer.ask_well().await.unwrap();
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(told.coded("answered"), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_no_protobuf_are_refused_on_every_service() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let before = world.switch.size();
    let ground = world.switch.ground();
    let channel = channel(world.switch.exchange(), world.moss.tls(ground))
        .await
        .unwrap();
    for path in [
        "/mohawel.exchange.v1.Exchange/Call",
        "/mohawel.exchange.v1.Exchange/Dispute",
        "/mohawel.registry.v1.Agencies/Submit",
        "/mohawel.registry.v1.Agencies/Renew",
        "/mohawel.registry.v1.Operations/Invite",
        "/mohawel.audit.v1.Log/Consistency",
        "/mohawel.exchange.v1.Exchange/NoSuchMethod",
    ] {
        for message in [
            garbage(1),
            garbage(700),
            vec![0xff; 64],
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ] {
            let mut client = tonic::client::Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let request = Request::new(Bytes::from(message));
            let said = client
                .unary(request, PathAndQuery::from_static(path), Raw)
                .await;
            assert!(said.is_err(), "{path}");
        }
    }
    assert_eq!(
        world.switch.size(),
        before,
        "what no message was never came to a room"
    );
    world.raw_consumer().await.ask_well().await.unwrap();
    world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
}

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
