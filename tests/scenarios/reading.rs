//! Who reads which entries, over real mutual TLS; each reading an entry; holds and erasures from agencies.

use prost::Message as _;
use proto::act::{Erased, Erasure, Hold, PersonRole};
use proto::digest::{Digest, leaf_hash, tree_head};
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::id::ExchangeId;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::audit::v1 as wire;
use proto::wire::audit::v1::log_client::LogClient;
use tests::agency::TestAgency;
use tests::agreements::part;
use tests::channel::channel;
use tests::ground::ORIGIN;
use tests::until;
use tests::world::World;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

type Read = Result<Vec<(u64, bytes::Bytes)>, Status>;

pub(crate) async fn log_of(
    world: &World,
    tls: std::sync::Arc<rustls::ClientConfig>,
) -> LogClient<Channel> {
    LogClient::new(channel(world.switch.exchange(), tls).await.unwrap())
}

pub(crate) async fn read(client: &mut LogClient<Channel>, from: u64, to: u64) -> Read {
    let request = wire::EntriesRequest {
        from,
        to,
        reason: "case 7 of 2026".to_owned(),
    };
    let mut stream = client.entries(request).await?.into_inner();
    let mut found = Vec::new();
    while let Some(message) = stream.message().await? {
        found.push((message.index, message.entry));
    }
    Ok(found)
}

pub(crate) async fn published(world: &World, size: u64) -> u64 {
    let log = world.switch.switch().log();
    until("what was recorded is published", || {
        log.published().borrow().checkpoint.size >= size
    })
    .await;
    log.published().borrow().checkpoint.size
}

fn kinds(read: &[(u64, bytes::Bytes)]) -> Vec<Kind> {
    let kind = |(_, bytes): &(u64, bytes::Bytes)| Entry::decode(bytes).unwrap().kind;
    read.iter().map(kind).collect()
}

async fn tiles_are_for_members(member: &mut LogClient<Channel>, size: u64, first: &[u8]) {
    let tile = |width| wire::TileRequest {
        level: 0,
        index: 0,
        width,
    };
    let whole = member.tile(tile(size as u32)).await.unwrap();
    let hashes = whole.into_inner().hashes;
    assert_eq!(hashes.len() as u64, size * 32);
    assert_eq!(hashes[..32], leaf_hash(first).0);
    for width in [0, 257, u32::MAX] {
        member.tile(tile(width)).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_all_a_party_its_own_and_each_reading_is_an_entry_first() {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    world.raw_consumer().await.ask_well().await.unwrap();
    let auditor = world.switch.person(PersonRole::Auditor, "omar").await;
    let stranger = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/homes").await;
    let size = published(&world, world.switch.size()).await;

    let ground = world.switch.ground();
    let mut auditor = log_of(&world, auditor.tls.clone()).await;
    let all = read(&mut auditor, 0, size).await.unwrap();
    assert_eq!(all.len() as u64, size);
    let head = tree_head(
        &all.iter()
            .map(|(_, entry)| leaf_hash(entry))
            .collect::<Vec<_>>(),
    );
    let checkpoint = world
        .switch
        .switch()
        .log()
        .published()
        .borrow()
        .checkpoint
        .clone();
    assert_eq!((checkpoint.size, checkpoint.root), (size, head));

    // Both parties read the exchange, and the third agency everything but it.
    for agency in [&world.moss, &world.civil] {
        let own = read(&mut log_of(&world, agency.tls(ground)).await, 0, size).await;
        let own = kinds(&own.unwrap());
        assert!(own.contains(&Kind::Request) && own.contains(&Kind::Closing));
    }
    let others = read(&mut log_of(&world, stranger.tls(ground)).await, 0, size).await;
    let others = kinds(&others.unwrap());
    assert!(others.iter().all(|kind| kind.is_registry()) && !others.is_empty());

    let mut member = log_of(&world, stranger.tls(ground)).await;
    tiles_are_for_members(&mut member, size, &all[0].1).await;
    provider.abort();
    let told = world.finish().await;
    let readings: Vec<_> = told
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Access)
        .collect();
    let readers: Vec<_> = readings
        .iter()
        .map(|entry| facts::access(&entry.facts).unwrap())
        .map(|facts| (facts.reader, facts.from_index..facts.to_index))
        .collect();
    let expected = [
        "auditor/omar",
        "EG/GOV/MOSS/takaful",
        "EG/GOV/CIVIL/registry",
        "EG/GOV/GIZA/homes",
    ];
    assert_eq!(readers, expected.map(|reader| (reader.to_owned(), 0..size)));
    let reason = Digest::of(b"case 7 of 2026");
    let facts = facts::access(&readings[0].facts).unwrap();
    assert_eq!(facts.reason_sha256[..], reason.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_may_not_be_is_no_entry() {
    let world = World::new().await;
    let auditor = world.switch.person(PersonRole::Auditor, "omar").await;
    let size = published(&world, world.switch.size()).await;
    let mut auditor = log_of(&world, auditor.tls.clone()).await;
    for (from, to, code) in [
        (0, size + 1_000, Code::OutOfRange),
        (0, u64::MAX, Code::OutOfRange),
        (2, 2, Code::InvalidArgument),
        (3, 1, Code::InvalidArgument),
    ] {
        let refused = read(&mut auditor, from, to).await.unwrap_err();
        assert_eq!(refused.code(), code, "{from}..{to}");
    }
    let long = wire::EntriesRequest {
        from: 0,
        to: 1,
        reason: "x".repeat(257),
    };
    assert_eq!(
        auditor.entries(long).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let told = world.finish().await;
    assert_eq!(told.count(Kind::Access), 0);
}

pub(crate) fn sealed(
    kind: Kind,
    label: &str,
    header: bytes::Bytes,
    signer: &dyn proto::Signer,
) -> wire::OverseeRequest {
    let seal = Seal::one(label, ORIGIN, &header, signer).unwrap();
    wire::OverseeRequest {
        kind: u32::from(kind as u8),
        envelope: proto::envelope::Envelope::bare(header, seal)
            .to_wire()
            .encode_to_vec()
            .into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_and_erasures_stand_under_their_own_seals_only() {
    let world = World::new().await;
    let exchange = ExchangeId::from_uuid(uuid::Uuid::now_v7()).unwrap();
    let hold = Hold {
        agency: world.moss.agency(),
        exchanges: vec![exchange],
        ground: part("criminal_investigation"),
        until_ms: world.switch.now_ms() + 60_000,
        ended: false,
        issued_at_ms: world.switch.now_ms(),
    };
    let erasure = Erasure {
        agency: world.moss.agency(),
        erased: Erased::Payloads(world.moss.system.clone(), vec![exchange]),
        ground: part("retention"),
        issued_at_ms: world.switch.now_ms(),
    };
    let (authority, adapter) = (world.moss.authority_signer(), world.moss.seal_signer());
    let held = |signer| sealed(Kind::Hold, label::HOLD, hold.encode(), signer);
    let erased = |signer| sealed(Kind::Erasure, label::ERASURE, erasure.encode(), signer);
    let ground = world.switch.ground();
    let mut moss = log_of(&world, world.moss.tls(ground)).await;
    let mut civil = log_of(&world, world.civil.tls(ground)).await;
    let size = world.switch.size();
    for refused in [
        moss.oversee(held(&*adapter)).await,
        moss.oversee(erased(&*authority)).await,
        moss.oversee(sealed(Kind::Hold, label::ACT, hold.encode(), &*authority))
            .await,
        moss.oversee(sealed(
            Kind::Erasure,
            label::ERASURE,
            hold.encode(),
            &*authority,
        ))
        .await,
        moss.oversee(sealed(
            Kind::Dispute,
            label::HOLD,
            hold.encode(),
            &*authority,
        ))
        .await,
        civil.oversee(held(&*authority)).await,
    ] {
        let reason = refused
            .unwrap_err()
            .get_details_error_info()
            .unwrap()
            .reason;
        assert!(
            ["wrong_signer", "bad_seal", "malformed"].contains(&reason.as_str()),
            "{reason}"
        );
    }
    assert_eq!(world.switch.size(), size);
    for act in [held(&*authority), erased(&*adapter)] {
        let receipt = moss
            .oversee(act)
            .await
            .unwrap()
            .into_inner()
            .receipt
            .unwrap();
        assert!(receipt.index >= size);
    }
    let told = world.finish().await;
    assert_eq!((told.count(Kind::Hold), told.count(Kind::Erasure)), (1, 1));
}
