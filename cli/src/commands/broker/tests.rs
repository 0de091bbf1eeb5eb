//! A switch as an operator runs it: started, asked, stopped, started again.

use std::time::Duration;

use adapters::authority::AuthorityPlace;
use adapters::enrol::{EnrolOptions, enrol};
use proto::id::AgencyId;

use super::*;
use crate::commands::init::{self, InitOptions};
use crate::commands::operator::Operator;
use crate::commands::{act, agency, agreement, registry};

async fn new_switch(dir: &std::path::Path) -> SwitchDir {
    let options = InitOptions {
        dir: dir.join("switch"),
        instance: "EG".to_owned(),
        origin: "switch.example/log".to_owned(),
        trust_domain: None,
        operator: "operator".to_owned(),
        exchange_listen: "127.0.0.1:0".parse().unwrap(),
        enrol_listen: "127.0.0.1:0".parse().unwrap(),
        exchange_address: None,
        enrol_address: None,
    };
    init::create(&options, &Clock::System).await.unwrap().switch
}

fn options(switch: &SwitchDir) -> BrokerOptions {
    BrokerOptions {
        switch: switch.clone(),
        echo: true,
        clock: Clock::System,
        given_up: Default::default(),
    }
}

async fn echoed(home: &std::path::Path) -> serde_json::Value {
    let adapter = act::connect(home).await.unwrap();
    let consumer = adapter.consumer();
    let ask = consumer
        .ask("EG/GOV/SWITCH/echo/echo.v1")
        .operation("echo")
        .purpose("test");
    let answer = Box::pin(ask.payload_json(&json!({ "hello": "world" })).send())
        .await
        .unwrap();
    answer.json().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agency_exchanges_with_nobody_else_there_and_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let switch = new_switch(dir.path()).await;
    let running = Running::start(options(&switch)).await.unwrap();
    assert_eq!(running.echo_failure(), None);
    assert_eq!(
        switch.running_addresses().unwrap().as_ref(),
        Some(running.addresses())
    );

    let operator = Operator::open(&switch, &Clock::System).unwrap();
    let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
    let life = Duration::from_secs(3_600);
    let invited = agency::invite(&operator, &moss, life, &Clock::System)
        .await
        .unwrap();
    let home = dir.path().join("moss");
    let enrolled = enrol(EnrolOptions {
        home: home.clone(),
        invitation: invited.invitation.encode().unwrap(),
        address: None,
        system: "takaful".to_owned(),
        adapter: "a1".to_owned(),
        name_ar: "التضامن الاجتماعي".to_owned(),
        name_en: "Social Solidarity".to_owned(),
        authority: AuthorityPlace::InHome,
        clock: Clock::System,
    });
    Box::pin(enrolled).await.unwrap();
    assert_eq!(echoed(&home).await, json!({ "hello": "world" }));

    // Registered once: a second invitation of the same name is refused, with the code of a refusal.
    let again = agency::invite(&operator, &moss, life, &Clock::System)
        .await
        .unwrap_err();
    assert_eq!(again.exit, Exit::Refused);
    let long = agency::invite(
        &operator,
        &moss,
        Duration::from_secs(31 * 86_400),
        &Clock::System,
    )
    .await;
    assert_eq!(long.unwrap_err().exit, Exit::Usage);
    running.shutdown().await.unwrap();
    assert_eq!(switch.running_addresses().unwrap(), None);

    let entries = registry::from_log(&switch.log()).unwrap().size();
    let running = Running::start(options(&switch)).await.unwrap();
    assert_eq!(running.echo_failure(), None);
    // The echo agency is on board already: a second start records nothing about it.
    running.shutdown().await.unwrap();
    let registry = registry::from_log(&switch.log()).unwrap();
    assert_eq!(registry.size(), entries);
    let public = registry.agreements().next().unwrap();
    assert_eq!(
        agreement::find(&registry, &public.id.short()).unwrap().id,
        public.id
    );
    for wrong in ["", "abc", "zzzzzzzz", "00000000"] {
        assert_eq!(
            agreement::find(&registry, wrong).unwrap_err().exit,
            Exit::Usage,
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_broker_and_mistakes_in_it_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let switch = new_switch(dir.path()).await;
    let quiet = BrokerOptions {
        echo: false,
        ..options(&switch)
    };
    let running = Running::start(quiet.clone()).await.unwrap();
    assert_eq!(
        Running::start(quiet.clone()).await.unwrap_err().exit,
        Exit::Unavailable
    );
    running.shutdown().await.unwrap();

    let text = std::fs::read_to_string(switch.config()).unwrap();
    let broken = text
        .replace("broker = 1", "broker = -1")
        .replace("[limits]", "[limits]\ncolour = 1");
    std::fs::write(switch.config(), broken).unwrap();
    let failure = Running::start(quiet.clone()).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(
        failure.what[0].contains("limits.colour") && failure.what[0].contains("switch.broker"),
        "{failure:?}"
    );

    std::fs::write(
        switch.config(),
        text.replace("switch.example/log", "other.example/log"),
    )
    .unwrap();
    assert!(Running::start(quiet).await.is_err());
    let nowhere = BrokerOptions {
        switch: SwitchDir::new(dir.path().join("nowhere")),
        ..options(&switch)
    };
    assert_eq!(Running::start(nowhere).await.unwrap_err().exit, Exit::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_reads_what_the_start_reads_and_tells_every_problem() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let switch = new_switch(dir.path()).await;
    let output = crate::output::Output {
        language: proto::refusal::Language::English,
        json: false,
    };
    check::run(&switch, output).unwrap();
    std::fs::set_permissions(switch.log_key(), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(switch.broker_chain(), "no certificate").unwrap();
    std::fs::write(switch.authority().join("root.pem"), "no root").unwrap();
    std::fs::write(switch.log().join("checkpoint"), "no checkpoint").unwrap();
    let told = check::run(&switch, output).unwrap_err();
    assert_eq!(told.exit, Exit::Usage);
    for (key, path) in [
        ("log.key", "keys/log.key"),
        ("tls.certificate_chain", "tls/broker.pem"),
        ("tls.authority_dir", "authority"),
        ("log.dir", "log"),
    ] {
        let line = told.what[0]
            .lines()
            .find(|line| line.trim().starts_with(key));
        assert!(
            line.is_some_and(|line| line.contains(path)),
            "{key}: {}",
            told.what[0]
        );
    }
    // Another switch's parts, each whole by itself.
    let other = tempfile::tempdir().unwrap();
    let other = new_switch(other.path()).await;
    let switch = new_switch(&dir.path().join("second")).await;
    std::fs::remove_dir_all(switch.authority()).unwrap();
    std::fs::rename(other.authority(), switch.authority()).unwrap();
    let told = check::run(&switch, output).unwrap_err();
    assert!(
        told.what[0].contains("root in tls.authority_dir"),
        "{}",
        told.what[0]
    );
    assert!(
        told.what[0].contains("another switch's"),
        "{}",
        told.what[0]
    );
}
