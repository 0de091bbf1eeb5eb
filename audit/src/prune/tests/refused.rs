//! What may not be pruned stays, and the reason says what may.

use super::*;
use crate::tiles::pruned::MINIMUM_FILE;

/// Refuses, and leaves everything but the lock as it was.
fn refuses(dir: &Path, options: Options<'_>) -> PruneError {
    let files = || {
        let mut files = files_of(dir);
        files.retain(|path, _| path.starts_with("tile") || path.starts_with("pruned"));
        files
    };
    let before = files();
    let error = prune(dir, options).unwrap_err();
    assert_eq!(files(), before, "{error}");
    assert!(!dir.join(MINIMUM_FILE).exists());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_younger_than_its_retention() {
    let dir = stopped().await;
    for before in [Before::Index(512), Before::OlderThanDays(0)] {
        let error = refuses(dir.path(), options(dir.path(), before));
        let PruneError::TooYoung {
            age_days: 0,
            retention_days: 1,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert!(error.to_string().contains("--older-than 1"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_or_more() {
    let dir = stopped().await;
    for index in [800, 801, u64::MAX] {
        let error = refuses(dir.path(), options(dir.path(), Before::Index(index)));
        assert!(
            matches!(error, PruneError::Beyond { size: 800, .. }),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_ending() {
    let mut forger = Forger::new().await;
    let header = forger.header();
    let facts = forger.facts();
    let (open, _) = forger.request(&header, facts).await;
    pad(&forger, 300, OLD).await;
    forger.clock.advance_ms(2 * DAY_MS);
    pad(&forger, 320, "newer").await;
    forger.log.close().await.unwrap();
    let dir = forger.dir;
    drop(forger.log);
    let error = refuses(dir.path(), options(dir.path(), Before::Index(256)));
    let PruneError::Open { request, allowed } = error else {
        panic!("{error}")
    };
    assert_eq!((request, allowed), (open.index, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_published_or_not_witnessed() {
    let dir = stopped().await;
    let note = |dir: &Path| read_published(dir).unwrap().unwrap().note;
    let small = {
        let store = TileStore::new(dir.path());
        let edge = crate::tree::edge_at(&store.reader(800), 200).unwrap();
        let small = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 200,
            root: edge.root(),
        };
        small.sign(&TestSigner::new(200)).unwrap().note
    };
    let with = |notes: Vec<Bytes>| Options {
        checkpoints: notes,
        ..options(dir.path(), Before::Index(256))
    };
    let error = refuses(dir.path(), with(vec![note(dir.path()), small]));
    assert!(
        matches!(
            error,
            PruneError::NotWitnessed {
                index: 256,
                size: 200
            }
        ),
        "{error}"
    );
    let other = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 300,
        root: proto::Digest::of(b"another history"),
    };
    let other = other.sign(&TestSigner::new(200)).unwrap().note;
    let error = refuses(dir.path(), with(vec![other]));
    assert!(matches!(error, PruneError::OtherHistory(300)), "{error}");
    // Recorded, and not published: the switch was killed.
    let log = Log::open(config(dir.path()), signer()).await.unwrap();
    let draft = Draft {
        kind: Kind::Refusal,
        facts: Bytes::new(),
        header: Bytes::new(),
        seal: None,
    };
    log.append(draft, None).await.unwrap();
    let running = refuses(dir.path(), options(dir.path(), Before::Index(256)));
    assert!(
        matches!(running, PruneError::Log(LogError::InUse(_))),
        "{running}"
    );
    drop(log);
    let error = prune(dir.path(), options(dir.path(), Before::Index(256))).unwrap_err();
    assert!(error.to_string().contains("not published yet"), "{error}");
    assert!(!dir.path().join(MINIMUM_FILE).exists());
    fs::remove_file(dir.path().join("checkpoint")).unwrap();
    let error = refuses(dir.path(), options(dir.path(), Before::Index(256)));
    assert!(matches!(error, PruneError::NotPublished), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_witness_has_cosigned() {
    let dir = stopped().await;
    let vkey = crate::cosignature::WitnessKey::new("witness.test/one", TestSigner::new(77).key());
    let text = format!(
        "log {}\nwitness one {}\nquorum one\n",
        key().to_vkey(),
        vkey.unwrap().to_vkey()
    );
    let asking = Options {
        policy: Some(crate::policy::Policy::parse(text.as_bytes()).unwrap()),
        ..options(dir.path(), Before::Index(256))
    };
    let error = refuses(dir.path(), asking);
    assert!(matches!(error, PruneError::NoQuorum(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_was_signed() {
    let dir = stopped().await;
    let path = dir.path().join("tile/entries/000");
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[2_000] ^= 1;
    for bytes in [altered, whole[..500].to_vec()] {
        fs::write(&path, bytes).unwrap();
        let error = refuses(dir.path(), options(dir.path(), Before::Index(256)));
        assert!(error.to_string().contains("audit rebuild"), "{error}");
    }
    fs::write(&path, whole).unwrap();
    let tile = dir.path().join("tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[99] ^= 1;
    fs::write(&tile, bytes).unwrap();
    // The bundles make it again, so nothing is in doubt.
    assert_eq!(pruned(dir.path(), Before::Index(256)).removed, 256);
}
