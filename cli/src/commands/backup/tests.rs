//! A running switch is copied, goes down, and its copy goes on elsewhere.

use audit::replay;
use proto::refusal::Language;

use super::*;
use crate::commands::broker::{BrokerOptions, Running};
use crate::testing::Bench;

const QUIET: Output = Output {
    language: Language::English,
    json: true,
};

fn copy(bench: &Bench) -> Result<PathBuf, Failure> {
    let to = bench.path("backup");
    let switch = bench.switch.path().to_owned();
    backup(
        &Backup {
            switch,
            to: to.clone(),
        },
        QUIET,
    )
    .map(|()| to)
}

fn put(bench: &Bench, name: &str) -> Result<PathBuf, Failure> {
    let (from, switch) = (bench.path("backup"), bench.path(name));
    let args = Restore {
        from,
        switch: switch.clone(),
    };
    restore(&args, QUIET).map(|()| switch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_switch_is_copied_and_its_copy_goes_on_elsewhere() {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    copy(&bench).unwrap();
    Box::pin(bench.enrol("EG/GOV/GIZA/homes", ["الجيزة", "Giza"])).await;
    // What was acknowledged before the second copy is in it, published or not.
    let acknowledged = running.switch().log().head().size();
    let at = copy(&bench).unwrap();
    assert!(read_manifest(&at).unwrap().size >= acknowledged);
    running.shutdown().await.unwrap();
    fs::remove_dir_all(bench.switch.path()).unwrap();

    let switch = SwitchDir::new(put(&bench, "elsewhere").unwrap());
    let options = BrokerOptions {
        switch: switch.clone(),
        echo: false,
        clock: Clock::System,
        given_up: Default::default(),
    };
    let again = Running::start(options).await.unwrap();
    // Its own epoch entry stands behind them.
    assert!(again.switch().log().head().size() > acknowledged);
    again.shutdown().await.unwrap();
    let report = replay::replay(&switch.log(), replay::Options::default());
    assert!(
        report.is_clean(),
        "{:?}",
        report.all_findings().collect::<Vec<_>>()
    );
    // Keys stay with their owner.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(switch.log_key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_whole_or_not_ours_is_never_put_in_place() {
    let bench = Bench::new(Clock::System).await;
    // No broker ran: genesis alone.
    let at = copy(&bench).unwrap();
    let refused = put(&bench, "switch").unwrap_err();
    assert_eq!(refused.exit, Exit::Usage, "an existing folder");

    let keep = fs::read(at.join("switch/keys/log.key")).unwrap();
    fs::write(at.join("switch/keys/log.key"), "another").unwrap();
    assert_eq!(put(&bench, "new").unwrap_err().exit, Exit::Untrusted);
    fs::write(at.join("switch/keys/log.key"), keep).unwrap();

    let manifest = fs::read_to_string(at.join(MANIFEST)).unwrap();
    let outside = manifest.replace("\"keys/log.key\"", "\"../../keys/log.key\"");
    fs::write(at.join(MANIFEST), outside).unwrap();
    assert_eq!(put(&bench, "new").unwrap_err().exit, Exit::Untrusted);
    fs::write(at.join(MANIFEST), &manifest).unwrap();

    let bundle = at.join("log/tile/entries/000.p/1");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[60] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert_eq!(put(&bench, "new").unwrap_err().exit, Exit::Untrusted);
    fs::remove_file(at.join(MANIFEST)).unwrap();
    assert_eq!(put(&bench, "new").unwrap_err().exit, Exit::Usage);
    assert!(!bench.path("new").exists() && !bench.path("new.restoring").exists());

    let other = Bench::new(Clock::System).await;
    let args = Backup {
        switch: other.switch.path().to_owned(),
        to: at,
    };
    assert_eq!(
        backup(&args, QUIET).unwrap_err().exit,
        Exit::Usage,
        "another switch's copy"
    );
}
