//! A switch whose log key is rotated: what is left behind by each step that was cut short, and who follows.

use std::time::Duration;

use adapters::Adapter;
use adapters::identity::Home;
use audit::checkpoint;
use audit::replay;
use audit::tiles::published::read_published;
use proto::refusal::Language;

use super::*;
use crate::commands::agency;
use crate::commands::broker::Running;
use crate::commands::operator::Operator;
use crate::testing::Bench;

const QUIET: Output = Output {
    language: Language::English,
    json: true,
};
const HOUR_MS: u64 = 3_600_000;
const WAIT: Duration = Duration::from_secs(20);

fn asked(bench: &Bench) -> RotateLogKey {
    RotateLogKey {
        switch: bench.switch.path().to_owned(),
        overlap_days: 1,
        check: false,
        cancel: false,
    }
}

fn ask(bench: &Bench) -> Result<(), Failure> {
    rotate(&asked(bench), &bench.clock, QUIET)
}

/// Asks for a rotation whose overlap is an hour.
fn ask_for_an_hour(bench: &Bench) {
    ask(bench).unwrap();
    let path = bench.switch.log_key();
    let left = Rotation::read(&path).unwrap().unwrap();
    assert_eq!(left.overlap_ms, DAY_MS);
    let overlap_ms = HOUR_MS;
    Rotation { overlap_ms, ..left }.write(&path).unwrap();
}

fn states(bench: &Bench) -> Vec<&'static str> {
    let keys = Keys::of_switch(&bench.switch).unwrap();
    let rows = rows(&keys, bench.clock.now_ms()).unwrap();
    rows.iter().map(|row| row.state).collect()
}

/// Which of the log's keys, in order, signed the published checkpoint.
fn signed_by(bench: &Bench) -> Vec<usize> {
    let dir = bench.switch.log();
    let note = read_published(&dir).unwrap().unwrap().note;
    let note = audit::note::SignedNote::parse(&note).unwrap();
    let key = beside(&dir).unwrap();
    let known = key.successions();
    let all = std::iter::once(key.first()).chain(known.iter().map(|one| one.next.clone()));
    let signed = all
        .enumerate()
        .filter(|(_, key)| note.verify(std::slice::from_ref(key)).is_ok());
    signed.map(|(number, _)| number).collect()
}

/// The log holds for whoever wrote down any of its keys.
fn proven(bench: &Bench) {
    let dir = bench.switch.log();
    let key = beside(&dir).unwrap();
    let known = key.successions();
    let all = std::iter::once(key.first()).chain(known.iter().map(|one| one.next.clone()));
    for held in all {
        let options = replay::Options {
            key: Some(LogKey::from_vkey(&held.to_vkey()).unwrap()),
            ..Default::default()
        };
        let report = replay::replay(&dir, options);
        assert!(
            report.files.is_proven(),
            "{}: {:?}",
            held.to_vkey(),
            report.files.findings
        );
        assert_eq!(report.findings.errors(), 0, "{:?}", report.findings);
    }
}

async fn stop(running: Running) {
    running.shutdown().await.unwrap();
}

async fn bench() -> Bench {
    Bench::new(Clock::fixed(Clock::System.now_us())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_asked_for_recorded_at_the_next_start_and_over_after_the_overlap() {
    let bench = bench().await;
    let running = bench.start().await;
    let check = RotateLogKey {
        check: true,
        ..asked(&bench)
    };
    rotate(&check, &bench.clock, QUIET).unwrap();
    assert_eq!(states(&bench), ["signs"]);
    ask_for_an_hour(&bench);
    assert_eq!(states(&bench), ["signs", "waits"]);
    // Asked once more it is the same key.
    let rows_before = rows(&Keys::of_switch(&bench.switch).unwrap(), 0).unwrap();
    ask_for_an_hour(&bench);
    let rows_after = rows(&Keys::of_switch(&bench.switch).unwrap(), 0).unwrap();
    assert_eq!(rows_before[1].log_vkey, rows_after[1].log_vkey);
    stop(running).await;
    assert_eq!(signed_by(&bench), [0]);

    stop(bench.start().await).await;
    assert_eq!(states(&bench), ["overlap", "signs"]);
    assert!(!Rotation::file(&bench.switch.log_key()).exists());
    assert_eq!(signed_by(&bench), [0, 1]);
    proven(&bench);
    let refused = ask(&bench).unwrap_err();
    assert!(refused.what[0].contains("side by side"), "{refused:?}");
    assert_eq!(cancel(&asked(&bench), QUIET).unwrap_err().exit, Exit::Usage);

    bench.clock.advance_ms(HOUR_MS + 1_000);
    assert_eq!(states(&bench), ["ended", "signs"]);
    stop(bench.start().await).await;
    assert_eq!(signed_by(&bench), [1]);
    proven(&bench);
    // The older key's file may go, and the next key comes after the one that signs.
    fs::remove_file(bench.switch.log_key()).unwrap();
    assert!(
        broker::switch::Switch::check(&Config::load(&bench.switch.config()).unwrap(), &bench.clock)
            .is_empty()
    );
    ask_for_an_hour(&bench);
    stop(bench.start().await).await;
    assert_eq!(states(&bench), ["ended", "overlap", "signs"]);
    proven(&bench);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_cut_short_is_taken_up_and_none_keeps_a_switch_from_starting() {
    let bench = bench().await;
    let path = bench.switch.log_key();
    let second = path.with_extension("key.2");
    // Dies after the key file: nothing is asked for, and the next call uses that key.
    ask(&bench).unwrap();
    Rotation::remove(&path).unwrap();
    let made = fs::read(&second).unwrap();
    stop(bench.start().await).await;
    assert_eq!(states(&bench), ["signs"]);
    ask(&bench).unwrap();
    assert_eq!(fs::read(&second).unwrap(), made);
    assert!(!path.with_extension("key.3").exists());
    // Taken back.
    cancel(&asked(&bench), QUIET).unwrap();
    stop(bench.start().await).await;
    assert_eq!(states(&bench), ["signs"]);
    // A request that cannot be read, of a key whose file is not here, or of one that is somebody's already: the switch
    // starts, and its log is as it was.
    let operator = Operator::open(&bench.switch, &bench.clock).unwrap();
    let used = LogKey::new("switch.example/log", operator.signer.key()).unwrap();
    for text in [
        "what".to_owned(),
        format!("key = 'x'\noverlap_ms = {HOUR_MS}\n"),
        format!("key = '{}'\noverlap_ms = {HOUR_MS}\n", used.to_vkey()),
    ] {
        fs::write(Rotation::file(&path), text).unwrap();
        stop(bench.start().await).await;
        assert_eq!(
            Keys::of_switch(&bench.switch).unwrap().key.entries().len(),
            0
        );
        fs::remove_file(Rotation::file(&path)).unwrap();
    }
    // Dies between the entry and taking the request away: it is not recorded twice.
    ask_for_an_hour(&bench);
    let request = fs::read(Rotation::file(&path)).unwrap();
    stop(bench.start().await).await;
    fs::write(Rotation::file(&path), request).unwrap();
    stop(bench.start().await).await;
    assert_eq!(states(&bench), ["overlap", "signs"]);
    assert!(!Rotation::file(&path).exists());
    proven(&bench);
    // What a start must not do without is said before anything is signed, and the file brought back is enough.
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let config = Config::load(&bench.switch.config()).unwrap();
    let told = broker::switch::Switch::check(&config, &bench.clock).join("\n");
    assert!(told.contains("overlap"), "{told}");
    let refused = Running::start(crate::commands::broker::BrokerOptions {
        switch: bench.switch.clone(),
        echo: false,
        clock: bench.clock.clone(),
        given_up: Default::default(),
    });
    let refused = refused.await.err().unwrap();
    assert!(
        refused.what[0].contains("bring its file back"),
        "{refused:?}"
    );
    certs::key_files::write_private(&path, &kept).unwrap();
    stop(bench.start().await).await;
    proven(&bench);
}

/// Everybody wrote the first key down, and nobody is told anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_operators_follow_the_log_key_by_themselves() {
    let bench = bench().await;
    let running = bench.start().await;
    let home = Box::pin(bench.enrol("EG/GOV/GIZA/homes", ["الجيزة", "Giza"])).await;
    let idle = Box::pin(bench.enrol("EG/GOV/CAIRO/homes", ["القاهرة", "Cairo"])).await;
    let follows = async |home: &Path| {
        // A switch on port 0 moves at each start.
        let file = home.join("adapter.toml");
        let text = fs::read_to_string(&file).unwrap();
        let running = bench.switch.running_addresses().unwrap().unwrap();
        let line = |line: &str| match line.split_once(" = ") {
            Some(("exchange", _)) => format!("exchange = {:?}\n", running.exchange),
            _ => format!("{line}\n"),
        };
        fs::write(&file, text.lines().map(line).collect::<String>()).unwrap();
        let opened = Home::open(home).unwrap();
        let adapter = Adapter::start(opened.clone(), bench.clock.clone()).unwrap();
        adapter.ready(WAIT).await.unwrap();
        adapter
            .checkpoints()
            .reconcile(adapter.connection())
            .await
            .unwrap();
        assert!(adapter.standing().hold().is_ok());
        opened.log_key().newest()
    };
    let first = follows(&home).await;
    assert_eq!(first, follows(&idle).await);
    stop(running).await;
    ask_for_an_hour(&bench);
    let running = bench.start().await;
    let second = follows(&home).await;
    assert_ne!(first, second);
    assert!(home.join(checkpoint::SUCCESSIONS_FILE).exists());
    stop(running).await;
    bench.clock.advance_ms(HOUR_MS + 1_000);
    let running = bench.start().await;
    // One that followed, one that slept through the whole overlap, one that comes anew, and the operator.
    assert_eq!(second, follows(&home).await);
    assert_eq!(second, follows(&idle).await);
    let late = Box::pin(bench.enrol("EG/GOV/LUXOR/homes", ["الأقصر", "Luxor"])).await;
    assert_eq!(second, follows(&late).await);
    let operator = Operator::open(&bench.switch, &bench.clock).unwrap();
    let agency = proto::id::AgencyId::parse("EG/GOV/QENA").unwrap();
    agency::invite(&operator, &agency, Duration::from_secs(60), &bench.clock)
        .await
        .unwrap();
    assert_eq!(operator.log_key.newest(), second);
    stop(running).await;
    proven(&bench);
}
