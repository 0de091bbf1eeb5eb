//! Copies of a log: pruned by themselves, and made of a log that was pruned.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_tail_and_store_is_pruned_as_well() {
    let dir = stopped().await;
    for name in ["tail", "store", "lock"] {
        let path = dir.path().join(name);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    pruned(dir.path(), Before::Index(256));
    let paths: Vec<String> = files_of(dir.path()).into_keys().collect();
    let top = |path: &String| path.split('/').next().unwrap().to_owned();
    let mut tops: Vec<_> = paths.iter().map(top).collect();
    tops.dedup();
    assert_eq!(
        tops,
        ["checkpoint", "log.vkey", "minimum-index", "pruned", "tile"]
    );
    assert_eq!(errors(dir.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_log_is_backed_up_and_its_copy_follows_a_later_pruning() {
    use crate::backup::copy_log;
    let dir = stopped().await;
    let (fresh, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_log(dir.path(), older.path(), &key(), None).unwrap();
    pruned(dir.path(), Before::OlderThanDays(1));
    for (copy, gone) in [(&fresh, true), (&older, false)] {
        let copied = copy_log(dir.path(), copy.path(), &key(), None).unwrap();
        assert_eq!((copied.published.size, copied.size), (800, 800));
        assert_eq!(errors(copy.path()), [""; 0]);
        // A copy's own bundles are not removed by copying: it is pruned for itself.
        assert_eq!(holds(copy.path(), OLD).is_empty(), gone);
        let log = Log::open(config(copy.path()), signer()).await.unwrap();
        assert_eq!((log.minimum_index(), log.head().size()), (256, 800));
        assert!(log.recovered().unwrap().repaired.is_empty());
        log.close().await.unwrap();
    }
    fs::remove_file(dir.path().join("tile/entries/001")).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let error = copy_log(dir.path(), copy.path(), &key(), None).unwrap_err();
    assert!(error.to_string().contains("tile/entries/001"), "{error}");
}
