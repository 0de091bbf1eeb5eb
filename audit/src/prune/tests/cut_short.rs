//! Pruning that is killed between any two steps: the log opens and replays clean, and the same command finishes.

use super::*;
use crate::tiles::fixtures::files_of;

/// Prunes, and ends before the `limit`-th step; gives the steps it took.
fn cut(dir: &Path, limit: usize) -> (Vec<String>, Result<Report, PruneError>) {
    let mut steps = Vec::new();
    let mut on_step = |step: &str| {
        if steps.len() == limit {
            return Err(JournalError::Stopped("power was cut".into()));
        }
        steps.push(step.to_owned());
        Ok(())
    };
    let options = Options {
        on_step: Some(&mut on_step),
        layout: Some(layout(dir)),
        ..Options::new(Before::Index(256))
    };
    let result = prune(dir, options);
    (steps, result)
}

/// What an outsider sees.
pub(super) fn public(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files_of(dir);
    files.retain(|path, _| {
        !["tail", "store", "lock", "repaired"]
            .iter()
            .any(|own| path.starts_with(own))
    });
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_opens_and_the_same_command_finishes() {
    let whole = stopped().await;
    let done = copied(whole.path());
    pruned(done.path(), Before::Index(256));
    let mut all = Vec::new();
    for limit in 0..20 {
        let dir = copied(whole.path());
        let (steps, result) = cut(dir.path(), limit);
        if result.is_ok() {
            all = steps;
            break;
        }
        assert_eq!(errors(dir.path()), [""; 0], "after {steps:?}");
        let log = Log::open(config(dir.path()), signer()).await.unwrap();
        assert_eq!(log.head().size(), 800, "after {steps:?}");
        log.close().await.unwrap();
        drop(log);
        assert_eq!(errors(dir.path()), [""; 0], "opened after {steps:?}");
        pruned(dir.path(), Before::Index(256));
        assert_eq!(public(dir.path()), public(done.path()), "after {steps:?}");
        assert_eq!(holds(dir.path(), OLD), [""; 0], "after {steps:?}");
    }
    assert_eq!(
        all,
        [
            "keep registry entries",
            "begin the tail anew",
            "begin the store anew",
            "note the pruning",
            "set the minimum index",
            "remove bundles",
            "remove a database",
            "remove indexes"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_an_earlier_run_left_go_with_the_next() {
    let whole = stopped().await;
    let dir = copied(whole.path());
    pruned(dir.path(), Before::Index(256));
    let bundle = "tile/entries/000";
    fs::copy(whole.path().join(bundle), dir.path().join(bundle)).unwrap();
    // There still, so it is verified, and nothing is missing.
    assert_eq!(errors(dir.path()), [""; 0]);
    pruned(dir.path(), Before::Index(256));
    assert!(!dir.path().join(bundle).exists());
}
