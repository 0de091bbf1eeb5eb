//! Both sides looked at in this process, with a clock that a test can set. The real binary, broken hop by hop, is in
//! `tests/scenarios/doctor.rs`.

use std::time::Duration;

use adapters::subjects::KeyFile;
use certs::{SealAlgorithm, SealKeyFile};

use super::row::{Row, Standing};
use super::*;
use crate::testing::{Bench, chmod};

fn standing(rows: &[Row], check: &str) -> Standing {
    let row = rows.iter().find(|row| row.check.id() == check);
    row.unwrap_or_else(|| panic!("no {check} in {rows:#?}"))
        .standing
}

/// What fails, in order.
fn failed(rows: &[Row]) -> Vec<&'static str> {
    let failed = rows.iter().filter(|row| row.is_failed());
    failed.map(|row| row.check.id()).collect()
}

/// A fixed clock so far after the system's.
fn later(by: Duration) -> Clock {
    let clock = Clock::fixed(Clock::System.now_us());
    clock.advance_ms(by.as_millis().try_into().unwrap());
    clock
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_then_overdue_then_ended_as_the_clock_goes_on() {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let home = bench
        .enrol("EG/GOV/MOSS/takaful", ["التضامن", "Solidarity"])
        .await;
    let rows = agency::examine(&home, None, &Clock::System).await;
    assert_eq!(failed(&rows), [""; 0], "{rows:#?}");
    assert_eq!(standing(&rows, "certificate"), Standing::Ok);

    // Six of seven days later nobody renewed; the switch's clock did not go along.
    let rows = agency::examine(&home, None, &later(6 * DAY)).await;
    assert_eq!(standing(&rows, "certificate"), Standing::Warning);
    assert_eq!(failed(&rows), ["clock"], "{rows:#?}");

    let rows = agency::examine(&home, None, &later(8 * DAY)).await;
    assert_eq!(failed(&rows)[0], "certificate", "{rows:#?}");
    for before in ["settings", "permissions"] {
        assert_eq!(standing(&rows, before), Standing::Ok, "{before}");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_before_the_certificate_is_told_before_the_network_it_breaks() {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let home = bench
        .enrol("EG/GOV/MOSS/takaful", ["التضامن", "Solidarity"])
        .await;
    let behind = Clock::fixed(Clock::System.now_us() - 3_600_000_000);
    let rows = agency::examine(&home, None, &behind).await;
    assert_eq!(failed(&rows)[0], "clock", "{rows:#?}");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_is_looked_at_while_it_runs_and_after() {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let rows = operator::examine(&bench.switch, log::Depth::End, &Clock::System).await;
    assert_eq!(failed(&rows), [""; 0], "{rows:#?}");
    assert_eq!(standing(&rows, "exchange_door"), Standing::Ok);
    assert_eq!(standing(&rows, "enrolment_door"), Standing::Ok);
    // The root's key lies there as `init` left it.
    assert_eq!(standing(&rows, "permissions"), Standing::Warning);
    let pins = rows.iter().find(|row| row.check.id() == "pins").unwrap();
    assert!(pins.found[0].contains("switch.example/log+"));

    // As the years go by: the broker's own certificate first, the authority's much later.
    for (clock, warned, ended) in [
        (later(62 * DAY), vec!["broker_certificate"], vec![]),
        (
            later(5 * 365 * DAY - 100 * DAY),
            vec!["authority_certificates"],
            vec!["broker_certificate"],
        ),
        (
            later(5 * 365 * DAY),
            vec![],
            vec!["broker_certificate", "authority_certificates"],
        ),
    ] {
        let rows = operator::examine(&bench.switch, log::Depth::End, &clock).await;
        for check in warned {
            assert_eq!(standing(&rows, check), Standing::Warning, "{rows:#?}");
        }
        for check in ended {
            assert_eq!(standing(&rows, check), Standing::Failed, "{rows:#?}");
        }
    }
    let behind = Clock::fixed(Clock::System.now_us() - 3_600_000_000);
    let rows = operator::examine(&bench.switch, log::Depth::End, &behind).await;
    assert_eq!(standing(&rows, "clock"), Standing::Failed);

    running.shutdown().await.unwrap();
    let rows = operator::examine(&bench.switch, log::Depth::End, &Clock::System).await;
    assert_eq!(
        failed(&rows),
        ["exchange_door", "enrolment_door"],
        "{rows:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_switchs_parts_and_a_damaged_log_are_told_apart() {
    let (bench, other) = (
        Bench::new(Clock::System).await,
        Bench::new(Clock::System).await,
    );
    let examine = |depth| {
        let switch = bench.switch.clone();
        async move { operator::examine(&switch, depth, &Clock::System).await }
    };
    let config = std::fs::read_to_string(bench.switch.config()).unwrap();
    let foreign = config.replace("name = \"b1\"", "name = \"b2\"");
    std::fs::write(bench.switch.config(), foreign).unwrap();
    assert_eq!(failed(&examine(log::Depth::End).await)[0], "parts");
    std::fs::write(bench.switch.config(), "[switch]\ncolour = 1\n").unwrap();
    let rows = examine(log::Depth::End).await;
    assert_eq!(failed(&rows), ["configuration"]);
    assert_eq!(standing(&rows, "exchange_door"), Standing::NotTried);
    std::fs::write(bench.switch.config(), config).unwrap();

    chmod(&bench.switch.log_key(), 0o640);
    let rows = examine(log::Depth::End).await;
    assert_eq!(failed(&rows)[0], "permissions");
    chmod(&bench.switch.log_key(), 0o600);

    // Another switch's key does not open this log's checkpoint.
    let key = std::fs::read(bench.switch.log_key()).unwrap();
    std::fs::copy(other.switch.log_key(), bench.switch.log_key()).unwrap();
    assert_eq!(failed(&examine(log::Depth::End).await)[0], "log");
    std::fs::write(bench.switch.log_key(), key).unwrap();

    // One flipped byte of the only bundle, and the checkpoint gone.
    let bundle = bench.switch.log().join("tile/entries/000.p/1");
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    chmod(&bundle, 0o644);
    std::fs::write(&bundle, &bytes).unwrap();
    assert_eq!(failed(&examine(log::Depth::End).await)[0], "log");
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    let output = Output {
        language: proto::refusal::Language::English,
        json: true,
    };
    assert_eq!(
        standing(&examine(log::Depth::Whole(output)).await, "log"),
        Standing::Ok
    );
    std::fs::remove_file(bench.switch.log().join("checkpoint")).unwrap();
    let rows = examine(log::Depth::Whole(output)).await;
    assert_eq!(failed(&rows)[0], "log");
    assert_eq!(standing(&rows, "pins"), Standing::NotTried);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_persons_are_looked_at_where_the_home_has_them() {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let home = bench
        .enrol("EG/GOV/MOSS/takaful", ["التضامن", "Solidarity"])
        .await;
    let rows = agency::examine(&home, None, &Clock::System).await;
    assert!(rows.iter().all(|row| row.check.id() != "subject_keys"));
    let folder = home.join("subjects");
    std::fs::create_dir(&folder).unwrap();
    let agreement = proto::Digest::of(b"an agreement");
    let master = proto::subject::EpochMaster::from_slice(&[1; 32]).unwrap();
    let mut file = KeyFile {
        agreement,
        epoch: 1,
        from_ms: Clock::System.now_ms() + 3_600_000,
        overlap_ms: 1_000,
        key: master.key(&agreement).unwrap(),
    };
    let path = folder.join(file.file_name());
    for (from_ms, mode, expected) in [
        (file.from_ms, 0o600, Standing::Warning),
        (1, 0o600, Standing::Ok),
        (1, 0o644, Standing::Failed),
    ] {
        let _ = std::fs::remove_file(&path);
        file.from_ms = from_ms;
        file.save(&path).unwrap();
        chmod(&path, mode);
        let rows = agency::examine(&home, None, &Clock::System).await;
        assert_eq!(standing(&rows, "subject_keys"), expected, "{rows:#?}");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_without_its_witnesses_is_told() {
    use audit::cosignature::{WitnessKey, cosign};
    use audit::note::SignedNote;
    use broker::switch::LogKeyFile;
    use proto::key::Signer as _;

    let bench = Bench::new(Clock::System).await;
    let key = SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap();
    let key = LogKeyFile::new(key).unwrap();
    let vkey = WitnessKey::new("w.example/1", key.key()).unwrap().to_vkey();
    let policy = bench.switch.path().join("witness.policy");
    std::fs::write(
        &policy,
        format!("witness w {vkey} http://127.0.0.1:1\nquorum w\n"),
    )
    .unwrap();
    let config = std::fs::read_to_string(bench.switch.config()).unwrap();
    let with = format!("{config}\n[witness]\npolicy = \"witness.policy\"\n");
    let examine = async |clock: &Clock| {
        let rows = operator::examine(&bench.switch, log::Depth::End, clock).await;
        rows.into_iter().find(|row| row.check.id() == "witnesses")
    };
    assert_eq!(examine(&Clock::System).await, None);
    std::fs::write(bench.switch.config(), with).unwrap();
    // A moment ago, and long ago.
    let row = examine(&Clock::fixed(Clock::System.now_us() - 1))
        .await
        .unwrap();
    assert_ne!(row.standing, Standing::Ok, "{row:?}");
    let row = examine(&later(DAY)).await.unwrap();
    assert_eq!(row.standing, Standing::Failed, "{row:?}");
    assert!(row.found[0].contains("no quorum (w)"), "{row:?}");
    // Cosigned, it holds whatever the time; with a line that does not hold it fails.
    let checkpoint = bench.switch.log().join("checkpoint");
    let own = SignedNote::parse(&std::fs::read(&checkpoint).unwrap()).unwrap();
    for (text, expected) in [
        (own.text(), Standing::Ok),
        ("another\n1\nAAAA\n", Standing::Failed),
    ] {
        let mut note = own.clone();
        note.add(cosign(text, "w.example/1", &key, 1_795_363_078).unwrap())
            .unwrap();
        std::fs::write(&checkpoint, note.to_bytes()).unwrap();
        let row = examine(&later(DAY)).await.unwrap();
        assert_eq!(row.standing, expected, "{row:?}");
    }
}

#[tokio::test]
async fn an_empty_folder_fails_at_its_settings_and_nothing_else_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let rows = agency::examine(dir.path(), None, &Clock::System).await;
    assert_eq!(failed(&rows), ["settings"]);
    let rest = rows.iter().filter(|row| row.check.id() != "settings");
    assert!(rest.clone().count() > 10);
    assert!(rest.clone().all(|row| row.standing == Standing::NotTried));
}

#[test]
fn a_side_is_named_or_follows_from_the_environment_and_is_never_guessed() {
    let path = |text: &str| Some(PathBuf::from(text));
    let home = Doctor {
        home: path("home"),
        ..Doctor::default()
    };
    let both = |name: &str| path(name);
    assert_eq!(Side::of(&home, both).unwrap(), Side::Agency("home".into()));
    let deep = Doctor {
        deep: true,
        ..Doctor::default()
    };
    assert_eq!(
        Side::of(&deep, both).unwrap(),
        Side::Operator("MOHAWEL_SWITCH".into())
    );
    let call = Doctor {
        service: Some("EG/GOV/CIVIL/registry/persons.v1".parse().unwrap()),
        ..Doctor::default()
    };
    assert_eq!(
        Side::of(&call, both).unwrap(),
        Side::Agency("MOHAWEL_HOME".into())
    );
    let nothing = Doctor::default();
    assert!(Side::of(&nothing, both).is_err());
    assert!(Side::of(&nothing, |_| None).is_err());
}
