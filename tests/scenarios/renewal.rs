//! Certificates that live for seconds, renewed under load: a second connection and a second link take over, what is
//! under way finishes on the first, and not one exchange knows of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use adapters::{Adapter, Consumer, Failure, Options, Provider, Reply, Request};
use audit::clock::Clock;
use certs::PeerIdentity;
use proto::entry::Kind;
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::Terms;
use tests::ground::Ground;
use tests::journal::Faulty;
use tests::provider::{Backend, Does};
use tests::switch::TestSwitch;
use tests::until;
use tests::world::{PERSONS, World};
use tokio::task::JoinSet;

/// Less than the load brings at once, so that links have a queue when they hand over.
const AT_ONCE: u32 = 4;

/// A backend that is always in the middle of something, and says when it is asked for more than it can do at once.
#[derive(Clone, Default)]
struct Busy {
    under_way: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

impl Provider for Busy {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        let wait_ms = u64::from(request.exchange_id.as_bytes()[15]) % 120;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Reply::record(&request, &json!({ "name": "Mona", "alive": true }))
    }
}

/// Consumers that ask without a pause.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<u64, String>>,
}

impl Load {
    fn start(consumers: impl IntoIterator<Item = Consumer>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for consumer in consumers {
            tasks.spawn(ask_without_pause(consumer, Arc::clone(&stop)));
        }
        Self { stop, tasks }
    }

    /// Stops, and gives the number of answers. Nothing else may have come.
    async fn answers(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let asked = tests::soon("the last answers", self.tasks.join_all()).await;
        asked.into_iter().map(|answers| answers.unwrap()).sum()
    }
}

async fn ask_without_pause(consumer: Consumer, stop: Arc<AtomicBool>) -> Result<u64, String> {
    let mut answers = 0;
    while !stop.load(Ordering::SeqCst) {
        let asked = consumer
            .ask(PERSONS)
            .operation("read")
            .purpose("social-benefit")
            .fields(["name", "alive"])
            .payload_json(&json!({ "nid": "29001019900011" }));
        asked
            .send()
            .await
            .map_err(|error| format!("after {answers} answers: {error}"))?;
        answers += 1;
    }
    Ok(answers)
}

/// What an adapter shows now, as the switch sees it.
fn shown(adapter: &Adapter) -> [u8; 32] {
    let identity = adapter.home().identity().current();
    let (peer, _) = PeerIdentity::from_pinned_certificate(&identity.chain()[0]).unwrap();
    peer.cert_sha256
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_seconds_are_renewed_under_load_and_not_one_exchange_fails() {
    // On board with certificates of a week; then the switch gives them for seconds only.
    let ground = Ground::found_at(Clock::System).await;
    let switch = TestSwitch::on(ground, "").await.unwrap();
    let world = World::populate(switch).await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let terms = Terms::for_agency(&giza);
    world.civil.agree(&world.switch, &giza, &terms).await;
    let ground = world.switch.stop().await;
    let switch = TestSwitch::on(ground, "certificate_life = \"6s\"")
        .await
        .unwrap();
    let agencies = [&world.moss, &giza, &world.civil];
    let mut adapters = Vec::new();
    for agency in agencies {
        agency.point_at(switch.exchange());
        let adapter = agency.adapter(switch.ground()).await;
        adapter.renew().await.unwrap();
        adapters.push(adapter);
    }
    let backend = Busy::default();
    let options = Options {
        max_in_flight: AT_ONCE,
        ..Options::default()
    };
    let handle = adapters[2].serve(backend.clone(), options).await;
    handle.attached(tests::PATIENCE).await.unwrap();
    let [moss, giza] = [&adapters[0], &adapters[1]].map(Adapter::consumer);
    let load = Load::start([&moss, &moss, &moss, &moss, &giza, &giza].map(Consumer::clone));
    let mut seen: Vec<HashSet<_>> = adapters
        .iter()
        .map(|adapter| HashSet::from([shown(adapter)]))
        .collect();
    until("three renewals of each", || {
        for (seen, adapter) in seen.iter_mut().zip(&adapters) {
            seen.insert(shown(adapter));
        }
        // Renewed in time: no connection ever comes near the end of its certificate, where the switch would cut it.
        let now_ms = switch.now_ms();
        let peers = switch.switch().connections().peers();
        assert!(peers.iter().all(|peer| peer.not_after_ms() > now_ms));
        assert!(peers.len() <= 2 * adapters.len(), "{}", peers.len());
        seen.iter().all(|seen| seen.len() > 3)
    })
    .await;
    let answers = load.answers().await;
    assert!(answers > 60, "{answers} answers are no load");
    until("everything old is closed", || {
        let newest: HashSet<_> = adapters.iter().map(shown).collect();
        let peers = switch.switch().connections().peers();
        peers.len() == 3 && peers.iter().all(|peer| newest.contains(&peer.sha256().0))
    })
    .await;
    let links = switch.switch().exchange().links();
    assert_eq!(links.attached(), [(world.civil.system.clone(), 1)]);
    until("every receipt is here", || {
        handle.status().recorded == answers
    })
    .await;
    let status = handle.status();
    assert_eq!(
        (status.answered, status.refused, status.unproven),
        (answers, 0, 0)
    );
    assert!(status.attached);
    assert!(backend.most.load(Ordering::SeqCst) <= u64::from(AT_ONCE));
    handle.drain().await.unwrap();
    drop((adapters, moss, giza));
    let told = switch.finish().await;
    let codes: Vec<_> = told.codes().into_iter().collect();
    assert_eq!(codes, [("answered", answers)]);
    assert_eq!((told.report.open, told.count(Kind::Late)), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_in_quick_succession_lose_nothing_and_a_refused_renewal_changes_nothing() {
    let world = World::new().await;
    let provider = world.civil.adapter(world.switch.ground()).await;
    let options = Options {
        max_in_flight: AT_ONCE,
        ..Options::default()
    };
    let handle = provider.serve(Busy::default(), options).await;
    handle.attached(tests::PATIENCE).await.unwrap();
    let adapter = world.consumer().await;
    let load = Load::start((0..6).map(|_| adapter.consumer()));
    // The switch renews twenty times at once for one agency, then it wants to be asked later.
    let refused = async |adapter: &Adapter| {
        for renewals in 0..40 {
            let before = shown(adapter);
            if let Err(error) = adapter.renew().await {
                assert_eq!(shown(adapter), before, "the old one still stands");
                assert!(
                    error.to_string().contains("ResourceExhausted"),
                    "after {renewals}: {error}"
                );
                return renewals;
            }
            assert_ne!(shown(adapter), before);
        }
        panic!("never refused");
    };
    let (consumer_renewals, provider_renewals) =
        tokio::join!(refused(&adapter), refused(&provider));
    assert!(consumer_renewals >= 20 && provider_renewals >= 20);
    // What was refused has changed nothing: the same connections go on.
    adapter.standing().hold().unwrap();
    provider.standing().hold().unwrap();
    assert_eq!(
        adapter
            .consumer()
            .ask(PERSONS)
            .send()
            .await
            .unwrap_err()
            .code(),
        None
    );
    let answers = load.answers().await;
    assert!(answers > 0);
    until("everything old is closed", || {
        let newest = [shown(&adapter), shown(&provider)];
        let peers = world.switch.switch().connections().peers();
        peers.len() == 2 && peers.iter().all(|peer| newest.contains(&peer.sha256().0))
    })
    .await;
    handle.drain().await.unwrap();
    drop((adapter, provider));
    let told = world.finish().await;
    let codes: Vec<_> = told.codes().into_iter().collect();
    assert_eq!(codes, [("answered", answers)]);
    let renewals = consumer_renewals + provider_renewals;
    assert_eq!(told.count(Kind::Certificate), 2 + renewals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_provider_finishes_what_was_meant_for_it() {
    let world = World::new().await;
    let consumer = world.consumer().await.consumer();
    let mut drained = 0;
    for _ in 0..3 {
        // Two adapters of one system: one stays, the other comes and goes under load.
        let stays = world
            .civil
            .serve(world.switch.ground(), Busy::default())
            .await;
        let goes = world
            .civil
            .serve(world.switch.ground(), Backend::new(Does::Answers))
            .await;
        let load = Load::start((0..4).map(|_| consumer.clone()));
        until("both are asked", || {
            stays.status().answered > 0 && goes.status().answered > 0
        })
        .await;
        goes.drain().await.unwrap();
        drained += load.answers().await;
        stays.drain().await.unwrap();
    }
    assert_eq!(world.switch.switch().exchange().links().attached(), []);
    let told = world.finish().await;
    let codes: Vec<_> = told.codes().into_iter().collect();
    assert_eq!(codes, [("answered", drained)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_still_being_recorded_finds_its_drained_link() {
    let (world, journal) = World::new()
        .await
        .over(|journal| Faulty::new(journal, false))
        .await;
    let handle = world
        .civil
        .serve(world.switch.ground(), Busy::default())
        .await;
    let load = Load::start([world.consumer().await.consumer()]);
    until("an answer", || handle.status().answered > 0).await;
    journal.hold(true);
    until("an entry waits for the journal", || journal.waiting() > 0).await;
    load.stop.store(true, Ordering::SeqCst);
    let draining = tokio::spawn(handle.drain());
    // Long enough for an adapter without work to leave, if it could know that it has none.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let left = draining.is_finished();
    journal.hold(false);
    let answers = load.answers().await;
    assert!(!left, "an adapter cannot know that it has none");
    tests::soon("the drain", draining).await.unwrap().unwrap();
    let told = world.finish().await;
    assert_eq!(told.coded("answered"), answers);
    assert_eq!(told.codes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_at_its_connection_cap_can_still_renew() {
    let World {
        switch,
        moss,
        civil,
        ..
    } = World::new().await;
    let switch = TestSwitch::on(switch.stop().await, "connections_per_agency = 1")
        .await
        .unwrap();
    for agency in [&moss, &civil] {
        agency.point_at(switch.exchange());
    }
    let provider = civil.adapter(switch.ground()).await;
    let handle = provider
        .serve(Backend::new(Does::Answers), Options::default())
        .await;
    handle.attached(tests::PATIENCE).await.unwrap();
    let adapter = moss.adapter(switch.ground()).await;
    // Certificates say whole seconds; a later one is known by its later end.
    switch.clock().advance_ms(1_000);
    for adapter in [&adapter, &provider] {
        tests::soon("the move", adapter.renew()).await.unwrap();
    }
    let load = Load::start([adapter.consumer()]);
    until("answers", || handle.status().answered > 3).await;
    let answers = load.answers().await;
    handle.drain().await.unwrap();
    drop((adapter, provider));
    let told = switch.finish().await;
    let codes: Vec<_> = told.codes().into_iter().collect();
    assert_eq!(codes, [("answered", answers)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_that_is_turned_away_leaves_the_first_and_is_tried_again() {
    let World {
        switch,
        moss,
        civil,
        ..
    } = World::new().await;
    let switch = TestSwitch::on(switch.stop().await, "connections = 2")
        .await
        .unwrap();
    for agency in [&moss, &civil] {
        agency.point_at(switch.exchange());
    }
    let handle = civil
        .serve(switch.ground(), Backend::new(Does::Answers))
        .await;
    let adapter = moss.adapter(switch.ground()).await;
    let load = Load::start([adapter.consumer()]);
    let before = shown(&adapter);
    assert!(adapter.renew().await.is_err());
    // The certificate is here and kept; what does not stand is a connection that shows it.
    let renewed = shown(&adapter);
    assert_ne!(renewed, before);
    adapter.standing().hold().unwrap();
    let asked = handle.status().answered;
    until("answers over the first connection", || {
        handle.status().answered > asked
    })
    .await;
    let answers = load.answers().await;
    handle.drain().await.unwrap();
    until("room for another connection", || {
        switch.switch().connections().len() == 1
    })
    .await;
    adapter.renew().await.unwrap();
    assert_eq!(
        shown(&adapter),
        renewed,
        "no second certificate was asked for"
    );
    until("the first connection is closed", || {
        let peers = switch.switch().connections().peers();
        peers.len() == 1 && peers[0].sha256().0 == renewed
    })
    .await;
    drop(adapter);
    let told = switch.finish().await;
    let codes: Vec<_> = told.codes().into_iter().collect();
    assert_eq!(codes, [("answered", answers)]);
    assert_eq!(told.count(Kind::Certificate), 3);
}
