//! A rebuild that is killed between any two steps: the directory opens, or the same command finishes it.

use super::*;

/// Runs a rebuild that ends before its `limit`-th step; gives the steps it took.
pub(super) fn cut(
    dir: &Path,
    from: &Path,
    limit: usize,
) -> (Vec<String>, Result<Report, RebuildError>) {
    let mut steps = Vec::new();
    let mut on_step = |step: &str| {
        if steps.len() == limit {
            return Err(JournalError::Stopped("power was cut".into()));
        }
        steps.push(step.to_owned());
        Ok(())
    };
    let result = rebuild(
        dir,
        Options {
            from: vec![from.to_owned()],
            key: Some(key()),
            accept_tail_loss: true,
            layout: Some(layout(dir)),
            on_step: Some(&mut on_step),
            ..Options::default()
        },
    );
    (steps, result)
}

/// Damages everything at once: key, checkpoint, a bundle, a tile, the tail and the store.
pub(super) async fn damage(dir: &Path) {
    fs::remove_file(dir.join("log.vkey")).unwrap();
    fs::write(dir.join("checkpoint"), b"junk").unwrap();
    fs::remove_file(dir.join("tile/entries/000")).unwrap();
    fs::write(dir.join("tile/0/001"), b"junk").unwrap();
    let segment = fs::read_dir(dir.join("tail")).unwrap();
    let segment = segment.map(|path| path.unwrap().path()).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8_192 + 70] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let foreign = another().await;
    drop(Log::open(config(foreign.path()), signer()).await.unwrap());
    fs::remove_dir_all(dir.join("store")).unwrap();
    copy(&foreign.path().join("store"), &dir.join("store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_is_finished_by_the_same_command() {
    let (dir, head) = stopped().await;
    let whole = copied(dir.path());
    damage(dir.path()).await;
    let mut all = Vec::new();
    for limit in 0..20 {
        let dir = copied(dir.path());
        let (steps, result) = cut(dir.path(), whole.path(), limit);
        if result.is_ok() {
            all = steps;
            break;
        }
        // What a start does now, if it starts, is right.
        if let Ok(log) = Log::open(config(dir.path()), signer()).await {
            assert_eq!(log.head().edge.head(), head, "after {steps:?}");
            drop(log);
        }
        let (_, result) = cut(dir.path(), whole.path(), usize::MAX);
        assert!(result.unwrap().whole, "after {steps:?}");
        let (opened, _) = opens(dir.path()).await;
        assert_eq!(opened, head, "after {steps:?}");
    }
    assert_eq!(
        all,
        [
            "look",
            "mend",
            "write the key",
            "publish",
            "set the store aside",
            "note the repair",
            "build the tail",
            "exchange the tail",
            "open"
        ]
    );
}
