//! Disks that fail, stores that are lost, brokers that meet: nothing acknowledged is ever lost, and nothing is
//! acknowledged after a fault.

use audit::log::{AppendError, LogError};
use broker::{StartError, Switch};
use proto::Code;
use proto::entry::Kind;
use tests::check::{check_log, published_size};
use tests::ground::{Ground, copy, walk};
use tests::journal::{Faulty, NO_SPACE};
use tests::load::Ack;
use tests::raw::{Answered, RawConsumer, Refusal};
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::World;
use tonic_health::pb::health_check_response::ServingStatus;

fn ack(answered: &Answered) -> Ack {
    Ack {
        id: answered.id,
        request: answered.request,
        closing: answered.closing,
        head: answered.head,
    }
}

/// What was acknowledged, and the refusal that ended it.
async fn ask_until_refused(consumer: RawConsumer) -> (Vec<Ack>, Refusal) {
    let mut acks = Vec::new();
    loop {
        match consumer.ask_well().await {
            Ok(answered) => acks.push(ack(&answered)),
            Err(refusal) => return (acks, refusal),
        }
    }
}

/// Nothing is taken any more, and health says so.
async fn nothing_after(world: &World, consumer: &RawConsumer) {
    let after = consumer.ask_well().await.unwrap_err();
    assert_eq!(
        (after.code, after.grpc),
        (Some(Code::LogUnavailable), tonic::Code::Unavailable)
    );
    soon("not serving", async {
        while super::health::status(world, "").await != ServingStatus::NotServing as i32 {}
    })
    .await;
}

/// Fails at some commit while exchanges run; whether or not the failed commit reached the disk.
async fn fails(written: bool, after: i64) {
    let (world, journal) = World::new()
        .await
        .over(|journal| Faulty::new(journal, written))
        .await;
    let provider = tokio::spawn(world.raw_provider(64).await.answer_all());
    let consumer = world.raw_consumer().await;
    let asking: Vec<_> = (0..6)
        .map(|_| tokio::spawn(ask_until_refused(consumer.clone())))
        .collect();
    journal.fail_after(after);
    let reason = soon("the log stops", world.switch.switch().stopped()).await;
    assert!(reason.contains(NO_SPACE), "{reason}");
    let mut acks = Vec::new();
    for asking in asking {
        let (acked, refusal) = soon("the fault is told", asking).await.unwrap();
        assert_eq!(
            (refusal.code, refusal.word("recording")),
            (Some(Code::LogUnavailable), "not_recorded")
        );
        assert!(refusal.receipt.is_none());
        acks.extend(acked);
    }
    nothing_after(&world, &consumer).await;
    let size = world.switch.size();
    let World {
        switch,
        moss,
        civil,
        agreement,
        contract,
    } = world;
    let (ground, reason) = switch.bury().await;
    assert!(reason.contains(NO_SPACE), "{reason}");
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    drop(journal);
    // It starts again, closes what was open, and everything acknowledged is there.
    let switch = TestSwitch::on(ground, "").await.unwrap();
    let told = World {
        switch,
        moss,
        civil,
        agreement,
        contract,
    }
    .finish()
    .await;
    assert_eq!(
        tests::load::differences(&acks, &told.entries),
        Vec::<String>::new()
    );
    assert_eq!(
        (
            told.report.open,
            told.coded("answered") >= acks.len() as u64
        ),
        (0, true)
    );
    assert!(told.entries.len() as u64 > size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_after_a_failed_sync() {
    for after in [0, 1, 5] {
        fails(false, after).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_after_a_failed_sync_of_what_reached_the_disk() {
    for after in [0, 3] {
        fails(true, after).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_overloaded_and_not_recorded() {
    let (world, journal) = World::new()
        .await
        .over(|journal| Faulty::new(journal, false))
        .await;
    journal.hold(true);
    // The queue itself: no room in the protocol's in-flight limits is that small.
    let log = world.switch.switch().log().clone();
    let draft = |at: u32| proto::entry::Draft {
        kind: Kind::Refusal,
        facts: proto::facts::encode(&proto::facts::ExchangeFacts {
            decided_at_ms: world.switch.now_ms(),
            code: "stale".to_owned(),
            refused_sha256: bytes::Bytes::copy_from_slice(
                proto::Digest::of(&at.to_be_bytes()).as_bytes(),
            ),
            ..Default::default()
        }),
        header: bytes::Bytes::new(),
        seal: None,
    };
    let (full, mut was_full) = tokio::sync::mpsc::unbounded_channel();
    let mut appending = tokio::task::JoinSet::new();
    for at in 0..10_000 {
        let (log, draft, full) = (log.clone(), draft(at), full.clone());
        appending.spawn(async move {
            if let Err(AppendError::Full) = log.append(draft, None).await {
                full.send(()).unwrap();
            }
        });
    }
    soon("the queue is full", was_full.recv()).await.unwrap();
    let refusal = world.raw_consumer().await.ask_well().await.unwrap_err();
    // Nobody is attached: the refusal itself cannot be recorded, and is not given as if it were.
    assert_eq!(
        (refusal.code, refusal.word("recording")),
        (Some(Code::Overloaded), "not_recorded")
    );
    journal.hold(false);
    soon("the queue empties", async {
        while appending.join_next().await.is_some() {}
    })
    .await;
    drop(log);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_broker_on_the_same_store_is_refused() {
    let world = World::new().await;
    let ground = world.switch.ground();
    let listen = async || {
        tokio::net::TcpListener::bind(tests::ground::loopback())
            .await
            .unwrap()
    };
    let listeners = broker::Listeners {
        exchange: listen().await,
        enrol: listen().await,
    };
    match Switch::start(ground.config(), listeners, ground.clock.clone()).await {
        Err(StartError::Log(LogError::InUse(dir))) => assert!(dir.ends_with("log"), "{dir}"),
        other => panic!("{:?}", other.map(|_| "it started")),
    }
    // The first goes on as if nothing had been.
    assert_eq!(
        world
            .raw_consumer()
            .await
            .ask_well()
            .await
            .unwrap_err()
            .code,
        Some(Code::ProviderOffline)
    );
    world.finish().await;
}

/// A log with some exchanges, ended in order, and what was acknowledged.
pub(crate) async fn some_exchanges(
    count: usize,
) -> (Ground, Vec<Ack>, [tests::agency::TestAgency; 2]) {
    let world = World::new().await;
    let provider = tokio::spawn(world.raw_provider(64).await.answer_all());
    let consumer = world.raw_consumer().await;
    let mut acks = Vec::new();
    for _ in 0..count {
        acks.push(ack(&consumer.ask_well().await.unwrap()));
    }
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    (ground, acks, [moss, civil])
}

/// Starts, ends, checks: everything acknowledged must be there. Gives what the start's entry says of its repair.
pub(crate) async fn starts_whole(ground: Ground, acks: &[Ack]) -> (Ground, String) {
    let key = ground.log_key();
    let ground = TestSwitch::on(ground, "")
        .await
        .unwrap_or_else(|(error, _)| panic!("{error}"))
        .stop()
        .await;
    let told = check_log(&ground.log_dir(), &key);
    assert_eq!(
        tests::load::differences(acks, &told.entries),
        Vec::<String>::new()
    );
    let epoch = told
        .entries
        .iter()
        .rfind(|entry| entry.kind == Kind::Epoch)
        .unwrap();
    let recovery = proto::facts::epoch(&epoch.facts).unwrap().recovery;
    (ground, recovery)
}

/// What a start says that is refused.
pub(crate) async fn refuses(ground: Ground) -> (Ground, String) {
    match TestSwitch::on(ground, "").await {
        Err((error, ground)) => (ground, error.to_string()),
        Ok(switch) => {
            let size = switch.size();
            switch.stop().await;
            panic!("it started, with {size} entries");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_or_lost_store_is_rebuilt() {
    let (ground, acks, _agencies) = some_exchanges(4).await;
    let store = ground.log_dir().join("store");
    std::fs::remove_dir_all(&store).unwrap();
    let (ground, recovery) = starts_whole(ground, &acks).await;
    assert_eq!(recovery, "store_missing");
    // As sled comes back after some power cuts: it opens, and holds nothing.
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    let (ground, recovery) = starts_whole(ground, &acks).await;
    assert!(
        ["store_empty", "store_missing"].contains(&&*recovery),
        "{recovery}"
    );
    // As a disk leaves it that wrote something else there.
    for entry in walk(&store) {
        let len = std::fs::metadata(&entry).unwrap().len();
        std::fs::write(&entry, vec![0xa5; usize::try_from(len).unwrap()]).unwrap();
    }
    let (_, recovery) = starts_whole(ground, &acks).await;
    assert!(
        ["store_corrupt", "store_empty"].contains(&&*recovery),
        "{recovery}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_shorter_than_its_published_checkpoint_is_refused() {
    let (ground, _, agencies) = some_exchanges(2).await;
    let old = tempfile::tempdir().unwrap();
    for part in ["tail", "store"] {
        copy(&ground.log_dir().join(part), &old.path().join(part));
    }
    // The log goes on and publishes; then tail and store come back from an old copy.
    let switch = TestSwitch::on(ground, "").await.unwrap();
    agencies[1].point_at(switch.exchange());
    agencies[1].publish_again(&switch).await;
    let ground = switch.stop().await;
    let published = published_size(&ground.log_dir(), &ground.log_key());
    for part in ["tail", "store"] {
        let dir = ground.log_dir().join(part);
        std::fs::remove_dir_all(&dir).unwrap();
        copy(&old.path().join(part), &dir);
    }
    let (ground, reason) = refuses(ground).await;
    assert!(
        reason.contains(&published.to_string()) && reason.contains("Restore"),
        "{reason}"
    );
    // Published files are as they were: an auditor can still read everything.
    check_log(&ground.log_dir(), &ground.log_key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_another_switch_do_not_start_together() {
    let (ground, other) = (Ground::found().await, Ground::found().await);
    type Swap = (&'static str, &'static str);
    let swaps: &[Swap] = &[
        ("keys/log.key", "key"),
        ("log", "key"),
        ("authority", "root"),
    ];
    for (part, word) in swaps {
        let mixed = tempfile::tempdir().unwrap();
        copy(ground.dir(), mixed.path());
        let target = mixed.path().join(part);
        if target.is_dir() {
            std::fs::remove_dir_all(&target).unwrap();
            copy(&other.dir().join(part), &target);
        } else {
            std::fs::copy(other.dir().join(part), target).unwrap();
        }
        let config = broker::Config::load(&mixed.path().join("switch.toml")).unwrap();
        let listen = async || {
            tokio::net::TcpListener::bind(tests::ground::loopback())
                .await
                .unwrap()
        };
        let listeners = broker::Listeners {
            exchange: listen().await,
            enrol: listen().await,
        };
        match Switch::start(config, listeners, ground.clock.clone()).await {
            Ok(_) => panic!("{part} of another switch started"),
            Err(error) => assert!(error.to_string().contains(word), "{part}: {error}"),
        }
    }
}
