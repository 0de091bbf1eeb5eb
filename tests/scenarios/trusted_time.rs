//! Trusted time: authorities stamp the log while exchanges go on; an auditor with their roots believes no other clock.

use std::path::Path;
use std::process::Command;

use audit::checkpoint::Checkpoint;
use audit::clock::Clock;
use audit::replay;
use audit::timestamp::{self, kept};
use audit::verify::{self, Options, Report, TimeOptions, rule};
use broker::stamping::Standing;
use serde_json::Value;
use tests::check::published_size;
use tests::ground::{Ground, ORIGIN};
use tests::process::mohawel;
use tests::switch::TestSwitch;
use tests::time_authority::{Manner, TimeAuthority};
use tests::world::World;
use tests::{soon, until};

/// Stamped each second; told after one without.
const OFTEN: &str = "[time]\ninterval = \"1s\"\nalarm_after = \"1s\"\n";

/// A switch on the machine's own clock, stamped by `authorities`.
async fn stamped_by(clock: Clock, authorities: &[&TimeAuthority], more: &str) -> TestSwitch {
    let ground = Ground::found_at(clock).await;
    let sections: String = authorities
        .iter()
        .map(|authority| authority.section())
        .collect();
    TestSwitch::on(ground, &format!("\n{OFTEN}{more}{sections}"))
        .await
        .unwrap()
}

async fn stands(switch: &TestSwitch, what: &str, holds: impl Fn(&Standing) -> bool) -> Standing {
    until(what, || holds(&switch.switch().trusted_time().unwrap())).await;
    switch.switch().trusted_time().unwrap()
}

fn verified(ground: &Ground, authority: &TimeAuthority) -> Report {
    let time = TimeOptions::new(authority.roots());
    let options = Options {
        key: Some(ground.log_key()),
        time: Some(time),
        ..Options::default()
    };
    verify::verify_directory(&ground.log_dir(), options)
}

fn rules(report: &Report) -> Vec<&'static str> {
    report
        .findings
        .kept()
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_stamped_and_openssl_verifies_what_is_kept() {
    let authority = TimeAuthority::start_ec("east").await;
    let switch = stamped_by(Clock::System, &[&authority], "").await;
    stands(&switch, "a first token", |standing| standing.tokens > 0).await;
    let world = World::populate(switch).await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    consumer.ask(&consumer.envelope(|_| {})).await.unwrap();
    let size = world.switch.size();
    // Over the exchange, and then again over a log that stands still.
    let standing = stands(&world.switch, "tokens", |standing| {
        standing
            .last
            .as_ref()
            .is_some_and(|(covered, _)| *covered >= size)
    })
    .await;
    stands(&world.switch, "another token", |now| {
        now.tokens > standing.tokens
    })
    .await;
    assert_eq!(standing.last.unwrap().1.authority, "CN=east");
    let ground = world.switch.stop().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();

    let dir = ground.log_dir();
    let mut files = 0;
    for size in kept::sizes(&dir).unwrap() {
        for name in [kept::Name::First(size), kept::Name::Last(size)] {
            let (note, token) = (kept::Name::Note(size).path(&dir), name.path(&dir));
            if token.exists() {
                authority.confirms(&note, &token).unwrap();
                files += 1;
            }
        }
    }
    assert!(files >= 3, "{files}");
    let report = verified(&ground, &authority);
    assert!(
        report.is_proven() && rules(&report).is_empty(),
        "{:?}",
        report.findings
    );
    assert_eq!((report.time.tokens, report.time.verified), (files, files));
    // What a bundle takes along.
    let kept = timestamp::at_or_after(&dir, size).unwrap().unwrap();
    assert!(timestamp::verify(&kept.token, &kept.note, &authority.roots()).is_ok());
    shown(&dir, &authority, true);
    // Another note under a token of ours.
    let first = kept::sizes(&dir).unwrap()[0];
    std::fs::copy(
        kept::Name::Note(size).path(&dir),
        kept::Name::Note(first).path(&dir),
    )
    .unwrap();
    assert!(
        authority
            .confirms(
                &kept::Name::Note(first).path(&dir),
                &kept::Name::First(first).path(&dir)
            )
            .is_err()
    );
    assert!(!verified(&ground, &authority).is_proven());
    shown(&dir, &authority, false);
}

/// `mohawel audit time` over the log, as a person and a machine run it.
fn shown(dir: &Path, authority: &TimeAuthority, sound: bool) {
    let run = |arguments: &[&str]| {
        Command::new(mohawel())
            .args(arguments)
            .args(["audit", "time", "--log"])
            .arg(dir)
            .arg("--time-roots")
            .arg(authority.root())
            .output()
            .unwrap()
    };
    let said = run(&["--json"]);
    assert_eq!(
        said.status.code(),
        Some(if sound { 0 } else { 1 }),
        "{said:?}"
    );
    let value: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(value["ok"], sound);
    let tokens = value["tokens"].as_array().unwrap();
    assert_eq!(tokens.iter().all(|token| token["ok"] == true), sound);
    let (english, arabic) = (run(&[]), run(&["--lang", "ar"]));
    assert!(String::from_utf8_lossy(&english.stdout).contains("CN=east"));
    assert!(String::from_utf8_lossy(&arabic.stdout).contains("جهة الختم الزمني"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_first_authority_is_away_the_second_is_asked() {
    let (east, west) = (
        TimeAuthority::start_ec("east").await,
        TimeAuthority::start_rsa("west").await,
    );
    east.behave(Manner::Away);
    let switch = stamped_by(Clock::System, &[&east, &west], "").await;
    let by = |name: &'static str| {
        move |standing: &Standing| {
            standing
                .last
                .as_ref()
                .is_some_and(|(_, time)| time.authority == name)
        }
    };
    let standing = stands(&switch, "the second one's token", by("CN=west")).await;
    assert!(
        standing.failures >= 1 && standing.alarms == 0,
        "{standing:?}"
    );
    east.behave(Manner::Honest);
    stands(&switch, "the first one's token", by("CN=east")).await;
    let ground = switch.stop().await;
    // With the root of one of them only, the other's tokens prove nothing.
    assert!(rules(&verified(&ground, &west)).contains(&rule::TIME_TOKEN));
    let both = [
        std::fs::read(east.root()).unwrap(),
        std::fs::read(west.root()).unwrap(),
    ]
    .concat();
    let time = TimeOptions::new(timestamp::Roots::from_pem(&both).unwrap());
    let options = Options {
        key: Some(ground.log_key()),
        time: Some(time),
        ..Options::default()
    };
    assert!(verify::verify_directory(&ground.log_dir(), options).is_proven());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_authority_exchanges_go_on_and_an_alarm_is_told() {
    let authority = TimeAuthority::start_ec("east").await;
    let other = TimeAuthority::start_ec("east").await;
    let token = {
        // A sound token of the same name, over another log.
        let switch = stamped_by(Clock::System, &[&other], "").await;
        stands(&switch, "a token", |standing| standing.tokens > 0).await;
        let ground = switch.stop().await;
        let kept = timestamp::at_or_after(&ground.log_dir(), 0)
            .unwrap()
            .unwrap();
        kept.token.to_vec()
    };
    authority.behave(Manner::Away);
    let world = World::populate(stamped_by(Clock::System, &[&authority], "").await).await;
    let provider = tokio::spawn(world.raw_provider(4).await.answer_all());
    let consumer = world.raw_consumer().await;
    for manner in [
        Manner::Away,
        Manner::Endless,
        Manner::Fixed(Vec::new()),
        Manner::Fixed(vec![0x30; 70_000]),
        Manner::Fixed(token),
        Manner::Silent,
    ] {
        let before = world.switch.switch().trusted_time().unwrap().failures;
        let asked = authority.asked();
        authority.behave(manner.clone());
        until("it is asked again", || authority.asked() > asked).await;
        consumer.ask(&consumer.envelope(|_| {})).await.unwrap();
        stands(&world.switch, "a failure", |standing| {
            standing.failures > before
        })
        .await;
    }
    let standing = stands(&world.switch, "an alarm", |standing| standing.alarms > 0).await;
    assert!(
        standing.tokens == 0 && standing.must_end.is_none(),
        "{standing:?}"
    );
    assert!(
        !world
            .switch
            .ground()
            .log_dir()
            .join(timestamp::TIME_DIR)
            .exists()
    );
    authority.behave(Manner::Honest);
    stands(&world.switch, "a token after all", |standing| {
        standing.tokens > 0
    })
    .await;
    let told = world.finish().await;
    soon("the link ends with the switch", provider)
        .await
        .unwrap();
    assert_eq!(told.coded("answered"), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_ends_the_switch_in_order_also_after_a_new_start() {
    let authority = TimeAuthority::start_ec("east").await;
    let switch = stamped_by(Clock::System, &[&authority], "stop_after = \"3s\"\n").await;
    stands(&switch, "a token", |standing| standing.tokens > 0).await;
    authority.behave(Manner::Away);
    let reason = soon("the limit is told", switch.switch().must_end()).await;
    assert!(reason.contains("time.stop_after is 3 s"), "{reason}");
    let (exchange, enrol) = (switch.exchange(), switch.enrol());
    let ground = switch.stop().await;
    // The time that passed counts on: starting again gives one round, not another three seconds.
    let limits = format!("\n{OFTEN}stop_after = \"3s\"\n{}", authority.section());
    let switch = TestSwitch::on_addresses(ground, &limits, exchange, enrol)
        .await
        .unwrap();
    soon("the limit is told", switch.switch().must_end()).await;
    let standing = switch.switch().trusted_time().unwrap();
    assert_eq!(standing.failures, 1, "{standing:?}");
    switch.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_convicted_by_the_authority() {
    let authority = TimeAuthority::start_ec("east").await;
    for (off_s, wanted) in [(-600_i64, rule::BACK_DATED), (600, rule::TIME_AHEAD)] {
        let clock = Clock::fixed(
            Clock::System
                .now_us()
                .saturating_add_signed(off_s * 1_000_000),
        );
        let switch = stamped_by(clock, &[&authority], "").await;
        let standing = stands(&switch, "a token", |standing| standing.tokens > 0).await;
        assert!(
            standing.astray > 0,
            "the operator was not told: {standing:?}"
        );
        let world = World::populate(switch).await;
        let size = world.switch.size();
        stands(&world.switch, "a token over all", |standing| {
            standing
                .last
                .as_ref()
                .is_some_and(|(covered, _)| *covered >= size)
        })
        .await;
        let ground = world.switch.stop().await;
        let report = verified(&ground, &authority);
        assert!(!report.is_proven());
        // A replay says the same, beside everything that it judges again.
        let replayed = replay::replay(
            &ground.log_dir(),
            replay::Options {
                key: Some(ground.log_key()),
                time: Some(TimeOptions::new(authority.roots())),
                ..replay::Options::default()
            },
        );
        assert!(!replayed.is_clean() && replayed.findings.errors() == 0);
        assert!(replayed.files.findings.names(wanted));
        assert!(
            rules(&report).iter().all(|rule| *rule == wanted),
            "{off_s}: {:?}",
            report.findings
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_over_another_history_stays_as_evidence() {
    let authority = TimeAuthority::start_ec("east").await;
    let switch = stamped_by(Clock::System, &[&authority], "").await;
    stands(&switch, "a token", |standing| standing.tokens > 0).await;
    let ground = switch.stop().await;
    // As a log that lost its end would find it: a checkpoint of the size that the next start makes, and of another tree.
    let size = published_size(&ground.log_dir(), &ground.log_key()) + 1;
    let root = proto::digest::Digest::of(b"another history");
    let other = Checkpoint {
        origin: ORIGIN.into(),
        size,
        root,
    };
    let note = other.sign(&*ground.log_signer()).unwrap().note;
    kept::keep(&ground.log_dir(), size, &note, b"a token over it").unwrap();
    let limits = format!("\n{OFTEN}{}", authority.section());
    let switch = TestSwitch::on(ground, &limits).await.unwrap();
    stands(&switch, "a refusal", |standing| standing.failures > 0).await;
    let dir = switch.ground().log_dir();
    let kept = kept::read(&dir, size).unwrap().unwrap();
    assert_eq!(
        (&kept.note, &kept.token[..], kept.last),
        (&note, &b"a token over it"[..], None)
    );
    // The next entry makes another size.
    switch.invite("EG/GOV/LATER").await;
    stands(&switch, "a token after all", |standing| standing.tokens > 0).await;
    let ground = switch.stop().await;
    assert!(rules(&verified(&ground, &authority)).contains(&rule::TIME_FORK));
}

#[tokio::test]
async fn an_authority_that_cannot_be_used_is_told_before_the_start() {
    let authority = TimeAuthority::start_ec("east").await;
    std::fs::write(authority.root(), "no certificate").unwrap();
    let ground = Ground::found_at(Clock::System).await;
    let limits = format!("\n{OFTEN}{}", authority.section());
    let (error, ground) = TestSwitch::on(ground, &limits).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("time.authorities.1: time-stamp roots:"),
        "{error}"
    );
    let found = broker::Switch::check(&ground.config(), &ground.clock);
    assert!(
        found.iter().any(|problem| problem.contains("root.pem")),
        "{found:?}"
    );
}
