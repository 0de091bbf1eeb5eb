//! Floods: bounded, told with a time to come back, and never a way to fill the log or to starve others.

use std::time::Duration;

use proto::Code;
use proto::entry::Kind;
use tests::agency::TestAgency;
use tests::agreements::Terms;
use tests::channel::welcomed;
use tests::journal::Faulty;
use tests::link::RawProvider;
use tests::raw::RawConsumer;
use tests::world::World;
use tests::{soon, until};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_agencys_flood_does_not_take_anothers_place() {
    let world = World::with_limits("in_flight = 3\nin_flight_per_agency = 2").await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let agreement = world
        .civil
        .agree(&world.switch, &giza, &Terms::for_agency(&giza))
        .await;
    let mut provider = world.raw_provider(3).await;
    let moss = world.raw_consumer().await;
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    let for_giza = || giza.envelope(|header| header.agreement = Some(agreement));
    let mut under_way = Vec::new();
    let mut delivered = Vec::new();
    for _ in 0..2 {
        let moss = moss.clone();
        under_way.push(tokio::spawn(async move { moss.ask_well().await }));
        delivered.push(provider.delivery().await);
    }
    let size = world.switch.size();
    let limited = moss.ask_well().await.unwrap_err();
    assert_eq!(
        (limited.code, limited.word("recording")),
        (Some(Code::RateLimited), "not_recorded")
    );
    assert!(limited.retry.is_some() && limited.receipt.is_none());
    // The other agency has its place; then the switch is full for everybody.
    let envelope = for_giza();
    let other = giza.clone();
    under_way.push(tokio::spawn(async move { other.ask(&envelope).await }));
    delivered.push(provider.delivery().await);
    let overloaded = giza.refused(&for_giza()).await;
    assert_eq!(
        (overloaded.code, overloaded.grpc),
        (Some(Code::Overloaded), tonic::Code::ResourceExhausted)
    );
    assert!(overloaded.retry.is_some());
    assert_eq!(world.switch.size(), size + 1, "neither flood left an entry");
    for delivered in &delivered {
        provider.answer_well(delivered).await;
    }
    for asked in under_way {
        soon("the consumer hears", asked).await.unwrap().unwrap();
    }
    let told = world.finish().await;
    assert_eq!((told.coded("answered"), told.count(Kind::Refusal)), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_that_asks_little_goes_before_what_a_flood_has_waiting() {
    const FLOOD: usize = 200;
    const LITTLE: usize = 2;
    let world = World::new().await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let terms = Terms::for_agency(&giza);
    let agreement = world.civil.agree(&world.switch, &giza, &terms).await;
    // Nothing becomes durable for a while: what is begun stays begun, and the rest waits.
    let (world, journal) = world.over(|journal| Faulty::new(journal, false)).await;
    let provider = tokio::spawn(world.raw_provider(512).await.answer_all());
    let moss = world.raw_consumer().await;
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    journal.hold(true);
    let ask = |consumer: &RawConsumer, agreement| {
        let envelope = consumer.envelope(|header| header.agreement = Some(agreement));
        let consumer = consumer.clone();
        tokio::spawn(async move { consumer.ask(&envelope).await })
    };
    let flood: Vec<_> = (0..FLOOD).map(|_| ask(&moss, world.agreement)).collect();
    let exchange = world.switch.switch().exchange();
    until("the flood is let in", || exchange.under_way() == FLOOD).await;
    let little: Vec<_> = (0..LITTLE).map(|_| ask(&giza, agreement)).collect();
    until("the other agency is let in", || {
        exchange.under_way() == FLOOD + LITTLE
    })
    .await;
    journal.hold(false);
    let mut last = 0;
    for asked in little {
        let answered = soon("an answer", asked).await.unwrap().unwrap();
        last = last.max(answered.request.0);
    }
    let mut behind = 0;
    for asked in flood {
        let answered = soon("an answer", asked).await.unwrap().unwrap();
        behind += usize::from(answered.request.0 > last);
    }
    // It came last of all. What of the flood had begun stands before it, and what waited behind it.
    assert!(
        behind >= FLOOD / 2,
        "{behind} of {FLOOD} behind the other agency"
    );
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(told.coded("answered"), (FLOOD + LITTLE) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_holds_a_share_and_neither_its_askers_nor_others_are_stopped() {
    // Six of an agency's eight with one provider; nine with it whoever asks.
    let limits = "in_flight = 16\nin_flight_per_agency = 8\nin_flight_per_provider = 9";
    let world = World::with_limits(limits).await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    let hangs = TestAgency::enrol(&world.switch, "EG/GOV/HANGS/registry").await;
    let contract = hangs.publish(&world.switch).await;
    let of_giza = Terms::for_agency(&giza);
    let with_civil = world.civil.agree(&world.switch, &giza, &of_giza).await;
    let giza_hangs = hangs.agree(&world.switch, &giza, &of_giza).await;
    let of_moss = Terms::for_agency(&world.moss);
    let moss_hangs = hangs.agree(&world.switch, &world.moss, &of_moss).await;
    let provider = tokio::spawn(world.raw_provider(16).await.answer_all());
    let deaf = RawProvider::connect(world.switch.ground(), &hangs, world.switch.exchange()).await;
    let mut deaf = deaf.attach(64).await;
    let moss = world.raw_consumer().await;
    let giza = RawConsumer::connect(&world, &giza, world.switch.exchange()).await;
    let stuck = |consumer: &RawConsumer, agreement| {
        consumer.envelope(|header| {
            header.provider = hangs.system.clone();
            (header.contract, header.agreement) = (contract, Some(agreement));
            header.deadline_ms = 3_000;
        })
    };
    let mut hanging = Vec::new();
    for (consumer, agreement, most, code) in [
        (&moss, moss_hangs, 6, Code::RateLimited),
        (&giza, giza_hangs, 3, Code::Overloaded),
    ] {
        for _ in 0..most {
            let (consumer, envelope) = (consumer.clone(), stuck(consumer, agreement));
            hanging.push(tokio::spawn(async move { consumer.ask(&envelope).await }));
            deaf.delivery().await;
        }
        let refused = consumer.refused(&stuck(consumer, agreement)).await;
        assert_eq!(
            (refused.code, refused.word("recording")),
            (Some(code), "not_recorded")
        );
        assert!(refused.retry.is_some());
    }
    // Everybody's other provider answers meanwhile.
    moss.ask_well().await.unwrap();
    let asked = giza.envelope(|header| header.agreement = Some(with_civil));
    giza.ask(&asked).await.unwrap();
    for asked in hanging {
        let refusal = soon("the deadline", asked).await.unwrap().unwrap_err();
        assert_eq!(refusal.code, Some(Code::Deadline));
    }
    drop(deaf);
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!((told.coded("answered"), told.coded("deadline")), (2, 9));
    assert_eq!(told.count(Kind::Refusal), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_above_the_budget_are_counted_and_none_is_lost() {
    let world = World::with_limits("refusals_per_minute = 5").await;
    let consumer = world.raw_consumer().await;
    let curious =
        || consumer.envelope(|header| header.purpose = tests::agreements::part("curiosity"));
    for refused in 1..=8 {
        let refusal = consumer.refused(&curious()).await;
        let expected = if refused <= 5 { "recorded" } else { "counted" };
        assert_eq!(
            (refusal.code, refusal.word("recording")),
            (Some(Code::PurposeNotGranted), expected)
        );
        assert_eq!(
            refusal.receipt.is_some(),
            refused <= 5,
            "a count of several proves none of them"
        );
    }
    for _ in 0..2 {
        let refusal = consumer
            .refused(&consumer.sealed(bytes::Bytes::from_static(b"\xff")))
            .await;
        assert_eq!(
            (refusal.code, refusal.word("recording")),
            (Some(Code::Malformed), "counted")
        );
    }
    let told = world.finish().await;
    let counted: Vec<_> = told
        .of(Kind::Refusal)
        .into_iter()
        .filter(|(_, _, facts)| facts.count > 0)
        .map(|(_, _, facts)| (facts.code, facts.count))
        .collect();
    assert_eq!(counted.len(), 2);
    assert!(counted.contains(&("purpose_not_granted".to_owned(), 3)));
    assert!(counted.contains(&("malformed".to_owned(), 2)));
    assert_eq!(
        (told.coded("purpose_not_granted"), told.coded("malformed")),
        (8, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_has_so_many_connections_and_others_have_theirs() {
    let world = World::with_limits("connections_per_agency = 2").await;
    let ground = world.switch.ground();
    let first = soon(
        "TLS",
        tests::channel::connect(world.switch.exchange(), world.moss.tls(ground)),
    )
    .await
    .unwrap();
    let second = soon(
        "TLS",
        tests::channel::connect(world.switch.exchange(), world.moss.tls(ground)),
    )
    .await
    .unwrap();
    let third = soon(
        "TLS",
        welcomed(world.switch.exchange(), world.moss.tls(ground)),
    )
    .await;
    assert!(third.is_err(), "a third connection of one agency");
    soon(
        "TLS",
        welcomed(world.switch.exchange(), world.civil.tls(ground)),
    )
    .await
    .unwrap();
    drop((first, second));
    soon("a place is given back", async {
        while welcomed(world.switch.exchange(), world.moss.tls(ground))
            .await
            .is_err()
        {}
    })
    .await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_shake_hands_is_sent_away_and_holds_up_nobody() {
    let world = World::with_limits("handshake_timeout_ms = 200").await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(world.switch.exchange()).await.unwrap());
    }
    soon(
        "TLS",
        welcomed(
            world.switch.exchange(),
            world.moss.tls(world.switch.ground()),
        ),
    )
    .await
    .unwrap();
    for mut silent in silent {
        let mut said = [0; 1];
        let read = soon("the handshake's end", silent.read(&mut said)).await;
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_read_does_not_hold_up_the_others() {
    let world = World::new().await;
    // Attached, with credit for everything, and never read: its stream's window fills up.
    let deaf = world.raw_provider(4096).await;
    let giza = TestAgency::enrol(&world.switch, "EG/GOV/GIZA/services").await;
    giza.publish(&world.switch).await;
    let consumer = world.raw_consumer().await;
    let stuck: Vec<_> = (0..16)
        .map(|_| {
            let consumer = consumer.clone();
            let payload = bytes::Bytes::from(vec![b'x'; 1 << 20]);
            let mut envelope = consumer.envelope(|header| {
                header.payload =
                    proto::commitment::Commitment::new("text/plain", &payload, &tests::raw::SALT);
                header.deadline_ms = 1_500;
            });
            envelope.payload = payload;
            tokio::spawn(async move { consumer.ask(&envelope).await })
        })
        .collect();
    // Another provider's path is free meanwhile, well before the stuck ones' deadline.
    let other = consumer.envelope(|header| header.provider = giza.system.clone());
    let refused =
        tokio::time::timeout(Duration::from_millis(1_400), consumer.refused(&other)).await;
    assert_eq!(refused.expect("not held up").code, Some(Code::NoAgreement));
    for stuck in stuck {
        let refusal = soon("the deadline", stuck).await.unwrap().unwrap_err();
        assert_eq!(refusal.code, Some(Code::Deadline));
    }
    drop(deaf);
    let told = world.finish().await;
    assert_eq!(told.coded("deadline"), 16);
}
