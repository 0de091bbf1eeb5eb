//! From a revocation to the last exchange that was accepted, under load: an agency's suspension, a system's end, a
//! certificate's end, a key's end, a provider's suspension, a person's role. All of it is one entry, and the log says
//! in which order things happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use audit::clock::Clock;
use proto::Code;
use proto::act::{AgencyDeed, OperatorDeed, PersonRole};
use proto::digest::Digest;
use proto::entry::Kind;
use rustls::ClientConfig;
use tests::agreements::part;
use tests::channel::{channel, connect};
use tests::check::Told;
use tests::ground::Ground;
use tests::raw::RawConsumer;
use tests::soon;
use tests::switch::TestSwitch;
use tests::world::World;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

/// What the issue asks for.
const WITHIN: Duration = Duration::from_secs(1);

/// A world whose clock goes, so that its entries' times are real.
async fn world() -> World {
    let ground = Ground::found_at(Clock::System).await;
    World::populate(TestSwitch::on(ground, "").await.unwrap()).await
}

/// Consumers that ask without a pause, each over a connection of its own, and note when something was last answered.
struct Load {
    stop: Arc<AtomicBool>,
    consumers: JoinSet<Heard>,
}

/// What one consumer heard.
struct Heard {
    answers: u64,
    last_answer: Instant,
    refusals: Vec<Code>,
}

impl Load {
    async fn start(world: &World, tls: Arc<ClientConfig>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut consumers = JoinSet::new();
        let one = world.raw_consumer().await;
        for _ in 0..3 {
            let channel = channel(world.switch.exchange(), Arc::clone(&tls))
                .await
                .unwrap();
            consumers.spawn(ask(one.over(channel), Arc::clone(&stop)));
        }
        Self { stop, consumers }
    }

    /// Ends it after it went on for another while: whatever was still let through is in the log then.
    async fn end(self, after: Duration) -> Vec<Heard> {
        tokio::time::sleep(after).await;
        self.stop.store(true, Ordering::SeqCst);
        soon("the consumers end", self.consumers.join_all()).await
    }
}

async fn ask(consumer: RawConsumer, stop: Arc<AtomicBool>) -> Heard {
    let mut heard = Heard {
        answers: 0,
        last_answer: Instant::now(),
        refusals: Vec::new(),
    };
    while !stop.load(Ordering::SeqCst) {
        match consumer.ask_well().await {
            Ok(_) => {
                heard.answers += 1;
                heard.last_answer = Instant::now();
            }
            Err(refusal) => {
                heard.refusals.extend(refusal.code);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    heard
}

/// The connection over which nothing is ever asked: gives how long after now it ended.
async fn ends(switch: &TestSwitch, tls: Arc<ClientConfig>) -> tokio::task::JoinHandle<Instant> {
    let mut connection = connect(switch.exchange(), tls).await.unwrap();
    let mut settings = [0; 9];
    connection.read_exact(&mut settings).await.unwrap();
    tokio::spawn(async move {
        let mut rest = Vec::new();
        // In order or not: it ends.
        let _ = connection.read_to_end(&mut rest).await;
        Instant::now()
    })
}

/// How a revocation went.
struct Went {
    /// From the moment that the act was sent to the last answer that any consumer got.
    last_answer: Duration,
    /// From the same moment to the end of an idle connection; `None` when it stays.
    closed: Option<Duration>,
    heard: Vec<Heard>,
}

impl Went {
    fn answers(&self) -> u64 {
        self.heard.iter().map(|heard| heard.answers).sum()
    }

    fn only(&self, code: Code) {
        for heard in &self.heard {
            let others: Vec<_> = heard.refusals.iter().filter(|c| **c != code).collect();
            assert!(others.is_empty(), "{others:?}");
            assert!(!heard.refusals.is_empty(), "nobody was told {code}");
        }
    }
}

/// Brings load over `tls`, does `act`, watches.
async fn revoke(
    world: &World,
    tls: Arc<ClientConfig>,
    closes: bool,
    act: impl Future<Output = ()>,
) -> Went {
    let provider = tokio::spawn(world.raw_provider(64).await.answer_all());
    let load = Load::start(world, Arc::clone(&tls)).await;
    let idle = ends(&world.switch, tls).await;
    let size = world.switch.size();
    soon("the load runs", async {
        while world.switch.size() < size + 60 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let begun = Instant::now();
    act.await;
    let closed = if closes {
        let ended = soon("the idle connection ends", idle).await.unwrap();
        Some(ended.saturating_duration_since(begun))
    } else {
        assert!(!idle.is_finished());
        None
    };
    let heard = load.end(Duration::from_millis(700)).await;
    provider.abort();
    let last = heard.iter().map(|heard| heard.last_answer).max().unwrap();
    Went {
        last_answer: last.saturating_duration_since(begun),
        closed,
        heard,
    }
}

/// What the log says: milliseconds from the revoking entry to the last request and the last answer after it.
fn after_the_entry(told: &Told, kind: Kind) -> (Option<u64>, u64) {
    let at_ms = |index: usize| told.entries[index].stamp.recorded_at_us / 1_000;
    let revoked = told.entries.iter().rposition(|entry| entry.kind == kind);
    let revoked = revoked.unwrap();
    let last = |wanted: Kind, code: &str| {
        told.of(wanted)
            .into_iter()
            .filter(|(index, _, facts)| *index > revoked as u64 && facts.code == code)
            .map(|(index, ..)| at_ms(index as usize) - at_ms(revoked))
            .max()
    };
    (
        last(Kind::Request, ""),
        last(Kind::Closing, "answered").unwrap_or(0),
    )
}

/// The connections close within a second, and no request is recorded after the entry at all.
async fn nothing_follows(name: &str, world: World, went: Went, entry: Kind) {
    let told = world.finish().await;
    let (request, answer_ms) = after_the_entry(&told, entry);
    println!(
        "{name}: {} answers; last answer {:?} after the act was sent, idle connection closed after {:?}; by the \
         log, last request {request:?} ms and last answer {answer_ms} ms after the entry",
        went.answers(),
        went.last_answer,
        went.closed,
    );
    assert_eq!(request, None, "a request was accepted after the entry");
    assert!(answer_ms < 1_000);
    assert!(went.last_answer < WITHIN, "{:?}", went.last_answer);
    assert!(went.closed.is_none_or(|closed| closed < WITHIN));
    assert!(went.answers() > 10, "there was no load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_agency_asks_nothing_more() {
    let world = world().await;
    let tls = world.moss.tls(world.switch.ground());
    let deed = OperatorDeed::SuspendAgency {
        agency: world.moss.agency(),
        lifted: false,
        reason: "audit".to_owned(),
    };
    let went = revoke(&world, tls, true, async {
        let operator = world.switch.operator();
        world.switch.operate(&operator, deed).await.unwrap();
    })
    .await;
    went.only(Code::AgencySuspended);
    nothing_follows("agency suspended", world, went, Kind::OperatorAct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_was_ended_asks_nothing_more() {
    let world = world().await;
    let tls = world.moss.tls(world.switch.ground());
    let deed = AgencyDeed::EndSystem {
        system: world.moss.system.clone(),
        reason: part("compromised"),
    };
    let went = revoke(&world, tls, true, async {
        world.moss.does(&world.switch, deed).await.unwrap();
    })
    .await;
    went.only(Code::CertificateRevoked);
    nothing_follows("system ended", world, went, Kind::AgencyAct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_was_ended_opens_nothing_and_the_systems_others_go_on() {
    let world = world().await;
    let ground = world.switch.ground();
    // The load comes over a second certificate of the same system.
    let life = time::Duration::HOUR;
    let second = world.switch.certificate(&world.moss.system, life).await;
    let deed = AgencyDeed::EndCertificate {
        sha256: Digest::of(&second.chain()[0]),
        reason: part("stolen"),
    };
    let first = ends(&world.switch, world.moss.tls(ground)).await;
    let went = revoke(&world, ground.client_tls(&second), true, async {
        world.moss.does(&world.switch, deed).await.unwrap();
    })
    .await;
    went.only(Code::CertificateRevoked);
    assert!(!first.is_finished(), "the other certificate still holds");
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let size = world.switch.size();
    world.raw_consumer().await.ask_well().await.unwrap();
    assert_eq!(world.switch.size(), size + 2);
    provider.abort();
    let told = world.finish().await;
    let (request, _) = after_the_entry(&told, Kind::AgencyAct);
    println!("certificate ended: closed after {:?}", went.closed);
    // The one that was asked over the first certificate, and no other.
    assert!(request.is_some());
    let shown = second_shown(&told, &second);
    assert_eq!(
        shown,
        Vec::<u64>::new(),
        "requests over the ended certificate"
    );
    assert!(went.last_answer < WITHIN && went.closed.unwrap() < WITHIN);
}

/// Requests after the revoking entry that were brought over this certificate.
fn second_shown(told: &Told, identity: &certs::Identity) -> Vec<u64> {
    let sha256 = Digest::of(&identity.chain()[0]);
    let revoked = told
        .entries
        .iter()
        .rposition(|entry| entry.kind == Kind::AgencyAct)
        .unwrap() as u64;
    told.of(Kind::Request)
        .into_iter()
        .filter(|(index, _, facts)| *index > revoked && facts.peer_sha256[..] == sha256.0[..])
        .map(|(index, ..)| index)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_ended_key_seals_is_refused_and_its_connection_stays() {
    let world = world().await;
    let tls = world.moss.tls(world.switch.ground());
    let went = revoke(&world, tls, false, world.moss.end_key(&world.switch)).await;
    went.only(Code::KeyEnded);
    nothing_follows("key ended", world, went, Kind::KeyEnded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_provider_is_asked_nothing_more_and_its_link_is_gone() {
    let world = world().await;
    let tls = world.moss.tls(world.switch.ground());
    let links = Arc::clone(world.switch.switch().exchange().links());
    let deed = OperatorDeed::SuspendAgency {
        agency: world.civil.agency(),
        lifted: false,
        reason: "audit".to_owned(),
    };
    let went = revoke(&world, tls, false, async {
        assert!(!links.attached().is_empty());
        let operator = world.switch.operator();
        world.switch.operate(&operator, deed).await.unwrap();
        let begun = Instant::now();
        while !links.attached().is_empty() {
            assert!(begun.elapsed() < WITHIN, "the link is still there");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    // What was under way when the link went has ended as provider_failed; everything after it is refused.
    for heard in &went.heard {
        let known = [Code::AgencySuspended, Code::ProviderFailed];
        let told = heard.refusals.iter().all(|code| known.contains(code));
        assert!(told, "{:?}", heard.refusals);
        assert_eq!(heard.refusals.last(), Some(&Code::AgencySuspended));
    }
    nothing_follows("provider suspended", world, went, Kind::OperatorAct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_lost_the_role_is_cut_off_and_everybody_else_stays() {
    let world = world().await;
    let switch = &world.switch;
    let roles = [
        (PersonRole::Operator, "second"),
        (PersonRole::Approver, "basma"),
        (PersonRole::Auditor, "omar"),
        (PersonRole::Dpo, "mina"),
    ];
    let operator = switch.operator();
    let stays = ends(switch, Arc::clone(&operator.tls)).await;
    for (role, name) in roles {
        let person = switch.person(role, name).await;
        let connection = ends(switch, Arc::clone(&person.tls)).await;
        let begun = Instant::now();
        switch.dismiss(&operator, role, &person).await;
        let ended = soon("the connection ends", connection).await.unwrap();
        let took = ended.saturating_duration_since(begun);
        assert!(took < WITHIN, "{role}: {took:?}");
    }
    assert!(!stays.is_finished());
    world.finish().await;
}
